//! What tasks stream: numbered, stored, replayed, ended.

use reqwest::Method as Verb;
use roost::{
    core::identity::Identity,
    services::streams::{Said, Viewer},
};
use serde_json::{Value, json};

use crate::{
    on_both_databases,
    support::{daemon::Daemon, databases::Fresh, rest::Rest, soon},
};

on_both_databases!(
    every_viewer_is_given_every_chunk_once_and_in_order,
    a_stream_has_limits_and_loses_nothing_that_it_took,
    a_stream_ends_with_its_task_through_any_door,
    what_tasks_stream_survives_a_restart,
    what_the_runner_says_is_streamed,
);

/// A session with a task.
async fn task(rest: &Rest) -> String {
    let session = rest.create("sessions", &json!({})).await;
    let task = json!({"session_id": session["session_id"]});
    let task = rest.create("tasks", &task).await;
    task["task_id"].as_str().expect("an id").to_owned()
}

async fn watch(daemon: &Daemon, task: &str, after: u64) -> Viewer {
    let streams = daemon.app.services.streams.as_ref().expect("streams");
    let opened = streams.open(task, after, &Identity::Owner, &daemon.app.store);
    opened.await.expect("a viewer")
}

/// What a viewer is given up to the end: the numbers, and the end.
async fn heard(mut viewer: Viewer) -> (Vec<u64>, Value) {
    let mut seqs = Vec::new();
    loop {
        let said = soon("what a stream says", viewer.next()).await;
        match said.expect("a database").expect("an end before nothing") {
            Said::Chunk(chunk) => {
                let data: Value = serde_json::from_str(chunk.data().get()).expect("JSON");
                assert_eq!(data["seq"], chunk.seq);
                seqs.push(chunk.seq);
            }
            end => {
                let data = serde_json::from_str(end.data().get()).expect("JSON");
                assert!(viewer.next().await.expect("a database").is_none());
                return (seqs, data);
            }
        }
    }
}

async fn every_viewer_is_given_every_chunk_once_and_in_order(database: Fresh) {
    const EMITTERS: u64 = 4;
    const EACH: u64 = 150;
    let daemon = Daemon::start(&database).await;
    let rest = Rest::new(daemon.address);
    let task = task(&rest).await;
    let path = format!("tasks/{task}/chunks");
    let emitting = (0..EMITTERS).map(async |emitter| {
        for n in 0..EACH {
            let chunk = json!({"content": format!("{emitter}-{n}"), "kind": "chat"});
            rest.create(&path, &chunk).await;
        }
    });
    let emitting = async {
        futures_util::future::join_all(emitting).await;
        rest.create(
            &format!("tasks/{task}/complete"),
            &json!({"report": "done"}),
        )
        .await;
    };
    let watching = (0..20_u64).map(async |viewer| {
        // They come at different times.
        while watch(&daemon, &task, 0).await.seq < viewer * EMITTERS * EACH / 20 {
            tokio::task::yield_now().await;
        }
        let after = if viewer % 4 == 3 { viewer } else { 0 };
        let (seqs, end) = heard(watch(&daemon, &task, after).await).await;
        assert!(seqs.iter().copied().eq(after + 1..=EMITTERS * EACH));
        assert_eq!(end, json!({"result": "done"}));
    });
    futures_util::future::join(emitting, futures_util::future::join_all(watching)).await;
    let page = rest.get(&format!("/{path}?after=598&$limit=1")).await;
    assert_eq!(
        (&page["seq"], &page["status"]),
        (&json!(600), &json!("completed"))
    );
    assert_eq!(page["data"][0]["seq"], 599);
    daemon.stop().await;
}

async fn a_stream_has_limits_and_loses_nothing_that_it_took(database: Fresh) {
    let flags = [
        "--task-chunks",
        "3",
        "--task-bytes",
        "10",
        "--chunks-per-sec",
        "1",
    ];
    let daemon = Daemon::start_with(&database, &flags, |_| {}).await;
    let rest = Rest::new(daemon.address);
    let emit = async |task: &str, content: Value| {
        let path = format!("/tasks/{task}/chunks");
        let body = json!({"content": content});
        let (status, body) = rest.send(Verb::POST, &path, Some(&body)).await;
        let reason = body["data"]["reason"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        (status, reason)
    };
    let [many, large, fast] = [task(&rest).await, task(&rest).await, task(&rest).await];
    for _ in 0..3 {
        assert_eq!(emit(&many, json!("a")).await.0, 201);
    }
    let full = (429, "overloaded".to_owned());
    assert_eq!(emit(&many, json!("a")).await, full);
    assert_eq!(emit(&large, json!("0123456789")).await.0, 201);
    assert_eq!(emit(&large, json!("a")).await, full);
    let mut answers = Vec::new();
    for _ in 0..12 {
        answers.push(emit(&fast, json!("a")).await);
    }
    assert!(
        answers.contains(&(429, "rate_limited".to_owned())),
        "{answers:?}"
    );
    for wrong in [json!(""), json!(null), json!(1), json!(["a"])] {
        let refused = (422, "invalid_payload".to_owned());
        assert_eq!(emit(&large, wrong).await, refused);
    }
    assert_eq!(
        emit("00000000-0000-4000-8000-000000000000", json!("a")).await,
        (404, "not_found".to_owned())
    );
    for (task, count) in [(&many, 3), (&large, 1), (&fast, 3)] {
        rest.create(&format!("tasks/{task}/fail"), &json!({"error": "enough"}))
            .await;
        let (seqs, end) = heard(watch(&daemon, task, 0).await).await;
        assert_eq!(seqs.len(), count);
        assert_eq!(end, json!({"error": "enough"}));
        let after = emit(task, json!("a")).await;
        assert_eq!(after, (409, "task_closed".to_owned()));
    }
    daemon.stop().await;
}

async fn a_stream_ends_with_its_task_through_any_door(database: Fresh) {
    let daemon = Daemon::start(&database).await;
    let rest = Rest::new(daemon.address);
    for (verb, path, body, expected) in [
        (
            Verb::POST,
            "/complete",
            json!({"report": {"a": 1}}),
            json!({"result": {"a": 1}}),
        ),
        (
            Verb::PATCH,
            "",
            json!({"status": "completed"}),
            json!({"result": null}),
        ),
        (
            Verb::PATCH,
            "?$select=task_id",
            json!({"status": "stopped"}),
            json!({"error": "cancelled"}),
        ),
        (
            Verb::PATCH,
            "",
            json!({"status": "failed", "error": "no"}),
            json!({"error": "no"}),
        ),
        (
            Verb::DELETE,
            "",
            Value::Null,
            json!({"error": "the task was removed"}),
        ),
    ] {
        let task = task(&rest).await;
        let chunk = json!({"content": "a"});
        rest.create(&format!("tasks/{task}/chunks"), &chunk).await;
        let viewer = watch(&daemon, &task, 1).await;
        assert_eq!((viewer.seq, viewer.status), (1, "open"));
        // A change that ends nothing.
        let news = json!({"description": "b"});
        rest.send(Verb::PATCH, &format!("/tasks/{task}"), Some(&news))
            .await;
        rest.create(&format!("tasks/{task}/chunks"), &chunk).await;
        let body = Some(&body).filter(|body| !body.is_null());
        let (status, _) = rest.send(verb, &format!("/tasks/{task}{path}"), body).await;
        assert!((200..300).contains(&status));
        assert_eq!(heard(viewer).await, (vec![2], expected));
    }
    daemon.stop().await;
}

async fn what_tasks_stream_survives_a_restart(database: Fresh) {
    let daemon = Daemon::start(&database).await;
    let rest = Rest::new(daemon.address);
    let task = task(&rest).await;
    let path = format!("tasks/{task}/chunks");
    for n in 1..=200 {
        rest.create(&path, &json!({"content": n.to_string()})).await;
    }
    daemon.stop().await;
    let daemon = Daemon::start(&database).await;
    let rest = Rest::new(daemon.address);
    let viewer = watch(&daemon, &task, 0).await;
    let answer = rest
        .create(&path, &json!({"content": "more", "metadata": {"a": 1}}))
        .await;
    assert_eq!(
        (&answer["seq"], &answer["kind"]),
        (&json!(201), &json!("artifact"))
    );
    rest.create(&format!("tasks/{task}/complete"), &json!({}))
        .await;
    let (seqs, _) = heard(viewer).await;
    assert!(seqs.into_iter().eq(1..=201));
    daemon.stop().await;
}

async fn what_the_runner_says_is_streamed(database: Fresh) {
    let daemon = Daemon::start(&database).await;
    let rest = Rest::new(daemon.address);
    let session = rest.create("sessions", &json!({})).await;
    let session = session["session_id"].as_str().expect("an id");
    let prompt = json!({"prompt": "Say something long, please"});
    let path = format!("sessions/{session}/prompt");
    let task = rest.create(&path, &prompt).await["taskId"].clone();
    let task = task.as_str().expect("an id");
    let (seqs, end) = heard(watch(&daemon, task, 0).await).await;
    assert!(!seqs.is_empty());
    assert!(end["result"].is_null() && end.get("error").is_none());
    let chunks = rest.get(&format!("/tasks/{task}/chunks")).await;
    let chunks = chunks["data"].as_array().expect("a list").clone();
    let streamed: String = chunks
        .iter()
        .filter(|chunk| chunk["kind"] == "chat")
        .filter_map(|chunk| chunk["content"].as_str())
        .collect();
    let messages = rest
        .get(&format!("/messages?session_id={session}&role=assistant"))
        .await;
    let said: String = messages["data"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|message| match &message["content"] {
            Value::String(text) => text.clone(),
            blocks => blocks
                .as_array()
                .expect("blocks")
                .iter()
                .filter_map(|block| block["text"].as_str())
                .collect(),
        })
        .collect();
    assert_eq!(streamed, said);
    daemon.stop().await;
}
