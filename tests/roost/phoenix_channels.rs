//! Channels of a program's own that wait, push without end, or panic where none should.

use std::{future::ready, sync::Arc};

use roost::{
    core::{BoxFuture, Record},
    dialects::phoenix::{
        Attempt, Channel, Connect, Context, Endpoint, Join, Options, Outcome, Payload, Refused,
        Reply, Socket,
    },
};
use serde_json::{Value, json, value::to_raw_value};

use crate::support::{
    daemon::Daemon,
    phoenix::{self, Phoenix},
    soon, until,
};

/// Lets everybody in.
struct Everybody;

impl Connect for Everybody {
    fn connect<'a>(
        &'a self,
        attempt: &'a Attempt,
    ) -> BoxFuture<'a, Result<Box<dyn Socket>, Refused>> {
        let nameless = attempt.param("nameless").is_some();
        Box::pin(ready(
            Ok(Box::new(Somebody { nameless }) as Box<dyn Socket>),
        ))
    }
}

struct Somebody {
    nameless: bool,
}

impl Socket for Somebody {
    fn id(&self) -> Option<String> {
        assert!(!self.nameless, "a test asked for this panic");
        None
    }

    fn channel(&self, topic: &str) -> Option<Box<dyn Channel>> {
        let topic = topic.to_owned();
        Some(Box::new(Odd { topic }))
    }
}

/// Behaves as its topic says.
struct Odd {
    topic: String,
}

impl Channel for Odd {
    fn join<'a>(&'a mut self, _: &'a mut Join) -> BoxFuture<'a, Result<Payload, Payload>> {
        Box::pin(ready(Ok(Payload::empty())))
    }

    fn joined<'a>(&'a mut self, context: &'a mut Context) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            if self.topic == "flood" {
                context.track("reader", Record::new());
                let text = to_raw_value(&"x".repeat(64 * 1_024)).expect("JSON");
                let text: Arc<_> = text.into();
                // More than every buffer on the way holds.
                for _ in 0..1_000 {
                    context.push("flood", Arc::clone(&text));
                    context.room().await;
                }
            }
        })
    }

    fn receive<'a>(
        &'a mut self,
        event: &'a str,
        payload: Payload,
        _: &'a mut Context,
    ) -> BoxFuture<'a, Outcome> {
        if event == "wait" {
            return Box::pin(std::future::pending());
        }
        Box::pin(ready(Reply::ok(payload).into()))
    }

    fn intercepts(&self) -> &'static [&'static str] {
        assert_ne!(self.topic, "intercepts", "a test asked for this panic");
        &[]
    }
}

async fn daemon() -> Daemon {
    daemon_and_endpoint().await.0
}

async fn daemon_and_endpoint() -> (Daemon, Endpoint) {
    let mount = |endpoint: &Endpoint| endpoint.mount("/odd", Everybody, Options::default());
    phoenix::daemon_of(mount).await
}

const PATH: &str = "/odd/websocket?vsn=2.0.0";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_that_waits_for_a_lost_reader_ends() {
    let daemon = daemon().await;
    let mut client = Phoenix::connect(&daemon, PATH).await.expect("an upgrade");
    let joined = client.ask(json!(["1", "1", "flood", "phx_join", {}])).await;
    assert_eq!(joined[4]["status"], "ok");
    let presence = &daemon.app.presence;
    let present = async || presence.is_present("flood", "reader");
    until("the reader is there", present).await;
    drop(client);
    until("the reader is gone", async || !present().await).await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waited_for_a_replaced_channel_is_answered() {
    let daemon = daemon().await;
    let mut client = Phoenix::connect(&daemon, PATH).await.expect("an upgrade");
    client.ask(json!(["1", "1", "a", "phx_join", {}])).await;
    for (reference, event) in [("2", "wait"), ("3", "echo"), ("4", "phx_join")] {
        client.send(json!(["1", reference, "a", event, {}])).await;
    }
    let unmatched = json!({"response": {"reason": "unmatched topic"}, "status": "error"});
    let joined = json!({"response": {}, "status": "ok"});
    let expected: [Value; 3] = [
        json!([null, "3", "a", "phx_reply", unmatched]),
        json!(["1", "4", "a", "phx_reply", joined]),
        json!(["1", "1", "a", "phx_close", {}]),
    ];
    for expected in expected {
        assert_eq!(client.json().await, expected);
    }
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_that_was_left_in_the_middle_of_something_holds_up_nothing_for_long() {
    let daemon = daemon().await;
    let mut client = Phoenix::connect(&daemon, PATH).await.expect("an upgrade");
    client.ask(json!(["1", "1", "a", "phx_join", {}])).await;
    for (reference, event) in [("2", "wait"), ("3", "phx_leave"), ("4", "phx_join")] {
        client.send(json!(["1", reference, "a", event, {}])).await;
    }
    let ok = json!({"response": {}, "status": "ok"});
    let expected: [Value; 3] = [
        json!(["1", "3", "a", "phx_reply", ok]),
        json!(["1", "4", "a", "phx_reply", ok]),
        json!(["1", "1", "a", "phx_close", {}]),
    ];
    for expected in expected {
        assert_eq!(client.json().await, expected);
    }
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn panics_while_somebody_connects_or_joins_are_answered() {
    let daemon = daemon().await;
    let nameless = Phoenix::connect(&daemon, &format!("{PATH}&nameless=1")).await;
    assert_eq!(nameless.map(drop), Err(500));
    let mut client = Phoenix::connect(&daemon, PATH).await.expect("an upgrade");
    let refused = client
        .ask(json!(["1", "1", "intercepts", "phx_join", {}]))
        .await;
    assert_eq!(refused[4]["response"]["reason"], "join crashed");
    let unmatched = client
        .ask(json!(["1", "2", "intercepts", "echo", {}]))
        .await;
    assert_eq!(unmatched[4]["response"]["reason"], "unmatched topic");
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poller_that_stays_away_hears_what_fitted_and_is_told_of_the_gap() {
    const SHOUTS: u64 = 5_000;
    let (daemon, endpoint) = daemon_and_endpoint().await;
    let http = reqwest::Client::new();
    let ask = async |request: reqwest::RequestBuilder| -> Value {
        let response = soon("an answer", request.send()).await;
        response.expect("an answer").json().await.expect("JSON")
    };
    let url = format!("{}/odd/longpoll?vsn=2.0.0", daemon.url());
    let opened = ask(http.get(&url)).await;
    let url = format!("{url}&token={}", opened["token"].as_str().expect("a token"));
    let join = json!(["1", "1", "a", "phx_join", {}]).to_string();
    assert_eq!(
        ask(http.post(&url).body(join)).await,
        json!({"status": 200})
    );
    for n in 0..SHOUTS {
        endpoint.broadcast("a", "shout", json!({"n": n}));
    }
    let mut heard = 0;
    loop {
        let answer = ask(http.get(&url)).await;
        if answer["status"] == 500 {
            break;
        }
        for message in answer["messages"].as_array().expect("messages") {
            let text = message.as_str().expect("text");
            let frame: Value = serde_json::from_str(text).expect("JSON");
            if frame[3] == "shout" {
                assert_eq!(frame[4]["n"], heard);
                heard += 1;
            }
        }
    }
    assert!(heard > 0 && heard < SHOUTS, "{heard}");
    assert_eq!(ask(http.get(&url)).await["status"], 410);
    daemon.stop().await;
}
