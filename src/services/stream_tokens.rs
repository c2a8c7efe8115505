//! `hive/tokens`: tokens with which users watch streams. They are not kept: what ends one is its time, or that
//! its user goes.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    Service,
    api_keys::{may_make_for, needs_whole_login},
};
use crate::{
    auth::stream_tokens::{StreamClaims, moment},
    core::{
        BoxFuture,
        call::{Answer, Call, Method},
    },
    error::{Error, Result},
    services::door::Door,
    store::{Store, lane::Work},
};

/// Hours that a token is good if nothing is said, and at most.
const HOURS: u64 = 24;
const MOST_HOURS: u64 = 8_760;

/// Streams that one token names at most, and characters of each.
const STREAMS: usize = 1_000;
const LONGEST: usize = 512;

/// Answers `create {user_id?, streams, hours?}` with `{token, user_id, streams, expires_at}`.
pub struct MakeTokens(pub Arc<Door>);

impl Service for MakeTokens {
    fn methods(&self) -> Vec<Method> {
        vec![Method::Create]
    }

    fn call<'a>(&'a self, call: &'a Call, store: &'a Store) -> BoxFuture<'a, Result<Answer>> {
        Box::pin(async move {
            let (data, by) = (&call.data, call.caller.identity.clone());
            let streams = streams(&data["streams"])?;
            let hours = hours(&data["hours"])?;
            let user = match &data["user_id"] {
                Value::Null => by.user_id().map(str::to_owned),
                given => given.as_str().map(str::to_owned),
            };
            let user = user.ok_or_else(|| {
                Error::bad_request("`user_id` is required: it says whose token it is")
            })?;
            let id = json!(user);
            let unit = async move |work: &mut Work<'_>| {
                work.by = by;
                needs_whole_login(&work.by)?;
                may_make_for(&id, work).await
            };
            store.write(&call.turn, unit).await?;
            let now = store.clock().now();
            #[expect(
                clippy::cast_precision_loss,
                reason = "a date is far from 2^53 milliseconds"
            )]
            let (iat, lifetime) = (now.seconds() as f64, (hours * 3_600) as f64);
            let claims = StreamClaims {
                user_id: user,
                streams,
                exp: Some(iat + lifetime),
                iat: Some(iat),
                nbf: None,
            };
            let token = self.0.settings.stream_tokens.sign(&claims)?;
            let ends = claims.exp.and_then(moment).map(|at| at.to_string());
            let answer = json!({
                "token": token,
                "user_id": claims.user_id,
                "streams": claims.streams,
                "expires_at": ends,
            });
            Ok(answer.into())
        })
    }
}

fn streams(given: &Value) -> Result<Vec<String>> {
    let wrong = || {
        let text = format!(
            "`streams` must be a list of 1 to {STREAMS} streams' ids; \"*\" stands for all"
        );
        Error::bad_request(text).with_data(json!({"field": "streams"}))
    };
    let list = given.as_array().ok_or_else(wrong)?;
    if list.is_empty() || list.len() > STREAMS {
        return Err(wrong());
    }
    let stream = |stream: &Value| {
        let stream = stream
            .as_str()
            .filter(|it| (1..=LONGEST).contains(&it.chars().count()));
        stream.map(str::to_owned).ok_or_else(wrong)
    };
    list.iter().map(stream).collect()
}

fn hours(given: &Value) -> Result<u64> {
    if given.is_null() {
        return Ok(HOURS);
    }
    let hours = given
        .as_u64()
        .filter(|hours| (1..=MOST_HOURS).contains(hours));
    hours.ok_or_else(|| {
        let text = format!("`hours` must be a whole number from 1 to {MOST_HOURS}");
        Error::bad_request(text).with_data(json!({"field": "hours"}))
    })
}
