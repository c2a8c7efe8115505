//! How swarms go: stopped they stay known; purged, nothing of them is left.

use std::sync::Arc;

use entities::swarm_events::Column as Of;
use sea_orm::sea_query::{Condition, Expr, ExprTrait};
use serde_json::{Value, json};

use super::{
    Swarms,
    lifecycle::Steering,
    rows::{self, EVENTS, Member, SWARMS},
    telling::{PURGED, push},
};
use crate::{
    core::{identity::Identity, turn::Turn},
    error::{Kind, Result},
    services::{cascade::clear_part, runs::there},
    store::lane::Work,
};

impl Swarms {
    /// Stops a swarm; purged, it is forgotten with its agents' sessions and all that happened.
    ///
    /// # Errors
    /// `NotFound`, or if the database fails.
    pub(super) async fn remove(
        self: Arc<Self>,
        name: String,
        purge: bool,
        steering: Steering,
    ) -> Result<Value> {
        self.check(&name, &steering).await?;
        let lock = self.lock(&name);
        let _held = lock.lock().await;
        let swarm = self.stop_held(&name, &steering).await?;
        if purge {
            self.purge(&name, &steering).await?;
        }
        let status = if purge { "purged" } else { "stopped" };
        let path = swarm.0.get("config_path");
        Ok(json!({"status": status, "swarm_name": name, "config_path": path}))
    }

    /// Purges all swarms that somebody sees and that are stopped; all of them, if all are meant.
    ///
    /// # Errors
    /// If the database fails.
    pub(super) async fn clean(self: Arc<Self>, all: bool, steering: Steering) -> Result<Value> {
        let (mut removed, mut cleared) = (0, 0);
        for swarm in rows::all(&mut steering.store.reader(), &steering.by).await? {
            let name = swarm.name();
            let lock = self.lock(name);
            let _held = lock.lock().await;
            // It may be gone by now, or another's.
            let seen = rows::seen(&mut steering.store.reader(), name, &steering.by).await;
            let Some(swarm) = there(seen)? else {
                continue;
            };
            if all {
                if there(self.stop_held(name, &steering).await)?.is_none() {
                    continue;
                }
            } else if swarm.is_up() || swarm.status() == "stopping" {
                continue;
            }
            cleared += self.purge(name, &steering).await?;
            removed += 1;
        }
        Ok(json!({"status": "cleaned", "swarms_removed": removed, "events_cleared": cleared}))
    }

    /// Removes all that there is of a stopped swarm; how many events there were.
    async fn purge(self: &Arc<Self>, name: &str, steering: &Steering) -> Result<u64> {
        let members = rows::members(&mut steering.store.reader(), name).await?;
        let sessions: Vec<_> = members
            .iter()
            .map(Member::session)
            .map(str::to_owned)
            .collect();
        for session in &sessions {
            while {
                let session = session.clone();
                let unit = async move |work: &mut Work<'_>| clear_part(&session, work).await;
                steering.store.write(&Turn::default(), unit).await?
            } {}
        }
        self.forget_external(name, None);
        let (swarms, of, by) = (Arc::clone(self), name.to_owned(), steering.by.clone());
        let unit = async move |work: &mut Work<'_>| {
            let why = "its swarm was purged";
            swarms.empty(&of, None, why, work).await?;
            // Who may purge a swarm may remove its agents' sessions, wherever these were put meanwhile.
            work.by = Identity::System;
            for session in &sessions {
                there(swarms.sessions.remove(session, work).await)?;
            }
            work.by = by;
            let own = Condition::all().add(Expr::col(Of::Swarm).eq(of.as_str()));
            let events = EVENTS.count(work.tx, own).await?;
            if let Some(swarm) = rows::swarm(work.tx, &of).await? {
                push(&swarm, PURGED, &json!({}), &[], work)?;
            }
            // Its rows in other tables go with it.
            SWARMS.delete(work.tx, &[json!(of)]).await?;
            Ok(events)
        };
        let purged = steering.store.write(&Turn::default(), unit).await;
        if purged
            .as_ref()
            .is_err_and(|error| error.kind() == Kind::NotFound)
        {
            return Ok(0);
        }
        self.counts().remove(name);
        purged
    }
}
