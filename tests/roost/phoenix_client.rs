//! The crate `phoenix_channels_client`, which knows nothing of us.

use std::time::Duration;

use phoenix_channels_client::{Client, Config};
use serde_json::json;
use tokio::sync::mpsc;

use crate::support::{phoenix, soon};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn joins_sends_and_hears() {
    let daemon = phoenix::daemon().await;
    let url = format!("ws://{}/socket/websocket", daemon.address);
    let config = Config::new(url.as_str()).expect("an address");
    let mut client = Client::new(config).expect("a client");
    client.connect().await.expect("a connection");
    let time = Some(Duration::from_secs(10));
    let channel = client.join("realtime:crate", time).await.expect("a join");
    let (heard, mut hearing) = mpsc::unbounded_channel();
    let news = channel.on("news", move |_, payload| {
        drop(heard.send(payload.to_string()));
    });
    news.await.expect("a handler");
    let news = format!("{}/ctl/broadcast/realtime:crate/news?k=v", daemon.url());
    reqwest::get(news).await.expect("an answer");
    let payload = soon("news", hearing.recv()).await.expect("news");
    assert_eq!(payload, json!({"k": "v"}).to_string());
    let reply = channel.send_with_timeout("shout", json!({"n": 1}), time);
    assert_eq!(reply.await.expect("a reply").into_value(), Some(json!({})));
    channel.leave().await;
    client.disconnect().await.expect("an end");
    daemon.stop().await;
}
