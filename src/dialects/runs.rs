//! What happens to runs, as MGX and Hive tell it: a run is a task, whoever works on it, and what happens is
//! read from what its events say of how it moved on.

use serde_json::Value;

use crate::{
    core::{Record, event::Event},
    services::{
        rules::MOVED,
        tasks::{PROGRESS, is_over},
        values::text,
    },
};

/// Something that happens to a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Happening {
    /// It began.
    Started,
    /// It waits for somebody to decide.
    Paused,
    /// Somebody decided that it goes on.
    Resumed,
    /// Somebody decided that it does not.
    Rejected,
    /// It said how far it is.
    Progress,
    /// It is done.
    Completed,
    /// It failed.
    Failed,
    /// Somebody ended it.
    Cancelled,
}

/// What an event of a task says, in order; `task` is the record as the listener sees it.
pub(super) fn happened(event: &Event, task: &Value) -> &'static [Happening] {
    use Happening::{Cancelled, Completed, Failed, Paused, Progress, Rejected, Resumed, Started};
    if event.source != "tasks" {
        return &[];
    }
    if event.name == "removed" {
        let open = task.as_object().is_some_and(is_open);
        return if open { &[Cancelled] } else { &[] };
    }
    let Some(moved) = event.topic(MOVED) else {
        return &[];
    };
    let Some((from, to)) = moved.split_once('>') else {
        return if moved == PROGRESS { &[Progress] } else { &[] };
    };
    // What is over at once has begun, too.
    let is_new = matches!(from, "" | "created");
    match (to, is_new) {
        ("running", _) if from == "awaiting_permission" => &[Resumed],
        ("running", _) if from == "stopping" => &[],
        ("running", _) => &[Started],
        ("awaiting_permission", false) => &[Paused],
        ("awaiting_permission", true) => &[Started, Paused],
        ("completed", false) => &[Completed],
        ("completed", true) => &[Started, Completed],
        ("failed", _) if from == "awaiting_permission" => &[Rejected, Failed],
        ("failed", false) => &[Failed],
        ("failed", true) => &[Started, Failed],
        ("stopped", _) => &[Cancelled],
        _ => &[],
    }
}

/// Whether what a task asked for was refused.
pub(super) fn is_denied(task: &Value) -> bool {
    task["permission_request"]["status"] == "denied"
}

/// Whether a task was at work.
fn is_open(task: &Record) -> bool {
    !is_over(task) && text(task, "status") != Some("created")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{json, value::to_raw_value};
    use uuid::Uuid;

    use super::*;
    use crate::core::{
        clock::Timestamp,
        event::Draft,
        scope::{Audience, Topic},
        stamp::Seq,
    };

    fn told(name: &'static str, moved: Option<&str>, task: &Value) -> &'static [Happening] {
        let data: Arc<_> = to_raw_value(task).expect("JSON").into();
        let mut draft = Draft::new("tasks", name, Audience::Everyone, data);
        draft
            .topics
            .extend(moved.map(|moved| Topic::new(MOVED, moved)));
        let event = Event {
            seq: Seq(1),
            id: Uuid::nil(),
            at: Timestamp::parse("2026-01-01T00:00:00Z").expect("a time"),
            draft,
        };
        happened(&event, task)
    }

    #[test]
    fn a_run_is_told_from_its_start_to_its_end() {
        use Happening::*;
        let task = json!({"status": "running"});
        for (moved, expected) in [
            (">created", &[][..]),
            ("created>running", &[Started]),
            (">running", &[Started]),
            ("progress", &[Progress]),
            ("running>awaiting_permission", &[Paused]),
            ("awaiting_permission>running", &[Resumed]),
            ("awaiting_permission>failed", &[Rejected, Failed]),
            ("running>completed", &[Completed]),
            (">completed", &[Started, Completed]),
            ("running>stopping", &[]),
            ("stopping>stopped", &[Cancelled]),
            ("created>stopped", &[Cancelled]),
        ] {
            assert_eq!(told("patched", Some(moved), &task), expected, "{moved}");
        }
        assert_eq!(told("patched", None, &task), []);
        assert_eq!(told("removed", None, &task), [Cancelled]);
        assert_eq!(told("removed", None, &json!({"status": "failed"})), []);
    }
}
