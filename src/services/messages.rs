//! `messages`: what was said in a session, ordered by `index`.

use entities::messages;
use futures_util::{FutureExt, future::LocalBoxFuture};
use sea_orm::sea_query::{Expr, ExprTrait, Func, Query};
use serde_json::{Value, json};

use super::{
    records::Records,
    rules::{Rules, Scope},
    values::{fill, keep, leave_out_nulls, one_of, plain_id, text},
};
use crate::{
    core::{BoxFuture, Record, call::Method},
    error::{Error, Result},
    store::{
        columns::{Column, Kind},
        lane::Work,
        transaction::Reader,
    },
};

const ROLES: [&str; 3] = ["user", "assistant", "system"];
const TYPES: [&str; 5] = [
    "user",
    "assistant",
    "system",
    "file-history-snapshot",
    "permission_request",
];

/// The service.
pub fn service() -> Records {
    Records::of::<messages::Entity>("message_id")
        .paginate(100, 10_000)
        .multi([Method::Create, Method::Patch, Method::Remove])
        .rules(Messages)
        .build()
}

struct Messages;

impl Rules for Messages {
    fn create<'a>(
        &'a self,
        message: &'a mut Record,
        work: &'a mut Work<'_>,
    ) -> LocalBoxFuture<'a, Result<()>> {
        async move {
            plain_id(message, "message_id")?;
            let session = text(message, "session_id").map(str::to_owned);
            let session = session.ok_or_else(|| {
                Error::bad_request("session_id is required when creating a message")
            })?;
            fill(message, "message_id", || json!(work.clock.ordered_id()));
            fill(message, "role", || json!("user"));
            let role = message["role"].clone();
            fill(message, "type", || role);
            fill(message, "timestamp", || json!(work.now.to_string()));
            fill(message, "content", || json!(""));
            fill(message, "content_preview", || json!(""));
            if message.get("index").is_none_or(Value::is_null) {
                message.insert("index".to_owned(), json!(next_index(work, &session).await?));
            }
            one_of(message, "role", &ROLES)?;
            one_of(message, "type", &TYPES)
        }
        .boxed_local()
    }

    fn change(&self, _current: &Record, changes: &mut Record, _work: &Work<'_>) -> Result<()> {
        keep(changes, &["session_id"]);
        one_of(changes, "role", &ROLES)?;
        one_of(changes, "type", &TYPES)
    }

    fn update_replaces(&self) -> bool {
        false
    }

    fn render<'a>(
        &'a self,
        _db: &'a mut dyn Reader,
        records: &'a mut [Record],
    ) -> BoxFuture<'a, Result<()>> {
        leave_out_nulls(records);
        Box::pin(std::future::ready(Ok(())))
    }

    fn scope(&self, message: &Record) -> Option<Scope> {
        Some(Scope::everyone([
            ("session", text(message, "session_id")),
            ("task", text(message, "task_id")),
        ]))
    }
}

/// The index after the session's last message.
async fn next_index(work: &mut Work<'_>, session: &str) -> Result<i64> {
    let mut select = Query::select();
    select
        .expr(Func::max(Expr::col(messages::Column::Index)))
        .from(messages::Entity)
        .and_where(Expr::col(messages::Column::SessionId).eq(session));
    let last = [Column {
        name: "last",
        kind: Kind::Integer,
        nullable: true,
    }];
    let statement = work.tx.backend().build(&select);
    let rows = work.tx.query(statement, &last).await?;
    Ok(rows
        .first()
        .and_then(|row| row.get("last")?.as_i64())
        .map_or(0, |last| last + 1))
}
