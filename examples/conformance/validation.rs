//! What `typed` takes, refused in the words of Ajv, the validator of Feathers' schemas.

use roost::{
    core::Record,
    error::{Error, Result},
};
use serde_json::{Value, json};

/// Checks data: `name` a text that must be there, `age` a number, nothing else.
///
/// # Errors
/// `BadRequest` with the first mistake that Ajv would name.
pub fn data(data: &Value) -> Result<()> {
    let nothing = Record::new();
    let data = data.as_object().unwrap_or(&nothing);
    if !data.contains_key("name") {
        let message = "must have required property 'name'";
        let params = json!({"missingProperty": "name"});
        return Err(refused("", "required", &params, message));
    }
    only(data, &["name", "age"])?;
    if !data["name"].is_string() {
        return Err(wrong_type("name", "string"));
    }
    match data.get("age") {
        None | Some(Value::Number(_)) => Ok(()),
        Some(_) => Err(wrong_type("age", "number")),
    }
}

/// Checks a query: `age` a number or `{$gt}`, `$limit`, nothing else. Texts that are numbers will do.
///
/// # Errors
/// As [`data`].
pub fn query(query: &Record) -> Result<()> {
    only(query, &["age", "$limit"])?;
    let age = query.get("age").map(|age| age.get("$gt").unwrap_or(age));
    if age.is_some_and(|age| !is_numeric(age)) {
        return Err(wrong_type("age", "number"));
    }
    if query.get("$limit").is_some_and(|limit| !is_numeric(limit)) {
        return Err(wrong_type("$limit", "number"));
    }
    Ok(())
}

fn is_numeric(value: &Value) -> bool {
    match value {
        Value::String(text) => text.parse::<f64>().is_ok(),
        value => value.is_number(),
    }
}

fn only(record: &Record, names: &[&str]) -> Result<()> {
    let Some(name) = record.keys().find(|name| !names.contains(&name.as_str())) else {
        return Ok(());
    };
    let params = json!({"additionalProperty": name});
    let message = "must NOT have additional properties";
    Err(refused("", "additionalProperties", &params, message))
}

fn wrong_type(name: &str, kind: &str) -> Error {
    refused(
        name,
        "type",
        &json!({"type": kind}),
        &format!("must be {kind}"),
    )
}

/// The failure of one rule, on a property or, without a name, on the whole.
fn refused(name: &str, keyword: &str, params: &Value, message: &str) -> Error {
    let (instance, schema) = match name {
        "" => (String::new(), format!("#/{keyword}")),
        name => (format!("/{name}"), format!("#/properties/{name}/{keyword}")),
    };
    let mistake = json!({
        "instancePath": instance,
        "schemaPath": schema,
        "keyword": keyword,
        "params": params,
        "message": message,
    });
    Error::bad_request("validation failed").with_data(json!([mistake]))
}
