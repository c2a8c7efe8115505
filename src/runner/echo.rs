//! The built-in agent: it thinks, uses a tool and answers with what it was told, always the same way.
//!
//! It needs no keys and starts no program, so every demo and test can run. Words of the prompt steer it,
//! in their order: `/sleep MS` pauses, `/slow MS` pauses before every word from then on, `/long N` says
//! N words, `/ask` asks for a permission and tells what was decided, `/hang` waits until it is stopped,
//! `/fail TEXT` fails with the rest of the line. With the permission mode `plan` it makes a plan only.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::{sync::mpsc, time::sleep};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Agent, Decision, Output, Prompt, Run, Usage, story::Story};

/// The model that it says it is.
const MODEL: &str = "echo";

/// What it plans, whatever it is asked.
const PLAN: &str = "1. Count the words\n2. Do as the prompt says\n3. Repeat it";

/// Characters of the prompt that are repeated.
const REPEATED: usize = 2_000;

/// The built-in agent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Echo;

impl Agent for Echo {
    fn start(&self, prompt: Prompt, stop: CancellationToken, tasks: &TaskTracker) -> Run {
        super::spawn(tasks, |says, decisions| async move {
            let mut telling = Telling::new(prompt, says.clone());
            let end = tokio::select! {
                biased;
                () = stop.cancelled() => Output::Stopped,
                () = says.closed() => Output::Stopped,
                end = telling.tell(decisions) => end,
            };
            telling.story.close(end, &says).await;
        })
    }
}

/// What a prompt asks for beside an answer.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Sleep(Duration),
    Slow(Duration),
    Long(u64),
    Ask,
    Hang,
    Fail(String),
}

/// The steps that a prompt names.
fn steps(prompt: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    for line in prompt.lines() {
        let mut words = line.split_whitespace();
        while let Some(word) = words.next() {
            let mut number = || words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
            let step = match word {
                "/sleep" => Step::Sleep(Duration::from_millis(number())),
                "/slow" => Step::Slow(Duration::from_millis(number())),
                "/long" => Step::Long(number()),
                "/ask" => Step::Ask,
                "/hang" => Step::Hang,
                "/fail" => Step::Fail(words.by_ref().collect::<Vec<_>>().join(" ")),
                _ => continue,
            };
            steps.push(step);
        }
    }
    steps
}

/// One answer.
struct Telling {
    prompt: Prompt,
    says: mpsc::Sender<Output>,
    story: Story,
    /// Before each word.
    pause: Duration,
    /// Words that were written.
    written: u64,
}

impl Telling {
    fn new(prompt: Prompt, says: mpsc::Sender<Output>) -> Self {
        Self {
            prompt,
            says,
            story: Story::default(),
            pause: Duration::ZERO,
            written: 0,
        }
    }

    /// Answers, and says how it ended.
    async fn tell(&mut self, mut decisions: mpsc::UnboundedReceiver<Decision>) -> Output {
        let words = self.prompt.text.split_whitespace().count();
        let characters = self.prompt.text.chars().count();
        let counted = format!("{words} words, {characters} characters");
        self.say(Output::Session {
            id: Some(format!("echo-{}", self.prompt.session)),
            model: Some(MODEL.to_owned()),
        })
        .await;
        if self.prompt.permission_mode.as_deref() == Some("plan") {
            self.stream(PLAN, Output::Text).await;
            return Output::Done;
        }
        let steps = steps(&self.prompt.text);
        if let Some(Step::Slow(pause)) = steps.first() {
            self.pause = *pause;
        }
        let thought = "Somebody wrote to me. I count what it is before I repeat it.";
        self.stream(thought, Output::Thinking).await;
        self.stream("Let me count the words.", Output::Text).await;
        let repeated: String = self.prompt.text.chars().take(REPEATED).collect();
        self.use_tool(&repeated, counted.clone()).await;
        for (index, step) in steps.into_iter().enumerate() {
            if let Err(why) = self.take(step, index, &mut decisions).await {
                return Output::Failed(why);
            }
        }
        let answer = format!("You wrote: {}\n\nThat is {counted}.", repeated.trim());
        self.stream(&answer, Output::Text).await;
        self.say(Output::Usage(Usage {
            input: u64::try_from(words).unwrap_or(u64::MAX),
            output: self.written,
            cost: None,
        }))
        .await;
        Output::Done
    }

    async fn use_tool(&mut self, text: &str, result: String) {
        let id = format!("echo-{}-count", self.prompt.task);
        self.say(Output::ToolStart {
            id: id.clone(),
            name: "count_words".to_owned(),
            input: json!({"text": text}),
        })
        .await;
        self.say(Output::ToolResult {
            id,
            content: Value::from(result),
            is_error: false,
        })
        .await;
    }

    /// Takes a step.
    ///
    /// # Errors
    /// What to fail with.
    async fn take(
        &mut self,
        step: Step,
        index: usize,
        decisions: &mut mpsc::UnboundedReceiver<Decision>,
    ) -> Result<(), String> {
        match step {
            Step::Sleep(time) => sleep(time).await,
            Step::Slow(pause) => self.pause = pause,
            Step::Long(count) => {
                for number in 1..=count {
                    self.word(format!("{number} "), Output::Text).await;
                }
            }
            Step::Ask => self.ask(index, decisions).await,
            Step::Hang => std::future::pending().await,
            Step::Fail(why) if why.is_empty() => return Err("the prompt said so".to_owned()),
            Step::Fail(why) => return Err(why),
        }
        Ok(())
    }

    async fn ask(&mut self, index: usize, decisions: &mut mpsc::UnboundedReceiver<Decision>) {
        let id = format!("echo-{}-ask-{index}", self.prompt.task);
        self.say(Output::Permission {
            id: id.clone(),
            tool: "answer".to_owned(),
            input: json!({"question": "May I go on?"}),
            tool_use: None,
        })
        .await;
        let decision = loop {
            match decisions.recv().await {
                Some(decision) if decision.id == id => break decision,
                Some(_) => {}
                // Nobody is left to decide.
                None => std::future::pending().await,
            }
        };
        let (may, reason) = (decision.allow, decision.reason);
        let decided = if may {
            "I may go on"
        } else {
            "I may not go on"
        };
        let because = reason.map_or_else(String::new, |reason| format!(": {reason}"));
        self.stream(&format!("{decided}{because}. "), Output::Text)
            .await;
    }

    /// Says a text word by word.
    async fn stream(&mut self, text: &str, part: fn(String) -> Output) {
        for word in text.split_inclusive(' ') {
            self.word(word.to_owned(), part).await;
        }
    }

    async fn word(&mut self, word: String, part: fn(String) -> Output) {
        if !self.pause.is_zero() {
            sleep(self.pause).await;
        }
        self.written += 1;
        self.say(part(word)).await;
        tokio::task::yield_now().await;
    }

    async fn say(&mut self, output: Output) {
        self.story.tell(output);
        self.story.send(&self.says).await;
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    /// Asks, and returns what was said; what it asks for is allowed.
    async fn told(text: &str, stop: CancellationToken) -> Vec<Output> {
        let tasks = TaskTracker::new();
        let prompt = Prompt {
            text: text.to_owned(),
            session: "s1".to_owned(),
            task: "t1".to_owned(),
            folder: PathBuf::from("/"),
            agent_session: None,
            model: None,
            permission_mode: None,
        };
        let mut run = Echo.start(prompt, stop.clone(), &tasks);
        let mut told = Vec::new();
        while let Some(output) = run.output.recv().await {
            if let Output::Permission { id, .. } = &output {
                let decision = |id: &str, reason: Option<&str>| Decision {
                    id: id.to_owned(),
                    allow: true,
                    reason: reason.map(str::to_owned),
                };
                run.decisions.send(decision("another", None)).unwrap();
                run.decisions.send(decision(id, Some("fine"))).unwrap();
            }
            if text.contains("/hang") && matches!(output, Output::ToolResult { .. }) {
                stop.cancel();
            }
            told.push(output);
        }
        tasks.close();
        tasks.wait().await;
        told
    }

    /// The texts of messages.
    fn messages(told: &[Output]) -> Vec<&str> {
        let contents = told.iter().filter_map(|output| match output {
            Output::Message(content) => content.as_array(),
            _ => None,
        });
        let texts = contents
            .flatten()
            .filter_map(|block| block["text"].as_str());
        texts.collect()
    }

    #[tokio::test]
    async fn answers_the_same_way_every_time() {
        let first = told("say hi", CancellationToken::new()).await;
        assert_eq!(first, told("say hi", CancellationToken::new()).await);
        let answer = "You wrote: say hi\n\nThat is 2 words, 6 characters.";
        assert_eq!(messages(&first), ["Let me count the words.", answer]);
        let kinds = first.iter().map(|output| match output {
            Output::Session { .. } => 's',
            Output::Thinking(_) => 't',
            Output::Thought => 'T',
            Output::Text(_) => 'x',
            Output::Message(_) => 'M',
            Output::ToolStart { .. } => 'u',
            Output::ToolResult { .. } => 'r',
            Output::Usage(_) => '$',
            Output::Done => '.',
            _ => '?',
        });
        let mut order: Vec<_> = kinds.collect();
        order.dedup();
        assert_eq!(order.iter().collect::<String>(), "stTxMurx$M.");
    }

    #[tokio::test]
    async fn does_as_it_is_told() {
        let failed = told(
            "/sleep 1 /slow 1\n/fail too bad\nmore",
            CancellationToken::new(),
        )
        .await;
        assert_eq!(failed.last(), Some(&Output::Failed("too bad".to_owned())));
        let asked = told("/ask", CancellationToken::new()).await;
        assert!(messages(&asked)[1].starts_with("I may go on: fine. You wrote"));
        let long = told("/long 1000", CancellationToken::new()).await;
        let parts = long
            .iter()
            .filter(|output| matches!(output, Output::Text(_)));
        assert!(parts.count() > 1_000);
        assert!(messages(&long)[1].starts_with("1 2 3 "));
    }

    #[tokio::test]
    async fn stops_when_it_is_told_to() {
        let stopped = told("/long 3 /hang", CancellationToken::new()).await;
        assert_eq!(stopped.last(), Some(&Output::Stopped));
        let before = CancellationToken::new();
        before.cancel();
        assert_eq!(told("hi", before).await, [Output::Stopped]);
    }
}
