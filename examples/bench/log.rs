//! What the log costs and how fast it is sent: creates with an event row and without, a log that is
//! replayed to one client, and many clients that come back at once.

use std::{
    iter::repeat_n,
    net::SocketAddr,
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    Result,
    client::Client,
    daemon::Daemon,
    load::{Load, message, person},
    scenario::WARM_UP,
    subscribers::Subscribers,
    table::{Better, Metric, Sample},
};

/// Messages that are created in one call: they fit into one frame.
const BULK: u32 = 50;

/// Messages that everybody missed who comes back.
const MISSED: u32 = 100;

/// What stands in each event of a created message, as server-sent events have it.
const CREATED: &[u8] = br#""source":"messages","name":"created""#;

/// Measures how fast a log is sent to one client over this way.
pub(crate) async fn replay(daemon: &Daemon, way: &str, events: u32) -> Result<Vec<Sample>> {
    let events = fill(daemon, events).await?;
    let (began, cpu) = (Instant::now(), daemon.cpu()?);
    if way == "SSE" {
        read_stream(daemon.address, events).await?;
    } else {
        let auth = json!({"since": "0"}).to_string();
        let mut reader = Subscribers::connect(daemon.address, [auth]).await?;
        reader.bytes_of(events).await?;
    }
    let (seconds, cpu) = (began.elapsed().as_secs_f64(), daemon.cpu()? - cpu);
    let metric = |what: &str, unit, better| {
        let name = format!("{what}, a log of {events} events to one client");
        Metric::new(&name, unit, better)
    };
    Ok(vec![
        (
            metric("replay", "events/s", Better::More),
            events as f64 / seconds,
        ),
        (
            metric("server CPU per event replayed", "µs", Better::Less),
            cpu * 1e6 / events as f64,
        ),
    ])
}

/// Measures creates on one table by way of a service whose events are logged, or of one that has none.
pub(crate) async fn logging(daemon: &Daemon, way: &str, time: Duration) -> Result<Vec<Sample>> {
    let service = match way {
        "without" => "people~unlogged",
        _ => "people",
    };
    let client = Client::connect(daemon.address).await?;
    let mut load = Load::of(client, service, &person())?;
    let mut samples = Vec::new();
    for in_flight in [1, 64] {
        load.run(in_flight, WARM_UP).await?;
        let cpu = daemon.cpu()?;
        let stretch = load.run(in_flight, time).await?;
        let cpu = (daemon.cpu()? - cpu) * 1e6 / stretch.creates();
        load.finish().await?;
        let metric = |what: &str, unit, better| {
            let name = format!("{what}, {in_flight} in flight, one small table");
            Metric::new(&name, unit, better)
        };
        samples.extend([
            (metric("creates", "/s", Better::More), stretch.rate()),
            (metric("server CPU per create", "µs", Better::Less), cpu),
            (
                metric("ack p50", "ms", Better::Less),
                stretch.percentile(50),
            ),
        ]);
    }
    Ok(samples)
}

/// Measures how long it takes until many who come back at the same time have all that they missed.
pub(crate) async fn storm(daemon: &Daemon, size: u32) -> Result<Vec<Sample>> {
    let missed = fill(daemon, MISSED).await?;
    let auths = repeat_n(json!({"since": "0"}).to_string(), size as usize);
    let (began, cpu) = (Instant::now(), daemon.cpu()?);
    let mut back = Subscribers::connect_some(daemon.address, auths, size as usize).await?;
    let connected = began.elapsed();
    back.bytes_of(missed * u64::from(size)).await?;
    let (complete, cpu) = (began.elapsed(), daemon.cpu()? - cpu);
    let metric = |what: &str| {
        let name = format!("{what}, {size} clients at once that missed {missed} events each");
        Metric::new(&name, "ms", Better::Less)
    };
    Ok(vec![
        (metric("all are connected"), connected.as_secs_f64() * 1e3),
        (
            metric("all are back and complete"),
            complete.as_secs_f64() * 1e3,
        ),
        (metric("server CPU"), cpu * 1e3),
    ])
}

/// Creates messages, at least this many; how many they are.
async fn fill(daemon: &Daemon, events: u32) -> Result<u64> {
    let mut client = Client::connect(daemon.address).await?;
    let session = client.make("sessions", "session_id", &json!({})).await?;
    let bulk = vec![message(&session); BULK as usize].join(",");
    let bulks = events.div_ceil(BULK);
    for _ in 0..bulks {
        client.create("messages/bulk", &format!("[{bulk}]")).await?;
    }
    Ok(u64::from(bulks * BULK))
}

/// Reads server-sent events from the log's start until this many messages were created.
async fn read_stream(address: SocketAddr, messages: u64) -> Result<()> {
    let mut tcp = TcpStream::connect(address).await?;
    let request = format!(
        "GET /events?since=0 HTTP/1.1\r\nHost: {address}\r\nAccept: text/event-stream\r\n\r\n"
    );
    tcp.write_all(request.as_bytes()).await?;
    let (mut bytes, mut known, mut seen) = (vec![0; 256 * 1024], 0, 0);
    while seen < messages {
        let read = tcp.read(&mut bytes[known..]).await?;
        if read == 0 {
            return Err("the stream ended".into());
        }
        let filled = known + read;
        seen += memchr::memmem::find_iter(&bytes[..filled], CREATED).count() as u64;
        // What may be the beginning of one that goes on.
        known = filled.min(CREATED.len() - 1);
        bytes.copy_within(filled - known..filled, 0);
    }
    Ok(())
}
