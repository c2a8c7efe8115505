//! Many records in one call, and what is drawn on boards.

#![expect(clippy::too_many_lines, reason = "each is one story, or a table")]

use reqwest::Method as Verb;
use serde_json::{Value, json};

use crate::{
    on_both_databases,
    support::{daemon::Daemon, databases::Fresh, rest::Rest, socketio::SocketIo},
};

on_both_databases!(makes_many_at_once_or_none, draws_on_boards);

async fn makes_many_at_once_or_none(database: Fresh) {
    let daemon = Daemon::start(&database).await;
    let rest = Rest::new(daemon.address);
    rest.create("sessions", &json!({"session_id": "s"})).await;
    let mut socket = SocketIo::connect(daemon.address, &Value::Null).await;
    for service in ["messages", "tasks"] {
        let path = format!("{service}/bulk");
        let items: Vec<_> = (0..100)
            .map(|n| json!({"session_id": "s", "description": n.to_string(), "content": n}))
            .collect();
        let made = socket
            .call(&json!(["create", path, items, {}]))
            .await
            .expect("records");
        let events = socket.events_so_far().await;
        assert_eq!(
            (made.as_array().map(Vec::len), events.len()),
            (Some(100), 100)
        );
        let name = format!("{service} created");
        let told = events.iter().zip(made.as_array().expect("a list"));
        assert!(
            told.into_iter()
                .all(|(event, record)| event[0] == name.as_str() && event[1] == *record)
        );
        for wrong in [
            json!({"session_id": "s"}),
            json!([{"session_id": "s"}, {"session_id": "nope"}]),
            json!([1]),
        ] {
            assert!(
                socket
                    .call(&json!(["create", path, wrong, {}]))
                    .await
                    .is_err()
            );
        }
        assert_eq!(
            rest.get(&format!("/{service}?$limit=0")).await["total"],
            100
        );
        assert_eq!(
            socket.call(&json!(["create", path, [], {}])).await,
            Ok(json!([]))
        );
    }
    let error = socket
        .call(&json!(["create", "messages/link-tasks", {"session_id": "s"}, {}]))
        .await;
    assert_eq!(
        error.expect_err("an error")["message"],
        "Service 'messages/link-tasks' not found"
    );
    assert!(socket.events_so_far().await.is_empty());
    daemon.stop().await;
}

async fn draws_on_boards(database: Fresh) {
    let daemon = Daemon::start(&database).await;
    let rest = Rest::new(daemon.address);
    rest.create("boards", &json!({"board_id": "b"})).await;
    let mut socket = SocketIo::connect(daemon.address, &Value::Null).await;
    let (zone, text) = (json!({"type": "zone", "x": 1}), json!({"type": "text"}));
    let actions = [
        (
            json!({"_action": "upsertObject", "objectId": "z", "objectData": zone}),
            json!({"z": zone}),
        ),
        (
            json!({"_action": "batchUpsertObjects", "objects": {"z": text, "t": text}}),
            json!({"z": text, "t": text}),
        ),
        (
            json!({"_action": "removeObject", "objectId": "t"}),
            json!({"z": text}),
        ),
        (
            json!({"_action": "deleteZone", "objectId": "z", "deleteAssociatedSessions": true}),
            json!({}),
        ),
        (json!({"objects": {"x": zone}}), json!({"x": zone})),
    ];
    for (action, objects) in actions {
        let board = socket
            .call(&json!(["patch", "boards", "b", action, {}]))
            .await
            .expect("the board");
        assert_eq!(board["objects"], objects, "{action}");
        assert_eq!(board.get("_action"), None);
        assert_eq!(
            socket.events_so_far().await,
            [json!(["boards patched", board])]
        );
    }
    for wrong in [
        json!({"_action": "explode"}),
        json!({"_action": "upsertObject", "objectId": "z"}),
        json!({"_action": "removeObject"}),
        json!({"_action": 5}),
        json!({"objects": [1]}),
    ] {
        let answer = socket
            .call(&json!(["patch", "boards", "b", wrong, {}]))
            .await;
        assert_eq!(answer.expect_err("an error")["code"], 400, "{wrong}");
    }
    let held = rest.create("sessions", &json!({"session_id": "s"})).await["session_id"].clone();
    for _ in 0..2 {
        let board = rest
            .create("boards/b/sessions", &json!({"sessionId": held}))
            .await;
        assert_eq!(board["sessions"], json!([held]));
    }
    let events = socket.events_so_far().await;
    assert_eq!(
        events
            .iter()
            .filter(|event| event[0] == "boards patched")
            .count(),
        1,
        "the second time nothing changed"
    );
    for (path, data, status) in [
        ("/boards/nope/sessions", json!({"sessionId": held}), 404),
        ("/boards/b/sessions", json!({"sessionId": "nope"}), 404),
        ("/boards/b/sessions", json!({}), 400),
    ] {
        assert_eq!(
            rest.send(Verb::POST, path, Some(&data)).await.0,
            status,
            "{path}"
        );
    }
    daemon.stop().await;
}
