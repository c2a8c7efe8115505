//! Follows a run: what the agent says becomes messages, events and deltas.

mod planning;

use std::{mem::replace, sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{
    PREVIEW, Runs,
    asking::Question,
    begin::{Course, Started},
    clean,
    ending::Ended,
    gathering::Gathering,
    plans, start,
    telling::Telling,
};
use crate::{
    core::turn::Turn,
    error::{Error, Kind, Result},
    runner::{Output, Prompt, Usage},
    store::{Store, lane::Work},
};

/// Time before a write that failed for now is tried again.
pub(super) const AGAIN: Duration = Duration::from_secs(1);

/// A run that is followed.
struct Watch {
    runs: Arc<Runs>,
    store: Store,
    started: Started,
    telling: Telling,
    gathering: Gathering,
    tools: u64,
    model: Option<String>,
    usage: Option<Usage>,
    /// What was used before the agent began anew.
    spent: Usage,
    /// What the agent said last.
    said: String,
    /// Whether the agent asked for its plan's approval by itself.
    has_planned: bool,
    /// Why the run had to be given up.
    trouble: Option<Error>,
}

impl Runs {
    /// Follows a run to its end, and those that wait behind it.
    pub(super) async fn watch(self: Arc<Self>, started: Started, store: Store) {
        let mut next = Some(started);
        while let Some(started) = next.take() {
            let watch = Watch::new(Arc::clone(&self), started, store.clone());
            let session = watch.started.prompt.session.clone();
            if watch.follow().await {
                next = self.go_on(&session, &store).await;
            }
        }
    }
}

impl Watch {
    fn new(runs: Arc<Runs>, started: Started, store: Store) -> Self {
        let prompt = &started.prompt;
        let (session, task) = (prompt.session.clone(), prompt.task.clone());
        Self {
            gathering: Gathering::new(&runs, store.clone(), task.clone()),
            telling: Telling::new(
                Arc::clone(&runs),
                store.clone(),
                session,
                task,
                started.streams,
            ),
            runs,
            store,
            started,
            tools: 0,
            model: None,
            usage: None,
            spent: Usage::default(),
            said: String::new(),
            has_planned: false,
            trouble: None,
        }
    }

    /// Follows the run to its end; whether what waits behind it may begin.
    async fn follow(mut self) -> bool {
        let end = match replace(&mut self.started.course, Course::Do) {
            Course::Do => {
                let prompt = self.started.prompt.clone();
                let said = prompt.text.clone();
                self.execute(prompt, said).await
            }
            Course::Plan => self.plan().await,
            Course::Decide(waiting) => self.decide(waiting).await,
        };
        // The daemon that comes back says what became of it.
        match end {
            Some(end) => self.finish(end).await,
            None => false,
        }
    }

    /// Has the agent execute a prompt, of which viewers are told what is said; how it ended, `None` if the
    /// daemon stops.
    async fn execute(&mut self, prompt: Prompt, said: String) -> Option<Output> {
        let asked = self.say("user", "user", json!(said), None);
        if let Err(error) = asked.await {
            self.give_up(error);
        }
        let stop = self.started.stop.clone();
        let mut run = self
            .runs
            .agent
            .start(prompt, stop.clone(), &self.runs.tracker);
        self.note(|active| active.decisions = Some(run.decisions));
        let stopping = self.runs.stopping.clone();
        let mut end = Output::Stopped;
        loop {
            let output = tokio::select! {
                output = run.output.recv() => output,
                () = stopping.cancelled(), if !stop.is_cancelled() => {
                    stop.cancel();
                    continue;
                }
            };
            let Some(output) = output else { break };
            if output.is_end() {
                end = output;
                break;
            }
            if let Err(error) = self.take(output).await {
                self.give_up(error);
            }
        }
        (!stopping.is_cancelled()).then_some(end)
    }

    /// Ends a run whose records cannot be written: its session is gone, or says why it failed.
    fn give_up(&mut self, error: Error) {
        if error.kind() != Kind::NotFound && !self.started.stop.is_cancelled() {
            tracing::warn!(%error, "a run could not be followed");
            self.trouble.get_or_insert(error);
        }
        self.started.stop.cancel();
    }

    /// Makes of an output what it stands for.
    async fn take(&mut self, output: Output) -> Result<()> {
        match output {
            Output::Session { id, model } => self.meet(id, model).await,
            Output::Thinking(chunk) => self.telling.think(&chunk).await,
            Output::Thought => self.telling.thought().await,
            Output::Text(chunk) => {
                self.gathering.words(&chunk).await;
                self.telling.text(&chunk).await
            }
            Output::Forget => self.telling.forget().await,
            Output::Message(content) => self.hear(content).await,
            Output::ToolStart { id, name, .. } => {
                self.tools += 1;
                let what = json!({"tool_use_id": id, "tool_name": name});
                self.publish("tasks", "tool:start", what).await
            }
            Output::ToolResult {
                id,
                content,
                is_error,
            } => {
                self.gathering.made(preview(&content)).await;
                let mut result =
                    json!({"type": "tool_result", "tool_use_id": id, "content": content});
                if is_error {
                    result["is_error"] = json!(true);
                }
                self.say("user", "user", json!([result]), None).await?;
                let what = json!({"tool_use_id": id});
                self.publish("tasks", "tool:complete", what).await
            }
            Output::Permission {
                id,
                tool,
                input,
                tool_use,
            } => {
                self.has_planned |= plans::asked(&input).is_some();
                let question = Question {
                    id,
                    tool,
                    input,
                    tool_use,
                };
                self.ask(question).await
            }
            Output::Usage(usage) => {
                self.usage = Some(usage);
                Ok(())
            }
            Output::Done | Output::Failed(_) | Output::Stopped => Ok(()),
        }
    }

    /// Stores what the agent said.
    async fn hear(&mut self, content: Value) -> Result<()> {
        let grown = self.telling.complete(None).await?;
        self.said = preview(&content);
        if grown.is_none() {
            self.gathering.words(&self.said).await;
        }
        let id = grown.map(|(id, _)| id.to_string());
        self.say("assistant", "assistant", content, id).await
    }

    /// Notes what the agent calls its session, and what model it uses.
    async fn meet(&mut self, id: Option<String>, model: Option<String>) -> Result<()> {
        let runs = Arc::clone(&self.runs);
        let prompt = self.started.prompt.clone();
        let (id, model) = (id.as_deref().map(clean), model.as_deref().map(clean));
        let news = model.filter(|model| self.model.as_ref() != Some(model));
        let id = id.filter(|id| prompt.agent_session.as_ref() != Some(id));
        if id.is_none() && news.is_none() {
            return Ok(());
        }
        self.model = news.clone().or_else(|| self.model.take());
        if id.is_some() {
            self.started.prompt.agent_session.clone_from(&id);
        }
        self.write(async move |work: &mut Work<'_>| {
            if let Some(model) = news {
                let model = json!({"model": model});
                runs.tasks.patch(&prompt.task, model, work).await?;
            }
            if let Some(id) = id {
                let id = json!({"sdk_session_id": id});
                runs.sessions.patch(&prompt.session, id, work).await?;
            }
            Ok(())
        })
        .await
    }

    /// Creates a message.
    async fn say(
        &self,
        kind: &'static str,
        role: &'static str,
        content: Value,
        id: Option<String>,
    ) -> Result<()> {
        let prompt = &self.started.prompt;
        let id = id.unwrap_or_else(|| self.telling.new_id().to_string());
        let mut message = json!({
            "message_id": id,
            "session_id": prompt.session,
            "task_id": prompt.task,
            "type": kind,
            "role": role,
            "content_preview": start(&preview(&content), PREVIEW),
            "content": content,
        });
        let tools = tool_uses(&message["content"]);
        if !tools.is_empty() {
            message["tool_uses"] = Value::Array(tools);
        }
        if let Some(model) = self.model.as_ref().filter(|_| role == "assistant") {
            message["metadata"] = json!({"model": model});
        }
        let runs = Arc::clone(&self.runs);
        let created = self
            .write(async move |work: &mut Work<'_>| {
                runs.messages.create(message, work).await.map(drop)
            })
            .await;
        stored(created)
    }

    /// Asks people whether the agent may use a tool.
    async fn ask(&mut self, question: Question) -> Result<()> {
        // What was said before is told as a whole by the message that uses the tool.
        self.telling.complete(None).await?;
        let message = self.telling.new_id().to_string();
        self.note(|active| {
            active
                .questions
                .insert(question.id.clone(), message.clone());
        });
        let runs = Arc::clone(&self.runs);
        let (session, task) = (
            self.started.prompt.session.clone(),
            self.started.prompt.task.clone(),
        );
        let put = self.write(async move |work: &mut Work<'_>| {
            let of = [session.as_str(), task.as_str()];
            runs.put(&question, &message, of, work).await
        });
        stored(put.await)
    }

    /// Publishes something that happened in the run.
    async fn publish(&self, source: &'static str, name: &'static str, what: Value) -> Result<()> {
        let prompt = &self.started.prompt;
        let (session, task) = (prompt.session.clone(), prompt.task.clone());
        let runs = Arc::clone(&self.runs);
        let mut payload = json!({"task_id": task, "session_id": session});
        if let (Some(payload), Value::Object(what)) = (payload.as_object_mut(), what) {
            payload.extend(what);
        }
        self.write(async move |work: &mut Work<'_>| {
            runs.publish([&session, &task], (source, name), &payload, work)
                .await
        })
        .await
    }

    /// Ends the task; whether that is stored.
    async fn finish(mut self, end: Output) -> bool {
        let trouble = self
            .trouble
            .as_ref()
            .map(|error| error.message().to_owned());
        let (status, error) = match (end, trouble) {
            (Output::Failed(error), _) | (Output::Stopped, Some(error)) => {
                ("failed", Some(clean(&error)))
            }
            (Output::Stopped, None) => ("stopped", None),
            _ => ("completed", None),
        };
        // What viewers have read is kept.
        if let Ok(Some((id, text))) = self.telling.complete(error.as_deref()).await {
            let said = self.say("assistant", "assistant", json!(text), Some(id.to_string()));
            if let Err(error) = said.await {
                self.give_up(error);
            }
        }
        let mut questions = Vec::new();
        self.note(|active| questions.extend(active.questions.drain().map(|(_, message)| message)));
        let prompt = &self.started.prompt;
        let ended = Ended {
            session: prompt.session.clone(),
            task: prompt.task.clone(),
            status,
            error,
            tools: self.tools,
            usage: self.used(),
            began: Some(self.started.at),
            questions,
        };
        let runs = Arc::clone(&self.runs);
        self.gathering.end().await;
        let end = async move |work: &mut Work<'_>| runs.end(ended, work).await;
        write(&self.runs, &self.store, end)
            .await
            .inspect_err(|error| tracing::error!(%error, "the end of a run could not be stored"))
            .is_ok()
    }

    /// Runs a unit of work.
    async fn write<T, U>(&self, unit: U) -> Result<T>
    where
        T: Send + 'static,
        U: AsyncFnOnce(&mut Work<'_>) -> Result<T> + Clone + Send + 'static,
    {
        write(&self.runs, &self.store, unit).await
    }

    /// Changes what is known of the run while it goes on.
    fn note(&self, change: impl FnOnce(&mut super::Active)) {
        let prompt = &self.started.prompt;
        let mut active = self.runs.lock();
        let run = active.get_mut(&prompt.session);
        if let Some(run) = run.filter(|run| run.task == prompt.task) {
            change(run);
        }
    }
}

/// Runs a unit of work; again and again while the database is not to be had.
pub(super) async fn write<T, U>(runs: &Runs, store: &Store, unit: U) -> Result<T>
where
    T: Send + 'static,
    U: AsyncFnOnce(&mut Work<'_>) -> Result<T> + Clone + Send + 'static,
{
    insist(&runs.stopping, store, unit).await
}

/// Runs a unit of work; again and again while the database is not to be had, until the daemon stops.
pub(in crate::services) async fn insist<T, U>(
    stopping: &CancellationToken,
    store: &Store,
    unit: U,
) -> Result<T>
where
    T: Send + 'static,
    U: AsyncFnOnce(&mut Work<'_>) -> Result<T> + Clone + Send + 'static,
{
    loop {
        let turn = Turn::default();
        match store.write(&turn, unit.clone()).await {
            Err(error) if error.kind() == Kind::Unavailable && !stopping.is_cancelled() => {
                sleep(AGAIN).await;
            }
            outcome => return outcome,
        }
    }
}

/// A write whose records are there already was stored, although that was not confirmed.
fn stored(written: Result<()>) -> Result<()> {
    match written {
        Err(error) if error.kind() == Kind::Conflict => Ok(()),
        written => written,
    }
}

/// The texts in a message.
pub(super) fn preview(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(blocks) => {
            let texts = blocks.iter().filter_map(|block| block["text"].as_str());
            texts.collect::<Vec<_>>().join("\n")
        }
        _ => String::new(),
    }
}

/// The tools that a message uses.
fn tool_uses(content: &Value) -> Vec<Value> {
    let blocks = content.as_array().into_iter().flatten();
    let uses = blocks.filter(|block| block["type"] == "tool_use");
    uses.map(|block| json!({"id": block["id"], "name": block["name"], "input": block["input"]}))
        .collect()
}
