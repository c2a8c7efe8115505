//! An agent's process: how it is started, what it is told, and how it ends with all that it started.

use std::{
    io, os::unix::process::ExitStatusExt, process::ExitStatus, process::Stdio, time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    io::AsyncWriteExt,
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command},
    sync::mpsc,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::{
    Decision, Prompt,
    command::{Input, Settings},
    complaints::Complaints,
    reader::{Lines, Piece},
};
use crate::core::group::Group;

/// Time that an agent has to end which was asked to.
const MANNERS: Duration = Duration::from_secs(3);

/// Time that an agent has to end by itself when it said that it is done: it may still write down its session.
const LEAVE: Duration = Duration::from_secs(5);

/// Time that the system has to take a killed process away.
const BURIAL: Duration = Duration::from_secs(2);

/// Bytes of a line of standard error.
const COMPLAINT: usize = 16 * 1024;

/// A process that runs, and those that it started. Dropped, they are killed.
pub(super) struct Process {
    /// Dropped before the child is taken away.
    pub(super) group: Group,
    child: Child,
    pub(super) stdin: Option<ChildStdin>,
    pub(super) stdout: Lines<ChildStdout>,
    pub(super) stderr: Lines<ChildStderr>,
}

impl Process {
    /// Starts the command for a prompt.
    ///
    /// # Errors
    /// A sentence that says why it cannot be started.
    pub(super) async fn start(settings: &Settings, prompt: &Prompt) -> Result<Self, String> {
        let folder = tokio::fs::metadata(&prompt.folder).await;
        if !folder.is_ok_and(|folder| folder.is_dir()) {
            return Err("the folder that the agent would work in does not exist".to_owned());
        }
        let mut child = command(settings, prompt)
            .spawn()
            .map_err(|error| unstarted(&error))?;
        let group = Group::of(&child);
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (stdin, Some(stdout), Some(stderr)) = pipes else {
            return Err("the agent could not be started: it has no pipes".to_owned());
        };
        Ok(Self {
            group,
            child,
            stdin,
            stdout: Lines::new(stdout, settings.limits.line),
            stderr: Lines::new(stderr, COMPLAINT),
        })
    }

    /// Its id, as long as it was not taken away.
    pub(super) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Lets it end by itself for a while, since it said that it is done; then, or when it is told that this
    /// is enough, stops it.
    pub(super) async fn leave(mut self, enough: impl Future<Output = ()>) -> Option<ExitStatus> {
        let by_itself = tokio::select! {
            ended = timeout(LEAVE, self.ended()) => ended.is_ok(),
            () = enough => false,
        };
        if by_itself {
            self.kill().await
        } else {
            self.stop().await
        }
    }

    /// Asks it to end, and ends it if it does not.
    pub(super) async fn stop(mut self) -> Option<ExitStatus> {
        self.group.terminate();
        drop(timeout(MANNERS, self.ended()).await);
        self.kill().await
    }

    /// Ends it, and whatever it started. Returns how it ended, if it could be taken away. May be dropped, and
    /// called again.
    pub(super) async fn kill(&mut self) -> Option<ExitStatus> {
        self.group.kill();
        // What cannot be killed now is taken away when it can.
        let status = timeout(BURIAL, self.child.wait()).await.ok()?.ok()?;
        self.group.ended();
        Some(status)
    }

    /// Done when it ended. Its output is read and forgotten: it must not wait for that.
    async fn ended(&mut self) {
        let reading = async { tokio::join!(self.stdout.discard(), self.stderr.discard()) };
        let ended = self.group.program_ended();
        tokio::pin!(ended);
        // What cannot be watched is ended.
        let _ = tokio::select! {
            ended = &mut ended => ended,
            // Both are at their end.
            _ = reading => ended.await,
        };
    }
}

fn command(settings: &Settings, prompt: &Prompt) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", &settings.command]);
    command.current_dir(&prompt.folder);
    for name in &settings.hidden {
        command.env_remove(name);
    }
    let variables = [
        ("ROOST_SESSION_ID", Some(&prompt.session)),
        (
            "ROOST_TASK_ID",
            Some(&prompt.task).filter(|task| !task.is_empty()),
        ),
        ("AGENT_SESSION", prompt.agent_session.as_ref()),
        ("AGENT_MODEL", prompt.model.as_ref()),
        ("AGENT_PERMISSION_MODE", prompt.permission_mode.as_ref()),
    ];
    for (name, value) in variables {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    command
}

fn unstarted(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "the agent could not be started: there is no `sh`".to_owned(),
        _ => format!("the agent could not be started: {error}"),
    }
}

/// Tells a process its prompt, and what is decided; done when it needs to hear no more.
///
/// A process that does not listen holds up nobody.
pub(super) async fn feed(
    stdin: Option<ChildStdin>,
    input: Input,
    prompt: &Prompt,
    decisions: &mut mpsc::UnboundedReceiver<Decision>,
) {
    let Some(mut stdin) = stdin else { return };
    // It may have closed its input.
    if input == Input::Text {
        let _ = stdin.write_all(prompt.text.as_bytes()).await;
        return;
    }
    let first = json!({
        "type": "prompt",
        "text": prompt.text,
        "session": prompt.session,
        "task": prompt.task,
        "agent_session": prompt.agent_session,
        "model": prompt.model,
        "permission_mode": prompt.permission_mode,
    });
    let mut open = say(&mut stdin, &first).await;
    while open {
        let Some(decision) = decisions.recv().await else {
            // Nobody decides any more, but the input stays open until the end.
            return std::future::pending().await;
        };
        let line = json!({
            "type": "permission",
            "id": decision.id,
            "allow": decision.allow,
            "reason": decision.reason,
        });
        open = say(&mut stdin, &line).await;
    }
}

/// Writes a line; whether it was taken.
pub(super) async fn say(stdin: &mut ChildStdin, line: &Value) -> bool {
    stdin
        .write_all(format!("{line}\n").as_bytes())
        .await
        .is_ok()
}

/// Hears a process's standard error to its end.
pub(super) async fn hear(
    stderr: &mut Lines<ChildStderr>,
    complaints: impl Fn(&[u8]),
    over: &CancellationToken,
) {
    loop {
        while let Some(Piece::Line(line) | Piece::Part(line)) = stderr.ready() {
            complaints(&line);
        }
        if !stderr.more(over).await {
            break;
        }
    }
    if let Some(line) = stderr.rest() {
        complaints(&line);
    }
}

/// Why a process failed that ended like this; nothing if it did not fail.
pub(super) fn failure(status: Option<ExitStatus>, complaints: &Complaints) -> Option<String> {
    if status.is_some_and(|status| status.success()) {
        return None;
    }
    let code = status.and_then(|status| status.code());
    let signal = status.and_then(|status| status.signal());
    let how = match (code, signal) {
        (Some(code), _) => format!("the agent ended with exit status {code}"),
        (_, Some(signal)) => format!("the agent was ended by signal {signal}"),
        _ => "the agent ended, nobody knows how".to_owned(),
    };
    let why = complaints.last();
    Some(if why.is_empty() {
        how
    } else {
        format!("{how}: {why}")
    })
}
