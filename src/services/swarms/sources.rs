//! Where definitions come from: a call's data, or a file of this machine.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{
    Settings,
    definition::{Backend, Definition, Spec},
    locating::Format,
    rows::refused,
};
use crate::{
    core::identity::{Identity, Role},
    error::{Error, Result},
};

/// Bytes of a definition's text at most.
const LARGEST: usize = 1 << 20;

/// A definition, and the file that it is from.
pub(super) type Source = (Definition, Option<String>);

impl Settings {
    /// Reads `{config}`, `{config_path}` or `{content, format}`.
    ///
    /// # Errors
    /// `BadRequest` that says what is wrong, `Forbidden` for a file that the daemon does not read.
    pub(super) async fn definition(&self, data: &Value) -> Result<Source> {
        let given = |name: &str| data.get(name).filter(|value| !value.is_null());
        if let Some(path) = given("config_path") {
            let path = path.as_str().ok_or_else(|| invalid("must be a text"))?;
            let (file, text) = self.file(path).await?;
            let format = file.extension().and_then(|ending| ending.to_str());
            let format = format.and_then(Format::parse);
            let format = format.ok_or_else(|| invalid("must end in .json or .toml"))?;
            return Ok((Definition::parse(&text, format)?, Some(path.to_owned())));
        }
        if let Some(config) = given("config") {
            return Ok((Definition::read(config)?, None));
        }
        let content = given("content")
            .and_then(Value::as_str)
            .ok_or_else(|| Error::bad_request("Missing 'config' or 'config_path' parameter"))?;
        if content.len() > LARGEST {
            let text = "`content` must be at most 1 MiB";
            return Err(refused(Error::payload_too_large(text), ":too_large"));
        }
        let format = given("format").map_or(Some("json"), Value::as_str);
        let format = format
            .and_then(Format::parse)
            .ok_or_else(|| Error::bad_request("`format` must be json or toml"))?;
        Ok((Definition::parse(content, format)?, None))
    }

    /// A file that definitions may be in, and what it holds.
    async fn file(&self, path: &str) -> Result<(PathBuf, String)> {
        let unreadable = |_| invalid("there is no such file that can be read");
        let (folder, path) = (self.folder.clone(), Path::new(path).to_owned());
        let path = if self.any_file {
            path
        } else {
            folder.join(path)
        };
        let file = tokio::fs::canonicalize(path).await.map_err(unreadable)?;
        if !self.any_file {
            let folder = tokio::fs::canonicalize(folder).await.map_err(unreadable)?;
            if !file.starts_with(folder) {
                return Err(Error::forbidden(
                    "Definitions are read from DATA_DIR/swarms only",
                ));
            }
        }
        let size = tokio::fs::metadata(&file).await.map_err(unreadable)?;
        if !size.is_file() || size.len() > LARGEST as u64 {
            return Err(invalid("must be a file of at most 1 MiB"));
        }
        let text = tokio::fs::read_to_string(&file).await.map_err(unreadable)?;
        Ok((file, text))
    }
}

fn invalid(why: &str) -> Error {
    refused(
        Error::bad_request(format!("config_path: {why}")),
        ":invalid_config",
    )
}

/// Refuses agents that run commands to who may not have the daemon run any.
///
/// # Errors
/// `Forbidden`.
pub(super) fn may_run(agents: &[Spec], by: &Identity) -> Result<()> {
    let runs = agents.iter().any(|spec| spec.backend == Backend::Local);
    if runs && by.role().is_none_or(|role| role < Role::Admin) {
        let text = "You need admin access to have agents run commands (backend local)";
        return Err(Error::forbidden(text));
    }
    Ok(())
}
