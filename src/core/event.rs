//! What happened, as the log keeps it and every dialect frames it.

use std::{borrow::Cow, sync::Arc};

use serde_json::value::RawValue;
use uuid::Uuid;

use super::{
    access::{Access, AccessChange},
    clock::Timestamp,
    identity::Identity,
    scope::{Audience, Topic},
    stamp::Seq,
};

/// How much an event matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the documentation")]
pub enum Level {
    Debug,
    #[default]
    Info,
    Warn,
    Error,
}

impl Level {
    /// The level's word in the log and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }

    /// Reads a level's word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Debug, Self::Info, Self::Warn, Self::Error]
            .into_iter()
            .find(|level| level.as_str() == word)
    }
}

/// One form of an event's payload and who receives it.
#[derive(Clone, Debug)]
pub struct View {
    /// Who receives this form.
    pub audience: Audience,
    /// The payload, serialised once for everybody.
    pub data: Arc<RawValue>,
}

/// An event that a unit of work wants published once it is committed.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The service or part of the daemon that it comes from, such as `messages`.
    pub source: Cow<'static, str>,
    /// What happened, such as `created`.
    pub name: Cow<'static, str>,
    /// How much it matters.
    pub level: Level,
    /// Who caused it.
    pub actor: Option<String>,
    /// What ties it to other events of one doing.
    pub correlation_id: Option<String>,
    /// What it is about.
    pub topics: Vec<Topic>,
    /// A sentence for people.
    pub message: Option<String>,
    /// What it changes in who may see what; not part of the log.
    pub access: Vec<AccessChange>,
    /// The payload's forms; a listener receives the first whose audience admits it. Never empty.
    pub views: Vec<View>,
}

impl Draft {
    /// An event with one form.
    pub fn new(
        source: impl Into<Cow<'static, str>>,
        name: impl Into<Cow<'static, str>>,
        audience: Audience,
        data: Arc<RawValue>,
    ) -> Self {
        Self {
            source: source.into(),
            name: name.into(),
            level: Level::Info,
            actor: None,
            correlation_id: None,
            topics: Vec::new(),
            message: None,
            access: Vec::new(),
            views: vec![View { audience, data }],
        }
    }
}

/// A part of something that grows before it is stored as a whole, such as a message's text: told to
/// who listens now, in order, and never stored.
#[derive(Clone, Debug)]
pub struct Delta {
    /// The service that it comes from, such as `messages`.
    pub source: &'static str,
    /// What happened, such as `streaming:chunk`.
    pub name: &'static str,
    /// The id of what grows, which sorts by its making: who lacks one of its deltas is given none of those
    /// that follow.
    pub of: Arc<str>,
    /// Whether nothing follows.
    pub is_last: bool,
    /// Who is told.
    pub audience: Audience,
    /// What it is about.
    pub topics: Arc<[Topic]>,
    /// The payload, serialised once for everybody.
    pub data: Arc<RawValue>,
}

impl Delta {
    /// The id of the first thing of a kind that it is about.
    pub fn topic(&self, kind: &str) -> Option<&str> {
        self.topics.iter().find_map(|topic| topic.id_of(kind))
    }
}

/// A committed event; it reads as the draft it was made from.
#[derive(Clone, Debug)]
pub struct Event {
    /// Its place in the log.
    pub seq: Seq,
    /// Its id (UUIDv7).
    pub id: Uuid,
    /// When it was written.
    pub at: Timestamp,
    /// What the unit of work said.
    pub draft: Draft,
}

impl std::ops::Deref for Event {
    type Target = Draft;

    fn deref(&self) -> &Draft {
        &self.draft
    }
}

impl Event {
    /// The payload that a listener receives, or `None` if the event is not for it.
    pub fn view(&self, identity: &Identity, access: &Access) -> Option<&Arc<RawValue>> {
        self.views
            .iter()
            .find(|view| view.audience.admits(identity, access))
            .map(|view| &view.data)
    }

    /// The id of the first thing of a kind that the event is about.
    pub fn topic(&self, kind: &str) -> Option<&str> {
        self.topics.iter().find_map(|topic| topic.id_of(kind))
    }

    /// The ids of all things of a kind that the event is about.
    pub fn topics_of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a str> {
        self.topics
            .iter()
            .filter_map(move |topic| topic.id_of(kind))
    }

    /// About how many bytes the event holds.
    pub fn weight(&self) -> usize {
        256 + self
            .views
            .iter()
            .map(|view| view.data.get().len())
            .sum::<usize>()
    }
}
