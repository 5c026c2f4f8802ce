//! How a client of the harness reaches a node: sign in, open a socket, wait before trying again.
//! Nothing here panics on what a node or a network does; a failure is a text.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    net::SocketAddr,
    time::Duration,
};

use futures_util::SinkExt;
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{self, Message, client::IntoClientRequest, http::HeaderValue},
};

use crate::common::PASSWORD;

/// How long a node may take to answer a call, open a socket or take a frame.
pub const PATIENCE: Duration = Duration::from_secs(4);

pub type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Why a socket did not open.
#[derive(Debug)]
pub enum Refused {
    /// The credential is no good any more.
    SignIn,
    Other(String),
}

/// Signs in, with a new account if there is none of that name.
pub async fn sign_in(http: &reqwest::Client, node: SocketAddr, name: &str) -> Result<String, String> {
    let mut answer = post(http, node, "/login", name).await?;
    if answer.0 == 401 {
        post(http, node, "/register", name).await?;
        answer = post(http, node, "/login", name).await?;
    }
    let token = answer.1["token"].as_str().map(str::to_owned);
    token.ok_or_else(|| format!("login answers {}: {}", answer.0, answer.1))
}

async fn post(
    http: &reqwest::Client,
    node: SocketAddr,
    path: &str,
    name: &str,
) -> Result<(u16, Value), String> {
    let body = json!({ "username": name, "password": PASSWORD });
    let request = http.post(format!("http://{node}{path}")).json(&body).timeout(PATIENCE);
    let answer = request.send().await.map_err(|error| error.to_string())?;
    let status = answer.status().as_u16();
    let body = answer.bytes().await.map_err(|error| error.to_string())?;
    Ok((status, serde_json::from_slice(&body).unwrap_or_default()))
}

/// A ticket of this sign-in, as a browser's socket needs one; it is good once, for 10 s.
pub async fn ticket(http: &reqwest::Client, node: SocketAddr, token: &str) -> Result<String, Refused> {
    let other = |error: reqwest::Error| Refused::Other(error.to_string());
    let request = http.post(format!("http://{node}/ws-ticket")).bearer_auth(token).timeout(PATIENCE);
    let answer = request.send().await.map_err(other)?;
    match answer.status().as_u16() {
        200 => {}
        401 => return Err(Refused::SignIn),
        status => return Err(Refused::Other(format!("ws-ticket answers {status}"))),
    }
    let body: Value = serde_json::from_slice(&answer.bytes().await.map_err(other)?).unwrap_or_default();
    let ticket = body["ticket"].as_str().map(str::to_owned);
    ticket.ok_or_else(|| Refused::Other(format!("ws-ticket answers {body}")))
}

/// Ends the sign-in of a token.
pub async fn sign_out(http: &reqwest::Client, node: SocketAddr, token: &str) -> Result<(), String> {
    let request = http.post(format!("http://{node}/logout")).json(&json!({ "token": token }));
    let answer = request.timeout(PATIENCE).send().await.map_err(|error| error.to_string())?;
    match answer.status().as_u16() {
        200 => Ok(()),
        other => Err(format!("logout answers {other}")),
    }
}

/// With what a socket is opened.
#[derive(Debug, Clone, Copy)]
pub enum Credential<'a> {
    /// The token of a program.
    Token(&'a str),
    /// The ticket of a browser.
    Ticket(&'a str),
    /// The token of a page of the predecessor, which speaks the seed dialect.
    Seed(&'a str),
}

/// Opens a socket of the dialect that goes with this credential.
pub async fn open(node: SocketAddr, credential: Credential<'_>) -> Result<Socket, Refused> {
    let other = |error: String| Refused::Other(error);
    let path = match credential {
        Credential::Token(_) => "/ws".to_owned(),
        Credential::Ticket(ticket) => format!("/ws?ticket={ticket}"),
        Credential::Seed(token) => format!("/?token={token}"),
    };
    let request = format!("ws://{node}{path}").into_client_request();
    let mut request = request.map_err(|error| other(error.to_string()))?;
    let headers = request.headers_mut();
    if let Credential::Token(token) = credential {
        let bearer = HeaderValue::try_from(format!("Bearer {token}"));
        headers.insert("Authorization", bearer.map_err(|error| other(error.to_string()))?);
    }
    if !matches!(credential, Credential::Seed(_)) {
        headers.insert("Sec-WebSocket-Protocol", HeaderValue::from_static("chorus.v1"));
    }
    match timeout(PATIENCE, connect_async(request)).await {
        Ok(Ok((socket, _))) => Ok(socket),
        Ok(Err(tungstenite::Error::Http(answer))) if answer.status() == 401 => Err(Refused::SignIn),
        Ok(Err(error)) => Err(other(error.to_string())),
        Err(_) => Err(other("the socket does not open in time".to_owned())),
    }
}

/// Sends a frame, or says that the socket does not take it.
pub async fn send(socket: &mut Socket, message: Message) -> Result<(), String> {
    match timeout(PATIENCE, socket.send(message)).await {
        Ok(sent) => sent.map_err(|error| error.to_string()),
        Err(_) => Err("a frame is not taken in time".to_owned()),
    }
}

/// Full-jitter exponential backoff, short as tests want it, and the same at every run.
#[derive(Debug)]
pub struct Backoff {
    state: u64,
    tries: u32,
}

impl Backoff {
    const BASE: Duration = Duration::from_millis(50);
    const CAP: Duration = Duration::from_secs(1);

    pub fn of(name: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        Self { state: hasher.finish(), tries: 0 }
    }

    /// It worked.
    pub const fn reset(&mut self) {
        self.tries = 0;
    }

    /// How long to wait before the next try.
    pub fn wait(&mut self) -> Duration {
        let most = Self::CAP.min(Self::BASE * 2_u32.pow(self.tries.min(10)));
        self.tries += 1;
        most.mul_f64(self.part())
    }

    /// A number below this small one, evenly spread; 0 when there is none.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "the product of a fraction and a few thousand"
    )]
    pub fn below(&mut self, count: usize) -> usize {
        let drawn = (self.part() * count as f64) as usize;
        drawn.min(count.saturating_sub(1))
    }

    /// A fraction of one, evenly spread (splitmix64).
    pub fn part(&mut self) -> f64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        f64::from(u32::try_from((mixed ^ (mixed >> 31)) >> 32).unwrap_or(0)) / f64::from(u32::MAX)
    }
}
