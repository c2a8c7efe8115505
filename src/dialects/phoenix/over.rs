//! Whether a channel's end has been told.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Whether a channel's end has been told. Who tells it does so while nobody else looks, so that nothing
/// is said of an ended channel before its end is.
#[derive(Clone, Default)]
pub(super) struct Over(Arc<Mutex<bool>>);

impl Over {
    /// Whether it has been told.
    pub(super) fn is_told(&self) -> bool {
        *self.lock()
    }

    /// Tells it, unless it has been told; whether it was told now.
    pub(super) fn tell(&self, tell: impl FnOnce()) -> bool {
        let mut told = self.lock();
        if *told {
            return false;
        }
        tell();
        *told = true;
        true
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
