//! Prompts that run: how fast an agent's words reach many viewers, and how long each takes while many
//! sessions run.

use std::{
    io::{Write, stdout},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::{
    Result,
    client::Client,
    daemon::Daemon,
    subscribers::Subscribers,
    table::{Better, Metric, Sample},
};

/// Viewers of one session, and deltas that it streams.
const VIEWERS: usize = 200;
const DELTAS: u32 = 20_000;

/// Sessions that run at once, lines that each prints, and the time between two of them.
const SESSIONS: u32 = 50;
const LINES: u32 = 150;
const EVERY: Duration = Duration::from_millis(20);

/// Time without news after which everybody is taken to have heard all that comes.
const QUIET: Duration = Duration::from_millis(500);

/// How a delta begins on the wire.
const CHUNK: &[u8] = br#"42["messages streaming:chunk","#;

/// What the daemon runs for each prompt: the prompt itself.
pub(crate) const AGENT: [&str; 4] = ["--agent", "command", "--agent-command", "sh"];

/// Prints lines with the present moment in them, as an agent does.
#[expect(
    clippy::disallowed_methods,
    reason = "a program of its own that does nothing else"
)]
pub(crate) fn speak(lines: u32) -> Result<()> {
    let mut out = stdout().lock();
    for _ in 0..lines {
        let line = json!({"type": "text", "text": format!("{} ", now()?)});
        writeln!(out, "{line}")?;
        out.flush()?;
        thread::sleep(EVERY);
    }
    Ok(())
}

/// Microseconds since 1970.
fn now() -> Result<u64> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(u64::try_from(since.as_micros())?)
}

/// Measures how fast the words of one agent reach its viewers.
pub(crate) async fn deltas(daemon: &Daemon) -> Result<Vec<Sample>> {
    let auths = std::iter::repeat_n(String::new(), VIEWERS);
    let mut viewers = Subscribers::connect(daemon.address, auths).await?;
    let mut client = Client::connect(daemon.address).await?;
    let line = json!({"type": "text", "text": "forty characters of what an agent says. "});
    let script = format!("yes '{line}' | head -n {DELTAS}");
    let (began, cpu) = (Instant::now(), daemon.cpu()?);
    ask(&mut client, &script).await?;
    let (mut told, mut last) = (0, began);
    while told == 0 || last.elapsed() < QUIET {
        sleep(Duration::from_millis(5)).await;
        let now = viewers.grown()?;
        if now > told {
            (told, last) = (now, Instant::now());
        }
    }
    let (seconds, cpu) = ((last - began).as_secs_f64(), daemon.cpu()? - cpu);
    let all = f64::from(DELTAS) * VIEWERS as f64;
    let metric = |what: &str, unit, better| {
        Metric::new(
            &format!("{what}, {VIEWERS} viewers of one session"),
            unit,
            better,
        )
    };
    Ok(vec![
        (
            metric("deltas delivered", "/s", Better::More),
            told as f64 / seconds,
        ),
        (
            metric("server CPU per delta delivered", "µs", Better::Less),
            cpu * 1e6 / told as f64,
        ),
        (
            metric("deltas that arrived", "%", Better::More),
            100.0 * (told as f64 / all).min(1.0),
        ),
    ])
}

/// Measures the time from an agent's line to a viewer while many sessions run.
pub(crate) async fn latency(daemon: &Daemon) -> Result<Vec<Sample>> {
    let mut viewer = Client::connect(daemon.address).await?;
    let mut client = Client::connect(daemon.address).await?;
    let program = std::env::current_exe()?;
    let script = format!("exec '{}' --speak {LINES}", program.display());
    for _ in 0..SESSIONS {
        ask(&mut client, &script).await?;
    }
    let mut times = Vec::new();
    let expected = (LINES * SESSIONS) as usize;
    let hearing = async {
        while times.len() < expected {
            let Some(packet) = viewer.packet()? else {
                viewer.read().await?;
                viewer.flush().await?;
                continue;
            };
            if let Some(payload) = packet.strip_prefix(CHUNK) {
                let payload = payload.strip_suffix(b"]").unwrap_or(payload);
                let delta: Value = serde_json::from_slice(payload)?;
                let said = delta["chunk"]
                    .as_str()
                    .unwrap_or_default()
                    .trim()
                    .parse::<u64>()?;
                times.push(Duration::from_micros(now()?.saturating_sub(said)));
            }
        }
        Result::Ok(())
    };
    timeout(Duration::from_secs(60), hearing)
        .await
        .map_err(|_| "not every line was heard")??;
    times.sort_unstable();
    let metric = |what: &str| {
        let name = format!("line to viewer {what}, {SESSIONS} sessions running");
        Metric::new(&name, "ms", Better::Less)
    };
    Ok([("p50", 50), ("p99", 99), ("max", 100)]
        .map(|(what, percent)| {
            let index = (times.len() * percent / 100).min(times.len() - 1);
            (metric(what), times[index].as_secs_f64() * 1e3)
        })
        .into())
}

/// Asks an agent something in a session of its own.
async fn ask(client: &mut Client, prompt: &str) -> Result<()> {
    let session = client.make("sessions", "session_id", &json!({})).await?;
    let path = format!("sessions/{session}/prompt");
    client.create(&path, &json!({"prompt": prompt})).await?;
    Ok(())
}
