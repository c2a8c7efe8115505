//! Calls webhooks: each its own in order, several at a time, again and again until it works or has failed
//! too often. What is on its way when the daemon ends is called again: at least once, with the same id.

use std::{
    collections::HashSet,
    sync::{Arc, OnceLock},
    time::Duration,
};

use entities::webhooks;
use futures_util::{StreamExt, stream::FuturesUnordered};
use reqwest::{Client, redirect::Policy};
use sea_orm::sea_query::Condition;
use serde_json::{Value, json};
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{FAILED, addresses, addresses::Resolver, deliveries};
use crate::{
    auth::signatures::{Signer, sign},
    core::{
        BoxFuture, Record,
        clock::Timestamp,
        event::{Delta, Event},
        hub::Sink,
        turn::Turn,
    },
    error::{Kind, Result},
    services::{records::Records, values::text},
    store::{Store, lane::Work, table::Table},
};

/// Calls at a time.
const AT_ONCE: usize = 32;

/// Time that a call may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Attempts, after which a delivery has failed, and its webhook with it.
const ATTEMPTS: u32 = 10;

/// Time between attempts at most.
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// Time between looks at what is due at most, and at least.
const SELDOM: Duration = Duration::from_secs(30);
const OFTEN: Duration = Duration::from_millis(20);

/// Characters that are kept of what went wrong.
const FAILURE: usize = 300;

/// How webhooks are called.
#[derive(Clone)]
pub struct Settings {
    /// Signs what they are told.
    pub signer: Signer,
    /// Whether private addresses are called, too.
    pub private: bool,
    /// Time after which one that failed is called again; four times as long each time.
    pub retry: Duration,
}

/// Calls webhooks.
pub struct Caller {
    webhooks: Records,
    settings: Settings,
    /// Made when it is first needed; else why there is none.
    client: OnceLock<Result<Client, String>>,
    stopping: CancellationToken,
    /// Told that something may be due.
    stirred: Notify,
}

impl Caller {
    /// Calls nobody yet.
    pub fn new(webhooks: &Records, settings: Settings, stopping: CancellationToken) -> Arc<Self> {
        Arc::new(Self {
            webhooks: webhooks.clone(),
            settings,
            client: OnceLock::new(),
            stopping,
            stirred: Notify::new(),
        })
    }

    /// Calls what is due until the daemon stops.
    pub async fn run(self: Arc<Self>, store: Store) {
        store.story().hub.add_sink(Arc::<Self>::clone(&self));
        let calling = Arc::clone(&self).call_all(store);
        self.stopping.run_until_cancelled(calling).await;
    }

    async fn call_all(self: Arc<Self>, store: Store) {
        let mut busy = HashSet::new();
        let mut calls = FuturesUnordered::<BoxFuture<'static, String>>::new();
        loop {
            let wait = match self.begin(&store, &mut busy).await {
                Ok((wait, begun)) => {
                    calls.extend(begun);
                    wait
                }
                Err(error) => {
                    tracing::warn!(%error, "webhooks' deliveries could not be read; it is tried again");
                    SELDOM
                }
            };
            tokio::select! {
                Some(done) = calls.next() => drop(busy.remove(&done)),
                () = self.stirred.notified() => sleep(OFTEN).await,
                () = sleep(wait) => {}
            }
        }
    }

    /// Begins what is due: the calls, and the time until more is.
    async fn begin(
        self: &Arc<Self>,
        store: &Store,
        busy: &mut HashSet<String>,
    ) -> Result<(Duration, Vec<BoxFuture<'static, String>>)> {
        let mut begun: Vec<BoxFuture<'static, String>> = Vec::new();
        let limit = busy.len() + AT_ONCE + 1;
        let heads = deliveries::heads(limit, &mut store.reader()).await?;
        let now = store.clock().now();
        for delivery in heads {
            let webhook = text(&delivery, "webhook_id").unwrap_or_default().to_owned();
            if busy.contains(&webhook) {
                continue;
            }
            let wait = deliveries::due(&delivery).map_or(0, |due| due.millis() - now.millis());
            if wait > 0 {
                let wait = Duration::from_millis(wait.unsigned_abs());
                return Ok((wait.clamp(OFTEN, SELDOM), begun));
            }
            if busy.len() >= AT_ONCE {
                break;
            }
            busy.insert(webhook.clone());
            let (caller, store) = (Arc::clone(self), store.clone());
            begun.push(Box::pin(async move {
                caller.deliver(&webhook, delivery, &store).await;
                webhook
            }));
        }
        Ok((SELDOM, begun))
    }

    /// Calls a webhook, and notes what became of it.
    async fn deliver(&self, webhook: &str, delivery: Record, store: &Store) {
        let outcome = match self.call(webhook, &delivery, store).await {
            Ok(outcome) => outcome,
            Err(error) => {
                tracing::warn!(%error, "a webhook could not be read; it is tried again");
                return sleep(SELDOM).await;
            }
        };
        let unit = {
            let (webhooks, webhook) = (self.webhooks.clone(), webhook.to_owned());
            let retry = self.settings.retry;
            async move |work: &mut Work<'_>| {
                let (changes, is_last) = changes(&delivery, outcome, retry, work.now);
                deliveries::note(&delivery, &changes, work).await?;
                if !is_last {
                    return Ok(());
                }
                let failed = webhooks
                    .patch(&webhook, json!({"status": FAILED}), work)
                    .await;
                failed.map(drop).or_else(|error| match error.kind() {
                    Kind::NotFound => Ok(()),
                    _ => Err(error),
                })
            }
        };
        if let Err(error) = store.write(&Turn::default(), unit).await {
            tracing::warn!(%error, "a webhook's answer could not be noted; it is called again");
            sleep(SELDOM).await;
        }
    }

    /// Calls a webhook: `Err` inside says what went wrong, for its owner.
    async fn call(
        &self,
        webhook: &str,
        delivery: &Record,
        store: &Store,
    ) -> Result<Result<(), String>> {
        let table = Table::of::<webhooks::Entity>("webhook_id");
        let found = table
            .get(&mut store.reader(), &json!(webhook), Condition::all())
            .await;
        let found = match found {
            // It was removed meanwhile, and its deliveries with it.
            Err(error) if error.kind() == Kind::NotFound => return Ok(Ok(())),
            found => found?,
        };
        let url = text(&found, "callback_url").and_then(addresses::read);
        let url = url.filter(|url| self.settings.private || addresses::may_be_public(url));
        let Some(url) = url else {
            return Ok(Err("the URL's address is private".to_owned()));
        };
        let field = |name| text(delivery, name).unwrap_or_default();
        let body = field("body").to_owned();
        let signature = sign(&self.settings.signer.key(webhook), body.as_bytes());
        let client = match self.client.get_or_init(|| client(self.settings.private)) {
            Ok(client) => client,
            Err(reason) => return Ok(Err(reason.clone())),
        };
        let request = client
            .post(url)
            .header("Content-Type", "application/json")
            .header("X-Webhook-Event", field("event"))
            .header("X-Webhook-Task-Id", field("task_id"))
            .header("X-Webhook-Delivery", field("id"))
            .header("X-Webhook-Signature", signature)
            .body(body);
        let sent = timeout(TIMEOUT, request.send()).await;
        Ok(match sent {
            Ok(Ok(response)) if response.status().is_success() => Ok(()),
            Ok(Ok(response)) => Err(format!("answered {}", response.status().as_u16())),
            Ok(Err(error)) => Err(reason(&error)),
            Err(_) => Err("did not answer in time".to_owned()),
        })
    }
}

/// What sends: it follows no redirects, takes no proxy, and reaches allowed addresses only.
fn client(private: bool) -> Result<Client, String> {
    let client = Client::builder()
        .dns_resolver(Arc::new(Resolver { private }))
        .redirect(Policy::none())
        .no_proxy()
        .timeout(TIMEOUT)
        .user_agent(concat!("roost/", env!("CARGO_PKG_VERSION")))
        .build();
    client.map_err(|error| reason(&error))
}

/// What an attempt changes of a delivery, and whether it was the last one in vain.
fn changes(
    delivery: &Record,
    outcome: Result<(), String>,
    retry: Duration,
    now: Timestamp,
) -> (Record, bool) {
    let attempts = delivery.get("attempts").and_then(Value::as_u64);
    let attempts = u32::try_from(attempts.unwrap_or_default()).unwrap_or(ATTEMPTS) + 1;
    let mut changes = Record::from_iter([("attempts".to_owned(), json!(attempts))]);
    let done = ("done_at".to_owned(), json!(now.to_string()));
    let Err(failure) = outcome else {
        changes.extend([done, ("failure".to_owned(), Value::Null)]);
        return (changes, false);
    };
    let failure: String = failure.chars().take(FAILURE).collect();
    changes.insert("failure".to_owned(), json!(failure));
    let is_last = attempts >= ATTEMPTS;
    if is_last {
        changes.extend([done]);
    }
    let wait = retry
        .saturating_mul(4_u32.saturating_pow(attempts - 1))
        .min(LONGEST);
    let wait = i64::try_from(wait.as_millis()).unwrap_or_default();
    let due = Timestamp::from_millis(now.millis().saturating_add(wait)).unwrap_or(now);
    changes.insert("due_at".to_owned(), json!(due.to_string()));
    (changes, is_last)
}

/// The innermost cause, without the URL, which may hold what is nobody else's.
fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "did not answer in time".to_owned();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

impl Sink for Caller {
    fn deliver(&self, events: &[Arc<Event>]) {
        let concerns = |event: &Arc<Event>| match &*event.source {
            "tasks" => event.topic("agent").is_some(),
            source => source == "webhooks",
        };
        if events.iter().any(concerns) {
            self.stirred.notify_one();
        }
    }

    fn whisper(&self, _delta: &Delta) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_longer_each_time_and_gives_up() {
        let now = Timestamp::from_millis(0).unwrap();
        let (mut delivery, mut waits) = (Record::new(), Vec::new());
        loop {
            let failed = Err("answered 500".to_owned());
            let (changed, is_last) = changes(&delivery, failed, Duration::from_secs(1), now);
            delivery.extend(changed);
            if is_last {
                break;
            }
            waits.push(deliveries::due(&delivery).unwrap().seconds());
        }
        assert_eq!(waits, [1, 4, 16, 64, 256, 1_024, 3_600, 3_600, 3_600]);
        assert_eq!(delivery["attempts"], 10);
        assert!(delivery["done_at"].is_string() && delivery["failure"].is_string());
        let (changed, is_last) = changes(&delivery, Ok(()), Duration::from_secs(1), now);
        assert!(!is_last && changed["failure"].is_null());
    }
}
