//! Transcripts of a genuine Phoenix 1.8.9 server, replayed: what was sent is sent again, what was
//! answered must be answered.
//!
//! Whatever is different stands in [`DIFFERENCES`], and with its reason in docs/protocols/phoenix.md.

use std::collections::HashMap;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use tokio_tungstenite::tungstenite::{
    Message,
    protocol::frame::{
        CloseFrame, Frame as Raw,
        coding::{Data, OpCode},
    },
};

use crate::support::{
    daemon::Daemon,
    phoenix::{self, Phoenix},
    rest::Rest,
    soon,
    transcript::{Attempt, attempt, binary, expand, fits, join, mask, said},
};

/// The answer to a join on version 1.
const JOINED: &str = r#"{"event":"phx_reply","payload":{"response":{"joined":"room:np1"},"status":"ok"},"ref":"1","topic":"room:np1"}"#;

/// Scenario, what the genuine server says after the mark's line, what is said here.
const DIFFERENCES: &[(&str, &str, &[&str], &[&str])] = &[
    // A push without join_ref to a joined topic is answered, not dropped.
    (
        "17 odd field types",
        r#"[null,"9","room:np1","echo",{"n":2}]"#,
        &[],
        &[r#"["1","9","room:np1","phx_reply",{"response":{"n":2},"status":"ok"}]"#],
    ),
    (
        "16 malformed: object with join_ref",
        r#"{"topic":"room:np1","event":"echo","payload":{"still":1},"ref":"9"}"#,
        &[],
        &[
            r#"{"event":"phx_reply","payload":{"response":{"still":1},"status":"ok"},"ref":"9","topic":"room:np1"}"#,
        ],
    ),
    // Arrays are read on version 1, too.
    (
        "16 malformed: JSON array of five",
        r#"["1","1","room:np1","phx_join",{}]"#,
        &["CLOSE 1011"],
        &[JOINED],
    ),
    (
        "16 malformed: array of six",
        r#"["1","1","room:np1","phx_join",{},"extra"]"#,
        &["CLOSE 1011"],
        &[JOINED],
    ),
    (
        "vsn negotiation",
        r#"["1","1","room:np1","phx_join",{}]"#,
        &["CLOSE 1011"],
        &[JOINED],
    ),
    // The client's own close code comes back.
    (
        "25 client close codes",
        "CLOSE 1001 bye",
        &["CLOSE 1000"],
        &["CLOSE 1001"],
    ),
    (
        "25 client close codes",
        "CLOSE 3000 app",
        &["CLOSE 1000"],
        &["CLOSE 3000"],
    ),
    (
        "25 client close codes",
        "CLOSE 4999 x",
        &["CLOSE 1000"],
        &["CLOSE 4999"],
    ),
];

/// Scenarios in which a diff and a reply may come in either order.
const UNORDERED: &str = "14 presence";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn version_1_answers_as_the_genuine_server() {
    let text = include_str!("../fixtures/wire/phoenix/ws-vsn-1.0.0.txt");
    assert_eq!(replay(text).await, 43);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn version_2_answers_as_the_genuine_server() {
    let text = include_str!("../fixtures/wire/phoenix/ws-vsn-2.0.0.txt");
    assert_eq!(replay(text).await, 43);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lets_in_and_refuses_as_the_genuine_server() {
    let text = include_str!("../fixtures/wire/phoenix/handshake.txt");
    // Requests by hand come last: see `answers_requests_by_hand`.
    let (text, _) = text.split_once("\n## plain HTTP").expect("both kinds");
    assert_eq!(replay(text).await, 18);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_requests_by_hand() {
    let daemon = phoenix::daemon().await;
    let text = include_str!("../fixtures/wire/phoenix/handshake.txt");
    let mut answers = Vec::new();
    for line in text.lines() {
        if let Some(request) = line.strip_prefix(">> ") {
            let request: String = serde_json::from_str(request).expect("a request");
            let mut tcp = TcpStream::connect(daemon.address)
                .await
                .expect("a connection");
            tcp.write_all(request.as_bytes())
                .await
                .expect("a sent request");
            let mut status = [0; 12];
            soon("a status", tcp.read_exact(&mut status))
                .await
                .expect("a status");
            answers.push(String::from_utf8_lossy(&status).into_owned());
        } else if let Some(answer) = line.strip_prefix("<< \"HTTP") {
            assert_eq!(
                answers.last().expect("an answer"),
                &format!("HTTP{}", &answer[..8]),
                "{line}"
            );
        }
    }
    assert_eq!(answers.len(), 5);
    // A frame without a mask.
    let upgrade = "GET /socket/websocket?vsn=2.0.0 HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    let mut tcp = TcpStream::connect(daemon.address)
        .await
        .expect("a connection");
    let bytes = [upgrade.as_bytes(), &[0x81, 2, b'h', b'i']].concat();
    tcp.write_all(&bytes).await.expect("sent bytes");
    let mut heard = Vec::new();
    // The daemon closes, or resets what nobody reads.
    soon("an end", tcp.read_to_end(&mut heard)).await.ok();
    let frames = heard
        .windows(4)
        .position(|end| end == b"\r\n\r\n")
        .expect("a head")
        + 4;
    assert_eq!(
        (heard[frames], &heard[frames + 2..][..2]),
        (0x88, &[3, 0xea][..])
    );
    daemon.stop().await;
}

/// Replays every scenario; how many there were.
async fn replay(text: &str) -> usize {
    let daemon = phoenix::daemon().await;
    let scenarios: Vec<&str> = text.split("\n## ").skip(1).collect();
    for scenario in &scenarios {
        let (title, lines) = scenario.split_once('\n').expect("a title");
        Replay::new(&daemon, title).run(lines).await;
    }
    daemon.stop().await;
    scenarios.len()
}

/// One scenario on its way.
struct Replay<'a> {
    daemon: &'a Daemon,
    title: &'a str,
    sockets: HashMap<&'a str, Phoenix>,
    /// Where each socket connects, with the headers that the line adds.
    paths: HashMap<&'a str, Attempt<'a>>,
    /// What each socket must hear before anything else is done.
    expected: Vec<(&'a str, String)>,
    /// What was sent last, and by whom.
    sent: (&'a str, String),
    /// A client that closes is answered; one that ends a scenario is not looked at.
    closing: bool,
    disconnecting: bool,
}

impl<'a> Replay<'a> {
    fn new(daemon: &'a Daemon, title: &'a str) -> Self {
        Self {
            daemon,
            title,
            sockets: HashMap::new(),
            paths: HashMap::new(),
            expected: Vec::new(),
            sent: ("", String::new()),
            closing: false,
            disconnecting: title.contains("disconnect"),
        }
    }

    async fn run(mut self, lines: &'a str) {
        for line in lines.lines().filter(|line| !line.is_empty()) {
            if let Some(note) = line.strip_prefix("-- ") {
                self.note(note).await;
                continue;
            }
            let (name, rest) = line.split_once(' ').expect("a name");
            let (mark, what) = rest.split_once(' ').unwrap_or((rest, ""));
            match mark {
                "--" => {
                    self.settle().await;
                    self.paths
                        .insert(name, attempt(what.trim_start_matches("GET ")));
                }
                "<-" => {
                    self.connect(name, what).await;
                }
                ">>" => self.send(name, what).await,
                "<<" => self.expect(name, what.to_owned()),
                ">x" => self.close(name, what).await,
                "<x" => self.closed(name, what).await,
                // What the recording client said of itself.
                "!!" => {}
                mark => panic!("{}: {mark}?", self.title),
            }
        }
        self.settle().await;
    }

    async fn connect(&mut self, name: &'a str, what: &str) {
        let (path, headers) = &self.paths[name];
        let borrowed: Vec<_> = headers
            .iter()
            .map(|(name, value)| (*name, &**value))
            .collect();
        let found = Phoenix::connect_with(self.daemon, path, &borrowed).await;
        let status = what.trim_start_matches("HTTP ").split(' ').next();
        let mut expected: u16 = status
            .and_then(|status| status.parse().ok())
            .expect("a status");
        // The daemon's guard decides about origins, and every loopback address is its own.
        if headers
            .iter()
            .any(|(_, value)| value == "http://127.0.0.1:4018")
        {
            expected = 101;
        }
        match found {
            Ok(socket) => {
                assert_eq!(expected, 101, "{}: {path}", self.title);
                self.sockets.insert(name, socket);
            }
            Err(status) => assert_eq!(status, expected, "{}: {path}", self.title),
        }
    }

    async fn note(&mut self, note: &'a str) {
        let rest = Rest::new(self.daemon.address);
        if note.starts_with("server side") {
            self.settle().await;
            rest.get("/ctl/broadcast/room:np1/srv?k=v").await;
        } else if note.starts_with("b: TCP reset") {
            self.settle().await;
            self.sockets.remove("b");
        } else if note.starts_with("joining room:npN") {
            let socket = self.sockets.get_mut("a").expect("a");
            let object = self.paths["a"].0.contains("1.0.0");
            for n in 1..100 {
                socket.send(join(n, object)).await;
                socket.json().await;
            }
        }
    }

    async fn send(&mut self, name: &'a str, what: &str) {
        self.settle().await;
        let what = expand(what);
        let message = if let Some(bytes) = binary(&what) {
            Message::binary(bytes)
        } else if let Some(fragment) = what.strip_prefix("fragment ") {
            match self.fragment(fragment) {
                Some(frame) => frame,
                None => return,
            }
        } else if what.starts_with("TEXT frame with bytes") {
            let bytes = vec![0x22, 0xff, 0xfe, 0x22];
            Message::Frame(Raw::message(bytes, OpCode::Data(Data::Text), true))
        } else if what == "PING hb" {
            Message::Ping("hb".into())
        } else {
            Message::text(what.clone())
        };
        let socket = self.sockets.get_mut(name).expect("a socket");
        socket.message(message).await;
        self.sent = (name, what);
        for (title, sent, theirs, ours) in DIFFERENCES {
            if self.title.starts_with(title) && self.sent.1 == *sent && theirs.is_empty() {
                self.expected
                    .extend(ours.iter().map(|frame| (name, (*frame).to_owned())));
            }
        }
    }

    /// A fragment of an echo of `y`s, as long as the line says.
    fn fragment(&self, fragment: &str) -> Option<Message> {
        let mut words = fragment.split(' ');
        let (index, size) = (
            words.next()?.parse::<usize>().ok()?,
            words.next()?.parse::<usize>().ok()?,
        );
        let object = self.paths["b"].0.contains("1.0.0");
        let (before, after) = if object {
            (
                r#"{"topic":"room:np1","event":"echo","payload":{"d":""#,
                r#""},"ref":"2"}"#,
            )
        } else {
            (r#"["1","2","room:np1","echo",{"d":""#, r#""}]"#)
        };
        let total = if object { 7_964 } else { 7_936 };
        let text = format!(
            "{before}{}{after}",
            "y".repeat(total - before.len() - after.len())
        );
        let part = text.as_bytes()[index * 2_000..][..size].to_vec();
        let code = if index == 0 {
            Data::Text
        } else {
            Data::Continue
        };
        Some(Message::Frame(Raw::message(
            part,
            OpCode::Data(code),
            index == 3,
        )))
    }

    async fn close(&mut self, name: &'a str, what: &str) {
        self.settle().await;
        let (code, reason) = what
            .trim_start_matches("CLOSE ")
            .split_once(' ')
            .expect("a reason");
        let frame = CloseFrame {
            code: code.parse::<u16>().expect("a code").into(),
            reason: reason.into(),
        };
        let socket = self.sockets.get_mut(name).expect("a socket");
        socket.message(Message::Close(Some(frame))).await;
        self.sent = (name, what.to_owned());
        self.closing = true;
    }

    /// The socket ended: by the client at a scenario's end, else by the server.
    async fn closed(&mut self, name: &'a str, what: &str) {
        self.settle().await;
        if self.disconnecting {
            Rest::new(self.daemon.address)
                .get("/ctl/disconnect/u1")
                .await;
        }
        let code = what.trim_start_matches("CLOSE code=");
        let (code, _) = code.split_once(' ').expect("a reason");
        if code == "1006" || code == "1000" && !self.closing {
            self.sockets.remove(name);
            return;
        }
        let mut expected = format!("CLOSE {code}");
        for (title, sent, _, ours) in DIFFERENCES {
            if self.title.starts_with(title) && self.sent.1.trim() == *sent {
                ours[0].clone_into(&mut expected);
            }
        }
        self.expect(name, expected);
        self.settle().await;
        self.closing = false;
    }

    fn expect(&mut self, name: &'a str, what: String) {
        self.expected.push((name, what));
    }

    /// Every socket hears what it must, in order.
    async fn settle(&mut self) {
        let expected = std::mem::take(&mut self.expected);
        for (name, socket) in &mut self.sockets {
            let mut theirs: Vec<String> = expected
                .iter()
                .filter(|(heard_by, _)| heard_by == name)
                .map(|(_, what)| mask(what))
                .collect();
            let mut ours = Vec::new();
            for expected in &theirs {
                let heard = mask(&said(&socket.next().await));
                let fits = fits(&heard, expected);
                ours.push(if fits { expected.clone() } else { heard });
            }
            if self.title.starts_with(UNORDERED) {
                theirs.sort();
                ours.sort();
            }
            assert_eq!(ours, theirs, "{}: {name}", self.title);
        }
    }
}
