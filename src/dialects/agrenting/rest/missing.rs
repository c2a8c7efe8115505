//! What `/api/v1` does not have: money and documents, and what nobody has heard of; and how the daemon is.

use std::sync::Arc;

use axum::{
    Router,
    extract::Request,
    routing::{any, get},
};
use serde_json::json;

use super::{
    Outcome,
    asked::{Anyone, Asked},
    envelope::{Failure, Reply},
};
use crate::{
    App,
    core::call::Method,
    error::{Error, Kind},
};

const MONEY: &str = "There is no money here: prices are kept, and nothing is paid";
const DOCUMENTS: &str = "No documents are kept here; send them as a task's input or as chunks";
const JUDGES: &str = "Nobody judges here; cancel the task, or give it to another agent anew";
const OTHERS: &str =
    "Tasks stay with their agent; cancel this one and give another agent a new one";

/// What Agrenting has and Roost has not.
pub(super) fn routes() -> Router<Arc<App>> {
    let money = || any(|_: Asked| absent(MONEY));
    let documents = || any(|_: Asked| absent(DOCUMENTS));
    Router::new()
        .route("/ledger/balance", get(balance).fallback(method))
        .route("/ledger/{*rest}", money())
        .route("/payments", money())
        .route("/payments/{*rest}", money())
        .route("/tasks/{id}/payments", money())
        .route("/uploads", documents())
        .route("/documents", documents())
        .route("/documents/{*rest}", documents())
        .route("/tasks/{id}/dispute", any(|_: Asked| absent(JUDGES)))
        .route("/tasks/{id}/reassign", any(|_: Asked| absent(OTHERS)))
        .route("/agents/assign", any(|_: Asked| absent(OTHERS)))
}

async fn absent(why: &'static str) -> Outcome {
    std::future::ready(Err(Failure(Error::new(Kind::NotImplemented, why)))).await
}

/// Nobody has any money: clients ask to see whether their key is good.
async fn balance(_: Asked) -> Outcome {
    let nothing = "0.00";
    let balance =
        json!({"available": nothing, "escrow": nothing, "total": nothing, "currency": "USD"});
    std::future::ready(Ok(Reply::ok(balance))).await
}

pub(super) async fn route(request: Request) -> Failure {
    let text = format!("There is no route {}", request.uri().path());
    let reason = json!({"reason": "route_not_found"});
    std::future::ready(Failure(Error::not_found(text).with_data(reason))).await
}

pub(super) async fn method(request: Request) -> Failure {
    let text = format!("This route does not take {}", request.method());
    std::future::ready(Failure(Error::method_not_allowed(text))).await
}

/// How the daemon is; everybody may ask.
pub(super) async fn health(Anyone(asked): Anyone) -> Outcome {
    let health = asked.call(&["health"], Method::Find, |_| {}).await?;
    Ok(Reply::ok(health))
}
