//! `kill -9` under load: what was acknowledged is there, and who comes back misses nothing.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    on_both_databases,
    support::{
        databases::Fresh,
        process::Process,
        rest::Rest,
        socketio::SocketIo,
        soon,
        streams::{Plain, Sse},
    },
};

const WRITERS: usize = 16;

/// The text of the message that ends a run.
const END: &str = "the end";

on_both_databases!(nothing_acknowledged_is_lost);

/// Rounds of killing: a few in `make test`, many in `make soak`.
fn rounds() -> usize {
    #[expect(clippy::disallowed_methods, reason = "the soak says how long it runs")]
    let rounds = std::env::var("ROOST_KILL_ROUNDS");
    rounds
        .ok()
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(10)
}

/// What the clients share.
#[derive(Clone)]
struct Field {
    address: String,
    session: Value,
    acknowledged: Arc<Mutex<HashSet<String>>>,
    ended: Arc<AtomicBool>,
}

/// What a subscriber got: stamp and id of each message, in order.
type Story = Vec<(String, String)>;

async fn nothing_acknowledged_is_lost(database: Fresh) {
    let mut process = Process::start(&database, 0, &[]);
    let port = process.port();
    let session = Rest::new(&process.address)
        .create("sessions", &json!({}))
        .await["session_id"]
        .clone();
    let field = Field {
        address: process.address.clone(),
        session,
        acknowledged: Arc::default(),
        ended: Arc::default(),
    };
    let start = Rest::new(&process.address).get("/health").await["seq"]
        .as_str()
        .expect("a stamp")
        .to_owned();
    let mut writers = JoinSet::new();
    for _ in 0..WRITERS {
        writers.spawn(write(field.clone()));
    }
    let mut subscribers = JoinSet::new();
    subscribers.spawn(listen_socketio(field.clone(), start.clone()));
    subscribers.spawn(listen_mgx(field.clone(), start.clone()));
    subscribers.spawn(listen_sse(field.clone(), start));
    for round in 0..rounds() {
        let before = field.acknowledged.lock().expect("the set").len();
        // Each round gets through some work, and is cut off in the middle of more.
        crate::support::until("acknowledged writes", async || {
            field.acknowledged.lock().expect("the set").len() > before + 50
        })
        .await;
        tokio::time::sleep(Duration::from_millis(
            u64::try_from(round * 7 % 40).expect("a small number"),
        ))
        .await;
        process.kill();
        process = Process::start(&database, port, &[]);
    }
    field.ended.store(true, Ordering::Relaxed);
    while let Some(written) = soon("the writers' end", writers.join_next()).await {
        written.expect("a writer");
    }
    let last = Rest::new(&process.address)
        .create(
            "messages",
            &json!({"session_id": field.session, "content": END}),
        )
        .await;
    let stories = subscribers.join_all();
    let stories = soon("the subscribers' end", stories).await;
    check(&process, &field, &stories, &last).await;
}

async fn check(process: &Process, field: &Field, stories: &[Story], last: &Value) {
    let log = whole_log(&process.address).await;
    let numbers: Vec<i64> = log.iter().map(|(stamp, ..)| number(stamp)).collect();
    assert_eq!(
        numbers,
        (1..=i64::try_from(log.len()).expect("a length")).collect::<Vec<_>>(),
        "no gap"
    );
    let messages: Story = log
        .into_iter()
        .filter(|(_, source, _)| source == "messages")
        .map(|(stamp, _, id)| (stamp, id))
        .collect();
    assert_eq!(
        messages.last().map(|(_, id)| json!(id)),
        Some(last["message_id"].clone())
    );
    let records = all_messages(&process.address).await;
    let logged: HashSet<_> = messages.iter().map(|(_, id)| id.clone()).collect();
    assert_eq!(logged.len(), messages.len(), "an event once");
    assert_eq!(
        logged, records,
        "an event for each record and a record for each event"
    );
    let acknowledged = field.acknowledged.lock().expect("the set");
    let lost: Vec<_> = acknowledged.difference(&records).collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
    for story in stories {
        assert_eq!(story, &messages, "each subscriber has the log's messages");
    }
}

/// Creates messages as fast as they are acknowledged; comes back whenever the daemon does.
async fn write(field: Field) {
    while !field.ended.load(Ordering::Relaxed) {
        let Ok(mut socket) = SocketIo::try_connect(&field.address, &Value::Null).await else {
            continue;
        };
        let call = json!(["create", "messages", {"session_id": field.session, "index": 0, "content": "x".repeat(200)}, {"$select": ["index"]}]);
        let mut under_way = 4;
        for _ in 0..under_way {
            socket.emit(&call).await;
        }
        // Every answer is awaited: nothing is written after the end.
        while under_way > 0
            && let Some((_, outcome)) = socket.answer().await
        {
            let made = outcome.expect("no error");
            let id = made["message_id"].as_str().expect("an id").to_owned();
            field.acknowledged.lock().expect("the set").insert(id);
            under_way -= 1;
            if !field.ended.load(Ordering::Relaxed) && socket.try_emit(&call).await {
                under_way += 1;
            }
        }
    }
}

async fn listen_socketio(field: Field, start: String) -> Story {
    let mut story: Story = Vec::new();
    loop {
        let since = story.last().map_or(&start, |(stamp, _)| stamp);
        let Ok(mut socket) = SocketIo::try_connect(&field.address, &json!({"since": since})).await
        else {
            continue;
        };
        while let Some(event) = socket.event().await {
            assert_eq!(event[0], "messages created");
            story.push((text(&event[2]["seq"]), text(&event[1]["message_id"])));
            if event[1]["content"] == END {
                return story;
            }
        }
    }
}

async fn listen_mgx(field: Field, start: String) -> Story {
    let mut story: Story = Vec::new();
    loop {
        let since = story.last().map_or(&start, |(stamp, _)| stamp);
        let Some(mut stream) =
            Plain::try_connect(&field.address, &format!("/ws/stream?since={since}")).await
        else {
            continue;
        };
        while let Ok(frame) = stream.next().await {
            let message = &frame["data"]["message"];
            story.push((text(&frame["seq"]), text(&message["message_id"])));
            if message["content"] == END {
                return story;
            }
        }
    }
}

async fn listen_sse(field: Field, start: String) -> Story {
    let mut story: Story = Vec::new();
    loop {
        let since = story.last().map_or(&start, |(stamp, _)| stamp);
        let Some(mut stream) = Sse::try_open(&field.address, Some(since)).await else {
            continue;
        };
        while let Some(event) = stream.next().await {
            assert_eq!(event.event, "message");
            let message = &event.data["data"];
            story.push((event.id, text(&message["message_id"])));
            if message["content"] == END {
                return story;
            }
        }
    }
}

/// Stamp, source and id of every event, from the first to the one that ends the run.
async fn whole_log(address: &str) -> Vec<(String, String, String)> {
    let mut stream = Sse::open(address, Some("0")).await;
    let mut log = Vec::new();
    loop {
        let event = stream.next().await.expect("an event");
        let (source, data) = (text(&event.data["source"]), &event.data["data"]);
        let ended = data["content"] == END;
        log.push((
            event.id,
            source,
            data["message_id"].as_str().unwrap_or_default().to_owned(),
        ));
        if ended {
            return log;
        }
    }
}

async fn all_messages(address: &str) -> HashSet<String> {
    let rest = Rest::new(address);
    let mut ids = HashSet::new();
    loop {
        let query = format!(
            "/messages?$limit=10000&$skip={}&$sort[message_id]=1&$select[]=message_id",
            ids.len()
        );
        let page = rest.get(&query).await;
        let data = page["data"].as_array().expect("a list");
        ids.extend(data.iter().map(|message| text(&message["message_id"])));
        if data.is_empty() {
            return ids;
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

fn number(stamp: &str) -> i64 {
    stamp
        .rsplit_once('-')
        .and_then(|(_, number)| number.parse().ok())
        .expect("a stamp")
}
