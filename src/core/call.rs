//! What a client asks for, whatever protocol it asked in, and what it is answered.

use std::{borrow::Cow, fmt, net::IpAddr, sync::Arc};

use bytes::Bytes;
use serde_json::{Value, json};

use super::{
    Record,
    identity::Identity,
    login::{LoggedIn, Login},
    turn::Turn,
};

/// What to do with a service.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// Records that match a query.
    Find,
    /// One record.
    Get,
    /// A new record, or several.
    Create,
    /// Replaces a record.
    Update,
    /// Merges into a record, or into all that match.
    Patch,
    /// Removes a record, or all that match.
    Remove,
    /// A method of the service's own.
    Custom(Cow<'static, str>),
}

impl Method {
    /// The six that every service may have.
    pub const STANDARD: [Self; 6] = [
        Self::Find,
        Self::Get,
        Self::Create,
        Self::Update,
        Self::Patch,
        Self::Remove,
    ];

    /// Reads a method's name; any other word is a custom method.
    pub fn parse(name: &str) -> Self {
        let standard = Self::STANDARD
            .into_iter()
            .find(|method| method.as_str() == name);
        standard.unwrap_or_else(|| Self::Custom(name.to_owned().into()))
    }

    /// The method's name on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Find => "find",
            Self::Get => "get",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Remove => "remove",
            Self::Custom(name) => name,
        }
    }

    /// The name of the event that a success publishes; `None` for reads and custom methods.
    pub const fn event(&self) -> Option<&'static str> {
        match self {
            Self::Create => Some("created"),
            Self::Update => Some("updated"),
            Self::Patch => Some("patched"),
            Self::Remove => Some("removed"),
            Self::Find | Self::Get | Self::Custom(_) => None,
        }
    }

    /// Whether the method only reads.
    pub const fn reads(&self) -> bool {
        matches!(self, Self::Find | Self::Get)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who asks, and through which door.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Who stands behind the call.
    pub identity: Identity,
    /// The door: `socketio`, `rest`, …; `None` for the daemon's own calls, which skip access rules.
    pub provider: Option<&'static str>,
    /// The request's or handshake's headers, lower-case names.
    pub headers: Arc<Record>,
    /// The connection, if it lasts longer than the call.
    pub connection: Option<Arc<dyn Login>>,
    /// The login that came with the call itself, as a header.
    pub login: Option<LoggedIn>,
    /// Where the caller is.
    pub address: Option<IpAddr>,
}

impl Caller {
    /// The daemon itself.
    pub fn system() -> Self {
        Self {
            identity: Identity::System,
            provider: None,
            headers: Arc::default(),
            connection: None,
            login: None,
            address: None,
        }
    }
}

/// A request, as services read it.
#[derive(Clone, Debug)]
pub struct Call {
    /// The service's path as registered, such as `messages` or `boards/:id/sessions`.
    pub service: Cow<'static, str>,
    /// What to do.
    pub method: Method,
    /// Which record: a string or number; `None` where the client sent null or nothing.
    pub id: Option<Value>,
    /// The payload of create, update, patch and custom methods; null where the client sent none.
    pub data: Value,
    /// The bytes that `data` refers to, see [`attachment`]. Empty unless the service takes bytes.
    pub attachments: Vec<Bytes>,
    /// The query, as Feathers writes it.
    pub query: Record,
    /// The values of the path's `:parameters`; the registry fills them in.
    pub route: Record,
    /// Who asks.
    pub caller: Caller,
    /// The call's place among its connection's calls.
    pub turn: Turn,
}

impl Call {
    /// A call without id, data and query.
    pub fn new(service: impl Into<Cow<'static, str>>, method: Method, caller: Caller) -> Self {
        Self {
            service: service.into(),
            method,
            id: None,
            data: Value::Null,
            attachments: Vec::new(),
            query: Record::new(),
            route: Record::new(),
            caller,
            turn: Turn::default(),
        }
    }

    /// The value of a parameter in the service's path; empty if there is none of this name.
    pub fn parameter(&self, name: &str) -> &str {
        self.route
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }
}

/// What a call is answered. Most answers are a value: `json!(…).into()`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The result.
    pub data: Value,
    /// The bytes that `data` refers to, see [`attachment`].
    pub attachments: Vec<Bytes>,
    /// Where the result is found; REST answers 303 with it.
    pub location: Option<String>,
}

impl From<Value> for Answer {
    fn from(data: Value) -> Self {
        Self {
            data,
            ..Self::default()
        }
    }
}

/// How a value refers to one of its attachments.
pub fn attachment(index: usize) -> Value {
    json!({"_placeholder": true, "num": index})
}

/// The attachment that a value refers to, if it is such a reference.
pub fn attachment_index(value: &Value) -> Option<usize> {
    let reference = value.as_object().filter(|object| object.len() == 2)?;
    let is_reference = reference.get("_placeholder") == Some(&Value::Bool(true));
    let index = reference.get("num").filter(|_| is_reference)?.as_u64()?;
    usize::try_from(index).ok()
}
