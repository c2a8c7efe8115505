//! A child process that is kept over turns, and started again when it ends.

use std::{
    future::{pending, ready},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::{Backend, Place, Turn};
use crate::{
    core::BoxFuture,
    runner::{
        Prompt,
        command::Settings,
        kept::{Broken, Gone, Kept},
    },
    services::swarms::{inbox::Item, turns::Outcome},
};

/// How often in a row a process is started again, unless the agent's `config.restarts` says another number.
const RESTARTS: u64 = 5;

/// Time before it is started again, twice as long each time, and at most.
const BACKOFF: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(10);

/// Bytes that a turn may print, whatever the settings say: they are stored, told and passed on.
const OUTPUT: u64 = 1 << 20;

pub(super) struct Local {
    settings: Settings,
    prompt: Prompt,
    kept: Option<Kept>,
    /// Whether its process ended by itself, which is not told yet.
    has_ended: bool,
    /// Shows the process's id.
    process: Arc<AtomicU32>,
    restarts: u32,
    /// How often it ended since its last turn.
    ends: u32,
    why: String,
}

impl Local {
    pub(super) fn new(place: Place) -> Self {
        let Place {
            spec,
            mut settings,
            prompt,
            process,
            ..
        } = place;
        settings.command = spec.command.unwrap_or_default();
        settings.limits.output = settings.limits.output.min(OUTPUT);
        let number = |name: &str| spec.config.get(name).and_then(Value::as_u64);
        if let Some(seconds) = number("turn_secs") {
            settings.limits.time = Duration::from_secs(seconds.max(1));
        }
        let restarts = number("restarts").unwrap_or(RESTARTS);
        Self {
            settings,
            prompt,
            kept: None,
            has_ended: false,
            process,
            restarts: u32::try_from(restarts).unwrap_or(u32::MAX),
            ends: 0,
            why: String::new(),
        }
    }

    async fn start(&mut self) -> Result<Option<Value>, String> {
        // It was woken while its process was taken away.
        if self.has_ended {
            return Ok(self.ended().await);
        }
        if self.kept.is_some() {
            return Ok(None);
        }
        if self.ends > self.restarts {
            return Err(format!(
                "it ended {} times in a row; {}",
                self.ends, self.why
            ));
        }
        if self.ends > 0 {
            let wait = BACKOFF.saturating_mul(1 << (self.ends - 1).min(16));
            sleep(wait.min(LONGEST)).await;
        }
        let kept = Kept::start(&self.settings, &self.prompt).await?;
        self.process
            .store(kept.id().unwrap_or(0), Ordering::Relaxed);
        self.kept = Some(kept);
        Ok(None)
    }

    /// Takes away the process. May be dropped, and called again.
    async fn bury(&mut self) -> Option<Gone> {
        self.process.store(0, Ordering::Relaxed);
        let gone = self.kept.as_mut()?.kill().await;
        self.kept = None;
        Some(gone)
    }

    /// Takes away the process that ended by itself; what is told of that. May be dropped, and called again.
    async fn ended(&mut self) -> Option<Value> {
        if !self.has_ended {
            self.has_ended = true;
            self.ends += 1;
        }
        let gone = self.bury().await?;
        self.has_ended = false;
        self.why.clone_from(&gone.why);
        let why = gone.why;
        Some(json!({"exit_status": gone.status, "reason": why, "buffer_tail": gone.tail}))
    }

    async fn take(&mut self, item: &Item) -> Turn {
        let Some(kept) = &mut self.kept else {
            return Turn::Lost(None);
        };
        let time = self.settings.limits.time;
        let failed = |why: String| Turn::Over(Outcome::Failed(why));
        match timeout(time, kept.turn(&item.told())).await {
            Ok(Ok(text)) => {
                self.ends = 0;
                Turn::Over(Outcome::Said(text))
            }
            Ok(Err(Broken::Gone)) => Turn::Lost(self.ended().await),
            Ok(Err(Broken::TooMuch)) => {
                self.bury().await;
                let most = self.settings.limits.output;
                failed(format!("the agent printed more than {most} bytes"))
            }
            Err(_) => {
                self.bury().await;
                failed(format!(
                    "the agent took longer than {} seconds",
                    time.as_secs_f64()
                ))
            }
        }
    }
}

impl Backend for Local {
    fn ready(&mut self) -> BoxFuture<'_, Result<Option<Value>, String>> {
        Box::pin(self.start())
    }

    fn turn<'a>(&'a mut self, item: &'a Item) -> BoxFuture<'a, Turn> {
        Box::pin(self.take(item))
    }

    fn idle(&mut self) -> BoxFuture<'_, Option<Value>> {
        Box::pin(async {
            match &mut self.kept {
                Some(kept) => kept.ended().await,
                None => return pending().await,
            }
            self.ended().await
        })
    }

    fn end(mut self: Box<Self>) -> BoxFuture<'static, ()> {
        self.process.store(0, Ordering::Relaxed);
        match self.kept.take() {
            Some(kept) => Box::pin(kept.stop()),
            None => Box::pin(ready(())),
        }
    }
}
