//! The long-polling transcript of a genuine Phoenix 1.8.9 server, replayed.
//!
//! Concurrent requests are replayed one after another. What is different stands in [`DIFFERENT`], and
//! with its reason in docs/protocols/phoenix.md.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::support::{daemon::Daemon, phoenix, soon};

/// Sections that are answered differently here, or whose requests the transcript does not show whole;
/// `phoenix_longpoll.rs` tests them.
const DIFFERENT: [&str; 9] = [
    "10 binary",
    "10b own session",
    "10c own session",
    "12 malformed",
    "OPTIONS preflight",
    "GET from another origin",
    "empty window: /small",
    "empty window: /socket",
    "disconnect broadcast",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_polling_answers_as_the_genuine_server() {
    let text = include_str!("../fixtures/wire/phoenix/longpoll.txt");
    let mut sections = 0;
    // Both versions, and errors: each for itself, for nobody left the room of the one before.
    for part in text.split("\n# =====").skip(1) {
        let daemon = phoenix::daemon().await;
        let mut replay = Replay {
            daemon: &daemon,
            http: reqwest::Client::new(),
            tokens: HashMap::new(),
        };
        for section in part.split("\n## ").skip(1) {
            let (title, lines) = section.split_once('\n').expect("a title");
            if !DIFFERENT.iter().any(|prefix| title.starts_with(prefix)) {
                replay.run(title, lines).await;
                sections += 1;
            }
        }
        daemon.stop().await;
    }
    assert_eq!(sections, 27);
}

struct Replay<'a> {
    daemon: &'a Daemon,
    http: reqwest::Client,
    /// The transcript's tokens, shortened there, and ours.
    tokens: HashMap<String, String>,
}

impl Replay<'_> {
    async fn run(&mut self, title: &str, lines: &str) {
        let mut lines = lines.lines().peekable();
        let mut answer = (0, String::new());
        while let Some(line) = lines.next() {
            // The older of two concurrent polls ends with its window.
            let line = line
                .replace("[post] ", "")
                .replace("[poll] ", "")
                .replace("[poll2] ", "");
            let body = lines.peek().and_then(|next| next.strip_prefix("   body: "));
            if line.contains("[poll1]") {
                continue;
            }
            if let Some(request) = line.strip_prefix(">> ") {
                answer = self.send(request, body).await;
            } else if let Some(expected) = line.strip_prefix("<< HTTP ") {
                assert!(
                    expected.starts_with(&answer.0.to_string()),
                    "{title}: {line}"
                );
                self.check(title, body.unwrap_or_default(), &answer.1).await;
            }
        }
    }

    /// Sends a request; its status and body.
    async fn send(&mut self, request: &str, body: Option<&str>) -> (u16, String) {
        let mut parts = request.splitn(3, ' ');
        let (method, path) = (
            parts.next().expect("a method"),
            parts.next().expect("a path"),
        );
        let headers: Value = parts.next().map_or(Value::Null, |headers| {
            serde_json::from_str(headers).expect("headers")
        });
        let mut url = format!("{}{path}", self.daemon.url());
        if let Some((before, token)) = path.split_once("token=SFM") {
            let token = self.token(&format!("SFM{token}"), before).await;
            url = format!("{}{before}token={token}", self.daemon.url());
        }
        let mut request = self.http.request(method.parse().expect("a method"), url);
        for (name, value) in headers.as_object().into_iter().flatten() {
            request = request.header(name, value.as_str().expect("a value"));
        }
        let body = body.map(|body| serde_json::from_str::<String>(body).expect("a body"));
        let response = soon("an answer", request.body(body.unwrap_or_default()).send()).await;
        let response = response.expect("an answer");
        (
            response.status().as_u16(),
            response.text().await.expect("a body"),
        )
    }

    /// Our token; a session that was opened before the transcript shows it is opened now.
    async fn token(&mut self, theirs: &str, path: &str) -> String {
        if let Some(ours) = self.tokens.get(theirs) {
            return ours.clone();
        }
        let opened = self
            .http
            .get(format!("{}{path}", self.daemon.url()))
            .send()
            .await;
        let opened: Value = opened.expect("an answer").json().await.expect("JSON");
        let ours = opened["token"].as_str().expect("a token").to_owned();
        self.tokens.insert(theirs.to_owned(), ours.clone());
        ours
    }

    /// Compares an answer, whose messages may come in several polls.
    async fn check(&mut self, title: &str, expected: &str, heard: &str) {
        if expected.is_empty() {
            return assert_eq!(heard, "", "{title}");
        }
        let mut expected: Value = serde_json::from_str(expected).expect("JSON");
        let mut heard: Value = serde_json::from_str(heard).expect("JSON");
        if let (Some(theirs), Some(ours)) = (expected["token"].as_str(), heard["token"].as_str()) {
            self.tokens.insert(theirs.to_owned(), ours.to_owned());
            expected["token"] = json!(ours);
        }
        let count = expected["messages"].as_array().map_or(0, Vec::len);
        while heard["messages"].as_array().map_or(0, Vec::len) < count {
            let token = heard["token"].as_str().expect("a token");
            let url = format!("{}/socket/longpoll?token={token}", self.daemon.url());
            let more = soon("more", self.http.get(url).send())
                .await
                .expect("an answer");
            let more: Value = more.json().await.expect("JSON");
            let messages = heard["messages"].as_array_mut().expect("messages");
            messages.extend(more["messages"].as_array().expect("messages").clone());
        }
        assert_eq!(mask(&heard), mask(&expected), "{title}");
    }
}

/// Refs of metas are new every time.
fn mask(answer: &Value) -> String {
    let text = answer.to_string();
    let mut parts = text.split(r#"\"phx_ref\":\""#);
    let mut masked = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        masked += r#"\"phx_ref\":"#;
        masked += part.split_once('"').map_or("", |(_, rest)| rest);
    }
    masked
}
