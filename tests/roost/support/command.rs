//! The binary as an operator runs it: a command that ends.

use std::{
    io::Write,
    process::{Command, Output, Stdio},
};

use serde_json::Value;

use super::databases::Fresh;

/// A command that ran.
pub struct Ran {
    /// Its exit code.
    pub code: Option<i32>,
    /// What it printed.
    pub out: String,
    /// What it said beside that.
    pub err: String,
}

impl Ran {
    /// What it printed; panics unless it succeeded.
    pub fn printed(&self) -> &str {
        assert_eq!(self.code, Some(0), "{}", self.err);
        self.out.trim_end()
    }

    /// What it printed, as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(self.printed()).expect("JSON")
    }

    /// Its complaint; panics unless it failed without a word on its output.
    pub fn complaint(&self) -> &str {
        assert_eq!(
            (self.code, self.out.as_str()),
            (Some(1), ""),
            "{}",
            self.err
        );
        self.err.trim_end()
    }
}

/// Runs the command with these variables and this input.
pub fn roost(database: &Fresh, env: &[(&str, &str)], input: &str, arguments: &str) -> Ran {
    let mut child = Command::new(env!("CARGO_BIN_EXE_roost"))
        .current_dir(database.folder.path())
        .env_clear()
        .env("DATABASE_URL", &database.url)
        // Nobody listens there, whatever runs on this machine.
        .env("LISTEN", "127.0.0.1:1")
        .envs(env.iter().copied())
        .args(arguments.split(' '))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary");
    let mut stdin = child.stdin.take().expect("its input");
    // A command that reads nothing may be gone already.
    drop(stdin.write_all(input.as_bytes()));
    drop(stdin);
    let Output {
        status,
        stdout,
        stderr,
    } = child.wait_with_output().expect("its end");
    Ran {
        code: status.code(),
        out: String::from_utf8(stdout).expect("text"),
        err: String::from_utf8(stderr).expect("text"),
    }
}
