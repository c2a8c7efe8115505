//! Starting, stopping, and what happens when something is in the way.

use futures_util::StreamExt;
use reqwest::Method;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use crate::support::{
    DEADLINE,
    daemon::Daemon,
    databases,
    process::{self, Process},
    rest::Rest,
    socketio::SocketIo,
    soon,
    streams::{Plain, Sse},
    until,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn says_goodbye_to_everybody_when_it_stops() {
    let daemon = Daemon::start(&databases::sqlite()).await;
    let address = daemon.address;
    let mut socketio = SocketIo::connect(address, &Value::Null).await;
    let mut mgx = Plain::connect(address, "/ws/stream")
        .await
        .expect("a stream");
    let mut sse = Sse::open(address, None).await;
    daemon.stop().await;
    assert_eq!(socketio.event().await, None);
    assert_eq!(mgx.next().await, Err(Some(1012)));
    assert_eq!(sse.next().await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stops_although_a_client_takes_no_goodbye() {
    let daemon = Daemon::start_with(&databases::sqlite(), &["--drain-secs", "0.5"], |_| {}).await;
    let deaf = tokio::net::TcpStream::connect(daemon.address)
        .await
        .expect("a connection");
    let mut half_a_request = Plain::connect(daemon.address, "/ws/stream")
        .await
        .expect("a stream");
    daemon.stop().await;
    drop(deaf);
    assert!(
        soon("the end", half_a_request.socket().next())
            .await
            .is_none_or(|frame| frame.is_ok())
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn is_whole_again_after_a_restart() {
    let database = databases::sqlite();
    let daemon = Daemon::start(&database).await;
    let board = Rest::new(daemon.address)
        .create("boards", &json!({"name": "kept"}))
        .await;
    daemon.stop().await;
    let daemon = Daemon::start(&database).await;
    let found = Rest::new(daemon.address).get("/boards").await;
    assert_eq!(found["data"], json!([board]));
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_daemon_on_one_file_says_why_it_will_not_start() {
    let database = databases::sqlite();
    let first = Process::start(&database, 0, &[]);
    let (code, said) = process::run(&database, 0, &[]);
    assert_eq!(code, Some(1));
    assert!(said.contains("Another roost is using"), "{said}");
    drop(first);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_in_use_is_a_sentence() {
    let first = Process::start(&databases::sqlite(), 0, &[]);
    let (code, said) = process::run(&databases::sqlite(), first.port(), &[]);
    assert_eq!(code, Some(1));
    assert!(
        said.contains("cannot be listened on") && said.contains("--port"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_daemon_refuses_a_public_address() {
    let (code, said) = process::run(&databases::sqlite(), 0, &["--host", "0.0.0.0"]);
    assert_eq!(code, Some(1));
    assert!(said.contains("--allow-open"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_database_is_a_sentence() {
    let mut database = databases::sqlite();
    std::fs::write(
        database.folder.path().join("roost.db"),
        "no database at all, but long enough to be read as one. ".repeat(100),
    )
    .expect("a file");
    let (code, said) = process::run(&database, 0, &[]);
    assert_eq!(code, Some(1), "{said}");
    database.url = "mysql://localhost/x".to_owned();
    let (code, said) = process::run(&database, 0, &[]);
    assert_eq!(code, Some(1));
    assert!(said.contains("sqlite:// or postgres://"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_ends_it_with_success() {
    let mut process = Process::start(&databases::sqlite(), 0, &[]);
    let listener = SocketIo::connect(&process.address, &Value::Null).await;
    let code = tokio::task::spawn_blocking(move || process.terminate())
        .await
        .expect("an end");
    assert_eq!(code, Some(0));
    drop(listener);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counts_from_the_start() {
    let daemon = Daemon::start(&databases::sqlite()).await;
    let rest = Rest::new(daemon.address);
    rest.create("boards", &json!({})).await;
    let text = Rest::new(daemon.address).metrics().await;
    assert!(
        text.contains("roost_calls_total{service=\"boards\",method=\"create\"}"),
        "{text}"
    );
    assert!(text.contains("roost_events_published_total"), "{text}");
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_database_is_answered_and_comes_back() {
    let database = databases::sqlite();
    let daemon = Daemon::start(&database).await;
    let rest = Rest::new(daemon.address);
    // Another program takes the file for writing.
    let thief =
        rusqlite::Connection::open(database.folder.path().join("roost.db")).expect("the file");
    thief.execute_batch("BEGIN EXCLUSIVE").expect("the lock");
    let blocked = tokio::time::timeout(
        DEADLINE,
        rest.send(Method::POST, "/boards", Some(&json!({}))),
    )
    .await;
    assert_eq!(blocked.expect("an answer").0, 503);
    thief
        .execute_batch("ROLLBACK")
        .expect("the lock given back");
    rest.create("boards", &json!({"name": "after"})).await;
    assert_eq!(rest.get("/boards").await["total"], 1);
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_daemon_finds_the_file_through_any_link() {
    let database = databases::sqlite();
    let first = Process::start(&database, 0, &[]);
    let mut other = databases::sqlite();
    let link = other.folder.path().join("link.db");
    std::os::unix::fs::symlink(database.folder.path().join("roost.db"), &link).expect("a link");
    other.url = format!("sqlite://{}", link.display());
    let (code, said) = process::run(&other, 0, &[]);
    assert_eq!(code, Some(1));
    assert!(said.contains("Another roost is using"), "{said}");
    drop(first);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_write_ahead_log_moves_into_the_file_while_the_daemon_runs() {
    let database = databases::sqlite();
    let daemon = Daemon::start(&database).await;
    let rest = Rest::new(daemon.address);
    for _ in 0..40 {
        rest.create("boards", &json!({"description": "x".repeat(50_000)}))
            .await;
    }
    let file = database.folder.path().join("roost.db");
    until("pages in the file", async || {
        std::fs::metadata(&file).expect("the file").len() > 2_000_000
    })
    .await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_stream_beats_and_answers_a_close() {
    let daemon =
        Daemon::start_with(&databases::sqlite(), &["--heartbeat-secs", "0.2"], |_| {}).await;
    let mut stream = Plain::connect(daemon.address, "/ws/stream")
        .await
        .expect("a stream");
    for n in 1..=3 {
        let beat = stream.next().await.expect("a heartbeat");
        assert_eq!(beat["type"], "heartbeat");
        assert!(
            beat["timestamp"].as_f64().expect("seconds") > 0.19 * f64::from(n),
            "{beat}"
        );
    }
    let close = CloseFrame {
        code: 1000.into(),
        reason: "bye".into(),
    };
    stream
        .socket()
        .close(Some(close))
        .await
        .expect("an open stream");
    let code = loop {
        if let Err(code) = stream.next().await {
            break code;
        }
    };
    assert_eq!(code, Some(1000));
    daemon.stop().await;
}
