//! Who may speak to whom, and what an output says to others. Pure.
//!
//! Source: docs/swarms.md, "Routing".

#[cfg(test)]
mod tests;

use std::collections::HashSet;

use indexmap::{IndexMap, IndexSet};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Names that are no agents: what is sent to them is told, and goes nowhere.
pub(super) const SPECIAL: [&str; 3] = ["metrics", "tick", "gateway"];

/// The name that stands for everybody whom an agent may speak to.
pub(super) const ALL: &str = "all";

const MARK: &str = "<<SWARM_MSG:";
const START: &str = "START>>";
const END: &str = "<<SWARM_MSG:END>>";

/// Bytes of a name at most.
const NAME: usize = 64;

/// Edges of a swarm at most.
pub(super) const EDGES: usize = 10_000;

/// Messages that reach somebody, or that go nowhere, at most in one turn, and bytes of their contents.
const MESSAGES: usize = 1_000;
pub(super) const CONTENTS: usize = 16 << 20;

/// From whom to whom.
pub(super) type Edge = (String, String);

/// Directed edges, in the order in which they were made. As JSON: pairs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Topology(IndexSet<Edge>);

impl Topology {
    /// Adds an edge; whether it was not there.
    pub(super) fn add(&mut self, from: &str, to: &str) -> bool {
        self.0.insert((from.to_owned(), to.to_owned()))
    }

    /// Takes edges away; how many were there.
    pub(super) fn remove(&mut self, edges: &[Edge]) -> usize {
        let (before, gone) = (self.len(), HashSet::<&Edge>::from_iter(edges));
        self.0.retain(|edge| !gone.contains(edge));
        before - self.len()
    }

    /// Takes away every edge of an agent.
    pub(super) fn forget(&mut self, agent: &str) {
        self.0.retain(|(from, to)| from != agent && to != agent);
    }

    /// The edges that an agent would have if it had those of another.
    pub(super) fn copied(&self, of: &str, to: &str) -> Self {
        let swap = |name: &String| {
            if name == of {
                to.to_owned()
            } else {
                name.clone()
            }
        };
        let own = self.0.iter().filter(|(a, b)| a == of || b == of);
        Self(own.map(|(a, b)| (swap(a), swap(b))).collect())
    }

    /// Adds edges; how many of them were not there.
    pub(super) fn extend(&mut self, more: Self) -> usize {
        let before = self.len();
        self.0.extend(more.0);
        self.len() - before
    }

    /// How many edges there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is an edge.
    pub(super) fn has(&self, from: &str, to: &str) -> bool {
        self.0.contains(&(from.to_owned(), to.to_owned()))
    }

    /// To whom an agent's edges lead.
    pub(super) fn targets<'a>(&'a self, from: &'a str) -> impl Iterator<Item = &'a str> {
        let own = self.0.iter().filter(move |(a, _)| a == from);
        own.map(|(_, to)| to.as_str())
    }

    /// The edges.
    pub(super) fn edges(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(from, to)| (from.as_str(), to.as_str()))
    }

    /// `[{from, targets}]`.
    pub(super) fn shown(&self) -> Value {
        let mut all = IndexMap::<&str, Vec<&str>>::new();
        for (from, to) in self.edges() {
            all.entry(from).or_default().push(to);
        }
        all.into_iter()
            .map(|(from, targets)| json!({"from": from, "targets": targets}))
            .collect()
    }

    /// How many messages one becomes, whose sender is `from`, and the bytes of their contents.
    pub(super) fn weight(&self, from: &str, outgoing: &Outgoing) -> (usize, usize) {
        let count = match outgoing.to.as_str() {
            ALL => self.targets(from).count().max(1),
            _ => 1,
        };
        (count, count * outgoing.content.len())
    }

    /// How many of an output's messages are sent: the first of them, as long as they are not too many, or too
    /// large together.
    pub(super) fn bearable(&self, from: &str, messages: &[Outgoing]) -> usize {
        let (mut count, mut bytes) = (0, 0);
        let is_too_much = |message: &Outgoing| {
            let (more, larger) = self.weight(from, message);
            (count, bytes) = (count + more, bytes + larger);
            count > MESSAGES || bytes > CONTENTS
        };
        let first = messages.iter().position(is_too_much);
        first.unwrap_or(messages.len())
    }
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// It is given to the agent.
    Deliver,
    /// It may be sent, and goes nowhere.
    Drop,
    /// There is no edge.
    Invalid,
    /// There is no such agent.
    Missing,
}

/// Where a message goes, if an agent of the name `to` is there.
pub(super) fn route(topology: &Topology, from: &str, to: &str, is_there: bool) -> Route {
    if SPECIAL.contains(&to) {
        return Route::Drop;
    }
    match (is_there, topology.has(from, to)) {
        (false, _) => Route::Missing,
        (true, true) => Route::Deliver,
        (true, false) => Route::Invalid,
    }
}

/// A message that an output holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outgoing {
    /// To whom; [`ALL`] for everybody.
    pub to: String,
    /// What is said.
    pub content: String,
}

/// An output, understood.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Spoken {
    /// The text without marked messages.
    pub content: String,
    /// What it says to others, in order.
    pub messages: Vec<Outgoing>,
}

/// Understands an output: lines `@name: …` and `@all: …`, and messages between markers,
/// `<<SWARM_MSG:TO=name:START>>…<<SWARM_MSG:END>>` or `<<SWARM_MSG:BROADCAST:START>>…`, which are taken
/// out of the text. What is none of these is text.
pub(super) fn understand(output: &str) -> Spoken {
    let mut spoken = Spoken::default();
    let (mut rest, mut plain, mut marked) = (output, String::new(), false);
    // Behind the last of them no message ends, and none is looked for.
    let end = output.rfind(END).map_or(usize::MAX, |at| output.len() - at);
    while let Some(at) = rest.find(MARK) {
        let (before, mark) = rest.split_at(at);
        plain.push_str(before);
        let message = message(mark).filter(|(_, body)| body.len() >= end);
        if let Some((to, (content, after))) =
            message.and_then(|(to, body)| Some((to, body.split_once(END)?)))
        {
            spoken.text(&std::mem::take(&mut plain));
            spoken.say(to, content);
            (rest, marked) = (after, true);
        } else {
            plain.push_str(MARK);
            rest = &mark[MARK.len()..];
        }
    }
    plain.push_str(rest);
    spoken.text(&plain);
    if marked {
        spoken.content = spoken.content.trim().to_owned();
    }
    spoken
}

impl Spoken {
    /// Takes a part of the text.
    fn text(&mut self, part: &str) {
        self.content.push_str(part);
        for line in part.lines() {
            let addressed = line.trim_start().strip_prefix('@');
            if let Some((to, content)) = addressed.and_then(|line| line.split_once(':')) {
                self.say(to.trim_end(), content);
            }
        }
    }

    fn say(&mut self, to: &str, content: &str) {
        let content = content.trim();
        if is_name(to) && !content.is_empty() {
            let (to, content) = (to.to_owned(), content.to_owned());
            self.messages.push(Outgoing { to, content });
        }
    }
}

/// The start of a marked message at a text's start: to whom it is, and the text behind.
fn message(text: &str) -> Option<(&str, &str)> {
    let (head, body) = text.strip_prefix(MARK)?.split_once(':')?;
    let to = match head {
        "BROADCAST" => ALL,
        _ => head.strip_prefix("TO=").filter(|to| is_name(to))?,
    };
    Some((to, body.strip_prefix(START)?))
}

/// Whether a text can be an agent's or a swarm's name: a letter, then letters, digits, `_` and `-`, at most
/// 64.
pub(super) fn is_name(text: &str) -> bool {
    let rest = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    text.len() <= NAME
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(rest)
}
