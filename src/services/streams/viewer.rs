//! One listener's place in a task's stream.

use std::{collections::VecDeque, pin::pin, sync::Arc};

use futures_util::stream::{Stream, unfold};

use super::{
    Streams,
    chunk::{Chunk, Said},
    stored::PAGE,
    watched::{Next, Watched},
};
use crate::{
    core::identity::Identity,
    error::{Kind, Result},
    store::Store,
};

/// Reads a task's stream at its own pace: each chunk once, in order, then the end.
pub struct Viewer {
    store: Store,
    by: Identity,
    /// How often rights had changed when they were looked at.
    doubts: u64,
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
    doubts: u64,
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
            doubts: watched.doubts(),
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

/// Who watches, and from where.
pub(super) struct Start {
    pub(super) by: Identity,
    pub(super) cursor: u64,
    /// The newest chunk.
    pub(super) seq: u64,
}

impl Viewer {
    pub(super) fn new(store: Store, place: Place, start: Start, end: Option<&Said>) -> Self {
        let Start { by, cursor, seq } = start;
        let status = match end {
            None | Some(Said::Chunk(_)) => "open",
            Some(Said::Done(_)) => "done",
            Some(Said::Error(_)) => "error",
        };
        Self {
            store,
            by,
            doubts: place.doubts,
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
    /// `Forbidden` once the listener may not watch any more; or if the database cannot be read: then it
    /// can be asked again.
    pub async fn next(&mut self) -> Result<Option<Said>> {
        loop {
            if self.doubts != self.place.watched.doubts() {
                self.check().await?;
            }
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
            if self.doubts != watched.doubts() {
                continue;
            }
            match watched.after(self.cursor) {
                Next::Chunks(chunks) => self.page = chunks.into(),
                Next::Wait => changed.await,
                Next::Look => drop(self.look().await?),
                Next::Stored => {
                    self.turn_page().await?;
                    if self.page.is_empty() {
                        self.miss().await?;
                    }
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

    /// Looks whether the listener may still watch.
    async fn check(&mut self) -> Result<()> {
        let Place {
            streams,
            task,
            watched,
            ..
        } = &self.place;
        let doubts = watched.doubts();
        let db = &mut self.store.reader();
        match streams.may_watch(task, &self.by, db).await {
            // That the task is gone is said in its turn.
            Err(error) if error.kind() != Kind::NotFound => return Err(error),
            _ => self.doubts = doubts,
        }
        Ok(())
    }

    /// Looks how the task ended, if no other listener did meanwhile.
    async fn look(&self) -> Result<()> {
        let Place {
            streams,
            task,
            watched,
            ..
        } = &self.place;
        let _looking = watched.looking.lock().await;
        if matches!(watched.after(self.cursor), Next::Look) {
            streams.look(&self.place, task, &self.store).await?;
        }
        Ok(())
    }

    /// Chunks that should be there are not: their task was removed, and another has its id, maybe.
    async fn miss(&mut self) -> Result<()> {
        let Place {
            streams,
            task,
            watched,
            ..
        } = &self.place;
        streams.look(&self.place, task, &self.store).await?;
        let head = streams.last(task, &mut self.store.reader()).await?.seq;
        watched.fall(head);
        self.cursor = self.cursor.min(head);
        Ok(())
    }

    /// What it says up to the end, which comes last.
    pub fn into_stream(self) -> impl Stream<Item = Result<Said>> + Send {
        unfold(self, |mut viewer| async move {
            let said = viewer.next().await.transpose()?;
            Some((said, viewer))
        })
    }

    async fn turn_page(&mut self) -> Result<()> {
        let Place { streams, task, .. } = &self.place;
        let db = &mut self.store.reader();
        self.page = streams
            .page(task, (self.cursor, None), PAGE, db)
            .await?
            .into();
        Ok(())
    }
}
