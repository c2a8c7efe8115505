//! What happens that no record says of itself: how workflows go, and how agents are.
//!
//! The names are MGX's types of events (docs/protocols/mgx.md), and so is what they tell.

use serde_json::{Value, value::to_raw_value};

use crate::{
    core::{
        event::{Draft, Level},
        scope::{Audience, Topic},
    },
    error::{Error, Result},
};

/// Where such events come from.
pub const SOURCE: &str = "signals";

/// What there is to tell.
pub const NAMES: [&str; 41] = [
    "analysis_start",
    "plan_ready",
    "approval_required",
    "approved",
    "rejected",
    "progress",
    "completion",
    "failure",
    "cancelled",
    "git_branch_created",
    "git_commit_created",
    "git_push_success",
    "git_push_failed",
    "pull_request_opened",
    "git_operation_failed",
    "agent_status_changed",
    "agent_activity",
    "agent_message",
    "agent_context_updated",
    "files_updated",
    "workflow_started",
    "workflow_completed",
    "workflow_failed",
    "workflow_cancelled",
    "step_started",
    "step_completed",
    "step_failed",
    "step_skipped",
    "sandbox_execution_started",
    "sandbox_execution_completed",
    "sandbox_execution_failed",
    "sandbox_execution_logs",
    "escalation_created",
    "escalation_assigned",
    "escalation_resolved",
    "escalation_failed",
    "file_approved",
    "file_rejected",
    "file_changes_requested",
    "file_comment_added",
    "file_approval_rolled_back",
];

/// An event of these names, with a sentence for people; what failed matters more.
///
/// # Errors
/// If the data cannot be written as JSON.
pub fn draft(
    name: &'static str,
    audience: Audience,
    topics: impl IntoIterator<Item = Topic>,
    data: &Value,
    message: Option<String>,
) -> Result<Draft> {
    debug_assert!(NAMES.contains(&name), "{name} is none of the names");
    let unwritable = |error| Error::general("An event cannot be written").caused_by(error);
    let data = to_raw_value(data).map_err(unwritable)?;
    let mut draft = Draft::new(SOURCE, name, audience, data.into());
    draft.topics = topics.into_iter().collect();
    draft.message = message;
    if name.ends_with("_failed") || name == "failure" {
        draft.level = Level::Error;
    }
    Ok(draft)
}
