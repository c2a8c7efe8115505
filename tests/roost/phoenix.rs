//! Phoenix's own server tests, written anew: real sockets, both versions. What the transcripts show
//! (joins, leaves, stops, stale refs, limits, idle timeouts) is tested there.

use std::{future::ready, sync::Arc};

use futures_util::StreamExt;
use http::header;
use roost::{
    core::{
        BoxFuture,
        feed::{Feed, Item},
        identity::Identity,
        stamp::Since,
    },
    dialects::phoenix::{
        Attempt, Channel, Connect, Context, Join, Options, Outcome, Payload, Push, Refused, Reply,
        Socket,
    },
};
use serde_json::{Value, json};

use crate::support::{
    phoenix::{self, Frame, Phoenix},
    rest::Rest,
    until,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lets_in_and_refuses_as_the_genuine_server() {
    let daemon = phoenix::daemon().await;
    let cases = [
        ("/socket/websocket", Ok(())),
        ("/socket/websocket?vsn=2.0.9", Ok(())),
        ("/socket/websocket?vsn=1.0.7", Ok(())),
        ("/socket/websocket?vsn=3.0.0&vsn=2.0.0", Ok(())),
        ("/socket/websocket?vsn=2.1.0", Err(403)),
        ("/socket/websocket?vsn=1.5.0", Err(403)),
        ("/socket/websocket?vsn=3.0.0", Err(403)),
        ("/socket/websocket?vsn=2", Err(403)),
        ("/socket/websocket?vsn=abc", Err(403)),
        ("/socket/websocket?vsn=", Err(403)),
        ("/socket/websocket?vsn[]=2.0.0", Err(403)),
        ("/socket/websocket?vsn=2.0.0&token=bad", Err(403)),
        ("/socket/websocket?vsn=2.0.0&token=err", Err(403)),
        ("/socket/websocket?vsn=2.0.0&token=raise", Err(500)),
        ("/nosocket/websocket?vsn=2.0.0", Err(404)),
        ("/socket/websocket/x?vsn=2.0.0", Err(404)),
    ];
    for (path, expected) in cases {
        let found = Phoenix::connect(&daemon, path).await.map(drop);
        assert_eq!(found, expected, "{path}");
    }
    let origin = |origin| [("origin", origin)];
    for (origin, expected) in [
        (origin("http://localhost:4018"), Ok(())),
        (origin("http://evil.example"), Err(403)),
        (origin("null"), Err(403)),
    ] {
        let found = Phoenix::connect_with(&daemon, "/socket/websocket", &origin).await;
        assert_eq!(found.map(drop), expected, "{origin:?}");
    }
    let rest = Rest::new(daemon.address);
    for method in [reqwest::Method::GET, reqwest::Method::POST] {
        assert_eq!(rest.send(method, "/socket/websocket", None).await.0, 400);
    }
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn takes_a_token_by_subprotocol_where_the_mount_does() {
    let daemon = phoenix::daemon().await;
    let cases = [
        ("phoenix, base64url.bearer.phx.dG9rLcOp", Ok(json!("tok-é"))),
        ("phoenix", Ok(Value::Null)),
        ("phoenix, base64url.bearer.phx.!!!!", Err(403)),
        ("foo", Err(403)),
    ];
    for (offer, expected) in cases {
        let offer = [(header::SEC_WEBSOCKET_PROTOCOL.as_str(), offer)];
        let client = Phoenix::connect_with(&daemon, "/auth/websocket?vsn=2.0.0", &offer).await;
        let found = match client {
            Ok(mut client) => {
                client.ask(json!(["1", "1", "exact", "phx_join", {}])).await;
                let who = client.ask(json!(["1", "2", "exact", "whoami", {}])).await;
                Ok(who[4]["response"]["auth_token"].clone())
            }
            Err(status) => Err(status),
        };
        assert_eq!(found, expected, "{offer:?}");
    }
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn says_goodbye_when_the_daemon_stops() {
    let daemon = phoenix::daemon().await;
    let mut client = Phoenix::open(&daemon).await;
    client
        .ask(json!(["1", "1", "room:a", "phx_join", {}]))
        .await;
    let app = Arc::clone(&daemon.app);
    daemon.stop().await;
    assert_eq!(client.end().await, Some(1012));
    assert!(!app.presence.is_present("room:a", "anon"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_join_replaces_the_first_before_it_starts() {
    let daemon = phoenix::daemon().await;
    let mut client = Phoenix::open(&daemon).await;
    client
        .ask(json!(["1", "1", "room:a", "phx_join", {}]))
        .await;
    client.json().await;
    client.json().await;
    client
        .send(json!(["2", "2", "room:a", "phx_join", {}]))
        .await;
    let events: Vec<Value> = [
        client.json().await,
        client.json().await,
        client.json().await,
        client.json().await,
    ]
    .into();
    assert_eq!(events[0][4]["status"], "ok");
    assert_eq!(events[1], json!(["1", "1", "room:a", "phx_close", {}]));
    assert_eq!(events[2][3], "presence_diff");
    assert_eq!(
        events[3][4]["anon"]["metas"].as_array().map(Vec::len),
        Some(1)
    );
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_reply_holds_up_nothing() {
    let daemon = phoenix::daemon().await;
    let mut client = Phoenix::open(&daemon).await;
    client.ask(json!(["1", "1", "exact", "phx_join", {}])).await;
    client.send(json!(["1", "2", "exact", "late", {}])).await;
    assert_eq!(
        client.ask(json!(["1", "3", "exact", "echo", {}])).await[1],
        "3"
    );
    assert_eq!(client.json().await[1], "2");
    daemon.stop().await;
}

/// Lets everybody in; the only topic tells the log's story after `since`, and shouts.
struct Readers;

impl Connect for Readers {
    fn connect<'a>(&'a self, _: &'a Attempt) -> BoxFuture<'a, Result<Box<dyn Socket>, Refused>> {
        Box::pin(ready(Ok(Box::new(Reader) as Box<dyn Socket>)))
    }
}

struct Reader;

impl Socket for Reader {
    fn channel(&self, topic: &str) -> Option<Box<dyn Channel>> {
        (topic == "story").then(|| Box::new(Story) as Box<dyn Channel>)
    }
}

struct Story;

impl Channel for Story {
    fn join<'a>(&'a mut self, join: &'a mut Join) -> BoxFuture<'a, Result<Payload, Payload>> {
        Box::pin(async move {
            let refuse = |error: roost::error::Error| json!({"reason": error.to_string()});
            let since = Since::parse(join.param("since").unwrap_or("0")).map_err(refuse)?;
            let feed = Feed::open(join.app.store.story().clone(), &since, "phoenix").await;
            let app = Arc::clone(&join.app);
            join.follow(feed.map_err(refuse)?.into_stream().filter_map(move |item| {
                ready(match item {
                    Ok(Item::Event(event)) => {
                        let data = event.view(&Identity::Owner, app.store.story().hub.access());
                        data.map(|data| {
                            Ok(Push {
                                event: event.name.clone(),
                                payload: Arc::clone(data).into(),
                            })
                        })
                    }
                    Ok(Item::Reset(_)) => None,
                    Err(error) => Some(Err(error)),
                })
            }));
            Ok(Payload::empty())
        })
    }

    fn receive<'a>(
        &'a mut self,
        event: &'a str,
        payload: Payload,
        context: &'a mut Context,
    ) -> BoxFuture<'a, Outcome> {
        context.broadcast(event, payload);
        Box::pin(ready(Reply::ok(Payload::empty()).into()))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_tells_the_story_at_its_readers_pace() {
    let (daemon, _) =
        phoenix::daemon_of(|endpoint| endpoint.mount("/story", Readers, Options::default())).await;
    let rest = Rest::new(daemon.address);
    // More than a queue holds, in bytes.
    let text = "x".repeat(100_000);
    for n in 0..60 {
        rest.create(
            "boards",
            &json!({"name": n.to_string(), "description": text}),
        )
        .await;
    }
    let path = "/story/websocket?vsn=2.0.0";
    let mut client = Phoenix::connect(&daemon, path).await.expect("an upgrade");
    client
        .ask(json!(["1", "1", "story", "phx_join", {"since": "0"}]))
        .await;
    rest.create("boards", &json!({"name": "60"})).await;
    for n in 0..=60 {
        let event = client.json().await;
        assert_eq!(event[3], "created");
        assert_eq!(event[4]["name"], n.to_string());
    }
    let refused = client
        .ask(json!(["2", "2", "story", "phx_join", {"since": "?"}]))
        .await;
    assert_eq!(refused[4]["status"], "error");
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_read_is_cut_off_and_nobody_else_notices() {
    let (daemon, endpoint) =
        phoenix::daemon_of(|endpoint| endpoint.mount("/story", Readers, Options::default())).await;
    let path = "/story/websocket?vsn=2.0.0";
    let (mut deaf, mut good) = (
        Phoenix::connect(&daemon, path).await.expect("an upgrade"),
        Phoenix::connect(&daemon, path).await.expect("an upgrade"),
    );
    for client in [&mut deaf, &mut good] {
        client
            .ask(json!(["1", "1", "story", "phx_join", {"since": "now"}]))
            .await;
    }
    let text = "x".repeat(500_000);
    for n in 0..60 {
        endpoint.broadcast("story", "shout", json!({"n": n, "text": text}));
        assert_eq!(good.json().await[4]["n"], n);
    }
    // It gets what fitted, without gap, and is told to come back.
    let mut heard = 0;
    let code = loop {
        match deaf.next().await {
            Frame::Text(text) => {
                let frame: Value = serde_json::from_str(&text).expect("JSON");
                assert_eq!(frame[4]["n"], heard);
                heard += 1;
            }
            Frame::End(code) => break code,
            frame => panic!("{frame:?}"),
        }
    };
    assert_eq!(code, Some(1013));
    assert!(heard < 60, "{heard}");
    assert_eq!(
        good.ask(json!(["1", "2", "story", "echo", {}])).await[3],
        "echo"
    );
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_connection_leaves_at_once() {
    let daemon = phoenix::daemon().await;
    let mut client = Phoenix::open(&daemon).await;
    client
        .ask(json!(["1", "1", "room:a", "phx_join", {"name": "ann"}]))
        .await;
    let presence = &daemon.app.presence;
    until("ann is there", async || {
        presence.is_present("room:a", "ann")
    })
    .await;
    drop(client);
    until("ann is gone", async || {
        !presence.is_present("room:a", "ann")
    })
    .await;
    daemon.stop().await;
}
