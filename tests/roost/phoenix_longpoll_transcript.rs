//! The long-polling transcript of a genuine Phoenix 1.8.9 server, replayed.
//!
//! Concurrent requests are replayed one after another. What is different stands in [`DIFFERENCES`], and
//! with its reason in docs/protocols/phoenix.md.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::support::{daemon::Daemon, phoenix, soon};

/// Section, which of its requests, the status and the body here; no body is the guard's words.
const DIFFERENCES: &[(&str, usize, u16, Option<&str>)] = &[
    // Bytes are base64 in `messages`.
    (
        "10 binary",
        2,
        200,
        Some(
            r#"{"messages":["[\"21\",\"21\",\"room:np1\",\"phx_reply\",{\"response\":{\"joined\":\"room:np1\"},\"status\":\"ok\"}]","AQICCAIyMTIycm9vbTpucDFvawABAv7/"],"status":200,"token":""}"#,
        ),
    ),
    (
        "10 binary",
        4,
        200,
        Some(r#"{"messages":["AQICCAIyMTIzcm9vbTpucDFvawECAw=="],"status":200,"token":""}"#),
    ),
    // A trailing newline and an empty body are no frames.
    ("10b own session", 0, 200, Some(r#"{"status":200}"#)),
    (
        "10b own session",
        1,
        200,
        Some(
            r#"{"messages":["[null,\"8\",\"phoenix\",\"phx_reply\",{\"response\":{},\"status\":\"ok\"}]"],"status":200,"token":""}"#,
        ),
    ),
    ("12 malformed", 2, 200, Some(r#"{"status":200}"#)),
    // A line that starts with `{` is text, and this one ends the session.
    ("12 malformed", 0, 200, Some(r#"{"status":408}"#)),
    (
        "12 malformed",
        1,
        200,
        Some(r#"{"messages":[],"status":410,"token":""}"#),
    ),
    // The guard, CORS and `OPTIONS` answer as on every other path.
    ("OPTIONS preflight", 0, 204, Some("")),
    ("OPTIONS preflight", 1, 403, None),
    ("GET from another origin", 0, 403, None),
    // A poll whose session ends is told so.
    ("disconnect broadcast", 1, 200, Some(r#"{"status":500}"#)),
];

/// It takes ten seconds, and has a test of its own.
const LONG: &str = "empty window: /socket";

/// Heartbeats in the post of which the transcript shows the beginning and the length.
const BATCH: usize = 103;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_polling_answers_as_the_genuine_server() {
    assert_eq!(replay(|title| !title.starts_with(LONG)).await, 36);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_default_window_ends_as_the_genuine_servers() {
    assert_eq!(replay(|title| title.starts_with(LONG)).await, 1);
}

/// Replays some sections; how many there were.
async fn replay(chosen: impl Fn(&str) -> bool) -> usize {
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
            if chosen(title) {
                replay.run(title, lines).await;
                sections += 1;
            }
        }
        daemon.stop().await;
    }
    sections
}

struct Replay<'a> {
    daemon: &'a Daemon,
    http: reqwest::Client,
    /// The transcript's tokens, shortened there, and ours.
    tokens: HashMap<String, String>,
}

impl Replay<'_> {
    async fn run(&mut self, title: &str, lines: &str) {
        if title.starts_with("disconnect") {
            let (_, token) = lines.split_once("token=").expect("a token");
            let token = token.lines().next().expect("a token");
            self.token(token, "/socket/longpoll?vsn=2.0.0&user=lp1&")
                .await;
        }
        let (mut sent, mut answer) = (0, (0, String::new()));
        let (mut request, mut posted) = (String::new(), None);
        let mut lines = lines.lines().peekable();
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
            if let Some(line) = line.strip_prefix(">> ") {
                (request, posted) = (line.to_owned(), body);
                answer = self.send(&request, body).await;
                sent += 1;
            } else if let Some(expected) = line.strip_prefix("<< HTTP ") {
                let theirs = (expected[..3].parse().expect("a status"), body);
                let ours = DIFFERENCES
                    .iter()
                    .find(|(section, index, ..)| title.starts_with(section) && *index == sent - 1);
                let (status, body) = ours.map_or(theirs, |(_, _, status, body)| (*status, *body));
                if title.starts_with("empty window") && body == Some(r#"{"status":410}"#) {
                    // The transcript's client waited until its session was over.
                    let over = async {
                        while answer.1 == r#"{"status":200}"# {
                            answer = self.send(&request, posted).await;
                        }
                    };
                    soon("the session's end", over).await;
                }
                assert_eq!(answer.0, status, "{title}: {line}");
                if let Some(body) = body {
                    self.check(title, body, &answer.1).await;
                }
            } else if line.starts_with("(poll returned 100 messages") {
                answer = self.send(&request.replace("POST", "GET"), None).await;
                let replies = (1..=BATCH).map(|n| {
                    format!(
                        r#"[null,"{n}","phoenix","phx_reply",{{"response":{{}},"status":"ok"}}]"#
                    )
                });
                let all =
                    json!({"messages": replies.collect::<Vec<_>>(), "status": 200, "token": ""});
                self.check(title, &all.to_string(), &answer.1).await;
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
        let body = body.map(|body| match body.contains('…') {
            true => batch(),
            false => serde_json::from_str::<String>(body).expect("a body"),
        });
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

/// As many heartbeats as the transcript's client posted at once.
fn batch() -> String {
    let heartbeat = |n| format!(r#"[null,"{n}","phoenix","heartbeat",{{}}]"#);
    let lines: Vec<_> = (1..=BATCH).map(heartbeat).collect();
    let body = lines.join("\n");
    assert_eq!(body.len(), 3_805);
    body
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
