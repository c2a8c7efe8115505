//! One execution at work: begins what may begin, waits for it, until all is over or it is to end.

use std::{pin::pin, sync::Arc, time::Duration};

use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::{
    attempts::{Ask, Next},
    context::Context,
    definition::Step,
    ending::Close,
    plan::{Move, Plan, Status},
    post::{Done, LONG, Post},
    rows::{Execution, StepRun},
};
use crate::{
    core::clock::Timestamp,
    error::{Error, Result},
    store::lane::Work,
};

/// An execution at work.
pub(super) struct Shift {
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

impl Shift {
    pub(super) fn new(post: Arc<Post>, execution: &Execution, runs: &[StepRun]) -> Result<Self> {
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

    pub(super) async fn work(mut self) -> Result<()> {
        // The daemon may have been away for so long that no agent is to begin again.
        if self.deadline <= Instant::now() {
            return self.time_out().await;
        }
        self.end_late_groups().await?;
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
            self.post.end_whole(steps, why).await?;
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
