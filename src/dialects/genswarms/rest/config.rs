//! `POST /api/config/validate`: what is wrong with a definition, without making anything.

use http::StatusCode;
use serde_json::json;

use super::{
    Asked, Outcome,
    answers::{Failure, ok},
};
use crate::error::Error;

pub(super) async fn validate(asked: Asked) -> Outcome {
    let given = |name: &str| !asked.data[name].is_null();
    if !["config", "config_path", "content"].into_iter().any(given) {
        let told = json!({
            "error": "Missing 'config', 'config_path' or 'content' parameter",
            "usage": {
                "config": "a definition as an object",
                "config_path": "a file on the daemon's machine",
                "content": "a definition as text, with `format`: json or toml",
            },
        });
        return Err(refused(StatusCode::BAD_REQUEST, told));
    }
    let path = ["swarms", "validate"];
    let checked = asked.create(&path, asked.data.clone()).await?;
    if checked["valid"] == true {
        return ok(checked);
    }
    let is_missing = checked["errors"][0]
        .as_str()
        .is_some_and(|error| error.ends_with("there is no such file that can be read"));
    let status = if is_missing {
        StatusCode::NOT_FOUND
    } else {
        StatusCode::BAD_REQUEST
    };
    Err(refused(status, checked))
}

fn refused(status: StatusCode, told: serde_json::Value) -> Failure {
    Failure::saying(
        Error::bad_request("The definition is not valid"),
        status,
        told,
    )
}
