//! Who works for an execution: sets it to work, and follows its steps one by one.

use std::{sync::Arc, time::Duration};

use serde_json::Value;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{
    Workflows,
    attempts::{Ask, Next},
    definition::Step,
    ending::Close,
    engine::Shift,
    plan::Status,
};
use crate::{
    error::{Kind, Result},
    services::runs::insist,
    store::{Store, lane::Work},
};

/// Longer than an execution may take: for what has no limit of its own.
pub(super) const LONG: Duration = Duration::from_secs(365 * 24 * 3_600);

/// What became of a step, by its place; nothing, if it is not to be gone on with.
pub(super) type Done = (usize, Result<Option<(Status, Option<Value>)>>);

/// Who works for an execution, shared with what waits for its steps.
pub(super) struct Post {
    pub(super) workflows: Arc<Workflows>,
    pub(super) store: Store,
    pub(super) id: String,
    pub(super) stop: CancellationToken,
}

impl Workflows {
    /// Sets an execution to work, unless it is.
    pub(super) fn launch(self: &Arc<Self>, id: &str, store: &Store) {
        let stop = self.stopping.child_token();
        let post = Arc::new(Post {
            workflows: Arc::clone(self),
            store: store.clone(),
            id: id.to_owned(),
            stop: stop.clone(),
        });
        let mut live = self.live();
        if let std::collections::hash_map::Entry::Vacant(place) = live.entry(id.to_owned()) {
            place.insert(stop);
            self.tracker.spawn(post.run());
        }
    }
}

impl Post {
    async fn run(self: Arc<Self>) {
        if let Err(error) = self.work().await
            && !self.workflows.stopping.is_cancelled()
        {
            let execution = &self.id;
            tracing::error!(%error, execution, "a workflow's execution cannot go on");
            let why = error.message().to_owned();
            let closed = self.close(Close::broken(why)).await;
            if let Err(error) = closed {
                tracing::error!(%error, execution, "it could not be ended, either");
            }
        }
        self.workflows.live().remove(&self.id);
    }

    async fn work(self: &Arc<Self>) -> Result<()> {
        let (workflows, id) = (Arc::clone(&self.workflows), self.id.clone());
        let unit = async move |work: &mut Work<'_>| workflows.start(&id, work).await;
        let Some((execution, runs)) = self.write(unit).await? else {
            return Ok(());
        };
        Shift::new(Arc::clone(self), &execution, &runs)?
            .work()
            .await
    }

    pub(super) async fn close(&self, close: Close) -> Result<()> {
        let (workflows, id) = (Arc::clone(&self.workflows), self.id.clone());
        self.write(async move |work: &mut Work<'_>| {
            workflows.close(&id, &close, work).await.map(drop)
        })
        .await
    }

    /// Follows a step to its end.
    pub(super) async fn carry(
        self: Arc<Self>,
        at: usize,
        (step, ask): (Step, Ask),
        token: CancellationToken,
    ) -> Done {
        let done = self.follow(&step, &ask, &token).await;
        let done = match done {
            Err(error) if error.kind() != Kind::Unavailable => {
                let why = error.message().to_owned();
                let given_up = self.give_up(step, why).await;
                given_up.map(|()| Some((Status::Failed, None)))
            }
            done => done,
        };
        (at, done)
    }

    async fn follow(
        &self,
        step: &Step,
        ask: &Ask,
        token: &CancellationToken,
    ) -> Result<Option<(Status, Option<Value>)>> {
        let mut late = None;
        loop {
            if token.is_cancelled() {
                return Ok(None);
            }
            let (workflows, id) = (Arc::clone(&self.workflows), self.id.clone());
            let (step_of, ask_of, late_of) = (step.clone(), ask.clone(), late.take());
            let unit = async move |work: &mut Work<'_>| {
                let late: Option<String> = late_of;
                let ask = (&ask_of, late.as_deref());
                workflows.attempt(&id, &step_of, ask, work).await
            };
            let begun = match self.write(unit).await? {
                Next::Gone => return Ok(None),
                Next::Is(status, output) => return Ok(Some((status, output))),
                Next::Run(begun) => begun,
            };
            let over = self.workflows.runs.set_off(begun, &self.store);
            let seconds = step.timeout_seconds;
            let limit = seconds.map_or(LONG, Duration::from_secs);
            tokio::select! {
                biased;
                () = over.cancelled() => {}
                () = token.cancelled() => return Ok(None),
                () = sleep(limit) => {
                    late = Some(format!("timed out after {} s", limit.as_secs()));
                }
            }
            // What runs is told how it ended when the daemon comes back.
            if self.workflows.stopping.is_cancelled() {
                return Ok(None);
            }
        }
    }

    async fn give_up(&self, step: Step, why: String) -> Result<()> {
        let (workflows, id) = (Arc::clone(&self.workflows), self.id.clone());
        self.write(async move |work: &mut Work<'_>| workflows.give_up(&id, &step, &why, work).await)
            .await
    }

    pub(super) async fn end_whole(&self, steps: Vec<Step>, why: String) -> Result<()> {
        let (workflows, id) = (Arc::clone(&self.workflows), self.id.clone());
        self.write(async move |work: &mut Work<'_>| {
            workflows.end_whole(&id, &steps, &why, work).await
        })
        .await
    }

    /// Runs a unit of work, again and again while the database is not to be had.
    pub(super) async fn write<T, U>(&self, unit: U) -> Result<T>
    where
        T: Send + 'static,
        U: AsyncFnOnce(&mut Work<'_>) -> Result<T> + Clone + Send + 'static,
    {
        insist(&self.workflows.stopping, &self.store, unit).await
    }
}
