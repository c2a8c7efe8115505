//! A child process that is kept over turns: it is told a JSON line, and answers with text up to a mark
//! (docs/swarms.md, "Local agents").

use std::{
    pin::pin,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use serde_json::Value;
use tokio::{
    process::ChildStdout,
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    Prompt,
    command::Settings,
    complaints::Complaints,
    process::{self, Process, say},
    reader::Lines,
};

/// What ends a turn.
pub const COMPLETE: &str = "<<TURN_COMPLETE>>";

/// Time in which the pipes of a process that ended are read to their end.
const LINGER: Duration = Duration::from_secs(1);

/// A process that is kept. Dropped, it is killed with all that it started.
pub struct Kept {
    process: Process,
    /// Held for a line at a time.
    complaints: Mutex<Complaints>,
    /// Whether it closed its standard error.
    heard: bool,
    /// Bytes that a turn may print.
    most: u64,
}

/// Why a turn has no end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// The process ended.
    Gone,
    /// It printed more than it may.
    TooMuch,
}

/// How a process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gone {
    /// Its exit status, if it had one.
    pub status: Option<i32>,
    /// A sentence.
    pub why: String,
    /// The last lines of its standard error.
    pub tail: String,
}

impl Kept {
    /// Starts the command in the prompt's folder, for its session.
    ///
    /// # Errors
    /// A sentence that says why it cannot be started.
    pub async fn start(settings: &Settings, prompt: &Prompt) -> Result<Self, String> {
        Ok(Self {
            process: Process::start(settings, prompt).await?,
            complaints: Mutex::new(Complaints::new(&prompt.session, &prompt.task)),
            heard: false,
            most: settings.limits.output,
        })
    }

    /// The process's id.
    pub fn id(&self) -> Option<u32> {
        self.process.id()
    }

    /// Tells it something, and takes what it prints up to [`COMPLETE`], without space at its ends.
    ///
    /// # Errors
    /// If there is no such end.
    pub async fn turn(&mut self, line: &Value) -> Result<String, Broken> {
        let (never, over) = (CancellationToken::new(), CancellationToken::new());
        let Process {
            group,
            stdin,
            stdout,
            stderr,
            ..
        } = &mut self.process;
        stdout.forget();
        let complaints = &self.complaints;
        let mut reading = pin!(read(stdout, self.most, &over));
        let mut hearing = pin!(process::hear(
            stderr,
            |line| lock(complaints).hear(line),
            &never
        ));
        let mut ending = pin!(group.program_ended());
        let mut telling = pin!(async {
            if let Some(stdin) = stdin.as_mut() {
                say(stdin, line).await;
            }
        });
        let mut lingering = pin!(sleep_until(Instant::now()));
        let (mut told, mut ended) = (false, false);
        loop {
            tokio::select! {
                text = &mut reading => {
                    let text = text?;
                    return Ok(String::from_utf8_lossy(&text).trim().to_owned());
                }
                () = &mut hearing, if !self.heard => self.heard = true,
                // It may have closed its input.
                () = &mut telling, if !told => told = true,
                // What it said by now is still read.
                _ = &mut ending, if !ended => {
                    ended = true;
                    group.kill();
                    lingering.as_mut().reset(Instant::now() + LINGER);
                }
                () = &mut lingering, if ended && !over.is_cancelled() => over.cancel(),
            }
        }
    }

    /// Done when it ended by itself. What it prints meanwhile belongs to no turn, and is forgotten.
    pub async fn ended(&mut self) {
        let never = CancellationToken::new();
        let Process {
            group,
            stdout,
            stderr,
            ..
        } = &mut self.process;
        let complaints = &self.complaints;
        let mut hearing = pin!(process::hear(
            stderr,
            |line| lock(complaints).hear(line),
            &never
        ));
        let mut reading = pin!(stdout.discard());
        let mut ending = pin!(group.program_ended());
        let mut read = false;
        loop {
            tokio::select! {
                () = &mut hearing, if !self.heard => self.heard = true,
                () = &mut reading, if !read => read = true,
                _ = &mut ending => return,
            }
        }
    }

    /// Ends it, and whatever it started, at once. May be dropped, and called again.
    pub async fn kill(&mut self) -> Gone {
        // What it complained of by now is still heard.
        self.process.group.kill();
        let (never, complaints) = (CancellationToken::new(), &self.complaints);
        let hear = |line: &[u8]| lock(complaints).hear(line);
        let hearing = process::hear(&mut self.process.stderr, hear, &never);
        let _ = timeout(LINGER, hearing).await;
        let status = self.process.kill().await;
        let complaints = lock(&self.complaints);
        let why = process::failure(status, &complaints);
        Gone {
            status: status.and_then(|status| status.code()),
            why: why.unwrap_or_else(|| "the agent ended".to_owned()),
            tail: complaints.last(),
        }
    }

    /// Asks it to end, and ends it if it does not.
    pub async fn stop(mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.stop().await;
    }
}

fn lock(complaints: &Mutex<Complaints>) -> MutexGuard<'_, Complaints> {
    complaints.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn read(
    stdout: &mut Lines<ChildStdout>,
    most: u64,
    over: &CancellationToken,
) -> Result<Bytes, Broken> {
    loop {
        if let Some(text) = stdout.before(COMPLETE.as_bytes()) {
            return Ok(text);
        }
        if stdout.waiting() > most {
            return Err(Broken::TooMuch);
        }
        if !stdout.more(over).await {
            return Err(Broken::Gone);
        }
    }
}
