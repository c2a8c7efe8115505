//! How a daemon that comes back goes on with what ran when it ended.

use std::sync::Arc;

use serde_json::json;

use super::{
    Swarms,
    lifecycle::Steering,
    rows::{self, Swarm},
};
use crate::{
    core::{identity::Identity, turn::Turn},
    error::Result,
    store::{Store, lane::Work, transaction::Reader},
};

impl Swarms {
    /// Brings back what ran when the daemon ended.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn recover(self: &Arc<Self>, store: &Store) -> Result<()> {
        let db: &mut dyn Reader = &mut store.reader();
        for swarm in rows::all(db, &Identity::System).await? {
            let steering = Steering {
                by: Identity::System,
                turn: Turn::default(),
                store: store.clone(),
            };
            let name = swarm.name().to_owned();
            let back = match swarm.status() {
                "stopping" => self.stopped(swarm, &steering).await.map(drop),
                _ if swarm.is_up() => self.bring_back(swarm, &steering).await,
                _ => Ok(()),
            };
            if let Err(error) = back {
                tracing::error!(%error, swarm = name, "a swarm could not be brought back");
            }
        }
        Ok(())
    }

    async fn bring_back(self: &Arc<Self>, mut swarm: Swarm, steering: &Steering) -> Result<()> {
        let (swarms, name) = (Arc::clone(self), swarm.name().to_owned());
        let unit = async move |work: &mut Work<'_>| {
            if swarm.status() == "starting" {
                swarm.change(json!({"status": "running"}), work).await?;
            }
            let mut members = rows::members(work.tx, swarm.name()).await?;
            members.retain(|member| member.state() != "error");
            for member in &mut members {
                swarms.begin_one(&swarm, member, work).await?;
            }
            swarms.started(&swarm, members.len(), work).await?;
            Ok(members)
        };
        let members = steering.store.write(&steering.turn, unit).await?;
        self.launch_all(&name, &members, &steering.store)
    }
}
