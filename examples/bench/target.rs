//! What is driven: a daemon's name and how it is started.

use std::path::{Path, PathBuf};

use crate::Result;

/// A program's arguments, for a database file.
type Arguments = dyn Fn(&Path) -> Vec<String>;

/// A daemon that can be started with an empty database.
pub(crate) struct Target {
    /// Its name in the table.
    pub(crate) name: &'static str,
    /// The program to start.
    pub(crate) program: PathBuf,
    /// What it is started with.
    pub(crate) arguments: Box<Arguments>,
    /// What comes before the address in the line on standard error that says it is ready.
    pub(crate) ready: &'static str,
    /// What Roost is compared with: without it, Roost is measured all the same.
    pub(crate) is_peer: bool,
}

impl Target {
    /// Roost, as it is started by hand: default settings; or a program that takes the same arguments.
    pub(crate) fn roost(binary: &Path) -> Self {
        Self {
            name: "Roost",
            program: binary.to_owned(),
            arguments: Box::new(|database| {
                let url = format!("sqlite://{}?mode=rwc", database.display());
                ["--listen", "127.0.0.1:0", "--database-url", &url]
                    .map(str::to_owned)
                    .to_vec()
            }),
            ready: "listening on http://",
            is_peer: false,
        }
    }

    /// The Feathers daemon in a folder.
    ///
    /// # Errors
    /// If it is not installed there, or its database driver was not built.
    pub(crate) fn feathers(folder: &Path) -> Result<Self> {
        let driver = folder.join("node_modules/better-sqlite3/build/Release/better_sqlite3.node");
        if !driver.is_file() {
            return Err(format!(
                "{} is missing: run `npm ci` in {}, with npm_config_nodedir at the prefix of the installed Node",
                driver.display(),
                folder.display()
            )
            .into());
        }
        let server = folder.join("server.mjs").display().to_string();
        Ok(Self {
            name: "Feathers",
            program: PathBuf::from("node"),
            arguments: Box::new(move |database| {
                vec![server.clone(), database.display().to_string()]
            }),
            ready: "listening on http://",
            is_peer: true,
        })
    }
}
