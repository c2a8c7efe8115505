//! Programs with all that they start: a group of processes that ends as one.

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::Child;

/// A program and those that it started; they end when nobody waits for them any more.
///
/// What leaves the group (a daemon of its own, as `setsid` makes one) is not followed.
pub struct Group(Option<Pid>);

impl Group {
    /// The group of a program that was spawned with `process_group(0)`.
    pub fn of(child: &Child) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        Self(id.and_then(Pid::from_raw))
    }

    /// Asks all of them to end (SIGTERM).
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Ends all of them (SIGKILL).
    pub fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// Notes that the program ended by itself, and leaves alone what it started.
    pub fn ended(mut self) {
        self.0 = None;
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.0 {
            // It may have ended just now.
            let _ = kill_process_group(group, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}
