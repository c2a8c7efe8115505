//! Messages between agents.

#![expect(clippy::too_many_lines, reason = "each is one story, or a table")]

use serde_json::json;

use super::support::{echo, look, make, over, pushes, refused, rests, tell};
use crate::{
    on_both_databases,
    support::{daemon::Daemon, databases::Fresh, rest::Rest},
};

on_both_databases!(
    messages_follow_edges_and_what_does_not_is_told,
    an_inbox_is_full_at_a_thousand,
);

async fn messages_follow_edges_and_what_does_not_is_told(database: Fresh) {
    let daemon = Daemon::start(&database).await;
    let rest = Rest::new(daemon.address);
    let agents = json!([echo("a"), echo("b"), echo("c")]);
    make(
        &rest,
        "s",
        &agents,
        &json!([["a", "b"], ["a", "c"], ["b", "c"]]),
    )
    .await;
    let text = "@all: to all\n@b: to b\n<<SWARM_MSG:TO=c:START>>\nto c\n<<SWARM_MSG:END>>\n\
                @gateway: out\n@nobody: lost\nthe end";
    let sent = tell(&rest, "s/agents/a/task", &json!({"task": text})).await;
    over(&rest, &sent).await;
    let sent = tell(
        &rest,
        "s/agents/c/task",
        &json!({"task": "@a: against the stream"}),
    )
    .await;
    over(&rest, &sent).await;
    for agent in ["a", "b", "c"] {
        rests(&rest, "s", agent, "idle").await;
    }
    let told = async |agent: &str| {
        let history = look(&rest, &format!("s/agents/{agent}/history")).await;
        let mut told = history.as_array().expect("a list").clone();
        told.retain(|entry| entry["type"] != "outgoing");
        told.iter()
            .rev()
            .map(|entry| json!([entry["from"], entry["content"]]))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        told("b").await,
        [json!(["a", "to all"]), json!(["a", "to b"])]
    );
    let to_c = [
        json!(["a", "to all"]),
        json!(["a", "to c"]),
        json!(["orchestrator", "@a: against the stream"]),
    ];
    assert_eq!(told("c").await, to_c);
    assert_eq!(told("a").await.len(), 1);
    let outputs: Vec<_> = pushes(&rest, "s").await;
    let first = outputs
        .iter()
        .find(|push| push[0] == "agent_output")
        .expect("an output");
    assert_eq!(
        first[1],
        json!({"agent": "a", "content": "@all: to all\n@b: to b\n\n@gateway: out\n@nobody: lost\nthe end"})
    );
    let events = look(&rest, "s/messages").await;
    let events = events.as_array().expect("a list");
    let of = |name: &str| {
        let fits = events.iter().filter(|event| event["event_type"] == name);
        fits.map(|event| event["metadata"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(of("message_broadcast")[0]["to"], json!(["b", "c"]));
    let routed: Vec<_> = of("message_routed")
        .iter()
        .map(|event| event["to"].clone())
        .collect();
    assert_eq!(routed, ["gateway", "c", "b"]);
    assert_eq!(of("target_not_found")[0]["to"], "nobody");
    let invalid = json!({"from": "c", "to": "a", "allowed_targets": []});
    assert_eq!(of("invalid_route"), [invalid]);
    for (to, delivered, reason) in [
        ("b", true, json!(null)),
        ("a", false, json!(":invalid_route")),
        ("x", false, json!(":target_not_found")),
        ("gateway", false, json!(null)),
        ("all", true, json!(null)),
    ] {
        let message = json!({"from": "a", "to": to, "content": "hi"});
        let answer = tell(&rest, "s/message", &message).await;
        let said = (&answer["status"], &answer["delivered"], &answer["reason"]);
        assert_eq!(said, (&json!("routed"), &json!(delivered), &reason), "{to}");
    }
    daemon.stop().await;
}

async fn an_inbox_is_full_at_a_thousand(database: Fresh) {
    let daemon = Daemon::start(&database).await;
    let rest = Rest::new(daemon.address);
    let agents = json!([echo("a"), {"name": "b", "backend": "external"}]);
    make(&rest, "s", &agents, &json!([["a", "b"]])).await;
    rests(&rest, "s", "a", "idle").await;
    let (rest, task) = (&rest, &json!({"task": "x"}));
    for _ in 0..40 {
        let some = (0..25).map(async |_| drop(tell(rest, "s/agents/b/task", task).await));
        futures_util::future::join_all(some).await;
    }
    assert_eq!(look(rest, "s/agents/b").await["inbox_size"], 1_000);
    let full = refused(rest, "swarms/s/agents/b/task", task).await;
    assert_eq!(full, (429, ":inbox_full".to_owned()));
    let sent = tell(rest, "s/agents/a/task", &json!({"task": "@b: too much"})).await;
    over(rest, &sent).await;
    let warnings = look(rest, "s/events?level=warning").await;
    assert_eq!(warnings[0]["event_type"], "inbox_full");
    assert_eq!(warnings[0]["message"], "Inbox full, dropped message from a");
    daemon.stop().await;
}
