//! The order of one connection's calls.

use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
};

use futures_util::task::AtomicWaker;

/// A call's turn: while it has not passed, the connection's next call waits.
///
/// A read passes it at once; a write passes it when it entered the write lane. So writes keep the
/// order in which they arrived, and none waits for the commit of the one before.
#[derive(Clone, Debug, Default)]
pub struct Turn(Arc<State>);

#[derive(Debug, Default)]
struct State {
    passed: AtomicBool,
    waiter: AtomicWaker,
}

impl Turn {
    /// Lets the next call start.
    pub fn pass(&self) {
        self.0.passed.store(true, Ordering::Release);
        self.0.waiter.wake();
    }

    /// Waits until [`pass`](Self::pass) was called; one waiter at a time.
    pub async fn passed(&self) {
        poll_fn(|cx| {
            self.0.waiter.register(cx.waker());
            if self.0.passed.load(Ordering::Acquire) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }
}
