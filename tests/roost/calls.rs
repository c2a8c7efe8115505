//! Calls over sockets and REST, on both databases.

use reqwest::Method as Verb;
use serde_json::{Value, json};

use crate::{
    on_both_databases,
    support::{daemon::Daemon, databases::Fresh, rest::Rest, socketio::SocketIo, until},
};

on_both_databases!(
    keeps_records,
    answers_errors_as_feathers_does,
    events_come_before_the_ack_and_in_commit_order,
    writes_of_one_socket_keep_their_order,
    one_failing_write_harms_only_itself,
    sessions_live_on_boards,
);

async fn keeps_records(database: Fresh) {
    let daemon = Daemon::start(&database).await;
    let rest = Rest::new(daemon.address);
    let mut socket = SocketIo::connect(daemon.address, &Value::Null).await;
    let session = rest
        .create("sessions", &json!({"description": "d", "unknown": 1}))
        .await;
    let keys: Vec<_> = session
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect();
    let order = "session_id status agent agentic_tool created_at last_updated description repo git_state genealogy concepts tasks message_count tool_use_count scheduled_from_worktree ready_for_prompt archived";
    assert_eq!(keys.join(" "), order);
    let id = &session["session_id"];
    let content = json!([{"type": "text", "text": "ü\u{1F600}\n\"q\""}, {"z": 1, "a": null}]);
    let message = socket.call(&json!(["create", "messages", {"session_id": id, "content": content, "role": "assistant"}, {}])).await.expect("a message");
    assert_eq!(
        (&message["index"], &message["type"], &message["content"]),
        (&json!(0), &json!("assistant"), &content)
    );
    let path = format!(
        "/messages/{}",
        message["message_id"].as_str().expect("an id")
    );
    assert_eq!(rest.get(&path).await, message);
    let (status, patched) = rest
        .send(Verb::PATCH, &path, Some(&json!({"metadata": {"a": 1}})))
        .await;
    assert_eq!(
        (status, &patched["metadata"], &patched["content"]),
        (200, &json!({"a": 1}), &content)
    );
    let next = rest.create("messages", &json!({"session_id": id})).await;
    assert_eq!(next["index"], 1);
    let removed = socket
        .call(&json!(["remove", "sessions", id, {}]))
        .await
        .expect("the session");
    assert_eq!(removed["session_id"], *id);
    assert_eq!(rest.get("/messages").await["total"], 0);
    daemon.stop().await;
}

#[expect(clippy::too_many_lines, reason = "tables of calls and their answers")]
async fn answers_errors_as_feathers_does(database: Fresh) {
    let daemon = Daemon::start(&database).await;
    let rest = Rest::new(daemon.address);
    let mut socket = SocketIo::connect(daemon.address, &Value::Null).await;
    let calls = [
        (
            json!(["get", "boards", "nope", {}]),
            404,
            "No record found for id 'nope'",
        ),
        (
            json!(["get", "boards"]),
            404,
            "No record found for id 'undefined'",
        ),
        (json!(["find", "nope", {}]), 404, "Service 'nope' not found"),
        (json!(["find", null, {}]), 404, "Invalid service path"),
        (json!(["find"]), 404, "Invalid service path"),
        (
            json!(["frobnicate", "boards", {}]),
            405,
            "Unknown method 'frobnicate'",
        ),
        (
            json!(["create", "health", {}, {}]),
            405,
            "Method 'create' not allowed on service 'health'",
        ),
        (
            json!(["find", "boards", {}, {}]),
            400,
            "Too many arguments for 'find' method",
        ),
        (
            json!(["find", "boards", {"$foo": 1}]),
            400,
            "Invalid filter value $foo",
        ),
        (
            json!(["find", "boards", {"name": {"$foo": 1}}]),
            400,
            "Invalid query parameter $foo",
        ),
        (
            json!(["find", "boards", {"color; DROP TABLE boards": 1}]),
            400,
            "Unknown field 'color; DROP TABLE boards'",
        ),
        (
            json!(["update", "boards", null, {}, {}]),
            400,
            "You can not replace multiple instances. Did you mean 'patch'?",
        ),
        (
            json!(["create", "boards", [{}], {}]),
            405,
            "Can not create multiple entries",
        ),
        (
            json!(["remove", "boards", null, {}]),
            405,
            "Can not remove multiple entries",
        ),
        (
            json!(["create", "messages", {}, {}]),
            400,
            "session_id is required when creating a message",
        ),
        (
            json!(["create", "messages", {"session_id": "nope"}, {}]),
            400,
            "The record refers to another that does not exist",
        ),
        (
            json!(["create", "messages", {"session_id": "nope", "index": "x"}, {}]),
            400,
            "`index` must be an integer",
        ),
        (
            json!(["create", "boards", "text", {}]),
            400,
            "The data must be an object",
        ),
        (
            json!(["patch", "boards", {"a": 1}, {}, {}]),
            400,
            "The id must be a string or a number",
        ),
    ];
    for (call, code, message) in calls {
        let error = socket.call(&call).await.expect_err("an error");
        assert_eq!(
            (&error["code"], &error["message"]),
            (&json!(code), &json!(message)),
            "{call}"
        );
    }
    rest.create("boards", &json!({"slug": "a"})).await;
    let paths = [
        (Verb::POST, "/boards", Some(json!({"slug": "a"})), 409),
        (Verb::GET, "/boards/nope", None, 404),
        (Verb::GET, "/no/where", None, 404),
        (Verb::PUT, "/boards", Some(json!({})), 400),
        (Verb::DELETE, "/health", None, 405),
        (Verb::TRACE, "/boards", None, 405),
        (Verb::GET, "/boards?$foo=1", None, 400),
        (Verb::GET, "/boards/%ff", None, 400),
    ];
    for (verb, path, body, code) in paths {
        let (status, error) = rest.send(verb, path, body.as_ref()).await;
        assert_eq!(
            (status, &error["code"]),
            (code, &json!(code)),
            "{path}: {error}"
        );
        let text = error.to_string();
        assert!(
            !text.contains("SELECT") && !text.contains("UNIQUE"),
            "{text}"
        );
    }
    daemon.stop().await;
}

async fn events_come_before_the_ack_and_in_commit_order(database: Fresh) {
    let daemon = Daemon::start(&database).await;
    let mut writer = SocketIo::connect(daemon.address, &json!({"since": "now"})).await;
    // Live once an event came.
    writer
        .call(&json!(["create", "boards", {"name": "live"}, {}]))
        .await
        .expect("a board");
    until("the writer to be live", async || {
        !writer.events_so_far().await.is_empty()
    })
    .await;
    let mut listener = SocketIo::connect(daemon.address, &Value::Null).await;
    let session = writer
        .call(&json!(["create", "sessions", {}, {}]))
        .await
        .expect("a session");
    let items: Vec<_> = (0..20)
        .map(|n| json!({"session_id": session["session_id"], "content": n}))
        .collect();
    let made = writer
        .call(&json!(["create", "messages", items, {"$select": ["content"]}]))
        .await
        .expect("messages");
    let events = writer.events_so_far().await;
    assert_eq!(events.len(), 21);
    for (made, event) in made.as_array().expect("a list").iter().zip(&events[1..]) {
        assert_eq!(event[0], "messages created");
        assert_eq!(&event[1], made);
        assert_eq!(made.as_object().expect("an object").len(), 2);
    }
    let seqs: Vec<i64> = events
        .iter()
        .map(|event| number(&event[2]["seq"]))
        .collect();
    assert!(
        seqs.windows(2).all(|pair| pair[1] == pair[0] + 1),
        "{seqs:?}"
    );
    let heard = listener.events_so_far().await;
    assert_eq!(heard.len(), 21);
    assert!(
        heard
            .iter()
            .zip(&events)
            .all(|(plain, stamped)| plain[1] == stamped[1] && plain.get(2).is_none())
    );
    daemon.stop().await;
}

async fn writes_of_one_socket_keep_their_order(database: Fresh) {
    let daemon = Daemon::start(&database).await;
    let mut socket = SocketIo::connect(daemon.address, &Value::Null).await;
    socket
        .call(&json!(["create", "boards", {"board_id": "b", "name": "0"}, {}]))
        .await
        .expect("a board");
    for n in 1..=300 {
        socket
            .emit(&json!(["patch", "boards", "b", {"name": n.to_string()}, {}]))
            .await;
        if n % 3 == 0 {
            socket.emit(&json!(["find", "boards", {}])).await;
        }
    }
    for _ in 0..400 {
        socket
            .answer()
            .await
            .expect("an answer")
            .1
            .expect("no error");
    }
    let names: Vec<_> = socket
        .events_so_far()
        .await
        .iter()
        .skip(1)
        .map(|event| event[1]["name"].clone())
        .collect();
    let expected: Vec<_> = (1..=300).map(|n| json!(n.to_string())).collect();
    assert_eq!(names, expected);
    daemon.stop().await;
}

async fn one_failing_write_harms_only_itself(database: Fresh) {
    let daemon = Daemon::start(&database).await;
    let mut socket = SocketIo::connect(daemon.address, &Value::Null).await;
    for n in 0..100 {
        // Every third takes a slug that is taken; every fifth fails half-way through its items.
        let slug = if n % 3 == 0 {
            "same".to_owned()
        } else {
            format!("s{n}")
        };
        socket.emit(&json!(["create", "boards", {"slug": slug, "sessions": if n % 5 == 4 { json!(["nope"]) } else { json!([]) }}, {}])).await;
    }
    let mut stored = 0;
    for _ in 0..100 {
        stored += usize::from(socket.answer().await.expect("an answer").1.is_ok());
    }
    let wanted = (0..100).filter(|n| n % 3 != 0 && n % 5 != 4).count() + 1;
    assert_eq!(stored, wanted);
    assert_eq!(
        socket.events_so_far().await.len(),
        wanted,
        "an event for each record and for nothing else"
    );
    assert_eq!(
        Rest::new(daemon.address).get("/boards?$limit=0").await["total"],
        wanted
    );
    daemon.stop().await;
}

async fn sessions_live_on_boards(database: Fresh) {
    let daemon = Daemon::start(&database).await;
    let mut socket = SocketIo::connect(daemon.address, &Value::Null).await;
    socket
        .call(&json!(["create", "boards", {"board_id": "b"}, {}]))
        .await
        .expect("a board");
    socket
        .call(&json!(["create", "sessions", {"session_id": "s1", "board_id": "b"}, {}]))
        .await
        .expect("a session");
    socket
        .call(&json!(["create", "sessions", {"session_id": "s2"}, {}]))
        .await
        .expect("a session");
    let patched = socket
        .call(&json!(["patch", "boards", "b", {"sessions": ["s2", "s1"]}, {}]))
        .await
        .expect("the board");
    assert_eq!(patched["sessions"], json!(["s2", "s1"]));
    let refused = socket
        .call(&json!(["create", "sessions", {"board_id": "nope"}, {}]))
        .await;
    assert_eq!(refused.expect_err("an error")["code"], 400);
    socket
        .call(&json!(["remove", "sessions", "s2", {}]))
        .await
        .expect("the session");
    let story: Vec<_> = socket
        .events_so_far()
        .await
        .iter()
        .map(|event| (event[0].clone(), event[1]["sessions"].clone()))
        .collect();
    let expected = [
        ("boards created", json!([])),
        ("sessions created", Value::Null),
        ("boards patched", json!(["s1"])),
        ("sessions created", Value::Null),
        ("boards patched", json!(["s2", "s1"])),
        ("sessions removed", Value::Null),
        ("boards patched", json!(["s1"])),
    ];
    assert_eq!(
        story,
        expected.map(|(name, sessions)| (json!(name), sessions))
    );
    daemon.stop().await;
}

/// The number in a stamp.
fn number(stamp: &Value) -> i64 {
    stamp
        .as_str()
        .and_then(|stamp| stamp.rsplit_once('-')?.1.parse().ok())
        .expect("a stamp")
}
