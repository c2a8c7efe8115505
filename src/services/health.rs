//! `health`: whether the daemon is up; what command-line tools ask first.

use serde_json::json;

use super::Service;
use crate::{
    core::{
        BoxFuture,
        call::{Answer, Call, Method},
    },
    error::Result,
    store::Store,
};

/// Answers `find` with `{status, timestamp, version, database, seq}`; `timestamp` in milliseconds.
pub struct Health;

impl Service for Health {
    fn methods(&self) -> Vec<Method> {
        vec![Method::Find]
    }

    fn call<'a>(&'a self, _call: &'a Call, store: &'a Store) -> BoxFuture<'a, Result<Answer>> {
        Box::pin(async move {
            // A daemon whose database is gone is not well.
            crate::store::log::head(&mut store.reader()).await?;
            let story = store.story();
            Ok(json!({
                "status": "ok",
                "timestamp": store.clock().now().millis(),
                "version": env!("CARGO_PKG_VERSION"),
                "database": store.kind(),
                // Whoever listened before this answer was given everything up to here; the log may be ahead.
                "seq": story.log.id().stamp(story.hub.head()),
            })
            .into())
        })
    }
}
