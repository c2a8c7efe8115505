//! Gives a restored log another id, so that stamps of the one that it was are told apart.

use std::path::Path;

use migrations::SchemaManager;
use rusqlite::{Connection, OpenFlags};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement, TransactionTrait};

use super::{
    database::{self, LANE, beside},
    log,
    pool::convert,
    postgres::Postgres,
    restore::Place,
    whole::{
        CHECK, PARTS, check, existing, foreign, inspect, open, understand, unreadable, unwritable,
    },
};
use crate::{
    core::clock::SharedClock,
    error::{Error, Result},
};

/// Gives the log another id; the newest event's stamp with it.
pub(super) fn renew(connection: &Connection, name: &Path, clock: &SharedClock) -> Result<String> {
    let id = log::new_id(clock);
    connection
        .execute("UPDATE log_head SET log_id = ?1", [id])
        .map_err(|error| unwritable(name, error))?;
    let (log, head) = inspect(connection, name)?;
    Ok(log.stamp(head))
}

/// Gives the log of a database that was restored by other means another id; the newest event's stamp with
/// it.
///
/// # Errors
/// With a sentence for the operator: a daemon runs, or the database is not whole.
pub async fn renew_log(url: &str, clock: &SharedClock) -> Result<String> {
    let Some(path) = database::sqlite_path(url)? else {
        let connection = database::postgres_command(url).await?;
        let renewed = renew_on_postgres(&connection, clock).await;
        drop(connection.close().await);
        return renewed;
    };
    let place = Place::take(&existing(&path)?)?;
    let path = &place.path;
    refuse_parts(path)?;
    let database = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE);
    let database = database.map_err(|error| unreadable(path, error))?;
    inspect(&database, path)?;
    check(&database, CHECK, path)?;
    let stamp = renew(&database, path, clock)?;
    let closed = database.close();
    closed.map_err(|(_, error)| unwritable(path, error))?;
    Ok(stamp)
}

/// Refuses a database with a write-ahead log or a journal beside it: SQLite would read it as a part of the
/// file, and nobody can say whether it is.
fn refuse_parts(path: &Path) -> Result<()> {
    for part in PARTS.map(|end| beside(path, end)) {
        if part.metadata().is_ok_and(|part| part.len() > 0) {
            let (part, path) = (part.display(), path.display());
            return Err(Error::conflict(format!(
                "{part} is there; if {path} was put back without it, remove it first, and if it belongs to it, \
                 start and stop the daemon once"
            )));
        }
    }
    Ok(())
}

async fn renew_on_postgres(connection: &DatabaseConnection, clock: &SharedClock) -> Result<String> {
    const NAME: &str = "The database";
    for table in ["log_head", "seaql_migrations"] {
        let has = SchemaManager::new(connection).has_table(table).await;
        if !has.map_err(convert)? {
            return Err(foreign(NAME));
        }
    }
    let ask = |sql: String| {
        let statement = Statement::from_string(connection.get_database_backend(), sql);
        connection.query_all_raw(statement)
    };
    let versions = ask("SELECT version FROM seaql_migrations".to_owned());
    let versions = versions.await.map_err(convert)?;
    let versions = versions.iter().map(|row| row.try_get_by_index(0));
    let versions = versions.collect::<Result<_, _>>().map_err(convert)?;
    understand(NAME, versions)?;
    let mut tx = Postgres(connection.begin().await.map_err(convert)?);
    // No daemon writes from here on; one that ran before is still connected.
    log::lock_head(&mut tx).await?;
    let daemons = format!(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = '{LANE}'"
    );
    let daemons = Statement::from_string(DbBackend::Postgres, daemons);
    let daemons = tx.0.query_all_raw(daemons).await.map_err(convert)?;
    if !daemons.is_empty() {
        return Err(Error::conflict(
            "A roost is using the database; stop it first",
        ));
    }
    log::renew(&mut tx, clock).await?;
    let (log, head) = log::head(&mut tx).await?;
    tx.0.commit().await.map_err(convert)?;
    Ok(log.stamp(head))
}
