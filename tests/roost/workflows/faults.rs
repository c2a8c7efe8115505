//! An execution that cannot be stored as it goes ends, and says why.

use sea_orm::{ConnectionTrait, Database};
use serde_json::json;

use super::support::{execute, make, over, task};
use crate::{
    on_both_databases,
    support::{daemon::Daemon, databases::Fresh, rest::Rest},
};

on_both_databases!(a_step_whose_session_cannot_be_made_fails);

/// Has new sessions of a title fail.
async fn break_down(database: &Fresh) {
    let db = Database::connect(&database.url).await.expect("a database");
    let sql = if database.url.starts_with("sqlite") {
        "CREATE TRIGGER broken BEFORE INSERT ON sessions WHEN NEW.title = 'w/broken' \
         BEGIN SELECT RAISE(ABORT, 'broken'); END"
    } else {
        "CREATE FUNCTION broken() RETURNS trigger AS $$ BEGIN \
         IF NEW.title = 'w/broken' THEN RAISE EXCEPTION 'broken'; END IF; RETURN NEW; \
         END $$ LANGUAGE plpgsql; \
         CREATE TRIGGER broken BEFORE INSERT ON sessions FOR EACH ROW EXECUTE FUNCTION broken()"
    };
    db.execute_unprepared(sql).await.expect("a trigger");
    db.close().await.expect("a closed connection");
}

async fn a_step_whose_session_cannot_be_made_fails(database: Fresh) {
    let daemon = Daemon::start(&database).await;
    let rest = Rest::new(daemon.address);
    break_down(&database).await;
    let steps = json!([
        task("broken", "x", &[]),
        task("after", "x", &["broken"]),
        task("good", "x", &[])
    ]);
    let workflow = make(&rest, &steps).await;
    let done = over(&rest, &execute(&rest, &workflow).await).await;
    assert_eq!(done["status"], "failed");
    let statuses = &done["results"]["step_statuses"];
    assert_eq!(
        *statuses,
        json!({"broken": "failed", "after": "skipped", "good": "completed"})
    );
    daemon.stop().await;
}
