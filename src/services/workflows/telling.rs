//! What is told of executions, steps and the agents that steps name. The names are MGX's
//! (docs/protocols/mgx.md).

use serde_json::{Value, json};

use super::{
    definition::Step,
    rows::{Execution, StepRun},
};
use crate::{error::Result, services::signals, store::lane::Work};

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
        let topics = self.topics(&[
            ("step", Some(&step.id)),
            ("session", run.text("session_id")),
            ("task", run.text("task_id")),
            ("agent", step.agent_instance_id.as_deref()),
        ]);
        let audience = Self::audience();
        work.publish(signals::draft(name, audience, topics, data, Some(message))?);
        Ok(())
    }

    /// Tells that a step begins.
    pub(super) fn tell_start(&self, of: (&Step, &StepRun), work: &mut Work<'_>) -> Result<()> {
        let (step, _) = of;
        let data = json!({
            "step_name": step.name,
            "step_type": step.step_type,
            "step_order": step.step_order,
            "config": step.config,
        });
        let message = format!("Step '{}' started execution", step.name);
        self.tell_step(of, "step_started", &data, message, work)?;
        self.tell_agent(of, ("idle", "busy"), "step_started", None, work)
    }

    /// Tells that the agent that a step names, if it names one, came from a status into another, and why.
    pub(super) fn tell_agent(
        &self,
        of: (&Step, &StepRun),
        (before, status): (&str, &str),
        action: &str,
        error: Option<&str>,
        work: &mut Work<'_>,
    ) -> Result<()> {
        let (step, run) = of;
        let Some(agent) = &step.agent_instance_id else {
            return Ok(());
        };
        if before != status {
            let data = json!({"previous_status": before, "status": status, "error": error});
            let message = format!("Agent {agent} is {status}");
            self.tell_step(of, "agent_status_changed", &data, message, work)?;
        }
        let data = json!({
            "action": action,
            "step_name": step.name,
            "workflow_name": self.name(),
            "retry_count": run.retries(),
            "error": error,
        });
        let message = format!("Agent {agent}: {action} '{}'", step.name);
        self.tell_step(of, "agent_activity", &data, message, work)
    }
}
