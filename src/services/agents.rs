//! `agents`: who works for others, and in whose name users hire.
//!
//! An agent is somebody's, or nobody's; it comes in with a key of its own. Users hire in the name of an
//! agent of the kind `client`, which is made when it is first needed and which nobody else sees.
//! Source: docs/protocols/agrenting.md, "Agents".

mod availability;
mod clients;
mod discovery;
mod fields;

use std::sync::LazyLock;

use entities::{agents, users};
use futures_util::{
    FutureExt,
    future::{LocalBoxFuture, ready},
};
use sea_orm::sea_query::{Condition, Expr, ExprTrait, IntoCondition};
use serde_json::{Value, json};

use self::fields::check;
pub use self::{
    clients::{board, client, may_be_client},
    discovery::Discover,
    fields::price,
};
use super::{
    api_keys, hirings,
    online::Online,
    records::Records,
    registry::Service,
    rules::{Change, Rules, Scope},
    values::{fill, keep, text},
    webhooks,
};
use crate::{
    core::{
        BoxFuture, Record,
        access::{AccessChange, sees_all},
        call::{Answer, Call, Method},
        event::Draft,
        identity::{Identity, Role},
        scope::Audience,
    },
    error::{Error, Kind, Result},
    store::{Store, lane::Work, query::Query, table::Table, transaction::Reader},
};

/// What an agent is that works for others.
const WORKS: &str = "agent";

/// What an agent is in whose name a user hires.
const CLIENT: &str = "client";

/// The status of an agent that is not to be hired.
const INACTIVE: &str = "inactive";

/// What only the daemon and its admins say of an agent.
const JUDGED: [&str; 2] = ["reputation_score", "last_seen_at"];

static AGENTS: LazyLock<Table> = LazyLock::new(|| Table::of::<agents::Entity>("id"));
static USERS: LazyLock<Table> = LazyLock::new(|| Table::of::<users::Entity>("user_id"));

/// The service; removed agents' keys go with them.
pub fn service(keys: &Records, online: &Online) -> Records {
    Records::of::<agents::Entity>("id")
        .paginate(100, 1_000)
        .in_order_of("created_at")
        .rules(Agents {
            keys: keys.clone(),
            online: online.clone(),
        })
        .build()
}

struct Agents {
    keys: Records,
    online: Online,
}

impl Rules for Agents {
    fn create<'a>(
        &'a self,
        agent: &'a mut Record,
        work: &'a mut Work<'_>,
    ) -> LocalBoxFuture<'a, Result<()>> {
        async move {
            let own = work.by.user_id().map(str::to_owned);
            fill(agent, "user_id", || json!(own));
            if work.by.role() < Some(Role::Admin) {
                keep(agent, &JUDGED);
                if text(agent, "user_id") != own.as_deref() {
                    return Err(Error::forbidden(
                        "You need admin access to make others' agents",
                    ));
                }
            }
            check_user(agent, work).await?;
            complete(agent, work);
            price(agent, "base_price")?;
            check(agent)?;
            if text(agent, "did").is_some_and(|did| did.starts_with("did:roost:")) {
                return Err(Error::bad_request(
                    "`did` must not start with did:roost:, which are given",
                ));
            }
            let id = work.clock.random_id();
            fill(agent, "did", || json!(format!("did:roost:agent:{id}")));
            agent.insert("id".to_owned(), json!(id));
            agent.shift_remove("board_id");
            Ok(())
        }
        .boxed_local()
    }

    fn change(&self, current: &Record, changes: &mut Record, work: &Work<'_>) -> Result<()> {
        // Who it is, and whose, and where its hirings are.
        keep(
            changes,
            &["did", "kind", "user_id", "board_id", "created_at"],
        );
        if work.by.role() < Some(Role::Admin) {
            keep(changes, &JUDGED);
        }
        // An agent does not take back that it was suspended.
        let suspended = text(current, "status") == Some(INACTIVE) && work.by.agent_id().is_some();
        if text(current, "kind") == Some(CLIENT) || suspended {
            keep(changes, &["status"]);
        }
        price(changes, "base_price")?;
        check(changes)?;
        changes.insert("updated_at".to_owned(), json!(work.now.to_string()));
        Ok(())
    }

    fn permit<'a>(
        &'a self,
        change: Change,
        agent: &'a Record,
        _given: &'a Record,
        work: &'a mut Work<'_>,
    ) -> LocalBoxFuture<'a, Result<()>> {
        ready(permit(change, agent, &work.by)).boxed_local()
    }

    fn stored<'a>(
        &'a self,
        change: Change,
        agent: &'a Record,
        _given: &'a Record,
        work: &'a mut Work<'_>,
    ) -> LocalBoxFuture<'a, Result<Vec<Draft>>> {
        async move {
            let id = text(agent, "id").unwrap_or_default();
            if change == Change::Removed {
                for key in self.keys.with("agent_id", id, work.tx).await? {
                    self.keys
                        .remove(text(&key, "id").unwrap_or_default(), work)
                        .await?;
                }
                webhooks::forget(id, work).await?;
                hirings::leave(id, work).await?;
            }
            Ok(Vec::new())
        }
        .boxed_local()
    }

    fn update_replaces(&self) -> bool {
        false
    }

    fn leaves_out_nulls(&self) -> bool {
        true
    }

    fn render<'a>(
        &'a self,
        db: &'a mut dyn Reader,
        agents: &'a mut [Record],
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(availability::render(db, agents, &self.online))
    }

    fn visible(&self, by: &Identity) -> Option<Condition> {
        if sees_all(by) {
            return None;
        }
        let works = Expr::col(agents::Column::Kind).eq(WORKS);
        let own = match by {
            Identity::Agent(agent) => Expr::col(agents::Column::Id).eq(&agent.id),
            _ => Expr::col(agents::Column::UserId).eq(by.user_id().unwrap_or_default()),
        };
        Some(Condition::any().add(works).add(own))
    }

    fn access(
        &self,
        change: Change,
        agent: &Record,
        _given: &Record,
        _by: &Identity,
    ) -> Vec<AccessChange> {
        match (change, text(agent, "id")) {
            (Change::Removed, Some(id)) => vec![AccessChange::NoAgent(id.to_owned())],
            _ => Vec::new(),
        }
    }

    fn scope(&self, agent: &Record) -> Option<Scope> {
        let user = text(agent, "user_id");
        let mut scope = Scope::everyone([("agent", text(agent, "id")), ("user", user)]);
        if text(agent, "kind") == Some(CLIENT) {
            let user = user.map(str::to_owned);
            scope.audience = Audience::Identities(user.into_iter().collect());
        }
        Some(scope)
    }
}

/// Fills in what a new agent lacks.
fn complete(agent: &mut Record, work: &Work<'_>) {
    let now = json!(work.now.to_string());
    agent.insert("kind".to_owned(), json!(WORKS));
    for (name, value) in [
        ("capabilities", json!([])),
        ("pricing_model", json!("fixed")),
        ("base_price", json!("0.00")),
        ("reputation_score", json!(0)),
        ("status", json!("active")),
        ("metadata", json!({})),
    ] {
        fill(agent, name, || value);
    }
    agent.insert("created_at".to_owned(), now.clone());
    agent.insert("updated_at".to_owned(), now);
}

/// Whoever's agent it is looks after it, and admins do; an agent may change what it says of itself.
fn permit(change: Change, agent: &Record, by: &Identity) -> Result<()> {
    let is_own = by.user_id().is_some() && by.user_id() == text(agent, "user_id");
    let is_itself = by.agent_id().is_some() && by.agent_id() == text(agent, "id");
    if !(is_own || by.role() >= Some(Role::Admin) || is_itself && change == Change::Changed) {
        return Err(Error::forbidden("This is not your agent"));
    }
    match change {
        // Its keys go with it.
        Change::Removed => api_keys::needs_whole_login(by),
        _ => Ok(()),
    }
}

/// Refuses the agent of a user who is not there.
async fn check_user(agent: &Record, work: &mut Work<'_>) -> Result<()> {
    let Some(user) = agent.get("user_id").filter(|user| !user.is_null()) else {
        return Ok(());
    };
    let user = USERS.get(work.tx, user, Condition::all()).await;
    user.map(drop).map_err(|error| match error.kind() {
        Kind::NotFound => Error::bad_request("`user_id` must be the id of a user"),
        _ => error,
    })
}

/// The agent with an id or a DID that works for others, if there is one.
///
/// # Errors
/// If the database fails.
pub async fn named(name: &str, db: &mut dyn Reader) -> Result<Option<Record>> {
    let is_it = match name.strip_prefix("did:") {
        Some(_) => Expr::col(agents::Column::Did).eq(name),
        None => Expr::col(agents::Column::Id).eq(name),
    };
    let condition = Condition::all()
        .add(is_it)
        .add(Expr::col(agents::Column::Kind).eq(WORKS));
    one(condition, db).await
}

/// Refuses an agent that takes no work now.
///
/// # Errors
/// `Unavailable` (reason `agent_unavailable`).
pub fn takes_work(agent: &Record) -> Result<()> {
    if text(agent, "status") == Some("active") {
        return Ok(());
    }
    let reason = json!({"reason": "agent_unavailable"});
    Err(Error::unavailable("The agent takes no work now").with_data(reason))
}

/// The agent with an id, whatever its kind, if there is one.
///
/// # Errors
/// If the database fails.
pub async fn known(id: &str, db: &mut dyn Reader) -> Result<Option<Record>> {
    one(Expr::col(agents::Column::Id).eq(id).into_condition(), db).await
}

/// Ends the open tasks of a user's agents, who are about to go with the user.
///
/// # Errors
/// If the database fails.
pub(super) async fn leave_with(user: &str, work: &mut Work<'_>) -> Result<()> {
    let query = Query {
        condition: Expr::col(agents::Column::UserId).eq(user).into_condition(),
        ..Query::default()
    };
    for agent in AGENTS.find(work.tx, &query, None).await? {
        hirings::leave(text(&agent, "id").unwrap_or_default(), work).await?;
    }
    Ok(())
}

async fn one(condition: Condition, db: &mut dyn Reader) -> Result<Option<Record>> {
    let query = Query {
        condition,
        ..Query::default()
    };
    Ok(AGENTS.find(db, &query, Some(1)).await?.pop())
}

/// `agents/register`: makes an agent and its first key: `{agent, api_key}`. The key is told this once.
pub struct Register {
    /// The agents.
    pub agents: Records,
    /// The keys.
    pub keys: Records,
}

impl Service for Register {
    fn methods(&self) -> Vec<Method> {
        vec![Method::Create]
    }

    fn call<'a>(&'a self, call: &'a Call, store: &'a Store) -> BoxFuture<'a, Result<Answer>> {
        let (agents, keys) = (self.agents.clone(), self.keys.clone());
        let (data, by) = (call.data.clone(), call.caller.identity.clone());
        Box::pin(async move {
            if !data.is_object() {
                return Err(Error::bad_request("The data must be an object"));
            }
            let unit = async move |work: &mut Work<'_>| {
                work.by = by;
                let agent = agents.create(data, work).await?;
                let mut key = Record::from_iter([
                    ("agent_id".to_owned(), agent["id"].clone()),
                    ("name".to_owned(), agent["name"].clone()),
                ]);
                let api_key = api_keys::issue(&mut key);
                keys.create(Value::Object(key), work).await?;
                Ok(json!({"agent": agent, "api_key": api_key}))
            };
            store.write(&call.turn, unit).await.map(Answer::from)
        })
    }
}
