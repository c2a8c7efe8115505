//! A call as it stands in a Socket.IO event: the method's name, the service's path, the rest.

use serde_json::Value;

use crate::{
    App,
    core::{
        Record,
        call::{Call, Caller, Method},
        turn::Turn,
    },
    error::{Error, Result},
    services::registry::Entry,
};

/// The arguments of an event, its name first.
pub(super) struct Request {
    method: Method,
    arguments: std::vec::IntoIter<Value>,
}

impl Request {
    /// Reads an event's JSON.
    ///
    /// # Errors
    /// `BadRequest` if it is no list that starts with a name.
    pub(super) fn read(text: &str) -> Result<Self> {
        let unreadable = |error: serde_json::Error| {
            Error::bad_request(format!("The call cannot be read: {error}"))
        };
        let arguments: Vec<Value> = serde_json::from_str(text).map_err(unreadable)?;
        let mut arguments = arguments.into_iter();
        match arguments.next() {
            Some(Value::String(name)) => Ok(Self {
                method: Method::parse(&name),
                arguments,
            }),
            _ => Err(Error::bad_request("The event has no name")),
        }
    }

    /// Whether it calls a method that some service has; other events are not calls.
    pub(super) fn is_call(&self, app: &App) -> bool {
        app.services.any_allows(&self.method)
    }

    /// Finds the service and sorts the arguments.
    ///
    /// # Errors
    /// As Feathers answers: `NotFound`, `MethodNotAllowed` or `BadRequest`.
    pub(super) fn resolve(
        mut self,
        app: &App,
        caller: Caller,
        turn: Turn,
    ) -> Result<(&Entry, Call)> {
        if !self.is_call(app) {
            return Err(Error::method_not_allowed(format!(
                "Unknown method '{}'",
                self.method
            )));
        }
        let Some(Value::String(path)) = self.arguments.next() else {
            return Err(Error::not_found("Invalid service path"));
        };
        let missing = || Error::not_found(format!("Service '{path}' not found"));
        let (entry, route) = find(app, path.trim_matches('/'), &self.method).ok_or_else(missing)?;
        if !entry.allows(&self.method) {
            let method = &self.method;
            return Err(Error::method_not_allowed(format!(
                "Method '{method}' not allowed on service '{path}'"
            )));
        }
        let mut call = Call::new(entry.path, self.method.clone(), caller);
        call.route = route;
        call.turn = turn;
        if has_id(&call.method) {
            call.id = self.id()?;
        }
        if has_data(&call.method) {
            call.data = self.arguments.next().unwrap_or_default();
        }
        call.query = query(self.arguments.next());
        if self.arguments.next().is_some() {
            return Err(Error::bad_request(format!(
                "Too many arguments for '{}' method",
                self.method
            )));
        }
        Ok((entry, call))
    }

    /// Takes the id, a string or a number. Null says all that match, but to `get`; nothing at all is
    /// JavaScript's `undefined`, the id of no record.
    fn id(&mut self) -> Result<Option<Value>> {
        let reads = self.method.reads();
        match self.arguments.next() {
            None if !reads => Err(Error::not_found("No record found for id 'undefined'")),
            Some(Value::Null) if !reads => Ok(None),
            id @ (None | Some(Value::Null | Value::String(_) | Value::Number(_))) => Ok(id),
            Some(_) => Err(Error::bad_request("The id must be a string or a number")),
        }
    }
}

/// The service of a path and its route parameters. As in Feathers, a read may name a record behind the
/// service's path and finds it as `__id`; a write to such a path is more likely meant for a service
/// that is not here.
fn find<'a>(app: &'a App, path: &str, method: &Method) -> Option<(&'a Entry, Record)> {
    let segments: Vec<_> = path.split('/').collect();
    app.services.find(&segments).or_else(|| {
        let (id, service) = segments.split_last().filter(|_| method.reads())?;
        let (entry, parameters) = app.services.find(service)?;
        let mut route = Record::from_iter([("__id".to_owned(), Value::from(*id))]);
        route.extend(parameters);
        Some((entry, route))
    })
}

const fn has_id(method: &Method) -> bool {
    matches!(
        method,
        Method::Get | Method::Update | Method::Patch | Method::Remove
    )
}

const fn has_data(method: &Method) -> bool {
    matches!(
        method,
        Method::Create | Method::Update | Method::Patch | Method::Custom(_)
    )
}

/// What is no object is an empty query.
fn query(value: Option<Value>) -> Record {
    match value {
        Some(Value::Object(query)) => query,
        _ => Record::new(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_a_call() {
        let request = Request::read(r#"["patch","boards","b",{"name":"x"},{}]"#).unwrap();
        assert_eq!(request.method, Method::Patch);
        let arguments: Vec<_> = request.arguments.collect();
        assert_eq!(
            arguments,
            [json!("boards"), json!("b"), json!({"name": "x"}), json!({})]
        );
    }

    proptest! {
        #[test]
        fn reads_whatever_comes_or_says_what_is_wrong(text in r#"[\[\]{}",:a-z0-9\\u\x00-\x1f ]{0,80}"#) {
            match Request::read(&text) {
                Ok(request) => prop_assert!(text.trim_start().starts_with("[\"") || !request.method.as_str().is_empty()),
                Err(error) => prop_assert_eq!(error.kind().status(), 400),
            }
        }

        #[test]
        fn keeps_every_argument(name in "[a-z]{1,12}", arguments in prop::collection::vec(any::<i64>(), 0..20)) {
            let mut call = vec![json!(name)];
            call.extend(arguments.iter().map(|argument| json!(argument)));
            let request = Request::read(&json!(call).to_string()).unwrap();
            prop_assert_eq!(request.method.as_str(), name);
            prop_assert_eq!(request.arguments.collect::<Vec<_>>(), call[1..].to_vec());
        }
    }
}
