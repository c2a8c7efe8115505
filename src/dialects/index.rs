//! `GET /`, which says what is here, and `GET /metrics` for Prometheus.

use std::sync::OnceLock;

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::header;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use serde_json::{Value, json};

use crate::App;

/// A JSON description of the API.
pub(super) fn describe(app: &App) -> Json<Value> {
    Json(json!({
        "name": "roost",
        "version": env!("CARGO_PKG_VERSION"),
        "services": app.services.paths().collect::<Vec<_>>(),
        "protocols": {
            "feathers": {"socketio": "/socket.io/", "rest": "/<service>", "sse": "/sse/<service>"},
            "agrenting": {"rest": "/api/v1", "phoenix": ["/socket/agent", "/socket/hirer"], "socketio": "/task_stream/<task id>"},
            "genswarms": {"rest": "/api"},
            "mgx": "/ws/stream",
            "hive": {"websocket": ["/", "/stream", "/hive"], "events": "/hive/events"},
            "mcp": {"http": "/mcp", "sse": "/mcp/sse"},
            "sse": "/events",
            "metrics": "/metrics",
        },
    }))
}

/// The process's counters in Prometheus' text form.
pub(super) async fn metrics() -> Response {
    let headers = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
    (
        headers,
        recorder().map(PrometheusHandle::render).unwrap_or_default(),
    )
        .into_response()
}

/// Starts to count; before the first counter, or it is lost. Once a process.
pub(crate) fn recorder() -> Option<&'static PrometheusHandle> {
    static HANDLE: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
    HANDLE
        .get_or_init(|| PrometheusBuilder::new().install_recorder().ok())
        .as_ref()
}
