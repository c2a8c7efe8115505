//! Which agents are connected: whoever keeps a channel of its own open is.
//!
//! Presence is the single source: nothing polls, and an agent is online until its last channel closes.

use std::sync::Arc;

use entities::agents;
use futures_util::FutureExt;
use sea_orm::sea_query::{Expr, ExprTrait, Query};

use crate::{
    core::{
        clock::SharedClock,
        presence::{Diff, Presence, Watcher},
        turn::Turn,
    },
    store::{Store, lane::Work},
};

/// What an agent's place starts with; its id follows.
const PLACE: &str = "agent:";

/// Who is where, and which agents therefore are online. Cheap to clone.
#[derive(Clone)]
pub struct Online {
    /// Who is where: a connected agent is at its own place, under its id.
    pub presence: Presence,
}

impl Online {
    /// Nobody is.
    pub fn new(clock: SharedClock) -> Self {
        Self {
            presence: Presence::new(clock),
        }
    }

    /// Whether an agent is.
    pub fn is_online(&self, agent: &str) -> bool {
        self.presence.is_present(&place(agent), agent)
    }

    /// The ids of all agents that are, in no order.
    pub fn agents(&self) -> Vec<String> {
        let places = self.presence.places();
        let agents = places.iter().filter_map(|place| place.strip_prefix(PLACE));
        agents
            .filter(|agent| self.is_online(agent))
            .map(str::to_owned)
            .collect()
    }

    /// Begins to note when agents were seen last.
    pub fn listen(&self, store: &Store) {
        let sightings = Sightings(store.clone());
        self.presence.watch(Arc::new(sightings));
    }
}

/// Where a connected agent is.
pub fn place(agent: &str) -> String {
    [PLACE, agent].concat()
}

/// Notes when agents came and went.
struct Sightings(Store);

impl Watcher for Sightings {
    fn changed(&self, place: &str, diff: &Diff) {
        let agent = place
            .strip_prefix(PLACE)
            .filter(|agent| diff.joins.contains_key(*agent) || diff.leaves.contains_key(*agent));
        if let Some(agent) = agent {
            see(agent, &self.0);
        }
    }
}

/// Notes that an agent was seen now. Nobody waits for it, and nobody is told.
fn see(agent: &str, store: &Store) {
    let mut update = Query::update();
    update
        .table(agents::Entity)
        .value(agents::Column::LastSeenAt, store.clock().now().to_string())
        .and_where(Expr::col(agents::Column::Id).eq(agent));
    let unit = async move |work: &mut Work<'_>| {
        let statement = work.tx.backend().build(&update);
        work.tx.execute(statement).await.map(drop)
    };
    // Once it has entered the lane it needs nobody; if the lane is full, a later sight is noted.
    drop(store.write(&Turn::default(), unit).now_or_never());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{Record, clock::SystemClock};

    #[test]
    fn an_agent_is_online_until_its_last_channel_closes() {
        let online = Online::new(Arc::new(SystemClock));
        let channel = |agent: &str| {
            let mut stay = online.presence.enter(place(agent));
            stay.track(agent, Record::new());
            stay
        };
        let (one, two, _other) = (channel("a"), channel("a"), channel("b"));
        // Somebody else's key at its place says nothing of the agent.
        let mut visitor = online.presence.enter(place("c"));
        visitor.track("a", Record::new());
        drop(one);
        let mut agents = online.agents();
        agents.sort();
        assert_eq!(
            (agents, online.is_online("c")),
            (vec!["a".to_owned(), "b".to_owned()], false)
        );
        drop(two);
        assert_eq!(
            (online.agents(), online.is_online("a")),
            (vec!["b".to_owned()], false)
        );
    }
}
