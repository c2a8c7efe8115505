//! One running process of a target, with a database of its own in a temporary folder.

use std::{
    collections::VecDeque,
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, ChildStderr, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::{Result, target::Target};

/// Time a daemon has to start.
const START: Duration = Duration::from_secs(30);

/// Lines of standard error that are shown if it does not start.
const SHOWN: usize = 20;

/// Clock ticks a second in `/proc`: the same on every architecture that Linux runs on today.
const TICKS: f64 = 100.0;

/// A running daemon; it ends when this is dropped.
pub(crate) struct Daemon {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Time from the start to the line that says it listens.
    pub(crate) start_up: Duration,
    child: Child,
    // Dropped last: the folder goes when the process is gone.
    _folder: TempDir,
}

impl Daemon {
    /// Starts a target on an empty database, with further arguments, and waits until it listens.
    pub(crate) fn start(target: &Target, further: &[&str]) -> Result<Self> {
        let folder = TempDir::with_prefix("roost-bench-")?;
        let mut command = Command::new(&target.program);
        command
            .args((target.arguments)(&folder.path().join("bench.db")))
            .args(further)
            // Settings come from the arguments alone.
            .env_clear()
            .envs(
                std::env::vars()
                    .filter(|(name, _)| matches!(name.as_str(), "PATH" | "HOME" | "LANG")),
            )
            .envs([("NO_COLOR", "1"), ("NODE_ENV", "production")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let started = Instant::now();
        let mut child = command
            .spawn()
            .map_err(|error| format!("{} cannot be started: {error}", target.program.display()))?;
        let stderr = child.stderr.take().ok_or("no standard error to read")?;
        let listening = listening(stderr, target.ready);
        let mut daemon = Self {
            address: ([0, 0, 0, 0], 0).into(),
            start_up: START,
            child,
            _folder: folder,
        };
        let (address, at) = listening
            .recv_timeout(START)
            .map_err(|_| "it did not say where it listens")??;
        daemon.address = address.parse()?;
        daemon.start_up = at - started;
        Ok(daemon)
    }

    /// Processor time that it has used, in seconds, to a hundredth.
    pub(crate) fn cpu(&self) -> Result<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The name, in parentheses, may hold blanks; utime and stime are the 12th and 13th after it.
        let (_, fields) = stat
            .rsplit_once(") ")
            .ok_or("an unreadable /proc/PID/stat")?;
        let ticks = fields
            .split(' ')
            .skip(11)
            .take(2)
            .map(str::parse::<f64>)
            .sum::<std::result::Result<f64, _>>()?;
        Ok(ticks / TICKS)
    }

    /// Memory of its own, in KiB: anonymous and resident, so without the files that it maps.
    pub(crate) fn memory(&self) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("RssAnon:"))
            .ok_or("no RssAnon in /proc/PID/status")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // If it is gone already, so much the better.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Reads standard error to its end, and tells the address and when it was said, or why not.
fn listening(
    stderr: ChildStderr,
    ready: &'static str,
) -> mpsc::Receiver<Result<(String, Instant)>> {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let mut last = VecDeque::new();
        for line in BufReader::new(stderr)
            .lines()
            .map_while(std::io::Result::ok)
        {
            if let Some((_, address)) = line.split_once(ready) {
                // The line may be JSON. A daemon that says it twice is ready at the first.
                let address = address.split('"').next().unwrap_or_default().trim();
                drop(tell.send(Ok((address.to_owned(), Instant::now()))));
            }
            if last.len() == SHOWN {
                last.pop_front();
            }
            last.push_back(line);
        }
        let lines = last.make_contiguous().join("\n");
        drop(tell.send(Err(format!("it ended:\n{lines}").into())));
    });
    told
}
