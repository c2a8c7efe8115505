//! Programs with all that they start: a group of processes that ends as one.

use std::io;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use tokio::{
    process::Child,
    signal::unix::{SignalKind, signal},
};

/// A program and those that it started; they end when nobody waits for them any more.
///
/// What leaves the group (a daemon of its own, as `setsid` makes one) is not followed. Once the program was
/// waited for, its id may be another's: the group is ended before, or not at all.
pub struct Group(Option<Pid>);

impl Group {
    /// The group of a program that was spawned with `process_group(0)`.
    pub fn of(child: &Child) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        Self(id.and_then(Pid::from_raw))
    }

    /// Done when the program ended by itself. It is not taken away: the id stays its own until its [`Child`]
    /// is waited for.
    ///
    /// # Errors
    /// If the system does not say how it is.
    pub async fn program_ended(&self) -> io::Result<()> {
        let Some(program) = self.0 else {
            return Ok(());
        };
        // Listens before it looks, so that it misses no end in between.
        let mut ends = signal(SignalKind::child())?;
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        while waitid(WaitId::Pid(program), look)?.is_none() {
            if ends.recv().await.is_none() {
                return Err(io::Error::other("signals are not heard any more"));
            }
        }
        Ok(())
    }

    /// Asks all of them to end (SIGTERM).
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Ends all of them (SIGKILL).
    pub fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// Notes that the program was waited for, and leaves alone what is left of what it started.
    pub const fn ended(&mut self) {
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
