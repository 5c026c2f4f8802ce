//! The cluster under test, as `./scripts/cluster` starts it: three nodes, PostgreSQL, Redis (and
//! nginx, which nobody here goes through), with people who are signed in.

use std::{collections::HashMap, mem, net::SocketAddr, path::Path, process::Command, time::Duration};

use futures_util::future::try_join_all;
use tokio::runtime::Runtime;

use super::{NODES, contender::Contender, speech::Speech};
use crate::{
    Outcome, kernel,
    node::{Process, SETTINGS, binary},
    report::step,
    town::Calls,
};

/// A whole cluster makes its database first.
const START: Duration = Duration::from_mins(2);

/// A program that is told to end when this one is gone, however that came.
pub(crate) fn ends_with_us(program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM", "--"]).arg(program);
    command
}

pub(crate) fn start(runtime: &Runtime, people: usize) -> Outcome<Contender> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/cluster");
    let mut command = ends_with_us(&script.to_string_lossy());
    command
        .arg(NODES.to_string())
        .envs(SETTINGS)
        .env("PING_SECONDS", "600")
        .env("CHORUS_BIN", binary());
    let mut said = HashMap::new();
    let (cluster, places) = Process::start(&mut command, START, move |line| {
        if line == "ready" {
            return Some(mem::take(&mut said));
        }
        let (name, url) = line.split_once(' ')?;
        said.insert(name.to_owned(), url.to_owned());
        None
    })?;
    let cluster = cluster.asked_to_end();
    let place = |name: &str| {
        places
            .get(name)
            .ok_or_else(|| format!("the cluster has no {name}"))
            .and_then(|url| address(url))
    };
    let doors = (1..=NODES).map(|node| place(&format!("node{node}"))).collect::<Result<Vec<_>, _>>()?;
    let redis = place("redis")?;
    let behind = [("PostgreSQL", place("postgres")?), ("Redis", redis)];
    let people = runtime.block_on(signed_in(&doors, people))?;
    Ok(Contender {
        name: "Chorus",
        speech: Speech::Chorus,
        nodes: doors.iter().map(|door| kernel::listener(door.port())).collect::<Outcome<_>>()?,
        behind: behind
            .into_iter()
            .map(|(name, at)| Ok((name, kernel::listener(at.port())?)))
            .collect::<Outcome<_>>()?,
        doors,
        redis: Some(redis),
        people,
        _running: vec![cluster],
    })
}

/// A room that everybody may join.
pub(crate) async fn make_room(cluster: &Contender, room: &str) -> Outcome {
    Calls::to(cluster.doors[0]).make_room(&cluster.people[0], room).await
}

/// So many tokens; registered and signed in by all nodes.
async fn signed_in(doors: &[SocketAddr], people: usize) -> Outcome<Vec<String>> {
    step(&format!("{people} accounts and sign-ins"));
    let calls: Vec<Calls> = doors.iter().map(|door| Calls::to(*door)).collect();
    try_join_all((0..people).map(|person| {
        let calls = &calls[person % doors.len()];
        async move {
            calls.register(person).await?;
            calls.login(person).await
        }
    }))
    .await
}

/// The host and port in a URL.
fn address(url: &str) -> Result<SocketAddr, String> {
    let not_understood = || format!("not understood: {url}");
    let rest = url.split_once("://").ok_or_else(not_understood)?.1;
    let host = rest.split('/').next().unwrap_or_default();
    let host = host.rsplit('@').next().unwrap_or_default();
    host.parse().map_err(|_| not_understood())
}
