//! What may be said of an assignment.

use serde_json::{Value, json};

use crate::{
    core::Record,
    error::{Error, Result},
    services::{
        reading::{Fields, Problems},
        values::as_record,
    },
};

/// Characters of a name; of a description; of what is shorter.
const NAME: usize = 255;
const DESCRIPTION: usize = 100_000;
const SHORT: usize = 255;
const TEMPLATE: usize = 10_000;

/// Bytes of a `config`.
const CONFIG: usize = 1 << 20;

/// What is said of an assignment.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) name: String,
    pub(super) description: Option<String>,
    pub(super) project_id: Option<String>,
    pub(super) config: Record,
    pub(super) max_rounds: u64,
    pub(super) max_revision_rounds: u64,
    pub(super) memory_size: u64,
    pub(super) run_branch_prefix: Option<String>,
    pub(super) commit_template: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            name: String::new(),
            description: None,
            project_id: None,
            config: Record::new(),
            max_rounds: 5,
            max_revision_rounds: 2,
            memory_size: 50,
            run_branch_prefix: None,
            commit_template: None,
        }
    }
}

impl Settings {
    /// Reads what was sent; where something was said before, of a session and in its row, that stays unless
    /// something else is sent.
    ///
    /// # Errors
    /// `Unprocessable` with all that is wrong, `PayloadTooLarge`.
    pub(super) fn read(data: &Value, before: Option<(&Record, Option<&Record>)>) -> Result<Self> {
        let mut object = before.map(whole).unwrap_or_default();
        object.extend(as_record(data.clone()));
        let mut problems = Problems::default();
        let mut fields = Fields::new(&object, Vec::new(), &mut problems);
        let usual = Self::default();
        let name = match before {
            // Others leave sessions without a title.
            Some(_) if data.get("name").is_none() => fields.text("name", usize::MAX),
            _ => Some(fields.name("name", NAME)),
        };
        let settings = Self {
            name: name.unwrap_or_default(),
            description: fields.text("description", DESCRIPTION),
            project_id: fields.text("project_id", SHORT),
            config: fields.object("config"),
            max_rounds: fields
                .number("max_rounds", (1, 100))
                .unwrap_or(usual.max_rounds),
            max_revision_rounds: fields
                .number("max_revision_rounds", (0, 100))
                .unwrap_or(usual.max_revision_rounds),
            memory_size: fields
                .number("memory_size", (1, 10_000))
                .unwrap_or(usual.memory_size),
            run_branch_prefix: fields.text("run_branch_prefix", SHORT),
            commit_template: fields.text("commit_template", TEMPLATE),
        };
        let config = json!(settings.config);
        if !matches!(config["auto_approve"], Value::Null | Value::Bool(_)) {
            let text = "`auto_approve` should be true or false";
            fields.wrong("config", "bool_type", text);
        }
        if !matches!(config["goal"], Value::Null | Value::String(_)) {
            fields.wrong("config", "string_type", "`goal` should be a string");
        }
        problems.refuse()?;
        if config.to_string().len() > CONFIG {
            let text = format!("A task's config has at most {CONFIG} bytes");
            return Err(Error::payload_too_large(text));
        }
        Ok(settings)
    }

    /// As what is stored beside a session.
    pub(super) fn row(&self) -> Record {
        as_record(json!({
            "project_id": self.project_id,
            "config": self.config,
            "max_rounds": self.max_rounds,
            "max_revision_rounds": self.max_revision_rounds,
            "memory_size": self.memory_size,
            "run_branch_prefix": self.run_branch_prefix,
            "commit_template": self.commit_template,
        }))
    }
}

/// What is said of a session as somebody would have sent it.
fn whole((session, row): (&Record, Option<&Record>)) -> Record {
    let mut whole = row.cloned().unwrap_or_default();
    for (name, field) in [("name", "title"), ("description", "description")] {
        let value = session.get(field).cloned().unwrap_or_default();
        whole.insert(name.to_owned(), value);
    }
    whole
}
