//! A run that is planned first: the agent makes a plan, people decide on it, the agent carries it out.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};

use super::{
    super::{
        begin::Waiting,
        plans::{self, waits},
        there,
    },
    Question, Runs, Usage, Watch,
};
use crate::{
    core::identity::Identity,
    error::Result,
    runner::{Decision, Output},
    store::lane::Work,
};

impl Watch {
    /// Plans, waits for the decision, and does it; how it ended, `None` if the daemon stops.
    pub(super) async fn plan(&mut self) -> Option<Output> {
        let mut prompt = self.started.prompt.clone();
        let said = prompt.text.clone();
        prompt.text = plans::question(&prompt.text);
        prompt.permission_mode = Some(plans::MODE.to_owned());
        let end = self.execute(prompt, said).await?;
        // An agent that asked by itself has been answered.
        if end != Output::Done || self.trouble.is_some() || self.has_planned {
            return Some(end);
        }
        let plan = plans::read(&self.said);
        let (decisions, decided) = mpsc::unbounded_channel();
        self.note(|active| active.decisions = Some(decisions));
        let question = Question {
            id: Runs::plan_of(&self.started.prompt.task),
            tool: plans::TOOL.to_owned(),
            input: json!({"plan": plan}),
            tool_use: None,
        };
        let since = self.store.clock().now();
        if let Err(error) = self.ask(question).await {
            self.give_up(error);
            return Some(Output::Stopped);
        }
        let waiting = Waiting {
            plan,
            since,
            decided,
        };
        self.decide(waiting).await
    }

    /// Waits for the decision on a plan, and goes on as it says.
    pub(super) async fn decide(&mut self, mut waiting: Waiting) -> Option<Output> {
        let (decision, end) = tokio::select! {
            biased;
            () = self.runs.stopping.cancelled() => return None,
            decision = self.decision(&mut waiting) => decision,
        };
        let Some(decision) = decision else {
            return Some(end);
        };
        self.note(|active| active.questions.clear());
        let feedback = decision.reason.as_deref();
        if !decision.allow {
            return Some(Output::Failed(plans::refused(feedback)));
        }
        self.spent = self.used().unwrap_or_default();
        self.usage = None;
        let mut prompt = self.started.prompt.clone();
        prompt.text = plans::task(&prompt.text, &waiting.plan, feedback);
        self.execute(prompt, plans::go_on(feedback)).await
    }

    /// The decision, or how the run ends without one.
    async fn decision(&self, waiting: &mut Waiting) -> (Option<Decision>, Output) {
        let limit = self.runs.approval;
        let passed = self.store.clock().now().millis() - waiting.since.millis();
        let passed = Duration::from_millis(u64::try_from(passed).unwrap_or(0));
        let late = sleep_until(Instant::now() + limit.saturating_sub(passed));
        tokio::pin!(late);
        let mut may_be_late = true;
        loop {
            tokio::select! {
                biased;
                decision = waiting.decided.recv() => match decision {
                    Some(decision) if decision.id == Runs::plan_of(&self.started.prompt.task) => {
                        return (Some(decision), Output::Stopped);
                    }
                    Some(_) => {}
                    None => return (None, Output::Stopped),
                },
                () = self.started.stop.cancelled() => return (None, Output::Stopped),
                () = &mut late, if may_be_late => {
                    let why = format!("The plan was not approved within {} seconds", limit.as_secs());
                    match self.expire(why.clone()).await {
                        // It was decided on just now.
                        Ok(false) => may_be_late = false,
                        Ok(true) => return (None, Output::Failed(why)),
                        Err(error) => return (None, Output::Failed(error.message().to_owned())),
                    }
                }
            }
        }
    }

    /// Fails a task whose plan waits; whether it still did.
    async fn expire(&self, why: String) -> Result<bool> {
        let runs = Arc::clone(&self.runs);
        let task = self.started.prompt.task.clone();
        self.write(async move |work: &mut Work<'_>| {
            let found = runs.tasks.read(work.tx, &task, &Identity::System).await;
            let Some(found) = there(found)?.filter(waits) else {
                return Ok(false);
            };
            let request = plans::answered(&found, "expired", None);
            plans::decided(&task, ("expired", None), work).await?;
            let failed = json!({"status": "failed", "error": why, "permission_request": request});
            runs.tasks.patch(&task, failed, work).await?;
            Ok(true)
        })
        .await
    }

    /// What was used in the whole run.
    pub(super) fn used(&self) -> Option<Usage> {
        let (before, Some(usage)) = (self.spent, self.usage) else {
            return (self.spent != Usage::default()).then_some(self.spent);
        };
        let cost = [before.cost, usage.cost]
            .into_iter()
            .flatten()
            .reduce(|a, b| a + b);
        Some(Usage {
            input: before.input + usage.input,
            output: before.output + usage.output,
            cost,
        })
    }
}
