//! `webhooks`: URLs that are called when tasks change on which agents work.
//!
//! Whom a webhook belongs to hears of the tasks in which it has part: an agent of its own, a user of those
//! of the user's agents; the local owner's hear of all. What they are told is stored with the change and
//! called as long as it takes. Source: docs/protocols/agrenting.md, "Webhooks".

mod addresses;
mod calling;
mod deliveries;

use std::sync::LazyLock;

use entities::webhooks;
use futures_util::{FutureExt, future::LocalBoxFuture};
use sea_orm::sea_query::{Condition, Expr, ExprTrait};
use serde_json::{Value, json};

pub use self::{
    calling::{Caller, Settings},
    deliveries::{Deliveries, store},
};
use super::{
    hooks::{Hook, after},
    records::Records,
    rules::{Rules, Scope},
    shapes::texts,
    values::{fill, keep, one_of, text},
};
use crate::{
    auth::signatures::Signer,
    core::{
        Record,
        access::sees_all,
        call::{Answer, Call, Method},
        identity::Identity,
        scope::Audience,
    },
    error::{Error, Result},
    store::{lane::Work, query::Query, table::Table},
};

/// What webhooks are told.
const EVENTS: [&str; 5] = [
    "task.created",
    "task.in_progress",
    "task.completed",
    "task.failed",
    "task.cancelled",
];

/// What clients ask for, and never happens: an agent has its task from the start.
const CLAIMED: &str = "task.claimed";

/// Webhooks that are called are active. A failed one was called in vain; its owner makes it active again.
const STATUSES: [&str; 3] = [ACTIVE, "paused", FAILED];
const ACTIVE: &str = "active";
const FAILED: &str = "failed";

/// Characters of a URL at most.
const LONGEST: usize = 2_048;

/// Webhooks of one owner at most.
const MOST: u64 = 50;

static TABLE: LazyLock<Table> = LazyLock::new(|| Table::of::<webhooks::Entity>("webhook_id"));

/// The service; it needs [`tell_secret`] around it. With `private` it takes private addresses.
pub fn service(private: bool) -> Records {
    Records::of::<webhooks::Entity>("webhook_id")
        .paginate(100, 1_000)
        .in_order_of("created_at")
        .rules(Webhooks { private })
        .build()
}

struct Webhooks {
    private: bool,
}

impl Rules for Webhooks {
    fn create<'a>(
        &'a self,
        webhook: &'a mut Record,
        work: &'a mut Work<'_>,
    ) -> LocalBoxFuture<'a, Result<()>> {
        async move {
            webhook.insert("user_id".to_owned(), json!(work.by.user_id()));
            webhook.insert("agent_id".to_owned(), json!(work.by.agent_id()));
            fill(webhook, "event_types", || json!(EVENTS));
            webhook.insert("status".to_owned(), json!(ACTIVE));
            if text(webhook, "callback_url").is_none() {
                return Err(wrong_url());
            }
            self.check(webhook)?;
            if TABLE.count(work.tx, own(&work.by)).await? >= MOST {
                let text = format!("There may be {MOST} webhooks at most; remove one first");
                return Err(Error::bad_request(text));
            }
            webhook.insert("webhook_id".to_owned(), json!(work.clock.random_id()));
            webhook.insert("created_at".to_owned(), json!(work.now.to_string()));
            Ok(())
        }
        .boxed_local()
    }

    fn change(&self, _current: &Record, changes: &mut Record, _work: &Work<'_>) -> Result<()> {
        keep(changes, &["user_id", "agent_id", "created_at"]);
        self.check(changes)
    }

    fn update_replaces(&self) -> bool {
        false
    }

    fn leaves_out_nulls(&self) -> bool {
        true
    }

    fn visible(&self, by: &Identity) -> Option<Condition> {
        (!sees_all(by)).then(|| own(by))
    }

    fn scope(&self, webhook: &Record) -> Option<Scope> {
        let (user, agent) = (text(webhook, "user_id"), text(webhook, "agent_id"));
        let mut scope = Scope::everyone([("user", user), ("agent", agent)]);
        let ids = user.into_iter().chain(agent).map(str::to_owned);
        scope.audience = Audience::Identities(ids.collect());
        Some(scope)
    }
}

impl Webhooks {
    /// Checks the fields that are there.
    fn check(&self, webhook: &Record) -> Result<()> {
        if let Some(url) = webhook.get("callback_url") {
            let url = url.as_str().filter(|url| url.len() <= LONGEST);
            let url = url.and_then(addresses::read).ok_or_else(wrong_url)?;
            if !(self.private || addresses::may_be_public(&url)) {
                return Err(Error::bad_request(
                    "`callback_url` is at a private address; WEBHOOKS_PRIVATE=true lets it be called",
                )
                .with_data(json!({"field": "callback_url"})));
            }
        }
        texts(webhook, ["event_types"])?;
        let events = webhook.get("event_types").and_then(Value::as_array);
        let known = |event: &Value| EVENTS.iter().any(|known| known == event) || event == CLAIMED;
        if webhook.contains_key("event_types")
            && !events.is_some_and(|events| events.iter().all(known))
        {
            let text = format!(
                "`event_types` must be a list of some of {}",
                EVENTS.join(", ")
            );
            return Err(Error::bad_request(text).with_data(json!({"field": "event_types"})));
        }
        one_of(webhook, "status", &STATUSES)
    }
}

fn wrong_url() -> Error {
    let text = format!(
        "`callback_url` must be an http or https URL of at most {LONGEST} characters, without user and password"
    );
    Error::bad_request(text).with_data(json!({"field": "callback_url"}))
}

/// Somebody's own webhooks; those of the local owner are nobody's.
fn own(by: &Identity) -> Condition {
    use webhooks::Column::{AgentId, UserId};
    let of = |column: webhooks::Column, id: Option<&str>| match id {
        Some(id) => Expr::col(column).eq(id),
        None => Expr::col(column).is_null(),
    };
    Condition::all()
        .add(of(UserId, by.user_id()))
        .add(of(AgentId, by.agent_id()))
}

/// Tells a new webhook's owner the key that signs what it is told, this once.
pub fn tell_secret(signer: Signer) -> impl Hook {
    after(
        [Method::Create],
        move |_call: &Call, answer: &mut Answer| {
            if let Value::Object(webhook) = &mut answer.data {
                let key = signer.key(text(webhook, "webhook_id").unwrap_or_default());
                webhook.insert("secret_key".to_owned(), json!(key));
            }
            Ok(())
        },
    )
}

/// Removes the webhooks of an agent that is about to go.
///
/// # Errors
/// If the database fails.
pub async fn forget(agent: &str, work: &mut Work<'_>) -> Result<()> {
    let query = Query {
        condition: Condition::all().add(Expr::col(webhooks::Column::AgentId).eq(agent)),
        ..Query::default()
    };
    let found = TABLE.find(work.tx, &query, None).await?;
    let ids: Vec<_> = found
        .into_iter()
        .filter_map(|mut webhook| webhook.shift_remove("webhook_id"))
        .collect();
    TABLE.delete(work.tx, &ids).await
}
