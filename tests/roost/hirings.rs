//! Hirings: who is hired for what, and who sees it.

#![expect(clippy::too_many_lines, reason = "each is one story, or a table")]

use roost::{
    core::{call::Method, identity::Identity},
    error::Kind,
};
use serde_json::{Value, json};

use crate::{
    on_both_databases,
    support::{
        callers::{call, made, path, refused, with_key},
        databases::Fresh,
        market::{find, get, market, names, poem, told},
    },
};

on_both_databases!(
    a_hiring_is_a_session_and_a_task_that_its_sides_see,
    a_key_that_came_before_hires_nobody_again,
    a_task_without_a_hiring_has_a_session_too,
    what_an_agent_leaves_fails,
    who_takes_no_work_is_given_none,
    bad_hirings_are_refused,
);

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
    let refusal = call(&daemon, &ann, Method::Create, "hirings", asked.clone()).await;
    let refusal = refusal.expect_err("another price");
    assert_eq!(
        refusal.data().expect("data")["reason"],
        "idempotency_mismatch"
    );
    assert_eq!(find(&daemon, &Identity::Owner, "hirings").await["total"], 2);
    // Whatever the agent asks by now, and whether it works.
    asked.as_object_mut().expect("a hiring").remove("price");
    let resting = json!({"base_price": "40", "status": "inactive"});
    let agent = path("agents", &hiring["agent_id"]);
    let changed = call(&daemon, &Identity::Owner, Method::Patch, &agent, resting).await;
    changed.expect("a change");
    let again = made(&daemon, &ann, "hirings", asked).await;
    assert_eq!(again["id"], hiring["id"]);
    daemon.stop().await;
}

async fn who_takes_no_work_is_given_none(database: Fresh) {
    let (daemon, [ann, _], itself, agent) = market(&database).await;
    let hiring = made(&daemon, &ann, "hirings", poem()).await;
    let failed = path("tasks", &hiring["task_id"]) + "/fail";
    made(&daemon, &itself, &failed, json!({"error_reason": "tired"})).await;
    let resting = json!({"status": "inactive"});
    let at = format!("agents/{agent}");
    let changed = call(&daemon, &Identity::Owner, Method::Patch, &at, resting).await;
    changed.expect("a change");
    let task = json!({"capability": "text", "input": "Write!"});
    let own = json!({"session_id": hiring["session_id"], "provider_agent_id": agent});
    for (door, data) in [
        ("hirings", poem()),
        (&(path("hirings", &hiring["id"]) + "/retry"), json!({})),
        (&(at + "/tasks"), task),
        ("tasks", own),
    ] {
        let kind = refused(&daemon, &ann, Method::Create, door, data).await;
        assert_eq!(kind, Kind::Unavailable, "{door}");
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
    let (daemon, [ann, bob], _, _) = market(&database).await;
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
    assert_eq!(find(&daemon, &Identity::Owner, "hirings").await["total"], 1);
    daemon.stop().await;
}
