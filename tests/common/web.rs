//! The HTTP side of a client: what a program or a page asks a node, through real TCP.

use std::net::SocketAddr;

use chorus::config::Config;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite;

use super::{Client, LIMIT, PASSWORD, Town};

/// One of the predecessor's origins, allowed in development.
pub const PAGE: &str = "http://localhost:5500";

/// A node of its own and how it is asked.
pub async fn node(change: impl Fn(&mut Config)) -> (Town, Web) {
    let town = Town::with(1, None, change).await;
    let web = Web::of(town.nodes[0].address);
    (town, web)
}

/// The refresh cookie that an answer makes a browser keep.
pub fn session_cookie(answer: &Answer) -> String {
    let mut lines = answer.headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap());
    let value = lines.find_map(|line| line.strip_prefix("chorus_session=")?.split(';').next());
    value.unwrap_or_else(|| panic!("{answer:?}")).to_owned()
}

/// A node, asked over HTTP.
#[derive(Clone)]
pub struct Web {
    pub address: SocketAddr,
    http: reqwest::Client,
}

/// What a node answered.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    /// Its JSON; `null` when it is none.
    pub body: Value,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Status and code of a refusal.
    pub fn refusal(&self) -> (u16, &str) {
        (self.status, self.body["code"].as_str().unwrap_or_default())
    }
}

impl Web {
    pub fn of(address: SocketAddr) -> Self {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { address, http }
    }

    /// One that is asked on a new connection each time: whoever keeps one open is with the worker
    /// that accepted it, and may ask just when that one closes it because it retires.
    pub fn anew(address: SocketAddr) -> Self {
        let http = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().unwrap();
        Self { address, http }
    }

    /// A request to be completed.
    pub fn request(&self, method: Method, path: &str, token: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("http://{}{path}", self.address)).timeout(LIMIT);
        if token.is_empty() { request } else { request.bearer_auth(token) }
    }

    pub async fn ask(&self, request: RequestBuilder) -> Answer {
        let response = request.send().await.expect("an answer");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or_default();
        Answer { status, headers, body }
    }

    pub async fn get(&self, path: &str, token: &str) -> Answer {
        self.ask(self.request(Method::GET, path, token)).await
    }

    pub async fn post(&self, path: &str, token: &str, body: Value) -> Answer {
        self.ask(self.request(Method::POST, path, token).json(&body)).await
    }

    pub async fn register(&self, name: &str) -> Answer {
        self.post("/register", "", json!({ "username": name, "password": PASSWORD })).await
    }

    pub async fn login(&self, name: &str) -> String {
        let answer = self.post("/login", "", json!({ "username": name, "password": PASSWORD })).await;
        answer.body["token"].as_str().expect("signed in").to_owned()
    }

    /// Registers, unless the name exists, and signs in.
    pub async fn sign_in(&self, name: &str) -> String {
        self.register(name).await;
        self.login(name).await
    }

    /// Refreshes as a browser does that remembers a sign-in by this cookie.
    pub async fn by_cookie(&self, origin: &str, cookie: &str) -> Answer {
        let request = self.request(Method::POST, "/refresh", "").header("Origin", origin);
        self.ask(request.header("Cookie", format!("chorus_session={cookie}"))).await
    }

    /// Signs somebody in who is registered and wants to be remembered: the token and the cookie.
    pub async fn remembered(&self, name: &str) -> (String, String) {
        let body = json!({ "username": name, "password": PASSWORD, "remember": true });
        let answer = self.post("/login", "", body).await;
        (
            answer.body["token"].as_str().expect("signed in").to_owned(),
            session_cookie(&answer),
        )
    }

    /// A ticket for a page of this origin; empty: for a program.
    pub async fn ticket(&self, token: &str, origin: &str) -> String {
        let mut request = self.request(Method::POST, "/ws-ticket", token);
        if !origin.is_empty() {
            request = request.header("Origin", origin);
        }
        let answer = self.ask(request).await;
        answer.body["ticket"].as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned()
    }

    /// A socket in the lobby.
    pub async fn guest(&self, token: &str) -> Client {
        let mut client = Client::open(self.address, token).await;
        client.join("lobby").await;
        client
    }

    /// Knocks, expecting to be refused before the upgrade: the status, the code, `Retry-After`.
    pub async fn refused(&self, path: &str, headers: &[(&'static str, &str)]) -> (u16, String, String) {
        match timeout(LIMIT, Client::knock(self.address, path, headers)).await.expect("in time") {
            Err(tungstenite::Error::Http(response)) => {
                let body = response.body().as_deref().unwrap_or_default();
                let told: Value = serde_json::from_slice(body).unwrap_or_default();
                let retry = response.headers().get("retry-after");
                (
                    response.status().as_u16(),
                    told["code"].as_str().unwrap_or_default().to_owned(),
                    retry.map_or(String::new(), |value| value.to_str().unwrap().to_owned()),
                )
            }
            Err(other) => panic!("{path} {headers:?}: {other}"),
            Ok(_) => panic!("{path} {headers:?}: the socket opened"),
        }
    }
}
