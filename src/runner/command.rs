//! A child process for each prompt (docs/agents.md).

use std::{
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    process::ChildStdout,
    sync::{Semaphore, SemaphorePermit, mpsc},
    time::{Instant, sleep, sleep_until},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Agent, Decision, Output, Prompt, Run,
    complaints::Complaints,
    process::{self, Process},
    reader::{Lines, Piece},
    transcript::Transcript,
};

/// Time that those have whom a process leaves behind, and who hold its output open.
const LINGER: Duration = Duration::from_secs(1);

/// How agents are run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What `sh -c` is given.
    pub command: String,
    /// How the agent is told its prompt.
    pub input: Input,
    /// Variables of the daemon's environment that the agent does not see.
    pub hidden: Vec<String>,
    /// What the agent may take.
    pub limits: Limits,
}

/// What an agent reads on its standard input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// The prompt's text, and the end.
    Text,
    /// JSON objects, one a line: the prompt, then what is decided on its questions. Open to the end.
    Lines,
}

/// What an agent may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Time that a run may take.
    pub time: Duration,
    /// Bytes that a run may print.
    pub output: u64,
    /// Bytes that a line may have.
    pub line: usize,
    /// Runs at a time; more wait.
    pub runs: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(60 * 60),
            output: 64 * 1024 * 1024,
            line: 8 * 1024 * 1024,
            runs: 64,
        }
    }
}

/// Runs a command for each prompt.
#[derive(Clone, Debug)]
pub struct Command {
    settings: Arc<Settings>,
    /// Runs that may begin.
    places: Arc<Semaphore>,
}

impl Command {
    /// An agent that runs this command.
    pub fn new(settings: Settings) -> Self {
        let places = settings.limits.runs.min(Semaphore::MAX_PERMITS);
        Self {
            settings: Arc::new(settings),
            places: Arc::new(Semaphore::new(places)),
        }
    }
}

impl Agent for Command {
    fn start(&self, prompt: Prompt, stop: CancellationToken, tasks: &TaskTracker) -> Run {
        let agent = self.clone();
        super::spawn(tasks, |says, decisions| async move {
            let mut transcript = Transcript::new(agent.settings.input == Input::Lines);
            let end = tokio::select! {
                biased;
                () = stop.cancelled() => Output::Stopped,
                () = says.closed() => Output::Stopped,
                place = agent.places.acquire() => {
                    let attendance = Attendance {
                        settings: &agent.settings,
                        prompt: &prompt,
                        says: &says,
                        complaints: Mutex::new(Complaints::new(&prompt.session, &prompt.task)),
                    };
                    attendance.attend(&mut transcript, decisions, &stop, place.ok()).await
                }
            };
            transcript.story.close(end, &says).await;
        })
    }
}

/// How a process's part in a run is over.
enum Ending {
    /// It said how.
    Told,
    /// It ended, and nothing is left of its output.
    Gone,
    /// It must end, for this reason.
    Cut(String),
    /// It took too long.
    Late,
    /// It was stopped, or nobody watches any more.
    Stopped,
}

/// One run.
struct Attendance<'a> {
    settings: &'a Settings,
    prompt: &'a Prompt,
    says: &'a mpsc::Sender<Output>,
    /// Held for a line at a time.
    complaints: Mutex<Complaints>,
}

impl Attendance<'_> {
    /// Runs the command to its end, and nothing is left of it. Returns how it ended, if it does not say so itself.
    ///
    /// A program that said its end gives its place back: what it still does is not worth waiting for.
    async fn attend(
        &self,
        transcript: &mut Transcript,
        mut decisions: mpsc::UnboundedReceiver<Decision>,
        stop: &CancellationToken,
        place: Option<SemaphorePermit<'_>>,
    ) -> Output {
        let mut process = match Process::start(self.settings, self.prompt).await {
            Ok(process) => process,
            Err(why) => return Output::Failed(why),
        };
        let stopped = async || {
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.says.closed() => {}
            }
        };
        let time = self.settings.limits.time;
        let ending = tokio::select! {
            biased;
            () = stopped() => Ending::Stopped,
            () = sleep(time) => Ending::Late,
            ending = self.converse(&mut process, transcript, &mut decisions) => ending,
        };
        let status = match ending {
            Ending::Told => {
                drop(place);
                process.leave(stopped()).await
            }
            Ending::Stopped | Ending::Late => process.stop().await,
            Ending::Gone | Ending::Cut(_) => process.kill().await,
        };
        match ending {
            Ending::Gone => process::failure(status, &self.complaints())
                .map_or_else(|| transcript.end(), Output::Failed),
            Ending::Told => Output::Done,
            Ending::Cut(why) => Output::Failed(why),
            Ending::Late => {
                let seconds = time.as_secs_f64();
                Output::Failed(format!("the agent took longer than {seconds} seconds"))
            }
            Ending::Stopped => Output::Stopped,
        }
    }

    /// Tells the process its prompt and takes what it says, until it said its end or ended.
    async fn converse(
        &self,
        process: &mut Process,
        transcript: &mut Transcript,
        decisions: &mut mpsc::UnboundedReceiver<Decision>,
    ) -> Ending {
        let over = CancellationToken::new();
        let Process {
            group,
            stdin,
            stdout,
            stderr,
            ..
        } = process;
        let hear = |line: &[u8]| self.complaints().hear(line);
        let mut reading = pin!(self.read(stdout, transcript, &over));
        let mut hearing = pin!(process::hear(stderr, hear, &over));
        let mut feeding = pin!(process::feed(
            stdin.take(),
            self.settings.input,
            self.prompt,
            decisions
        ));
        let mut ending = pin!(group.program_ended());
        let mut lingering = pin!(sleep_until(Instant::now()));
        let (mut read, mut heard, mut fed, mut ended) = (false, false, false, false);
        loop {
            if ended && read && heard {
                return Ending::Gone;
            }
            tokio::select! {
                ending = &mut reading, if !read => match ending {
                    Some(ending) => return ending,
                    None => read = true,
                },
                () = &mut hearing, if !heard => heard = true,
                () = &mut feeding, if !fed => fed = true,
                looked = &mut ending, if !ended => match looked {
                    Ok(()) => {
                        ended = true;
                        lingering.as_mut().reset(Instant::now() + LINGER);
                    }
                    Err(error) => return Ending::Cut(format!("the agent cannot be waited for: {error}")),
                },
                // Those whom it left behind hold its output open. What they said by now is still read.
                () = &mut lingering, if ended && !over.is_cancelled() => {
                    group.kill();
                    over.cancel();
                }
            }
        }
    }

    /// Takes what the process prints, to the end of it.
    async fn read(
        &self,
        stdout: &mut Lines<ChildStdout>,
        transcript: &mut Transcript,
        over: &CancellationToken,
    ) -> Option<Ending> {
        let limits = &self.settings.limits;
        loop {
            let mut too_long = false;
            while let Some(piece) = stdout.ready() {
                match piece {
                    Piece::Line(line) => transcript.line(&line, &mut self.complaints()),
                    Piece::Part(_) => too_long = true,
                }
                if too_long || transcript.story.is_over() {
                    break;
                }
            }
            transcript.story.send(self.says).await;
            if transcript.story.is_over() {
                return Some(Ending::Told);
            }
            if too_long {
                let most = limits.line;
                let why = format!("the agent printed a line of more than {most} bytes");
                return Some(Ending::Cut(why));
            }
            if !stdout.more(over).await {
                break;
            }
            if stdout.read > limits.output {
                let most = limits.output;
                let why = format!("the agent printed more than {most} bytes");
                return Some(Ending::Cut(why));
            }
        }
        if let Some(line) = stdout.rest() {
            transcript.line(&line, &mut self.complaints());
            transcript.story.send(self.says).await;
        }
        transcript.story.is_over().then_some(Ending::Told)
    }

    fn complaints(&self) -> MutexGuard<'_, Complaints> {
        self.complaints
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
