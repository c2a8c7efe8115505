//! The transcript of a genuine Phoenix 1.8.9 server that takes an `authToken`, and that is stopped,
//! replayed.

use serde_json::{Value, json};

use crate::support::{
    daemon::Daemon,
    phoenix::{self, Frame, Phoenix},
    soon,
};

const TRANSCRIPT: &str = include_str!("../fixtures/wire/phoenix/auth-and-shutdown.txt");

/// What every client of the transcript sends; it shows the answers only.
const SENT: [&str; 2] = [
    r#"["1","1","room:np1","phx_join",{}]"#,
    r#"["1","2","room:np1","whoami",{}]"#,
];

fn halves() -> (&'static str, &'static str) {
    TRANSCRIPT.split_once("\n## server SIGTERM").expect("both")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_are_taken_as_by_the_genuine_server() {
    let daemon = phoenix::daemon().await;
    let (mut upgrades, mut polls) = (0, 0);
    for case in halves().0.split("\n-- ").skip(1) {
        let (what, answers) = case.split_once('\n').expect("answers");
        if let Some((name, offer)) = what.split_once(": Sec-WebSocket-Protocol:") {
            upgrade(&daemon, name, offer.trim(), answers).await;
            upgrades += 1;
        } else if let Some((what, answer)) = what.split_once(" -> HTTP 200 ") {
            let (_, token) = what.split_once(": ").expect("a token");
            poll(&daemon, token, answer, answers).await;
            polls += 1;
        }
    }
    assert_eq!((upgrades, polls), (6, 1));
    daemon.stop().await;
}

async fn upgrade(daemon: &Daemon, name: &str, offer: &str, answers: &str) {
    let headers = [("sec-websocket-protocol", offer)];
    let headers = if offer.is_empty() { &[] } else { &headers[..] };
    let found = Phoenix::connect_with(daemon, "/auth/websocket?vsn=2.0.0", headers).await;
    let ours = match &found {
        Ok(client) => {
            let chosen = client.subprotocol.as_deref().unwrap_or("undefined");
            format!("101 sec-websocket-protocol: {chosen}")
        }
        Err(101) => "101 sec-websocket-protocol: undefined".to_owned(),
        Err(status) => format!("HTTP {status}"),
    };
    let mut lines = answers.lines().map(str::trim);
    let theirs = lines.next().expect("an answer");
    // What cannot be read is the client's fault here.
    let theirs = theirs.replace("HTTP 500", "HTTP 403");
    let theirs = theirs.strip_prefix("<- ").expect("an answer");
    assert!(theirs.starts_with(&ours), "{name}: {ours}, not {theirs}");
    if let Ok(mut client) = found {
        let expected: Vec<_> = lines.filter_map(|line| line.strip_prefix("<< ")).collect();
        assert_eq!(expected.len(), SENT.len(), "{name}");
        for (sent, expected) in SENT.into_iter().zip(expected) {
            client.send(sent).await;
            assert_eq!(
                client.next().await,
                Frame::Text(expected.to_owned()),
                "{name}"
            );
        }
    }
}

async fn poll(daemon: &Daemon, auth_token: &str, opened: &str, polled: &str) {
    let http = reqwest::Client::new();
    let url = format!("{}/auth/longpoll?vsn=2.0.0", daemon.url());
    let request = http.get(&url).header("x-phoenix-authtoken", auth_token);
    let mut ours = answer(request).await;
    let url = format!("{url}&token={}", ours["token"].as_str().expect("a token"));
    assert_eq!(masked(&mut ours), opened);
    for sent in SENT {
        let request = http
            .post(&url)
            .header("content-type", "application/x-ndjson");
        assert_eq!(answer(request.body(sent)).await, json!({"status": 200}));
    }
    let mut ours = answer(http.get(&url)).await;
    while ours["messages"].as_array().map_or(0, Vec::len) < SENT.len() {
        let mut more = answer(http.get(&url)).await;
        let more = more["messages"].as_array_mut().expect("messages");
        ours["messages"]
            .as_array_mut()
            .expect("messages")
            .append(more);
    }
    assert_eq!(
        masked(&mut ours),
        polled.lines().next().expect("a line").trim()
    );
}

async fn answer(request: reqwest::RequestBuilder) -> Value {
    let response = soon("an answer", request.send()).await.expect("an answer");
    assert_eq!(response.status(), 200);
    response.json().await.expect("JSON")
}

fn masked(answer: &mut Value) -> String {
    answer["token"] = json!("TOKEN");
    answer.to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_stops_as_the_genuine_server() {
    let daemon = phoenix::daemon().await;
    let lines: Vec<_> = halves().1.lines().collect();
    let mut clients = Vec::new();
    for joined in lines.iter().filter_map(|line| line.split_once(" << ")) {
        let mut client = Phoenix::open(&daemon).await;
        client.send(SENT[0]).await;
        assert_eq!(client.next().await, Frame::Text(joined.1.to_owned()));
        clients.push(client);
    }
    // One poll after another, so that the stop falls into one.
    let mut polls = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let url = format!("{}/small/longpoll?vsn=2.0.0", daemon.url());
        let opened = answer(reqwest::Client::new().get(&url)).await;
        let url = format!("{url}&token={}", opened["token"].as_str().expect("a token"));
        polls.spawn(async move {
            let http = reqwest::Client::new();
            while let Ok(response) = soon("an answer", http.get(&url).send()).await {
                // The daemon goes once it has answered, perhaps in the middle of the next answer.
                let Ok(mut answer) = response.json::<Value>().await else {
                    return;
                };
                // The stop fell between two polls: the session is gone.
                if answer["status"] == 410 {
                    return;
                }
                assert_eq!(
                    masked(&mut answer),
                    r#"{"messages":[],"status":204,"token":"TOKEN"}"#
                );
            }
        });
    }
    let address = daemon.address;
    daemon.stop().await;
    let codes = lines
        .iter()
        .filter_map(|line| line.split_once(" <x CLOSE code="));
    let codes: Vec<u16> = codes
        .map(|(_, code)| code[..4].parse().expect("a code"))
        .collect();
    assert_eq!((codes.len(), clients.len()), (2, 2));
    for (client, code) in clients.iter_mut().zip(codes) {
        assert_eq!(client.end().await, Some(code));
    }
    while let Some(polled) = polls.join_next().await {
        polled.expect("every poll is answered in good order");
    }
    let refused = tokio::net::TcpStream::connect(address).await;
    assert_eq!(
        refused.map(drop).map_err(|error| error.kind()),
        Err(std::io::ErrorKind::ConnectionRefused)
    );
}
