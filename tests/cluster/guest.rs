//! The cheapest person there is: one sign-in, at most one socket in the lobby, and nothing of what
//! comes through it is kept. It does one thing at a time and knows whether it is there.

use std::{net::SocketAddr, time::Duration};

use futures_util::StreamExt;
use serde_json::{Value, json};
use socket2::SockRef;
use tokio::{
    sync::oneshot,
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use tokio_tungstenite::{MaybeTlsStream, tungstenite::Message};

use crate::{
    common::LIMIT,
    harness::{
        beside,
        line::{self, Credential, Refused, Socket},
    },
};

/// How long it waits after it was refused for now.
const AGAIN: Duration = Duration::from_millis(100);

/// What a guest does. Places are numbers of nodes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Deed {
    Come {
        to: usize,
    },
    /// Close the socket and come back at once, to any node.
    Reload {
        to: usize,
    },
    /// The connection is reset, as when a machine loses its network for good.
    Vanish,
    /// Say so, leave the room, then close.
    Leave,
    /// Close the socket.
    Close,
    /// End the sign-in through any node, and be closed.
    SignOut {
        through: usize,
    },
}

pub(crate) struct Guest {
    pub(crate) name: String,
    /// Sockets opened so far.
    pub(crate) connects: usize,
    http: reqwest::Client,
    token: Option<String>,
    stay: Option<Stay>,
}

/// A socket that is open.
struct Stay {
    node: usize,
    /// How it shall end; the reader answers with the close code it got.
    end: oneshot::Sender<Parting>,
    reader: JoinHandle<Option<u16>>,
}

/// How a socket ends.
enum Parting {
    Reset,
    Close,
    LeaveFirst,
    /// The other side closes it.
    Await,
}

impl Guest {
    pub(crate) fn of(number: usize) -> Self {
        Self {
            name: format!("guest{number:03}"),
            connects: 0,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            token: None,
            stay: None,
        }
    }

    pub(crate) const fn is_here(&self) -> bool {
        self.stay.is_some()
    }

    /// This node has died; whoever was there is away now.
    pub(crate) fn loses(&mut self, node: usize) {
        self.stay.take_if(|stay| stay.node == node);
    }

    pub(crate) async fn does(&mut self, deed: Deed, nodes: &[SocketAddr]) {
        match deed {
            Deed::Come { to } => self.comes(to, nodes).await,
            Deed::Reload { to } => {
                self.parts(Parting::Close).await;
                self.comes(to, nodes).await;
            }
            Deed::Vanish => drop(self.parts(Parting::Reset).await),
            Deed::Leave => drop(self.parts(Parting::LeaveFirst).await),
            Deed::Close => drop(self.parts(Parting::Close).await),
            Deed::SignOut { through } => {
                let token = self.token.take().expect("who is here has signed in");
                patiently(&self.name, async || line::sign_out(&self.http, nodes[through], &token).await)
                    .await;
                let code = self.parts(Parting::Await).await;
                assert_eq!(code, Some(4001), "{} signs out", self.name);
            }
        }
    }

    async fn comes(&mut self, to: usize, nodes: &[SocketAddr]) {
        let mut socket = patiently(&self.name.clone(), async || self.knocks(nodes[to]).await).await;
        let join = json!({ "type": "join", "room": "lobby" }).to_string();
        line::send(&mut socket, Message::text(join)).await.unwrap();
        timeout(LIMIT, joined(&mut socket)).await.expect("it is let in in time");
        self.connects += 1;
        let (end, ended) = oneshot::channel();
        let reader = beside(read(socket, ended));
        self.stay = Some(Stay { node: to, end, reader });
    }

    /// Signs in, unless it has, and opens a socket.
    async fn knocks(&mut self, node: SocketAddr) -> Result<Socket, String> {
        if self.token.is_none() {
            self.token = Some(line::sign_in(&self.http, node, &self.name).await?);
        }
        let token = self.token.as_deref().unwrap_or_default();
        match line::open(node, Credential::Token(token)).await {
            Ok(socket) => Ok(socket),
            Err(Refused::Other(why)) => Err(why),
            Err(Refused::SignIn) => panic!("the sign-in of {} is refused", self.name),
        }
    }

    /// Ends the socket; answers the close code if the other side closed it.
    async fn parts(&mut self, how: Parting) -> Option<u16> {
        let Stay { end, reader, node } = self.stay.take().expect("it is here");
        let may_be_gone = matches!(how, Parting::Await);
        let told = end.send(how).is_ok() || may_be_gone;
        let code = timeout(LIMIT, reader).await.expect("it ends in time").unwrap();
        assert!(told, "node {node} closed the socket of {} by itself: {code:?}", self.name);
        code
    }
}

/// Tries until it is done. A node on a busy machine may say that it can't for now, as to anybody
/// who then tries again.
async fn patiently<T>(who: &str, mut deed: impl AsyncFnMut() -> Result<T, String>) -> T {
    let began = Instant::now();
    loop {
        match deed().await {
            Ok(done) => return done,
            Err(why) => assert!(began.elapsed() < LIMIT, "{who} is refused all the time: {why}"),
        }
        sleep(AGAIN).await;
    }
}

async fn joined(socket: &mut Socket) {
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => {
                let frame: Value = serde_json::from_str(&text).unwrap();
                match frame["type"].as_str() {
                    Some("joined") => return,
                    Some("error") => panic!("{frame}"),
                    _ => {}
                }
            }
            Some(Ok(Message::Ping(_))) => {}
            other => panic!("not let in: {other:?}"),
        }
    }
}

/// Reads what comes until told how to end it, or until the other side ends it.
async fn read(mut socket: Socket, mut ended: oneshot::Receiver<Parting>) -> Option<u16> {
    let how = loop {
        tokio::select! {
            how = &mut ended => break how.unwrap_or(Parting::Reset),
            code = next(&mut socket) => match code {
                None => {}
                Some(code) => return code,
            },
        }
    };
    match how {
        Parting::Reset => {
            if let MaybeTlsStream::Plain(stream) = socket.get_ref() {
                let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
            }
            None
        }
        Parting::Close => {
            let _ = line::send(&mut socket, Message::Close(None)).await;
            None
        }
        Parting::LeaveFirst => {
            let leave = json!({ "type": "leave", "room": "lobby" }).to_string();
            let _ = line::send(&mut socket, Message::text(leave)).await;
            let _ = line::send(&mut socket, Message::Close(None)).await;
            None
        }
        Parting::Await => loop {
            if let Some(code) = next(&mut socket).await {
                return code;
            }
        },
    }
}

/// Reads one frame: nothing as long as the socket is open, else how it was closed.
async fn next(socket: &mut Socket) -> Option<Option<u16>> {
    match socket.next().await {
        Some(Ok(Message::Close(frame))) => Some(frame.map(|frame| frame.code.into())),
        Some(Ok(_)) => None,
        _ => Some(None),
    }
}
