//! The two that Chorus is measured against; the programs are in `bench/peers`.

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use super::{NODES, chorus::ends_with_us, contender::Contender, speech::Speech};
use crate::{LIMIT, Outcome, node::Process};

pub(crate) fn predecessor(people: usize) -> Outcome<Contender> {
    let (process, door) = node_js("predecessor.mjs", None)?;
    Ok(Contender {
        name: "the predecessor's way",
        speech: Speech::Predecessor,
        doors: vec![door],
        nodes: vec![process.id()],
        behind: Vec::new(),
        redis: None,
        people: names(people),
        _running: vec![process],
    })
}

pub(crate) fn socket_io(people: usize) -> Outcome<Contender> {
    let (redis, address) = redis()?;
    let behind = vec![("Redis", redis.id())];
    let url = format!("redis://{address}");
    let started = (0..NODES).map(|_| node_js("socketio.mjs", Some(&url))).collect::<Outcome<Vec<_>>>()?;
    let (mut running, doors): (Vec<_>, Vec<_>) = started.into_iter().unzip();
    let nodes = running.iter().map(Process::id).collect();
    running.push(redis);
    Ok(Contender {
        name: "Socket.IO",
        speech: Speech::SocketIo,
        doors,
        nodes,
        behind,
        redis: None,
        people: names(people),
        _running: running,
    })
}

fn names(people: usize) -> Vec<String> {
    (0..people).map(|person| format!("person{person:05}")).collect()
}

/// One of the programs, which prints its port.
fn node_js(program: &str, redis: Option<&str>) -> Outcome<(Process, SocketAddr)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("bench/peers");
    if !folder.join("node_modules").exists() {
        return Err("the peers' packages are not installed; ./bench/run does that".into());
    }
    let mut command = ends_with_us("node");
    command.current_dir(folder).arg(program).env("NODE_ENV", "production");
    if let Some(url) = redis {
        command.env("REDIS_URL", url);
    }
    let (process, port) = Process::start(&mut command, LIMIT, |line| line.parse::<u16>().ok())?;
    Ok((process, SocketAddr::from(([127, 0, 0, 1], port))))
}

/// A Redis that keeps nothing, for Socket.IO alone.
fn redis() -> Outcome<(Process, SocketAddr)> {
    // It can't choose a free port itself.
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let port = address.port().to_string();
    let mut command = ends_with_us("redis-server");
    command.args([
        "--port",
        &port,
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--appendonly",
        "no",
    ]);
    let process = Process::spawn(command.stdout(Stdio::null()))?;
    let began = Instant::now();
    while TcpStream::connect(address).is_err() {
        if began.elapsed() > LIMIT {
            return Err("Redis does not start".into());
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok((process, address))
}
