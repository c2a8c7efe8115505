//! Agents that are processes.

use std::process::Command;

use serde_json::{Value, json};

use super::support::{look, make, over, pushes, rests, tell};
use crate::{
    on_both_databases,
    support::{daemon::Daemon, databases::Fresh, rest::Rest, until},
};

on_both_databases!(
    a_process_is_kept_over_turns_and_told_lines,
    a_killed_process_is_started_again_and_loses_nothing,
    an_agent_whose_process_does_not_stay_is_given_up,
    a_turn_has_limits,
    an_end_is_told_although_its_agent_was_woken_meanwhile,
);

/// Says what it is told, and which process it is.
const REPEAT: &str =
    "while read -r line; do echo \"$$ $line\"; printf '<<TURN_'; echo 'COMPLETE>>'; done";

fn agent(command: &str, config: &Value) -> Value {
    json!([{"name": "a", "backend": "local", "command": command, "config": config}])
}

async fn process(rest: &Rest) -> u64 {
    let mut id = 0;
    until("a process", async || {
        let agent = look(rest, "s/agents/a").await;
        id = agent["process_id"].as_u64().unwrap_or_default();
        id > 0 && agent["state"] != "initializing"
    })
    .await;
    id
}

fn kill(process: u64) {
    let status = Command::new("kill")
        .args(["-9", &process.to_string()])
        .status();
    assert!(status.expect("kill").success());
}

async fn a_process_is_kept_over_turns_and_told_lines(database: Fresh) {
    let daemon = Daemon::start(&database).await;
    let rest = Rest::new(daemon.address);
    make(&rest, "s", &agent(REPEAT, &json!({})), &json!([["a", "a"]])).await;
    let process = process(&rest).await;
    for task in ["one", "two"] {
        let sent = tell(&rest, "s/agents/a/task", &json!({"task": task})).await;
        let line = json!({"type": "task", "content": task, "from": "orchestrator"});
        assert_eq!(
            over(&rest, &sent).await["output"],
            format!("{process} {line}")
        );
    }
    rests(&rest, "s", "a", "idle").await;
    let message = json!({"from": "a", "to": "a", "content": "three"});
    tell(&rest, "s/message", &message).await;
    rests(&rest, "s", "a", "idle").await;
    let line = json!({"type": "message", "content": "three", "from": "a"});
    let last = pushes(&rest, "s").await;
    let last = last
        .iter()
        .rfind(|push| push[0] == "agent_output")
        .expect("an output");
    assert_eq!(last[1]["content"], format!("{process} {line}"));
    let shown =
        look(&rest, "s/agents").await.to_string() + &json!(pushes(&rest, "s").await).to_string();
    assert!(
        !shown.contains("while read"),
        "a command is nobody's business: {shown}"
    );
    let restarted = tell(&rest, "s/agents/a/restart", &json!({})).await;
    assert_eq!(restarted, json!({"status": "restarted", "agent": "a"}));
    assert_ne!(self::process(&rest).await, process);
    daemon.stop().await;
}

async fn a_killed_process_is_started_again_and_loses_nothing(database: Fresh) {
    let daemon = Daemon::start(&database).await;
    let rest = Rest::new(daemon.address);
    let folder = database.folder.path();
    let command = "while read -r line; do until [ -e go ]; do sleep 0.05; done; echo \"$line\"; echo '<<TURN_COMPLETE>>'; done";
    let config = json!({"cwd": folder});
    make(&rest, "s", &agent(command, &config), &json!([])).await;
    let idle = process(&rest).await;
    kill(idle);
    until("another process", async || {
        let now = look(&rest, "s/agents/a").await["process_id"].as_u64();
        now.is_some_and(|now| now != idle)
    })
    .await;
    let mut tasks = Vec::new();
    for n in 0..5 {
        tasks.push(tell(&rest, "s/agents/a/task", &json!({"task": n.to_string()})).await);
    }
    until("a turn", async || {
        look(&rest, "s/agents/a").await["state"] == "working"
    })
    .await;
    let busy = process(&rest).await;
    kill(busy);
    until("another process", async || {
        let agent = look(&rest, "s/agents/a").await;
        agent["process_id"].as_u64().is_some_and(|now| now != busy) && agent["state"] == "working"
    })
    .await;
    std::fs::write(folder.join("go"), "").expect("a file");
    for task in &tasks {
        assert_eq!(over(&rest, task).await["status"], "completed");
    }
    let pushes = pushes(&rest, "s").await;
    let outputs = pushes.iter().filter(|push| push[0] == "agent_output");
    let contents: Vec<Value> = outputs
        .map(|push| {
            let line = push[1]["content"].as_str().unwrap_or_default();
            serde_json::from_str::<Value>(line).expect("a line")["content"].clone()
        })
        .collect();
    assert_eq!(contents, ["0", "1", "2", "3", "4"]);
    let warnings = look(&rest, "s/events?event_type=agent_stopped").await;
    assert_eq!(warnings.as_array().map(Vec::len), Some(2));
    assert_eq!(
        warnings[0]["metadata"]["reason"],
        "the agent was ended by signal 9"
    );
    daemon.stop().await;
}

async fn an_agent_whose_process_does_not_stay_is_given_up(database: Fresh) {
    let daemon = Daemon::start(&database).await;
    let rest = Rest::new(daemon.address);
    let command = "read -r line; echo no >&2; exit 3";
    make(
        &rest,
        "s",
        &agent(command, &json!({"restarts": 1})),
        &json!([]),
    )
    .await;
    let sent = tell(&rest, "s/agents/a/task", &json!({"task": "x"})).await;
    let task = over(&rest, &sent).await;
    let why = "it ended 2 times in a row; the agent ended with exit status 3: no";
    assert_eq!(
        (&task["status"], &task["error"]),
        (&json!("failed"), &json!(why))
    );
    until("the agent's end", async || {
        look(&rest, "s/agents/a").await["state"] == "error"
    })
    .await;
    let (status, answer) = rest
        .send(
            reqwest::Method::POST,
            "/swarms/s/agents/a/task",
            Some(&json!({"task": "y"})),
        )
        .await;
    assert_eq!(
        (status, &answer["data"]["reason"]),
        (409, &json!(":agent_error"))
    );
    let errors = look(&rest, "s/events?level=error").await;
    assert_eq!(errors[0]["event_type"], "agent_error");
    assert_eq!(
        errors[0]["metadata"],
        json!({"reason": why, "backend": "local"})
    );
    // It is not what it was, but it may try.
    tell(&rest, "s/agents/a/restart", &json!({})).await;
    rests(&rest, "s", "a", "idle").await;
    daemon.stop().await;
}

async fn a_turn_has_limits(database: Fresh) {
    let flags = ["--agent-output", "2000"];
    let daemon = Daemon::start_with(&database, &flags, |_| {}).await;
    let rest = Rest::new(daemon.address);
    let command = "while read -r line; do case $line in *slow*) sleep 1000;; *large*) yes;; esac; echo '<<TURN_COMPLETE>>'; done";
    make(
        &rest,
        "s",
        &agent(command, &json!({"turn_secs": 1})),
        &json!([]),
    )
    .await;
    for (text, why) in [
        ("slow", Some("the agent took longer than 1 seconds")),
        ("large", Some("the agent printed more than 2000 bytes")),
        ("fine", None),
    ] {
        let sent = tell(&rest, "s/agents/a/task", &json!({"task": text})).await;
        let task = over(&rest, &sent).await;
        assert_eq!(task["error"].as_str(), why, "{text}");
    }
    daemon.stop().await;
}

async fn an_end_is_told_although_its_agent_was_woken_meanwhile(database: Fresh) {
    let daemon = Daemon::start(&database).await;
    let rest = Rest::new(daemon.address);
    let folder = database.folder.path();
    // The first leaves something behind that holds its standard error open: it is waited for a while.
    let command = "if [ ! -e gone ]; then \
        until [ -e go ]; do sleep 0.05; done; setsid sh -c 'touch gone; exec sleep 5' & \
        until [ -e gone ]; do sleep 0.05; done; exit 3; \
        fi; while read -r line; do echo fine; echo '<<TURN_COMPLETE>>'; done";
    let config = json!({"cwd": folder});
    make(&rest, "s", &agent(command, &config), &json!([])).await;
    rests(&rest, "s", "a", "idle").await;
    process(&rest).await;
    std::fs::write(folder.join("go"), "").expect("a file");
    until("no process", async || {
        look(&rest, "s/agents/a").await["process_id"].is_null()
    })
    .await;
    let sent = tell(&rest, "s/agents/a/task", &json!({"task": "x"})).await;
    assert_eq!(over(&rest, &sent).await["output"], "fine");
    let ends = look(&rest, "s/events?event_type=agent_stopped").await;
    assert_eq!(ends.as_array().map(Vec::len), Some(1));
    assert_eq!(ends[0]["metadata"]["exit_status"], 3);
    daemon.stop().await;
}
