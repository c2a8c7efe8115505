//! What an event is about and who may see it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{access::Access, identity::Identity};

/// The kinds of things that topics name, where readers of the log ask for some of them.
pub const KINDS: [&str; 12] = [
    "board",
    "session",
    "task",
    "swarm",
    "agent",
    "user",
    "repo",
    "stream",
    "workflow",
    "execution",
    "step",
    "workspace",
];

/// One thing that an event concerns: `session:<id>`, `task:<id>`, `board:<id>`, …
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Topic(String);

impl Topic {
    /// The topic of one thing of a kind.
    pub fn new(kind: &str, id: &str) -> Self {
        Self(format!("{kind}:{id}"))
    }

    /// The id, if the topic is of this kind.
    pub fn id_of(&self, kind: &str) -> Option<&str> {
        self.0.strip_prefix(kind)?.strip_prefix(':')
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who may see an event: the ids at writing; membership is looked up at delivery and at replay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    /// Everybody whom the daemon lets in, but agents.
    Everyone,
    /// Those who may see one of these boards.
    Boards(Vec<String>),
    /// These users and agents.
    Identities(Vec<String>),
    /// Nobody: it is in the log only.
    Nobody,
}

impl Audience {
    /// Whether an event for this audience reaches this identity.
    ///
    /// The local owner of an open daemon sees every board and stands for every identity.
    pub fn admits(&self, identity: &Identity, access: &Access) -> bool {
        let identity = &access.current(identity);
        match (self, identity) {
            (Self::Nobody, _) | (_, Identity::Nobody) => false,
            (_, Identity::Owner | Identity::System) => true,
            (Self::Identities(ids), _) => ids.iter().any(|id| identity.id() == Some(id)),
            (_, Identity::Agent(_)) => false,
            (Self::Everyone, _) => true,
            (Self::Boards(boards), _) => access.sees(identity, boards),
        }
    }

    /// Whether it reaches everybody who is let in.
    pub fn is_everyone(&self, access: &Access) -> bool {
        match self {
            Self::Everyone => true,
            Self::Boards(boards) => access.is_public(boards),
            Self::Identities(_) | Self::Nobody => false,
        }
    }
}
