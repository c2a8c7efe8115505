//! One execution at work: begins what may begin, waits for it, until all is over or it is to end.

use std::{pin::pin, sync::Arc, time::Duration};

use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use serde_json::Value;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::{
    Workflows,
    attempts::{Ask, Next},
    context::Context,
    definition::Step,
    ending::Close,
    plan::{Move, Plan, Status},
    rows::{Execution, StepRun},
};
use crate::{
    core::clock::Timestamp,
    error::{Error, Kind, Result},
    services::runs::insist,
    store::{Store, lane::Work},
};

/// Longer than the daemon lives: for what has no limit.
const LONG: Duration = Duration::from_secs(10 * 365 * 24 * 3_600);

/// What became of a step, by its place; nothing, if it is not to be gone on with.
type Done = (usize, Result<Option<(Status, Option<Value>)>>);

/// Who works for an execution, shared with what waits for its steps.
struct Post {
    workflows: Arc<Workflows>,
    store: Store,
    id: String,
    stop: CancellationToken,
}

/// An execution at work.
struct Shift {
    post: Arc<Post>,
    plan: Plan,
    statuses: Vec<Status>,
    context: Context,
    deadline: Instant,
    /// When groups have to be over.
    deadlines: Vec<Option<Instant>>,
    /// What ends steps.
    tokens: Vec<CancellationToken>,
    going: FuturesUnordered<BoxFuture<'static, Done>>,
    /// Places of steps that are waited for.
    flying: Vec<usize>,
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

    async fn close(&self, close: Close) -> Result<()> {
        let (workflows, id) = (Arc::clone(&self.workflows), self.id.clone());
        self.write(async move |work: &mut Work<'_>| {
            workflows.close(&id, &close, work).await.map(drop)
        })
        .await
    }

    /// Follows a step to its end.
    async fn carry(
        self: Arc<Self>,
        at: usize,
        (step, ask): (Step, Ask),
        token: CancellationToken,
    ) -> Done {
        let done = self.follow(&step, &ask, &token).await;
        let done = match done {
            Err(error) if error.kind() != Kind::Unavailable => {
                let why = error.message().to_owned();
                let failed = self.fail(vec![step], why).await;
                failed.map(|()| Some((Status::Failed, None)))
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

    async fn fail(&self, steps: Vec<Step>, why: String) -> Result<()> {
        let (workflows, id) = (Arc::clone(&self.workflows), self.id.clone());
        self.write(async move |work: &mut Work<'_>| workflows.fail(&id, &steps, &why, work).await)
            .await
    }

    /// Runs a unit of work, again and again while the database is not to be had.
    async fn write<T, U>(&self, unit: U) -> Result<T>
    where
        T: Send + 'static,
        U: AsyncFnOnce(&mut Work<'_>) -> Result<T> + Clone + Send + 'static,
    {
        insist(&self.workflows.stopping, &self.store, unit).await
    }
}

impl Shift {
    fn new(post: Arc<Post>, execution: &Execution, runs: &[StepRun]) -> Result<Self> {
        let plan = Plan::new(execution.steps()?);
        if runs.len() != plan.steps.len() {
            return Err(Error::general("An execution's rows do not fit its steps"));
        }
        let now = post.store.clock().now();
        let seconds = execution.definition()["timeout_seconds"].as_u64();
        let started = execution.started_at();
        let mut shift = Self {
            statuses: runs.iter().map(StepRun::status).collect(),
            context: Context {
                variables: execution.variables(),
                ..Context::default()
            },
            deadline: left(started, seconds, now),
            deadlines: vec![None; runs.len()],
            tokens: Vec::new(),
            going: FuturesUnordered::new(),
            flying: Vec::new(),
            plan,
            post,
        };
        for (at, run) in runs.iter().enumerate() {
            let step = &shift.plan.steps[at];
            let around = step
                .parent
                .map_or(&shift.post.stop, |group| &shift.tokens[group]);
            let token = around.child_token();
            shift.tokens.push(token);
            let output = run.0.get("output_data").filter(|output| !output.is_null());
            if let Some(output) = output {
                shift
                    .context
                    .outputs
                    .insert(step.name.clone(), output.clone());
            }
            if run.status() == Status::Running && step.step_type.is_group() {
                let began = run.text("started_at").and_then(Timestamp::parse);
                shift.deadlines[at] = step.timeout_seconds.map(|s| left(began, Some(s), now));
            }
        }
        Ok(shift)
    }

    async fn work(mut self) -> Result<()> {
        for at in 0..self.statuses.len() {
            // What ran when the daemon ended is seen to first.
            if self.statuses[at] == Status::Running && !self.plan.steps[at].step_type.is_group() {
                self.carry(at);
            }
        }
        loop {
            self.go_on().await?;
            if self.post.stop.is_cancelled() {
                return self.wind_down().await;
            }
            if self.statuses.iter().all(|status| status.is_over()) {
                return self.finish().await;
            }
            let group = self.deadlines.iter().flatten().min().copied();
            let mut group_is_late = pin!(sleep_until(group.unwrap_or(self.deadline)));
            let stop = self.post.stop.clone();
            tokio::select! {
                biased;
                () = stop.cancelled() => return self.wind_down().await,
                () = sleep_until(self.deadline) => return self.time_out().await,
                () = &mut group_is_late, if group.is_some() => self.end_late_groups().await?,
                Some(done) = self.going.next() => self.note(done)?,
            }
        }
    }

    /// Does all that is to be done next, until something has to be waited for.
    async fn go_on(&mut self) -> Result<()> {
        loop {
            let moves = self.plan.next(&self.statuses);
            if moves.is_empty() || self.post.stop.is_cancelled() {
                return Ok(());
            }
            let mut skips = Vec::new();
            for next in moves {
                match next {
                    Move::Start(at) => self.begin(at).await?,
                    Move::Skip(at, why) => {
                        skips.push((self.plan.steps[at].clone(), why));
                        self.statuses[at] = Status::Skipped;
                    }
                    Move::End(at, failed) => self.end_group(at, failed).await?,
                }
            }
            if !skips.is_empty() {
                let (workflows, id) = (Arc::clone(&self.post.workflows), self.post.id.clone());
                let unit = async move |work: &mut Work<'_>| workflows.skip(&id, &skips, work).await;
                self.post.write(unit).await?;
            }
        }
    }

    async fn begin(&mut self, at: usize) -> Result<()> {
        self.statuses[at] = Status::Running;
        let step = self.plan.steps[at].clone();
        if !step.step_type.is_group() {
            self.carry(at);
            return Ok(());
        }
        // A group's own begin is stored before that of what is in it.
        let token = self.tokens[at].clone();
        self.deadlines[at] = step
            .timeout_seconds
            .map(|seconds| Instant::now() + Duration::from_secs(seconds));
        let ask = Ask::of(&step, &self.context);
        let begun = Arc::clone(&self.post).carry(at, (step, ask), token).await;
        self.note(begun)
    }

    /// Follows a step beside the others.
    fn carry(&mut self, at: usize) {
        let step = self.plan.steps[at].clone();
        let ask = Ask::of(&step, &self.context);
        let token = self.tokens[at].clone();
        self.flying.push(at);
        let post = Arc::clone(&self.post);
        self.going
            .push(Box::pin(post.carry(at, (step, ask), token)));
    }

    /// Notes what became of a step.
    fn note(&mut self, (at, done): Done) -> Result<()> {
        self.flying.retain(|flying| *flying != at);
        if let Some((status, output)) = done? {
            self.statuses[at] = status;
            if let Some(output) = output.filter(|output| !output.is_null()) {
                let name = self.plan.steps[at].name.clone();
                self.context.outputs.insert(name, output);
            }
        }
        if self.statuses[at].is_over() {
            self.deadlines[at] = None;
        }
        Ok(())
    }

    async fn end_group(&mut self, at: usize, failed: Option<String>) -> Result<()> {
        let (workflows, id) = (Arc::clone(&self.post.workflows), self.post.id.clone());
        let group = self.plan.steps[at].clone();
        let inside = self
            .plan
            .steps
            .iter()
            .filter(|step| step.parent == Some(at));
        let inside: Vec<Step> = inside.cloned().collect();
        let unit = async move |work: &mut Work<'_>| {
            let how = (inside.as_slice(), failed.as_deref());
            workflows.end_group(&id, &group, how, work).await
        };
        match self.post.write(unit).await? {
            Next::Is(status, output) => self.note((at, Ok(Some((status, output))))),
            // The execution was ended meanwhile; the token says so.
            _ => {
                self.post.stop.cancelled().await;
                Ok(())
            }
        }
    }

    /// Fails groups that took too long, with all that is in them.
    async fn end_late_groups(&mut self) -> Result<()> {
        let now = Instant::now();
        for at in 0..self.deadlines.len() {
            if self.deadlines[at].is_none_or(|deadline| deadline > now) {
                continue;
            }
            let whole = self.plan.whole(at);
            self.tokens[at].cancel();
            while self.flying.iter().any(|flying| whole.contains(flying)) {
                if let Some(done) = self.going.next().await {
                    self.note(done)?;
                }
            }
            let seconds = self.plan.steps[at].timeout_seconds.unwrap_or_default();
            let why = format!("timed out after {seconds} s");
            let steps = whole
                .iter()
                .map(|at| self.plan.steps[*at].clone())
                .collect();
            self.post.fail(steps, why).await?;
            for at in whole {
                self.deadlines[at] = None;
                self.statuses[at] = match self.statuses[at] {
                    Status::Pending => Status::Skipped,
                    Status::Running => Status::Failed,
                    over => over,
                };
            }
        }
        Ok(())
    }

    /// Waits until nothing is written any more.
    async fn wind_down(mut self) -> Result<()> {
        self.post.stop.cancel();
        while self.going.next().await.is_some() {}
        Ok(())
    }

    async fn time_out(self) -> Result<()> {
        let post = Arc::clone(&self.post);
        self.wind_down().await?;
        post.close(Close::late()).await
    }

    async fn finish(self) -> Result<()> {
        let (workflows, id) = (Arc::clone(&self.post.workflows), self.post.id.clone());
        self.post
            .write(async move |work: &mut Work<'_>| workflows.finish(&id, work).await)
            .await
    }
}

/// When something has to be over that began at a moment.
fn left(began: Option<Timestamp>, seconds: Option<u64>, now: Timestamp) -> Instant {
    let limit = seconds.map_or(LONG, Duration::from_secs);
    let gone = began.map_or(0, |began| Ord::max(now.millis() - began.millis(), 0));
    let gone = Duration::from_millis(gone.unsigned_abs());
    Instant::now() + limit.saturating_sub(gone)
}
