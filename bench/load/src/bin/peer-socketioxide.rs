//! A chat on socketioxide: a socket is in the room that its query names, and what it says goes to all
//! of that room. Settings as those of the Socket.IO peer: WebSocket from the start, pings as rare as
//! can be. It prints its port.
#![allow(clippy::print_stdout, reason = "the port is told so")]

use std::time::Duration;

use axum::Router;
use chorus_load::Outcome;
use serde_json::Value;
use socketioxide::{
    SocketIo, TransportType,
    extract::{Data, SocketRef},
};
use tokio::net::TcpSocket;

const SELDOM: Duration = Duration::from_mins(10);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome {
    let socket = TcpSocket::new_v4()?;
    socket.bind(([127, 0, 0, 1], 0).into())?;
    let listener = socket.listen(4096)?;
    println!("{}", listener.local_addr()?.port());
    let (layer, io) = SocketIo::builder()
        .transports([TransportType::Websocket])
        .ping_interval(SELDOM)
        .ping_timeout(SELDOM)
        .build_layer();
    io.ns("/", enter);
    Ok(axum::serve(listener, Router::new().layer(layer)).await?)
}

async fn enter(socket: SocketRef) {
    let query = socket.req_parts().uri.query().unwrap_or_default();
    let room = query.split('&').find_map(|it| it.strip_prefix("room=")).unwrap_or("lobby").to_owned();
    socket.join(room.clone());
    socket.on("message", async move |socket: SocketRef, Data(text): Data<Value>| {
        // Only a member's full queue is an error here, and that is the member's loss.
        let _ = socket.within(room.clone()).emit("message", &text).await;
    });
}
