//! Feathers queries over REST, on both databases.

use serde_json::{Value, json};

use crate::{
    on_both_databases,
    support::{daemon::Daemon, databases::Fresh, rest::Rest},
};

on_both_databases!(queries_by_kind);

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
