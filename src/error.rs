//! What goes wrong, as every dialect spells it: Feathers' names, codes and class names.
//!
//! A dialect turns an [`Error`] into its own frame; foreign errors are converted where they are met.

use std::{borrow::Cow, fmt, sync::Arc};

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::Value;

/// Shorthand for a result that fails with [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

type Source = Arc<dyn std::error::Error + Send + Sync>;

/// What went wrong, as every dialect spells it.
///
/// Serialises as `{name, message, code, className, data?, errors?}`, the form of `@feathersjs/errors`.
#[derive(Clone, Debug)]
pub struct Error(Box<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    kind: Kind,
    message: Cow<'static, str>,
    data: Option<Value>,
    errors: Option<Value>,
    source: Option<Source>,
}

/// The kinds of failure that Feathers knows, and `PayloadTooLarge`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the documentation")]
pub enum Kind {
    BadRequest,
    NotAuthenticated,
    PaymentError,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    NotAcceptable,
    Timeout,
    Conflict,
    Gone,
    LengthRequired,
    PayloadTooLarge,
    Unprocessable,
    TooManyRequests,
    GeneralError,
    NotImplemented,
    BadGateway,
    Unavailable,
}

impl Kind {
    /// Name, HTTP status and class name, one row a kind.
    const fn row(self) -> (&'static str, u16, &'static str) {
        match self {
            Self::BadRequest => ("BadRequest", 400, "bad-request"),
            Self::NotAuthenticated => ("NotAuthenticated", 401, "not-authenticated"),
            Self::PaymentError => ("PaymentError", 402, "payment-error"),
            Self::Forbidden => ("Forbidden", 403, "forbidden"),
            Self::NotFound => ("NotFound", 404, "not-found"),
            Self::MethodNotAllowed => ("MethodNotAllowed", 405, "method-not-allowed"),
            Self::NotAcceptable => ("NotAcceptable", 406, "not-acceptable"),
            Self::Timeout => ("Timeout", 408, "timeout"),
            Self::Conflict => ("Conflict", 409, "conflict"),
            Self::Gone => ("Gone", 410, "gone"),
            Self::LengthRequired => ("LengthRequired", 411, "length-required"),
            Self::PayloadTooLarge => ("PayloadTooLarge", 413, "payload-too-large"),
            Self::Unprocessable => ("Unprocessable", 422, "unprocessable"),
            Self::TooManyRequests => ("TooManyRequests", 429, "too-many-requests"),
            Self::GeneralError => ("GeneralError", 500, "general-error"),
            Self::NotImplemented => ("NotImplemented", 501, "not-implemented"),
            Self::BadGateway => ("BadGateway", 502, "bad-gateway"),
            Self::Unavailable => ("Unavailable", 503, "unavailable"),
        }
    }

    /// The HTTP status, which is also Feathers' `code`.
    pub const fn status(self) -> u16 {
        self.row().1
    }
}

macro_rules! constructors {
    ($($name:ident => $kind:ident),* $(,)?) => {
        $(
            #[doc = concat!("A [`Kind::", stringify!($kind), "`] that says what was wrong and what would be right.")]
            pub fn $name(message: impl Into<Cow<'static, str>>) -> Self {
                Self::new(Kind::$kind, message)
            }
        )*
    };
}

impl Error {
    /// An error of a kind, with the text that the client reads.
    pub fn new(kind: Kind, message: impl Into<Cow<'static, str>>) -> Self {
        let message = message.into();
        Self(Box::new(Inner {
            kind,
            message,
            data: None,
            errors: None,
            source: None,
        }))
    }

    constructors! {
        bad_request => BadRequest,
        not_authenticated => NotAuthenticated,
        forbidden => Forbidden,
        not_found => NotFound,
        method_not_allowed => MethodNotAllowed,
        conflict => Conflict,
        gone => Gone,
        payload_too_large => PayloadTooLarge,
        unprocessable => Unprocessable,
        too_many_requests => TooManyRequests,
        general => GeneralError,
        unavailable => Unavailable,
    }

    /// Adds `data`, which the client receives.
    #[must_use]
    pub fn with_data(mut self, data: Value) -> Self {
        self.0.data = Some(data);
        self
    }

    /// Adds `errors`, which the client receives.
    #[must_use]
    pub fn with_errors(mut self, errors: Value) -> Self {
        self.0.errors = Some(errors);
        self
    }

    /// Adds what caused it: for the log, never for the client.
    #[must_use]
    pub fn caused_by(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.0.source = Some(Arc::new(source));
        self
    }

    /// The kind, for a dialect that has words of its own.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// What the client receives beside the text.
    pub fn data(&self) -> Option<&Value> {
        self.0.data.as_ref()
    }

    /// What the client receives of each thing that was wrong.
    pub fn errors(&self) -> Option<&Value> {
        self.0.errors.as_ref()
    }

    /// The text that the client reads.
    pub fn message(&self) -> &str {
        &self.0.message
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0
            .source
            .as_deref()
            .map(|source| source as &(dyn std::error::Error + 'static))
    }
}

impl Serialize for Error {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (name, code, class_name) = self.0.kind.row();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", name)?;
        map.serialize_entry("message", &self.0.message)?;
        map.serialize_entry("code", &code)?;
        map.serialize_entry("className", class_name)?;
        if let Some(data) = &self.0.data {
            map.serialize_entry("data", data)?;
        }
        if let Some(errors) = &self.0.errors {
            map.serialize_entry("errors", errors)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn is_spelled_as_feathers_spells_it() {
        let error = Error::conflict("Already there").with_data(json!({"field": "x"}));
        assert_eq!(
            serde_json::to_string(&error).unwrap(),
            r#"{"name":"Conflict","message":"Already there","code":409,"className":"conflict","data":{"field":"x"}}"#
        );
    }

    #[test]
    fn keeps_its_cause_to_itself() {
        let error = Error::general("The record could not be stored").caused_by(fmt::Error);
        assert!(
            !serde_json::to_string(&error)
                .unwrap()
                .contains("formatting")
        );
    }
}
