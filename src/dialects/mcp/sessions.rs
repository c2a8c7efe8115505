//! The sessions of an endpoint: each belongs to who opened it, and there are not too many.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde_json::json;

use crate::{
    core::identity::Identity,
    dialects::visitor::Visitor,
    error::{Error, Result},
};

/// Sessions at a time.
const MOST: usize = 1_024;

/// Sessions at a time of one who has logged in.
const MOST_EACH: usize = 128;

/// Open sessions by id, and what is kept of each.
pub(super) struct Sessions<T>(Mutex<HashMap<String, Session<T>>>);

struct Session<T> {
    of: Identity,
    what: T,
}

/// A look for a session.
pub(super) enum Found<T> {
    /// There is none of this id.
    None,
    /// Somebody else opened it.
    Foreign,
    /// The visitor opened it.
    Own(T),
}

impl<T> Default for Sessions<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Sessions<T> {
    /// Notes a session that a visitor opened.
    ///
    /// # Errors
    /// `Unavailable` or `TooManyRequests` if there are too many.
    pub(super) fn open(&self, id: &str, visitor: &Visitor, what: T) -> Result<()> {
        let mut sessions = self.lock();
        let wait = json!({"retryAfter": 60});
        if sessions.len() >= MOST {
            return Err(Error::unavailable("Too many sessions; come back later").with_data(wait));
        }
        let of = &visitor.identity;
        let own = || {
            sessions
                .values()
                .filter(|session| session.of.id() == of.id())
                .count()
        };
        if visitor.login.is_some() && own() >= MOST_EACH {
            let what = "You have too many sessions; end some of them";
            return Err(Error::too_many_requests(what).with_data(wait));
        }
        let of = of.clone();
        sessions.insert(id.to_owned(), Session { of, what });
        Ok(())
    }

    /// Looks for a session.
    pub(super) fn find(&self, id: &str, visitor: &Visitor) -> Found<T> {
        match self.lock().get(id) {
            None => Found::None,
            Some(session) if session.of != visitor.identity => Found::Foreign,
            Some(session) => Found::Own(session.what.clone()),
        }
    }

    /// Forgets a session.
    pub(super) fn close(&self, id: &str) -> Option<T> {
        self.lock().remove(id).map(|session| session.what)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Session<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is said of a session that is not there, or not the visitor's.
pub(super) fn missing() -> Error {
    Error::not_found("There is no such session; open another")
}
