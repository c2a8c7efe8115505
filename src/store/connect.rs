//! Opens the database: one daemon per SQLite file, migrations, the readers' pool, the write lane.

use std::{
    fs::{File, TryLockError},
    path::{Path, PathBuf},
    sync::Arc,
    thread::JoinHandle,
    time::Duration,
};

use entities::log_head;
use migrations::{Migrator, MigratorTrait};
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend,
    sea_query::{OnConflict, Query},
};

use super::{
    checkpoint::{Checkpointer, Checkpoints},
    lane::{Engine, Lane, Work, Writer},
    log::{self, SqlLog},
    pool::{self, Pool},
    sqlite::Sqlite,
};
use crate::{
    core::{clock::SharedClock, feed::Story, hub::Hub, turn::Turn},
    error::{Error, Result},
};

/// Connections that read at the same time.
const READERS: u32 = 4;

/// The database, open. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    lane: Lane,
    pool: Pool,
    story: Story,
    clock: SharedClock,
}

/// What must happen, in order, when the daemon ends.
pub struct Closing {
    lane: Lane,
    hub: Arc<Hub>,
    thread: JoinHandle<()>,
    pool: Pool,
    checkpoints: Option<Checkpointer>,
    /// Held as long as the file is open.
    lock: Option<File>,
}

impl Store {
    /// Opens the database that the URL names, brings its schema up to date and starts the lane.
    ///
    /// # Errors
    /// With a sentence for the operator: what is wrong with the URL, the file or the server.
    pub async fn open(url: &str, synchronous: &str, clock: SharedClock) -> Result<(Self, Closing)> {
        let file = sqlite_path(url)?;
        let lock = file.as_deref().map(lock).transpose()?;
        let connection = connect(url, file.as_deref()).await?;
        if file.is_none() {
            migrate(&connection, &clock).await?;
        }
        let checkpoints = Arc::<Checkpoints>::default();
        let writer = match &file {
            Some(path) => {
                Writer::Sqlite(Sqlite::open(path, synchronous, Arc::clone(&checkpoints))?)
            }
            None => Writer::Postgres(connection.clone()),
        };
        if let Some(path) = &file {
            let writing = connect_to_migrate(path).await?;
            migrate(&writing, &clock).await?;
            writing.close().await.map_err(pool::convert)?;
        }
        let mut pool = Pool(connection);
        let (id, head) = log::head(&mut pool).await?;
        let hub = Arc::new(Hub::new(head));
        let engine = Engine {
            writer,
            hub: Arc::clone(&hub),
            clock: Arc::clone(&clock),
            head,
        };
        let (lane, thread) = Lane::start(engine).map_err(|error| {
            Error::general("The write lane's thread could not be started").caused_by(error)
        })?;
        let story = Story {
            log: Arc::new(SqlLog {
                pool: pool.clone(),
                id,
            }),
            hub,
        };
        let closing = Closing {
            lane: lane.clone(),
            hub: Arc::clone(&story.hub),
            thread,
            pool: pool.clone(),
            checkpoints: file
                .as_deref()
                .map(|path| checkpoints.start(path))
                .transpose()?,
            lock,
        };
        Ok((
            Self {
                lane,
                pool,
                story,
                clock,
            },
            closing,
        ))
    }

    /// Where moments and ids come from.
    pub const fn clock(&self) -> &SharedClock {
        &self.clock
    }

    /// `sqlite` or `postgres`.
    pub fn kind(&self) -> &'static str {
        match self.pool.0.get_database_backend() {
            DbBackend::Sqlite => "sqlite",
            _ => "postgres",
        }
    }

    /// The log and the hub.
    pub const fn story(&self) -> &Story {
        &self.story
    }

    /// A reader outside any transaction: it sees what is committed.
    pub fn reader(&self) -> Pool {
        self.pool.clone()
    }

    /// Runs a unit of work in the write lane and waits for its commit.
    ///
    /// # Errors
    /// The unit's own, or what kept it from being stored.
    pub async fn write<T, U>(&self, turn: &Turn, unit: U) -> Result<T>
    where
        T: Send + 'static,
        U: AsyncFnOnce(&mut Work<'_>) -> Result<T> + Send + 'static,
    {
        self.lane.write(turn, unit).await
    }
}

impl Closing {
    /// Waits until the lane has done what was submitted, and lets go of the database. What is
    /// submitted later fails.
    pub async fn close(self) {
        let Self {
            lane,
            hub,
            thread,
            pool,
            checkpoints,
            lock,
        } = self;
        lane.end().await;
        let join = move || {
            drop(checkpoints);
            thread.join()
        };
        let joined = tokio::task::spawn_blocking(join).await;
        if !matches!(joined, Ok(Ok(()))) {
            tracing::error!("the write lane ended in a panic");
        }
        hub.close();
        if let Err(error) = pool.0.close().await {
            tracing::warn!(%error, "the database's connections did not close");
        }
        drop(lock);
    }
}

/// The file of a SQLite URL, `None` for PostgreSQL.
fn sqlite_path(url: &str) -> Result<Option<PathBuf>> {
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        return Ok(None);
    }
    let Some(rest) = url.strip_prefix("sqlite:") else {
        return Err(Error::bad_request(
            "DATABASE_URL must start with sqlite:// or postgres://",
        ));
    };
    let path = rest.strip_prefix("//").unwrap_or(rest);
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    if path.is_empty() || path == ":memory:" {
        return Err(Error::bad_request(
            "DATABASE_URL must name a file, such as sqlite://roost.db",
        ));
    }
    Ok(Some(PathBuf::from(path)))
}

/// Takes the file for this process.
fn lock(path: &Path) -> Result<File> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| unusable(path, error))?;
    }
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(PathBuf::from(name))
        .map_err(|error| unusable(path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::conflict(format!(
            "Another roost is using {}; stop it, or give this one its own DATABASE_URL",
            path.display()
        ))),
        Err(TryLockError::Error(error)) => Err(unusable(path, error)),
    }
}

fn unusable(path: &Path, error: std::io::Error) -> Error {
    Error::unavailable(format!("{} cannot be used: {error}", path.display())).caused_by(error)
}

async fn connect(url: &str, file: Option<&Path>) -> Result<DatabaseConnection> {
    let mut options = ConnectOptions::new(if file.is_some() { "sqlite:" } else { url });
    options
        .max_connections(READERS)
        .min_connections(1)
        .sqlx_logging(false);
    options
        .acquire_timeout(Duration::from_secs(10))
        .test_before_acquire(false);
    if let Some(path) = file.map(Path::to_owned) {
        options.map_sqlx_sqlite_opts(move |sqlite| {
            sqlite
                .filename(&path)
                .create_if_missing(true)
                .pragma("query_only", "ON")
                .busy_timeout(Duration::from_secs(5))
        });
    } else {
        options
            .max_connections(READERS + 1)
            .test_before_acquire(true);
    }
    Database::connect(options)
        .await
        .map_err(|error| cannot_open(url, error))
}

async fn connect_to_migrate(path: &Path) -> Result<DatabaseConnection> {
    let mut options = ConnectOptions::new("sqlite:");
    options.max_connections(1).sqlx_logging(false);
    let path = path.to_owned();
    options.map_sqlx_sqlite_opts(move |sqlite| sqlite.filename(&path).foreign_keys(true));
    Database::connect(options)
        .await
        .map_err(|error| cannot_open("the database file", error))
}

fn cannot_open(what: &str, error: sea_orm::DbErr) -> Error {
    // A URL may hold a password.
    let what = if what.contains('@') {
        "the database server"
    } else {
        what
    };
    Error::unavailable(format!("{what} cannot be opened: {error}")).caused_by(error)
}

/// Brings the schema up to date and gives a new log its id.
async fn migrate(connection: &DatabaseConnection, clock: &SharedClock) -> Result<()> {
    Migrator::up(connection, None).await.map_err(|error| {
        Error::general(format!(
            "The database's schema cannot be brought up to date: {error}"
        ))
    })?;
    let id = clock.random_id().simple().to_string();
    let mut insert = Query::insert();
    insert
        .into_table(log_head::Entity)
        .columns([
            log_head::Column::Id,
            log_head::Column::LogId,
            log_head::Column::Seq,
        ])
        .values_panic([1_i64.into(), id[..8].into(), 0_i64.into()])
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
