//! What is addressed to agents and users reaches them over their sockets: in order, once, as long as they may.

use futures_util::{SinkExt, StreamExt};
use reqwest::Method as Verb;
use roost::{
    core::{event::Draft, turn::Turn},
    error::Result,
    services::inbox::{self, To},
    store::lane::Work,
};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, tungstenite::Message};

use crate::{
    on_both_databases,
    support::{
        daemon::Daemon,
        databases::Fresh,
        phoenix::{Frame, Phoenix},
        rest::Rest,
        socketio::SocketIo,
        soon, until,
    },
};

on_both_databases!(
    what_is_addressed_to_somebody_is_pushed_to_them_alone,
    who_was_away_is_told_what_was_missed,
    nothing_is_pushed_behind_the_end_of_a_login,
    a_connection_ends_with_its_key_while_it_polls_too,
    a_stream_is_told_no_longer_than_its_login_lasts,
    namespaces_end_with_the_daemon,
);

/// Somebody who may come in: an id, a key and its id.
struct Somebody {
    side: &'static str,
    id: String,
    key: String,
    key_id: String,
}

impl Somebody {
    async fn agent(rest: &Rest) -> Self {
        let agent = rest.create("agents", &json!({"name": "worker"})).await;
        let key = json!({"name": "a key", "agent_id": agent["id"]});
        Self::with("agent", &agent["id"], &rest.create("api-keys", &key).await)
    }

    async fn user(rest: &Rest, name: &str) -> Self {
        let user = json!({"email": format!("{name}@example.com"), "password": "long enough"});
        let user = rest.create("users", &user).await;
        let key = json!({"name": "a key", "user_id": user["user_id"], "scopes": ["read"]});
        let key = rest.create("api-keys", &key).await;
        Self::with("hirer", &user["user_id"], &key)
    }

    fn with(side: &'static str, id: &Value, key: &Value) -> Self {
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        Self {
            side,
            id: text(id),
            key: text(&key["key"]),
            key_id: text(&key["id"]),
        }
    }

    fn to(&self) -> To<'_> {
        match self.side {
            "agent" => To::Agent(&self.id),
            _ => To::User(&self.id),
        }
    }

    fn topic(&self) -> String {
        format!("{}:{}", self.side, self.id)
    }

    async fn connect(&self, daemon: &Daemon) -> Phoenix {
        let path = format!(
            "/socket/{}/websocket?vsn=2.0.0&api_key={}",
            self.side, self.key
        );
        Phoenix::connect(daemon, &path).await.expect("an upgrade")
    }

    /// Joins their own channel; returns when it is heard.
    async fn join(&self, daemon: &Daemon, params: &Value) -> Phoenix {
        let mut client = self.connect(daemon).await;
        let join = json!(["1", "1", self.topic(), "phx_join", params]);
        let reply = client.ask(join).await;
        assert_eq!(reply[4]["status"], "ok", "{reply}");
        client
    }
}

/// The next push that is not presence's: its event and payload.
async fn pushed(client: &mut Phoenix) -> (String, Value) {
    loop {
        let frame = client.json().await;
        let event = frame[3].as_str().expect("an event").to_owned();
        if !event.starts_with("presence_") {
            return (event, frame[4].clone());
        }
    }
}

/// Publishes events in one unit of work.
async fn publish(daemon: &Daemon, drafts: Vec<Draft>) {
    let unit = async move |work: &mut Work<'_>| -> Result<()> {
        drafts.into_iter().for_each(|draft| work.publish(draft));
        Ok(())
    };
    let published = daemon.app.store.write(&Turn::default(), unit).await;
    published.expect("a database");
}

fn draft(name: &'static str, to: &[&Somebody], n: usize) -> Draft {
    let to: Vec<_> = to.iter().map(|somebody| somebody.to()).collect();
    inbox::draft(name, &to, [], &json!({"z": n, "a": name})).expect("JSON")
}

/// S0-13, S0-17 to S0-21.
async fn what_is_addressed_to_somebody_is_pushed_to_them_alone(database: Fresh) {
    let daemon = Daemon::start(&database).await;
    let rest = Rest::new(daemon.address);
    let (agent, other) = (Somebody::agent(&rest).await, Somebody::agent(&rest).await);
    let (ann, bob) = (
        Somebody::user(&rest, "ann").await,
        Somebody::user(&rest, "bob").await,
    );
    let mut clients = Vec::new();
    for somebody in [&agent, &agent, &other, &ann, &bob] {
        clients.push(somebody.join(&daemon, &json!({})).await);
    }
    for (n, name) in inbox::NAMES.into_iter().enumerate() {
        publish(&daemon, vec![draft(name, &[&agent, &ann], n)]).await;
    }
    let end = |n| draft("message.received", &[&agent, &other, &ann, &bob], n);
    publish(&daemon, vec![end(100), end(101)]).await;
    for (client, hears_all) in clients.iter_mut().zip([true, true, false, true, false]) {
        for (n, name) in inbox::NAMES.into_iter().enumerate().filter(|_| hears_all) {
            let expected = (name.to_owned(), json!({"z": n, "a": name}));
            assert_eq!(pushed(client).await, expected);
        }
        for n in [100, 101] {
            assert_eq!(pushed(client).await.1["z"], n);
        }
    }
    daemon.stop().await;
}

async fn who_was_away_is_told_what_was_missed(database: Fresh) {
    let daemon = Daemon::start(&database).await;
    let rest = Rest::new(daemon.address);
    let (agent, other) = (Somebody::agent(&rest).await, Somebody::agent(&rest).await);
    let ann = Somebody::user(&rest, "ann").await;
    for somebody in [&agent, &ann] {
        let mut client = somebody.join(&daemon, &json!({"since": "now"})).await;
        publish(&daemon, vec![draft("hiring.created", &[somebody], 1)]).await;
        let (name, first) = pushed(&mut client).await;
        assert_eq!((name.as_str(), &first["z"]), ("hiring.created", &json!(1)));
        assert!(first["seq"].is_string());
        drop(client);
        let missed = (2..=1_500).map(|n| {
            let to = if n % 3 == 0 { &other } else { somebody };
            draft("message.received", &[to], n)
        });
        publish(&daemon, missed.collect()).await;
        let mut client = somebody
            .join(&daemon, &json!({"since": first["seq"]}))
            .await;
        publish(&daemon, vec![draft("hiring.completed", &[somebody], 1_501)]).await;
        for n in (2..=1_501).filter(|n| n % 3 != 0) {
            let (_, data) = pushed(&mut client).await;
            assert_eq!(data["z"], n);
            // The log's text, and the stamp behind it.
            let keys: Vec<_> = data.as_object().expect("an object").keys().collect();
            assert_eq!(keys, ["z", "a", "seq"]);
        }
        let params = json!({"since": "another-1"});
        let mut lost = somebody.join(&daemon, &params).await;
        let (name, reset) = pushed(&mut lost).await;
        assert_eq!(
            (name.as_str(), &reset["reason"]),
            ("reset", &json!("other_log"))
        );
    }
    daemon.stop().await;
}

async fn nothing_is_pushed_behind_the_end_of_a_login(database: Fresh) {
    let daemon = Daemon::start(&database).await;
    let rest = Rest::new(daemon.address);
    for params in [json!({}), json!({"since": "now"})] {
        for somebody in [
            Somebody::agent(&rest).await,
            Somebody::user(&rest, params["since"].as_str().unwrap_or("x")).await,
        ] {
            let mut client = somebody.join(&daemon, &params).await;
            publish(&daemon, vec![draft("hiring.created", &[&somebody], 1)]).await;
            assert_eq!(pushed(&mut client).await.1["z"], 1);
            let path = format!("/api-keys/{}", somebody.key_id);
            let (status, _) = rest.send(Verb::DELETE, &path, None).await;
            assert_eq!(status, 200);
            publish(&daemon, vec![draft("hiring.cancelled", &[&somebody], 2)]).await;
            let end = loop {
                match client.next().await {
                    Frame::End(code) => break code,
                    Frame::Text(text) => assert!(!text.contains("hiring.cancelled"), "{text}"),
                    frame => panic!("{frame:?}"),
                }
            };
            assert_eq!(end, Some(1001));
        }
    }
    daemon.stop().await;
}

async fn a_connection_ends_with_its_key_while_it_polls_too(database: Fresh) {
    let daemon = Daemon::start(&database).await;
    let rest = Rest::new(daemon.address);
    let agent = Somebody::agent(&rest).await;
    let path = format!("/socket/agent/longpoll?vsn=2.0.0&api_key={}", agent.key);
    let opened = rest.get(&path).await;
    assert_eq!(opened["status"], 410);
    let token = opened["token"].as_str().expect("a token");
    let poll = format!("/socket/agent/longpoll?vsn=2.0.0&token={token}");
    let join = json!(["1", "1", agent.topic(), "phx_join", {}]);
    let (_, taken) = rest.send(Verb::POST, &poll, Some(&join)).await;
    assert_eq!(taken["status"], 200);
    let told = rest.get(&poll).await;
    assert_eq!(told["status"], 200, "{told}");
    assert!(daemon.app.services.online.is_online(&agent.id));
    let key = format!("/api-keys/{}", agent.key_id);
    rest.send(Verb::DELETE, &key, None).await;
    loop {
        // What waited is still told.
        match rest.get(&poll).await["status"].as_u64() {
            Some(200 | 204) => {}
            // Then it is over, and a new one is refused.
            Some(500 | 403) => break,
            other => panic!("{other:?}"),
        }
    }
    until("the agent is gone", async || {
        !daemon.app.services.online.is_online(&agent.id)
    })
    .await;
    daemon.stop().await;
}

/// A task of an agent's.
async fn task(rest: &Rest, agent: &Somebody) -> String {
    let session = rest.create("sessions", &json!({})).await;
    let task = json!({"session_id": session["session_id"], "provider_agent_id": agent.id});
    let task = rest.create("tasks", &task).await;
    task["task_id"].as_str().expect("an id").to_owned()
}

/// S0-27.
async fn a_stream_is_told_no_longer_than_its_login_lasts(database: Fresh) {
    let daemon = Daemon::start(&database).await;
    let rest = Rest::new(daemon.address);
    let agent = Somebody::agent(&rest).await;
    let task = task(&rest, &agent).await;
    let chunks = format!("tasks/{task}/chunks");
    let namespace = format!("/task_stream/{task},");
    let mut channel = agent.connect(&daemon).await;
    let topic = format!("task_stream:{task}");
    let joined = channel.ask(json!(["1", "1", topic, "phx_join", {}])).await;
    assert_eq!(joined[4]["response"], json!({"seq": 0, "status": "open"}));
    let mut socket = SocketIo::connect(daemon.address, &Value::Null).await;
    let auth = json!({"api_key": agent.key});
    socket.send(format!("40{namespace}{auth}")).await;
    let mut socket = socket.into_inner();
    text_with(&mut socket, "joined").await;
    rest.create(&chunks, &json!({"content": "before"})).await;
    assert_eq!(channel.json().await[4]["content"], "before");
    text_with(&mut socket, "before").await;
    let key = format!("/api-keys/{}", agent.key_id);
    rest.send(Verb::DELETE, &key, None).await;
    rest.create(&chunks, &json!({"content": "behind"})).await;
    assert_eq!(channel.next().await, Frame::End(Some(1001)));
    let last = text_with(&mut socket, &namespace).await;
    assert_eq!(last, format!("41{namespace}"), "it is disconnected");
    daemon.stop().await;
}

async fn namespaces_end_with_the_daemon(database: Fresh) {
    let daemon = Daemon::start(&database).await;
    let rest = Rest::new(daemon.address);
    let agent = Somebody::agent(&rest).await;
    let task = task(&rest, &agent).await;
    let mut sockets = Vec::new();
    for root in [true, false] {
        let socket = SocketIo::connect(daemon.address, &Value::Null).await;
        let mut socket = socket.into_inner();
        let connect = Message::text(format!("40/task_stream/{task},"));
        socket.send(connect).await.expect("an open connection");
        text_with(&mut socket, "joined").await;
        if !root {
            let leave = socket.send(Message::text("41"));
            leave.await.expect("an open connection");
        }
        sockets.push(socket);
    }
    // No task outlives it.
    daemon.stop().await;
}

type Raw = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// The next frame that has a text in it; others are passed over.
async fn text_with(socket: &mut Raw, text: &str) -> String {
    loop {
        let frame = soon("a frame", socket.next()).await;
        let frame = frame.expect("an open connection").expect("a frame");
        if let Message::Text(frame) = frame
            && frame.contains(text)
        {
            return frame.as_str().to_owned();
        }
    }
}
