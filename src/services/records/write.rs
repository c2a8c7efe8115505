//! What a call to create, update, patch or remove asks for.

use std::borrow::Cow;

use sea_orm::sea_query::Condition;
use serde_json::Value;

use super::methods::Settings;
use crate::{
    core::{
        call::{Call, Method},
        identity::Identity,
    },
    error::{Error, Result},
    store::query::Query,
};

/// A write, checked as far as it can be without the database.
pub(super) struct Write {
    pub(super) method: Method,
    pub(super) id: Option<Value>,
    pub(super) data: Value,
    pub(super) query: Query,
    pub(super) source: Cow<'static, str>,
    pub(super) by: Identity,
}

impl Write {
    pub(super) fn read(settings: &Settings, call: &Call, query: Query) -> Result<Self> {
        let several = match call.method {
            Method::Create => call.data.is_array(),
            Method::Update if call.id.is_none() || call.data.is_array() => {
                return Err(Error::bad_request(
                    "You can not replace multiple instances. Did you mean 'patch'?",
                ));
            }
            _ => call.id.is_none(),
        };
        if several && !settings.multi.contains(&call.method) {
            return Err(Error::method_not_allowed(format!(
                "Can not {} multiple entries",
                call.method
            )));
        }
        let (method, id, data) = (call.method.clone(), call.id.clone(), call.data.clone());
        Ok(Self {
            method,
            id,
            data,
            query,
            source: call.service.clone(),
            by: call.caller.identity.clone(),
        })
    }
}

impl Write {
    /// A write that another service makes.
    pub(super) fn own(
        settings: &Settings,
        method: Method,
        id: Option<Value>,
        data: Value,
        by: Identity,
    ) -> Self {
        Self {
            method,
            id,
            data,
            query: Query {
                condition: settings.visible(Condition::all(), &by),
                ..Query::default()
            },
            source: settings.source.clone(),
            by,
        }
    }
}
