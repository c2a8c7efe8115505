//! Agents' instances: what many do to them at once, and how many there may be of them and their messages.

use futures_util::future::join_all;
use reqwest::Method as Verb;
use roost::core::{call::Method, identity::Identity};
use sea_orm::{ConnectionTrait, Database};
use serde_json::{Value, json};

use crate::{
    on_both_databases,
    support::{
        callers::{call, made},
        daemon::Daemon,
        databases::Fresh,
        rest::Rest,
        until,
    },
};

on_both_databases!(
    whoever_moves_it_its_story_has_no_gap,
    steps_that_meet_leave_no_agent_busy,
    ten_thousand_messages_are_paged_and_the_oldest_give_way,
    a_workspace_has_so_many_agents_and_no_more,
    the_definition_that_is_built_in_is_made_once,
);

/// Makes an instance; its id.
async fn instance(rest: &Rest) -> String {
    let data = json!({"definition_slug": "default"});
    let instance = rest.create("agent-instances", &data).await;
    instance["id"].as_str().expect("an id").to_owned()
}

/// How an instance is.
async fn status(rest: &Rest, id: &str) -> Value {
    rest.get(&format!("/agent-instances/{id}")).await["status"].clone()
}

/// The changes of its status that were told, from where to where.
async fn changes(rest: &Rest, id: &str) -> Vec<[Value; 2]> {
    let mut told = Vec::new();
    loop {
        let skip = told.len();
        let query = "source=signals&name=agent_status_changed&$sort[seq]=1&$limit=500";
        let page = rest
            .get(&format!("/events?{query}&agent={id}&$skip={skip}"))
            .await;
        let events = page["data"].as_array().expect("a list");
        told.extend(
            events
                .iter()
                .map(|event| ["previous_status", "status"].map(|name| event["data"][name].clone())),
        );
        if events.is_empty() {
            return told;
        }
    }
}

/// Checks that each change begins where the one before ended, and the last ends where it is now.
async fn check_story(rest: &Rest, id: &str) -> Vec<[Value; 2]> {
    let told = changes(rest, id).await;
    let mut at = json!("idle");
    for [from, to] in &told {
        assert_eq!(*from, at, "{told:?}");
        assert_ne!(from, to);
        at = to.clone();
    }
    assert_eq!(status(rest, id).await, at);
    told
}

async fn whoever_moves_it_its_story_has_no_gap(database: Fresh) {
    let daemon = Daemon::start(&database).await;
    let rest = Rest::new(daemon.address);
    let id = instance(&rest).await;
    let writers = (0..8).map(async |writer| {
        let (rest, mut won) = (rest.clone(), 0);
        for round in 0..15 {
            let path = format!("/agent-instances/{id}");
            let words = ["idle", "active", "busy", "error", "offline", "initializing"];
            let (verb, path, data) = match (writer + round) % 4 {
                0 => (Verb::POST, format!("{path}/activate"), json!({})),
                1 => (Verb::POST, format!("{path}/shutdown"), json!({})),
                _ => {
                    let word = words[(writer * 5 + round) % words.len()];
                    (Verb::PATCH, path, json!({"status": word}))
                }
            };
            let (answer, told) = rest.send(verb, &path, Some(&data)).await;
            assert!([200, 201, 409].contains(&answer), "{told}");
            won += u32::from(answer != 409);
        }
        won
    });
    let won: u32 = join_all(writers).await.into_iter().sum();
    assert!(won > 0);
    let told = check_story(&rest, &id).await;
    assert!(told.len() > 10, "{told:?}");
    daemon.stop().await;
}

async fn steps_that_meet_leave_no_agent_busy(database: Fresh) {
    let daemon = Daemon::start(&database).await;
    let rest = Rest::new(daemon.address);
    let ids = [instance(&rest).await, instance(&rest).await];
    let steps: Vec<_> = (0..12)
        .map(|n| {
            let gate = n % 3 == 0;
            let prompt = if n % 5 == 4 { "/fail no" } else { "x" };
            json!({
                "name": format!("s{n}"),
                "step_type": if gate { "condition" } else { "agent" },
                "agent_instance_id": ids[n % 2],
                "config": if gate { json!({}) } else { json!({"prompt": prompt}) },
            })
        })
        .collect();
    let workflow = json!({"name": "w", "steps": steps, "max_retries": 1});
    let workflow = rest.create("workflows", &workflow).await;
    let path = format!(
        "workflows/{}/execute",
        workflow["id"].as_str().expect("an id")
    );
    let execute = async || rest.create(&path, &json!({})).await;
    let executions = join_all((0..6).map(|_| execute())).await;
    for (n, execution) in executions.iter().enumerate() {
        let id = execution["execution_id"].as_str().expect("an id");
        if n % 2 == 0 {
            let cancel = format!("/executions/{id}/cancel");
            rest.send(Verb::POST, &cancel, Some(&json!({}))).await;
        }
        until("it is over", async || {
            let found = rest.get(&format!("/executions/{id}/status")).await;
            found["status"] != "pending" && found["status"] != "running"
        })
        .await;
    }
    for id in ids {
        let told = check_story(&rest, &id).await;
        let busy = told.iter().filter(|[_, to]| to == "busy").count();
        assert!(busy > 0, "{told:?}");
        let now = status(&rest, &id).await;
        assert!(now == "active" || now == "error", "{now}");
        let removed = rest
            .send(Verb::DELETE, &format!("/agent-instances/{id}"), None)
            .await;
        assert_eq!(removed.0, 200, "{}", removed.1);
    }
    daemon.stop().await;
}

async fn ten_thousand_messages_are_paged_and_the_oldest_give_way(database: Fresh) {
    let daemon = Daemon::start(&database).await;
    let rest = Rest::new(daemon.address);
    let id = instance(&rest).await;
    let path = format!("agent-instances/{id}/messages");
    for start in (0..10_000).step_by(500) {
        let some = (start..start + 500).map(|n| {
            let data = json!({"payload": {"n": n}});
            made(&daemon, &Identity::System, &path, data)
        });
        join_all(some).await;
    }
    let mut numbers = Vec::new();
    while numbers.len() < 10_000 {
        let skip = numbers.len();
        let page = rest.get(&format!("/{path}?limit=100&skip={skip}")).await;
        assert_eq!(page["total"], 10_001);
        let items = page["items"].as_array().expect("a list");
        assert_eq!(items.len(), 100);
        numbers.extend(items.iter().map(|item| item["payload"]["n"].as_u64()));
    }
    numbers.sort_unstable();
    assert!((0..10_000).map(Some).eq(numbers), "each once");
    let last = rest.get(&format!("/{path}?skip=10000")).await;
    assert_eq!(last["items"][0]["payload"]["type"], "registered");
    // As if more had come meanwhile.
    let db = Database::connect(&database.url).await.expect("a database");
    let sql = "UPDATE agent_messages SET number = number + 20000 WHERE number > 5000";
    db.execute_unprepared(sql).await.expect("a change");
    db.close().await.expect("a closed connection");
    made(&daemon, &Identity::System, &path, json!({})).await;
    assert_eq!(rest.get(&format!("/{path}")).await["total"], 5_001);
    daemon.stop().await;
}

async fn a_workspace_has_so_many_agents_and_no_more(database: Fresh) {
    let daemon = Daemon::start(&database).await;
    let rest = Rest::new(daemon.address);
    let workspace = rest.create("workspaces", &json!({"name": "w"})).await["id"].clone();
    let data = json!({"definition_slug": "default", "workspace_id": workspace});
    let create = || {
        call(
            &daemon,
            &Identity::System,
            Method::Create,
            "agent-instances",
            data.clone(),
        )
    };
    for _ in 0..10 {
        for answer in join_all((0..100).map(|_| create())).await {
            answer.expect("an instance");
        }
    }
    let refused = create().await.expect_err("a conflict");
    assert_eq!(
        refused.message(),
        "The workspace has 1000 agents; remove some first"
    );
    instance(&rest).await;
    daemon.stop().await;
}

async fn the_definition_that_is_built_in_is_made_once(database: Fresh) {
    let daemon = Daemon::start(&database).await;
    let rest = Rest::new(daemon.address);
    let look = async || rest.get("/agent-definitions").await["total"].clone();
    let found = join_all((0..20).map(|_| look())).await;
    assert!(found.iter().all(|total| *total == 1), "{found:?}");
    daemon.stop().await;
}
