//! What is told of executions, steps and the agents that steps name. The names are MGX's
//! (docs/protocols/mgx.md).

use serde_json::{Value, json};

use super::{
    definition::Step,
    rows::{Execution, StepRun},
};
use crate::{
    core::scope::Topic,
    error::Result,
    services::{
        agent_instances::{Exchange, Named, named},
        signals,
    },
    store::lane::Work,
};

/// What a step means to the agent that it names.
#[derive(Clone, Copy, Debug)]
pub(super) enum Moment<'a> {
    /// It begins.
    Begins,
    /// It is tried again, and why.
    Again(&'a str),
    /// It is over: how that is told, and what went wrong.
    Over(&'static str, Option<&'a str>),
}

impl<'a> Moment<'a> {
    const fn action(self) -> &'static str {
        match self {
            Self::Begins => "step_started",
            Self::Again(_) => "retrying",
            Self::Over(action, _) => action,
        }
    }

    const fn error(self) -> Option<&'a str> {
        match self {
            Self::Begins => None,
            Self::Again(error) => Some(error),
            Self::Over(_, error) => error,
        }
    }

    /// The status before and after, of an agent of which nothing is known.
    const fn change(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Begins => Some(("idle", "busy")),
            Self::Again(_) => None,
            Self::Over(_, None) => Some(("busy", "idle")),
            Self::Over(_, Some(_)) => Some(("busy", "error")),
        }
    }
}

impl Execution {
    /// Tells something of the execution as a whole.
    pub(super) fn tell(
        &self,
        name: &'static str,
        data: &Value,
        message: String,
        work: &mut Work<'_>,
    ) -> Result<()> {
        let topics = self.topics(&[]);
        let audience = Self::audience();
        work.publish(signals::draft(name, audience, topics, data, Some(message))?);
        Ok(())
    }

    /// Tells something of one of its steps.
    pub(super) fn tell_step(
        &self,
        (step, run): (&Step, &StepRun),
        name: &'static str,
        data: &Value,
        message: String,
        work: &mut Work<'_>,
    ) -> Result<()> {
        let (topics, audience) = (self.step_topics((step, run)), Self::audience());
        work.publish(signals::draft(name, audience, topics, data, Some(message))?);
        Ok(())
    }

    /// What events of one of its steps are about.
    fn step_topics(&self, (step, run): (&Step, &StepRun)) -> Vec<Topic> {
        self.topics(&[
            ("step", Some(&step.id)),
            ("session", run.text("session_id")),
            ("task", run.text("task_id")),
            ("agent", step.agent_instance_id.as_deref()),
        ])
    }

    /// Tells that a step begins.
    ///
    /// # Errors
    /// If the database fails.
    pub(super) async fn tell_start(
        &self,
        of: (&Step, &StepRun),
        work: &mut Work<'_>,
    ) -> Result<()> {
        let (step, _) = of;
        let data = json!({
            "step_name": step.name,
            "step_type": step.step_type,
            "step_order": step.step_order,
            "config": step.config,
        });
        let message = format!("Step '{}' started execution", step.name);
        self.tell_step(of, "step_started", &data, message, work)?;
        self.tell_agent(of, Moment::Begins, work).await
    }

    /// Has the agent that a step names, if it names one, be busy with it or done with it, and tells so.
    ///
    /// # Errors
    /// If the database fails.
    pub(super) async fn tell_agent(
        &self,
        of: (&Step, &StepRun),
        moment: Moment<'_>,
        work: &mut Work<'_>,
    ) -> Result<()> {
        let (step, run) = of;
        let Some(agent) = &step.agent_instance_id else {
            return Ok(());
        };
        let data = json!({
            "action": moment.action(),
            "step_name": step.name,
            "workflow_name": self.name(),
            "retry_count": run.retries(),
            "error": moment.error(),
        });
        let topics = self.step_topics(of);
        match named(agent, self.text("workspace_id"), work.tx).await? {
            Named::Here(mut instance) => {
                if matches!(moment, Moment::Begins) {
                    instance.begin_work(topics.clone(), work).await?;
                }
                if let Some(said) = self.exchange(of, moment) {
                    instance.exchange(said, topics.clone(), work).await?;
                }
                if let Moment::Over(_, error) = moment {
                    instance.end_work(error, topics.clone(), work).await?;
                }
                instance.tell_work(&data, topics, work)
            }
            // Its story is its own workspace's.
            Named::Elsewhere => Ok(()),
            Named::Nobody => self.tell_nobody(of, moment, &data, work),
        }
    }

    /// What the agent is asked where a step begins, and what it said where one is completed.
    fn exchange<'a>(
        &self,
        (step, run): (&Step, &'a StepRun),
        moment: Moment<'_>,
    ) -> Option<Exchange<'a>> {
        let (direction, text, column) = match moment {
            Moment::Begins => ("inbound", "prompt", "input_data"),
            Moment::Over(_, None) => ("outbound", "output", "output_data"),
            _ => return None,
        };
        // Steps without a task ask nothing.
        let place = ["session_id", "task_id"].map(|name| run.text(name));
        let said = run.0.get(column)?.get(text)?.as_str()?;
        place[1]?;
        let payload = json!({
            "type": "step",
            "step_name": step.name,
            "workflow_name": self.name(),
            text: said,
        });
        Some(Exchange {
            direction,
            payload,
            text,
            place,
        })
    }

    /// As [`tell_agent`](Self::tell_agent), of an agent of which nothing is known but its id.
    fn tell_nobody(
        &self,
        of: (&Step, &StepRun),
        moment: Moment<'_>,
        activity: &Value,
        work: &mut Work<'_>,
    ) -> Result<()> {
        let (step, _) = of;
        let agent = step.agent_instance_id.as_deref().unwrap_or_default();
        if let Some((before, status)) = moment.change() {
            let error = moment.error();
            let data = json!({"previous_status": before, "status": status, "error": error});
            let message = format!("Agent {agent} is {status}");
            self.tell_step(of, "agent_status_changed", &data, message, work)?;
        }
        let message = format!("Agent {agent}: {} '{}'", moment.action(), step.name);
        self.tell_step(of, "agent_activity", activity, message, work)
    }
}
