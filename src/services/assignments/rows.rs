//! Assignments as the database has them and as they are shown.

use std::{collections::HashMap, sync::LazyLock};

use entities::{assignments, sessions, tasks};
use sea_orm::{
    Order,
    sea_query::{Alias, Condition, Expr, ExprTrait, Func, Query},
};
use serde_json::{Value, json};

use super::settings::Settings;
use crate::{
    core::{Record, identity::Identity},
    error::{Error, Result},
    services::{
        values::{as_record, text},
        visibility, workspaces,
    },
    store::{
        columns::{Column, Kind},
        lane::Work,
        table::Table,
        transaction::Reader,
    },
};

pub(super) static SESSIONS: LazyLock<Table> =
    LazyLock::new(|| Table::of::<sessions::Entity>("session_id"));
static TABLE: LazyLock<Table> = LazyLock::new(|| Table::of::<assignments::Entity>("session_id"));

/// The status of a session's last task.
const LAST: &str = "(SELECT t.status FROM tasks t WHERE t.session_id = sessions.session_id \
                    ORDER BY t.created_at DESC, t.task_id DESC LIMIT 1)";

/// How a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Pending,
    Running,
    Completed,
    Failed,
    Cancelled,
    /// None is: what took too long has failed.
    Timeout,
}

impl Status {
    const ALL: [(&str, Self); 6] = [
        ("pending", Self::Pending),
        ("running", Self::Running),
        ("completed", Self::Completed),
        ("failed", Self::Failed),
        ("cancelled", Self::Cancelled),
        ("timeout", Self::Timeout),
    ];

    /// The one that a query asks for.
    ///
    /// # Errors
    /// `BadRequest` if there is none of that name.
    pub(super) fn asked(query: &Record) -> Result<Option<Self>> {
        let Some(asked) = text(query, "status").filter(|status| !status.is_empty()) else {
            return Ok(None);
        };
        let found = Self::ALL.iter().find(|(name, _)| *name == asked);
        let unknown = || Error::bad_request(format!("Invalid status: {asked}"));
        found.map(|(_, status)| Some(*status)).ok_or_else(unknown)
    }

    /// Of a task that has this status.
    pub(super) fn of(task: &str) -> Self {
        match task {
            "created" => Self::Pending,
            "completed" => Self::Completed,
            "failed" => Self::Failed,
            "stopped" => Self::Cancelled,
            _ => Self::Running,
        }
    }

    pub(super) fn name(self) -> &'static str {
        let own = Self::ALL.iter().find(|(_, status)| *status == self);
        own.map_or("", |(name, _)| name)
    }

    /// The statuses that such tasks have.
    pub(super) const fn of_tasks(self) -> &'static [&'static str] {
        match self {
            Self::Pending => &["created"],
            Self::Running => &["running", "stopping", "awaiting_permission"],
            Self::Completed => &["completed"],
            Self::Failed => &["failed"],
            Self::Cancelled => &["stopped"],
            Self::Timeout => &[],
        }
    }

    /// Sessions whose last task is so; those without any are pending.
    pub(super) fn of_last_run(self) -> Condition {
        let last = || Expr::cust(LAST);
        let so = Condition::any().add(last().is_in(self.of_tasks().iter().copied()));
        if self == Self::Pending {
            so.add(last().is_null())
        } else {
            so
        }
    }
}

/// Which sessions, or what belongs to them, somebody sees in the workspace that a query names, or in any.
///
/// # Errors
/// If the database fails.
pub(super) async fn fits(query: &Record, by: &Identity, db: &mut dyn Reader) -> Result<Condition> {
    let mut fits = Condition::all();
    if let Some(visible) = visibility::sessions(by) {
        fits = fits.add(visible);
    }
    let Some(workspace) = text(query, "workspace_id").filter(|id| !id.contains('\0')) else {
        return Ok(fits);
    };
    let default = workspaces::default(db).await?;
    let is_default = default.is_some_and(|row| text(&row, "id") == Some(workspace));
    let place = Expr::col(assignments::Column::WorkspaceId);
    let mut placed = Query::select();
    placed
        .column(assignments::Column::SessionId)
        .from(assignments::Entity)
        .and_where(if is_default {
            place.ne(workspace)
        } else {
            place.eq(workspace)
        });
    let session = Expr::col(sessions::Column::SessionId);
    Ok(fits.add(if is_default {
        session.not_in_subquery(placed)
    } else {
        session.in_subquery(placed)
    }))
}

/// What is stored of these sessions; of some nothing may be.
pub(super) async fn of(ids: &[&str], db: &mut dyn Reader) -> Result<Vec<Record>> {
    let these = Expr::col(assignments::Column::SessionId).is_in(ids.iter().copied());
    db.select(&TABLE.select(these.into()), TABLE.columns())
        .await
}

/// Stores what is said of a session.
pub(super) async fn put(
    session: &str,
    settings: &Settings,
    workspace: &Record,
    work: &mut Work<'_>,
) -> Result<()> {
    let mut row = settings.row();
    let more = json!({
        "session_id": session,
        "workspace_id": workspace.get("id"),
        "updated_at": work.now.to_string(),
    });
    row.extend(as_record(more));
    TABLE.delete(work.tx, &[json!(session)]).await?;
    TABLE.insert(work.tx, &row).await.map(drop)
}

/// Where sessions are, and what is said of them.
pub(super) struct Places {
    rows: HashMap<String, Record>,
    workspaces: HashMap<String, Value>,
    default: Option<String>,
}

impl Places {
    /// Of these sessions.
    pub(super) async fn of(ids: &[&str], db: &mut dyn Reader) -> Result<Self> {
        let named = |row: Record, name: &str| Some((text(&row, name)?.to_owned(), row));
        let rows = of(ids, db).await?;
        let rows: HashMap<_, _> = rows
            .into_iter()
            .filter_map(|row| named(row, "session_id"))
            .collect();
        let mut places: Vec<_> = rows
            .values()
            .filter_map(|row| text(row, "workspace_id"))
            .collect();
        places.sort_unstable();
        places.dedup();
        let mut found = workspaces::several(&places, db).await?;
        let default = workspaces::default(db).await?;
        let default_id = default
            .as_ref()
            .and_then(|row| text(row, "id").map(str::to_owned));
        found.extend(default);
        let short = |row: Record| {
            let shown =
                json!({"id": row.get("id"), "name": row.get("name"), "slug": row.get("slug")});
            named(row, "id").map(|(id, _)| (id, shown))
        };
        Ok(Self {
            rows,
            workspaces: found.into_iter().filter_map(short).collect(),
            default: default_id,
        })
    }

    /// What is stored of a session, and its workspace.
    pub(super) fn at(&self, session: &str) -> (Record, Value) {
        let mut row = self
            .rows
            .get(session)
            .cloned()
            .unwrap_or_else(|| Settings::default().row());
        let place = text(&row, "workspace_id").or(self.default.as_deref());
        let place = place.map(str::to_owned);
        let workspace = place.as_ref().and_then(|id| self.workspaces.get(id));
        let workspace = workspace.cloned().unwrap_or_default();
        row.insert("workspace_id".to_owned(), json!(place));
        (row, workspace)
    }
}

/// An assignment.
pub(super) async fn shown(session: Record, db: &mut dyn Reader) -> Result<Value> {
    let shown = all_shown(vec![session], db).await?;
    Ok(shown.into_iter().next().unwrap_or_default())
}

/// Sessions as assignments, in their order.
pub(super) async fn all_shown(found: Vec<Record>, db: &mut dyn Reader) -> Result<Vec<Value>> {
    let id = |session: &Record| text(session, "session_id").unwrap_or_default().to_owned();
    let ids: Vec<_> = found.iter().map(id).collect();
    let ids: Vec<_> = ids.iter().map(String::as_str).collect();
    let places = Places::of(&ids, db).await?;
    let counts = counts(&ids, db).await?;
    let mut shown = Vec::with_capacity(found.len());
    for (session, id) in found.iter().zip(&ids) {
        let last = last(id, db).await?;
        let (row, workspace) = places.at(id);
        let counted = |status: &str| {
            let key = ((*id).to_owned(), status.to_owned());
            counts.get(&key).copied().unwrap_or(0)
        };
        shown.push(one(session, (&row, workspace), last.as_ref(), counted));
    }
    Ok(shown)
}

fn one(
    session: &Record,
    (row, workspace): (&Record, Value),
    last: Option<&Record>,
    counted: impl Fn(&str) -> u64,
) -> Value {
    let at = |record: &Record, name: &str| record.get(name).cloned().unwrap_or_default();
    let of_last = |name: &str| last.map_or(Value::Null, |last| at(last, name));
    let (done, failed) = (counted("completed"), counted("failed"));
    let open = [
        "created",
        "running",
        "stopping",
        "awaiting_permission",
        "stopped",
    ];
    let total = done + failed + open.iter().map(|status| counted(status)).sum::<u64>();
    #[expect(clippy::cast_precision_loss, reason = "there are not so many runs")]
    let rate = done as f64 / Ord::max(done + failed, 1) as f64;
    let status = last.and_then(|last| text(last, "status"));
    let changed = [text(session, "last_updated"), text(row, "updated_at")];
    json!({
        "id": at(session, "session_id"),
        "workspace_id": at(row, "workspace_id"),
        "project_id": at(row, "project_id"),
        "name": text(session, "title").unwrap_or_default(),
        "description": at(session, "description"),
        "config": at(row, "config"),
        "status": status.map_or(Status::Pending, Status::of).name(),
        "workspace": workspace,
        "project": null,
        "max_rounds": at(row, "max_rounds"),
        "max_revision_rounds": at(row, "max_revision_rounds"),
        "memory_size": at(row, "memory_size"),
        "run_branch_prefix": at(row, "run_branch_prefix"),
        "commit_template": at(row, "commit_template"),
        "total_runs": total,
        "successful_runs": done,
        "failed_runs": failed,
        "success_rate": rate,
        "last_run_at": of_last("created_at"),
        "last_run_duration": seconds(&of_last("duration_ms")),
        "last_error": of_last("error"),
        "created_at": at(session, "created_at"),
        "updated_at": changed.into_iter().flatten().max(),
    })
}

/// Milliseconds as seconds.
pub(super) fn seconds(millis: &Value) -> Value {
    millis
        .as_f64()
        .map_or(Value::Null, |millis| json!(millis / 1_000.0))
}

/// How many tasks of each status sessions have, by session and status.
async fn counts(ids: &[&str], db: &mut dyn Reader) -> Result<HashMap<(String, String), u64>> {
    use tasks::Column::{SessionId, Status, TaskId};
    let total = Alias::new("total");
    let mut select = Query::select();
    select
        .columns([SessionId, Status])
        .expr_as(Func::count(Expr::col(TaskId)), total)
        .from(tasks::Entity)
        .and_where(Expr::col(SessionId).is_in(ids.iter().copied()))
        .group_by_columns([SessionId, Status]);
    let column = |name, kind| Column {
        name,
        kind,
        nullable: false,
    };
    let columns = [
        column("session_id", Kind::Text),
        column("status", Kind::Text),
        column("total", Kind::Integer),
    ];
    let rows = db.select(&select, &columns).await?;
    let counted = |row: &Record| {
        let key = (
            text(row, "session_id")?.to_owned(),
            text(row, "status")?.to_owned(),
        );
        Some((key, row.get("total")?.as_u64()?))
    };
    Ok(rows.iter().filter_map(counted).collect())
}

/// What is told of a session's last task.
const OF_LAST: [&str; 5] = ["task_id", "status", "created_at", "duration_ms", "error"];

/// A session's last task.
async fn last(session: &str, db: &mut dyn Reader) -> Result<Option<Record>> {
    use tasks::Column::{CreatedAt, SessionId, TaskId};
    static COLUMNS: LazyLock<Vec<Column>> = LazyLock::new(|| {
        let columns = Column::all::<tasks::Entity>().into_iter();
        columns
            .filter(|column| OF_LAST.contains(&column.name))
            .collect()
    });
    let mut select = Query::select();
    select
        .columns(COLUMNS.iter().map(Column::iden))
        .from(tasks::Entity)
        .and_where(Expr::col(SessionId).eq(session))
        .order_by(CreatedAt, Order::Desc)
        .order_by(TaskId, Order::Desc)
        .limit(1);
    Ok(db.select(&select, &COLUMNS).await?.pop())
}
