//! What users cost: their logins, and looking up who may hear of what.

use std::{
    iter::repeat_n,
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use argon2::Params;
use futures_util::future::try_join_all;
use serde_json::{Value, json};

use crate::{
    Result,
    client::Client,
    daemon::Daemon,
    load::Load,
    scenario::tell,
    subscribers::Subscribers,
    table::{Better, Metric, Sample},
};

/// Logins of each user: more at once from an account, or an address, are refused.
const LOGINS: u32 = 40;

/// Users who log in at the same time, each over a connection of their own.
const AT_ONCE: [u8; 2] = [1, 8];

/// Measures logins. Each user has an address of its own, so that the limit of attempts holds, and is
/// not reached.
pub(crate) async fn logins(daemon: &Daemon) -> Result<Vec<Sample>> {
    let hash = format!(
        "argon2id, {} KiB, {} passes, {} lane",
        Params::DEFAULT_M_COST,
        Params::DEFAULT_T_COST,
        Params::DEFAULT_P_COST
    );
    let mut samples = Vec::new();
    for at_once in AT_ONCE {
        let mut users = Vec::new();
        for number in 1..=at_once {
            let from = Ipv4Addr::new(127, 0, at_once, number);
            let mut client = Client::connect_from(from, daemon.address).await?;
            let credentials = register(&mut client, &format!("{from}@example.com")).await?;
            users.push((client, credentials));
        }
        let (began, cpu) = (Instant::now(), daemon.cpu()?);
        try_join_all(users.iter_mut().map(async |(client, credentials)| {
            for _ in 0..LOGINS {
                client.create("authentication", credentials).await?;
            }
            Result::Ok(())
        }))
        .await?;
        let (seconds, cpu) = (began.elapsed().as_secs_f64(), daemon.cpu()? - cpu);
        let count = f64::from(LOGINS) * f64::from(at_once);
        let metric = |what: &str, unit, better| {
            Metric::new(
                &format!("{what} ({hash}), {at_once} in flight"),
                unit,
                better,
            )
        };
        samples.extend([
            (metric("logins", "/s", Better::More), count / seconds),
            (
                metric("server CPU per login", "ms", Better::Less),
                cpu * 1e3 / count,
            ),
        ]);
    }
    Ok(samples)
}

/// Measures creates on a board of this visibility, all connections being of one of its members. Where
/// the board is private, each connection is looked up for each event, which goes alone; where it is
/// public, none is, and events that come together leave together.
pub(crate) async fn audience(
    daemon: &Daemon,
    visibility: &str,
    size: u32,
    time: Duration,
) -> Result<Vec<Sample>> {
    // An admin sees every board without being looked up.
    let mut client = Client::connect(daemon.address).await?;
    let admin = register(&mut client, "admin@example.com").await?;
    client.create("authentication", &admin).await?;
    let member = register(&mut client, "member@example.com").await?;
    let login = client.create("authentication", &member).await?;
    let auth = json!({"token": login["accessToken"]}).to_string();
    let board = json!({"name": "a board", "visibility": visibility});
    let board = client.make("boards", "board_id", &board).await?;

    let mut load = Load::new(client, &json!({"board_id": board})).await?;
    let auths = repeat_n(auth, size as usize);
    let mut subscribers = Subscribers::connect(daemon.address, auths).await?;
    let mut samples = Vec::new();
    for in_flight in [1, 16] {
        let told = tell(daemon, &mut load, &mut subscribers, in_flight, time).await?;
        let metric = |what: &str, unit, better| {
            let name = format!("{what}, {in_flight} in flight, {size} connections of members");
            Metric::new(&name, unit, better)
        };
        samples.extend([
            (
                metric("server CPU per create and its event", "µs", Better::Less),
                told.cpu * 1e6 / told.stretch.creates(),
            ),
            (
                metric("server CPU per delivery", "µs", Better::Less),
                told.cpu * 1e6 / told.deliveries,
            ),
            (
                metric("deliveries", "/s", Better::More),
                told.deliveries / told.stretch.seconds,
            ),
        ]);
    }
    Ok(samples)
}

/// Creates a user; what logs it in.
async fn register(client: &mut Client, email: &str) -> Result<Value> {
    let password = "correct horse battery";
    let user = json!({"email": email, "password": password});
    client.create("users", &user).await?;
    Ok(json!({"strategy": "local", "email": email, "password": password}))
}
