//! Opens the database that a URL names: the file's lock, the schema, the connections.

use std::{
    fs::{File, TryLockError},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use entities::log_head;
use migrations::{Migrator, MigratorTrait};
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbErr,
    sea_query::{OnConflict, Query},
    sqlx::{self, sqlite::SqliteConnection},
};

use super::{
    log,
    pool::{self, Pool},
};
use crate::{
    core::{BoxFuture, clock::SharedClock},
    error::{Error, Result},
};

/// The end of the lock file's name.
pub(super) const LOCK: &str = ".lock";

/// Connections that read at the same time.
const READERS: u32 = 4;

/// Connections for look-ups that may take long, so that all others find a reader free.
const SEARCHERS: u32 = 2;

/// Time that a look-up's statement has.
const LONGEST_SEARCH: Duration = Duration::from_secs(30);

/// Steps of SQLite between looks at the clock: some tens of microseconds.
const STEPS: i32 = 10_000;

/// Time that a statement has on a reader's connection to PostgreSQL.
const READER_TIMEOUT: [(&str, &str); 1] = [("statement_timeout", "30s")];

/// Time that a statement waits for another's lock, and has in all, on a connection to PostgreSQL that
/// writes.
const LANE_TIMEOUTS: [(&str, &str); 2] = [("lock_timeout", "10s"), ("statement_timeout", "20s")];

/// The file of a SQLite URL, `None` for PostgreSQL.
///
/// # Errors
/// If the URL is neither.
pub fn sqlite_path(url: &str) -> Result<Option<PathBuf>> {
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        return Ok(None);
    }
    let Some(rest) = url.strip_prefix("sqlite:") else {
        let text = "DATABASE_URL must start with sqlite:// or postgres://";
        return Err(Error::bad_request(text));
    };
    let path = rest.strip_prefix("//").unwrap_or(rest);
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    if path.is_empty() || path == ":memory:" {
        let text = "DATABASE_URL must name a file, such as sqlite://roost.db";
        return Err(Error::bad_request(text));
    }
    Ok(Some(PathBuf::from(path)))
}

/// The folder in which a database lies; the current one if it is no file.
pub fn folder(url: &str) -> PathBuf {
    let file = sqlite_path(url).ok().flatten();
    let folder = file.and_then(|file| file.parent().map(Path::to_owned));
    folder.unwrap_or_default()
}

/// The name by which PostgreSQL knows a daemon's lane.
pub(super) const LANE: &str = "roost";

/// The name by which PostgreSQL knows a command.
const COMMAND: &str = "roost restore";

/// The file's name with something behind it: `roost.db` and `-wal` are `roost.db-wal`.
pub(super) fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

/// Makes sure that the file is there and takes it for this process; its real path.
///
/// # Errors
/// If another process has it, or it cannot be used.
pub(super) fn lock(path: &Path) -> Result<(PathBuf, File)> {
    let failed = |error| unusable(path, error);
    make_folder(path)?;
    drop(append(path).map_err(failed)?);
    // One lock, whatever links lead to the file.
    let path = path.canonicalize().map_err(failed)?;
    let lock = take(&path)?;
    Ok((path, lock))
}

/// Makes sure that the folder of a file is there.
///
/// # Errors
/// If it cannot be made.
pub(super) fn make_folder(of: &Path) -> Result<()> {
    let folder = of.parent().map_or(Ok(()), std::fs::create_dir_all);
    folder.map_err(|error| unusable(of, error))
}

/// Takes a file, by its real path, for this process; it need not be there.
///
/// # Errors
/// If another process has it.
pub(super) fn take(path: &Path) -> Result<File> {
    let failed = |error| unusable(path, error);
    let file = append(&beside(path, LOCK)).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::conflict(format!(
            "Another roost is using {}; stop it, or give this one its own DATABASE_URL",
            path.display()
        ))),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

fn append(path: &Path) -> std::io::Result<File> {
    File::options().create(true).append(true).open(path)
}

fn unusable(path: &Path, error: std::io::Error) -> Error {
    Error::unavailable(format!("{} cannot be used: {error}", path.display())).caused_by(error)
}

/// Sees to it that no daemon uses a file as its database for as long as what is returned lives; `None`
/// if no daemon ever did.
///
/// # Errors
/// If a daemon uses it, or nobody can say.
pub(super) fn keep_unused(path: &Path) -> Result<Option<File>> {
    let file = match File::open(beside(path, LOCK)) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unusable(path, error)),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Err(Error::conflict(format!(
            "A roost is using {} as its database",
            path.display()
        ))),
        Err(TryLockError::Error(error)) => Err(unusable(path, error)),
    }
}

/// A pool that reads a SQLite file, and one that looks things up in it, for a while at most.
pub(super) async fn sqlite_readers(path: &Path) -> Result<[Pool; 2]> {
    let readers = connect(reading(path, READERS)).await?;
    let searchers = connect(searching(path, LONGEST_SEARCH)).await?;
    Ok([Pool(readers), Pool(searchers)])
}

fn searching(path: &Path, longest: Duration) -> ConnectOptions {
    let mut options = reading(path, SEARCHERS);
    // A connection that is new is not one that was idle.
    options.map_sqlx_sqlite_pool_opts(move |pool| {
        pool.after_connect(move |connection, _| limit(connection, longest))
            .before_acquire(move |connection, _| {
                Box::pin(async move { limit(connection, longest).await.map(|()| true) })
            })
    });
    options
}

/// Has a connection's next statement fail when its time is over.
fn limit(
    connection: &mut SqliteConnection,
    longest: Duration,
) -> BoxFuture<'_, Result<(), sqlx::Error>> {
    Box::pin(async move {
        let begun = Instant::now();
        let mut handle = connection.lock_handle().await?;
        handle.set_progress_handler(STEPS, move || begun.elapsed() < longest);
        Ok(())
    })
}

fn reading(path: &Path, connections: u32) -> ConnectOptions {
    let mut options = options("sqlite:", connections);
    let path = path.to_owned();
    options
        .test_before_acquire(false)
        .map_sqlx_sqlite_opts(move |sqlite| {
            sqlite
                .filename(&path)
                .pragma("query_only", "ON")
                .pragma("case_sensitive_like", "ON")
                .busy_timeout(Duration::from_secs(5))
        });
    options
}

/// A connection that changes a SQLite file's schema.
pub(super) async fn sqlite_schema(path: &Path) -> Result<DatabaseConnection> {
    let mut options = options("sqlite:", 1);
    let path = path.to_owned();
    options.map_sqlx_sqlite_opts(move |sqlite| sqlite.filename(&path).foreign_keys(true));
    connect(options).await
}

/// A pool that reads from a PostgreSQL server, and one that looks things up there.
pub(super) async fn postgres_readers(url: &str) -> Result<[Pool; 2]> {
    let readers = connect(reading_postgres(url, READERS)).await?;
    let searchers = connect(reading_postgres(url, SEARCHERS)).await?;
    Ok([Pool(readers), Pool(searchers)])
}

fn reading_postgres(url: &str, connections: u32) -> ConnectOptions {
    let mut options = options(url, connections);
    options.map_sqlx_postgres_opts(|postgres| postgres.options(READER_TIMEOUT));
    options
}

/// The lane's connection to a PostgreSQL server: its own, so that no reader can hold it up.
pub(super) async fn postgres_lane(url: &str) -> Result<DatabaseConnection> {
    let mut options = options(url, 1);
    options
        .map_sqlx_postgres_opts(|postgres| postgres.options(LANE_TIMEOUTS).application_name(LANE));
    connect(options).await
}

/// A command's connection to a PostgreSQL server: whatever the URL says, it is not taken for a daemon's.
pub(super) async fn postgres_command(url: &str) -> Result<DatabaseConnection> {
    let mut options = options(url, 1);
    options.map_sqlx_postgres_opts(|postgres| {
        postgres.options(LANE_TIMEOUTS).application_name(COMMAND)
    });
    connect(options).await
}

fn options(url: &str, connections: u32) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(connections)
        .min_connections(1)
        .acquire_timeout(Duration::from_secs(10))
        .sqlx_logging(false);
    options
}

async fn connect(options: ConnectOptions) -> Result<DatabaseConnection> {
    // The URL is not shown: it may hold a password.
    let closed = |error: DbErr| {
        Error::unavailable(format!("The database cannot be opened: {error}")).caused_by(error)
    };
    Database::connect(options).await.map_err(closed)
}

/// Brings the schema up to date and gives a new log its id.
pub(super) async fn migrate(connection: &DatabaseConnection, clock: &SharedClock) -> Result<()> {
    let stuck = |error| {
        let text = format!("The database's schema cannot be brought up to date: {error}");
        Error::general(text)
    };
    Migrator::up(connection, None).await.map_err(stuck)?;
    let mut insert = Query::insert();
    insert
        .into_table(log_head::Entity)
        .columns([
            log_head::Column::Id,
            log_head::Column::LogId,
            log_head::Column::Seq,
        ])
        .values_panic([1_i64.into(), log::new_id(clock).into(), 0_i64.into()])
        .on_conflict(
            OnConflict::column(log_head::Column::Id)
                .do_nothing()
                .to_owned(),
        );
    connection
        .execute(&insert)
        .await
        .map(drop)
        .map_err(pool::convert)
}

#[cfg(test)]
mod tests {
    use sea_orm::{DbBackend, Statement};

    use super::*;

    #[tokio::test]
    async fn a_look_up_that_takes_too_long_is_stopped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("roost.db");
        std::fs::write(&path, "").unwrap();
        let count = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) \
                     SELECT count(*) FROM n";
        for (longest, is_answered) in [(Duration::ZERO, false), (Duration::MAX, true)] {
            let searchers = connect(searching(&path, longest)).await.unwrap();
            // On a new connection, on the other new one, and on one that was idle.
            for _ in 0..3 {
                let ask =
                    || searchers.query_all_raw(Statement::from_string(DbBackend::Sqlite, count));
                for answer in <[_; 2]>::from(tokio::join!(ask(), ask())) {
                    let refused = answer.map(drop).map_err(pool::convert).err();
                    assert_eq!(refused.is_none(), is_answered, "{refused:?}");
                    let status = refused.map(|error| error.kind().status());
                    assert!(status.is_none_or(|status| status == 503));
                }
            }
            searchers.close().await.unwrap();
        }
    }
}
