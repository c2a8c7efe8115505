//! How a prompt begins to run.

use std::{collections::HashMap, path::PathBuf, sync::Arc};

use entities::runs;
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    Active, Runs, at,
    ending::{INTERRUPTED, forget},
    owned, start,
};
use crate::{
    core::{Record, clock::Timestamp, identity::Identity, turn::Turn},
    error::{Error, Result},
    runner::{Decision, Prompt},
    services::{
        tasks::named,
        values::{optional, text},
    },
    store::{Store, columns::Column, lane::Work, transaction::Reader},
};

/// Characters of a prompt that describe its task.
const DESCRIPTION: usize = 120;

/// Characters of a goal.
const GOAL: usize = 10_000;

/// What somebody asks.
#[derive(Clone)]
pub(super) struct Asked {
    pub(super) text: String,
    /// What the agent may do without asking, in its own words.
    pub(super) permission_mode: Option<String>,
    /// Whether viewers are told words as they come.
    pub(super) streams: bool,
    /// The stream that it is told in, if not the session's own.
    pub(super) stream_id: Option<String>,
    /// What is to be reached by it, if anybody says.
    pub(super) goal: Option<String>,
    pub(super) by: Identity,
    /// The task that it has already.
    pub(super) task: Option<String>,
    /// Which user asked.
    pub(super) author: Option<String>,
    /// Whether a plan is made first, and decided on.
    pub(super) plans: bool,
}

/// How far a run is when it is begun with.
pub(super) enum Course {
    /// The agent does what it is asked.
    Do,
    /// It makes a plan first.
    Plan,
    /// The plan waits for a decision, as it did before the daemon came back.
    Decide(Waiting),
}

/// A plan that waits.
pub(super) struct Waiting {
    pub(super) plan: Value,
    pub(super) since: Timestamp,
    pub(super) decided: mpsc::UnboundedReceiver<Decision>,
}

/// A run that begins. Where it does not go on, the session is free again.
pub(super) struct Started {
    pub(super) prompt: Prompt,
    pub(super) streams: bool,
    pub(super) stop: CancellationToken,
    pub(super) at: Timestamp,
    pub(super) runs: Arc<Runs>,
    /// Cancelled once nothing runs any more.
    pub(super) over: CancellationToken,
    pub(super) course: Course,
}

impl Drop for Started {
    fn drop(&mut self) {
        self.runs.free(&self.prompt.session, &self.prompt.task);
        self.over.cancel();
    }
}

impl Asked {
    /// Reads a call's data.
    ///
    /// # Errors
    /// `BadRequest` if nothing is asked, or the stream's name is none.
    pub(super) fn read(data: &Value, by: Identity) -> Result<Self> {
        let prompt = data.get("prompt").and_then(Value::as_str);
        let prompt = prompt.filter(|prompt| !prompt.trim().is_empty());
        let prompt = prompt.ok_or_else(|| Error::bad_request("Prompt required"))?;
        if prompt.contains('\0') {
            return Err(Error::bad_request(
                "`prompt` must not hold the character NUL",
            ));
        }
        let plans = match &data["plan"] {
            Value::Null => false,
            Value::Bool(plans) => *plans,
            _ => return Err(Error::bad_request("`plan` must be true or false")),
        };
        Ok(Self {
            text: prompt.to_owned(),
            permission_mode: data["permissionMode"].as_str().map(str::to_owned),
            streams: data["stream"] != json!(false),
            stream_id: named(data.get("stream_id"))?,
            goal: optional(data, "goal", GOAL)?,
            author: by.user_id().map(str::to_owned),
            by,
            task: None,
            plans,
        })
    }
}

impl Runs {
    /// Runs a prompt, or puts it behind what runs; answers at once.
    ///
    /// # Errors
    /// `NotFound` if there is no such session, or if the database fails.
    pub(super) async fn ask(
        self: Arc<Self>,
        session: String,
        asked: Asked,
        turn: Turn,
        store: Store,
    ) -> Result<Value> {
        let runs = Arc::clone(&self);
        let streams = asked.streams;
        let unit = async move |work: &mut Work<'_>| {
            work.by = asked.by.clone();
            let session = runs.sessions.read(work.tx, &session, &work.by).await?;
            if runs.is_busy(text(&session, "session_id").unwrap_or_default()) {
                let task = runs.wait(&session, asked, work).await?;
                return Ok((None, json!(task)));
            }
            let started = runs.begin(&session, asked, work).await?;
            let task = json!(started.prompt.task);
            Ok((Some(started), task))
        };
        let (started, task) = store.write(&turn, unit).await?;
        let status = if started.is_some() {
            "running"
        } else {
            "created"
        };
        if let Some(started) = started {
            self.launch(started, &store);
        }
        Ok(json!({"success": true, "taskId": task, "status": status, "streaming": streams}))
    }

    /// Begins to run a prompt in a session where nothing runs.
    pub(super) async fn begin(
        self: &Arc<Self>,
        session: &Record,
        asked: Asked,
        work: &mut Work<'_>,
    ) -> Result<Started> {
        let id = owned(session, "session_id");
        self.end_orphan(&id, work).await?;
        let mut changes = json!({"status": "running", "ready_for_prompt": false});
        let task = match &asked.task {
            Some(task) => {
                let running = json!({"status": "running"});
                self.tasks.patch(task, running, work).await?;
                task.clone()
            }
            None => {
                let task = self.create_task(session, &asked, "running", work).await?;
                changes["tasks"] = and(session.get("tasks"), &task);
                task
            }
        };
        self.sessions.patch(&id, changes, work).await?;
        remember(&id, &task, work).await?;
        let course = if asked.plans {
            Course::Plan
        } else {
            Course::Do
        };
        Ok(self.enter(session, asked, task, (work.now, course)))
    }

    /// Notes that a session runs a task.
    pub(super) fn enter(
        self: &Arc<Self>,
        session: &Record,
        asked: Asked,
        task: String,
        (at, course): (Timestamp, Course),
    ) -> Started {
        let id = owned(session, "session_id");
        let stop = CancellationToken::new();
        let active = Active {
            task: task.clone(),
            stop: stop.clone(),
            decisions: None,
            questions: HashMap::new(),
        };
        self.lock().insert(id.clone(), active);
        let inside = |field: &str, name: &str| {
            let value = session.get(field)?.get(name)?.as_str()?;
            Some(value.to_owned())
        };
        Started {
            prompt: Prompt {
                text: asked.text,
                session: id,
                task,
                folder: PathBuf::from(inside("repo", "cwd").unwrap_or_default()),
                agent_session: text(session, "sdk_session_id").map(str::to_owned),
                model: inside("model_config", "model"),
                permission_mode: asked
                    .permission_mode
                    .or_else(|| inside("permission_config", "mode")),
            },
            streams: asked.streams,
            stop,
            at,
            runs: Arc::clone(self),
            over: CancellationToken::new(),
            course,
        }
    }

    /// Fails a task whose end was never stored: nothing runs it any more.
    async fn end_orphan(&self, session: &str, work: &mut Work<'_>) -> Result<()> {
        let columns = Column::all::<runs::Entity>();
        let mut select = Query::select();
        select
            .columns(columns.iter().map(Column::iden))
            .from(runs::Entity)
            .and_where(Expr::col(runs::Column::SessionId).eq(session));
        let db: &mut dyn Reader = &mut *work.tx;
        for run in db.select(&select, &columns).await? {
            let task = owned(&run, "task_id");
            let failed = json!({"status": "failed", "error": INTERRUPTED});
            self.change_task(&task, &[], failed, work).await?;
            forget(session, &task, work).await?;
        }
        Ok(())
    }

    /// Creates a prompt's task, and returns its id.
    pub(super) async fn create_task(
        &self,
        session: &Record,
        asked: &Asked,
        status: &str,
        work: &mut Work<'_>,
    ) -> Result<String> {
        let count = session.get("message_count").and_then(Value::as_i64);
        let count = count.unwrap_or_default();
        let sha = at(session, "git_state")["current_sha"].as_str();
        let sha = sha.filter(|sha| !sha.is_empty()).unwrap_or("unknown");
        let now = work.now.to_string();
        let task = json!({
            "session_id": at(session, "session_id"),
            "status": status,
            "description": start(&asked.text, DESCRIPTION),
            "full_prompt": asked.text,
            "message_range": {
                "start_index": count,
                "end_index": count + 1,
                "start_timestamp": now,
                "end_timestamp": now,
            },
            "git_state": {"sha_at_start": sha},
            "tool_use_count": 0,
            "created_by": asked.author,
            "stream_id": asked.stream_id,
            "input": asked.goal.as_ref().map(|goal| json!({"prompt": asked.text, "goal": goal})),
        });
        let task = self.tasks.create(task, work).await?;
        Ok(task["task_id"].as_str().unwrap_or_default().to_owned())
    }
}

/// A list of ids and one more.
pub(super) fn and(ids: Option<&Value>, id: &str) -> Value {
    let mut ids = ids.and_then(Value::as_array).cloned().unwrap_or_default();
    ids.push(json!(id));
    Value::Array(ids)
}

/// Notes in the database that a session runs a task.
async fn remember(session: &str, task: &str, work: &mut Work<'_>) -> Result<()> {
    use runs::Column::{SessionId, StartedAt, TaskId};
    let mut insert = Query::insert();
    insert
        .into_table(runs::Entity)
        .columns([SessionId, TaskId, StartedAt])
        .values_panic([session.into(), task.into(), work.now.to_string().into()]);
    let statement = work.tx.backend().build(&insert);
    work.tx.execute(statement).await.map(drop)
}
