//! The peers of Node.js; the programs and their packages are in `bench/peers`.

use std::path::Path;

use super::{Peer, Running, prints_its_port, programs};
use crate::{Outcome, process::server, speech::Speech};

pub(super) fn start(peer: Peer) -> Outcome<Running> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../peers");
    if !folder.join("node_modules").exists() {
        return Err("the peers' packages are not installed; ./bench/run does that".into());
    }
    let (program, speech) = match peer {
        Peer::Predecessor => ("predecessor.mjs", Speech::Predecessor),
        _ => ("socketio.mjs", Speech::SocketIo),
    };
    let mut command = server("node");
    command
        .current_dir(folder)
        .arg(program)
        .env("NODE_ENV", "production")
        .env_remove("REDIS_URL");
    let mut behind = None;
    if peer == Peer::SocketIoRedis {
        let (redis, url) = programs::redis()?;
        command.env("REDIS_URL", url);
        behind = Some(redis);
    }
    let (process, door) = prints_its_port(&mut command)?;
    Ok(Running::of(
        peer,
        speech,
        door,
        std::iter::once(process).chain(behind).collect(),
    ))
}
