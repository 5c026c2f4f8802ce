//! A plain chat on axum, as one would begin it: each room a broadcast channel, each socket a task
//! that takes what is said from its place in it. Nothing is kept, nobody is asked who they are. It
//! prints its port.
#![allow(clippy::print_stdout, reason = "the port is told so")]

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    extract::{
        Path, State,
        ws::{Message, Utf8Bytes, WebSocket, WebSocketUpgrade},
    },
    response::Response,
    routing::get,
};
use chorus_load::Outcome;
use tokio::{
    net::TcpSocket,
    sync::broadcast::{self, error::RecvError},
};

/// Messages that a slow reader may be behind.
const BEHIND: usize = 256;

type Rooms = Arc<Mutex<HashMap<String, broadcast::Sender<Utf8Bytes>>>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome {
    let socket = TcpSocket::new_v4()?;
    socket.bind(([127, 0, 0, 1], 0).into())?;
    let listener = socket.listen(4096)?;
    println!("{}", listener.local_addr()?.port());
    let app = Router::new().route("/room/{room}", get(enter)).with_state(Rooms::default());
    Ok(axum::serve(listener, app).await?)
}

async fn enter(State(rooms): State<Rooms>, Path(room): Path<String>, upgrade: WebSocketUpgrade) -> Response {
    let room = {
        let mut rooms = rooms.lock().unwrap_or_else(PoisonError::into_inner);
        rooms.entry(room).or_insert_with(|| broadcast::channel(BEHIND).0).clone()
    };
    upgrade.on_upgrade(|socket| serve(socket, room))
}

async fn serve(mut socket: WebSocket, room: broadcast::Sender<Utf8Bytes>) {
    let mut said_here = room.subscribe();
    loop {
        tokio::select! {
            said = socket.recv() => match said {
                Some(Ok(Message::Text(text))) => drop(room.send(text)),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return,
            },
            heard = said_here.recv() => match heard {
                Ok(text) => {
                    if socket.send(Message::Text(text)).await.is_err() {
                        return;
                    }
                }
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            },
        }
    }
}
