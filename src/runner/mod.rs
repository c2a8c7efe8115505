//! Who executes a prompt: a child process, or the built-in echo agent.
//!
//! An agent says what happens as a stream of [`Output`]; it calls no service and knows no record.
//! docs/agents.md tells how to plug one in.
//!
//! # Layout
//! - [`echo`]: the built-in agent
//! - [`kept`]: a child process that is kept over turns
//! - [`command`]: a child process per prompt; `process` starts and ends it, `reader` takes its lines,
//!   `transcript` understands them (`lines` our format, `claude` Claude Code's)
//! - `story`: what every agent says, in the order that [`Output`] promises

pub mod command;
pub mod echo;
pub mod kept;

mod claude;
mod complaints;
mod lines;
mod process;
mod reader;
mod story;
mod transcript;

use std::{panic::AssertUnwindSafe, path::PathBuf, sync::Arc};

use futures_util::FutureExt;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Outputs that wait until whoever watches the run takes them; then the agent waits.
pub const WAITING: usize = 64;

/// Executes prompts.
pub trait Agent: Send + Sync + 'static {
    /// Starts on a prompt. Its tasks are spawned on the tracker and end soon after `stop` is cancelled.
    fn start(&self, prompt: Prompt, stop: CancellationToken, tasks: &TaskTracker) -> Run;
}

/// An agent, shared.
pub type SharedAgent = Arc<dyn Agent>;

/// What an agent is asked.
#[derive(Clone, Debug)]
pub struct Prompt {
    /// What is asked.
    pub text: String,
    /// The session and the task that it belongs to.
    pub session: String,
    /// The task.
    pub task: String,
    /// Where the agent works; an absolute path.
    pub folder: PathBuf,
    /// What the agent called its own session when it worked for this session last.
    pub agent_session: Option<String>,
    /// The model that is wished for.
    pub model: Option<String>,
    /// What the agent may do without asking, in its own words.
    pub permission_mode: Option<String>,
}

/// A run that goes on.
pub struct Run {
    /// What happens, in order; the last one [ends](Output::is_end) the run, and nothing is left of it.
    pub output: mpsc::Receiver<Output>,
    /// What was decided on what the agent asked for.
    pub decisions: mpsc::UnboundedSender<Decision>,
}

/// What happens in a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// What the agent calls its session, and the model that it uses.
    Session {
        /// The agent's own id, passed back with the session's next prompt.
        id: Option<String>,
        /// The model.
        model: Option<String>,
    },
    /// Some more of a thought.
    Thinking(String),
    /// The thought is complete.
    Thought,
    /// Some more of the text that the next [`Message`](Self::Message) says as a whole.
    Text(String),
    /// The text that grew is no message: it was none of the agent's, or is begun anew.
    Forget,
    /// What the agent said: a text, or a list of blocks (`text`, `thinking`, `tool_use`, …).
    Message(Value),
    /// A tool is being used.
    ToolStart {
        /// The use's id.
        id: String,
        /// The tool's name.
        name: String,
        /// What it is given.
        input: Value,
    },
    /// A tool is done.
    ToolResult {
        /// The use's id.
        id: String,
        /// What it gave: a text, or a list of blocks.
        content: Value,
        /// Whether it failed.
        is_error: bool,
    },
    /// The agent asks whether it may use a tool, and waits for the [`Decision`].
    Permission {
        /// The question's id.
        id: String,
        /// The tool's name.
        tool: String,
        /// What it would be given.
        input: Value,
        /// The use's id, if it has one already.
        tool_use: Option<String>,
    },
    /// What was used so far in this run.
    Usage(Usage),
    /// The agent is done.
    Done,
    /// The agent failed, with a sentence that says why. The text that grew until then is all there is of
    /// its message.
    Failed(String),
    /// The run was stopped.
    Stopped,
}

impl Output {
    /// Whether it is a run's last.
    pub const fn is_end(&self) -> bool {
        matches!(self, Self::Done | Self::Failed(_) | Self::Stopped)
    }
}

/// What a run used, as the agent counts it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// Tokens read.
    pub input: u64,
    /// Tokens written.
    pub output: u64,
    /// What it cost, in US dollars.
    pub cost: Option<f64>,
}

/// What was decided on what an agent asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The question's id.
    pub id: String,
    /// Whether it may.
    pub allow: bool,
    /// Why.
    pub reason: Option<String>,
}

/// Spawns a run, which says its end itself.
fn spawn<F>(
    tasks: &TaskTracker,
    work: impl FnOnce(mpsc::Sender<Output>, mpsc::UnboundedReceiver<Decision>) -> F,
) -> Run
where
    F: Future<Output = ()> + Send + 'static,
{
    let (says, output) = mpsc::channel(WAITING);
    let (decisions, decided) = mpsc::unbounded_channel();
    let work = work(says.clone(), decided);
    tasks.spawn(async move {
        if AssertUnwindSafe(work).catch_unwind().await.is_err() {
            // The panic has been logged; whoever watches must not wait for ever.
            let end =
                Output::Failed("the agent's run broke off by a fault of the daemon".to_owned());
            drop(says.send(end).await);
        }
    });
    Run { output, decisions }
}
