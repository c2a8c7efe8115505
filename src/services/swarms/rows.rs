//! Swarms and their agents, as the database has them.

use std::sync::LazyLock;

use entities::{swarm_agents, swarm_events, swarm_inbox, swarms};
use sea_orm::{
    Order,
    sea_query::{Condition, Expr, ExprTrait, Query as Sql, SelectStatement},
};
use serde_json::{Value, json};

pub(super) use super::super::values::as_record;
use super::{
    super::{values::text, visibility},
    definition::Spec,
    routing::Topology,
};
use crate::{
    core::{
        Record,
        identity::Identity,
        scope::{Audience, Topic},
    },
    error::{Error, Result},
    store::{
        columns::Column,
        lane::Work,
        query::Query,
        table::Table,
        transaction::{Reader, Spelled},
    },
};

pub(super) static SWARMS: LazyLock<Table> = LazyLock::new(|| Table::of::<swarms::Entity>("name"));
pub(super) static AGENTS: LazyLock<Table> =
    LazyLock::new(|| Table::of::<swarm_agents::Entity>("id"));
pub(super) static INBOX: LazyLock<Table> = LazyLock::new(|| Table::of::<swarm_inbox::Entity>("id"));
pub(super) static EVENTS: LazyLock<Table> =
    LazyLock::new(|| Table::of::<swarm_events::Entity>("id"));

/// A swarm.
#[derive(Clone, Debug)]
pub(super) struct Swarm(pub(super) Record);

/// A swarm's agent.
#[derive(Clone, Debug)]
pub(super) struct Member(pub(super) Record);

impl Swarm {
    pub(super) fn name(&self) -> &str {
        text(&self.0, "name").unwrap_or_default()
    }

    pub(super) fn status(&self) -> &str {
        text(&self.0, "status").unwrap_or_default()
    }

    /// Whether its agents are at work, or pause.
    pub(super) fn is_up(&self) -> bool {
        matches!(self.status(), "starting" | "running" | "paused")
    }

    pub(super) fn board(&self) -> Option<&str> {
        text(&self.0, "board_id")
    }

    /// # Errors
    /// If the row cannot be read.
    pub(super) fn topology(&self) -> Result<Topology> {
        Topology::deserialize_from(self.0.get("topology"))
    }

    pub(super) fn audience(&self) -> Audience {
        match self.board() {
            Some(board) => Audience::Boards(vec![board.to_owned()]),
            None => Audience::Everyone,
        }
    }

    /// What its events are about: itself, its board, and more.
    pub(super) fn topics(&self, more: &[(&str, Option<&str>)]) -> Vec<Topic> {
        let own = [("swarm", Some(self.name())), ("board", self.board())];
        let all = own.iter().chain(more);
        all.filter_map(|(kind, id)| id.map(|id| Topic::new(kind, id)))
            .collect()
    }

    /// Changes its row.
    pub(super) async fn change(&mut self, changes: Value, work: &mut Work<'_>) -> Result<()> {
        let mut changes = as_record(changes);
        changes.insert("updated_at".to_owned(), json!(work.now.to_string()));
        SWARMS
            .change(work.tx, &json!(self.name()), &changes)
            .await?;
        self.0.extend(changes);
        Ok(())
    }
}

impl Topology {
    fn deserialize_from(value: Option<&Value>) -> Result<Self> {
        let unreadable =
            |error| Error::general("A swarm's topology cannot be read").caused_by(error);
        let value = value.cloned().unwrap_or_default();
        serde_json::from_value(value).map_err(unreadable)
    }
}

impl Member {
    pub(super) fn id(&self) -> &str {
        text(&self.0, "id").unwrap_or_default()
    }

    pub(super) fn name(&self) -> &str {
        text(&self.0, "name").unwrap_or_default()
    }

    pub(super) fn session(&self) -> &str {
        text(&self.0, "session_id").unwrap_or_default()
    }

    pub(super) fn state(&self) -> &str {
        text(&self.0, "state").unwrap_or_default()
    }

    /// # Errors
    /// If the row cannot be read.
    pub(super) fn spec(&self) -> Result<Spec> {
        let unreadable = |error| Error::general("An agent's row cannot be read").caused_by(error);
        let spec = self.0.get("spec").cloned().unwrap_or_default();
        serde_json::from_value(spec).map_err(unreadable)
    }

    /// Changes its row.
    pub(super) async fn change(&mut self, changes: Value, work: &mut Work<'_>) -> Result<()> {
        let changes = as_record(changes);
        AGENTS.change(work.tx, &json!(self.id()), &changes).await?;
        self.0.extend(changes);
        Ok(())
    }
}

/// A swarm, whoever asks.
pub(super) async fn swarm(db: &mut dyn Reader, name: &str) -> Result<Option<Swarm>> {
    static ONE: Spelled = Spelled::new();
    let spell = || of(&SWARMS, Expr::col(swarms::Column::Name).eq(name).into());
    let rows = db.ask(&ONE, spell, [name.into()], SWARMS.columns()).await?;
    Ok(rows.into_iter().next().map(Swarm))
}

/// A swarm as somebody sees it.
///
/// # Errors
/// `NotFound`, or if the database fails.
pub(super) async fn seen(db: &mut dyn Reader, name: &str, by: &Identity) -> Result<Swarm> {
    let condition = Condition::all()
        .add(visible(by))
        .add(Expr::col(swarms::Column::Name).eq(name));
    let query = Query {
        condition,
        ..Query::default()
    };
    let found = SWARMS.find(db, &query, Some(1)).await?.pop();
    found
        .map(Swarm)
        .ok_or_else(|| refused(Error::not_found("Swarm not found"), ":not_found"))
}

/// The swarms that somebody sees, by name.
pub(super) async fn all(db: &mut dyn Reader, by: &Identity) -> Result<Vec<Swarm>> {
    let mut select = of(&SWARMS, visible(by));
    select.order_by(swarms::Column::Name, Order::Asc);
    let rows = db.select(&select, SWARMS.columns()).await?;
    Ok(rows.into_iter().map(Swarm).collect())
}

/// Which swarms somebody sees.
pub(super) fn visible(by: &Identity) -> Condition {
    let board = || Expr::col((swarms::Entity, swarms::Column::BoardId));
    visibility::on_board(by, board).unwrap_or_else(Condition::all)
}

/// A swarm's agents, in their order.
pub(super) async fn members(db: &mut dyn Reader, swarm: &str) -> Result<Vec<Member>> {
    use swarm_agents::Column::{Position, Swarm};
    let mut select = of(&AGENTS, Expr::col(Swarm).eq(swarm).into());
    select.order_by(Position, Order::Asc);
    let rows = db.select(&select, AGENTS.columns()).await?;
    Ok(rows.into_iter().map(Member).collect())
}

/// How many agents a swarm has.
pub(super) async fn count(db: &mut dyn Reader, swarm: &str) -> Result<u64> {
    let own = Expr::col(swarm_agents::Column::Swarm).eq(swarm);
    AGENTS.count(db, Condition::all().add(own)).await
}

/// A swarm's agent.
pub(super) async fn member(db: &mut dyn Reader, swarm: &str, name: &str) -> Result<Option<Member>> {
    use swarm_agents::Column::{Name, Swarm};
    static ONE: Spelled = Spelled::new();
    let own = || Expr::col(Swarm).eq(swarm).and(Expr::col(Name).eq(name));
    let spell = || of(&AGENTS, own().into());
    let values = [swarm.into(), name.into()];
    let rows = db.ask(&ONE, spell, values, AGENTS.columns()).await?;
    Ok(rows.into_iter().next().map(Member))
}

/// A swarm's agent.
///
/// # Errors
/// `NotFound`, or if the database fails.
pub(super) async fn there(db: &mut dyn Reader, swarm: &Swarm, name: &str) -> Result<Member> {
    let found = member(db, swarm.name(), name).await?;
    found.ok_or_else(|| refused(Error::not_found("Agent not found"), ":not_found"))
}

/// What waits for an agent first.
pub(super) async fn first(db: &mut dyn Reader, swarm: &str, agent: &str) -> Result<Option<Record>> {
    static FIRST: Spelled = Spelled::new();
    let spell = || {
        let mut select = of(&INBOX, waits_for(swarm, agent));
        select
            .order_by(swarm_inbox::Column::Id, Order::Asc)
            .limit(1);
        select
    };
    // The limit is a value, too.
    let values = [swarm.into(), agent.into(), 1_u64.into()];
    let rows = db.ask(&FIRST, spell, values, INBOX.columns()).await?;
    Ok(rows.into_iter().next())
}

/// How much waits for an agent.
pub(super) async fn waiting(db: &mut dyn Reader, swarm: &str, agent: &str) -> Result<u64> {
    INBOX.count(db, waits_for(swarm, agent)).await
}

pub(super) fn waits_for(swarm: &str, agent: &str) -> Condition {
    use swarm_inbox::Column::{Agent, Swarm};
    Condition::all()
        .add(Expr::col(Swarm).eq(swarm))
        .add(Expr::col(Agent).eq(agent))
}

/// Whether a session is there.
pub(super) async fn has_session(db: &mut dyn Reader, session: &str) -> Result<bool> {
    use entities::sessions;
    static ONE: Spelled = Spelled::new();
    let column = || Expr::col(sessions::Column::SessionId);
    let spell = || {
        let mut select = Sql::select();
        select
            .column(sessions::Column::SessionId)
            .from(sessions::Entity)
            .and_where(column().eq(session));
        select
    };
    let columns = std::slice::from_ref(&SESSION);
    let rows = db.ask(&ONE, spell, [session.into()], columns).await?;
    Ok(!rows.is_empty())
}

const SESSION: Column = Column {
    name: "session_id",
    kind: crate::store::columns::Kind::Text,
    nullable: false,
};

/// A table's rows that fit.
pub(super) fn of(table: &Table, condition: Condition) -> SelectStatement {
    table.select(condition)
}

/// Deletes a table's rows that fit; how many there were.
pub(super) async fn delete(table: &Table, fits: Condition, work: &mut Work<'_>) -> Result<u64> {
    table.delete_where(work.tx, fits).await
}

/// An error with its reason, as channels say it.
pub(super) fn refused(error: Error, reason: &str) -> Error {
    error.with_data(json!({"reason": reason}))
}
