//! One agent at work: takes what waits for it, one turn after the other, until it is stopped.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use serde_json::Value;
use tokio::{sync::Notify, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::{
    Swarms,
    backends::{Backend, Place, Turn},
    inbox::Item,
    rows::Member,
    turns::{After, Outcome},
};
use crate::{
    error::{Kind, Result},
    runner::Prompt,
    services::runs::insist,
    store::{Store, lane::Work},
};

/// An agent that is at work.
pub(super) struct Worker {
    wake: Arc<Notify>,
    stop: CancellationToken,
    /// The id of its process; 0 for none.
    process: Arc<AtomicU32>,
    ended: JoinHandle<()>,
}

impl Worker {
    /// Tells it that something waits.
    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }

    /// The id of its process.
    pub(super) fn process(&self) -> Option<u32> {
        Some(self.process.load(Ordering::Relaxed)).filter(|id| *id > 0)
    }

    /// Asks it to stop.
    pub(super) fn stop(&self) {
        self.stop.cancel();
    }

    /// Waits until nothing is left of it.
    pub(super) async fn end(self) {
        self.stop.cancel();
        if let Err(error) = self.ended.await {
            tracing::error!(%error, "an agent's work broke off");
        }
    }
}

/// What the work is done with.
struct Shift {
    swarms: Arc<Swarms>,
    store: Store,
    swarm: String,
    agent: String,
    wake: Arc<Notify>,
    stop: CancellationToken,
    backend: Box<dyn Backend>,
}

impl Swarms {
    /// Sets an agent to work, unless it is.
    ///
    /// # Errors
    /// If its row cannot be read.
    pub(super) fn launch(
        self: &Arc<Self>,
        swarm: &str,
        member: &Member,
        store: &Store,
    ) -> Result<()> {
        let spec = member.spec()?;
        let key = (swarm.to_owned(), member.name().to_owned());
        let (wake, process) = (Arc::new(Notify::new()), Arc::new(AtomicU32::new(0)));
        let stop = self.stopping.child_token();
        let folder = spec
            .config
            .get("cwd")
            .and_then(Value::as_str)
            .map(Into::into);
        let prompt = Prompt {
            text: String::new(),
            session: member.session().to_owned(),
            task: String::new(),
            folder: folder.unwrap_or_else(|| std::env::current_dir().unwrap_or_default()),
            agent_session: None,
            model: spec.model.clone(),
            permission_mode: None,
        };
        let place = Place {
            spec,
            settings: self.settings.local.clone(),
            prompt,
            process: Arc::clone(&process),
            external: self.external(&key),
        };
        let shift = Shift {
            swarms: Arc::clone(self),
            store: store.clone(),
            swarm: key.0.clone(),
            agent: key.1.clone(),
            wake: Arc::clone(&wake),
            stop: stop.clone(),
            backend: place.backend(),
        };
        let mut live = self.live();
        // Who steers a swarm holds its lock: nobody else launches it.
        if let std::collections::hash_map::Entry::Vacant(place) = live.entry(key) {
            let ended = self.tracker.spawn(shift.run());
            place.insert(Worker {
                wake,
                stop,
                process,
                ended,
            });
        }
        Ok(())
    }

    /// Tells agents that something waits for them.
    pub(super) fn wake(&self, swarm: &str, agents: &[String]) {
        let live = self.live();
        for agent in agents {
            if let Some(worker) = live.get(&(swarm.to_owned(), agent.clone())) {
                worker.wake();
            }
        }
    }

    /// Tells all of a swarm's agents that they may go on.
    pub(super) fn wake_all(&self, swarm: &str) {
        for ((name, _), worker) in self.live().iter() {
            if name == swarm {
                worker.wake();
            }
        }
    }

    /// Stops those of a swarm's agents that fit, and waits until nothing is left of them; whether there was
    /// any.
    pub(super) async fn halt(&self, swarm: &str, fits: impl Fn(&str) -> bool) -> bool {
        let workers: Vec<Worker> = {
            let mut live = self.live();
            let fitting = |key: &(String, String), _: &mut Worker| key.0 == swarm && fits(&key.1);
            live.extract_if(fitting).map(|(_, worker)| worker).collect()
        };
        workers.iter().for_each(Worker::stop);
        let were_any = !workers.is_empty();
        for worker in workers {
            worker.end().await;
        }
        were_any
    }
}

impl Shift {
    async fn run(mut self) {
        if let Err(error) = self.work().await
            && !(error.kind() == Kind::Unavailable && self.stop.is_cancelled())
        {
            let (swarm, agent) = (&self.swarm, &self.agent);
            tracing::error!(%error, swarm, agent, "an agent cannot go on");
            let why = "the daemon could not store its work; restart it".to_owned();
            drop(self.give_up(why).await);
        }
        self.backend.end().await;
    }

    async fn work(&mut self) -> Result<()> {
        let stop = self.stop.clone();
        'ready: loop {
            match stop.run_until_cancelled(self.backend.ready()).await {
                None => return Ok(()),
                Some(Ok(None)) => {}
                Some(Ok(ended)) => {
                    self.unready(ended).await?;
                    continue 'ready;
                }
                Some(Err(why)) => return self.give_up(why).await,
            }
            let mut next = self.begin().await?;
            while let Some(item) = next.take() {
                match stop.run_until_cancelled(self.backend.turn(&item)).await {
                    None => return Ok(()),
                    Some(Turn::Over(outcome)) => next = self.finish(item, outcome).await?,
                    // The turn begins anew when the agent is ready again.
                    Some(Turn::Lost(ended)) => {
                        self.unready(ended).await?;
                        continue 'ready;
                    }
                }
            }
            if !self.rest(&stop).await? {
                return Ok(());
            }
        }
    }

    /// Waits until there may be something to do; `false` when it is stopped.
    async fn rest(&mut self, stop: &CancellationToken) -> Result<bool> {
        tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(false),
            () = self.wake.notified() => return Ok(true),
            ended = self.backend.idle() => self.unready(ended).await?,
        }
        Ok(true)
    }

    async fn begin(&self) -> Result<Option<Item>> {
        self.write(
            async move |swarms: &Swarms, (swarm, agent): (&str, &str), work: &mut Work<'_>| {
                swarms.begin(swarm, agent, work).await
            },
        )
        .await
    }

    /// Stores a turn's end; the next turn that began.
    async fn finish(&mut self, item: Item, outcome: Outcome) -> Result<Option<Item>> {
        let after = match self.end(item.clone(), outcome).await {
            Err(error) if error.kind() != Kind::Unavailable => {
                let why = format!("its output could not be stored: {}", error.message());
                let after = self.end(item, Outcome::Failed(why)).await?;
                self.backend.stored(Err(error));
                after
            }
            ended => {
                let after = ended?;
                self.backend.stored(Ok(()));
                after
            }
        };
        self.swarms.wake(&self.swarm, &after.wake);
        Ok(after.next)
    }

    async fn end(&self, item: Item, outcome: Outcome) -> Result<After> {
        self.write(
            async move |swarms: &Swarms, of: (&str, &str), work: &mut Work<'_>| {
                swarms.finish(of, &item, &outcome, work).await
            },
        )
        .await
    }

    async fn unready(&self, ended: Option<Value>) -> Result<()> {
        self.write(
            async move |swarms: &Swarms, of: (&str, &str), work: &mut Work<'_>| {
                swarms.unready(of, ended.as_ref(), work).await
            },
        )
        .await
    }

    async fn give_up(&self, why: String) -> Result<()> {
        self.write(
            async move |swarms: &Swarms, of: (&str, &str), work: &mut Work<'_>| {
                swarms.give_up(of, &why, work).await
            },
        )
        .await
    }

    /// Runs a unit of work for this agent, again and again while the database is not to be had.
    async fn write<T, U>(&self, unit: U) -> Result<T>
    where
        T: Send + 'static,
        U: AsyncFnOnce(&Swarms, (&str, &str), &mut Work<'_>) -> Result<T> + Clone + Send + 'static,
    {
        let swarms = Arc::clone(&self.swarms);
        let (swarm, agent) = (self.swarm.clone(), self.agent.clone());
        let unit = async move |work: &mut Work<'_>| unit(&swarms, (&swarm, &agent), work).await;
        insist(&self.stop, &self.store, unit).await
    }
}
