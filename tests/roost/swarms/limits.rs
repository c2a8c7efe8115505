//! How much of everything there may be.

use reqwest::Method as Verb;
use sea_orm::{ConnectionTrait, Database};
use serde_json::{Value, json};

use super::support::{echo, look, make, over, refused, rests, tell};
use crate::{
    on_both_databases,
    support::{daemon::Daemon, databases::Fresh, rest::Rest},
};

on_both_databases!(
    texts_and_what_a_turn_sends_have_limits,
    edges_and_skills_have_limits,
    the_newest_events_are_kept,
);

const MIB: usize = 1 << 20;

async fn texts_and_what_a_turn_sends_have_limits(database: Fresh) {
    let daemon = Daemon::start(&database).await;
    let rest = Rest::new(daemon.address);
    let agents = json!([echo("a"), {"name": "b", "backend": "echo", "count": 20}]);
    make(&rest, "s", &agents, &json!([["a", "b"]])).await;
    let large = |bytes: usize| "x".repeat(bytes);
    let message = |to: &str, content: String| json!({"from": "a", "to": to, "content": content});
    for (path, body) in [
        ("a/task", json!({"task": large(MIB + 1)})),
        ("a/results", json!({"id": "1", "content": large(MIB + 1)})),
        ("a/results", json!({"id": "1", "error": large(MIB + 1)})),
        ("a/skills", json!({"name": "x", "content": large(MIB + 1)})),
    ] {
        let path = format!("swarms/s/agents/{path}");
        let answer = refused(&rest, &path, &body).await;
        assert_eq!(answer, (413, ":too_large".to_owned()), "{path}");
    }
    for body in [
        message("b", large(MIB + 1)),
        message(&large(300), large(1)),
        // So much to each of 20.
        message("all", large(MIB)),
    ] {
        let answer = refused(&rest, "swarms/s/message", &body).await;
        assert_eq!(answer, (413, ":too_large".to_owned()));
    }
    // Lines, to whom, and how many are sent.
    for (lines, to, sent, event) in [
        (1_100, "gateway", 1_000, "message_routed"),
        (60, "all", 50, "message_broadcast"),
    ] {
        let text = format!("@{to}: x\n").repeat(lines);
        let task = tell(&rest, "s/agents/a/task", &json!({"task": text})).await;
        assert_eq!(over(&rest, &task).await["status"], "completed");
        let all = format!("/events?source=swarms&name={event}&$limit=0");
        assert_eq!(rest.get(&all).await["total"], sent);
        let warnings = look(&rest, "s/events?event_type=messages_dropped").await;
        let metadata = json!({"dropped": lines - sent, "sent": sent});
        assert_eq!(warnings[0]["metadata"], metadata);
        assert_eq!(warnings[0]["level"], "warning");
    }
    daemon.stop().await;
}

async fn edges_and_skills_have_limits(database: Fresh) {
    let daemon = Daemon::start(&database).await;
    let rest = Rest::new(daemon.address);
    let agents = json!([{"name": "a", "backend": "external", "count": 101}]);
    make(&rest, "s", &agents, &json!([])).await;
    let name = |number: usize| match number {
        0 => "a".to_owned(),
        number => format!("a_{number}"),
    };
    let edges: Vec<Value> = (0..10_001)
        .map(|n| json!([name(n / 101), name(n % 101)]))
        .collect();
    let wire = async |add: &[Value]| {
        let body = json!({"add": add});
        let (status, answer) = rest
            .send(Verb::PATCH, "/swarms/s/topology", Some(&body))
            .await;
        (status, answer["data"]["reason"].clone())
    };
    assert_eq!(wire(&edges).await, (400, json!(":invalid_config")));
    assert_eq!(wire(&edges[..10_000]).await.0, 200);
    assert_eq!(
        wire(&edges[10_000..]).await,
        (400, json!(":too_many_edges"))
    );
    let newcomer = json!({"name": "b", "backend": "echo", "connections": ["a"]});
    let answer = refused(&rest, "swarms/s/agents", &newcomer).await;
    assert_eq!(answer, (400, ":too_many_edges".to_owned()));
    assert_eq!(look(&rest, "s").await["config"]["topology_edges"], 10_000);

    let skill = |name: &str| json!({"name": name, "content": "x".repeat(MIB * 2 / 3)});
    tell(&rest, "s/agents/a/skills", &skill("one")).await;
    tell(&rest, "s/agents/a/skills", &skill("one")).await;
    let answer = refused(&rest, "swarms/s/agents/a/skills", &skill("two")).await;
    assert_eq!(answer, (413, ":too_large".to_owned()));
    let skills = json!([skill("one"), skill("two")]);
    let newcomer = json!({"name": "b", "backend": "echo", "skills": skills});
    let answer = refused(&rest, "swarms/s/agents", &newcomer).await;
    assert_eq!(answer, (400, ":invalid_config".to_owned()));
    // A swarm's agents together, too.
    for number in 1..=23 {
        let path = format!("s/agents/a_{number}/skills");
        if number < 23 {
            tell(&rest, &path, &skill("one")).await;
        } else {
            let answer = refused(&rest, &format!("swarms/{path}"), &skill("one")).await;
            assert_eq!(answer, (413, ":too_large".to_owned()));
        }
    }
    daemon.stop().await;
}

async fn the_newest_events_are_kept(database: Fresh) {
    let daemon = Daemon::start(&database).await;
    let rest = Rest::new(daemon.address);
    make(&rest, "s", &json!([echo("a")]), &json!([])).await;
    rests(&rest, "s", "a", "idle").await;
    daemon.stop().await;
    let db = Database::connect(&database.url)
        .await
        .expect("the database");
    let numbers = if database.url.starts_with("sqlite") {
        "WITH RECURSIVE many(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM many WHERE n < 12000)"
    } else {
        "WITH many AS (SELECT generate_series(1, 12000) AS n)"
    };
    let fill = format!(
        "{numbers} INSERT INTO swarm_events \
         (id, at, level, category, swarm, agent, event_type, message, metadata) \
         SELECT '0' || CAST(100000 + n AS TEXT), at, level, category, swarm, agent, 'old', message, metadata \
         FROM many, (SELECT * FROM swarm_events WHERE event_type = 'swarm_started') AS one"
    );
    db.execute_unprepared(&fill).await.expect("old events");
    db.close().await.expect("a closed connection");
    // What is told when it comes back is the first that it tells.
    let daemon = Daemon::start(&database).await;
    let rest = Rest::new(daemon.address);
    rests(&rest, "s", "a", "idle").await;
    let (mut kept, mut after) = (Vec::new(), "0".to_owned());
    loop {
        let page = look(&rest, &format!("s/events?after={after}&limit=1000")).await;
        let page = page.as_array().expect("a list").clone();
        let Some(last) = page.last() else { break };
        after = last["id"].as_str().expect("an id").to_owned();
        kept.extend(page);
    }
    assert!((10_000..10_200).contains(&kept.len()), "{}", kept.len());
    let old = kept.iter().filter(|event| event["event_type"] == "old");
    let ids: Vec<_> = old.filter_map(|event| event["id"].as_str()).collect();
    assert_eq!(ids.last(), Some(&"0112000"), "the oldest went");
    assert!(
        kept.last()
            .is_some_and(|event| event["event_type"] != "old")
    );
    daemon.stop().await;
}
