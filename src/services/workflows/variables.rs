//! What a workflow is told when it is executed: which variables it has, of what types.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::services::reading::{Fields, Problems};

/// Variables that a workflow, or an execution, may have.
pub(super) const MOST: usize = 500;

/// Characters of a variable's name.
const NAME: usize = 255;

/// A variable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Variable {
    pub(super) name: String,
    pub(super) data_type: String,
    pub(super) is_required: bool,
    pub(super) default_value: Value,
    pub(super) description: Option<String>,
    #[serde(default)]
    pub(super) metadata: Map<String, Value>,
}

/// What a type's values are.
#[derive(Clone, Copy)]
enum Type {
    Text,
    Whole,
    Number,
    Flag,
    List,
    Object,
    Any,
}

/// The types, by every word for them.
const TYPES: [(&str, Type); 16] = [
    ("string", Type::Text),
    ("str", Type::Text),
    ("text", Type::Text),
    ("int", Type::Whole),
    ("integer", Type::Whole),
    ("float", Type::Number),
    ("number", Type::Number),
    ("bool", Type::Flag),
    ("boolean", Type::Flag),
    ("list", Type::List),
    ("array", Type::List),
    ("dict", Type::Object),
    ("object", Type::Object),
    ("json", Type::Any),
    ("any", Type::Any),
    ("file", Type::Text),
];

impl Type {
    fn named(word: &str) -> Option<Self> {
        let known = TYPES.iter().find(|(name, _)| *name == word)?;
        Some(known.1)
    }

    fn fits(self, value: &Value) -> bool {
        match self {
            Self::Text => value.is_string(),
            Self::Whole => value.is_i64() || value.is_u64(),
            Self::Number => value.is_number(),
            Self::Flag => value.is_boolean(),
            Self::List => value.is_array(),
            Self::Object => value.is_object(),
            Self::Any => true,
        }
    }

    /// The type of problem, and what is wrong.
    const fn complaint(self) -> (&'static str, &'static str) {
        match self {
            Self::Text => ("string_type", "Input should be a valid string"),
            Self::Whole => ("int_type", "Input should be a valid integer"),
            Self::Number => ("float_type", "Input should be a valid number"),
            Self::Flag => ("bool_type", "Input should be true or false"),
            Self::List => ("list_type", "Input should be a list"),
            Self::Object => ("dict_type", "Input should be an object"),
            Self::Any => ("value_error", "Input should be a value"),
        }
    }
}

/// Reads a workflow's variables.
pub(super) fn read(fields: &mut Fields<'_>) -> Vec<Variable> {
    let mut names = std::collections::HashSet::new();
    fields.each("variables", MOST, |fields, _| {
        let name = fields.name("name", NAME);
        if !name.is_empty() && !names.insert(name.clone()) {
            fields.wrong(
                "name",
                "value_error",
                format!("There are two variables '{name}'"),
            );
        }
        if name == "steps" {
            let text = "The name 'steps' stands for what steps gave; choose another";
            fields.wrong("name", "value_error", text);
        }
        let data_type = fields.text("data_type", NAME);
        let data_type = data_type.unwrap_or_else(|| "string".to_owned());
        let kind = Type::named(&data_type);
        if kind.is_none() {
            let known: Vec<_> = TYPES.iter().map(|(name, _)| *name).collect();
            fields.wrong(
                "data_type",
                "enum",
                format!("Input should be one of {}", known.join(", ")),
            );
        }
        let default_value = fields.given("default_value").cloned().unwrap_or_default();
        if let Some(kind) =
            kind.filter(|kind| !default_value.is_null() && !kind.fits(&default_value))
        {
            let (problem, text) = kind.complaint();
            fields.wrong("default_value", problem, text);
        }
        Variable {
            name,
            data_type,
            is_required: fields.flag("is_required").unwrap_or(false),
            default_value,
            description: fields.text("description", 10_000),
            metadata: fields.object("metadata"),
        }
    })
}

/// The variables of an execution that is given these: defaults where nothing is said, and others as they are.
pub(super) fn resolve(
    declared: &[Variable],
    given: &Map<String, Value>,
    problems: &mut Problems,
) -> Map<String, Value> {
    let place = |name: &str| vec![json!("input_variables"), json!(name)];
    let mut all = given.clone();
    if all.len() > MOST {
        let text = format!("Dictionary should have at most {MOST} items");
        problems.add(&vec![json!("input_variables")], "too_long", text);
    }
    if all.contains_key("steps") {
        let text = "The name 'steps' stands for what steps gave; choose another";
        problems.add(&place("steps"), "value_error", text);
    }
    for variable in declared {
        let value = all.entry(variable.name.clone()).or_insert(Value::Null);
        if value.is_null() {
            value.clone_from(&variable.default_value);
        }
        if value.is_null() {
            if variable.is_required {
                problems.add(&place(&variable.name), "missing", "Field required");
            }
            continue;
        }
        let kind = Type::named(&variable.data_type);
        if let Some(kind) = kind.filter(|kind| !kind.fits(value)) {
            let (problem, text) = kind.complaint();
            problems.add(&place(&variable.name), problem, text);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(variables: &Value) -> (Vec<Variable>, Vec<Value>) {
        let mut problems = Problems::default();
        let data = json!({ "variables": variables });
        let object = data.as_object().cloned().unwrap_or_default();
        let read = read(&mut Fields::new(&object, Vec::new(), &mut problems));
        (read, problems.list())
    }

    #[test]
    fn defaults_are_filled_in_and_types_are_checked() {
        let (variables, problems) = declared(&json!([
            {"name": "who", "data_type": "string", "is_required": true},
            {"name": "n", "data_type": "int", "default_value": 3},
            {"name": "fast", "data_type": "bool"},
        ]));
        assert_eq!(problems, Vec::<Value>::new());
        let resolved = |given: Value| {
            let mut problems = Problems::default();
            let given = given.as_object().cloned().unwrap_or_default();
            let all = resolve(&variables, &given, &mut problems);
            (Value::Object(all), problems.list())
        };
        let (all, problems) = resolved(json!({"who": "ann", "more": [1]}));
        assert_eq!(
            all,
            json!({"who": "ann", "more": [1], "n": 3, "fast": null})
        );
        assert!(problems.is_empty());
        let (_, problems) = resolved(json!({"n": "three"}));
        let kinds: Vec<_> = problems.iter().map(|problem| &problem["type"]).collect();
        assert_eq!(kinds, ["missing", "int_type"]);
    }

    #[test]
    fn variables_that_cannot_be_are_told() {
        let (_, problems) = declared(&json!([
            {"data_type": "string"}, {"name": "a"}, {"name": "a"}, {"name": "steps"},
            {"name": "t", "data_type": "thing"}, {"name": "d", "data_type": "int", "default_value": "x"}, 7,
        ]));
        let places: Vec<_> = problems
            .iter()
            .map(|problem| problem["loc"].to_string())
            .collect();
        assert_eq!(
            places,
            [
                r#"["variables",0,"name"]"#,
                r#"["variables",2,"name"]"#,
                r#"["variables",3,"name"]"#,
                r#"["variables",4,"data_type"]"#,
                r#"["variables",5,"default_value"]"#,
                r#"["variables",6]"#,
            ]
        );
    }
}
