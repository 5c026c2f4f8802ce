//! What it costs when a crowd comes in at once: the bytes that everybody is sent until the list counts them
//! all, the commands that Redis is given, and the CPU of the nodes, with one thousand people and with ten
//! thousand, on three nodes with PostgreSQL and Redis. Both must grow about as the people do, not as their square.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use futures_util::{StreamExt, future::try_join_all, stream};
use tokio::{
    runtime::Runtime,
    time::{sleep, timeout},
};

use crate::{
    LIMIT, Outcome,
    client::{Credential, Socket},
    cluster::{chorus, contender::Contender},
    report::{Table, step},
};

const CROWDS: [usize; 2] = [1000, 10_000];
/// Sockets that open at the same time.
const TOGETHER: usize = 64;
/// Until everybody knows of everybody.
const STORM: Duration = Duration::from_mins(3);
/// The pause before a join is sent again that was refused for the moment.
const AGAIN: Duration = Duration::from_secs(1);

pub(crate) fn run(runtime: &Runtime, table: &mut Table) -> Outcome {
    let most = CROWDS[CROWDS.len() - 1];
    let cluster = chorus::start(runtime, most)?;
    step(&format!("{most} sockets"));
    let mut sockets = runtime.block_on(open(&cluster))?;
    for people in CROWDS {
        let room = format!("crowd{people}");
        runtime.block_on(chorus::make_room(&cluster, &room))?;
        let before = (commands(&cluster)?, cluster.used()?);
        let began = Instant::now();
        let joins = sockets[..people].iter_mut().map(|socket| join(socket, &room, people));
        let told = runtime.block_on(async { timeout(STORM, try_join_all(joins)).await? })?;
        let took = began.elapsed();
        let (after, used) = (commands(&cluster)?, cluster.used()?.since(before.1));
        let each = |sum: f64| sum / people as f64;
        let bytes: usize = told.iter().map(|told| told.bytes).sum();
        let refused: usize = told.iter().map(|told| told.refused).sum();
        step(&format!("{people} people knew of each other after {took:.1?}"));
        let what = format!("{people} people join a room at once");
        table.alone(&format!("{what}: bytes to each"), (each(bytes as f64) / 1024.0, "KiB"), "");
        table.alone(
            &format!("{what}: Redis commands for each"),
            (each((after - before.0) as f64), ""),
            "",
        );
        table.alone(
            &format!("{what}: CPU of the nodes for each"),
            (each(used.nodes.as_secs_f64() * 1e6), "µs"),
            "",
        );
        table.alone(
            &format!("{what}: of PostgreSQL and Redis"),
            (each(used.behind.as_secs_f64() * 1e6), "µs"),
            "",
        );
        table.alone(&format!("{what}: joins refused for the moment"), (refused as f64, ""), "0");
    }
    Ok(())
}

async fn open(cluster: &Contender) -> Outcome<Vec<Socket>> {
    let opening = cluster.people.iter().enumerate().map(|(person, token)| async move {
        let door = cluster.doors[person % cluster.doors.len()];
        Socket::open(door, &Credential::Token(token.clone())).await
    });
    let opened: Vec<_> = stream::iter(opening).buffered(TOGETHER).collect().await;
    opened.into_iter().collect()
}

/// What one of them was told.
struct Told {
    bytes: usize,
    refused: usize,
}

/// Joins, and reads until the list counts everybody.
async fn join(socket: &mut Socket, room: &str, people: usize) -> Outcome<Told> {
    let (request, everybody) = (
        format!(r#"{{"type":"join","room":"{room}"}}"#),
        format!("\"userCount\":{people}"),
    );
    let mut told = Told { bytes: 0, refused: 0 };
    socket.send(&request).await?;
    loop {
        let frame = timeout(LIMIT, socket.next()).await??;
        let text = std::str::from_utf8(&frame.payload)?;
        told.bytes += text.len();
        if frame.is("error") {
            if !text.contains("\"unavailable\"") {
                return Err(format!("refused: {text}").into());
            }
            told.refused += 1;
            sleep(AGAIN).await;
            socket.send(&request).await?;
        } else if text.contains(room) && text.split([',', '}']).any(|part| part == everybody) {
            return Ok(told);
        }
    }
}

/// How many commands Redis has been given.
fn commands(cluster: &Contender) -> Outcome<u64> {
    let redis = cluster.redis.ok_or("the cluster has no Redis")?;
    let text = info(redis)?;
    let calls = text
        .lines()
        .filter_map(|line| line.split_once("calls=")?.1.split(',').next()?.parse::<u64>().ok());
    Ok(calls.sum())
}

fn info(redis: SocketAddr) -> Outcome<String> {
    let mut stream = TcpStream::connect_timeout(&redis, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.write_all(b"INFO commandstats\r\nQUIT\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}
