//! Moves SQLite's write-ahead log into the database file beside the write lane.
//!
//! A checkpoint inside a commit would hold up every write behind it. So the lane's connection never
//! makes one by itself: this thread copies pages while the lane writes on. A log starts again only
//! after a checkpoint that left nothing over, which under load this thread never sees; then the lane
//! copies the few pages that are left, between two batches.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread,
    time::Duration,
};

use rusqlite::Connection;

use super::sqlite::convert;
use crate::error::{Error, Result};

/// Time between looks at what was written.
const TICK: Duration = Duration::from_secs(1);

/// Pages of the log after which it should start again (64 MiB).
const LONG: i64 = 16_000;

/// Pages that the lane may be asked to copy itself.
const FEW: i64 = 500;

/// What the lane and the thread tell each other.
#[derive(Default)]
pub struct Checkpoints {
    /// Batches that the lane committed.
    batches: AtomicU64,
    /// The lane should copy the rest.
    finish: AtomicBool,
}

impl Checkpoints {
    /// Notes a commit; whether the lane should copy the rest now.
    pub fn committed(&self) -> bool {
        self.batches.fetch_add(1, Ordering::Relaxed);
        self.finish.load(Ordering::Relaxed) && self.finish.swap(false, Ordering::Relaxed)
    }

    /// Starts the thread for a database file.
    ///
    /// # Errors
    /// If the file cannot be opened or the system gives no thread.
    pub fn start(self: &Arc<Self>, path: &Path) -> Result<CheckpointThread> {
        let connection = Connection::open(path).map_err(convert)?;
        connection.busy_timeout(Duration::ZERO).map_err(convert)?;
        let (stop, stopped) = channel();
        let this = Arc::clone(self);
        let thread = thread::Builder::new()
            .name("checkpoint".into())
            .spawn(move || this.run(&connection, &stopped))
            .map_err(|error| Error::general("A thread could not be started").caused_by(error))?;
        Ok(CheckpointThread {
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    fn run(&self, connection: &Connection, stopped: &Receiver<()>) {
        let mut seen = 0;
        while stopped.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
            let batches = self.batches.load(Ordering::Relaxed);
            if batches == seen {
                continue;
            }
            seen = batches;
            // The second round copies what was written during the first: little.
            for _ in 0..2 {
                match checkpoint(connection) {
                    Ok((pages, left)) => self
                        .finish
                        .store(pages > LONG && left < FEW, Ordering::Relaxed),
                    Err(error) => {
                        tracing::warn!(%error, "a checkpoint failed; the write-ahead log grows");
                    }
                }
            }
        }
    }
}

/// The thread; dropping this ends it and waits for its end.
pub struct CheckpointThread {
    stop: Option<Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Drop for CheckpointThread {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic there has been printed.
            drop(thread.join());
        }
    }
}

/// Copies what can be copied without waiting; the log's pages, and those left over.
pub fn checkpoint(connection: &Connection) -> Result<(i64, i64)> {
    let row = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(1)?, row.get::<_, i64>(2)?));
    let (pages, copied) = connection
        .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], row)
        .map_err(convert)?;
    Ok((pages, pages - copied))
}
