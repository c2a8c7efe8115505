//! Databases of earlier releases open, keep what they hold, and go on.

use std::path::Path;

use serde_json::json;

use crate::support::{daemon::Daemon, databases, rest::Rest, streams::Sse};

/// A database file of each release: `tests/fixtures/databases/<release>.db`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_release_s_database_opens() {
    let mut releases = 0;
    for entry in std::fs::read_dir("tests/fixtures/databases").expect("the fixtures") {
        let file = entry.expect("a fixture").path();
        opens(&file).await;
        releases += 1;
    }
    assert!(releases > 0);
}

async fn opens(file: &Path) {
    let database = databases::sqlite();
    std::fs::copy(file, database.folder.path().join("roost.db")).expect("a copy");
    let daemon = Daemon::start(&database).await;
    let rest = Rest::new(daemon.address);
    let board = rest.get("/boards").await["data"][0].clone();
    assert_eq!(
        (&board["name"], &board["sessions"]),
        (&json!("Kept"), &json!(["s1"])),
        "{}",
        file.display()
    );
    let messages = rest.get("/messages?session_id=s1&$sort[index]=1").await;
    assert_eq!(messages["total"], 3);
    assert_eq!(
        messages["data"][2]["content"],
        json!([{"type": "text", "text": "three"}])
    );
    let mut log = Sse::open(daemon.address, Some("0")).await;
    let first = log.next().await.expect("an event");
    assert_eq!(
        (&first.data["source"], &first.data["name"]),
        (&json!("boards"), &json!("created"))
    );
    rest.create("messages", &json!({"session_id": "s1", "content": "four"}))
        .await;
    loop {
        let event = log.next().await.expect("an event");
        if event.data["data"]["content"] == "four" {
            break;
        }
    }
    daemon.stop().await;
}
