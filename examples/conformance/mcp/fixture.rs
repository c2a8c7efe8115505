//! What `fixtures.json` has.

use rmcp::{
    ErrorData,
    model::{JsonObject, Tool},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Answer;

/// The fixtures.
pub struct Fixtures {
    /// The tools, as clients are told of them.
    pub tools: Vec<Tool>,
    all: Value,
}

impl Fixtures {
    /// Reads them.
    ///
    /// # Panics
    /// If they are wrong: a mistake of the program.
    pub fn load() -> Self {
        let mut all: Value = serde_json::from_str(include_str!("fixtures.json")).expect("JSON");
        for tool in all["tools"].as_array_mut().into_iter().flatten() {
            if tool.get("inputSchema").is_none() {
                tool["inputSchema"] = json!({"type": "object", "properties": {}});
            }
        }
        let tools = serde_json::from_value(all["tools"].clone()).expect("tools");
        Self { tools, all }
    }

    /// All of a kind.
    pub fn all(&self, kind: &str) -> &Value {
        &self.all[kind]
    }

    /// The one of a kind with a name.
    ///
    /// # Errors
    /// If there is none.
    pub fn named(&self, kind: &str, name: &str) -> Answer<&Value> {
        let mut some = self.all[kind].as_array().into_iter().flatten();
        let found = some.find(|one| one["name"] == name);
        found.ok_or_else(|| ErrorData::invalid_params(format!("Unknown: {name}"), None))
    }

    /// What a resource holds.
    ///
    /// # Errors
    /// If there is none.
    pub fn contents(&self, uri: &str) -> Answer<Value> {
        let id = uri.strip_prefix("test://template/");
        if let Some(id) = id.and_then(|rest| rest.strip_suffix("/data")) {
            let text =
                json!({"id": id, "templateTest": true, "data": format!("Data for ID: {id}")});
            let text = text.to_string();
            return Ok(json!({"uri": uri, "mimeType": "application/json", "text": text}));
        }
        let mut resources = self.all["resources"].as_array().into_iter().flatten();
        let found = resources.find(|resource| resource["uri"] == uri).cloned();
        found.ok_or_else(|| {
            ErrorData::resource_not_found("Resource not found", Some(json!({"uri": uri})))
        })
    }
}

/// JSON as a type of the protocol's.
///
/// # Errors
/// If it is none.
pub fn read<T: DeserializeOwned>(value: Value) -> Answer<T> {
    let wrong = |error: serde_json::Error| ErrorData::internal_error(error.to_string(), None);
    serde_json::from_value(value).map_err(wrong)
}

/// A result that is complete, which the library leaves out for older clients.
///
/// # Errors
/// If it is none.
pub fn complete<T: DeserializeOwned>(mut result: Value) -> Answer<T> {
    result["resultType"] = json!("complete");
    read(result)
}

/// A fixture with arguments in place of their names, `$name`.
pub fn filled(fixture: &Value, arguments: &JsonObject) -> Value {
    match fixture {
        Value::String(text) => {
            let fill = |text: String, (name, value): (&String, &Value)| {
                text.replace(&format!("${name}"), value.as_str().unwrap_or_default())
            };
            Value::String(arguments.iter().fold(text.clone(), fill))
        }
        Value::Array(items) => items.iter().map(|item| filled(item, arguments)).collect(),
        Value::Object(fields) => {
            let fill = |(name, value): (&String, &Value)| (name.clone(), filled(value, arguments));
            Value::Object(fields.iter().map(fill).collect())
        }
        other => other.clone(),
    }
}
