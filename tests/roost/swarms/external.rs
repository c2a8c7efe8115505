//! Agents that connect.

#![expect(clippy::too_many_lines, reason = "each is one story, or a table")]

use roost::{core::identity::Identity, services::swarms::Attachment};
use serde_json::{Value, json};

use super::support::{look, make, over, pushes, refused, rests, tell};
use crate::{
    on_both_databases,
    support::{daemon::Daemon, databases::Fresh, rest::Rest, soon, until},
};

on_both_databases!(
    whoever_attaches_is_given_turns_until_each_is_answered,
    who_does_not_read_is_waited_for,
);

async fn attach(daemon: &Daemon) -> Attachment {
    let swarms = daemon.app.services.swarms.as_ref().expect("swarms");
    let attached = swarms.attach("s", "a", &Identity::Owner, &daemon.app.store);
    attached.await.expect("a place")
}

async fn next(attachment: &mut Attachment) -> Value {
    soon("a turn", attachment.next()).await.expect("a turn")
}

async fn whoever_attaches_is_given_turns_until_each_is_answered(database: Fresh) {
    let daemon = Daemon::start(&database).await;
    let rest = Rest::new(daemon.address);
    let agents = json!([{"name": "a", "backend": "external"}, {"name": "b", "backend": "echo"}]);
    make(&rest, "s", &agents, &json!([["a", "b"]])).await;
    let one = tell(&rest, "s/agents/a/task", &json!({"task": "one"})).await;
    let two = tell(&rest, "s/agents/a/task", &json!({"task": "two"})).await;
    assert_eq!(look(&rest, "s/agents/a").await["state"], "initializing");
    let mut first = attach(&daemon).await;
    let given = next(&mut first).await;
    let told = (&given["type"], &given["from"], &given["content"]);
    assert_eq!(
        told,
        (&json!("task"), &json!("orchestrator"), &json!("one"))
    );
    // Who left without a word is given it again.
    drop(first);
    until("nobody", async || {
        look(&rest, "s/agents/a").await["state"] == "initializing"
    })
    .await;
    let mut second = attach(&daemon).await;
    assert_eq!(next(&mut second).await, given);
    // Who is slow is replaced.
    let mut third = attach(&daemon).await;
    assert_eq!(soon("its end", second.next()).await, None);
    assert_eq!(next(&mut third).await, given);
    drop(second);
    let wrong = json!({"id": "nope", "content": "x"});
    let wrong = refused(&rest, "swarms/s/agents/a/results", &wrong).await;
    assert_eq!(wrong, (404, ":not_found".to_owned()));
    let result = json!({"id": given["id"], "content": "@b: done"});
    let stored = tell(&rest, "s/agents/a/results", &result).await;
    assert_eq!(stored, json!({"status": "stored", "id": given["id"]}));
    assert_eq!(over(&rest, &one).await["output"], "@b: done");
    let again = refused(&rest, "swarms/s/agents/a/results", &result).await;
    assert_eq!(again, (404, ":not_found".to_owned()));
    let given = next(&mut third).await;
    let failed = json!({"id": given["id"], "error": "no idea"});
    tell(&rest, "s/agents/a/results", &failed).await;
    let task = over(&rest, &two).await;
    assert_eq!(
        (&task["status"], &task["error"]),
        (&json!("failed"), &json!("no idea"))
    );
    rests(&rest, "s", "b", "idle").await;
    assert_eq!(
        look(&rest, "s/agents/b/history").await[0]["content"],
        "done"
    );
    // A place outlives what works for it.
    tell(&rest, "s/restart", &json!({})).await;
    rests(&rest, "s", "a", "idle").await;
    let three = tell(&rest, "s/agents/a/task", &json!({"task": "three"})).await;
    let given = next(&mut third).await;
    let result = json!({"id": given["id"], "content": ""});
    tell(&rest, "s/agents/a/results", &result).await;
    assert_eq!(over(&rest, &three).await["output"], "");
    let swarms = daemon.app.services.swarms.as_ref().expect("swarms");
    let by = &Identity::Owner;
    let refused = swarms.attach("s", "b", by, &daemon.app.store).await;
    assert_eq!(
        refused.err().expect("an error").data(),
        Some(&json!({"reason": ":not_external"}))
    );
    drop(third);
    daemon.stop().await;
}

async fn who_does_not_read_is_waited_for(database: Fresh) {
    const RESTARTS: usize = 6;
    let daemon = Daemon::start(&database).await;
    let rest = Rest::new(daemon.address);
    let agents = json!([{"name": "a", "backend": "external"}, {"name": "b", "backend": "echo"}]);
    make(&rest, "s", &agents, &json!([])).await;
    let mut place = attach(&daemon).await;
    let task = tell(&rest, "s/agents/a/task", &json!({"task": "x"})).await;
    let works = async || {
        until("a turn", async || {
            look(&rest, "s/agents/a").await["state"] == "working"
        })
        .await;
    };
    works().await;
    for _ in 0..RESTARTS {
        // Each time it is given again.
        tell(&rest, "s/agents/a/restart", &json!({})).await;
        works().await;
    }
    for _ in 0..20 {
        let marker = tell(&rest, "s/agents/b/task", &json!({"task": "y"})).await;
        over(&rest, &marker).await;
    }
    let told = pushes(&rest, "s").await;
    let states = told
        .iter()
        .filter(|push| push[0] == "agent_status" && push[1]["agent"] == "a");
    assert!(
        states.count() <= 2 * RESTARTS + 4,
        "initializing, idle and working at first, then two a restart"
    );
    let given = next(&mut place).await;
    let result = json!({"id": given["id"], "content": "done"});
    tell(&rest, "s/agents/a/results", &result).await;
    assert_eq!(over(&rest, &task).await["output"], "done");
    rests(&rest, "s", "a", "idle").await;
    daemon.stop().await;
}
