//! Plans: what a run means to do, before people decide whether it may.
//!
//! A run that is to be planned has its agent make a plan first, with the permission mode `plan`. The plan is
//! a question like any other (`asking`), with the tool [`TOOL`]; whoever may decide on questions approves or
//! rejects it, in whatever protocol. An agent may ask for a plan's approval by itself, too: its question's
//! input has a `plan`.

use std::sync::LazyLock;

use entities::plans;
use sea_orm::sea_query::Condition;
use serde_json::{Value, json};

use super::{Runs, at, clean, start, there};
use crate::{
    core::Record,
    error::Result,
    services::values::as_record,
    store::{lane::Work, table::Table, transaction::Reader},
};

/// The tool that a run's plan asks for.
pub(super) const TOOL: &str = "approve_plan";

/// What an agent may do while it plans.
pub(super) const MODE: &str = "plan";

/// Steps of a plan that are told, and characters of each.
const STEPS: usize = 100;
const STEP: usize = 500;

/// Characters of a plan that are kept.
const LONGEST: usize = 20_000;

static TABLE: LazyLock<Table> = LazyLock::new(|| Table::of::<plans::Entity>("task_id"));

/// What an agent is asked first.
pub(super) fn question(text: &str) -> String {
    format!(
        "{text}\n\nMake a plan for this, and do nothing else yet. Answer with the plan only: a numbered \
         list of steps, each on a line."
    )
}

/// What an agent is asked once its plan is approved.
pub(super) fn task(text: &str, plan: &Value, feedback: Option<&str>) -> String {
    let plan = plan["text"].as_str().unwrap_or_default();
    format!(
        "{text}\n\nThis plan for it is approved:\n{plan}\n\n{}",
        go_on(feedback)
    )
}

/// What is said when a plan is approved.
pub(super) fn go_on(feedback: Option<&str>) -> String {
    let so = "The plan is approved. Carry it out now.";
    feedback.map_or_else(|| so.to_owned(), |said| format!("{so}\n\n{said}"))
}

/// A text as a plan: `{steps, estimated_time, resources, text}`. The steps are its list's items, else its
/// lines.
pub(super) fn read(text: &str) -> Value {
    let text = start(text.trim(), LONGEST);
    let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty());
    let items: Vec<_> = lines().filter_map(item).collect();
    let steps: Vec<_> = if items.is_empty() {
        lines().collect()
    } else {
        items
    };
    let steps: Vec<_> = steps
        .into_iter()
        .take(STEPS)
        .map(|step| start(step, STEP))
        .collect();
    json!({"steps": steps, "estimated_time": null, "resources": [], "text": text})
}

/// What a line says that is an item of a list.
fn item(line: &str) -> Option<&str> {
    let digits = line.trim_start_matches(|c: char| c.is_ascii_digit());
    let rest = if digits.len() < line.len() {
        digits.strip_prefix(['.', ')'])
    } else {
        line.strip_prefix(['-', '*', '•'])
    };
    let rest = rest?.strip_prefix(char::is_whitespace)?.trim();
    (!rest.is_empty()).then_some(rest)
}

/// The plan that a question asks for, if it does: as it is, or read from a text.
pub(super) fn asked(input: &Value) -> Option<Value> {
    match input.get("plan")? {
        Value::String(text) => Some(read(text)),
        plan @ Value::Object(_) => Some(plan.clone()),
        _ => None,
    }
}

/// The plan that waits for a decision in a task's `permission_request`.
pub(crate) fn waiting(request: &Value) -> Option<Value> {
    asked(request).or_else(|| asked(&request["tool_input"]))
}

/// A task's plan, `{task_id, plan, requested_at, decision, feedback, decided_by, decided_at}`.
///
/// # Errors
/// If the database fails.
pub(in crate::services) async fn of(task: &str, db: &mut dyn Reader) -> Result<Option<Record>> {
    there(TABLE.get(db, &json!(task), Condition::all()).await)
}

/// Keeps the plan that a task asks to be approved; a task's last one counts.
pub(super) async fn keep(task: &str, plan: &Value, work: &mut Work<'_>) -> Result<()> {
    TABLE.delete(work.tx, &[json!(task)]).await?;
    let row = json!({
        "task_id": task,
        "plan": plan,
        "requested_at": work.now.to_string(),
    });
    TABLE.insert(work.tx, &as_record(row)).await.map(drop)
}

/// Notes what was decided on a task's plan, if it has one.
pub(super) async fn decided(
    task: &str,
    (decision, feedback): (&str, Option<&str>),
    work: &mut Work<'_>,
) -> Result<()> {
    let changes = json!({
        "decision": decision,
        "feedback": feedback.map(clean),
        "decided_by": work.by.user_id(),
        "decided_at": work.now.to_string(),
    });
    TABLE
        .change(work.tx, &json!(task), &as_record(changes))
        .await
}

/// Why a run failed whose plan was refused.
pub(super) fn refused(feedback: Option<&str>) -> String {
    let so = "Plan rejected by user";
    feedback.map_or_else(|| so.to_owned(), |said| clean(&format!("{so}: {said}")))
}

/// A task's `permission_request` with the answer to it.
pub(super) fn answered(task: &Record, status: &str, feedback: Option<&str>) -> Value {
    let mut request = as_record(at(task, "permission_request").clone());
    request.insert("status".to_owned(), json!(status));
    request.insert("feedback".to_owned(), json!(feedback.map(clean)));
    Value::Object(request)
}

impl Runs {
    /// The question's id with which a task's own plan asks.
    pub(super) fn plan_of(task: &str) -> String {
        format!("plan-{task}")
    }
}

/// Whether a task waits for a decision on the plan that its run made.
pub(super) fn waits(task: &Record) -> bool {
    let request = at(task, "permission_request");
    *at(task, "status") == "awaiting_permission" && request["tool_name"] == TOOL
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plans_steps_are_its_lists_items() {
        let plan =
            read("Here it is:\n\n1. Look\n2) Think about it\n - Do it \n10.5 is a number\n* \n");
        assert_eq!(plan["steps"], json!(["Look", "Think about it", "Do it"]));
        assert_eq!(plan["resources"], json!([]));
    }

    #[test]
    fn a_plan_without_a_list_is_its_lines() {
        assert_eq!(
            read(" Do this.\n\nThen that.")["steps"],
            json!(["Do this.", "Then that."])
        );
        assert_eq!(read("")["steps"], json!([]));
        let long = "1. x\n".repeat(1_000) + &"y".repeat(100_000);
        assert_eq!(read(&long)["steps"].as_array().map(Vec::len), Some(STEPS));
    }

    #[test]
    fn a_question_may_ask_for_a_plan() {
        assert_eq!(
            asked(&json!({"plan": "- a"})).map(|plan| plan["steps"].clone()),
            Some(json!(["a"]))
        );
        assert_eq!(
            asked(&json!({"plan": {"steps": [1]}})),
            Some(json!({"steps": [1]}))
        );
        assert_eq!(asked(&json!({"command": "ls"})), None);
        assert_eq!(asked(&Value::Null), None);
        assert!(waiting(&json!({"tool_input": {"plan": "a"}})).is_some());
    }
}
