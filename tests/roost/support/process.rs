//! The real binary as a child process, to be killed.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::{Arc, mpsc},
};

use tempfile::TempDir;

use super::databases::Fresh;

/// A daemon in a process of its own.
pub struct Process {
    child: Child,
    /// Goes last.
    _folder: Arc<TempDir>,
    /// `127.0.0.1:PORT`.
    pub address: String,
}

impl Process {
    /// Starts the binary and returns when it listens; port 0 takes a free one.
    pub fn start(database: &Fresh, port: u16, flags: &[&str]) -> Self {
        let mut child = command(database, port)
            .args(flags)
            .spawn()
            .expect("the binary");
        let stderr = child.stderr.take().expect("its log");
        let (found, address) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if let Some((_, address)) = line.split_once("listening on http://") {
                    let end = address.find('"').unwrap_or(address.len());
                    drop(found.send(address[..end].to_owned()));
                }
            }
        });
        let address = address
            .recv_timeout(super::DEADLINE)
            .expect("a daemon that listens");
        Self {
            child,
            _folder: Arc::clone(&database.folder),
            address,
        }
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.address
            .rsplit_once(':')
            .and_then(|(_, port)| port.parse().ok())
            .expect("a port")
    }

    /// The process's id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// `kill -TERM`; waits for the end and returns the exit code.
    pub fn terminate(&mut self) -> Option<i32> {
        let id = self.child.id().to_string();
        Command::new("kill")
            .args(["-TERM", &id])
            .status()
            .expect("kill");
        self.wait()
    }

    /// Waits for the end and returns the exit code.
    pub fn wait(&mut self) -> Option<i32> {
        self.child.wait().expect("an ended process").code()
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        self.child.kill().expect("a process to kill");
        self.child.wait().expect("a killed process");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Runs the binary to its end; its exit code and what it said.
pub fn run(database: &Fresh, port: u16, flags: &[&str]) -> (Option<i32>, String) {
    let output = command(database, port)
        .args(flags)
        .output()
        .expect("the binary");
    (
        output.status.code(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

fn command(database: &Fresh, port: u16) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_roost"));
    command
        .current_dir(database.folder.path())
        .env_clear()
        .args([
            "--listen",
            &format!("127.0.0.1:{port}"),
            "--database-url",
            &database.url,
        ])
        .args(["--log-format", "json"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}
