//! Retention: the log's start goes, nobody who keeps up notices, and who comes too late is told.

use serde_json::{Value, json};

use crate::{
    on_both_databases,
    support::{
        daemon::Daemon,
        databases::Fresh,
        rest::Rest,
        socketio::SocketIo,
        soon,
        streams::{Plain, Sse},
        until,
    },
};

on_both_databases!(
    the_oldest_events_go_when_there_are_too_many,
    old_events_go,
    a_daemon_that_was_away_prunes_what_became_old,
);

/// Creates messages with these numbers, many at a time.
async fn write(daemon: &Daemon, numbers: std::ops::Range<usize>) {
    let rest = Rest::new(daemon.address);
    let session = rest.create("sessions", &json!({})).await["session_id"].clone();
    let messages: Vec<Value> = numbers
        .map(|number| json!({"session_id": session, "content": format!("message {number}")}))
        .collect();
    for some in messages.chunks(500) {
        rest.create("messages/bulk", &json!(some)).await;
    }
}

/// The newest stamp.
async fn head(daemon: &Daemon) -> String {
    let health = Rest::new(daemon.address).get("/health").await;
    health["seq"].as_str().expect("a stamp").to_owned()
}

fn number(stamp: &str) -> i64 {
    let (_, number) = stamp.rsplit_once('-').expect("a stamp");
    number.parse().expect("a number")
}

/// What a stream from a place says first; from the log's start if it says nothing of a place.
async fn first(daemon: &Daemon, since: &str) -> (String, Value) {
    let mut stream = Sse::open(daemon.address, Some(since)).await;
    let event = stream.next().await.expect("an event");
    (event.event, event.data)
}

/// The log's oldest place. It may go while it is looked at: that is no reset for who asks for all there is.
async fn oldest(daemon: &Daemon) -> i64 {
    let (event, data) = first(daemon, "0").await;
    assert_eq!(event, "message", "{data}");
    number(data["seq"].as_str().expect("a stamp"))
}

async fn the_oldest_events_go_when_there_are_too_many(database: Fresh) {
    let daemon = Daemon::start_with(&database, &["--retain-events", "1000"], |_| {}).await;
    let start = head(&daemon).await;
    let mut live = SocketIo::connect(daemon.address, &json!({"since": "now"})).await;
    write(&daemon, 0..3_000).await;
    let newest = number(&head(&daemon).await);
    until("a pruned log", async || {
        oldest(&daemon).await == newest - 999
    })
    .await;

    // Who keeps up has everything.
    for expected in number(&start) + 1..=newest {
        let event = live.event().await.expect("an event");
        assert_eq!(number(event[2]["seq"].as_str().expect("a stamp")), expected);
    }
    // The records stay.
    let found = Rest::new(daemon.address).get("/messages?$limit=0").await;
    assert_eq!(found["total"], 3_000);

    // Who was away too long is told, in each dialect, and goes on from there.
    let log = start.rsplit_once('-').expect("a stamp").0;
    let told = json!({
        "reason": "too_old",
        "oldest": format!("{log}-{}", newest - 999),
        "latest": format!("{log}-{newest}"),
    });
    assert_eq!(
        first(&daemon, &start).await,
        ("reset".to_owned(), told.clone())
    );
    let mut socket = SocketIo::connect(daemon.address, &json!({"since": start})).await;
    let reset = socket.event().await.expect("an event");
    assert_eq!((&reset[0], &reset[1]), (&json!("reset"), &told));
    let path = format!("/ws/stream?since={start}");
    let mut stream = Plain::connect(daemon.address, &path).await;
    let frame = stream.as_mut().expect("a stream").next().await;
    let frame = frame.expect("a frame");
    assert_eq!(frame["type"], "reset");
    assert_eq!(frame["oldest"], told["oldest"]);
    write(&daemon, 3_000..3_001).await;
    let event = socket.event().await.expect("an event");
    assert_eq!(event[2]["seq"], format!("{log}-{}", newest + 1));

    // The oldest place that is left can be gone on from: what follows it is all there.
    let kept = oldest(&daemon).await;
    let (event, data) = first(&daemon, &format!("{log}-{kept}")).await;
    assert_eq!(event, "message");
    assert_eq!(data["seq"], format!("{log}-{}", kept + 1));
    daemon.stop().await;
}

async fn old_events_go(database: Fresh) {
    // Two seconds.
    let daemon = Daemon::start_with(&database, &["--retain-days", "0.0000231"], |_| {}).await;
    // More than the daemon has at hand beside the log.
    write(&daemon, 0..2_500).await;
    let stamp = head(&daemon).await;
    let log = stamp.rsplit_once('-').expect("a stamp").0;
    let empty = format!("{log}-{}", number(&stamp) + 1);
    let told = json!({"reason": "too_old", "oldest": empty, "latest": stamp});
    // A log without events says where it goes on.
    until("an empty log", async || {
        let (event, data) = first(&daemon, &format!("{log}-1")).await;
        event == "reset" && data == told
    })
    .await;
    // Nothing came after the newest stamp, so nothing is missed.
    let mut stream = Sse::open(daemon.address, Some(&stamp)).await;
    write(&daemon, 0..1).await;
    let event = soon("an event", stream.next()).await.expect("an event");
    assert_eq!((event.event.as_str(), &event.id), ("message", &empty));
    daemon.stop().await;
}

async fn a_daemon_that_was_away_prunes_what_became_old(database: Fresh) {
    let daemon = Daemon::start_with(&database, &["--retain-events", "0"], |_| {}).await;
    write(&daemon, 0..2_500).await;
    let stamp = head(&daemon).await;
    daemon.stop().await;
    let daemon = Daemon::start_with(&database, &["--retain-events", "1000"], |_| {}).await;
    let kept = number(&stamp) - 999;
    until("a pruned log", async || oldest(&daemon).await == kept).await;
    assert_eq!(head(&daemon).await, stamp);
    daemon.stop().await;
}
