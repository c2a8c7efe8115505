//! What a swarm is to be: read from JSON or TOML, and checked. What is wrong is told by field, and by line
//! where there is a text.
//!
//! Source: docs/swarms.md, "Definition".

mod reading;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use self::reading::{NOT_OFFERED, Reading};
use super::{
    locating::{Format, Step, line_of, parse},
    routing::{Edge, Topology},
};
use crate::{
    core::Record,
    error::{Error, Result},
};

/// Agents of a swarm at most.
pub(super) const AGENTS: usize = 1_000;

/// Bytes of an agent's [`Spec`] as JSON at most, and of all of a swarm's.
pub(super) const SPEC: usize = 1 << 20;
pub(super) const SPECS: usize = 16 << 20;

/// What is wrong is told up to this often.
const PROBLEMS: usize = 100;

/// Who does an agent's turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Backend {
    Echo,
    Local,
    External,
}

impl Backend {
    const ALL: [Self; 3] = [Self::Echo, Self::Local, Self::External];

    /// Its word.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Local => "local",
            Self::External => "external",
        }
    }
}

/// What an agent is to be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Spec {
    /// Its name, unique in the swarm.
    pub name: String,
    /// Who does its turns.
    pub backend: Backend,
    /// What `sh -c` is given, where the backend is `local`. Never told to anybody.
    pub command: Option<String>,
    /// Paths, or `{name, content}`.
    pub skills: Vec<Value>,
    /// The model that it should use.
    pub model: Option<String>,
    /// Where its model is.
    pub endpoint: Option<String>,
    /// Names.
    pub presets: Vec<Value>,
    /// Its own settings.
    pub config: Record,
    /// The agent that it was copied from.
    pub group: Option<String>,
}

impl Spec {
    /// As everybody is told it.
    pub(super) fn shown(&self) -> Value {
        json!({
            "name": self.name,
            "backend": self.backend,
            "skills": self.skills,
            "model": self.model,
            "endpoint": self.endpoint,
            "presets": self.presets,
            "config": self.config,
        })
    }

    /// How large it is, as JSON.
    pub(super) fn bytes(&self) -> usize {
        serde_json::to_vec(self).map_or(usize::MAX / 2, |json| json.len())
    }

    /// The copy of a number; 0 is the agent itself.
    pub(super) fn copy(&self, number: usize) -> Self {
        let mut copy = self.clone();
        if number > 0 {
            copy.name = format!("{}_{number}", self.name);
            copy.group = Some(self.name.clone());
        }
        copy
    }
}

/// What a swarm is to be.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Definition {
    /// Its name.
    pub name: String,
    /// The board whose viewers see it; nothing for everybody.
    pub board: Option<String>,
    /// Its agents, copies included.
    pub agents: Vec<Spec>,
    /// Who may speak to whom.
    pub topology: Topology,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Problem {
    path: Vec<Step>,
    message: String,
    line: Option<usize>,
}

impl Problem {
    fn sentence(&self) -> String {
        let field = Step::join(&self.path);
        let what = [field.as_str(), &self.message]
            .into_iter()
            .filter(|part| !part.is_empty());
        let what = what.collect::<Vec<_>>().join(": ");
        match self.line {
            Some(line) => format!("line {line}: {what}"),
            None => what,
        }
    }
}

/// The error that tells all that is wrong: `data` is `{reason: ":invalid_config", errors: [{line, field,
/// message}]}`; the reason is `:not_offered` where something is asked for that Genswarms has, and Roost has not.
pub(super) fn refuse(problems: &[Problem]) -> Error {
    let sentences: Vec<_> = problems.iter().map(Problem::sentence).collect();
    let errors: Value = problems
        .iter()
        .map(|problem| {
            let field = Some(Step::join(&problem.path)).filter(|field| !field.is_empty());
            json!({"line": problem.line, "field": field, "message": problem.message})
        })
        .collect();
    let is_missing = |problem: &Problem| problem.message.contains(NOT_OFFERED);
    let reason = match problems.iter().any(is_missing) {
        true => ":not_offered",
        false => ":invalid_config",
    };
    Error::bad_request(sentences.join("; ")).with_data(json!({"reason": reason, "errors": errors}))
}

impl Definition {
    /// Reads a text.
    ///
    /// # Errors
    /// `BadRequest`, see [`refuse`].
    pub(super) fn parse(text: &str, format: Format) -> Result<Self> {
        let value = parse(text, format).map_err(|(line, message)| {
            let path = Vec::new();
            refuse(&[Problem {
                path,
                message,
                line,
            }])
        })?;
        Self::check(&value).map_err(|mut problems| {
            for problem in &mut problems {
                problem.line = line_of(text, format, &problem.path);
            }
            refuse(&problems)
        })
    }

    /// Reads a value.
    ///
    /// # Errors
    /// `BadRequest`, see [`refuse`].
    pub(super) fn read(value: &Value) -> Result<Self> {
        Self::check(value).map_err(|problems| refuse(&problems))
    }

    fn check(value: &Value) -> Result<Self, Vec<Problem>> {
        let mut reading = Reading::default();
        let definition = reading.definition(value);
        match definition.filter(|_| reading.problems.is_empty()) {
            Some(definition) => Ok(definition),
            None => Err(reading.problems),
        }
    }
}

/// Reads an agent that joins a swarm, and with whom it is connected: to whom it speaks (`connections`), who
/// speaks to it (`incoming`).
///
/// # Errors
/// `BadRequest`, see [`refuse`].
pub(super) fn newcomer(value: &Value) -> Result<(Spec, Topology)> {
    let mut reading = Reading::default();
    let mut value = value.clone();
    let mut edges = |reading: &mut Reading, field: &str| {
        let names = value.as_object_mut().and_then(|value| value.remove(field));
        reading.path.push(Step::key(field));
        let names = reading.names(names.as_ref());
        reading.path.pop();
        names
    };
    let (to, from) = (
        edges(&mut reading, "connections"),
        edges(&mut reading, "incoming"),
    );
    let spec = reading.agent(&value).map(|(spec, _)| spec);
    let Some(spec) = spec.filter(|_| reading.problems.is_empty()) else {
        return Err(refuse(&reading.problems));
    };
    let mut topology = Topology::default();
    for to in to {
        topology.add(&spec.name, &to);
    }
    for from in from {
        topology.add(&from, &spec.name);
    }
    Ok((spec, topology))
}

/// Reads a list of edges: `[from, to]` or `{from, to}`.
///
/// # Errors
/// `BadRequest`, see [`refuse`].
pub(super) fn edges(value: Option<&Value>) -> Result<Vec<Edge>> {
    let mut reading = Reading::default();
    let edges = reading.edges(value);
    if reading.problems.is_empty() {
        return Ok(edges.into_iter().map(|(_, edge)| edge).collect());
    }
    Err(refuse(&reading.problems))
}
