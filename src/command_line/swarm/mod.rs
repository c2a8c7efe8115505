//! `roost swarm`: swarms of the running daemon, listed, started, steered, looked at.

mod events;
mod paint;

use std::{fs, io::ErrorKind, path::Path};

use reqwest::Method as Verb;
use serde_json::{Value, json};

use self::paint::Painted;
use super::{
    Outcome,
    daemon::{Daemon, Trouble},
    output::{cell, note, say, text},
};
use crate::config::{
    Config,
    swarms::{
        OneSwarm, RemoveSwarm, RestartSwarm, ScaleSwarm, SomeSwarm, StartSwarm, SwarmAgent,
        SwarmCommand, SwarmLogs, SwarmReach, SwarmTask,
    },
};

/// Runs `roost swarm …`.
///
/// # Errors
/// A sentence for who called.
pub async fn swarm(command: SwarmCommand, config: Config) -> Outcome {
    let at = |reach: &SwarmReach| daemon(reach, &config);
    match command {
        SwarmCommand::List(reach) => list(&reach, &at(&reach)?).await,
        SwarmCommand::Start(start) => begin(&start, &at(&start.reach)?).await,
        SwarmCommand::Stop(swarm) => steer(&swarm, "stop", json!({}), &at(&swarm.reach)?).await,
        SwarmCommand::Pause(swarm) => steer(&swarm, "pause", json!({}), &at(&swarm.reach)?).await,
        SwarmCommand::Resume(swarm) => steer(&swarm, "resume", json!({}), &at(&swarm.reach)?).await,
        SwarmCommand::Restart(RestartSwarm { swarm, delete }) => {
            let how = json!({"delete": delete});
            steer(&swarm, "restart", how, &at(&swarm.reach)?).await
        }
        SwarmCommand::Remove(remove) => take_away(&remove, &at(&remove.swarm.reach)?).await,
        SwarmCommand::Status(swarm) => status(&swarm, &at(&swarm.reach)?).await,
        SwarmCommand::Logs(logs) => tell_logs(&logs, &at(&logs.swarm.reach)?).await,
        SwarmCommand::Events(events) => events::tell(&events, &at(&events.reach)?).await,
        SwarmCommand::Task(task) => send(&task, &at(&task.agent.reach)?).await,
        SwarmCommand::Scale(scaling) => scale(&scaling, &at(&scaling.agent.reach)?).await,
    }
}

/// The daemon that is named, or the one of this machine.
fn daemon(reach: &SwarmReach, config: &Config) -> Outcome<Daemon> {
    let reach = reach.reach();
    let url = match reach.url {
        Some(url) => url,
        None => config.local_url()?,
    };
    Daemon::new(&url, reach.token)
}

async fn list(reach: &SwarmReach, daemon: &Daemon) -> Outcome {
    let swarms = daemon.look(["swarms"], &[]).await?;
    if reach.json {
        return say(swarms);
    }
    let rows: Vec<_> = items(&swarms)
        .iter()
        .map(|swarm| ["name", "status", "agent_count", "started_at"].map(|name| cell(&swarm[name])))
        .collect();
    if rows.is_empty() {
        note("There are no swarms; `roost swarm start FILE` makes one.");
        return Ok(());
    }
    paint::table(["NAME", "STATUS", "AGENTS", "STARTED"], &rows)
}

/// Starts what a file defines, or what a name says. A file's text is sent as it is: what is wrong in it is told by
/// its lines.
async fn begin(start: &StartSwarm, daemon: &Daemon) -> Outcome {
    let Some(file) = start.file() else {
        let name = start.what.as_str();
        let started = daemon.create(["swarms", name, "start"], &json!({})).await;
        let started = started.map_err(|trouble| match trouble {
            Trouble::Refused(404, _) => {
                format!("there is no swarm {name}; `roost swarm start FILE` makes one")
            }
            trouble => trouble.into(),
        })?;
        return report(&start.reach, &started, format_args!("Started {name}"));
    };
    let format = file.extension().and_then(|ending| ending.to_str());
    let format = format.filter(|ending| ["toml", "json"].contains(ending));
    let shown = file.display();
    let format = format.ok_or_else(|| format!("{shown} must end in .toml or .json"))?;
    let content = read(&file)?;
    let data = json!({"content": content, "format": format});
    let made = daemon.create(["swarms"], &data).await;
    let made = made.map_err(|trouble| match trouble {
        Trouble::Refused(400, message) => format!("{shown}: {message}"),
        trouble => trouble.into(),
    })?;
    let name = text(&made, "swarm_name");
    report(&start.reach, &made, format_args!("Started {name}"))
}

fn read(file: &Path) -> Outcome<String> {
    fs::read_to_string(file).map_err(|error| {
        let file = file.display();
        match error.kind() {
            ErrorKind::NotFound => format!("there is no file {file}"),
            ErrorKind::InvalidData => format!("{file} is not UTF-8"),
            _ => format!("{file} cannot be read: {error}"),
        }
    })
}

async fn steer(swarm: &OneSwarm, how: &str, data: Value, daemon: &Daemon) -> Outcome {
    let name = swarm.name.as_str();
    let steered = daemon.create(["swarms", name, how], &data).await?;
    let status = match text(&steered, "status") {
        "restarted" => "running, anew",
        "resumed" => "running",
        status => status,
    };
    report(&swarm.reach, &steered, format_args!("{name} is {status}"))
}

async fn take_away(remove: &RemoveSwarm, daemon: &Daemon) -> Outcome {
    let name = remove.swarm.name.as_str();
    let purge = remove.purge.then(|| ("purge", "true".to_owned()));
    let query: Vec<_> = purge.into_iter().collect();
    let path = ["swarms", name];
    let removed = daemon
        .send(Verb::DELETE, path, &query, &Value::Null)
        .await?;
    let status = text(&removed, "status");
    report(
        &remove.swarm.reach,
        &removed,
        format_args!("{name} is {status}"),
    )
}

/// Prints an answer: as JSON, or what it comes to.
fn report(reach: &SwarmReach, answer: &Value, line: std::fmt::Arguments<'_>) -> Outcome {
    if reach.json {
        return say(answer);
    }
    say(line)
}

async fn status(some: &SomeSwarm, daemon: &Daemon) -> Outcome {
    let name = name_of(some.name.as_deref(), daemon).await?;
    let mut status = daemon.look(["swarms", &name], &[]).await?;
    let agents = daemon.look(["swarms", &name, "agents"], &[]).await?;
    let topology = daemon.look(["swarms", &name, "topology"], &[]).await?;
    if some.reach.json {
        status["agents"] = agents;
        status["topology"] = topology;
        return say(status);
    }
    let since = cell(&status["started_at"]);
    let word = cell(&status["status"]);
    let painted = Painted::word(&word);
    paint::say(format_args!("{name}  {painted}  since {since}"))?;
    let fields = [
        "name",
        "state",
        "backend",
        "inbox_size",
        "message_count",
        "last_activity",
    ];
    let rows: Vec<_> = items(&agents)
        .iter()
        .map(|agent| fields.map(|name| cell(&agent[name])))
        .collect();
    let titles = [
        "AGENT",
        "STATE",
        "BACKEND",
        "WAITING",
        "MESSAGES",
        "LAST ACTIVITY",
    ];
    paint::table(titles, &rows)?;
    for edges in items(&topology) {
        let (from, targets) = (cell(&edges["from"]), cell(&edges["targets"]));
        say(format_args!("{from} → {}", targets.replace(',', ", ")))?;
    }
    Ok(())
}

/// Prints what was said last, oldest first.
async fn tell_logs(logs: &SwarmLogs, daemon: &Daemon) -> Outcome {
    let name = name_of(logs.swarm.name.as_deref(), daemon).await?;
    let agents = match &logs.agent {
        Some(agent) => vec![agent.clone()],
        None => {
            let agents = daemon.look(["swarms", &name, "agents"], &[]).await?;
            let agents = items(&agents).iter();
            agents.map(|agent| text(agent, "name").to_owned()).collect()
        }
    };
    let limit = usize::from(logs.limit);
    let mut said = Vec::new();
    for agent in agents {
        let path = ["swarms", &name, "agents", &agent, "logs"];
        let found = daemon.look(path, &[("limit", limit.to_string())]).await?;
        // Newest first: those of one moment keep their order, turned round.
        for entry in items(&found).iter().rev() {
            let mut entry = entry.clone();
            entry["agent"] = json!(agent);
            said.push(entry);
        }
    }
    said.sort_by(|a, b| text(a, "timestamp").cmp(text(b, "timestamp")));
    said.drain(..said.len().saturating_sub(limit));
    if logs.swarm.reach.json {
        return say(Value::Array(said));
    }
    said.iter().try_for_each(paint::said)
}

async fn send(task: &SwarmTask, daemon: &Daemon) -> Outcome {
    let (swarm, agent) = place(&task.agent, daemon).await?;
    let path = ["swarms", &swarm, "agents", &agent, "task"];
    let data = json!({"task": task.text.join(" ")});
    let sent = daemon.create(path, &data).await?;
    let id = text(&sent, "task_id");
    let line = format_args!("Sent to {swarm}/{agent}; the task is {id}");
    report(&task.agent.reach, &sent, line)
}

async fn scale(scaling: &ScaleSwarm, daemon: &Daemon) -> Outcome {
    let (swarm, agent) = place(&scaling.agent, daemon).await?;
    let path = ["swarms", &swarm, "agents", &agent, "scale"];
    let scaled = daemon
        .create(path, &json!({"count": scaling.count}))
        .await?;
    let result = &scaled["result"];
    let names = |name: &str| cell(&result[name]).replace(',', ", ");
    if scaling.agent.reach.json {
        say(&scaled)?;
    } else {
        for (word, list) in [("Added", names("added")), ("Removed", names("removed"))] {
            if !list.is_empty() {
                say(format_args!("{word} {list}"))?;
            }
        }
        if names("added").is_empty() && names("removed").is_empty() {
            say(format_args!("Nothing changed in {swarm}"))?;
        }
    }
    match items(&result["failed"]).first() {
        None => Ok(()),
        Some(failed) => Err(format!(
            "{}: {}",
            cell(&failed["name"]),
            cell(&failed["reason"])
        )),
    }
}

/// An agent's swarm and name.
async fn place(of: &SwarmAgent, daemon: &Daemon) -> Outcome<(String, String)> {
    match (of.agent.split_once('/'), &of.swarm) {
        (Some(_), Some(_)) => Err("say the swarm once: SWARM/AGENT, or --swarm".to_owned()),
        (Some((swarm, agent)), None) => Ok((swarm.to_owned(), agent.to_owned())),
        (None, swarm) => {
            let swarm = name_of(swarm.as_deref(), daemon).await?;
            Ok((swarm, of.agent.clone()))
        }
    }
}

/// A swarm's name: the one that is said, or that of the only one.
async fn name_of(said: Option<&str>, daemon: &Daemon) -> Outcome<String> {
    if let Some(name) = said {
        return Ok(name.to_owned());
    }
    let swarms = daemon.look(["swarms"], &[]).await?;
    let names: Vec<_> = items(&swarms)
        .iter()
        .map(|swarm| text(swarm, "name"))
        .collect();
    match names[..] {
        [name] => Ok(name.to_owned()),
        [] => Err("there are no swarms; `roost swarm start FILE` makes one".to_owned()),
        _ => Err(format!("say which swarm: {}", names.join(", "))),
    }
}

/// The items of a list.
fn items(list: &Value) -> &[Value] {
    list.as_array().map_or(&[], Vec::as_slice)
}
