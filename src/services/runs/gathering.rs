//! What an agent says, as its task streams it: words gathered into chunks, each tool's output one of its
//! own. It is written beside the run, so that viewers of the words do not wait for it.

use std::{mem::take, sync::Arc, time::Duration};

use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, timeout_at},
};

use super::{Runs, clean, watch::write};
use crate::{
    error::Kind,
    services::streams::Piece,
    store::{Store, lane::Work},
};

/// Words are gathered for so long, or until there are so many bytes of them.
const GATHER: Duration = Duration::from_millis(50);
const GATHER_BYTES: usize = 1_024;

/// Bytes of one chunk at most; more become several.
const LONGEST: usize = 32 << 10;

/// Parts that may wait; then the run waits.
const WAITING: usize = 256;

/// A part of what is streamed.
enum Part {
    /// Some words.
    Words(String),
    /// A tool's output.
    Made(String),
}

/// Gathers what one run says.
pub(super) struct Gathering {
    parts: mpsc::Sender<Part>,
    written: JoinHandle<()>,
}

impl Gathering {
    /// Nothing was said yet.
    pub(super) fn new(runs: &Arc<Runs>, store: Store, task: String) -> Self {
        let (parts, inbox) = mpsc::channel(WAITING);
        let writer = Writer {
            runs: Arc::clone(runs),
            store,
            task,
            words: String::new(),
            is_full: false,
        };
        let written = runs.tracker.spawn(writer.run(inbox));
        Self { parts, written }
    }

    /// Some words.
    pub(super) async fn words(&self, words: &str) {
        self.give(Part::Words(words.to_owned())).await;
    }

    /// A tool's output.
    pub(super) async fn made(&self, output: String) {
        self.give(Part::Made(output)).await;
    }

    /// Waits until all of it is stored.
    pub(super) async fn end(self) {
        drop(self.parts);
        if let Err(error) = self.written.await {
            tracing::error!(%error, "what a run said was not streamed to its end");
        }
    }

    async fn give(&self, part: Part) {
        // Whoever writes ends behind this side only; a panic of its is told at the end.
        drop(self.parts.send(part).await);
    }
}

struct Writer {
    runs: Arc<Runs>,
    store: Store,
    task: String,
    words: String,
    /// The task takes no more.
    is_full: bool,
}

impl Writer {
    async fn run(mut self, mut inbox: mpsc::Receiver<Part>) {
        let mut due = Instant::now();
        loop {
            let part = if self.words.is_empty() {
                inbox.recv().await
            } else if let Ok(part) = timeout_at(due, inbox.recv()).await {
                part
            } else {
                self.flush().await;
                continue;
            };
            match part {
                Some(Part::Words(words)) => {
                    if self.words.is_empty() {
                        due = Instant::now() + GATHER;
                    }
                    self.words.push_str(&words);
                    if self.words.len() >= GATHER_BYTES {
                        self.flush().await;
                    }
                }
                Some(Part::Made(output)) => {
                    self.flush().await;
                    self.emit(&output, false).await;
                }
                None => return self.flush().await,
            }
        }
    }

    async fn flush(&mut self) {
        let words = take(&mut self.words);
        self.emit(&words, true).await;
    }

    async fn emit(&mut self, text: &str, is_chat: bool) {
        for piece in pieces(&clean(text)) {
            if self.is_full {
                return;
            }
            self.store(Piece::new(
                self.store.clock().ordered_id(),
                piece.to_owned(),
                is_chat,
            ))
            .await;
        }
    }

    async fn store(&mut self, piece: Piece) {
        let (runs, task) = (Arc::clone(&self.runs), self.task.clone());
        let unit = async move |work: &mut Work<'_>| runs.streams.emit(&task, &piece, work).await;
        let Err(error) = write(&self.runs, &self.store, unit).await else {
            return;
        };
        self.is_full = true;
        // Its end was said elsewhere, or the task is gone: nobody asks for more.
        if !matches!(error.kind(), Kind::Conflict | Kind::NotFound) {
            tracing::warn!(%error, "what a run says is streamed no more");
        }
    }
}

/// A text in pieces that are not too long.
pub(in crate::services) fn pieces(mut text: &str) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        let end = text.floor_char_boundary(LONGEST);
        let (piece, rest) = text
            .split_at_checked(end)
            .filter(|(piece, _)| !piece.is_empty())?;
        text = rest;
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_whole_characters() {
        let text = "ü".repeat(LONGEST);
        let all: Vec<_> = pieces(&text).collect();
        assert_eq!(all.concat(), text);
        assert!(all.iter().all(|piece| (1..=LONGEST).contains(&piece.len())));
        assert_eq!(pieces("").count(), 0);
        assert_eq!(pieces("a").collect::<Vec<_>>(), ["a"]);
    }
}
