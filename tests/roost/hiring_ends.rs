//! Hirings: what follows from how the task goes, and what the sides say.

#![expect(clippy::too_many_lines, reason = "each is one story, or a table")]

use roost::{
    core::{call::Method, identity::Identity},
    error::Kind,
};
use serde_json::json;

use crate::{
    on_both_databases,
    support::{
        callers::{call, made, path, refused, with_key},
        databases::Fresh,
        market::{find, get, market, names, poem, told},
    },
};

on_both_databases!(
    a_hiring_moves_with_its_task_through_any_door,
    each_side_says_what_is_its_to_say,
    a_task_ends_once,
    a_hiring_is_tried_again,
    who_only_sees_a_hiring_does_not_end_it,
    the_sides_talk,
);

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

async fn who_only_sees_a_hiring_does_not_end_it(database: Fresh) {
    let (daemon, [ann, bob], _, _) = market(&database).await;
    let board = made(&daemon, &ann, "boards", json!({"name": "Open"})).await;
    let mut asked = poem();
    asked["board_id"] = board["board_id"].clone();
    let hiring = made(&daemon, &ann, "hirings", asked).await;
    let at = path("hirings", &hiring["id"]);
    let task = path("tasks", &hiring["task_id"]);
    assert_eq!(get(&daemon, &bob, &at).await["status"], "queued");
    for (method, door, data) in [
        (Method::Create, at.clone() + "/cancel", json!({})),
        (Method::Create, task.clone() + "/cancel", json!({})),
        (Method::Patch, task, json!({"status": "stopped"})),
    ] {
        let kind = refused(&daemon, &bob, method, &door, data).await;
        assert_eq!(kind, Kind::Forbidden, "{door}");
    }
    let cancelled = made(&daemon, &ann, &(at + "/cancel"), json!({})).await;
    assert_eq!(cancelled["status"], "cancelled");
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
