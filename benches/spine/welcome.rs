//! From the upgrade's request to the welcome, tickets and all: one at a time, and a thousand at
//! once. Against the same with `GET /health`, which is what this machine makes of any connection.
//! Clients and node share the machine, so a storm's times are theirs together.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use tokio::{runtime::Runtime, sync::Barrier, task::JoinSet, time::timeout};

use crate::{
    LIMIT, Outcome,
    client::{Credential, Socket},
    node::Node,
    report::{Table, median, percentile, step},
    town::Town,
};

const AT_REST: usize = 500;
const STORM: usize = 1000;
const STORMS: usize = 3;

const HEALTH: &str = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";

pub(crate) fn run(runtime: &Runtime, table: &mut Table) -> Outcome {
    let town = Town::of(runtime, STORM)?;
    let node = town.node(&[])?;
    step("one at a time");
    let plain = runtime.block_on(at_rest(&node, vec![None; AT_REST]))?;
    let rest = runtime.block_on(async {
        let tickets = town.tickets(&node, AT_REST).await?;
        at_rest(&node, tickets.into_iter().map(Some).collect()).await
    })?;
    for (percent, target) in [(50, ""), (99, "≤ 10 ms")] {
        table.ratio(
            &format!("upgrade → welcome at rest, p{percent}"),
            (percentile(&rest, percent), "ms"),
            (percentile(&plain, percent), "GET /health"),
            target,
        );
    }
    let (mut storms, mut plains) = (Vec::new(), Vec::new());
    for round in 1..=STORMS {
        step(&format!("storm {round} of {STORMS}"));
        plains.push(runtime.block_on(storm(&node, vec![None; STORM]))?);
        storms.push(runtime.block_on(async {
            let tickets = town.tickets(&node, STORM).await?;
            storm(&node, tickets.into_iter().map(Some).collect()).await
        })?);
    }
    for (percent, target) in [(50, ""), (99, "≤ 100 ms")] {
        let of = |times: &[Times], which: fn(&Times) -> &Vec<f64>| {
            median(&times.iter().map(|it| percentile(which(it), percent)).collect::<Vec<_>>())
        };
        table.ratio(
            &format!("upgrade → welcome, {STORM} at once, p{percent}"),
            (of(&storms, |it| &it.from_request), "ms"),
            (of(&plains, |it| &it.from_request), "GET /health"),
            target,
        );
        table.ratio(
            &format!("connect → welcome, {STORM} at once, p{percent}"),
            (of(&storms, |it| &it.from_connect), "ms"),
            (of(&plains, |it| &it.from_connect), "GET /health"),
            "",
        );
    }
    Ok(())
}

/// Times in milliseconds.
#[derive(Default)]
struct Times {
    from_connect: Vec<f64>,
    from_request: Vec<f64>,
}

async fn at_rest(node: &Node, credentials: Vec<Option<Credential>>) -> Outcome<Vec<f64>> {
    let (mut times, mut kept) = (Vec::new(), Vec::new());
    for credential in credentials {
        let mut socket = Socket::connect(node.address).await?;
        let began = Instant::now();
        ask(&mut socket, credential.as_ref()).await?;
        times.push(milliseconds(began));
        kept.push(socket);
    }
    Ok(times)
}

async fn storm(node: &Node, credentials: Vec<Option<Credential>>) -> Outcome<Times> {
    let start = Arc::new(Barrier::new(credentials.len()));
    let mut clients = JoinSet::new();
    for credential in credentials {
        clients.spawn(client(node.address, credential, start.clone()));
    }
    let (mut times, mut kept) = (Times::default(), Vec::new());
    while let Some(done) = timeout(LIMIT, clients.join_next()).await? {
        let (socket, from_connect, from_request) = done??;
        times.from_connect.push(from_connect);
        times.from_request.push(from_request);
        kept.push(socket);
    }
    Ok(times)
}

async fn client(
    node: SocketAddr,
    credential: Option<Credential>,
    start: Arc<Barrier>,
) -> Outcome<(Socket, f64, f64)> {
    start.wait().await;
    let connecting = Instant::now();
    let mut socket = Socket::connect(node).await?;
    let asking = Instant::now();
    ask(&mut socket, credential.as_ref()).await?;
    Ok((socket, milliseconds(connecting), milliseconds(asking)))
}

async fn ask(socket: &mut Socket, credential: Option<&Credential>) -> Outcome {
    match credential {
        Some(credential) => socket.upgrade(credential).await,
        None => socket.request(HEALTH, " 200 ").await,
    }
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}
