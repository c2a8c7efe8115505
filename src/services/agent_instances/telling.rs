//! What is told of instances.

use serde_json::{Value, json};

use super::{rows::Instance, status::Status};
use crate::{
    core::scope::{Audience, Topic},
    error::Result,
    services::{runs::clean, signals},
    store::lane::Work,
};

/// Who is told of something, and what it is about beside the instance.
#[derive(Clone, Debug)]
pub(super) struct About {
    pub(super) audience: Audience,
    pub(super) topics: Vec<Topic>,
    /// What ties it to other events.
    pub(super) correlation: Option<String>,
}

impl About {
    /// Everybody who is let in, of these things.
    pub(super) const fn of(topics: Vec<Topic>) -> Self {
        Self {
            audience: Audience::Everyone,
            topics,
            correlation: None,
        }
    }

    /// Everybody who is let in, of nothing else.
    pub(super) const fn nothing() -> Self {
        Self::of(Vec::new())
    }
}

impl Instance {
    /// Tells something of it.
    pub(super) fn tell(
        &self,
        name: &'static str,
        (data, message): (&Value, String),
        about: &About,
        work: &mut Work<'_>,
    ) -> Result<()> {
        let own = [("agent", self.id()), ("workspace", self.workspace())];
        let mut topics: Vec<_> = own.map(|(kind, id)| Topic::new(kind, id)).into();
        for topic in &about.topics {
            if !topics.contains(topic) {
                topics.push(topic.clone());
            }
        }
        let audience = about.audience.clone();
        let mut draft = signals::draft(name, audience, topics, data, Some(message))?;
        draft.correlation_id.clone_from(&about.correlation);
        work.publish(draft);
        Ok(())
    }

    /// Tells what was done with it.
    pub(super) fn tell_activity(
        &self,
        data: &Value,
        about: &About,
        work: &mut Work<'_>,
    ) -> Result<()> {
        let action = data["action"].as_str().unwrap_or_default();
        let message = format!("Agent '{}': {action}", self.name());
        self.tell("agent_activity", (data, message), about, work)
    }

    /// Moves it into a status, which it may come into, and tells so.
    pub(super) async fn go(
        &mut self,
        to: Status,
        error: Option<&str>,
        about: &About,
        work: &mut Work<'_>,
    ) -> Result<()> {
        let from = self.status();
        let mut changes = json!({"status": to.as_str()});
        if let Some(error) = error {
            changes["last_error"] = json!(clean(error));
        }
        self.change(changes, work).await?;
        let (from, to) = (from.as_str(), to.as_str());
        let data = json!({"previous_status": from, "status": to, "error": error});
        let message = format!("Agent '{}' is {to}", self.name());
        self.tell("agent_status_changed", (&data, message), about, work)
    }
}
