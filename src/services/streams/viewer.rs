//! One listener's place in a task's stream.

use std::{collections::VecDeque, pin::pin, sync::Arc};

use super::{
    PAGE, Streams,
    chunk::{Chunk, Said},
    watched::{Next, Watched},
};
use crate::{error::Result, store::Store};

/// Reads a task's stream at its own pace: each chunk once, in order, then the end.
pub struct Viewer {
    store: Store,
    place: Place,
    cursor: u64,
    /// Chunks at hand.
    page: VecDeque<Arc<Chunk>>,
    is_over: bool,
    /// The newest chunk when the listener came.
    pub seq: u64,
    /// Where the stream stood then: `open`, `done` or `error`.
    pub status: &'static str,
}

/// Holds what the listeners of a task share.
pub(super) struct Place {
    streams: Arc<Streams>,
    task: String,
    pub(super) watched: Arc<Watched>,
}

impl Place {
    pub(super) fn take(streams: &Arc<Streams>, task: &str) -> Self {
        let mut all = streams.lock();
        let watched = Arc::clone(all.entry(task.to_owned()).or_default());
        watched.enter();
        drop(all);
        Self {
            streams: Arc::clone(streams),
            task: task.to_owned(),
            watched,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut all = self.streams.lock();
        if self.watched.leave() {
            all.remove(&self.task);
        }
    }
}

impl Viewer {
    pub(super) const fn new(
        store: Store,
        place: Place,
        (cursor, seq): (u64, u64),
        end: Option<&Said>,
    ) -> Self {
        let status = match end {
            None | Some(Said::Chunk(_)) => "open",
            Some(Said::Done(_)) => "done",
            Some(Said::Error(_)) => "error",
        };
        Self {
            store,
            place,
            cursor,
            page: VecDeque::new(),
            is_over: false,
            seq,
            status,
        }
    }

    /// The task.
    pub fn task(&self) -> &str {
        &self.place.task
    }

    /// What comes next; `None` behind the end.
    ///
    /// Cancel safe: dropping the future loses nothing.
    ///
    /// # Errors
    /// If the database cannot be read; it can be asked again.
    pub async fn next(&mut self) -> Result<Option<Said>> {
        loop {
            if let Some(chunk) = self.page.pop_front() {
                self.cursor = chunk.seq;
                return Ok(Some(Said::Chunk(chunk)));
            }
            if self.is_over {
                return Ok(None);
            }
            let watched = Arc::clone(&self.place.watched);
            let mut changed = pin!(watched.changed.notified());
            changed.as_mut().enable();
            match watched.after(self.cursor) {
                Next::Chunks(chunks) => self.page = chunks.into(),
                Next::Stored => self.turn_page().await?,
                Next::Wait => changed.await,
                Next::Look => {
                    let (place, streams) = (&self.place, &self.place.streams);
                    streams.look(place, &place.task, &self.store).await?;
                }
                Next::End(end) => {
                    self.turn_page().await?;
                    if self.page.is_empty() {
                        self.is_over = true;
                        return Ok(Some(end));
                    }
                }
            }
        }
    }

    async fn turn_page(&mut self) -> Result<()> {
        let Place { streams, task, .. } = &self.place;
        let db = &mut self.store.reader();
        self.page = streams.page(task, self.cursor, PAGE, db).await?.into();
        Ok(())
    }
}
