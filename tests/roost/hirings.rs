//! Hirings: who is hired for what, who sees it, and what follows from how the task goes.

#![expect(clippy::too_many_lines, reason = "each is one story, or a table")]

use roost::{
    core::{call::Method, identity::Identity},
    error::Kind,
};
use serde_json::{Value, json};

use crate::{
    on_both_databases,
    support::{
        callers::{ann_and_bob, call, made, path, refused, with_key},
        daemon::Daemon,
        databases::Fresh,
    },
};

on_both_databases!(
    a_hiring_is_a_session_and_a_task_that_its_sides_see,
    a_hiring_moves_with_its_task_through_any_door,
    each_side_says_what_is_its_to_say,
    a_task_ends_once,
    a_key_that_came_before_hires_nobody_again,
    a_hiring_is_tried_again,
    the_sides_talk,
    a_task_without_a_hiring_has_a_session_too,
    what_an_agent_leaves_fails,
    bad_hirings_are_refused,
);

/// A daemon with two users, and an agent of nobody's: who it is, and its id.
async fn market(database: &Fresh) -> (Daemon, [Identity; 2], Identity, String) {
    let daemon = Daemon::start(database).await;
    let people = ann_and_bob(&daemon).await;
    let agent = json!({"name": "Writer", "did": "did:example:writer", "base_price": "25"});
    let agent = made(&daemon, &Identity::Owner, "agents/register", agent).await;
    let itself = with_key(&daemon, &agent["api_key"])
        .await
        .expect("a good key");
    let id = agent["agent"]["id"].as_str().expect("an id").to_owned();
    (daemon, people, itself, id)
}

fn poem() -> Value {
    json!({"agent_did": "did:example:writer", "task_description": "A poem", "task_input": {"about": "rain"}})
}

async fn get(daemon: &Daemon, by: &Identity, path: &str) -> Value {
    let got = call(daemon, by, Method::Get, path, Value::Null).await;
    got.expect("a record")
}

async fn find(daemon: &Daemon, by: &Identity, path: &str) -> Value {
    let found = call(daemon, by, Method::Find, path, Value::Null).await;
    found.expect("records")
}

/// What was told, by name and to whom, oldest first.
async fn told(daemon: &Daemon) -> Vec<(String, Vec<String>)> {
    let events = find(daemon, &Identity::Owner, "events").await;
    let mut told: Vec<_> = events["data"]
        .as_array()
        .expect("events")
        .iter()
        .filter(|event| event["source"] == "inbox")
        .map(|event| {
            let topics = event["topics"].as_array().expect("topics").iter();
            let to = topics.filter_map(Value::as_str).filter_map(|topic| {
                let (kind, _) = topic.split_once(':')?;
                ["agent", "user"].contains(&kind).then(|| kind.to_owned())
            });
            let name = event["name"].as_str().expect("a name").to_owned();
            (
                event["seq"].as_str().expect("a stamp").to_owned(),
                name,
                to.collect(),
            )
        })
        .collect();
    told.sort_by_key(|(seq, ..): &(String, _, Vec<String>)| {
        let (_, seq) = seq.rsplit_once('-').expect("a stamp");
        seq.parse::<u64>().expect("a number")
    });
    told.into_iter().map(|(_, name, to)| (name, to)).collect()
}

fn names(told: &[(String, Vec<String>)]) -> Vec<&str> {
    told.iter().map(|(name, _)| name.as_str()).collect()
}

async fn a_hiring_is_a_session_and_a_task_that_its_sides_see(database: Fresh) {
    let (daemon, [ann, bob], itself, agent) = market(&database).await;
    let hiring = made(&daemon, &ann, "hirings", poem()).await;
    assert_eq!(
        (&hiring["status"], &hiring["price"], &hiring["agent_id"]),
        (&json!("queued"), &json!("25.00"), &json!(agent))
    );
    let task = path("tasks", &hiring["task_id"]);
    let session = path("sessions", &hiring["session_id"]);
    for by in [&ann, &itself, &Identity::Owner] {
        let seen = get(&daemon, by, &path("hirings", &hiring["id"])).await;
        assert_eq!(seen["task_description"], "A poem");
        let seen = get(&daemon, by, &task).await;
        assert_eq!(
            (
                &seen["hiring_id"],
                &seen["provider_agent_id"],
                &seen["input"]
            ),
            (&hiring["id"], &json!(agent), &json!({"about": "rain"}))
        );
        let seen = get(&daemon, by, &session).await;
        assert_eq!(seen["title"], "A poem");
    }
    let messages = find(&daemon, &itself, "messages").await;
    assert_eq!(
        (&messages["total"], &messages["data"][0]["role"]),
        (&json!(1), &json!("user"))
    );
    // Another user, and another agent, see nothing of it.
    let other = made(
        &daemon,
        &Identity::Owner,
        "agents/register",
        json!({"name": "Other"}),
    )
    .await;
    let other = with_key(&daemon, &other["api_key"]).await.expect("a key");
    for by in [&bob, &other] {
        for path in [&path("hirings", &hiring["id"]), &task, &session] {
            let kind = refused(&daemon, by, Method::Get, path, Value::Null).await;
            assert_eq!(kind, Kind::NotFound);
        }
        assert_eq!(find(&daemon, by, "hirings").await["total"], 0);
        assert_eq!(find(&daemon, by, "messages").await["total"], 0);
    }
    // The next one is on the same board, which others do not see.
    made(&daemon, &ann, "hirings", poem()).await;
    let boards = find(&daemon, &ann, "boards").await;
    assert_eq!(boards["total"], 1 + u64::from(has_default(&boards)));
    assert!(
        !find(&daemon, &bob, "boards")
            .await
            .to_string()
            .contains("Hirings of")
    );
    // On a board that is named, whoever sees it sees the hiring.
    let board = made(&daemon, &ann, "boards", json!({"name": "Open"})).await;
    let mut open = poem();
    open["board_id"] = board["board_id"].clone();
    let open = made(&daemon, &ann, "hirings", open).await;
    assert_eq!(
        get(&daemon, &bob, &path("hirings", &open["id"])).await["id"],
        open["id"]
    );
    daemon.stop().await;
}

fn has_default(boards: &Value) -> bool {
    boards.to_string().contains("Default")
}

async fn a_hiring_moves_with_its_task_through_any_door(database: Fresh) {
    let (daemon, [ann, _], itself, _) = market(&database).await;
    let owner = &Identity::Owner;
    let chunk = json!({"content": "Working"});
    let done = json!({"output": "A rainy poem"});
    for (by, door, data, status) in [
        (&itself, "tasks/:id/chunks", &chunk, "in_progress"),
        (&itself, "tasks/:id/complete", &done, "completed"),
        (
            &itself,
            "tasks/:id/fail",
            &json!({"error_reason": "no words"}),
            "failed",
        ),
        (&ann, "tasks/:id/cancel", &json!({}), "cancelled"),
        (
            owner,
            "tasks/:id",
            &json!({"status": "completed", "output": {"a": 1}}),
            "completed",
        ),
        (
            &ann,
            "tasks/:id",
            &json!({"status": "stopped"}),
            "cancelled",
        ),
        (
            &ann,
            "hirings/:id/cancel",
            &json!({"reason": "too late"}),
            "cancelled",
        ),
    ] {
        let hiring = made(&daemon, &ann, "hirings", poem()).await;
        let id = if door.starts_with("hirings") {
            "id"
        } else {
            "task_id"
        };
        let door = door.replace(":id", hiring[id].as_str().expect("an id"));
        let method = if door.matches('/').count() == 1 {
            Method::Patch
        } else {
            Method::Create
        };
        call(&daemon, by, method, &door, data.clone())
            .await
            .expect(&door);
        let hiring = get(&daemon, &ann, &path("hirings", &hiring["id"])).await;
        assert_eq!(hiring["status"], status, "{door}");
        let is_over = status != "in_progress";
        assert_eq!(hiring["completed_at"].is_string(), is_over);
        match status {
            "completed" => {
                assert!(!hiring["task_output"].is_null() && hiring["started_at"].is_string());
            }
            "failed" => assert_eq!(hiring["failed_reason"], "no words"),
            _ => {}
        }
    }
    let told = told(&daemon).await;
    let first = ["hiring.created", "task.assigned", "task.submitted"];
    assert_eq!(names(&told)[..3], first);
    let count = |name: &str| told.iter().filter(|(told, _)| told == name).count();
    for (name, times) in [
        ("hiring.created", 7),
        ("hiring.completed", 2),
        ("hiring.failed", 1),
        ("hiring.cancelled", 3),
        ("task.cancelled", 3),
        ("task.completed", 0),
    ] {
        assert_eq!(count(name), times, "{name}");
    }
    let to = |name: &str| {
        let (_, to) = told
            .iter()
            .find(|(told, _)| told == name)
            .expect("an event");
        to.clone()
    };
    assert_eq!(to("hiring.created"), ["agent", "agent", "user"]);
    assert_eq!(to("task.assigned"), ["agent"]);
    assert_eq!(to("task.submitted"), ["agent", "user"]);
    // What came of it is said in the session.
    let messages = find(&daemon, &ann, "messages").await.to_string();
    assert!(messages.contains("A rainy poem") && messages.contains(r#"{\"a\":1}"#));
    daemon.stop().await;
}

async fn each_side_says_what_is_its_to_say(database: Fresh) {
    let (daemon, [ann, bob], itself, _) = market(&database).await;
    let other = made(
        &daemon,
        &Identity::Owner,
        "agents/register",
        json!({"name": "Other"}),
    )
    .await;
    let other = with_key(&daemon, &other["api_key"]).await.expect("a key");
    let hiring = made(&daemon, &ann, "hirings", poem()).await;
    let at = |door: &str| door.replace(":id", hiring["task_id"].as_str().expect("an id"));
    for (by, door, kind) in [
        (&ann, "tasks/:id/complete", Kind::Forbidden),
        (&ann, "tasks/:id/fail", Kind::Forbidden),
        (&ann, "tasks/:id/progress", Kind::Forbidden),
        (&itself, "tasks/:id/cancel", Kind::Forbidden),
        (&other, "tasks/:id/complete", Kind::NotFound),
        (&other, "tasks/:id/cancel", Kind::NotFound),
        (&bob, "tasks/:id/cancel", Kind::NotFound),
        (&other, "tasks/:id/chunks", Kind::Forbidden),
        (&other, "tasks/:id/messages", Kind::NotFound),
    ] {
        let data = json!({"output": "mine", "content": "mine", "progress_percent": 5});
        assert_eq!(
            refused(&daemon, by, Method::Create, &at(door), data).await,
            kind,
            "{door}"
        );
    }
    let progress = json!({"progress_percent": 40, "progress_message": "half a poem"});
    made(
        &daemon,
        &itself,
        &at("tasks/:id/progress"),
        progress.clone(),
    )
    .await;
    made(&daemon, &itself, &at("tasks/:id/progress"), progress).await;
    made(
        &daemon,
        &itself,
        &at("tasks/:id/complete"),
        json!({"output": "poem"}),
    )
    .await;
    let timeline = find(&daemon, &ann, &at("tasks/:id/timeline")).await;
    let events: Vec<_> = timeline["events"]
        .as_array()
        .expect("events")
        .iter()
        .map(|event| event["event_type"].as_str().expect("a type"))
        .collect();
    assert_eq!(events, ["pending", "in_progress", "progress", "completed"]);
    assert_eq!(timeline["events"][1]["progress_percent"], 40);
    daemon.stop().await;
}

async fn a_task_ends_once(database: Fresh) {
    let (daemon, [ann, _], itself, _) = market(&database).await;
    let hiring = made(&daemon, &ann, "hirings", poem()).await;
    let at = |door: &str| door.replace(":id", hiring["task_id"].as_str().expect("an id"));
    let ends: [(&Identity, &str); 8] = [
        (&itself, "complete"),
        (&ann, "cancel"),
        (&itself, "fail"),
        (&itself, "complete"),
        (&ann, "cancel"),
        (&itself, "complete"),
        (&itself, "fail"),
        (&itself, "complete"),
    ];
    let ending = ends.map(|(by, word)| {
        let door = at(&format!("tasks/:id/{word}"));
        let daemon = &daemon;
        async move { call(daemon, by, Method::Create, &door, json!({"output": "x"})).await }
    });
    let ended = futures_util::future::join_all(ending).await;
    assert_eq!(ended.iter().filter(|ended| ended.is_ok()).count(), 1);
    for refused in ended.into_iter().filter_map(Result::err) {
        assert_eq!(refused.kind(), Kind::Conflict);
        assert_eq!(refused.data().expect("data")["reason"], "task_closed");
    }
    let again = json!({"status": "running"});
    let kind = refused(
        &daemon,
        &Identity::Owner,
        Method::Patch,
        &at("tasks/:id"),
        again,
    )
    .await;
    assert_eq!(kind, Kind::Conflict);
    let told = told(&daemon).await;
    let ends = ["hiring.completed", "hiring.failed", "hiring.cancelled"];
    let count = names(&told)
        .iter()
        .filter(|name| ends.contains(name))
        .count();
    assert_eq!(count, 1);
    daemon.stop().await;
}

async fn a_key_that_came_before_hires_nobody_again(database: Fresh) {
    let (daemon, [ann, bob], _, _) = market(&database).await;
    let mut asked = poem();
    asked["client_idempotency_key"] = json!("once");
    let hiring = made(&daemon, &ann, "hirings", asked.clone()).await;
    assert_eq!(
        made(&daemon, &ann, "hirings", asked.clone()).await["id"],
        hiring["id"]
    );
    assert_ne!(
        made(&daemon, &bob, "hirings", asked.clone()).await["id"],
        hiring["id"]
    );
    asked["price"] = json!(30);
    let refusal = call(&daemon, &ann, Method::Create, "hirings", asked).await;
    let refusal = refusal.expect_err("another price");
    assert_eq!(
        refusal.data().expect("data")["reason"],
        "idempotency_mismatch"
    );
    assert_eq!(find(&daemon, &Identity::Owner, "hirings").await["total"], 2);
    daemon.stop().await;
}

async fn a_hiring_is_tried_again(database: Fresh) {
    let (daemon, [ann, _], itself, _) = market(&database).await;
    let hiring = made(&daemon, &ann, "hirings", poem()).await;
    let retry = path("hirings", &hiring["id"]) + "/retry";
    let kind = refused(&daemon, &ann, Method::Create, &retry, json!({})).await;
    assert_eq!(kind, Kind::Conflict);
    let first = path("tasks", &hiring["task_id"]);
    made(
        &daemon,
        &itself,
        &(first.clone() + "/fail"),
        json!({"error_reason": "tired"}),
    )
    .await;
    let kind = refused(&daemon, &itself, Method::Create, &retry, json!({})).await;
    assert_eq!(kind, Kind::Forbidden);
    let again = made(&daemon, &ann, &retry, json!({"reason": "please"})).await;
    assert_eq!(
        (
            &again["status"],
            &again["session_id"],
            again.get("failed_reason")
        ),
        (&json!("queued"), &hiring["session_id"], None)
    );
    assert_ne!(again["task_id"], hiring["task_id"]);
    let second = path("tasks", &again["task_id"]);
    let task = get(&daemon, &itself, &second).await;
    assert_eq!(task["input"], json!({"about": "rain"}));
    made(
        &daemon,
        &itself,
        &(second + "/complete"),
        json!({"output": "poem"}),
    )
    .await;
    let hiring = get(&daemon, &ann, &path("hirings", &hiring["id"])).await;
    assert_eq!(hiring["status"], "completed");
    assert_eq!(get(&daemon, &ann, &first).await["status"], "failed");
    daemon.stop().await;
}

async fn the_sides_talk(database: Fresh) {
    let (daemon, [ann, _], itself, _) = market(&database).await;
    let hiring = made(&daemon, &ann, "hirings", poem()).await;
    let of_hiring = path("hirings", &hiring["id"]) + "/messages";
    let of_task = path("tasks", &hiring["task_id"]) + "/messages";
    let question = json!({"content": "Long?", "message_type": "question"});
    let asked = made(&daemon, &itself, &of_hiring, question).await;
    assert_eq!(
        (&asked["role"], &asked["metadata"]["message_type"]),
        (&json!("assistant"), &json!("question"))
    );
    let said = made(&daemon, &ann, &of_task, json!({"message": "Short."})).await;
    assert_eq!(
        (&said["role"], &said["session_id"]),
        (&json!("user"), &hiring["session_id"])
    );
    let told = told(&daemon).await;
    let heard: Vec<_> = told
        .iter()
        .filter(|(name, _)| name == "message.received")
        .collect();
    assert_eq!(heard[0].1, ["agent", "user"]);
    assert_eq!(heard[1].1, ["agent"]);
    for wrong in [
        json!({}),
        json!({"content": ""}),
        json!({"content": "a".repeat(5_001)}),
        json!({"content": 5}),
        json!({"content": "a\0"}),
        json!({"content": "a", "message_type": {}}),
    ] {
        let kind = refused(&daemon, &ann, Method::Create, &of_hiring, wrong).await;
        assert_eq!(kind, Kind::BadRequest);
    }
    daemon.stop().await;
}

async fn a_task_without_a_hiring_has_a_session_too(database: Fresh) {
    let (daemon, [ann, bob], itself, agent) = market(&database).await;
    let task = json!({"capability": "text", "input": "Write!"});
    let by_did = "agents/did:example:writer/tasks";
    let task = made(&daemon, &ann, by_did, task).await;
    assert_eq!(
        (
            &task["provider_agent_id"],
            &task["status"],
            task.get("hiring_id")
        ),
        (&json!(agent), &json!("created"), None)
    );
    let at = path("tasks", &task["task_id"]);
    assert_eq!(get(&daemon, &itself, &at).await["input"], "Write!");
    let kind = refused(&daemon, &bob, Method::Get, &at, Value::Null).await;
    assert_eq!(kind, Kind::NotFound);
    made(
        &daemon,
        &itself,
        &(at + "/complete"),
        json!({"output": "Done."}),
    )
    .await;
    let expected = ["task.assigned", "task.submitted", "task.completed"];
    assert_eq!(names(&told(&daemon).await), expected);
    // An agent has work done in its own name, and sees it.
    let other = made(
        &daemon,
        &Identity::Owner,
        "agents/register",
        json!({"name": "Other"}),
    )
    .await;
    let other = with_key(&daemon, &other["api_key"]).await.expect("a key");
    let task = made(&daemon, &other, by_did, json!({"capability": "text"})).await;
    assert_eq!(task["client_agent_id"], other.agent_id().expect("an id"));
    let cancel = path("tasks", &task["task_id"]) + "/cancel";
    assert_eq!(
        made(&daemon, &other, &cancel, json!({})).await["status"],
        "stopped"
    );
    for (price, fits) in [
        (json!("24.99"), false),
        (json!(25), true),
        (json!("x"), false),
    ] {
        let task = json!({"capability": "text", "max_price": price});
        let made = call(&daemon, &ann, Method::Create, by_did, task).await;
        assert_eq!(made.is_ok(), fits, "{price}");
    }
    daemon.stop().await;
}

async fn what_an_agent_leaves_fails(database: Fresh) {
    let (daemon, [ann, _], _, agent) = market(&database).await;
    let hiring = made(&daemon, &ann, "hirings", poem()).await;
    let owner = &Identity::Owner;
    let hers = made(&daemon, &ann, "agents", json!({"name": "Hers"})).await;
    let other = json!({"agent_id": hers["id"], "task_description": "x"});
    let other = made(&daemon, owner, "hirings", other).await;
    for gone in [format!("agents/{agent}"), "users/ann".to_owned()] {
        let removed = call(&daemon, owner, Method::Remove, &gone, Value::Null).await;
        removed.expect("a removal");
    }
    for (hiring, reason) in [
        (&hiring, "the agent was removed"),
        (&other, "the agent was removed"),
    ] {
        let hiring = get(&daemon, owner, &path("hirings", &hiring["id"])).await;
        assert_eq!(
            (&hiring["status"], &hiring["failed_reason"]),
            (&json!("failed"), &json!(reason))
        );
    }
    // A session that goes takes its hiring along, which ends.
    let agent = made(&daemon, owner, "agents", json!({"name": "Third"})).await;
    let third = json!({"agent_id": agent["id"], "task_description": "x"});
    let third = made(&daemon, owner, "hirings", third).await;
    let session = path("sessions", &third["session_id"]);
    call(&daemon, owner, Method::Remove, &session, Value::Null)
        .await
        .expect("a removal");
    let hiring = path("hirings", &third["id"]);
    assert_eq!(
        refused(&daemon, owner, Method::Get, &hiring, Value::Null).await,
        Kind::NotFound
    );
    let told = told(&daemon).await;
    assert_eq!(
        names(&told)[names(&told).len() - 2..],
        ["hiring.cancelled", "task.cancelled"]
    );
    daemon.stop().await;
}

async fn bad_hirings_are_refused(database: Fresh) {
    let (daemon, [ann, bob], _, agent) = market(&database).await;
    let bob_s = made(&daemon, &bob, "hirings", poem()).await;
    let private = find(&daemon, &bob, "boards").await;
    let private = private["data"].as_array().expect("boards").iter();
    let mut private = private.filter(|board| board["visibility"] == "private");
    let board = private.next_back().expect("a board")["board_id"].clone();
    for (name, value, kind) in [
        ("agent_did", json!("did:example:nobody"), Kind::NotFound),
        ("agent_did", json!(5), Kind::BadRequest),
        ("task_description", json!(""), Kind::BadRequest),
        (
            "task_description",
            json!("a".repeat(20_001)),
            Kind::BadRequest,
        ),
        ("task_input", json!([1]), Kind::BadRequest),
        ("price", json!("-1"), Kind::BadRequest),
        ("delivery_mode", json!("pigeon"), Kind::BadRequest),
        ("repo_access_token", json!("ghp_secret"), Kind::BadRequest),
        (
            "client_agent_id",
            bob_s["client_agent_id"].clone(),
            Kind::BadRequest,
        ),
        ("board_id", board, Kind::BadRequest),
        ("board_id", json!("nowhere"), Kind::BadRequest),
    ] {
        let mut asked = poem();
        asked[name] = value;
        let kind_of = refused(&daemon, &ann, Method::Create, "hirings", asked).await;
        assert_eq!(kind_of, kind, "{name}");
    }
    for method in [Method::Patch, Method::Remove] {
        assert!(
            !daemon
                .app
                .services
                .find(&["hirings"])
                .expect("hirings")
                .0
                .allows(&method)
        );
    }
    let resting = json!({"status": "inactive"});
    let agent = format!("agents/{agent}");
    call(&daemon, &Identity::Owner, Method::Patch, &agent, resting)
        .await
        .expect("a change");
    let kind = refused(&daemon, &ann, Method::Create, "hirings", poem()).await;
    assert_eq!(kind, Kind::Unavailable);
    assert_eq!(find(&daemon, &Identity::Owner, "hirings").await["total"], 1);
    daemon.stop().await;
}
