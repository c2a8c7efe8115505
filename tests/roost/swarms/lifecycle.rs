//! How swarms start, change and go.

#![expect(clippy::too_many_lines, reason = "each is one story, or a table")]

use reqwest::Method as Verb;
use serde_json::{Value, json};

use super::support::{echo, look, make, over, pushes, refused, rests, tell};
use crate::{
    on_both_databases,
    support::{daemon::Daemon, databases::Fresh, rest::Rest},
};

on_both_databases!(
    a_swarm_works_pauses_stops_and_is_purged,
    agents_come_and_go_while_a_swarm_runs,
    a_daemon_that_comes_back_goes_on,
    what_is_wrong_is_said,
);

async fn a_swarm_works_pauses_stops_and_is_purged(database: Fresh) {
    let daemon = Daemon::start(&database).await;
    let rest = Rest::new(daemon.address);
    make(
        &rest,
        "s",
        &json!([echo("a"), echo("b")]),
        &json!([["a", "b"]]),
    )
    .await;
    rests(&rest, "s", "a", "idle").await;
    rests(&rest, "s", "b", "idle").await;
    let status = look(&rest, "s").await;
    assert_eq!(status["status"], "running");
    assert_eq!(status["agent_counts"], json!({"idle": 2}));
    let config = json!({"agent_count": 2, "object_count": 0, "topology_edges": 1});
    assert_eq!(status["config"], config);
    assert_eq!(
        status["agents"][0],
        json!({"name": "a", "pid": "#PID<0.1.0>", "state": "idle"})
    );
    let sent = tell(&rest, "s/agents/a/task", &json!({"task": "hello"})).await;
    assert_eq!(
        (&sent["status"], &sent["agent"], &sent["task"]),
        (&json!("sent"), &json!("a"), &json!("hello"))
    );
    let task = over(&rest, &sent).await;
    assert_eq!(
        (&task["status"], &task["output"]),
        (&json!("completed"), &json!("hello"))
    );
    let chunks = format!("/tasks/{}/chunks", task["task_id"].as_str().expect("an id"));
    assert_eq!(rest.get(&chunks).await["data"][0]["content"], "hello");
    let session = rest
        .get(&format!(
            "/sessions/{}",
            task["session_id"].as_str().expect("an id")
        ))
        .await;
    assert_eq!(
        (&session["title"], &session["agent"]),
        (&json!("s/a"), &json!("echo"))
    );

    let paused = tell(&rest, "s/pause", &json!({})).await;
    assert_eq!(
        paused,
        json!({"status": "paused", "swarm_name": "s", "containers_paused": 2})
    );
    let waits = tell(&rest, "s/agents/a/task", &json!({"task": "later"})).await;
    assert_eq!(
        refused(&rest, "swarms/s/pause", &json!({})).await,
        (409, ":not_running".into())
    );
    assert_eq!(look(&rest, "s/agents/a").await["inbox_size"], 1);
    tell(&rest, "s/resume", &json!({})).await;
    assert_eq!(over(&rest, &waits).await["status"], "completed");
    rests(&rest, "s", "a", "idle").await;

    tell(&rest, "s/stop", &json!({})).await;
    assert_eq!(
        look(&rest, "s").await["agent_counts"],
        json!({"stopped": 2})
    );
    let stopped = refused(&rest, "swarms/s/agents/a/task", &json!({"task": "x"})).await;
    assert_eq!(stopped, (409, ":agent_stopped".into()));
    tell(&rest, "s/start", &json!({})).await;
    let already = refused(&rest, "swarms/s/start", &json!({})).await;
    assert_eq!(already, (409, ":already_running".into()));
    rests(&rest, "s", "a", "idle").await;
    let restarted = tell(&rest, "s/restart", &json!({"delete": true})).await;
    let expected = json!({"status": "restarted", "swarm_name": "s", "delete_data": true});
    assert_eq!(restarted, expected);
    rests(&rest, "s", "a", "idle").await;
    check_pushes(&rest).await;

    let (_, gone) = rest.send(Verb::DELETE, "/swarms/s", None).await;
    assert_eq!(
        gone,
        json!({"status": "stopped", "swarm_name": "s", "config_path": null})
    );
    assert_eq!(look(&rest, "s").await["status"], "stopped");
    let (_, gone) = rest.send(Verb::DELETE, "/swarms/s?purge=true", None).await;
    assert_eq!(gone["status"], "purged");
    assert_eq!(rest.send(Verb::GET, "/swarms/s", None).await.0, 404);
    assert_eq!(rest.get("/swarms").await, json!([]));
    assert_eq!(rest.get("/sessions?$limit=0").await["total"], 0);
    assert_eq!(rest.get("/swarms/events").await, json!([]));
    daemon.stop().await;
}

/// What was pushed of `s`, agent `a` above all.
async fn check_pushes(rest: &Rest) {
    let pushes = pushes(rest, "s").await;
    let of_a: Vec<_> = pushes
        .iter()
        .filter(|push| push[1]["agent"] == "a" || push[1].get("agent").is_none())
        .collect();
    let status = |state: &str| json!(["agent_status", {"agent": "a", "state": state}]);
    let output = |content: &str| json!(["agent_output", {"agent": "a", "content": content}]);
    let turn = |content: &str| [status("working"), output(content), status("idle")];
    let (started, stopped) = (
        json!(["swarm_started", {"status": "running"}]),
        json!(["swarm_stopped", {}]),
    );
    let begun = || [status("initializing"), started.clone(), status("idle")];
    let ended = || [status("stopped"), stopped.clone()];
    let expected: Vec<Value> = [
        &begun()[..],
        &turn("hello"),
        &turn("later"),
        &ended(),
        &begun(),
        &ended(),
        &begun(),
    ]
    .concat();
    assert_eq!(of_a, expected.iter().collect::<Vec<_>>());
}

async fn agents_come_and_go_while_a_swarm_runs(database: Fresh) {
    let daemon = Daemon::start(&database).await;
    let rest = Rest::new(daemon.address);
    make(&rest, "s", &json!([echo("a")]), &json!([])).await;
    let added = json!({"name": "b", "backend": "echo", "connections": ["a"], "incoming": ["a"]});
    let answer = tell(&rest, "s/agents", &added).await;
    assert_eq!(answer, json!({"status": "added", "name": "b"}));
    let again = refused(&rest, "swarms/s/agents", &added).await;
    assert_eq!(again, (409, ":already_exists".into()));
    let nowhere = json!({"name": "c", "backend": "echo", "connections": ["nobody"]});
    let nowhere = refused(&rest, "swarms/s/agents", &nowhere).await;
    assert_eq!(nowhere, (400, ":target_not_found".into()));
    let scaled = tell(&rest, "s/agents/b/scale", &json!({"count": 3})).await;
    let result = json!({"added": ["b_1", "b_2"], "removed": [], "failed": []});
    assert_eq!(scaled, json!({"status": "ok", "result": result}));
    let topology = json!([
        {"from": "b", "targets": ["a"]},
        {"from": "a", "targets": ["b", "b_1", "b_2"]},
        {"from": "b_1", "targets": ["a"]},
        {"from": "b_2", "targets": ["a"]},
    ]);
    assert_eq!(look(&rest, "s/topology").await, topology);
    let sent = tell(&rest, "s/agents/b_2/task", &json!({"task": "@a: hi"})).await;
    over(&rest, &sent).await;
    rests(&rest, "s", "a", "idle").await;
    assert_eq!(look(&rest, "s/agents/a/history").await[0]["from"], "b_2");
    let scaled = tell(&rest, "s/agents/b/scale", &json!({"count": 1})).await;
    assert_eq!(scaled["result"]["removed"], json!(["b_2", "b_1"]));
    let refusal = refused(&rest, "swarms/s/agents/b/scale", &json!({"count": -1})).await;
    assert_eq!(refusal, (400, ":bad_request".into()));
    let edges =
        json!({"add": [["a", "a"], {"from": "a", "to": "gateway"}], "remove": [["b", "a"]]});
    let (_, wired) = rest
        .send(Verb::PATCH, "/swarms/s/topology", Some(&edges))
        .await;
    assert_eq!(wired, json!({"status": "ok", "added": 2, "removed": 1}));
    let (_, removed) = rest.send(Verb::DELETE, "/swarms/s/agents/b", None).await;
    assert_eq!(removed, json!({"status": "removed", "name": "b"}));
    assert_eq!(
        look(&rest, "s/topology").await,
        json!([{"from": "a", "targets": ["a", "gateway"]}])
    );
    assert_eq!(
        rest.send(Verb::GET, "/swarms/s/agents/b", None).await.0,
        404
    );
    let skill = json!({"name": "sums", "content": "1 + 1"});
    tell(&rest, "s/agents/a/skills", &skill).await;
    let skills = json!([{"name": "sums", "content": "1 + 1", "path": null}]);
    assert_eq!(look(&rest, "s/agents/a/skills").await, skills);
    let names: Vec<_> = pushes(&rest, "s").await;
    let names = names.iter().filter_map(|push| push[0].as_str());
    let changes: Vec<_> = names
        .filter(|name| !name.starts_with("agent_status"))
        .collect();
    assert_eq!(
        changes[..3],
        ["swarm_started", "agent_added", "topology_changed"]
    );
    assert_eq!(
        changes
            .iter()
            .filter(|name| **name == "agent_removed")
            .count(),
        3
    );
    daemon.stop().await;
}

async fn a_daemon_that_comes_back_goes_on(database: Fresh) {
    let daemon = Daemon::start(&database).await;
    let rest = Rest::new(daemon.address);
    for name in ["runs", "pauses", "rests"] {
        make(&rest, name, &json!([echo("a")]), &json!([])).await;
        rests(&rest, name, "a", "idle").await;
    }
    tell(&rest, "pauses/pause", &json!({})).await;
    tell(&rest, "rests/stop", &json!({})).await;
    let waits = tell(&rest, "pauses/agents/a/task", &json!({"task": "later"})).await;
    daemon.stop().await;
    let daemon = Daemon::start(&database).await;
    let rest = Rest::new(daemon.address);
    for (name, status, state) in [("runs", "running", "idle"), ("rests", "stopped", "stopped")] {
        assert_eq!(look(&rest, name).await["status"], status);
        rests(&rest, name, "a", state).await;
    }
    let sent = tell(&rest, "runs/agents/a/task", &json!({"task": "now"})).await;
    assert_eq!(over(&rest, &sent).await["status"], "completed");
    assert_eq!(look(&rest, "pauses").await["status"], "paused");
    assert_eq!(look(&rest, "pauses/agents/a").await["inbox_size"], 1);
    tell(&rest, "pauses/resume", &json!({})).await;
    assert_eq!(over(&rest, &waits).await["status"], "completed");
    let cleaned = tell(&rest, "clean", &json!({})).await;
    assert_eq!(cleaned["swarms_removed"], 1);
    let cleaned = tell(&rest, "clean", &json!({"all": true})).await;
    assert_eq!(cleaned["swarms_removed"], 2);
    daemon.stop().await;
}

async fn what_is_wrong_is_said(database: Fresh) {
    let daemon = Daemon::start(&database).await;
    let rest = Rest::new(daemon.address);
    make(&rest, "s", &json!([echo("a")]), &json!([])).await;
    for (path, body, expected) in [
        ("swarms", json!({}), (400, "")),
        (
            "swarms",
            json!({"config": {"name": "9"}}),
            (400, ":invalid_config"),
        ),
        (
            "swarms",
            json!({"config": {"name": "s", "agents": []}}),
            (409, ":already_running"),
        ),
        (
            "swarms",
            json!({"config": {"name": "t", "agents": [], "board_id": "nope"}}),
            (400, ""),
        ),
        (
            "swarms",
            json!({"config_path": "/nowhere.toml"}),
            (400, ":invalid_config"),
        ),
        (
            "swarms",
            json!({"config_path": "/etc/hosts"}),
            (400, ":invalid_config"),
        ),
        ("swarms/nope/start", json!({}), (404, ":not_found")),
        (
            "swarms/nope/agents/a/task",
            json!({"task": "x"}),
            (404, ":not_found"),
        ),
        (
            "swarms/s/agents/nope/task",
            json!({"task": "x"}),
            (404, ":not_found"),
        ),
        (
            "swarms/s/agents/nope/scale",
            json!({"count": 1}),
            (404, ":not_found"),
        ),
        (
            "swarms/s/agents/nope/restart",
            json!({}),
            (404, ":not_found"),
        ),
        ("swarms/s/agents/a/task", json!({}), (400, ":bad_request")),
        (
            "swarms/s/agents/a/task",
            json!({"task": 5}),
            (400, ":bad_request"),
        ),
        ("swarms/s/agents/a/task", json!(null), (400, ":bad_request")),
        (
            "swarms/s/message",
            json!({"from": "a", "to": "b"}),
            (400, ":bad_request"),
        ),
        (
            "swarms/s/agents/a/results",
            json!({"id": "x", "content": "y"}),
            (404, ":not_found"),
        ),
        ("swarms/s/agents", json!([]), (400, ":invalid_config")),
        ("swarms/s/resume", json!({}), (409, ":not_paused")),
    ] {
        let (status, reason) = expected;
        let said = refused(&rest, path, &body).await;
        assert_eq!(said, (status, reason.to_owned()), "{path} {body}");
    }
    let toml = "name = \"t\"\n[[agents]]\nname = \"a\"\nbackend = \"docker\"\n";
    let content = json!({"content": toml, "format": "toml"});
    let answer = tell(&rest, "validate", &content).await;
    let problem = json!({
        "line": 4,
        "field": "agents[0].backend",
        "message": "docker is not offered; use echo, local or external",
    });
    assert_eq!(answer["problems"], json!([problem]));
    assert_eq!(answer["valid"], false);
    let file = database.folder.path().join("t.toml");
    std::fs::write(&file, toml.replace("docker", "echo")).expect("a file");
    let path = json!({"config_path": file});
    let answer = tell(&rest, "validate", &path).await;
    assert_eq!(
        (&answer["valid"], &answer["config"]["agent_count"]),
        (&json!(true), &json!(1))
    );
    assert_eq!(tell(&rest, "", &path).await["swarm_name"], "t");
    assert_eq!(look(&rest, "t").await["config_path"], json!(file));
    daemon.stop().await;
}
