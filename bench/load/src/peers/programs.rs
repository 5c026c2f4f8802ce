//! The peers that are Debian's programs, with the settings that are kindest to them: no log, no
//! compression, one worker for the one core, and no limit that this load would meet.

use std::{fmt::Write, fs};

use super::{Peer, Running};
use crate::{
    Outcome,
    process::{Process, free_port, listens, server},
    speech::Speech,
};

/// A Redis that keeps nothing, and its URL.
pub(super) fn redis() -> Outcome<(Process, String)> {
    let address = free_port()?;
    let port = address.port().to_string();
    let mut command = server("redis-server");
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
    let process = Process::start_silent(&mut command)?;
    listens(address)?;
    Ok((process, format!("redis://{address}")))
}

/// nginx with one worker; every path below `/room/` is a channel that one hears and speaks in.
/// No message is kept longer than it takes.
pub(super) fn nchan() -> Outcome<Running> {
    let (folder, address) = (tempfile::tempdir()?, free_port()?);
    // As root nginx gives its worker another user, who must be able to look into the folder.
    let place = folder.path().display();
    let config = format!(
        "load_module /usr/lib/nginx/modules/ngx_nchan_module.so;\n\
         worker_processes 1;\nworker_rlimit_nofile 20000;\ndaemon off;\npid {place}/pid;\nerror_log /dev/null;\n\
         events {{ worker_connections 19900; }}\n\
         http {{ access_log off; nchan_max_reserved_memory 64M; tcp_nodelay on;\n\
         client_body_temp_path {place}/body; proxy_temp_path {place}/proxy; fastcgi_temp_path {place}/fast;\n\
         uwsgi_temp_path {place}/uwsgi; scgi_temp_path {place}/scgi;\n\
         server {{ listen {address} backlog=4096;\n\
         location ~ ^/room/(.+)$ {{ nchan_pubsub websocket; nchan_channel_id $1;\n\
         nchan_message_buffer_length 64; nchan_message_timeout 5s; nchan_subscriber_first_message newest;\n\
         nchan_deflate_message_for_websocket off; }} }} }}\n"
    );
    let file = folder.path().join("nginx.conf");
    fs::write(&file, config)?;
    let mut command = server("/usr/sbin/nginx");
    command.arg("-c").arg(&file);
    let process = Process::start_silent(&mut command)?;
    listens(address)?;
    Ok(Running::of(Peer::Nchan, Speech::Raw, address, vec![process]).keeping(folder))
}

/// NATS with nothing but its WebSocket; pings are as rare as those of the others.
pub(super) fn nats() -> Outcome<Running> {
    let (folder, address) = (tempfile::tempdir()?, free_port()?);
    let mut config = String::new();
    writeln!(
        config,
        "host: 127.0.0.1\nport: -1\nmax_connections: 65536\nping_interval: \"1h\""
    )?;
    writeln!(
        config,
        "websocket {{ host: 127.0.0.1, port: {}, no_tls: true }}",
        address.port()
    )?;
    let file = folder.path().join("nats.conf");
    fs::write(&file, config)?;
    let mut command = server("nats-server");
    command.arg("-c").arg(&file);
    let process = Process::start_silent(&mut command)?;
    listens(address)?;
    Ok(Running::of(Peer::Nats, Speech::Nats, address, vec![process]).keeping(folder))
}
