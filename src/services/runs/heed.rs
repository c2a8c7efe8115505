//! Ends what runs for tasks that somebody ended or removed, and in sessions that are gone, whoever did
//! it and through whatever door: it is read from the events.

use std::sync::Arc;

use serde::Deserialize;

use super::{Active, Runs, there};
use crate::{
    core::{
        event::{Delta, Event},
        hub::Sink,
        identity::Identity,
    },
    runner::Decision,
    services::tasks::{OVER, is_over},
    store::Store,
};

/// What is read of a task's event; whoever changed it may have asked for other fields only.
#[derive(Deserialize)]
struct Status {
    status: Option<String>,
    permission_request: Option<Answer>,
}

/// What was said to what the task asked.
#[derive(Deserialize)]
struct Answer {
    feedback: Option<String>,
}

impl Sink for Runs {
    fn deliver(&self, events: &[Arc<Event>]) {
        let ours = |event: &&Arc<Event>| matches!(&*event.source, "tasks" | "sessions");
        let mut active = None;
        for event in events.iter().filter(ours) {
            let active = active.get_or_insert_with(|| self.lock());
            if active.is_empty() {
                return;
            }
            let run = event
                .topic("session")
                .and_then(|session| active.get(session));
            let Some(run) = run else { continue };
            let is_its_task = event.topic("task") == Some(run.task.as_str());
            match (&*event.source, &*event.name) {
                ("sessions", "removed") => run.stop.cancel(),
                ("tasks", "removed") if is_its_task => run.stop.cancel(),
                ("tasks", "patched" | "updated") if is_its_task => match status(event) {
                    Some((status, _)) if OVER.contains(&&*status) => run.stop.cancel(),
                    Some((status, answer)) if status == "running" => run.let_go(answer),
                    Some(_) => {}
                    None => self.look(run),
                },
                _ => {}
            }
        }
    }

    fn whisper(&self, _delta: &Delta) {}
}

/// A task's status, and what was said to what it asked.
fn status(event: &Event) -> Option<(String, Option<String>)> {
    let data = event.views.first()?.data.get();
    let read: Status = serde_json::from_str(data).ok()?;
    let said = read.permission_request.and_then(|answer| answer.feedback);
    read.status.map(|status| (status, said))
}

impl Active {
    /// Goes on with its plan, if that waits: whoever says that the task runs has approved it.
    fn let_go(&self, feedback: Option<String>) {
        let id = Runs::plan_of(&self.task);
        if let Some(decisions) = self
            .decisions
            .as_ref()
            .filter(|_| self.questions.contains_key(&id))
        {
            let decision = Decision {
                id,
                allow: true,
                reason: feedback,
            };
            // The run may have ended just now.
            drop(decisions.send(decision));
        }
    }
}

impl Runs {
    /// Begins to heed what is published.
    pub(super) fn listen(self: &Arc<Self>, store: &Store) {
        let served = (store.clone(), tokio::runtime::Handle::current());
        if self.served.set(served).is_ok() {
            store.story().hub.add_sink(Arc::<Self>::clone(self));
        }
    }

    /// Looks in the background whether a task is over.
    fn look(&self, run: &Active) {
        let Some((store, runtime)) = self.served.get() else {
            return;
        };
        let (store, tasks) = (store.clone(), self.tasks.clone());
        let (task, stop) = (run.task.clone(), run.stop.clone());
        let looking = async move {
            let found = tasks
                .read(&mut store.reader(), &task, &Identity::System)
                .await;
            if there(found).is_ok_and(|task| task.is_none_or(|task| is_over(&task))) {
                stop.cancel();
            }
        };
        self.tracker.spawn_on(looking, runtime);
    }
}
