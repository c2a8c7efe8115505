//! What a workflow is to be: read and checked before anything is stored.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{
    expression::{Expression, LONGEST},
    variables::{self, Variable},
};
use crate::{
    error::{Error, Result},
    services::reading::{Fields, Problems},
};

/// Steps of a workflow, with those in groups.
pub(super) const STEPS: usize = 500;

/// Bytes of a definition.
pub(super) const BYTES: usize = 1 << 20;

/// Groups inside each other.
const DEEPEST: usize = 8;

/// Characters of a name, and of what describes something.
const NAME: usize = 255;
const TEXT: usize = 10_000;

/// Seconds that something may take.
const SECONDS: (u64, u64) = (1, 7 * 24 * 3_600);

/// Attempts after the first.
const RETRIES: (u64, u64) = (0, 100);

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// A prompt.
    Task,
    /// A prompt, if something holds.
    Condition,
    /// A group whose steps run at once.
    Parallel,
    /// A group whose steps run one after the other.
    Sequential,
    /// A prompt, of an agent.
    Agent,
}

impl Kind {
    const ALL: [Self; 5] = [
        Self::Task,
        Self::Condition,
        Self::Parallel,
        Self::Sequential,
        Self::Agent,
    ];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Task => "task",
            Self::Condition => "condition",
            Self::Parallel => "parallel",
            Self::Sequential => "sequential",
            Self::Agent => "agent",
        }
    }

    pub(super) const fn is_group(self) -> bool {
        matches!(self, Self::Parallel | Self::Sequential)
    }
}

/// A step. Those of groups stand behind their group.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Step {
    /// As it is stored; before, as it was called by who sent it, if at all.
    pub(super) id: String,
    /// The group's place among the steps.
    pub(super) parent: Option<usize>,
    pub(super) name: String,
    pub(super) step_type: Kind,
    pub(super) step_order: u64,
    pub(super) config: Map<String, Value>,
    /// Names of steps beside it.
    pub(super) depends_on_steps: Vec<String>,
    pub(super) condition_expression: Option<String>,
    pub(super) agent_definition_id: Option<String>,
    pub(super) agent_instance_id: Option<String>,
    pub(super) timeout_seconds: Option<u64>,
    pub(super) max_retries: Option<u64>,
    pub(super) metadata: Map<String, Value>,
}

impl Step {
    /// What is asked, before variables are filled in.
    pub(super) fn prompt(&self) -> &str {
        let said = ["prompt", "description", "task"]
            .into_iter()
            .filter_map(|name| self.config.get(name)?.as_str());
        said.into_iter()
            .find(|text| !text.trim().is_empty())
            .unwrap_or(&self.name)
    }

    /// Whether it asks anything: a condition need not.
    pub(super) fn asks(&self) -> bool {
        let asks = ["prompt", "description", "task"];
        match self.step_type {
            Kind::Task | Kind::Agent => true,
            Kind::Condition => asks.iter().any(|name| self.config.contains_key(*name)),
            Kind::Parallel | Kind::Sequential => false,
        }
    }
}

/// A workflow.
#[derive(Clone, Debug)]
pub(super) struct Definition {
    pub(super) name: String,
    pub(super) description: Option<String>,
    pub(super) project_id: Option<String>,
    pub(super) is_active: bool,
    pub(super) config: Map<String, Value>,
    pub(super) metadata: Map<String, Value>,
    pub(super) variables: Vec<Variable>,
    pub(super) timeout_seconds: u64,
    pub(super) max_retries: u64,
    pub(super) steps: Vec<Step>,
}

impl Definition {
    /// Reads a definition: `{name, description?, project_id?, is_active?, steps: [{name, step_type,
    /// step_order?, config?, depends_on_steps?, condition_expression?, agent_instance_id?, timeout_seconds?,
    /// max_retries?, metadata?}], variables: [{name, data_type, is_required, default_value, description}],
    /// config?, timeout_seconds?, max_retries?, metadata?}`. Steps of a group are in its `config.steps`.
    ///
    /// # Errors
    /// `Unprocessable` with all that is wrong, `PayloadTooLarge`.
    pub(super) fn read(data: &Value) -> Result<Self> {
        let (definition, problems) = Self::examine(data)?;
        problems.refuse()?;
        Ok(definition)
    }

    /// As [`read`](Self::read), with what is wrong instead of an error.
    ///
    /// # Errors
    /// `PayloadTooLarge`.
    pub(super) fn examine(data: &Value) -> Result<(Self, Problems)> {
        let nothing = Map::new();
        let mut problems = Problems::default();
        let object = data.as_object().unwrap_or(&nothing);
        if data.to_string().len() > BYTES {
            let text = format!("A workflow has at most {BYTES} bytes");
            return Err(Error::payload_too_large(text));
        }
        let mut fields = Fields::new(object, Vec::new(), &mut problems);
        let mut steps = Vec::new();
        read_steps(&mut fields, "steps", None, 0, &mut steps);
        let definition = Self {
            name: fields.name("name", NAME),
            description: fields.text("description", TEXT),
            project_id: fields.text("project_id", NAME),
            is_active: fields.flag("is_active").unwrap_or(true),
            config: fields.object("config"),
            metadata: fields.object("metadata"),
            variables: variables::read(&mut fields),
            timeout_seconds: fields.number("timeout_seconds", SECONDS).unwrap_or(3_600),
            max_retries: fields.number("max_retries", RETRIES).unwrap_or(3),
            steps,
        };
        Ok((definition, problems))
    }
}

/// Reads the steps of a workflow, or of a group.
fn read_steps(
    fields: &mut Fields<'_>,
    list: &str,
    parent: Option<usize>,
    depth: usize,
    steps: &mut Vec<Step>,
) {
    let before = steps.len();
    let mut own = Vec::new();
    fields.each(list, STEPS, |fields, index| {
        if steps.len() >= STEPS {
            if steps.len() == STEPS {
                fields.wrong(
                    "name",
                    "too_long",
                    format!("A workflow has at most {STEPS} steps"),
                );
            }
            return;
        }
        let at = steps.len();
        own.push(at);
        steps.push(read_step(fields, parent, index));
        if steps[..at].iter().any(|other| other.name == steps[at].name) {
            let text = format!("There are two steps '{}'", steps[at].name);
            fields.wrong("name", "value_error", text);
        }
        if steps[at].step_type.is_group() {
            read_group(fields, at, depth, steps);
        }
    });
    if let Some(group) = parent.filter(|group| steps[*group].step_type == Kind::Sequential) {
        in_order(&own, steps);
        debug_assert!(group < before);
    }
    resolve(fields, list, &own, steps);
}

/// Reads a group's steps, which are in its configuration.
fn read_group(fields: &mut Fields<'_>, group: usize, depth: usize, steps: &mut Vec<Step>) {
    if depth + 1 >= DEEPEST {
        let text = format!("There are at most {DEEPEST} groups inside each other");
        fields.wrong("config", "value_error", text);
        return;
    }
    let place = fields.place("config");
    if let Some(Value::Object(config)) = fields.given("config") {
        let mut inner = Fields::new(config, place, fields.problems());
        read_steps(&mut inner, "steps", Some(group), depth + 1, steps);
    }
}

/// Has each step of a sequence wait for the one before it, by their order.
fn in_order(own: &[usize], steps: &mut [Step]) {
    let mut ordered = own.to_vec();
    ordered.sort_by_key(|at| steps[*at].step_order);
    for pair in ordered.windows(2) {
        let before = steps[pair[0]].name.clone();
        let waits = &mut steps[pair[1]].depends_on_steps;
        if !waits.contains(&before) {
            waits.push(before);
        }
    }
}

fn read_step(fields: &mut Fields<'_>, parent: Option<usize>, index: usize) -> Step {
    if fields.given("step_type").is_none() {
        fields.wrong("step_type", "missing", "Field required");
    }
    let word = fields.word("step_type", &Kind::ALL.map(Kind::as_str));
    let step_type = Kind::ALL
        .into_iter()
        .find(|kind| word == Some(kind.as_str()));
    let config = fields.object("config");
    let condition_expression = condition(fields, &config);
    let depends_on_steps = fields.texts("depends_on_steps", STEPS, NAME);
    Step {
        id: fields.text("id", NAME).unwrap_or_default(),
        parent,
        name: fields.name("name", NAME),
        step_type: step_type.unwrap_or(Kind::Task),
        step_order: fields
            .number("step_order", (1, i32::MAX as u64))
            .unwrap_or(index as u64 + 1),
        config,
        depends_on_steps,
        condition_expression,
        agent_definition_id: fields.text("agent_definition_id", NAME),
        agent_instance_id: fields.text("agent_instance_id", NAME),
        timeout_seconds: fields.number("timeout_seconds", SECONDS),
        max_retries: fields.number("max_retries", RETRIES),
        metadata: fields.object("metadata"),
    }
}

/// A condition's expression, which can be read.
fn condition(fields: &mut Fields<'_>, config: &Map<String, Value>) -> Option<String> {
    let said = fields.text("condition_expression", LONGEST);
    let said = said.or_else(|| Some(config.get("expression")?.as_str()?.to_owned()));
    let said = said.filter(|said| !said.trim().is_empty())?;
    if let Err(why) = Expression::parse(&said) {
        let text = format!("The expression cannot be read: {why}");
        fields.wrong("condition_expression", "value_error", text);
    }
    Some(said)
}

/// Turns what steps depend on into names of steps beside them, and refuses what never could begin.
fn resolve(fields: &mut Fields<'_>, list: &str, own: &[usize], steps: &mut [Step]) {
    let mut known = HashMap::new();
    for at in own {
        let step = &steps[*at];
        if !step.id.is_empty() {
            known.insert(step.id.clone(), step.name.clone());
        }
    }
    for at in own {
        known.insert(steps[*at].name.clone(), steps[*at].name.clone());
    }
    for (index, at) in own.iter().enumerate() {
        let mut names: Vec<String> = Vec::new();
        for asked in &steps[*at].depends_on_steps {
            let mut place = fields.place(list);
            place.extend([json!(index), json!("depends_on_steps")]);
            match known.get(asked) {
                Some(name) if names.contains(name) => {}
                Some(name) => names.push(name.clone()),
                None => {
                    let text = format!("There is no step '{asked}' beside it");
                    fields.problems().add(&place, "value_error", text);
                }
            }
        }
        steps[*at].depends_on_steps = names;
    }
    if let Some(names) = circle(own, steps) {
        let text = format!("Steps wait for each other: {}", names.join(", "));
        fields.wrong(list, "value_error", text);
    }
}

/// Steps that wait for each other, or for such, if there are any.
fn circle(own: &[usize], steps: &[Step]) -> Option<Vec<String>> {
    // How many each waits for still, and who waits for it.
    let mut counts: HashMap<usize, usize> = HashMap::new();
    let mut waiters: HashMap<&str, Vec<usize>> = HashMap::new();
    for at in own {
        counts.insert(*at, steps[*at].depends_on_steps.len());
        for name in &steps[*at].depends_on_steps {
            waiters.entry(name.as_str()).or_default().push(*at);
        }
    }
    let ready = own.iter().filter(|at| counts[*at] == 0);
    let mut ready: Vec<usize> = ready.copied().collect();
    while let Some(at) = ready.pop() {
        counts.remove(&at);
        for waiter in waiters.remove(steps[at].name.as_str()).unwrap_or_default() {
            if let Some(count) = counts.get_mut(&waiter) {
                *count -= 1;
                if *count == 0 {
                    ready.push(waiter);
                }
            }
        }
    }
    let circle = own.iter().filter(|at| counts.contains_key(*at));
    let names: Vec<_> = circle.take(10).map(|at| steps[*at].name.clone()).collect();
    (!names.is_empty()).then_some(names)
}

#[cfg(test)]
mod tests;
