//! Who may speak to whom, and what an output says to others. Pure.
//!
//! Source: docs/swarms.md, "Routing".

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Names that are no agents: what is sent to them is told, and goes nowhere.
pub(super) const SPECIAL: [&str; 3] = ["metrics", "tick", "gateway"];

/// The name that stands for everybody whom an agent may speak to.
pub(super) const ALL: &str = "all";

const MARK: &str = "<<SWARM_MSG:";
const START: &str = ":START>>";
const END: &str = "<<SWARM_MSG:END>>";

/// Bytes of a name at most.
const NAME: usize = 64;

/// Directed edges, in the order in which they were made. As JSON: pairs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Topology(Vec<(String, String)>);

impl Topology {
    /// Adds an edge; whether it was not there.
    pub(super) fn add(&mut self, from: &str, to: &str) -> bool {
        let is_new = !self.has(from, to);
        if is_new {
            self.0.push((from.to_owned(), to.to_owned()));
        }
        is_new
    }

    /// Takes an edge away; whether it was there.
    pub(super) fn remove(&mut self, from: &str, to: &str) -> bool {
        let edges = self.0.len();
        self.0
            .retain(|(a, b)| (a.as_str(), b.as_str()) != (from, to));
        self.0.len() < edges
    }

    /// Takes away every edge of an agent.
    pub(super) fn forget(&mut self, agent: &str) {
        self.0.retain(|(from, to)| from != agent && to != agent);
    }

    /// Gives an agent the edges that another has.
    pub(super) fn copy(&mut self, of: &str, to: &str) {
        let swap = |name: &str| {
            if name == of {
                to.to_owned()
            } else {
                name.to_owned()
            }
        };
        let own = |(a, b): &&(String, String)| a == of || b == of;
        let edges: Vec<_> = self
            .0
            .iter()
            .filter(own)
            .map(|(a, b)| (swap(a), swap(b)))
            .collect();
        for (from, to) in edges {
            self.add(&from, &to);
        }
    }

    /// Whether there is an edge.
    pub(super) fn has(&self, from: &str, to: &str) -> bool {
        self.0.iter().any(|(a, b)| a == from && b == to)
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
        let mut froms: Vec<&str> = Vec::new();
        for (from, _) in self.edges() {
            if !froms.contains(&from) {
                froms.push(from);
            }
        }
        let targets = |from| self.targets(from).collect::<Vec<_>>();
        froms
            .into_iter()
            .map(|from| json!({"from": from, "targets": targets(from)}))
            .collect()
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
    while let Some(at) = rest.find(MARK) {
        let (before, mark) = rest.split_at(at);
        plain.push_str(before);
        if let Some((to, content, after)) = message(mark) {
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

/// A marked message at a text's start: to whom, what, and the text behind it.
fn message(text: &str) -> Option<(&str, &str, &str)> {
    let (head, rest) = text.strip_prefix(MARK)?.split_once(START)?;
    let to = match head {
        "BROADCAST" => ALL,
        _ => head.strip_prefix("TO=").filter(|to| is_name(to))?,
    };
    let (content, rest) = rest.split_once(END)?;
    Some((to, content, rest))
}

/// Whether a text can be an agent's or a swarm's name: a letter, then letters, digits, `_` and `-`, at most
/// 64.
pub(super) fn is_name(text: &str) -> bool {
    let rest = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    text.len() <= NAME
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(output: &str) -> (String, Vec<(String, String)>) {
        let Spoken { content, messages } = understand(output);
        let pair = |message: Outgoing| (message.to, message.content);
        (content, messages.into_iter().map(pair).collect())
    }

    #[test]
    fn an_output_is_understood() {
        let long = format!("@{}: hi", "a".repeat(65));
        for (output, content, messages) in [
            ("", "", vec![]),
            ("hello", "hello", vec![]),
            ("@b: hello", "@b: hello", vec![("b", "hello")]),
            (
                " @b : x\ntext\n@all:y",
                " @b : x\ntext\n@all:y",
                vec![("b", "x"), ("all", "y")],
            ),
            ("@b:", "@b:", vec![]),
            ("@1b: x", "@1b: x", vec![]),
            ("mail a@b: x", "mail a@b: x", vec![]),
            ("@b c: x", "@b c: x", vec![]),
            (&long, &long, vec![]),
            ("@b: @c: x", "@b: @c: x", vec![("b", "@c: x")]),
            (
                "one\n<<SWARM_MSG:TO=b:START>>\ntwo\n@c: three\n<<SWARM_MSG:END>>\nfour",
                "one\n\nfour",
                vec![("b", "two\n@c: three")],
            ),
            (
                "<<SWARM_MSG:BROADCAST:START>>x<<SWARM_MSG:END>>",
                "",
                vec![("all", "x")],
            ),
            (
                "@a: 1\n<<SWARM_MSG:TO=b:START>>2<<SWARM_MSG:END>>\n@c: 3",
                "@a: 1\n\n@c: 3",
                vec![("a", "1"), ("b", "2"), ("c", "3")],
            ),
            // What is broken is text.
            (
                "<<SWARM_MSG:TO=b:START>>x",
                "<<SWARM_MSG:TO=b:START>>x",
                vec![],
            ),
            (
                "<<SWARM_MSG:NO:START>><<SWARM_MSG:TO=b:START>>x<<SWARM_MSG:END>>",
                "<<SWARM_MSG:NO:START>>",
                vec![("b", "x")],
            ),
            (
                "<<SWARM_MSG:TO=b c:START>>x<<SWARM_MSG:END>>",
                "<<SWARM_MSG:TO=b c:START>>x<<SWARM_MSG:END>>",
                vec![],
            ),
        ] {
            let messages = messages
                .into_iter()
                .map(|(to, text)| (to.to_owned(), text.to_owned()));
            assert_eq!(
                said(output),
                (content.to_owned(), messages.collect()),
                "{output}"
            );
        }
    }

    #[test]
    fn messages_follow_edges() {
        let mut topology = Topology::default();
        assert!(topology.add("a", "b") && !topology.add("a", "b"));
        assert!(topology.add("a", "gateway"));
        for (from, to, is_there, expected) in [
            ("a", "b", true, Route::Deliver),
            ("b", "a", true, Route::Invalid),
            ("a", "a", true, Route::Invalid),
            ("user", "a", true, Route::Invalid),
            ("a", "c", false, Route::Missing),
            ("a", "b", false, Route::Missing),
            ("a", "gateway", false, Route::Drop),
            ("b", "metrics", false, Route::Drop),
            ("b", "tick", false, Route::Drop),
        ] {
            assert_eq!(
                route(&topology, from, to, is_there),
                expected,
                "{from} to {to}"
            );
        }
        assert_eq!(
            topology.shown(),
            json!([{"from": "a", "targets": ["b", "gateway"]}])
        );
    }

    #[test]
    fn edges_come_and_go_with_agents() {
        let mut topology = Topology::default();
        for (from, to) in [("a", "b"), ("b", "c"), ("b", "b"), ("c", "a")] {
            topology.add(from, to);
        }
        topology.copy("b", "b_1");
        let all: Vec<_> = topology.edges().collect();
        let copied = [("a", "b_1"), ("b_1", "c"), ("b_1", "b_1")];
        assert_eq!(all[4..], copied);
        topology.forget("b");
        assert_eq!(
            topology.edges().collect::<Vec<_>>(),
            [&[("c", "a")], &copied[..]].concat()
        );
        assert!(topology.remove("c", "a") && !topology.remove("c", "a"));
        let pairs = serde_json::to_value(&topology).unwrap();
        assert_eq!(pairs, json!([["a", "b_1"], ["b_1", "c"], ["b_1", "b_1"]]));
    }
}
