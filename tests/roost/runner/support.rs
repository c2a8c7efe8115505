//! Commands as agents, without a daemon.

use std::{fs, path::PathBuf, time::Duration};

use roost::runner::{
    Agent, Decision, Output, Prompt, Run,
    command::{Command, Input, Limits, Settings},
};
use serde_json::Value;
use tempfile::TempDir;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::support::{soon, until};

/// A command, and the folder that it works in.
pub struct Bench {
    agent: Command,
    pub folder: TempDir,
    pub tasks: TaskTracker,
    pub stop: CancellationToken,
}

/// What a command is run with, if nothing else is said.
pub fn settings(command: &str) -> Settings {
    Settings {
        command: command.to_owned(),
        input: Input::Text,
        hidden: Vec::new(),
        limits: Limits::default(),
    }
}

impl Bench {
    /// A shell command as an agent.
    pub fn new(command: &str) -> Self {
        Self::with(settings(command))
    }

    pub fn with(settings: Settings) -> Self {
        Self {
            agent: Command::new(settings),
            folder: TempDir::new().expect("a folder"),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        }
    }

    /// A prompt of the session.
    pub fn prompt(&self, text: &str) -> Prompt {
        Prompt {
            text: text.to_owned(),
            session: "session-1".to_owned(),
            task: "task-1".to_owned(),
            folder: self.folder.path().to_owned(),
            agent_session: None,
            model: None,
            permission_mode: None,
        }
    }

    /// Starts on a prompt, which the bench's `stop` ends.
    pub fn start(&self, prompt: Prompt) -> Run {
        self.start_with(prompt, self.stop.clone())
    }

    pub fn start_with(&self, prompt: Prompt, stop: CancellationToken) -> Run {
        self.agent.start(prompt, stop, &self.tasks)
    }

    /// Runs the command once, to its end.
    pub async fn run(self, text: &str) -> Vec<Output> {
        let run = self.start(self.prompt(text));
        let told = told(run).await;
        self.is_over().await;
        told
    }

    /// The process group that a script wrote down: `echo $$ > group`.
    pub async fn group(&self) -> i32 {
        let file = self.folder.path().join("group");
        let read = || fs::read_to_string(&file).ok()?.trim().parse().ok();
        until("the script's process group", async || read().is_some()).await;
        read().expect("a number")
    }

    /// Sees that no task is left.
    pub async fn is_over(&self) {
        self.tasks.close();
        soon("the end of all tasks", self.tasks.wait()).await;
    }
}

/// What is told to the end of a run.
pub async fn told(mut run: Run) -> Vec<Output> {
    let mut told = Vec::new();
    while let Some(output) = soon("more output", run.output.recv()).await {
        told.push(output);
    }
    let ends = told.iter().filter(|output| output.is_end()).count();
    assert!(
        ends == 1 && told.last().is_some_and(Output::is_end),
        "{told:?}"
    );
    told
}

/// The texts of messages.
pub fn messages(told: &[Output]) -> Vec<String> {
    let contents = told.iter().filter_map(|output| match output {
        Output::Message(content) => Some(content),
        _ => None,
    });
    let texts = contents.flat_map(|content| match content {
        Value::Array(blocks) => blocks.clone(),
        whole => vec![serde_json::json!({"text": whole})],
    });
    texts
        .filter_map(|block| block["text"].as_str().map(str::to_owned))
        .collect()
}

/// What viewers have read of a message that was not completed.
pub fn unfinished(told: &[Output]) -> String {
    let mut text = String::new();
    for output in told {
        match output {
            Output::Text(more) => text.push_str(more),
            Output::Message(_) | Output::Forget => text.clear(),
            _ => {}
        }
    }
    text
}

/// Why the run failed.
pub fn failure(told: &[Output]) -> &str {
    match told.last() {
        Some(Output::Failed(why)) => why,
        other => panic!("no failure: {other:?}"),
    }
}

pub fn allow(id: &str, allow: bool, reason: Option<&str>) -> Decision {
    Decision {
        id: id.to_owned(),
        allow,
        reason: reason.map(str::to_owned),
    }
}

/// Processes of a group that still run. Those that ended do not count, unless they are the daemon's to take away.
pub fn running(group: i32) -> Vec<String> {
    let own = std::process::id().to_string();
    let stats = fs::read_dir("/proc").expect("/proc").flatten();
    let stats = stats.filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok());
    let alive = |stat: &String| {
        // pid (name) state ppid pgrp …; the name may hold anything.
        let fields: Vec<_> = stat.rsplit_once(')').map_or_else(Vec::new, |(_, rest)| {
            rest.split_whitespace().take(3).collect()
        });
        let [state, parent, of] = fields[..] else {
            return false;
        };
        of == group.to_string() && (!matches!(state, "Z" | "X") || parent == own)
    };
    stats.filter(alive).collect()
}

/// Sees that nothing of a group is left.
pub async fn is_gone(group: i32) {
    until("the end of the group", async || running(group).is_empty()).await;
}

/// Limits that a test reaches.
pub fn limits(change: impl FnOnce(&mut Limits)) -> Limits {
    let mut limits = Limits {
        time: Duration::from_secs(60),
        ..Limits::default()
    };
    change(&mut limits);
    limits
}

/// A file of the repository.
pub fn file(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}
