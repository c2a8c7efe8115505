//! Checks a value field by field, and notes what is wrong.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::{
    super::{
        locating::Step,
        routing::{ALL, EDGES, Edge, SPECIAL, Topology, is_name},
    },
    AGENTS, Backend, Definition, PROBLEMS, Problem, SPEC, SPECS, Spec,
};
use crate::core::Record;

/// Names that paths below `swarms/` have.
const TAKEN: [&str; 3] = ["clean", "events", "validate"];

const FIELDS: [&str; 5] = ["name", "description", "board_id", "agents", "topology"];
const AGENT_FIELDS: [&str; 9] = [
    "name", "backend", "command", "skills", "model", "endpoint", "presets", "config", "count",
];

/// Genswarms' backends that run agents in containers or on other machines.
const CONTAINERS: [&str; 9] = [
    "docker",
    "podman",
    "apple_container",
    "bwrap",
    "ssh",
    "kubernetes",
    "container",
    "sandbox",
    "szc",
];

/// What is said of what Genswarms has, and Roost has not.
pub(super) const NOT_OFFERED: &str = "is not offered";

/// What was wrong so far, and where the reading is.
#[derive(Default)]
pub(super) struct Reading {
    pub(super) problems: Vec<Problem>,
    pub(super) path: Vec<Step>,
}

impl Reading {
    /// Notes a problem, unless there are many already.
    fn wrong(&mut self, message: impl Into<String>) {
        if self.problems.len() >= PROBLEMS {
            return;
        }
        let (path, message) = (self.path.clone(), message.into());
        self.problems.push(Problem {
            path,
            message,
            line: None,
        });
    }

    /// Reads inside a field or a place of a list.
    fn inside<T>(&mut self, step: Step, read: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(step);
        let read = read(self);
        self.path.pop();
        read
    }

    fn object<'a>(&mut self, value: &'a Value, known: &[&str]) -> Option<&'a Record> {
        let Some(object) = value.as_object() else {
            self.wrong("must be an object");
            return None;
        };
        for field in object
            .keys()
            .filter(|field| !known.contains(&field.as_str()))
        {
            let known = known.join(", ");
            self.inside(Step::key(field), |this| match field.as_str() {
                "objects" if object[field] == json!([]) => {}
                "objects" => this.wrong(format!(
                    "{NOT_OFFERED}: their handlers are Elixir modules; make an agent instead"
                )),
                _ => this.wrong(format!("is not known; known are {known}")),
            });
        }
        Some(object)
    }

    pub(super) fn definition(&mut self, value: &Value) -> Option<Definition> {
        let object = self.object(value, &FIELDS)?;
        let name = self.name(object, &TAKEN);
        let board = self.text(object, "board_id");
        self.text(object, "description");
        let (agents, copies) = self.inside(Step::key("agents"), |this| {
            this.agents(object.get("agents"))
        });
        let edges = self.inside(Step::key("topology"), |this| {
            let edges = this.edges(object.get("topology"));
            let names: HashSet<&str> = agents.iter().map(|agent| agent.name.as_str()).collect();
            for (index, (from, to)) in &edges {
                let is_known = |name: &str| names.contains(name);
                for name in [from, to].into_iter().filter(|name| !is_known(name)) {
                    if name == to && SPECIAL.contains(&name.as_str()) {
                        continue;
                    }
                    let step = Step::Index(*index);
                    this.inside(step, |this| {
                        this.wrong(format!("there is no agent `{name}`"));
                    });
                }
            }
            edges
        });
        let mut topology = Topology::default();
        for (_, (from, to)) in edges {
            topology.add(&from, &to);
        }
        for (of, copy) in copies {
            topology.extend(topology.copied(&of, &copy));
            if topology.len() > EDGES {
                self.inside(Step::key("topology"), Self::too_many_edges);
                break;
            }
        }
        Some(Definition {
            name: name?,
            board,
            agents,
            topology,
        })
    }

    /// The agents with their copies, and whose copy is which.
    fn agents(&mut self, value: Option<&Value>) -> (Vec<Spec>, Vec<Edge>) {
        let (mut agents, mut copies, mut bytes) = (Vec::<Spec>::new(), Vec::new(), 0);
        let list = self.list(value).map_or(&[][..], Vec::as_slice);
        for (index, value) in list.iter().enumerate() {
            self.inside(Step::Index(index), |this| {
                let Some((spec, count)) = this.agent(value) else {
                    return;
                };
                if agents.len() + count > AGENTS {
                    return this.wrong(format!("a swarm has at most {AGENTS} agents"));
                }
                bytes += spec.bytes() * count;
                if bytes > SPECS {
                    return this.wrong("agents are at most 16 MiB together, their skills included");
                }
                for number in 0..count {
                    let copy = spec.copy(number);
                    if agents.iter().any(|other| other.name == copy.name) {
                        let why = format!("there are two agents `{}`", copy.name);
                        this.inside(Step::key("name"), |this| this.wrong(why));
                    }
                    if number > 0 {
                        copies.push((spec.name.clone(), copy.name.clone()));
                    }
                    agents.push(copy);
                }
            });
        }
        (agents, copies)
    }

    /// An agent, and how many of it there are to be.
    pub(super) fn agent(&mut self, value: &Value) -> Option<(Spec, usize)> {
        let object = self.object(value, &AGENT_FIELDS)?;
        let reserved = [&SPECIAL[..], &[ALL]].concat();
        let name = self.name(object, &reserved);
        let backend = self.inside(Step::key("backend"), |this| {
            this.backend(object.get("backend"))
        });
        let command = self
            .text(object, "command")
            .filter(|command| !command.trim().is_empty());
        self.inside(Step::key("command"), |this| match (backend, &command) {
            (Some(Backend::Local), None) => this.wrong("is required where the backend is local"),
            (Some(Backend::Echo | Backend::External), Some(_)) => {
                this.wrong("is for agents whose backend is local");
            }
            _ => {}
        });
        let skills = self.inside(Step::key("skills"), |this| {
            this.skills(object.get("skills"))
        });
        let presets = self.inside(Step::key("presets"), |this| {
            this.list(object.get("presets"))
        });
        let config = self.inside(Step::key("config"), |this| match object.get("config") {
            None | Some(Value::Null) => Record::new(),
            Some(Value::Object(config)) => config.clone(),
            Some(_) => {
                this.wrong("must be an object");
                Record::new()
            }
        });
        let count = self.inside(Step::key("count"), |this| this.count(object.get("count")));
        let (model, endpoint) = (self.text(object, "model"), self.text(object, "endpoint"));
        let spec = Spec {
            name: name?,
            backend: backend?,
            command,
            skills,
            model,
            endpoint,
            presets: presets.cloned().unwrap_or_default(),
            config,
            group: None,
        };
        if spec.bytes() > SPEC {
            self.wrong("is larger than 1 MiB, its skills included");
        }
        Some((spec, count))
    }

    fn backend(&mut self, value: Option<&Value>) -> Option<Backend> {
        // Genswarms writes some as a list that begins with the word.
        let given = value.and_then(|value| value.as_str().or_else(|| value.get(0)?.as_str()));
        let is_word = value.is_some_and(Value::is_string);
        let mut known = Backend::ALL.into_iter().filter(|_| is_word);
        let backend = known.find(|known| given == Some(known.as_str()));
        if backend.is_none() {
            match given.filter(|given| CONTAINERS.contains(given)) {
                Some(given) => self.wrong(format!(
                    "{given} {NOT_OFFERED}; use echo, local or external"
                )),
                None => self.wrong("must be one of echo, local, external"),
            }
        }
        backend
    }

    fn count(&mut self, value: Option<&Value>) -> usize {
        let Some(value) = value.filter(|value| !value.is_null()) else {
            return 1;
        };
        let count = value.as_u64().and_then(|count| usize::try_from(count).ok());
        let count = count.filter(|count| (1..=AGENTS).contains(count));
        count.unwrap_or_else(|| {
            self.wrong(format!("must be a whole number from 1 to {AGENTS}"));
            1
        })
    }

    fn name(&mut self, object: &Record, taken: &[&str]) -> Option<String> {
        let name = self.text(object, "name");
        self.inside(Step::key("name"), |this| match &name {
            Some(name) if taken.contains(&name.as_str()) => {
                this.wrong(format!("`{name}` is taken; choose another"));
            }
            Some(name) if is_name(name) => {}
            _ => this.wrong("must be a letter, then at most 63 letters, digits, _ or -"),
        });
        name
    }

    fn text(&mut self, object: &Record, field: &str) -> Option<String> {
        match object.get(field) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) if !text.contains('\0') => Some(text.clone()),
            Some(_) => {
                self.inside(Step::key(field), |this| this.wrong("must be a text"));
                None
            }
        }
    }

    fn list<'a>(&mut self, value: Option<&'a Value>) -> Option<&'a Vec<Value>> {
        match value {
            None | Some(Value::Null) => None,
            Some(Value::Array(list)) => Some(list),
            Some(_) => {
                self.wrong("must be a list");
                None
            }
        }
    }

    fn skills(&mut self, value: Option<&Value>) -> Vec<Value> {
        let skills = self.list(value).cloned().unwrap_or_default();
        for (index, skill) in skills.iter().enumerate() {
            let is_whole = skill["name"].is_string() && skill["content"].is_string();
            if !(skill.is_string() || is_whole) {
                let step = Step::Index(index);
                self.inside(step, |this| {
                    this.wrong("must be a path, or {name, content}");
                });
            }
        }
        skills
    }

    pub(super) fn names(&mut self, value: Option<&Value>) -> Vec<String> {
        let names = self.list(value).map_or(&[][..], Vec::as_slice);
        let mut read = Vec::new();
        for (index, name) in names.iter().enumerate() {
            match name.as_str() {
                Some(name) => read.push(name.to_owned()),
                None => self.inside(Step::Index(index), |this| this.wrong("must be a name")),
            }
        }
        read
    }

    fn too_many_edges(&mut self) {
        self.wrong(format!("a swarm has at most {EDGES} edges"));
    }

    /// Edges, and where in the list they are.
    pub(super) fn edges(&mut self, value: Option<&Value>) -> Vec<(usize, Edge)> {
        let list = self.list(value).map_or(&[][..], Vec::as_slice);
        if list.len() > EDGES {
            self.too_many_edges();
            return Vec::new();
        }
        let mut edges = Vec::new();
        for (index, edge) in list.iter().enumerate() {
            let (from, to) = match edge {
                Value::Array(pair) if pair.len() == 2 => (&pair[0], &pair[1]),
                edge => (&edge["from"], &edge["to"]),
            };
            match from.as_str().zip(to.as_str()) {
                Some((from, to)) => edges.push((index, (from.to_owned(), to.to_owned()))),
                None => self.inside(Step::Index(index), |this| {
                    this.wrong("must be [from, to] or {from, to}");
                }),
            }
        }
        edges
    }
}
