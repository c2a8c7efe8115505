//! What viewers of boards are sent: those who hear of their boards only, and those who hear of all.

use serde_json::json;

use crate::{
    Result,
    client::Client,
    daemon::Daemon,
    load::message,
    subscribers::Subscribers,
    table::{Better, Metric, Sample},
};

/// Boards, and viewers of each.
const BOARDS: usize = 10;
const VIEWERS: usize = 10;

/// Sessions on all boards together.
const SESSIONS: usize = 1_000;

/// Creates a message in each session, under the eyes of viewers of this scope, and waits until they
/// know of them.
pub(crate) async fn scopes(daemon: &Daemon, scope: &str) -> Result<Vec<Sample>> {
    let mut client = Client::connect(daemon.address).await?;
    let (mut boards, mut sessions) = (Vec::new(), Vec::new());
    for number in 0..BOARDS {
        let board = json!({"name": format!("board {number}")});
        boards.push(client.make("boards", "board_id", &board).await?);
    }
    for board in boards.iter().cycle().take(SESSIONS) {
        let session = json!({"board_id": board});
        sessions.push(client.make("sessions", "session_id", &session).await?);
    }
    let viewed = boards.iter().cycle().take(BOARDS * VIEWERS);
    let auths = viewed.map(|board| json!({"scope": scope, "boards": [board]}).to_string());
    let mut viewers = Subscribers::connect(daemon.address, auths).await?;

    let (bytes, cpu) = (viewers.bytes_of(0).await?, daemon.cpu()?);
    for session in &sessions {
        client.create("messages", &message(session)).await?;
    }
    let told = match scope {
        "board" => VIEWERS,
        _ => BOARDS * VIEWERS,
    };
    let bytes = viewers.bytes_of((SESSIONS * told) as u64).await? - bytes;
    let cpu = daemon.cpu()? - cpu;
    let metric = |what: &str, unit| {
        let name = format!(
            "{what}, a message in each of {SESSIONS} sessions, {BOARDS} boards with {VIEWERS} viewers each"
        );
        Metric::new(&name, unit, Better::Less)
    };
    Ok(vec![
        (
            metric("WebSocket bytes to all viewers", "MiB").goal("8x"),
            bytes as f64 / 1_048_576.0,
        ),
        (metric("server CPU", "ms"), cpu * 1e3),
    ])
}
