//! The predecessor's page, written from its text and nothing else, and on its page's own origin.

use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{self, Message, client::IntoClientRequest, protocol::CloseFrame},
};

use super::{LIMIT, schema};

/// The predecessor's page.
pub struct Page {
    pub socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Page {
    /// `new WebSocket("ws://…?token=" + token)`, as a browser sends it.
    pub async fn connect(node: SocketAddr, origin: &str, token: &str) -> Result<Self, tungstenite::Error> {
        // A browser writes the empty path as `/`.
        let mut request = format!("ws://{node}/?token={token}").into_client_request().unwrap();
        request.headers_mut().insert("Origin", origin.parse().unwrap());
        let (socket, response) = timeout(LIMIT, connect_async(request)).await.expect("in time")?;
        assert!(response.headers().get("sec-websocket-protocol").is_none());
        Ok(Self { socket })
    }

    /// `ws.send(JSON.stringify({ type: "chat", message }))`
    pub async fn chat(&mut self, message: &str) {
        self.send(&json!({ "type": "chat", "message": message })).await;
    }

    pub async fn send(&mut self, frame: &Value) {
        self.text(&frame.to_string()).await;
    }

    pub async fn text(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    /// `ws.onmessage`: the next frame, or how the socket closed.
    pub async fn next(&mut self) -> Result<Value, CloseFrame> {
        loop {
            match timeout(LIMIT, self.socket.next()).await.expect("in time").unwrap().unwrap() {
                Message::Text(text) => {
                    let frame = serde_json::from_str(&text).unwrap();
                    schema::seed(&frame);
                    return Ok(frame);
                }
                Message::Close(frame) => return Err(frame.expect("a close code")),
                _ => {}
            }
        }
    }

    pub async fn expect(&mut self, kind: &str) -> Value {
        loop {
            let frame = self.next().await.expect("a frame");
            if frame["type"] == kind {
                return frame;
            }
        }
    }

    pub async fn expect_users(&mut self, names: &[&str]) {
        while self.expect("userList").await["users"] != json!(names) {}
    }

    pub async fn closed(&mut self) -> (u16, String) {
        loop {
            if let Err(frame) = self.next().await {
                return (frame.code.into(), frame.reason.to_string());
            }
        }
    }
}
