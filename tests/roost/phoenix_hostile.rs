//! Phoenix clients that send what they should not.

use futures_util::{SinkExt, StreamExt};
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::{
    phoenix::{self, Frame, Phoenix},
    soon,
};

const V1: &str = "/socket/websocket?vsn=1.0.0";
const V2: &str = "/socket/websocket?vsn=2.0.0";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closes_a_connection_whose_frames_cannot_be_read() {
    let daemon = phoenix::daemon().await;
    let long = format!(r#"["1","{}","exact","phx_join",{{}}]"#, "r".repeat(2_000));
    let texts = [
        "",
        "[",
        "{}",
        "[]",
        "[1,2,3,4]",
        "nul",
        "\u{0}",
        "[\"\\ud800\",1",
        &long,
    ];
    for path in [V1, V2] {
        for text in texts {
            let mut client = Phoenix::connect(&daemon, path).await.expect("an upgrade");
            client.send(text).await;
            assert_eq!(client.end().await, Some(1011), "{path} {text}");
        }
        for bytes in [
            &[][..],
            &[0],
            &[0, 255, 255, 255, 255],
            &[3, 0, 0, 0, 0],
            &[0, 1, 0, 0, 0, 255],
        ] {
            let mut client = Phoenix::connect(&daemon, path).await.expect("an upgrade");
            client.message(Message::binary(bytes.to_vec())).await;
            assert_eq!(client.end().await, Some(1011), "{path} {bytes:?}");
        }
    }
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payload_that_says_nothing_ends_its_channel_only() {
    let daemon = phoenix::daemon().await;
    let mut client = Phoenix::open(&daemon).await;
    client.ask(json!(["1", "1", "exact", "phx_join", {}])).await;
    let deep = "[".repeat(10_000) + &"]".repeat(10_000);
    for payload in [r#""\ud800""#, &deep] {
        let crashed = client
            .ask(format!(r#"["1","2","exact","echo",{payload}]"#))
            .await;
        assert_eq!(crashed, json!(["1", "1", "exact", "phx_error", {}]));
        assert_eq!(
            client.ask(json!(["1", "1", "exact", "phx_join", {}])).await[4]["status"],
            "ok"
        );
    }
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_topics_and_pushes_before_joins_are_answered() {
    let daemon = phoenix::daemon().await;
    let mut client = Phoenix::open(&daemon).await;
    let topic = format!("room:np{}", "é".repeat(10_000));
    let early = client.ask(json!([null, "1", topic, "echo", {}])).await;
    assert_eq!(early[4]["response"]["reason"], "unmatched topic");
    let joined = client.ask(json!(["2", "2", topic, "phx_join", {}])).await;
    assert_eq!(joined[4]["response"]["joined"], topic);
    assert_eq!(
        client.ask(json!(["2", "3", topic, "echo", {"a": 1}])).await[4]["status"],
        "ok"
    );
    let longer = client
        .ask(json!(["4", "4", "room:np".repeat(20_000), "phx_join", {}]))
        .await;
    assert_eq!(longer[4]["response"]["reason"], "unmatched topic");
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_joins_are_answered_in_order() {
    const JOINS: u64 = 100_000;
    let daemon = phoenix::daemon().await;
    let mut client = Phoenix::open(&daemon).await;
    let (mut sink, mut stream) = client.socket().split();
    let sending = async {
        for n in 0..JOINS {
            let join = json!([n, n, format!("room:np{n}"), "phx_join", {}]);
            sink.feed(Message::text(join.to_string()))
                .await
                .expect("an open socket");
        }
        sink.flush().await.expect("an open socket");
    };
    let reading = async {
        for n in 0..JOINS {
            let message = soon("a reply", stream.next()).await;
            let text = message.expect("a frame").expect("a frame").into_text();
            let reply: Value = serde_json::from_str(&text.expect("text")).expect("JSON");
            assert_eq!(reply[1], n);
            assert_eq!(reply[4]["status"], if n < 100 { "ok" } else { "error" });
        }
    };
    tokio::join!(sending, reading);
    let mut other = Phoenix::open(&daemon).await;
    assert_eq!(
        other
            .ask(json!([null, "1", "phoenix", "heartbeat", {}]))
            .await[4]["status"],
        "ok"
    );
    daemon.stop().await;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    #[test]
    fn whatever_comes_the_daemon_lives(
        texts in prop::collection::vec("(\\[|\\{)?[\"a-z0-9,:\\[\\]{}\\\\]{0,40}", 1..20),
        binaries in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..20),
    ) {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(survives(texts, binaries));
    }
}

async fn survives(texts: Vec<String>, binaries: Vec<Vec<u8>>) {
    let daemon = phoenix::daemon().await;
    let texts = texts.into_iter().map(Message::text);
    let messages: Vec<Message> = texts
        .chain(binaries.into_iter().map(Message::binary))
        .collect();
    for (index, message) in messages.into_iter().enumerate() {
        let path = if index % 2 == 0 { V1 } else { V2 };
        let mut client = Phoenix::connect(&daemon, path).await.expect("an upgrade");
        client.message(message).await;
        // It is answered, or the connection is closed.
        let frame = client.next().await;
        assert_ne!(frame, Frame::End(None));
        assert_ne!(frame, Frame::End(Some(1000)));
    }
    daemon.stop().await;
}
