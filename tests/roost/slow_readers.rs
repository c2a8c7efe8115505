//! A reader that stops: bounded memory, others unaffected, the reader cut off and, back again, whole.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use reqwest::Method as Verb;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::{
    daemon::Daemon,
    databases,
    process::Process,
    rest::Rest,
    socketio::SocketIo,
    soon,
    streams::{Plain, Sse},
    until,
};

/// Makes a session and returns a bulk of messages for it.
async fn bulk(address: impl std::fmt::Display, count: usize, bytes: usize) -> Value {
    let session = Rest::new(address).create("sessions", &json!({})).await;
    let item = |n: usize| json!({"session_id": session["session_id"], "index": n, "content": "x".repeat(bytes)});
    json!((0..count).map(item).collect::<Vec<_>>())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bulk_of_a_thousand_overflows_nobody() {
    let daemon = Daemon::start(&databases::sqlite()).await;
    let bulk = bulk(daemon.address, 1_000, 800).await;
    let mut sockets = Vec::new();
    for n in 0..20 {
        let auth = if n % 2 == 0 {
            Value::Null
        } else {
            json!({"since": "now"})
        };
        sockets.push(SocketIo::connect(daemon.address, &auth).await);
    }
    let mut mgx = Plain::connect(daemon.address, "/ws/stream?since=now")
        .await
        .expect("a stream");
    let mut sse = Sse::open(daemon.address, None).await;
    // Those with stamps join in the background.
    until("all to be live", async || {
        Rest::new(daemon.address).create("boards", &json!({})).await;
        let mut live = true;
        for socket in &mut sockets {
            live &= !socket.events_so_far().await.is_empty();
        }
        live
    })
    .await;
    Rest::new(daemon.address).create("messages", &bulk).await;
    for socket in &mut sockets {
        let mut next = 0;
        while next < 1_000 {
            let event = socket.event().await.expect("an open connection");
            if event[0] == "messages created" {
                assert_eq!(event[1]["index"], next);
                next += 1;
            }
        }
    }
    for n in 0..1_000 {
        assert_eq!(
            mgx.next().await.expect("a frame")["data"]["message"]["index"],
            n
        );
    }
    let mut next = 0;
    while next < 1_000 {
        let event = sse.next().await.expect("an event");
        if event.data["source"] == "messages" {
            assert_eq!(event.data["data"]["index"], next);
            next += 1;
        }
    }
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_stops_is_cut_off_and_comes_back_whole() {
    let process = Process::start(&databases::sqlite(), 0, &[]);
    let address = process.address.clone();
    let bulk = bulk(&address, 500, 4_000).await;
    let start = Rest::new(&address).get("/health").await["seq"]
        .as_str()
        .expect("a stamp")
        .to_owned();
    let stalled = SocketIo::connect(&address, &json!({"since": start}))
        .await
        .into_inner();
    let stalled_stream = Plain::connect(&address, &format!("/ws/stream?since={start}"))
        .await
        .expect("a stream");
    let stalled_sse = Sse::open(&address, Some(&start)).await;
    let mut healthy = SocketIo::connect(&address, &Value::Null).await;
    let before = memory(&process);
    // 40 MB for each: far more than the kernel and the queue hold.
    for _ in 0..20 {
        Rest::new(&address).create("messages", &bulk).await;
        for n in 0..500 {
            let event = healthy.event().await.expect("an open connection");
            assert_eq!(event[1]["index"], n, "the others notice nothing");
        }
    }
    until("the stalled client to be cut off", async || {
        let text = Rest::new(&address).metrics().await;
        text.contains("roost_overflows_total{protocol=\"socketio\",policy=\"cut_off\"} 1")
    })
    .await;
    let grown = memory(&process).saturating_sub(before);
    assert!(grown < 150_000, "{grown} KiB for three stalled readers");
    drop((stalled, stalled_stream, stalled_sse));
    let mut back = SocketIo::connect(&address, &json!({"since": start})).await;
    for n in 0..10_000 {
        let event = back.event().await.expect("an open connection");
        assert_eq!(event[1]["index"], n % 500);
    }
    assert_eq!(back.events_so_far().await, Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_takes_no_bytes_is_aborted_by_the_clock() {
    let daemon = Daemon::start_with(&databases::sqlite(), &["--stall-secs", "0.5"], |_| {}).await;
    let bulk = bulk(daemon.address, 400, 20_000).await;
    let mut stalled = [
        SocketIo::connect(daemon.address, &Value::Null)
            .await
            .into_inner(),
        SocketIo::connect(daemon.address, &Value::Null)
            .await
            .into_inner(),
    ];
    for _ in 0..3 {
        Rest::new(daemon.address).create("messages", &bulk).await;
    }
    until("both to be aborted", async || {
        let text = Rest::new(daemon.address).metrics().await;
        let count = text.lines().find_map(|line| {
            line.strip_prefix("roost_connections_stalled_total ")?
                .parse::<u32>()
                .ok()
        });
        count.unwrap_or(0) >= 2
    })
    .await;
    for stream in &mut stalled {
        // What the kernel held is followed by a reset.
        let mut ended = false;
        while !ended {
            ended = !matches!(soon("a frame", stream.next()).await, Some(Ok(_)));
        }
    }
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_polling_client_that_stops_polling_is_refused_and_comes_back() {
    let daemon = Daemon::start(&databases::sqlite()).await;
    let bulk = bulk(daemon.address, 1_000, 10).await;
    let client = reqwest::Client::new();
    let url = format!("{}/socket.io/?EIO=4&transport=polling", daemon.url());
    let get = async |url: &str| {
        let response = client
            .get(url)
            .timeout(Duration::from_secs(10))
            .send()
            .await
            .expect("an answer");
        (
            response.status().as_u16(),
            response.text().await.expect("text"),
        )
    };
    let (_, open) = get(&url).await;
    let sid = serde_json::from_str::<Value>(&open[1..]).expect("JSON")["sid"]
        .as_str()
        .expect("a sid")
        .to_owned();
    let url = format!("{url}&sid={sid}");
    let connect = client
        .post(&url)
        .body("40")
        .send()
        .await
        .expect("an answer");
    assert_eq!(connect.status(), 200);
    // A ping may come before the answer.
    while !get(&url).await.1.contains("40{") {}
    for _ in 0..5 {
        Rest::new(daemon.address).create("messages", &bulk).await;
    }
    let (status, said) = get(&url).await;
    assert_eq!(
        (status, said.as_str()),
        (400, r#"{"code":1,"message":"Session ID unknown"}"#)
    );
    let (status, _) = Rest::new(daemon.address)
        .send(
            Verb::POST,
            &format!("/socket.io/?EIO=4&transport=polling&sid={sid}"),
            None,
        )
        .await;
    assert_eq!(status, 400);
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_upgrades_before_it_connects_is_cut_off_too() {
    let daemon = Daemon::start(&databases::sqlite()).await;
    let bulk = bulk(daemon.address, 500, 4_000).await;
    let open = reqwest::get(format!(
        "{}/socket.io/?EIO=4&transport=polling",
        daemon.url()
    ))
    .await;
    let open = open.expect("an answer").text().await.expect("text");
    let sid = serde_json::from_str::<Value>(&open[1..]).expect("JSON")["sid"]
        .as_str()
        .expect("a sid")
        .to_owned();
    let url = format!(
        "ws://{}/socket.io/?EIO=4&transport=websocket&sid={sid}",
        daemon.address
    );
    let (mut socket, _) = tokio_tungstenite::connect_async(url)
        .await
        .expect("an upgrade");
    socket
        .send(Message::text("2probe"))
        .await
        .expect("an open socket");
    assert_eq!(
        soon("a probe", socket.next())
            .await
            .expect("a frame")
            .expect("a frame"),
        Message::text("3probe")
    );
    socket
        .send(Message::text("5"))
        .await
        .expect("an open socket");
    socket
        .send(Message::text("40"))
        .await
        .expect("an open socket");
    loop {
        let frame = soon("the connection", socket.next())
            .await
            .expect("a frame")
            .expect("a frame");
        if frame.to_text().is_ok_and(|text| text.starts_with("40")) {
            break;
        }
    }
    for _ in 0..12 {
        Rest::new(daemon.address).create("messages", &bulk).await;
    }
    // What was sent, and then the end: not silence.
    while let Some(Ok(_)) = soon("the end", socket.next()).await {}
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_takes_no_answers_gets_no_more_of_them_made() {
    let process = Process::start(&databases::sqlite(), 0, &["--max-message", "2000000"]);
    let bulk = bulk(&process.address, 400, 4_000).await;
    Rest::new(&process.address).create("messages", &bulk).await;
    let before = memory(&process);
    let mut socket = SocketIo::connect(&process.address, &Value::Null).await;
    for _ in 0..400 {
        // 1.7 MB each.
        socket
            .emit(&json!(["find", "messages", {"$limit": 400}]))
            .await;
    }
    let mut largest = 0;
    for _ in 0..30 {
        largest = largest.max(memory(&process));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let grown = largest.saturating_sub(before);
    assert!(grown < 200_000, "{grown} KiB for answers that nobody reads");
    for _ in 0..400 {
        let (_, answer) = socket.answer().await.expect("an answer");
        assert_eq!(answer.expect("records")["total"], 400);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_events_do_not_pile_up_for_streams_that_stop() {
    let process = Process::start(&databases::sqlite(), 0, &[]);
    let bulk = bulk(&process.address, 8, 1_000_000).await;
    for _ in 0..10 {
        Rest::new(&process.address).create("messages", &bulk).await;
    }
    let before = memory(&process);
    let mut stalled = Vec::new();
    for _ in 0..5 {
        stalled.push(Sse::open(&process.address, Some("0")).await);
    }
    let mut reading = Sse::open(&process.address, Some("0")).await;
    for _ in 0..80 {
        reading.next().await.expect("an event");
    }
    let grown = memory(&process).saturating_sub(before);
    assert!(
        grown < 150_000,
        "{grown} KiB for five streams that nobody reads"
    );
    drop(stalled);
}

/// The process's own memory, in KiB.
fn memory(process: &Process) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id()))
        .expect("a running process");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))
        .expect("its memory");
    line.trim()
        .trim_end_matches(" kB")
        .trim()
        .parse()
        .expect("a number")
}
