//! A ring of agents: what is put into it goes round to its end.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::support::{echo, look, make, tell};
use crate::{
    on_both_databases,
    support::{daemon::Daemon, databases::Fresh, process::Process, rest::Rest, until},
};

const AGENTS: usize = 20;
const TASKS: usize = 100;

on_both_databases!(
    a_ring_passes_ten_thousand_messages_and_each_once,
    a_killed_daemon_loses_nothing_of_what_goes_round,
);

async fn ring(rest: &Rest) {
    let agents: Vec<_> = (0..AGENTS).map(|n| echo(&format!("a{n}"))).collect();
    let next = |n: usize| json!([format!("a{n}"), format!("a{}", (n + 1) % AGENTS)]);
    let edges: Vec<_> = (0..AGENTS).map(next).collect();
    make(rest, "ring", &json!(agents), &json!(edges)).await;
}

/// Sends a task that becomes so many messages, one after the other.
async fn send(rest: &Rest, task: usize, hops: usize) {
    let to = (1..=hops).map(|hop| format!("@a{}: ", (task + hop) % AGENTS));
    let text = to.collect::<String>() + &format!("task {task}");
    let path = format!("ring/agents/a{}/task", task % AGENTS);
    tell(rest, &path, &json!({"task": text})).await;
}

async fn total(rest: &Rest, role: &str) -> u64 {
    let page = rest.get(&format!("/messages?role={role}&$limit=0")).await;
    page["total"].as_u64().expect("a number")
}

/// Waits until so many turns are over, as long as it goes on.
async fn turns(rest: &Rest, wanted: usize) {
    let mut now = 0;
    while now < wanted as u64 {
        let before = now;
        until("more turns", async || {
            now = total(rest, "assistant").await;
            now > before
        })
        .await;
    }
}

/// What agents were told by others: all contents differ, since each has one hop less than the one before.
async fn messages(rest: &Rest) -> Vec<String> {
    let mut all = Vec::new();
    for agent in look(rest, "ring/agents").await.as_array().expect("a list") {
        assert_eq!(agent["inbox_size"], 0);
        let session = agent["session_id"].as_str().expect("an id");
        let path = format!("/messages?session_id={session}&role=user&$limit=10000");
        let page = rest.get(&path).await;
        let told = page["data"].as_array().expect("a list").iter();
        let told = told.filter(|message| message["metadata"]["kind"] == "message");
        all.extend(told.filter_map(|message| message["content"].as_str().map(str::to_owned)));
    }
    all
}

async fn check(rest: &Rest, hops: usize) {
    turns(rest, TASKS * (hops + 1)).await;
    let messages = messages(rest).await;
    assert_eq!(messages.len(), TASKS * hops);
    let different: HashSet<&String> = messages.iter().collect();
    assert_eq!(different.len(), TASKS * hops, "each came once");
    let ends = messages
        .iter()
        .filter(|message| message.starts_with("task "));
    assert_eq!(ends.count(), TASKS);
    let open = rest.get("/tasks?status[$ne]=completed&$limit=0").await;
    assert_eq!(open["total"], 0);
}

async fn a_ring_passes_ten_thousand_messages_and_each_once(database: Fresh) {
    const HOPS: usize = 100;
    let daemon = Daemon::start(&database).await;
    let rest = Rest::new(daemon.address);
    ring(&rest).await;
    for task in 0..TASKS {
        send(&rest, task, HOPS).await;
    }
    check(&rest, HOPS).await;
    let newest = look(&rest, "ring/events?limit=1000").await;
    assert_eq!(newest.as_array().map(Vec::len), Some(1_000));
    daemon.stop().await;
}

async fn a_killed_daemon_loses_nothing_of_what_goes_round(database: Fresh) {
    const HOPS: usize = 20;
    let mut process = Process::start(&database, 0, &[]);
    let port = process.port();
    let rest = Rest::new(&process.address);
    ring(&rest).await;
    for task in 0..TASKS {
        send(&rest, task, HOPS).await;
        // In the middle of all of it.
        if task % 30 == 29 {
            process.kill();
            process = Process::start(&database, port, &[]);
        }
    }
    // What an echo says is stored with the end of its turn: nothing comes twice, either.
    check(&rest, HOPS).await;
    let events = look(&rest, "ring/events?event_type=swarm_started").await;
    assert_eq!(events.as_array().map(Vec::len), Some(1 + TASKS / 30));
    let status: Value = look(&rest, "ring").await;
    assert_eq!(status["status"], "running");
    process.terminate();
}
