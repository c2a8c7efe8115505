//! What the listeners of one task share: its newest chunks, and whether it changed.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use super::chunk::{Chunk, Said};

/// How many chunks, and about how many bytes of them, are kept for listeners that keep up.
const RECENT: usize = 512;
const RECENT_BYTES: usize = 1 << 20;

/// Chunks that a listener takes at a time.
const TAKEN: usize = 64;

/// A task that somebody watches.
#[derive(Default)]
pub(super) struct Watched {
    state: Mutex<State>,
    /// Told of every change.
    pub(super) changed: Notify,
    /// One listener looks at a time; the others find what it found.
    pub(super) looking: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    /// Who watches.
    viewers: usize,
    /// The newest chunks, without gap up to `head`; maybe none.
    recent: VecDeque<Arc<Chunk>>,
    bytes: usize,
    /// The newest chunk that is known of.
    head: u64,
    /// How often the task itself changed.
    stirred: u64,
    /// How often somebody may have lost the right to watch.
    doubts: u64,
    /// What was found at which of these changes.
    end: Option<(u64, Option<Said>)>,
}

/// What there is for a listener.
pub(super) enum Next {
    /// Chunks.
    Chunks(Vec<Arc<Chunk>>),
    /// Chunks that only the table has.
    Stored,
    /// No more, for now.
    Wait,
    /// Nobody knows: the task changed.
    Look,
    /// The end, once the table has no more.
    End(Said),
}

impl Watched {
    pub(super) fn enter(&self) {
        self.lock().viewers += 1;
    }

    /// Whether nobody is left.
    pub(super) fn leave(&self) -> bool {
        let mut state = self.lock();
        state.viewers -= 1;
        state.viewers == 0
    }

    /// A chunk was published.
    pub(super) fn push(&self, chunk: Arc<Chunk>) {
        let mut state = self.lock();
        if state
            .recent
            .back()
            .is_some_and(|last| last.seq + 1 != chunk.seq)
        {
            state.recent.clear();
            state.bytes = 0;
        }
        state.head = state.head.max(chunk.seq);
        state.bytes += chunk.weight();
        state.recent.push_back(chunk);
        while state.recent.len() > RECENT || state.bytes > RECENT_BYTES {
            let Some(forgotten) = state.recent.pop_front() else {
                break;
            };
            state.bytes -= forgotten.weight();
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// The task changed.
    pub(super) fn stir(&self) {
        self.lock().stirred += 1;
        self.changed.notify_waiters();
    }

    /// Somebody may not be allowed to watch any more.
    pub(super) fn doubt(&self) {
        self.lock().doubts += 1;
        self.changed.notify_waiters();
    }

    /// How often somebody may have lost the right to watch.
    pub(super) fn doubts(&self) -> u64 {
        self.lock().doubts
    }

    /// The table has chunks up to this one only: those before are gone with their task.
    pub(super) fn fall(&self, head: u64) {
        let mut state = self.lock();
        state.head = head;
        state.recent.clear();
        state.bytes = 0;
    }

    /// The table has chunks up to this one.
    pub(super) fn reach(&self, head: u64) {
        let mut state = self.lock();
        state.head = state.head.max(head);
    }

    /// How often the task changed.
    pub(super) fn stirred(&self) -> u64 {
        self.lock().stirred
    }

    /// The end, or none, was found when the task had changed so often.
    pub(super) fn note(&self, stirred: u64, end: Option<Said>) {
        let mut state = self.lock();
        if state.end.as_ref().is_none_or(|(at, _)| *at <= stirred) {
            state.end = Some((stirred, end));
        }
    }

    /// What there is after a chunk.
    pub(super) fn after(&self, cursor: u64) -> Next {
        let state = self.lock();
        if state.head > cursor {
            let first = state.recent.front().map(|chunk| chunk.seq);
            let skip =
                first.and_then(|first| usize::try_from((cursor + 1).checked_sub(first)?).ok());
            let chunks: Vec<_> = match skip {
                Some(skip) => state
                    .recent
                    .iter()
                    .skip(skip)
                    .take(TAKEN)
                    .cloned()
                    .collect(),
                None => Vec::new(),
            };
            return match chunks.is_empty() {
                true => Next::Stored,
                false => Next::Chunks(chunks),
            };
        }
        match &state.end {
            Some((_, Some(end))) => Next::End(end.clone()),
            Some((at, None)) if *at == state.stirred => Next::Wait,
            _ => Next::Look,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
