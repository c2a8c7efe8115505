//! What only a database server can do to the daemon.

use reqwest::Method as Verb;
use sea_orm::{
    ConnectionTrait, Database, DatabaseConnection, DbBackend, Statement, TransactionTrait,
};
use serde_json::json;

use crate::support::{
    daemon::Daemon,
    databases::{self, Fresh},
    process::Process,
    rest::Rest,
    socketio::SocketIo,
    streams::Sse,
    until,
};

async fn connect(database: &Fresh) -> DatabaseConnection {
    Database::connect(&database.url)
        .await
        .expect("the database")
}

/// How many statements wait for a table's lock.
async fn waiting(other: &DatabaseConnection, table: &str) -> i64 {
    let sql = format!(
        "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = '{table}'::regclass"
    );
    let row = other
        .query_one_raw(Statement::from_string(DbBackend::Postgres, sql))
        .await
        .expect("an answer")
        .expect("a row");
    row.try_get_by_index(0).expect("a count")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_that_somebody_else_wrote_come_first_and_in_order() {
    let Some(database) = databases::postgres().await else {
        return;
    };
    let daemon = Daemon::start(&database).await;
    let rest = Rest::new(daemon.address);
    rest.create("boards", &json!({"name": "one"})).await;
    let mut listener = SocketIo::connect(daemon.address, &json!({"since": "0"})).await;
    assert_eq!(listener.event().await.expect("an event")[1]["name"], "one");
    let other = connect(&database).await;
    let copy = "INSERT INTO events SELECT 2, id, at, source, name, level, actor, correlation_id, audience, topics, \
                message, '{\"name\":\"two\"}' FROM events WHERE seq = 1; UPDATE log_head SET seq = 2";
    other
        .execute_unprepared(copy)
        .await
        .expect("a foreign event");
    rest.create("boards", &json!({"name": "three"})).await;
    for (name, seq) in [("two", 2), ("three", 3)] {
        let event = listener.event().await.expect("an event");
        assert_eq!(event[1]["name"], name);
        assert!(
            event[2]["seq"]
                .as_str()
                .expect("a stamp")
                .ends_with(&format!("-{seq}")),
            "{event}"
        );
    }
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_daemons_never_share_a_place_in_the_log() {
    let Some(database) = databases::postgres().await else {
        return;
    };
    let daemons = [
        Daemon::start(&database).await,
        Daemon::start(&database).await,
    ];
    let mut writers = tokio::task::JoinSet::new();
    for daemon in &daemons {
        let rest = Rest::new(daemon.address);
        writers.spawn(async move {
            for n in 0..50 {
                rest.create("boards", &json!({"name": n.to_string()})).await;
            }
        });
    }
    while let Some(written) = writers.join_next().await {
        written.expect("a writer");
    }
    let mut log = Sse::open(daemons[0].address, Some("0")).await;
    // The first daemon hears of the second's last events with its own next.
    Rest::new(daemons[0].address)
        .create("boards", &json!({}))
        .await;
    for n in 1..=101 {
        let event = log.next().await.expect("an event");
        assert!(event.id.ends_with(&format!("-{n}")), "{}", event.id);
    }
    for daemon in daemons {
        daemon.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_does_not_answer_is_told_of_and_does_not_hold_up_the_end() {
    let Some(database) = databases::postgres().await else {
        return;
    };
    let daemon = Daemon::start_with(&database, &["--drain-secs", "1"], |_| {}).await;
    let other = connect(&database).await;
    let held = other.begin().await.expect("a transaction");
    held.execute_unprepared("SELECT * FROM log_head FOR UPDATE")
        .await
        .expect("the lock");
    let rest = Rest::new(daemon.address);
    let (status, error) = rest.send(Verb::POST, "/boards", Some(&json!({}))).await;
    assert_eq!(
        (status, &error["name"]),
        (503, &json!("Unavailable")),
        "{error}"
    );
    daemon.stop().await;
    held.rollback().await.expect("the lock given back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_do_not_hold_up_writes() {
    let Some(database) = databases::postgres().await else {
        return;
    };
    let daemon = Daemon::start(&database).await;
    // It reads messages before it serves.
    Rest::new(daemon.address).get("/health").await;
    let other = connect(&database).await;
    let held = other.begin().await.expect("a transaction");
    held.execute_unprepared("LOCK TABLE messages IN ACCESS EXCLUSIVE MODE")
        .await
        .expect("the lock");
    let mut readers = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let rest = Rest::new(daemon.address);
        readers.spawn(async move { rest.send(Verb::GET, "/messages", None).await.0 });
    }
    until("the readers to wait", async || {
        waiting(&other, "messages").await >= 4
    })
    .await;
    Rest::new(daemon.address).create("boards", &json!({})).await;
    held.rollback().await.expect("the lock given back");
    while let Some(status) = readers.join_next().await {
        assert_eq!(status.expect("an answer"), 200);
    }
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn look_ups_in_the_log_leave_readers_to_others() {
    let Some(database) = databases::postgres().await else {
        return;
    };
    // Who prunes reads the log, too.
    let keeping = ["--retain-days", "0", "--retain-events", "0"];
    let daemon = Daemon::start_with(&database, &keeping, |_| {}).await;
    let limit = Statement::from_string(DbBackend::Postgres, "SHOW statement_timeout");
    for pool in [daemon.app.store.reader(), daemon.app.store.searcher()] {
        let row = pool
            .0
            .query_one_raw(limit.clone())
            .await
            .expect("an answer");
        let limit: String = row.expect("a row").try_get_by_index(0).expect("a time");
        assert_eq!(limit, "30s");
    }
    let other = connect(&database).await;
    let held = other.begin().await.expect("a transaction");
    held.execute_unprepared("LOCK TABLE events IN ACCESS EXCLUSIVE MODE")
        .await
        .expect("the lock");
    let mut searches = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let rest = Rest::new(daemon.address);
        searches.spawn(async move { rest.send(Verb::GET, "/events", None).await.0 });
    }
    until("two look-ups to wait", async || {
        waiting(&other, "events").await == 2
    })
    .await;
    assert_eq!(Rest::new(daemon.address).get("/messages").await["total"], 0);
    assert_eq!(waiting(&other, "events").await, 2, "and no more than two");
    held.rollback().await.expect("the lock given back");
    while let Some(status) = searches.join_next().await {
        assert_eq!(status.expect("an answer"), 200);
    }
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_that_missed_what_was_pruned_stops_and_comes_back_whole() {
    // How many of the other daemon's three events are left: the last, or none.
    for left in [1, 0] {
        let Some(database) = databases::postgres().await else {
            return;
        };
        let mut process = Process::start(&database, 0, &[]);
        let rest = Rest::new(&process.address);
        rest.create("boards", &json!({"name": "before"})).await;
        let before = rest.get("/health").await["seq"].clone();
        let mut listener = SocketIo::connect(&process.address, &json!({"since": before})).await;
        let other = Daemon::start(&database).await;
        for name in ["one", "two", "three"] {
            let board = json!({"name": name});
            Rest::new(other.address).create("boards", &board).await;
        }
        let prune = format!("DELETE FROM events WHERE seq <= (SELECT seq FROM log_head) - {left}");
        let pruned = connect(&database).await.execute_unprepared(&prune).await;
        pruned.expect("a pruned log");
        let (status, error) = rest.send(Verb::POST, "/boards", Some(&json!({}))).await;
        assert_eq!(status, 503, "{error}");
        let code = tokio::task::spawn_blocking(move || process.wait())
            .await
            .expect("an end");
        assert_eq!(code, Some(1), "a failure that a supervisor sees");
        // Nothing from behind the gap.
        assert!(listener.event().await.is_none());
        let process = Process::start(&database, 0, &[]);
        let mut listener = SocketIo::connect(&process.address, &json!({"since": before})).await;
        let told = listener.event().await.expect("an event");
        assert_eq!(
            (&told[0], &told[1]["reason"]),
            (&json!("reset"), &json!("too_old"))
        );
        other.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_went_back_ends_the_daemon_and_renews_the_log() {
    let Some(database) = databases::postgres().await else {
        return;
    };
    let mut process = Process::start(&database, 0, &[]);
    let rest = Rest::new(&process.address);
    rest.create("boards", &json!({})).await;
    rest.create("boards", &json!({})).await;
    let before = rest.get("/health").await["seq"].clone();
    let back = "DELETE FROM events WHERE seq = 2; UPDATE log_head SET seq = 1";
    connect(&database)
        .await
        .execute_unprepared(back)
        .await
        .expect("a change");
    let (status, _) = rest.send(Verb::POST, "/boards", Some(&json!({}))).await;
    assert_eq!(status, 503);
    let code = tokio::task::spawn_blocking(move || process.wait())
        .await
        .expect("an end");
    assert_eq!(code, Some(1), "a failure that a supervisor sees");
    let process = Process::start(&database, 0, &[]);
    let mut listener = SocketIo::connect(&process.address, &json!({"since": before})).await;
    let told = listener.event().await.expect("an event");
    assert_eq!(
        (&told[0], &told[1]["reason"]),
        (&json!("reset"), &json!("other_log"))
    );
    until("the daemon to write again", async || {
        Rest::new(&process.address)
            .send(Verb::POST, "/boards", Some(&json!({})))
            .await
            .0
            == 201
    })
    .await;
}
