//! Feathers queries over REST, on both databases.

use serde_json::{Value, json};

use crate::{
    on_both_databases,
    support::{daemon::Daemon, databases::Fresh, rest::Rest, socketio::SocketIo},
};

on_both_databases!(
    queries_by_kind,
    finds_what_is_inside_json_and_behind_links,
    a_pattern_is_not_too_long,
);

async fn queries_by_kind(database: Fresh) {
    let daemon = Daemon::start(&database).await;
    let rest = Rest::new(daemon.address);
    let id = rest.create("sessions", &json!({})).await["session_id"].clone();
    let roles = ["user", "assistant", "system"];
    let items: Vec<_> = (0..30).map(|n| json!({"session_id": id, "index": n, "role": roles[n % 3], "task_id": if n < 5 { Value::Null } else { json!(format!("t{n}")) }})).collect();
    rest.create("messages", &json!(items)).await;
    let queries = [
        (
            "index[$gte]=10&index[$lt]=20&$sort[index]=-1",
            json!([19, 18, 17, 16, 15, 14, 13, 12, 11, 10]),
        ),
        (
            "role=user&$limit=3&$sort[index]=1&$skip=2",
            json!([6, 9, 12]),
        ),
        (
            "index[$in][]=3&index[$in][]=1&index[$in][]=99&$sort[index]=1",
            json!([1, 3]),
        ),
        (
            "$or[0][index]=2&$or[1][index][$gt]=28&$sort[index]=1",
            json!([2, 29]),
        ),
        (
            "role[$ne]=user&index[$lt]=4&$sort[role]=1&$sort[index]=1",
            json!([1, 2]),
        ),
        (
            "$sort[task_id]=1&$sort[index]=-1&$limit=6",
            json!([4, 3, 2, 1, 0, 10]),
        ),
        ("$sort[task_id]=-1&$sort[index]=-1&$limit=2", json!([9, 8])),
        (
            "task_id[$like]=t2_&$sort[index]=1&%24limit=2",
            json!([20, 21]),
        ),
    ];
    for (query, expected) in queries {
        let page = rest.get(&format!("/messages?{query}")).await;
        let found: Value = page["data"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|message| message["index"].clone())
            .collect();
        assert_eq!(found, expected, "{query}");
    }
    let counted = rest.get("/messages?$limit=0&role=user").await;
    assert_eq!(
        counted,
        json!({"total": 10, "limit": 0, "skip": 0, "data": []})
    );
    let picked = rest
        .get("/messages?$select[]=index&$limit=1&$sort[index]=1")
        .await;
    assert_eq!(picked["data"][0].as_object().expect("an object").len(), 2);
    daemon.stop().await;
}

#[expect(clippy::too_many_lines, reason = "a table of queries")]
async fn finds_what_is_inside_json_and_behind_links(database: Fresh) {
    let daemon = Daemon::start(&database).await;
    let rest = Rest::new(daemon.address);
    for board in ["b", "c"] {
        rest.create("boards", &json!({"board_id": board})).await;
    }
    let contexts = [
        json!({"n": 1, "t": "x", "yes": true, "list": ["p", {"q": "r\"s"}]}),
        json!({"n": "1", "yes": false, "none": null}),
        Value::Null,
    ];
    for (index, context) in contexts.iter().enumerate() {
        let mut data = json!({"session_id": format!("s{index}"), "custom_context": context});
        if index < 2 {
            data["board_id"] = json!(["b", "c"][index]);
        }
        rest.create("sessions", &data).await;
    }
    let mut socket = SocketIo::connect(daemon.address, &Value::Null).await;
    let queries = [
        (json!({"custom_context.n": 1}), "s0"),
        (json!({"custom_context.n": "1"}), "s0 s1"),
        (json!({"custom_context.yes": true}), "s0"),
        (json!({"custom_context.yes": "false"}), "s1"),
        (json!({"custom_context.t": {"$ne": "x"}}), ""),
        (json!({"custom_context.yes": {"$ne": true}}), "s1"),
        (json!({"custom_context.t": null}), "s1 s2"),
        (json!({"custom_context.none": null}), "s0 s1 s2"),
        (json!({"custom_context.t": {"$in": ["x", "y"]}}), "s0"),
        (json!({"custom_context.list.1.q": "r\"s"}), "s0"),
        (json!({"genealogy.parent_session_id": null}), "s0 s1 s2"),
        (
            json!({"$or": [{"custom_context.n": 1}, {"board_id": "c"}]}),
            "s0 s1",
        ),
        (json!({"board_id": "b"}), "s0"),
        (json!({"board_id": {"$in": ["b", "c", "d"]}}), "s0 s1"),
        (json!({"board_id": {"$ne": "b"}}), "s1 s2"),
        (json!({"board_id": {"$nin": ["b", "c"]}}), "s2"),
        (json!({"board_id": null}), "s2"),
        (json!({"board_id": {"$ne": null}}), "s0 s1"),
        (
            json!({"agentic_tool": "claude-code", "$sort": {"updated_at": -1}, "$limit": 1}),
            "s2",
        ),
        (
            json!({"updated_at": {"$gt": "2020-01-01T00:00:00Z"}}),
            "s0 s1 s2",
        ),
        (json!({"archived": "false"}), "s0 s1 s2"),
        (json!({"archived": true}), ""),
    ];
    for (query, expected) in queries {
        let page = socket
            .call(&json!(["find", "sessions", query]))
            .await
            .expect("a page");
        let mut found: Vec<_> = page["data"]
            .as_array()
            .expect("a list")
            .iter()
            .filter_map(|session| session["session_id"].as_str())
            .collect();
        found.sort_unstable();
        assert_eq!(found.join(" "), expected, "{query}");
    }
    let refused = [
        json!({"custom_context.a'b": 1}),
        json!({"custom_context.\"]": 1}),
        json!({"custom_context.": 1}),
        json!({"status.a": 1}),
        json!({"nope.a": 1}),
        json!({"custom_context.a": {"$gt": 1}}),
        json!({"custom_context.a": [1]}),
        json!({"board_id": 5}),
        json!({"board_id": {"$like": "b"}}),
        json!({"$sort": {"board_id": 1}}),
        json!({"$sort": {"custom_context.n": 1}}),
    ];
    for query in refused {
        let answer = socket.call(&json!(["find", "sessions", query])).await;
        assert_eq!(answer.expect_err("an error")["code"], 400, "{query}");
    }
    daemon.stop().await;
}

async fn a_pattern_is_not_too_long(database: Fresh) {
    let daemon = Daemon::start(&database).await;
    let mut socket = SocketIo::connect(daemon.address, &Value::Null).await;
    Rest::new(daemon.address)
        .create("boards", &json!({"name": "one"}))
        .await;
    for operator in ["$like", "$notlike", "$ilike"] {
        for (length, code) in [(50_000, Value::Null), (50_001, json!(400))] {
            let query = json!({"name": {operator: "x".repeat(length)}});
            let answer = socket.call(&json!(["find", "boards", query])).await;
            let refused = answer.err().unwrap_or_default();
            assert_eq!(refused["code"], code, "{operator} {length}: {refused}");
        }
    }
    daemon.stop().await;
}
