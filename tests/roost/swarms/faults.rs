//! Agents go on where a change of them could not be stored.

use reqwest::Method as Verb;
use sea_orm::{ConnectionTrait, Database, DatabaseConnection};
use serde_json::json;

use super::support::{echo, look, make, over, rests, tell};
use crate::{
    on_both_databases,
    support::{daemon::Daemon, databases::Fresh, rest::Rest},
};

on_both_databases!(an_agent_that_could_not_be_changed_works_on);

/// Has statements of a kind on agents' rows fail.
async fn break_down(db: &DatabaseConnection, database: &Fresh, statement: &str) {
    let sql = if database.url.starts_with("sqlite") {
        format!(
            "CREATE TRIGGER broken BEFORE {statement} ON swarm_agents \
             BEGIN SELECT RAISE(ABORT, 'broken'); END"
        )
    } else {
        format!(
            "CREATE OR REPLACE FUNCTION broken() RETURNS trigger AS \
             $$ BEGIN RAISE EXCEPTION 'broken'; END $$ LANGUAGE plpgsql; \
             CREATE TRIGGER broken BEFORE {statement} ON swarm_agents \
             FOR EACH ROW EXECUTE FUNCTION broken()"
        )
    };
    db.execute_unprepared(&sql).await.expect("a trigger");
}

async fn mend(db: &DatabaseConnection, database: &Fresh) {
    let sql = if database.url.starts_with("sqlite") {
        "DROP TRIGGER broken"
    } else {
        "DROP TRIGGER broken ON swarm_agents"
    };
    db.execute_unprepared(sql).await.expect("no trigger");
}

async fn an_agent_that_could_not_be_changed_works_on(database: Fresh) {
    let daemon = Daemon::start(&database).await;
    let rest = Rest::new(daemon.address);
    let db = Database::connect(&database.url)
        .await
        .expect("the database");
    make(&rest, "s", &json!([echo("a")]), &json!([])).await;
    rests(&rest, "s", "a", "idle").await;
    for (statement, verb, path) in [
        ("DELETE", Verb::DELETE, "/swarms/s/agents/a"),
        ("UPDATE", Verb::POST, "/swarms/s/agents/a/restart"),
    ] {
        break_down(&db, &database, statement).await;
        let (status, answer) = rest.send(verb, path, Some(&json!({}))).await;
        assert!(status >= 400, "{answer}");
        mend(&db, &database).await;
        let sent = tell(&rest, "s/agents/a/task", &json!({"task": "x"})).await;
        assert_eq!(over(&rest, &sent).await["output"], "x", "{statement}");
        rests(&rest, "s", "a", "idle").await;
    }
    // A stop that could not be stored is not lost: it can be asked for again.
    break_down(&db, &database, "UPDATE").await;
    let (status, answer) = rest
        .send(Verb::POST, "/swarms/s/stop", Some(&json!({})))
        .await;
    assert!(status >= 400, "{answer}");
    mend(&db, &database).await;
    tell(&rest, "s/stop", &json!({})).await;
    assert_eq!(look(&rest, "s").await["status"], "stopped");
    db.close().await.expect("a closed connection");
    daemon.stop().await;
}
