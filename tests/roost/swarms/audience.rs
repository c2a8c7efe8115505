//! Who sees a swarm, and who steers it.

#![expect(clippy::too_many_lines, reason = "each is one story, or a table")]

use reqwest::Method as Verb;
use roost::core::clock::SystemClock;
use serde_json::{Value, json};

use crate::{
    on_both_databases,
    support::{daemon::Daemon, databases::Fresh, socketio::SocketIo, soon, until},
};

on_both_databases!(
    a_private_board_s_swarm_is_its_members,
    a_swarm_stays_on_its_board,
);

struct People {
    url: String,
    daemon: Daemon,
}

impl People {
    fn token(&self, user: &str) -> String {
        use roost::core::clock::Clock;
        let tokens = &self.daemon.app.services.door.settings.tokens;
        let claims = tokens.claims(user, SystemClock.now(), uuid::Uuid::new_v4());
        tokens.sign(&claims).expect("a token")
    }

    async fn send(&self, user: &str, verb: Verb, path: &str, body: &Value) -> (u16, Value) {
        let request = reqwest::Client::new().request(verb, format!("{}{path}", self.url));
        let request = request.bearer_auth(self.token(user)).json(body);
        let response = soon(path, request.send()).await.expect("an answer");
        let status = response.status().as_u16();
        (status, response.json().await.unwrap_or_default())
    }

    async fn make(&self, user: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = self.send(user, Verb::POST, path, body).await;
        assert_eq!(status, 201, "{path}: {answer}");
        answer
    }
}

async fn people(database: &Fresh) -> People {
    let daemon = Daemon::start_with(database, &["--auth", "required"], |_| {}).await;
    let people = People {
        url: daemon.url(),
        daemon,
    };
    let user = |id: &str, role: &str| {
        json!({
            "user_id": id,
            "email": format!("{id}@example.com"),
            "password": "correct horse",
            "role": role,
        })
    };
    let first = reqwest::Client::new().post(format!("{}/users", people.url));
    let first = first
        .json(&user("root", "owner"))
        .send()
        .await
        .expect("an answer");
    assert_eq!(first.status(), 201);
    for (id, role) in [("ann", "member"), ("bob", "member"), ("vera", "viewer")] {
        people.make("root", "/users", &user(id, role)).await;
    }
    people
}

async fn a_private_board_s_swarm_is_its_members(database: Fresh) {
    let people = people(&database).await;
    let board = json!({"board_id": "own", "name": "own", "visibility": "private"});
    people.make("ann", "/boards", &board).await;
    let agents = json!([{"name": "a", "backend": "echo"}]);
    let definition = |name: &str, board: Value| json!({"config": {"name": name, "board_id": board, "agents": agents}});
    // Nobody puts a swarm on a board that they do not see.
    let (status, _) = people
        .send("bob", Verb::POST, "/swarms", &definition("x", json!("own")))
        .await;
    assert_eq!(status, 400);
    let listen = async |user: &str| {
        SocketIo::connect(people.daemon.address, &json!({"token": people.token(user)})).await
    };
    let (mut ann, mut bob) = (listen("ann").await, listen("bob").await);
    people
        .make("ann", "/swarms", &definition("hidden", json!("own")))
        .await;
    people
        .make("ann", "/swarms", &definition("shown", Value::Null))
        .await;
    let task = json!({"task": "a secret"});
    people
        .make("ann", "/swarms/hidden/agents/a/task", &task)
        .await;
    until("the turn's end", async || {
        let (_, agent) = people
            .send("ann", Verb::GET, "/swarms/hidden/agents/a", &Value::Null)
            .await;
        agent["state"] == "idle" && agent["message_count"] == 2
    })
    .await;
    for (user, sees) in [("ann", true), ("bob", false), ("vera", false)] {
        let status = if sees { 200 } else { 404 };
        for path in ["", "/agents", "/agents/a/history", "/events", "/topology"] {
            let path = format!("/swarms/hidden{path}");
            assert_eq!(
                people.send(user, Verb::GET, &path, &Value::Null).await.0,
                status,
                "{user} {path}"
            );
        }
        let (_, all) = people.send(user, Verb::GET, "/swarms", &Value::Null).await;
        let all = all.to_string();
        assert_eq!(
            (all.contains("hidden"), all.contains("shown")),
            (sees, true)
        );
        for path in [
            "/swarms/events",
            "/events?$limit=1000",
            "/sessions",
            "/messages",
        ] {
            let (_, found) = people.send(user, Verb::GET, path, &Value::Null).await;
            let text = found.to_string();
            let names = ["a secret", "hidden"].map(|word| text.contains(word));
            assert_eq!(names.contains(&true), sees, "{user} {path}: {text}");
        }
    }
    for path in [
        "/swarms/hidden/agents/a/task",
        "/swarms/hidden/stop",
        "/swarms/hidden/message",
    ] {
        let body = json!({"task": "x", "from": "a", "to": "a", "content": "x"});
        assert_eq!(people.send("bob", Verb::POST, path, &body).await.0, 404);
    }
    // Viewers watch.
    let (status, _) = people
        .send("vera", Verb::POST, "/swarms/shown/agents/a/task", &task)
        .await;
    assert_eq!(status, 403);
    let (status, _) = people
        .send("vera", Verb::GET, "/swarms/shown", &Value::Null)
        .await;
    assert_eq!(status, 200);
    check_commands(&people).await;
    people
        .make("ann", "/boards", &json!({"name": "the marker"}))
        .await;
    for (listener, hears) in [(&mut ann, true), (&mut bob, false)] {
        let mut heard = String::new();
        while !heard.contains("the marker") {
            heard += &json!(soon("an event", listener.event()).await).to_string();
        }
        assert_eq!(heard.contains("a secret"), hears);
        assert!(heard.contains("swarms swarm_started"), "{heard}");
    }
    people.daemon.stop().await;
}

async fn a_swarm_stays_on_its_board(database: Fresh) {
    let people = people(&database).await;
    let board = json!({"board_id": "own", "name": "own", "visibility": "private"});
    people.make("ann", "/boards", &board).await;
    let agents = json!([{"name": "a", "backend": "echo"}]);
    let create = async |user: &str, name: &str, board: &Value| {
        let definition = json!({"config": {"name": name, "board_id": board, "agents": agents}});
        people.send(user, Verb::POST, "/swarms", &definition).await
    };
    let (none, own) = (Value::Null, json!("own"));
    for (name, board, other) in [("open", &none, &own), ("hidden", &own, &none)] {
        assert_eq!(create("ann", name, board).await.0, 201);
        let stop = format!("/swarms/{name}/stop");
        people.make("ann", &stop, &json!({})).await;
        let (status, answer) = create("ann", name, other).await;
        let refused = (status, &answer["data"]["reason"]);
        assert_eq!(refused, (409, &json!(":already_exists")), "{answer}");
        let path = format!("/swarms/{name}");
        let (_, swarm) = people.send("ann", Verb::GET, &path, &Value::Null).await;
        assert_eq!(swarm["board_id"], *board, "nothing of it is stored");
        assert_eq!(create("ann", name, board).await.0, 201);
    }
    // Who does not see it is not told whether it runs.
    let running = create("bob", "hidden", &none).await;
    people.make("ann", "/swarms/hidden/stop", &json!({})).await;
    assert_eq!(create("bob", "hidden", &none).await, running);
    let (status, answer) = running;
    let said = (status, &answer["message"]);
    let text = json!("The name hidden is taken; choose another");
    assert_eq!(said, (409, &text), "{answer}");
    check_moved_session(&people).await;
    people.daemon.stop().await;
}

/// What is in a session that was put on a private board is told to its members only, although the swarm is
/// for everybody.
async fn check_moved_session(people: &People) {
    let task = json!({"task": "a secret"});
    let path = "/swarms/open/agents/a";
    people.make("ann", &format!("{path}/task"), &task).await;
    let mut agent = Value::Null;
    until("the turn's end", async || {
        agent = people.send("ann", Verb::GET, path, &Value::Null).await.1;
        agent["state"] == "idle" && agent["message_count"] == 2
    })
    .await;
    let link = json!({"sessionId": agent["session_id"]});
    people.make("ann", "/boards/own/sessions", &link).await;
    for (user, sees) in [("ann", true), ("bob", false)] {
        for part in ["history", "logs"] {
            let path = format!("{path}/{part}");
            let (_, told) = people.send(user, Verb::GET, &path, &Value::Null).await;
            assert_eq!(told.to_string().contains("a secret"), sees, "{user} {path}");
        }
        let (_, agent) = people.send(user, Verb::GET, path, &Value::Null).await;
        assert_eq!(agent["message_count"], if sees { 2 } else { 0 }, "{user}");
    }
}

/// Only admins have the daemon run commands, and read its files.
async fn check_commands(people: &People) {
    let agent = json!({"name": "l", "backend": "local", "command": "cat"});
    let definition = json!({"config": {"name": "local", "agents": [agent]}});
    for (user, status) in [("ann", 403), ("root", 201)] {
        assert_eq!(
            people
                .send(user, Verb::POST, "/swarms", &definition)
                .await
                .0,
            status
        );
    }
    let (status, _) = people
        .send(
            "ann",
            Verb::POST,
            "/swarms/local/agents",
            &json!({"name": "m", "backend": "local", "command": "cat"}),
        )
        .await;
    assert_eq!(status, 403);
    for (user, count, status) in [("ann", 3, 403), ("root", 3, 201), ("ann", 1, 201)] {
        let path = "/swarms/local/agents/l/scale";
        let count = json!({"count": count});
        let (scaled, _) = people.send(user, Verb::POST, path, &count).await;
        assert_eq!(scaled, status, "{user} {count}");
    }
    for path in ["/etc/hosts", "../../etc/hosts", "nope.toml"] {
        let path = json!({"config_path": path});
        let (status, answer) = people.send("root", Verb::POST, "/swarms", &path).await;
        assert!([400, 403].contains(&status), "{answer}");
    }
}
