//! Long polling, as the transcripts of the genuine server show it, and better where that one errs.

use reqwest::{Method, Response, StatusCode, header};
use roost::{
    core::BoxFuture,
    dialects::phoenix::{Attempt, Connect, Options, Refused, Socket},
};
use serde_json::{Value, json};

use crate::support::{
    daemon::Daemon,
    phoenix::{self, Phoenix},
    soon,
};

const NDJSON: &str = "application/x-ndjson";

/// A client that polls.
struct Poller {
    http: reqwest::Client,
    url: String,
    token: String,
}

impl Poller {
    /// Opens a session.
    async fn open(daemon: &Daemon, path: &str) -> Self {
        let mut poller = Self::new(daemon, path);
        let opened = poller.get().await;
        assert_eq!(
            (&opened["status"], &opened["messages"]),
            (&json!(410), &json!([]))
        );
        poller.token = opened["token"].as_str().expect("a token").to_owned();
        poller
    }

    fn new(daemon: &Daemon, path: &str) -> Self {
        Self {
            http: reqwest::Client::new(),
            url: format!("{}{path}", daemon.url()),
            token: String::new(),
        }
    }

    async fn send(&self, method: Method, kind: &str, body: String) -> Response {
        let token = if self.token.is_empty() {
            String::new()
        } else {
            format!("&token={}", self.token)
        };
        let request = self
            .http
            .request(method, format!("{}{token}", self.url))
            .header("content-type", kind)
            .body(body);
        let response = soon("an answer", request.send()).await;
        response.expect("an answer")
    }

    async fn get(&self) -> Value {
        let response = self.send(Method::GET, "", String::new()).await;
        assert_eq!(response.headers()["cache-control"], "no-store");
        response.json().await.expect("JSON")
    }

    async fn post(&self, body: impl ToString) -> u64 {
        self.post_as(NDJSON, body).await
    }

    async fn post_as(&self, kind: &str, body: impl ToString) -> u64 {
        let response = self.send(Method::POST, kind, body.to_string()).await;
        let answer: Value = response.json().await.expect("JSON");
        answer["status"].as_u64().expect("a status")
    }

    /// Messages until there are so many.
    async fn messages(&self, count: usize) -> Vec<String> {
        let mut messages = Vec::new();
        while messages.len() < count {
            let answer = self.get().await;
            assert_eq!(answer["status"], 200);
            assert_eq!(answer["token"], self.token);
            let new = answer["messages"].as_array().expect("messages");
            messages.extend(
                new.iter()
                    .map(|message| message.as_str().expect("text").to_owned()),
            );
        }
        assert_eq!(messages.len(), count);
        messages
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn posts_and_polls() {
    let daemon = phoenix::daemon().await;
    let poller = Poller::open(&daemon, "/socket/longpoll?vsn=2.0.0").await;
    assert_eq!(
        poller
            .post(json!(["1", "1", "room:np1", "phx_join", {}]))
            .await,
        200
    );
    let joined =
        r#"["1","1","room:np1","phx_reply",{"response":{"joined":"room:np1"},"status":"ok"}]"#;
    assert_eq!(poller.messages(1).await, [joined]);
    let echo = |n: u64| json!(["1", n, "room:np1", "echo", {"n": n}]).to_string();
    // Over a hundred lines, a trailing newline, an empty line, a carriage return.
    let lines: Vec<String> = (0..150).map(echo).collect();
    assert_eq!(poller.post(lines.join("\n") + "\r\n\n").await, 200);
    assert_eq!(poller.messages(150).await.len(), 150);
    assert_eq!(poller.post_as("application/json", echo(9)).await, 200);
    assert_eq!(poller.post("").await, 200);
    assert_eq!(poller.messages(1).await.len(), 1);
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn speaks_version_1_too() {
    let daemon = phoenix::daemon().await;
    let poller = Poller::open(&daemon, "/socket/longpoll?").await;
    let join = json!({"topic": "exact", "event": "phx_join", "payload": {}, "ref": "1"});
    assert_eq!(poller.post_as("application/json", &join).await, 200);
    assert_eq!(
        poller
            .post(json!({"topic": "exact", "event": "bin_reply", "payload": {}, "ref": "2"}))
            .await,
        200
    );
    let messages = poller.messages(2).await;
    assert!(
        messages[0].starts_with(r#"{"event":"phx_reply","payload":{"response":"#),
        "{messages:?}"
    );
    assert_eq!(
        messages[1],
        r#"{"event":"phx_error","payload":{},"ref":null,"topic":"exact"}"#
    );
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_travel_in_base64() {
    let daemon = phoenix::daemon().await;
    let poller = Poller::open(&daemon, "/socket/longpoll?vsn=2.0.0").await;
    poller
        .post(json!(["1", "1", "room:np1", "phx_join", {}]))
        .await;
    poller
        .post(json!(["1", "2", "room:np1", "bin_reply", {}]))
        .await;
    assert_eq!(poller.post("AAECCAQxMTJyb29tOm5wMWVjaG8BAgM=").await, 200);
    let messages = poller.messages(3).await;
    assert_eq!(messages[1], "AQEBCAIxMnJvb206bnAxb2sAAQL+/w==");
    assert_eq!(messages[2], "AQECCAIxMTJyb29tOm5wMW9rAQID");
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_that_cannot_be_read_ends_the_session_at_once() {
    let daemon = phoenix::daemon().await;
    for bad in ["[not json", "{\"a\":1}", "no base64!", "AAAA"] {
        let poller = Poller::open(&daemon, "/socket/longpoll?vsn=2.0.0").await;
        assert_eq!(poller.post(bad).await, 408, "{bad}");
        let after = poller
            .post(json!([null, "1", "phoenix", "heartbeat", {}]))
            .await;
        assert_eq!(after, 410);
    }
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_sessions_and_refused_ones_are_told() {
    let daemon = phoenix::daemon().await;
    let mut stranger = Poller::new(&daemon, "/socket/longpoll?vsn=2.0.0");
    assert_eq!(stranger.post("[]").await, 410);
    stranger.token = "zzz".to_owned();
    assert_eq!(stranger.post("[]").await, 410);
    let renewed = stranger.get().await;
    assert_eq!(renewed["status"], 410);
    assert!(renewed["token"].as_str().expect("a token").len() > 40);
    for path in ["?vsn=3.0.0", "?vsn=2.0.0&token=bad"] {
        let refused = Poller::new(&daemon, &format!("/socket/longpoll{path}"));
        assert_eq!(refused.get().await, json!({"status": 403}));
    }
    // Clients know no other refusal, and throw when they are told of one.
    let (limited, _) =
        phoenix::daemon_of(|endpoint| endpoint.mount("/busy", Busy, Options::default())).await;
    let refused = Poller::new(&limited, "/busy/longpoll?vsn=2.0.0");
    assert_eq!(refused.get().await, json!({"status": 403}));
    let upgrade = Phoenix::connect(&limited, "/busy/websocket?vsn=2.0.0").await;
    assert_eq!(upgrade.map(drop), Err(429));
    limited.stop().await;
    let put = stranger.send(Method::PUT, NDJSON, String::new()).await;
    assert_eq!(put.status(), 400);
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_window_is_said_and_an_abandoned_session_ends() {
    let daemon = phoenix::daemon().await;
    let poller = Poller::open(&daemon, "/small/longpoll?vsn=2.0.0").await;
    let empty = poller.get().await;
    assert_eq!(
        empty,
        json!({"messages": [], "status": 204, "token": poller.token})
    );
    // Of two polls at once one is given frames; the other one ends with its window, or is given those that came
    // after them. None is given twice.
    let join = json!(["1", "1", "room:here", "phx_join", {"name": "ann"}]);
    let (one, other, posted) = tokio::join!(poller.get(), poller.get(), poller.post(join));
    let mut statuses = [&one, &other].map(|answer| answer["status"].as_u64());
    statuses.sort_unstable();
    assert!(
        [[Some(200), Some(204)], [Some(200), Some(200)]].contains(&statuses),
        "{one} {other}"
    );
    assert_eq!(posted, 200);
    let given = [&one, &other].map(|answer| answer["messages"].as_array().cloned());
    let given: Vec<_> = given.into_iter().flatten().flatten().collect();
    let mut distinct = given.clone();
    distinct.dedup();
    assert!(!given.is_empty() && distinct == given, "{one} {other}");
    let mut watcher = Phoenix::open(&daemon).await;
    watcher
        .ask(json!(["1", "1", "room:here", "phx_join", {"name": "bob"}]))
        .await;
    loop {
        let frame = watcher.json().await;
        if frame[3] == "presence_diff" && frame[4]["leaves"]["ann"].is_object() {
            break;
        }
    }
    assert_eq!(poller.post("[]").await, 410);
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disconnected_session_ends_its_poll() {
    let daemon = phoenix::daemon().await;
    let poller = Poller::open(&daemon, "/socket/longpoll?vsn=2.0.0&user=u1").await;
    let disconnect = poller
        .http
        .get(format!("{}/ctl/disconnect/u1", daemon.url()));
    let (polled, told) = tokio::join!(poller.get(), disconnect.send());
    assert_eq!(told.expect("an answer").status(), 200);
    assert_eq!(polled, json!({"status": 500}));
    // One that was not polled at that moment posts nothing more.
    let quiet = Poller::open(&daemon, "/socket/longpoll?vsn=2.0.0&user=u2").await;
    let disconnect = quiet
        .http
        .get(format!("{}/ctl/disconnect/u2", daemon.url()));
    soon("an answer", disconnect.send())
        .await
        .expect("an answer");
    let beat = json!([null, "1", "phoenix", "heartbeat", {}]);
    assert_eq!(quiet.post(&beat).await, 410);
    daemon.stop().await;
}

/// Lets nobody in for now.
struct Busy;

impl Connect for Busy {
    fn connect<'a>(&'a self, _: &'a Attempt) -> BoxFuture<'a, Result<Box<dyn Socket>, Refused>> {
        Box::pin(std::future::ready(Err(Refused(
            StatusCode::TOO_MANY_REQUESTS,
        ))))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_elsewhere_are_refused_and_others_may_ask_beforehand() {
    const OURS: &str = "https://console.example";
    let daemon = phoenix::daemon_with(&["--cors-origins", OURS]).await;
    let poller = Poller::open(&daemon, "/socket/longpoll?vsn=2.0.0").await;
    let ask = async |method, origin| {
        let url = format!("{}&token={}", poller.url, poller.token);
        let request = poller.http.request(method, url).header("origin", origin);
        let request = request
            .header("access-control-request-method", "POST")
            .header(
                "access-control-request-headers",
                "content-type,x-phoenix-authtoken",
            )
            .header("content-type", NDJSON)
            .body(json!(["1", "1", "room:np1", "phx_join", {}]).to_string());
        soon("an answer", request.send()).await.expect("an answer")
    };
    let text = |response: &Response, name: header::HeaderName| {
        let value = response.headers().get(name);
        value.map(|value| value.to_str().expect("text").to_lowercase())
    };
    let asked = ask(Method::OPTIONS, OURS).await;
    assert_eq!(asked.status(), 204);
    assert_eq!(
        text(&asked, header::ACCESS_CONTROL_ALLOW_HEADERS).as_deref(),
        Some("content-type,x-phoenix-authtoken")
    );
    let methods = text(&asked, header::ACCESS_CONTROL_ALLOW_METHODS).expect("methods");
    assert!(
        methods.contains("get") && methods.contains("post"),
        "{methods}"
    );
    for foreign in ["http://evil.example", "null"] {
        for method in [Method::OPTIONS, Method::GET, Method::POST] {
            let refused = ask(method, foreign).await;
            assert_eq!(refused.status(), 403);
            assert_eq!(text(&refused, header::ACCESS_CONTROL_ALLOW_ORIGIN), None);
        }
    }
    // What the page elsewhere posted was not taken: this join is the first.
    for method in [Method::POST, Method::GET] {
        let response = ask(method, OURS).await;
        assert_eq!(response.status(), 200);
        assert_eq!(
            text(&response, header::ACCESS_CONTROL_ALLOW_ORIGIN).as_deref(),
            Some(OURS)
        );
        let answer: Value = response.json().await.expect("JSON");
        assert_eq!(answer["status"], 200);
        let messages = answer["messages"].as_array().map_or(1, Vec::len);
        assert_eq!(messages, 1);
    }
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_over_the_limit_is_told_as_clients_read_it() {
    let daemon = phoenix::daemon_with(&["--max-message", "2048"]).await;
    let poller = Poller::open(&daemon, "/socket/longpoll?vsn=2.0.0").await;
    assert_eq!(poller.post("x".repeat(4_096)).await, 413);
    assert_eq!(poller.post("").await, 200);
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mount_without_long_polling_has_no_such_path() {
    let options = Options {
        poll_window: None,
        ..Options::default()
    };
    let (daemon, _) = phoenix::daemon_of(|endpoint| endpoint.mount("/busy", Busy, options)).await;
    let poller = Poller::new(&daemon, "/busy/longpoll?vsn=2.0.0");
    let nothing = poller.send(Method::GET, "", String::new()).await;
    assert_eq!(nothing.status(), 404);
    let upgrade = Phoenix::connect(&daemon, "/busy/websocket?vsn=2.0.0").await;
    assert_eq!(upgrade.map(drop), Err(429));
    daemon.stop().await;
}
