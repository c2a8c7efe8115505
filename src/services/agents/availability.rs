//! Whether agents can be had now: they are online, and work on nothing.

use std::collections::HashSet;

use entities::tasks;
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use serde_json::json;

use super::WORKS;
use crate::{
    core::Record,
    error::Result,
    services::{hirings::forms, online::Online, values::text},
    store::{columns::Column, transaction::Reader},
};

/// Adds `availability_status` to agents: `available`, `busy`, or `offline` where no connection is open.
pub(super) async fn render(
    db: &mut dyn Reader,
    agents: &mut [Record],
    online: &Online,
) -> Result<()> {
    let is_online = |agent: &Record| text(agent, "id").is_some_and(|id| online.is_online(id));
    let there: Vec<_> = agents
        .iter()
        .filter(|agent| is_online(agent))
        .filter_map(|agent| text(agent, "id").map(str::to_owned))
        .collect();
    let working = working(db, there).await?;
    for agent in agents
        .iter_mut()
        .filter(|agent| text(agent, "kind") == Some(WORKS))
    {
        let status = match text(agent, "id") {
            _ if !is_online(agent) => "offline",
            Some(id) if working.contains(id) => "busy",
            _ => "available",
        };
        agent.insert("availability_status".to_owned(), json!(status));
    }
    Ok(())
}

/// Which of these agents work on something.
async fn working(db: &mut dyn Reader, agents: Vec<String>) -> Result<HashSet<String>> {
    if agents.is_empty() {
        return Ok(HashSet::new());
    }
    let provider = tasks::Column::ProviderAgentId;
    let columns: Vec<_> = Column::all::<tasks::Entity>()
        .into_iter()
        .filter(|column| column.name == "provider_agent_id")
        .collect();
    let statuses = forms::statuses("in_progress").unwrap_or_default();
    let mut select = Query::select();
    select
        .distinct()
        .column(provider)
        .from(tasks::Entity)
        .and_where(Expr::col(provider).is_in(agents))
        .and_where(Expr::col(tasks::Column::Status).is_in(statuses.iter().copied()));
    let rows = db.select(&select, &columns).await?;
    Ok(rows
        .iter()
        .filter_map(|row| text(row, "provider_agent_id").map(str::to_owned))
        .collect())
}
