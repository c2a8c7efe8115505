//! How an agent is hired, and how it is given a task without being hired: a session, and a task in it, in
//! one unit of work.

use entities::hirings;
use sea_orm::sea_query::{Condition, Expr, ExprTrait};
use serde_json::{Value, json};

use super::{
    HIRINGS, TABLE, TASKS,
    following::{Parties, tell},
    talk,
};
use crate::{
    core::{
        BoxFuture, Record,
        call::{Answer, Call, Method},
        identity::Identity,
    },
    error::{Error, Result},
    services::{
        agents,
        records::Records,
        registry::Service,
        values::{one_of, optional, required, text},
    },
    store::{Store, lane::Work, query::Query},
};

/// Characters of texts at most: what is to be done, a capability or key, a URL.
const LONGEST: usize = 20_000;
const LONGEST_WORD: usize = 255;
const LONGEST_URL: usize = 2_048;

/// Characters of what is to be done that name its session.
const TITLE: usize = 120;

/// Bytes of a task's input at most.
const LONGEST_INPUT: usize = 1 << 20;

const DELIVERIES: [&str; 2] = ["output", "push"];

/// What a hiring holds of what was asked: with the same key, it must be the same.
const SAME: [&str; 8] = [
    "agent_id",
    "price",
    "capability_requested",
    "task_description",
    "delivery_mode",
    "repo_url",
    "task_input",
    "client_message",
];

/// What somebody wants an agent to do.
pub(super) struct Asked {
    agent: String,
    client: Option<String>,
    board: Option<String>,
    capability: Option<String>,
    description: Option<String>,
    input: Value,
    message: Option<String>,
    price: Option<String>,
    delivery: String,
    repo_url: Option<String>,
    key: Option<String>,
}

impl Asked {
    /// Reads `{agent_id | agent_did, task_description, capability_requested?, price?, delivery_mode?,
    /// repo_url?, task_input?, client_message?, client_idempotency_key?, client_agent_id?, board_id?}`.
    ///
    /// # Errors
    /// `BadRequest`.
    pub(super) fn read(data: &Value) -> Result<Self> {
        let name = match data.get("agent_id") {
            Some(_) => "agent_id",
            None => "agent_did",
        };
        if data
            .get("repo_access_token")
            .is_some_and(|token| !token.is_null())
        {
            return Err(Error::bad_request(
                "Leave out `repo_access_token`: access tokens are not kept here; tell the agent how to reach the repository",
            ));
        }
        let mut own = data.as_object().cloned().unwrap_or_default();
        one_of(&own, "delivery_mode", &DELIVERIES)?;
        agents::price(&mut own, "price")?;
        Ok(Self {
            agent: required(data, name, LONGEST_WORD)?,
            capability: optional(data, "capability_requested", LONGEST_WORD)?,
            description: Some(required(data, "task_description", LONGEST)?),
            input: input(data, "task_input")?,
            message: optional(data, "client_message", LONGEST)?,
            price: text(&own, "price").map(str::to_owned),
            delivery: text(&own, "delivery_mode")
                .unwrap_or(DELIVERIES[0])
                .to_owned(),
            repo_url: optional(data, "repo_url", LONGEST_URL)?,
            key: optional(data, "client_idempotency_key", LONGEST_WORD)?,
            client: optional(data, "client_agent_id", LONGEST_WORD)?,
            board: optional(data, "board_id", LONGEST_WORD)?,
        })
    }

    /// Reads `{capability, input, max_price?, description?, client_agent_id?, board_id?}` for an agent.
    fn task(agent: &str, data: &Value) -> Result<Self> {
        let mut own = data.as_object().cloned().unwrap_or_default();
        agents::price(&mut own, "max_price")?;
        Ok(Self {
            agent: agent.to_owned(),
            capability: Some(required(data, "capability", LONGEST_WORD)?),
            description: optional(data, "description", LONGEST)?,
            input: input(data, "input")?,
            message: None,
            price: text(&own, "max_price").map(str::to_owned),
            delivery: DELIVERIES[0].to_owned(),
            repo_url: None,
            key: None,
            client: optional(data, "client_agent_id", LONGEST_WORD)?,
            board: optional(data, "board_id", LONGEST_WORD)?,
        })
    }

    /// Hires, unless the key says that it was done before: the hiring.
    pub(super) async fn hire(self, sessions: &Records, work: &mut Work<'_>) -> Result<Value> {
        let client = self.client(work).await?;
        if let Some(known) = self.known(&client, work).await? {
            return self.again(&known, work).await;
        }
        let agent = self.agent(work).await?;
        let mut hiring = self.hiring(&agent, &client, work);
        let task = work.clock.random_id().to_string();
        let session = self.session(sessions, &client, &task, work).await?;
        hiring.insert("session_id".to_owned(), json!(session));
        hiring.insert("task_id".to_owned(), json!(task));
        let made = HIRINGS.put(hiring.clone(), "created", work).await?;
        if let (Some(parties), Value::Object(made)) = (Parties::of(&hiring, work.tx).await?, &made)
        {
            let to = [parties.provider(), parties.client()].concat();
            let mut about = made.clone();
            about.insert("hiring_id".to_owned(), made["id"].clone());
            work.publish(tell("hiring.created", &to, &about, &parties.form(made))?);
        }
        let task = json!({"task_id": task, "session_id": session, "hiring_id": made["id"]});
        self.give(task, &agent, &client, work).await?;
        Ok(made)
    }

    /// The hiring that was made before, if the same is asked, whatever the agent is by now.
    async fn again(&self, known: &Record, work: &mut Work<'_>) -> Result<Value> {
        let agent = agents::named(&self.agent, work.tx).await?;
        let agent =
            agent.unwrap_or_else(|| Record::from_iter([("id".to_owned(), json!(self.agent))]));
        let mut asked = self.hiring(&agent, "", work);
        if self.price.is_none() {
            // What the agent asked then.
            asked.insert("price".to_owned(), known["price"].clone());
        }
        let of = |record: &Record, name: &str| {
            record.get(name).filter(|value| !value.is_null()).cloned()
        };
        if SAME.iter().all(|name| of(known, name) == of(&asked, name)) {
            let id = text(known, "id").unwrap_or_default();
            return HIRINGS.read(work.tx, id, &work.by).await.map(Value::Object);
        }
        let reason = json!({"reason": "idempotency_mismatch"});
        let text = "`client_idempotency_key` came before, with something else to do";
        Err(Error::unprocessable(text).with_data(reason))
    }

    /// The agent, if it works now.
    async fn agent(&self, work: &mut Work<'_>) -> Result<Record> {
        let agent = agents::named(&self.agent, work.tx).await?;
        let agent = agent.ok_or_else(|| Error::not_found("There is no such agent"))?;
        agents::takes_work(&agent)?;
        Ok(agent)
    }

    /// Gives the agent a task: the task.
    async fn assign(self, sessions: &Records, work: &mut Work<'_>) -> Result<Value> {
        let agent = self.agent(work).await?;
        let number = |price: Option<&str>| price.and_then(|price| price.parse::<f64>().ok());
        let (most, asked) = (number(self.price.as_deref()), text(&agent, "base_price"));
        if most.is_some_and(|most| number(asked).is_some_and(|asked| asked > most)) {
            let asked = asked.unwrap_or_default();
            let text = format!("`max_price` is less than the agent asks for, which is {asked}");
            return Err(Error::bad_request(text).with_data(json!({"field": "max_price"})));
        }
        let client = self.client(work).await?;
        let task = work.clock.random_id().to_string();
        let session = self.session(sessions, &client, &task, work).await?;
        let task = json!({"task_id": task, "session_id": session});
        self.give(task, &agent, &client, work).await
    }

    /// In whose name.
    async fn client(&self, work: &mut Work<'_>) -> Result<String> {
        match &self.client {
            Some(client) if agents::may_be_client(client, work).await? => Ok(client.clone()),
            Some(_) => Err(Error::bad_request(
                "`client_agent_id` must be the id of an agent of yours",
            )),
            None => agents::client(work).await,
        }
    }

    /// The hiring that was made with the same key.
    async fn known(&self, client: &str, work: &mut Work<'_>) -> Result<Option<Record>> {
        use hirings::Column::{ClientAgentId, IdempotencyKey};
        let Some(key) = &self.key else {
            return Ok(None);
        };
        let query = Query {
            condition: Condition::all()
                .add(Expr::col(ClientAgentId).eq(client))
                .add(Expr::col(IdempotencyKey).eq(key)),
            ..Query::default()
        };
        Ok(TABLE.find(work.tx, &query, Some(1)).await?.pop())
    }

    fn hiring(&self, agent: &Record, client: &str, work: &Work<'_>) -> Record {
        let now = work.now.to_string();
        let price = self.price.as_deref().or_else(|| text(agent, "base_price"));
        let hiring = json!({
            "id": work.clock.random_id(),
            "status": "queued",
            "agent_id": agent["id"],
            "client_agent_id": client,
            "user_id": work.by.user_id(),
            "price": price,
            "capability_requested": self.capability.as_deref().unwrap_or_default(),
            "task_description": self.description,
            "delivery_mode": self.delivery,
            "repo_url": self.repo_url,
            "task_input": self.input,
            "client_message": self.message,
            "idempotency_key": self.key,
            "created_at": now,
            "updated_at": now,
        });
        match hiring {
            Value::Object(hiring) => hiring,
            _ => Record::new(),
        }
    }

    /// Makes the session: on the board that was named, else on the client's own.
    async fn session(
        &self,
        sessions: &Records,
        client: &str,
        task: &str,
        work: &mut Work<'_>,
    ) -> Result<String> {
        let board = match &self.board {
            Some(board) => board.clone(),
            None => agents::board(client, work).await?,
        };
        let about = self.description.as_deref().or(self.capability.as_deref());
        let title: String = about.unwrap_or_default().chars().take(TITLE).collect();
        let session = json!({
            "title": title,
            "board_id": board,
            "created_by": work.by.id(),
            "tasks": [task],
        });
        let by = work.by.clone();
        if self.board.is_none() {
            // Agents are on no board, nor is everybody who may hire in a client's name.
            work.by = Identity::System;
        }
        let session = sessions.create(session, work).await?;
        work.by = by;
        Ok(session["session_id"]
            .as_str()
            .unwrap_or_default()
            .to_owned())
    }

    /// Makes the task, and says in its session what is to be done.
    async fn give(
        &self,
        mut task: Value,
        agent: &Record,
        client: &str,
        work: &mut Work<'_>,
    ) -> Result<Value> {
        let input = match &self.input {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            input => Some(input.to_string()),
        };
        let said: Vec<&str> = [&self.description, &self.message, &input]
            .into_iter()
            .filter_map(Option::as_deref)
            .collect();
        let said = said.join("\n\n");
        task["provider_agent_id"] = agent["id"].clone();
        task["client_agent_id"] = json!(client);
        task["capability"] = json!(self.capability);
        task["input"] = match &self.input {
            Value::Null => json!(self.description),
            input => input.clone(),
        };
        task["description"] = json!(said.chars().take(TITLE).collect::<String>());
        task["full_prompt"] = json!(said);
        task["created_by"] = json!(work.by.id());
        let task = TASKS.create(task, work).await?;
        if let Some(task) = task.as_object().filter(|_| !said.is_empty()) {
            let metadata = json!({"message_type": "task", "agent_id": client});
            talk::store(task, "user", &said, metadata, work).await?;
        }
        Ok(task)
    }
}

/// A task's input: a text or an object.
fn input(data: &Value, name: &str) -> Result<Value> {
    let input = data.get(name).cloned().unwrap_or_default();
    let fits = match &input {
        Value::Null => true,
        Value::String(text) => text.len() <= LONGEST_INPUT && !text.contains('\0'),
        Value::Object(_) => input.to_string().len() <= LONGEST_INPUT,
        _ => false,
    };
    if fits {
        return Ok(input);
    }
    let text = format!("`{name}` must be a text or an object of at most {LONGEST_INPUT} bytes");
    Err(Error::bad_request(text).with_data(json!({"field": name})))
}

/// `agents/:id/tasks`: gives an agent, by id or DID, a task.
pub struct Assign(pub Records);

impl Service for Assign {
    fn methods(&self) -> Vec<Method> {
        vec![Method::Create]
    }

    fn call<'a>(&'a self, call: &'a Call, store: &'a Store) -> BoxFuture<'a, Result<Answer>> {
        let (sessions, by) = (self.0.clone(), call.caller.identity.clone());
        Box::pin(async move {
            let asked = Asked::task(call.parameter("id"), &call.data)?;
            let unit = async move |work: &mut Work<'_>| {
                work.by = by;
                asked.assign(&sessions, work).await
            };
            store.write(&call.turn, unit).await.map(Answer::from)
        })
    }
}
