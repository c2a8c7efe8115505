//! What tasks stream: chunks stored, and told to who watches.

use std::{
    iter::repeat_n,
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::time::{sleep, timeout};

use crate::{
    Result,
    client::Client,
    daemon::Daemon,
    load::Load,
    scenario::WARM_UP,
    subscribers::Subscribers,
    table::{Better, Metric, Sample},
};

/// Chunks in flight.
const IN_FLIGHT: usize = 16;

/// Time that the last chunks may take to reach everybody.
const PATIENCE: Duration = Duration::from_secs(60);

/// No task has enough.
pub(crate) const LIMITS: [&str; 6] = [
    "--task-chunks",
    "1000000000",
    "--task-bytes",
    "1000000000000",
    "--chunks-per-sec",
    "0",
];

/// A chunk, about as long as what an agent says at a time; the number stands for one of its own.
const CHUNK: &str =
    r#"{"kind":"chat","content":"10000000 forty characters of what an agent says."}"#;

/// Measures chunks into one task with many viewers, then into many tasks with few.
pub(crate) async fn chunks(daemon: &Daemon, time: Duration) -> Result<Vec<Sample>> {
    let mut samples = Vec::new();
    for (tasks, viewers) in [(1, 100), (1_000, 2)] {
        samples.extend(streamed(daemon, tasks, viewers, time).await?);
    }
    Ok(samples)
}

async fn streamed(
    daemon: &Daemon,
    tasks: usize,
    viewers: usize,
    time: Duration,
) -> Result<Vec<Sample>> {
    let mut client = Client::connect(daemon.address).await?;
    let session = client.make("sessions", "session_id", &json!({})).await?;
    let mut ids = Vec::with_capacity(tasks);
    for _ in 0..tasks {
        let task = json!({"session_id": session});
        ids.push(client.make("tasks", "task_id", &task).await?);
    }
    let namespaces = ids
        .iter()
        .flat_map(|id| repeat_n(format!("/task_stream/{id}"), viewers));
    let mut watching = Subscribers::join(daemon.address, namespaces).await?;
    let services: Vec<_> = ids.iter().map(|id| format!("tasks/{id}/chunks")).collect();
    let services = services.iter().map(String::as_str);
    let mut load = Load::of_all(client, services, CHUNK)?;

    let warm_up = load.run(IN_FLIGHT, WARM_UP).await?;
    let (cpu, told) = (daemon.cpu()?, watching.streamed()?);
    let stretch = load.run(IN_FLIGHT, time).await?;
    let (cpu, told) = (daemon.cpu()? - cpu, watching.streamed()? - told);
    let rest = load.finish().await?;
    // Everybody was told when they joined, too.
    let chunks = [&warm_up, &stretch, &rest].map(|stretch| stretch.latencies.len());
    let all = ((chunks.iter().sum::<usize>() + tasks) * viewers) as u64;
    let began = Instant::now();
    let reached = async {
        while watching.streamed()? < all {
            sleep(Duration::from_millis(1)).await;
        }
        Result::Ok(())
    };
    timeout(PATIENCE, reached)
        .await
        .map_err(|_| "not every chunk reached everybody")??;
    let behind = began.elapsed().as_secs_f64() * 1e3;
    let metric = |what: &str, unit, better| {
        let name =
            format!("{what}, {tasks} tasks with {viewers} viewers each, {IN_FLIGHT} in flight");
        Metric::new(&name, unit, better)
    };
    let (more, less) = (Better::More, Better::Less);
    Ok(vec![
        (metric("durable chunks", "/s", more), stretch.rate()),
        (
            metric("chunks delivered", "/s", more),
            told as f64 / stretch.seconds,
        ),
        (
            metric("server CPU per chunk and its deliveries", "µs", less),
            cpu * 1e6 / stretch.creates(),
        ),
        (metric("ack p50", "ms", less), stretch.percentile(50)),
        (metric("ack p99", "ms", less), stretch.percentile(99)),
        (metric("viewers behind at the end", "ms", less), behind),
    ])
}
