//! `GET /api`: what is here. (Genswarms says it at `/`, where Roost says what else there is.)

use serde_json::json;

use super::answers::{Outcome, ok};

pub(super) async fn describe() -> Outcome {
    std::future::ready(ok(json!({
        "name": "Genswarms API",
        "version": "1.0.0",
        "description": "Swarms of agents, served by Roost",
        "endpoints": {
            "swarms": "/api/swarms",
            "events": "/api/events",
            "skills": "/api/skills",
            "config": "/api/config/validate",
        },
        "websocket": {
            "url": "/swarm",
            "channel": "swarm:{swarm_name}",
            "events": {
                "client_to_server": [
                    "send_task", "get_status", "subscribe_logs", "unsubscribe_logs",
                    "subscribe_events", "unsubscribe_events",
                ],
                "server_to_client": [
                    "agent_output", "message_routed", "message_broadcast", "agent_status",
                    "swarm_started", "swarm_stopped", "agent_added", "agent_removed",
                    "topology_changed", "log_entry", "event", "heartbeat",
                ],
            },
        },
        "documentation": {"api": "docs/protocols/genswarms.md", "swarms": "docs/swarms.md"},
    })))
    .await
}
