//! Agents: who makes them, who sees them, what they come in with, and whose tasks they have part in.

use reqwest::Method as Verb;
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
        rest::Rest,
    },
};

on_both_databases!(
    an_agent_registers_and_comes_in_with_its_key,
    an_agent_does_what_is_its_own,
    an_agent_is_its_user_s,
    a_user_s_agents_go_with_the_user,
    an_agent_that_is_removed_has_no_keys,
    agents_are_checked,
    a_task_says_who_works_on_it_and_for_whom,
    nobody_has_work_done_in_another_s_name,
    who_has_part_in_a_task_changes_by_admins_only,
);

/// An agent with a key.
fn writer() -> Value {
    json!({
        "name": "Writer", "did": "did:example:writer", "capabilities": ["text"], "base_price": 25,
        "reputation_score": 4.5, "kind": "client", "id": "mine",
    })
}

async fn an_agent_registers_and_comes_in_with_its_key(database: Fresh) {
    let daemon = Daemon::start(&database).await;
    let rest = Rest::new(daemon.address);
    let made = rest.create("agents/register", &writer()).await;
    let (agent, key) = (&made["agent"], &made["api_key"]);
    let id = agent["id"].as_str().expect("an id");
    assert!(key.as_str().is_some_and(|key| key.starts_with("ap_")));
    assert_ne!(id, "mine");
    assert_eq!(
        (&agent["kind"], &agent["base_price"], &agent["user_id"]),
        (&json!("agent"), &json!("25.00"), &Value::Null)
    );
    let itself = with_key(&daemon, key).await.expect("a good key");
    assert_eq!(itself.agent_id(), Some(id));
    // The key is told this once.
    let keys = rest.get(&format!("/api-keys?agent_id={id}")).await;
    let keys = keys.to_string();
    assert!(keys.contains("\"total\":1") && !keys.contains(key.as_str().expect("a key")));
    // A DID is one agent's; nothing is left of what failed.
    let again = Some(&writer());
    let (status, _) = rest.send(Verb::POST, "/agents/register", again).await;
    assert_eq!(status, 409);
    assert_eq!(rest.get("/api-keys").await["total"], 1);
    daemon.stop().await;
}

async fn an_agent_does_what_is_its_own(database: Fresh) {
    let daemon = Daemon::start(&database).await;
    let owner = &Identity::Owner;
    let agent = made(&daemon, owner, "agents/register", writer()).await;
    let itself = with_key(&daemon, &agent["api_key"])
        .await
        .expect("a good key");
    let own = path("agents", &agent["agent"]["id"]);
    let changes =
        json!({"status": "draft", "reputation_score": 5, "did": "did:a:b", "base_price": "1"});
    let changed = call(&daemon, &itself, Method::Patch, &own, changes).await;
    let changed = changed.expect("a change");
    for (name, value) in [
        ("status", json!("draft")),
        ("reputation_score", json!(4.5)),
        ("did", json!("did:example:writer")),
        ("base_price", json!("1.00")),
    ] {
        assert_eq!(changed[name], value, "{name}");
    }
    // It does not take back that others suspended it.
    for (by, status) in [(owner, "inactive"), (&itself, "active")] {
        let status = json!({"status": status});
        let changed = call(&daemon, by, Method::Patch, &own, status).await;
        assert_eq!(changed.expect("an agent")["status"], "inactive");
    }
    let other = made(&daemon, owner, "agents", json!({"name": "Other"})).await;
    let other = path("agents", &other["id"]);
    let seen = call(&daemon, &itself, Method::Get, &other, Value::Null).await;
    assert_eq!(seen.expect("an agent")["name"], "Other");
    for (method, path) in [
        (Method::Patch, other.as_str()),
        (Method::Remove, &own),
        (Method::Create, "agents/register"),
        (Method::Create, "agents"),
        (Method::Create, "tasks"),
        (Method::Find, "users"),
        (Method::Find, "api-keys"),
    ] {
        let kind = refused(&daemon, &itself, method, path, json!({"name": "n"})).await;
        assert_eq!(kind, Kind::Forbidden, "{path}");
    }
    daemon.stop().await;
}

async fn an_agent_is_its_user_s(database: Fresh) {
    let daemon = Daemon::start_with(&database, &["--auth", "required"], |_| {}).await;
    let [ann, bob] = ann_and_bob(&daemon).await;
    let create = Method::Create;
    for (by, kind) in [
        (&Identity::Nobody, Kind::NotAuthenticated),
        (&ann, Kind::Forbidden),
    ] {
        let agent = json!({"name": "x"});
        assert_eq!(
            refused(&daemon, by, create.clone(), "agents/register", agent).await,
            kind
        );
    }
    let agent = json!({"name": "Ann's", "user_id": null});
    let agent = made(&daemon, &ann, "agents", agent).await;
    assert_eq!(agent["user_id"], "ann");
    let own = path("agents", &agent["id"]);
    let hers = json!({"name": "Ann's", "user_id": "ann"});
    for (method, path) in [
        (create.clone(), "agents"),
        (Method::Patch, &own),
        (Method::Remove, &own),
    ] {
        let kind = refused(&daemon, &bob, method, path, hers.clone()).await;
        assert_eq!(kind, Kind::Forbidden);
    }
    let missing = json!({"name": "x", "user_id": "nobody"});
    let kind = refused(&daemon, &Identity::System, create, "agents", missing).await;
    assert_eq!(kind, Kind::BadRequest);
    // Whoever has less than a login must not end keys, nor make them.
    let key = json!({"name": "own", "scopes": ["write"]});
    let key = made(&daemon, &ann, "api-keys", key).await;
    let less = with_key(&daemon, &key["key"]).await.expect("a good key");
    let kind = refused(&daemon, &less, Method::Remove, &own, Value::Null).await;
    assert_eq!(kind, Kind::Forbidden);
    let changes = json!({"description": "new"});
    let changed = call(&daemon, &less, Method::Patch, &own, changes).await;
    assert_eq!(changed.expect("a change")["description"], "new");
    daemon.stop().await;
}

async fn a_user_s_agents_go_with_the_user(database: Fresh) {
    let daemon = Daemon::start(&database).await;
    let [ann, _] = ann_and_bob(&daemon).await;
    let agent = made(&daemon, &ann, "agents/register", json!({"name": "Ann's"})).await;
    let itself = with_key(&daemon, &agent["api_key"])
        .await
        .expect("a good key");
    let removed = call(
        &daemon,
        &Identity::System,
        Method::Remove,
        "users/ann",
        Value::Null,
    )
    .await;
    removed.expect("a removal");
    let access = daemon.app.store.story().hub.access();
    assert_eq!(access.current(&itself), Identity::Nobody);
    assert!(with_key(&daemon, &agent["api_key"]).await.is_err());
    let own = path("agents", &agent["agent"]["id"]);
    let kind = refused(&daemon, &Identity::Owner, Method::Get, &own, Value::Null).await;
    assert_eq!(kind, Kind::NotFound);
    daemon.stop().await;
}

async fn an_agent_that_is_removed_has_no_keys(database: Fresh) {
    let daemon = Daemon::start(&database).await;
    let rest = Rest::new(daemon.address);
    let made = rest
        .create("agents/register", &json!({"name": "Writer"}))
        .await;
    let id = made["agent"]["id"].as_str().expect("an id");
    let key = json!({"name": "another", "agent_id": id});
    let another = rest.create("api-keys", &key).await;
    let keys = [&made["api_key"], &another["key"]];
    let itself = with_key(&daemon, keys[1]).await.expect("a good key");
    let (status, _) = rest
        .send(Verb::DELETE, &format!("/agents/{id}"), None)
        .await;
    assert_eq!(status, 200);
    for key in keys {
        assert!(with_key(&daemon, key).await.is_err());
    }
    assert_eq!(
        daemon.app.store.story().hub.access().current(&itself),
        Identity::Nobody
    );
    assert_eq!(rest.get("/api-keys").await["total"], 0);
    daemon.stop().await;
}

async fn agents_are_checked(database: Fresh) {
    let daemon = Daemon::start(&database).await;
    let rest = Rest::new(daemon.address);
    for wrong in [
        json!({}),
        json!({"name": ""}),
        json!({"name": 5}),
        json!({"name": "a".repeat(201)}),
        json!({"name": "a", "did": "writer"}),
        json!({"name": "a", "did": "did:roost:user:ann"}),
        json!({"name": "a", "capabilities": "text"}),
        json!({"name": "a", "capabilities": [1]}),
        json!({"name": "a", "capabilities": [""]}),
        json!({"name": "a", "capabilities": vec!["x"; 65]}),
        json!({"name": "a", "base_price": "-1"}),
        json!({"name": "a", "base_price": "a lot"}),
        json!({"name": "a", "base_price": {}}),
        json!({"name": "a", "status": "busy"}),
        json!({"name": "a", "metadata": []}),
        json!({"name": "a", "metadata": {"a": "b".repeat(20_000)}}),
        json!({"name": "a", "reputation_score": "high"}),
        json!([{"name": "a"}]),
        json!(null),
    ] {
        for path in ["/agents", "/agents/register"] {
            let (status, answer) = rest.send(Verb::POST, path, Some(&wrong)).await;
            assert!(
                [400, 405].contains(&status),
                "{path} {wrong} {status} {answer}"
            );
        }
    }
    assert_eq!(rest.get("/agents").await["total"], 0);
    assert_eq!(rest.get("/api-keys").await["total"], 0);
    let made = rest.create("agents", &json!({"name": "a"})).await;
    let path = format!("/agents/{}", made["id"].as_str().expect("an id"));
    for wrong in [
        json!({"name": null}),
        json!({"base_price": "x"}),
        json!({"status": null}),
    ] {
        let (status, answer) = rest.send(Verb::PATCH, &path, Some(&wrong)).await;
        assert_eq!(status, 400, "{wrong} {answer}");
    }
    let id = made["id"].as_str().expect("an id");
    assert_eq!(made["did"], format!("did:roost:agent:{id}"));
    assert_eq!(rest.get(&path).await, made);
    daemon.stop().await;
}

/// An agent, and a session in which tasks are made.
async fn workplace(daemon: &Daemon) -> (Value, Value) {
    let agent = json!({"name": "Writer", "did": "did:example:writer"});
    let agent = made(daemon, &Identity::Owner, "agents", agent).await;
    let session = made(daemon, &Identity::Owner, "sessions", json!({})).await;
    (agent["id"].clone(), session["session_id"].clone())
}

async fn a_task_says_who_works_on_it_and_for_whom(database: Fresh) {
    let daemon = Daemon::start(&database).await;
    let [ann, bob] = ann_and_bob(&daemon).await;
    let (agent, session) = workplace(&daemon).await;
    // By id or DID; the client agent is the caller's, always the same.
    let by_did =
        json!({"session_id": session, "provider_agent_id": "did:example:writer", "hiring_id": "h"});
    let task = made(&daemon, &ann, "tasks", by_did).await;
    let client = &task["client_agent_id"];
    assert_eq!(
        (&task["provider_agent_id"], &task["hiring_id"]),
        (&agent, &Value::Null)
    );
    assert!(task["updated_at"].is_string());
    let by_id = json!({"session_id": session, "provider_agent_id": agent});
    let again = made(&daemon, &ann, "tasks", by_id.clone()).await;
    assert_eq!(&again["client_agent_id"], client);
    let bob_s = made(&daemon, &bob, "tasks", by_id.clone()).await;
    let owner_s = made(&daemon, &Identity::Owner, "tasks", by_id).await;
    assert_ne!(&bob_s["client_agent_id"], client);
    assert_ne!(owner_s["client_agent_id"], bob_s["client_agent_id"]);
    // Others do not see it.
    for (by, clients) in [(&ann, 1), (&bob, 1), (&Identity::Owner, 3)] {
        let found = call(&daemon, by, Method::Find, "agents", Value::Null).await;
        assert_eq!(found.expect("agents")["total"], 1 + clients);
    }
    let plain = made(&daemon, &ann, "tasks", json!({"session_id": session})).await;
    assert!(plain.get("updated_at").is_none() && plain.get("client_agent_id").is_none());
    daemon.stop().await;
}

async fn nobody_has_work_done_in_another_s_name(database: Fresh) {
    let daemon = Daemon::start(&database).await;
    let [ann, bob] = ann_and_bob(&daemon).await;
    let (agent, session) = workplace(&daemon).await;
    let task = json!({"session_id": session, "provider_agent_id": agent});
    let client = made(&daemon, &ann, "tasks", task).await["client_agent_id"].clone();
    for wrong in [
        json!({"provider_agent_id": client}),
        json!({"provider_agent_id": "nobody"}),
        json!({"provider_agent_id": 5}),
        json!({"provider_agent_id": agent, "client_agent_id": client}),
        json!({"client_agent_id": agent}),
        json!({"provider_agent_id": agent, "progress_percent": 101}),
    ] {
        let mut task = wrong;
        task["session_id"] = session.clone();
        for (path, task) in [("tasks", task.clone()), ("tasks/bulk", json!([task]))] {
            let kind = refused(&daemon, &bob, Method::Create, path, task.clone()).await;
            assert_eq!(kind, Kind::BadRequest, "{task}");
        }
    }
    let named =
        json!({"session_id": session, "provider_agent_id": agent, "client_agent_id": client});
    for by in [&ann, &Identity::Owner] {
        let task = made(&daemon, by, "tasks", named.clone()).await;
        assert_eq!(task["client_agent_id"], client);
    }
    let mut own = named;
    own["hiring_id"] = json!("h");
    let tasks = made(&daemon, &ann, "tasks/bulk", json!([own])).await;
    assert!(tasks[0].get("hiring_id").is_none());
    daemon.stop().await;
}

async fn who_has_part_in_a_task_changes_by_admins_only(database: Fresh) {
    let daemon = Daemon::start(&database).await;
    let [ann, bob] = ann_and_bob(&daemon).await;
    let (agent, session) = workplace(&daemon).await;
    let task = json!({"session_id": session, "provider_agent_id": agent});
    let bob_s = made(&daemon, &bob, "tasks", task.clone()).await["client_agent_id"].clone();
    let task = made(&daemon, &ann, "tasks", task).await;
    let path = path("tasks", &task["task_id"]);
    for name in ["provider_agent_id", "client_agent_id"] {
        for value in [&bob_s, &Value::Null] {
            let kind = refused(&daemon, &ann, Method::Patch, &path, json!({name: value})).await;
            assert_eq!(kind, Kind::Forbidden);
        }
        let same = json!({name: task[name], "hiring_id": "h", "description": "new"});
        let changed = call(&daemon, &ann, Method::Patch, &path, same).await;
        let changed = changed.expect("a change");
        assert_eq!(
            (changed.get("hiring_id"), &changed["description"]),
            (None, &json!("new"))
        );
    }
    let owner = &Identity::Owner;
    let by_did = json!({"provider_agent_id": "did:example:writer"});
    let kind = refused(&daemon, owner, Method::Patch, &path, by_did).await;
    assert_eq!(kind, Kind::BadRequest);
    let to_bob = json!({"client_agent_id": bob_s});
    let changed = call(&daemon, owner, Method::Patch, &path, to_bob).await;
    assert_eq!(changed.expect("a change")["client_agent_id"], bob_s);
    daemon.stop().await;
}
