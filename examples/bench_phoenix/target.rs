//! What is driven: a server's name, how it is started, and what is said to it.

use std::path::{Path, PathBuf};

use crate::Result;

/// A program's arguments, for a database file.
type Arguments = dyn Fn(&Path) -> Vec<String>;

/// A server that can be started.
pub(crate) struct Target {
    /// Its name in the table.
    pub(crate) name: &'static str,
    /// The program to start.
    pub(crate) program: PathBuf,
    /// What it is started with.
    pub(crate) arguments: Box<Arguments>,
    /// What comes before the address in the line on standard error that says it is ready.
    pub(crate) ready: &'static str,
    /// What is said to it.
    pub(crate) speech: Speech,
}

/// What clients say to a server.
#[derive(Clone, Copy)]
pub(crate) struct Speech {
    /// Where they connect.
    pub(crate) path: &'static str,
    /// What they say first, and are answered once.
    pub(crate) join: Option<&'static str>,
    /// What comes around the text that everybody is sent, in what is said and in what is heard.
    pub(crate) said: (&'static str, &'static str),
    pub(crate) heard: (&'static str, &'static str),
}

/// A broadcast on the wire.
const HEARD: (&str, &str) = (r#"[null,null,"bench:1","msg",{"d":""#, r#""}]"#);

impl Target {
    /// Roost's reference app.
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
            speech: Speech {
                path: "/socket/websocket?vsn=2.0.0",
                join: Some(r#"["1","1","bench:1","phx_join",{}]"#),
                said: (r#"["1",null,"bench:1","pub",{"d":""#, r#""}]"#),
                heard: HEARD,
            },
        }
    }

    /// This program as the bare server; it sends on what it is sent.
    pub(crate) fn bare() -> Result<Self> {
        Ok(Self {
            name: "bare",
            program: std::env::current_exe()?,
            arguments: Box::new(|_| vec!["--bare".to_owned()]),
            ready: "listening on http://",
            speech: Speech {
                path: "/",
                join: None,
                said: HEARD,
                heard: HEARD,
            },
        })
    }
}
