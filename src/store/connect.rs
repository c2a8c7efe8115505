//! The database, open: readers, the write lane, the log and the hub over it.

use std::{fs::File, sync::Arc, thread::JoinHandle, time::Duration};

use sea_orm::DbBackend;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{
    access,
    checkpoint::{CheckpointThread, Checkpoints},
    database,
    engine::{Engine, Writer},
    lane::{Lane, Work},
    leftovers,
    log::{self, SqlLog},
    pool::Pool,
    sqlite::Sqlite,
};
use crate::{
    core::{clock::SharedClock, feed::Story, hub::Hub, turn::Turn},
    error::{Error, Result},
};

/// Time that the lane has to finish what was submitted before the end.
const LAST_WRITES: Duration = Duration::from_secs(40);

/// The database, open. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    lane: Lane,
    pool: Pool,
    /// For look-ups that may take long.
    searchers: Pool,
    story: Story,
    clock: SharedClock,
}

/// What must happen, in order, when the daemon ends.
pub struct Closing {
    lane: Lane,
    hub: Arc<Hub>,
    thread: JoinHandle<()>,
    broken: CancellationToken,
    pools: [Pool; 2],
    /// SQLite's files: the thread that moves the log into the database, and the lock.
    files: Option<(CheckpointThread, File)>,
}

impl Store {
    /// Opens the database that the URL names, brings its schema up to date and starts the lane,
    /// which cancels `broken` if it cannot go on.
    ///
    /// # Errors
    /// With a sentence for the operator: what is wrong with the URL, the file or the server.
    pub async fn open(
        url: &str,
        synchronous: &str,
        clock: SharedClock,
        broken: CancellationToken,
    ) -> Result<(Self, Closing)> {
        let ([mut pool, searchers], writer, files) = match database::sqlite_path(url)? {
            Some(path) => {
                let (path, lock) = database::lock(&path)?;
                leftovers::clear(&path);
                let schema = database::sqlite_schema(&path).await?;
                database::migrate(&schema, &clock).await?;
                let checkpoints = Arc::<Checkpoints>::default();
                let sqlite = Sqlite::open(&path, synchronous, Arc::clone(&checkpoints))?;
                drop(schema.close().await);
                let readers = database::sqlite_readers(&path).await?;
                let thread = checkpoints.start(&path)?;
                (readers, Writer::Sqlite(sqlite), Some((thread, lock)))
            }
            None => {
                let lane = database::postgres_lane(url).await?;
                database::migrate(&lane, &clock).await?;
                let readers = database::postgres_readers(url).await?;
                (readers, Writer::Postgres(lane), None)
            }
        };
        let (id, head) = log::head(&mut pool).await?;
        let hub = Arc::new(Hub::new(head));
        hub.access().replace(access::load(&mut pool).await?);
        let engine = Engine {
            writer,
            hub: Arc::clone(&hub),
            clock: Arc::clone(&clock),
            head,
            doubt: false,
            broken: broken.clone(),
        };
        let (lane, thread) = Lane::start(engine).map_err(|error| {
            Error::general("The write lane's thread could not be started").caused_by(error)
        })?;
        let log = Arc::new(SqlLog {
            pool: pool.clone(),
            id,
        });
        let closing = Closing {
            lane: lane.clone(),
            hub: Arc::clone(&hub),
            thread,
            broken,
            pools: [pool.clone(), searchers.clone()],
            files,
        };
        let story = Story { log, hub };
        Ok((
            Self {
                lane,
                pool,
                searchers,
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

    /// Which SQL the database speaks.
    pub fn backend(&self) -> DbBackend {
        self.pool.0.get_database_backend()
    }

    /// `sqlite` or `postgres`.
    pub fn kind(&self) -> &'static str {
        match self.backend() {
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

    /// As [`reader`](Self::reader), for what may take long: few are served at a time, each statement
    /// for half a minute at most, and nobody else waits for them.
    pub fn searcher(&self) -> Pool {
        self.searchers.clone()
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
    ///
    /// # Errors
    /// If the lane had failed, or does not end: then the process should.
    pub async fn close(self) -> Result<()> {
        let Self {
            lane,
            hub,
            thread,
            broken,
            pools: [readers, searchers],
            files,
        } = self;
        let join = async {
            lane.end().await;
            tokio::task::spawn_blocking(move || thread.join()).await
        };
        let joined = timeout(LAST_WRITES, join).await;
        hub.close();
        let close = async { tokio::join!(readers.0.close(), searchers.0.close()) };
        drop(timeout(Duration::from_secs(5), close).await);
        drop(tokio::task::spawn_blocking(move || drop(files)).await);
        match joined {
            Ok(Ok(Ok(()))) if !broken.is_cancelled() => Ok(()),
            Err(_) => Err(Error::unavailable(
                "The database did not take the last writes in time",
            )),
            _ => Err(Error::general(
                "The write lane had failed; the log says why",
            )),
        }
    }
}
