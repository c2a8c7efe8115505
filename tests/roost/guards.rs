//! No web page elsewhere reaches the daemon, and what is too large or malformed is told so.

use futures_util::{SinkExt, StreamExt};
use reqwest::Method as Verb;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_tungstenite::tungstenite::Message;

use crate::support::{
    daemon::Daemon, databases, rest::Rest, socketio::SocketIo, soon, streams::Plain,
};

const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// Sends a request's head as it is; the answer's status.
async fn status(daemon: &Daemon, verb: &str, path: &str, headers: &str) -> u16 {
    let mut stream = TcpStream::connect(daemon.address)
        .await
        .expect("a connection");
    let head = format!("{verb} {path} HTTP/1.1\r\n{headers}\r\n");
    stream
        .write_all(head.as_bytes())
        .await
        .expect("a sent head");
    let mut answer = vec![0; 12];
    soon("an answer", stream.read_exact(&mut answer))
        .await
        .expect("a status line");
    std::str::from_utf8(&answer[9..12])
        .expect("digits")
        .parse()
        .expect("a status")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refuses_foreign_hosts_and_origins_on_every_transport() {
    let daemon = Daemon::start(&databases::sqlite()).await;
    let transports = [
        ("GET", "/boards", "", 200),
        (
            "OPTIONS",
            "/boards",
            "Access-Control-Request-Method: POST\r\n",
            204,
        ),
        ("GET", "/", "", 200),
        ("GET", "/events", "Accept: text/event-stream\r\n", 200),
        ("GET", "/metrics", "", 200),
        ("GET", "/socket.io/?EIO=4&transport=polling", "", 200),
        ("GET", "/socket.io/?EIO=4&transport=websocket", UPGRADE, 101),
        ("GET", "/ws/stream", UPGRADE, 101),
    ];
    for (verb, path, more, welcome) in transports {
        let host = format!("Host: {}\r\n", daemon.address);
        let heads = [
            (format!("{host}{more}"), welcome),
            (
                format!(
                    "Host: localhost\r\nOrigin: http://localhost:5173\r\nAccess-Control-Request-Method: POST\r\n{more}"
                ),
                welcome,
            ),
            (format!("Host: evil.example\r\n{more}"), 403),
            (format!("{host}Origin: http://evil.example\r\n{more}"), 403),
            (format!("{host}Origin: null\r\n{more}"), 403),
            (
                format!("Host: evil.example\r\nOrigin: http://evil.example\r\n{more}"),
                403,
            ),
        ];
        for (head, expected) in heads {
            assert_eq!(
                status(&daemon, verb, path, &head).await,
                expected,
                "{verb} {path}\n{head}"
            );
        }
    }
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_streams_are_refused_as_the_original_refuses_them() {
    let daemon = Daemon::start(&databases::sqlite()).await;
    for path in ["/ws", "/ws/", "/ws/nope", "/ws/stream/x"] {
        assert_eq!(
            Plain::connect(daemon.address, path).await.err(),
            Some(403),
            "{path}"
        );
        assert_eq!(
            Rest::new(daemon.address)
                .send(Verb::GET, path, None)
                .await
                .0,
            404,
            "{path}"
        );
    }
    assert_eq!(
        Plain::connect(daemon.address, "/ws/stream?since=yesterday")
            .await
            .err(),
        Some(400)
    );
    let refused = SocketIo::try_connect(daemon.address, &json!({"since": "yesterday"}))
        .await
        .err()
        .expect("a refusal");
    assert!(refused.contains("`since` is neither"), "{refused}");
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_much_is_told_so() {
    let daemon =
        Daemon::start_with(&databases::sqlite(), &["--max-message", "100000"], |_| {}).await;
    let rest = Rest::new(daemon.address);
    let large = json!({"name": "x".repeat(200_000)});
    let (status, error) = rest.send(Verb::POST, "/boards", Some(&large)).await;
    assert_eq!(
        (status, &error["className"]),
        (413, &json!("payload-too-large"))
    );
    let mut socket = SocketIo::connect(daemon.address, &Value::Null).await;
    socket.emit(&json!(["create", "boards", large, {}])).await;
    assert_eq!(socket.answer().await, None, "the connection ends");
    let mut mgx = Plain::connect(daemon.address, "/ws/stream")
        .await
        .expect("a stream");
    mgx.socket()
        .send(Message::text("{\"type\":\"ping\"}"))
        .await
        .expect("an open stream");
    mgx.socket()
        .send(Message::text("x".repeat(70_000)))
        .await
        .expect("an open stream");
    assert_eq!(mgx.next().await, Err(Some(1009)));
    rest.get("/boards").await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_input_is_answered_and_loses_nothing() {
    let daemon = Daemon::start(&databases::sqlite()).await;
    let rest = Rest::new(daemon.address);
    let client = reqwest::Client::new();
    for body in ["{bad", "[1,", "\u{0}", "nul", "{\"a\":1}x"] {
        let request = client
            .post(format!("{}/boards", daemon.url()))
            .header("content-type", "application/json")
            .body(body);
        let response = soon("an answer", request.send()).await.expect("an answer");
        assert_eq!(response.status(), 400, "{body}");
    }
    let deep = format!(
        "420[\"create\",\"boards\",{}{}]",
        "[".repeat(200),
        "]".repeat(200)
    );
    for frame in [
        deep.as_str(),
        "420[\"find\",\"boards\",{\"a\":{}}]",
        "420[\"find\",{\"$in\":1}]",
        "420[\"\"]",
    ] {
        let mut socket = SocketIo::connect(daemon.address, &Value::Null).await;
        socket.send(frame).await;
        let (_, outcome) = socket.answer().await.expect("an answer");
        assert!(
            outcome.is_err() || frame.contains("{\"a\":{}}"),
            "{frame}: {outcome:?}"
        );
    }
    for frame in [
        "nonsense",
        "42",
        "4",
        "42[",
        "4299999999999999999999[\"find\"]",
        "450-[\"x\"]",
        "\u{0}",
    ] {
        let socket = SocketIo::connect(daemon.address, &Value::Null).await;
        let mut stream = socket.into_inner();
        stream
            .send(Message::text(frame))
            .await
            .expect("an open connection");
        stream.send(Message::binary(vec![0_u8; 10])).await.ok();
        // Whether the library closes or goes on, the daemon stays.
        drop(tokio::time::timeout(std::time::Duration::from_millis(50), stream.next()).await);
    }
    let odd = "/boards?a[b][c][d][e][f][g]=1&&&=&a=1&__proto__[x]=1";
    assert_eq!(rest.send(Verb::GET, odd, None).await.0, 400);
    rest.create("boards", &json!({"name": "'; DROP TABLE boards; --"}))
        .await;
    assert_eq!(rest.get("/boards").await["total"], 1);
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_calls_without_reading_are_all_answered() {
    let daemon = Daemon::start(&databases::sqlite()).await;
    let mut socket = SocketIo::connect(daemon.address, &Value::Null).await;
    for _ in 0..10_000 {
        socket.emit(&json!(["find", "boards", {}])).await;
    }
    let mut answered = vec![false; 10_000];
    for _ in 0..10_000 {
        let (id, outcome) = socket.answer().await.expect("an answer");
        outcome.expect("no error");
        answered[usize::try_from(id).expect("a small id")] = true;
    }
    assert!(answered.iter().all(|answered| *answered));
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_query_is_too_wide_for_an_answer() {
    let daemon = Daemon::start(&databases::sqlite()).await;
    let mut socket = SocketIo::connect(daemon.address, &Value::Null).await;
    let rest = Rest::new(daemon.address);
    for parts in [250, 251, 2_000, 100_000] {
        let wide: Vec<_> = (0..parts).map(|n| json!({"index": n})).collect();
        // Each part counts, and each condition in it.
        let fits = parts <= 125;
        for key in ["$or", "$and"] {
            let answer = socket.call(&json!(["find", "messages", {key: wide}])).await;
            assert_eq!(answer.is_ok(), fits, "{parts}: {answer:?}");
        }
        let many: Vec<_> = (0..parts).collect();
        let answer = socket
            .call(&json!(["find", "messages", {"index": {"$in": many}}]))
            .await;
        assert_eq!(answer.is_ok(), parts <= 10_000, "{parts}: {answer:?}");
    }
    let fits: Vec<_> = (0..125).map(|n| json!({"index": n})).collect();
    socket
        .call(&json!(["find", "messages", {"$or": fits}]))
        .await
        .expect("records");
    let query: String = (0..1_500).map(|n| format!("&$or[{n}][index]=0")).collect();
    assert_eq!(
        rest.send(Verb::GET, &format!("/messages?{query}"), None)
            .await
            .0,
        400
    );
    rest.create("boards", &json!({})).await;
    assert_eq!(rest.get("/boards").await["total"], 1);
    let all = socket
        .call(&json!(["find", "boards", {"$or": []}]))
        .await
        .expect("records");
    assert_eq!(all["total"], 1, "an empty $or is no condition");
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_that_would_harm_others_are_refused() {
    let daemon = Daemon::start(&databases::sqlite()).await;
    let rest = Rest::new(daemon.address);
    let session = rest.create("sessions", &json!({"genealogy": {}})).await;
    assert_eq!(session["genealogy"]["children"], json!([]));
    let id = &session["session_id"];
    let refused = [
        ("messages", json!({"session_id": id, "index": i64::MAX})),
        ("messages", json!({"session_id": id, "index": -1})),
        (
            "messages",
            json!({"session_id": id, "task_id": "x\nboard:secret"}),
        ),
        ("sessions", json!({"repo": 5})),
        ("sessions", json!({"concepts": {}})),
        ("sessions", json!({"tasks": "x"})),
        ("boards", json!({"name": "a\u{0}b"})),
    ];
    for (service, body) in refused {
        let (status, error) = rest
            .send(Verb::POST, &format!("/{service}"), Some(&body))
            .await;
        assert_eq!(status, 400, "{body}: {error}");
    }
    let path = format!("/sessions/{}", id.as_str().expect("an id"));
    assert_eq!(
        rest.send(Verb::PATCH, &path, Some(&json!({"git_state": false})))
            .await
            .0,
        400
    );
    assert_eq!(
        rest.create("messages", &json!({"session_id": id})).await["index"],
        0
    );
    daemon.stop().await;
}
