//! Nodes behind nginx, and how they are asked.

use std::net::SocketAddr;

use serde_json::Value;
use tempfile::TempDir;
use tokio_tungstenite::{
    connect_async,
    tungstenite::{self, client::IntoClientRequest},
};

use crate::{
    common::{Client, program::Program, web::Web},
    servers::nginx::Nginx,
};

/// Nodes with databases of their own that sign with one secret.
const SECRET: &str = "a secret that all nodes of this test share";

/// A node and the place of its data.
pub(crate) struct Node {
    pub(crate) program: Program,
    pub(crate) address: SocketAddr,
    _dir: TempDir,
}

impl Node {
    pub(crate) async fn start(settings: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let settings = [&[("JWT_SECRET", SECRET)], settings].concat();
        let (program, address, _) = Program::start(dir.path(), &settings).await;
        Self { program, address, _dir: dir }
    }
}

/// So many nodes behind one nginx.
pub(crate) struct Scene {
    pub(crate) nodes: Vec<Node>,
    pub(crate) nginx: Nginx,
    pub(crate) web: Web,
}

impl Scene {
    pub(crate) async fn of(count: usize, settings: &[(&str, &str)]) -> Self {
        Self::with(count, &[], settings).await
    }

    pub(crate) async fn with(count: usize, node: &[(&str, &str)], settings: &[(&str, &str)]) -> Self {
        let mut nodes = Vec::new();
        for _ in 0..count {
            nodes.push(Node::start(node).await);
        }
        let addresses: Vec<_> = nodes.iter().map(|node| node.address).collect();
        let generous = [("SIGN_IN_PER_MINUTE", "60000"), ("SIGN_IN_BURST", "1000")];
        let nginx = Nginx::start(&addresses, &[&generous, settings].concat());
        let web = Web::anew(nginx.address);
        Self { nodes, nginx, web }
    }

    /// Makes an account under this name on every node, so that whichever is asked knows it.
    pub(crate) async fn know(&self, name: &str) {
        for node in &self.nodes {
            Web::of(node.address).register(name).await;
        }
    }

    /// The cookie that a new visitor gets, as it is sent back.
    pub(crate) async fn cookie(&self) -> String {
        let answer = self.web.get("/health", "").await;
        marked(answer.header("set-cookie")).expect("a cookie")
    }

    /// A cookie for each node, in the nodes' order.
    pub(crate) async fn cookies(&self) -> Vec<String> {
        let mut cookies = Vec::new();
        for node in &self.nodes {
            let cookie = loop {
                let answer = self.web.get("/health", "").await;
                let cookie = marked(answer.header("set-cookie")).expect("a cookie");
                let id = answer.header("x-request-id");
                if self.served(id) == node.address.to_string() {
                    break cookie;
                }
            };
            cookies.push(cookie);
        }
        cookies
    }

    /// The node that answered the request of this id, by the log.
    pub(crate) fn served(&self, id: &str) -> String {
        let find = || {
            let said = self.nginx.said();
            let line = said.lines().find(|line| line.contains(id))?;
            let line: Value = serde_json::from_str(line).ok()?;
            let asked = line["node"].as_str()?;
            Some(asked.rsplit(", ").next()?.to_owned())
        };
        self.nginx.until("the call is in the log", || find().is_some());
        find().unwrap()
    }

    /// The node that serves whoever shows this cookie, and the cookie it gives instead.
    pub(crate) async fn serves(&self, cookie: &str) -> (String, Option<String>) {
        let request = self.web.request(reqwest::Method::GET, "/health", "");
        let answer = self.web.ask(request.header("Cookie", cookie)).await;
        assert_eq!(answer.status, 200);
        (self.served(answer.header("x-request-id")), marked(answer.header("set-cookie")))
    }

    /// Signs in at the node that a cookie names, and opens a `v1` socket there; answers the cookie
    /// that came with the 101, too.
    pub(crate) async fn guest(&self, node: usize, name: &str, cookie: &str) -> (Client, Option<String>) {
        let token = Web::of(self.nodes[node].address).sign_in(name).await;
        self.socket("/ws", &token, cookie).await
    }

    pub(crate) async fn socket(&self, path: &str, token: &str, cookie: &str) -> (Client, Option<String>) {
        visit(self.nginx.address, path, token, cookie).await.expect("the socket opens")
    }
}

/// Opens a `v1` socket in the lobby through nginx; answers the cookie that came with the 101, too.
pub(crate) async fn visit(
    nginx: SocketAddr,
    path: &str,
    token: &str,
    cookie: &str,
) -> Result<(Client, Option<String>), tungstenite::Error> {
    let mut request = format!("ws://{nginx}{path}").into_client_request().unwrap();
    let headers = request.headers_mut();
    headers.insert("Sec-WebSocket-Protocol", "chorus.v1".parse().unwrap());
    headers.insert("Authorization", format!("Bearer {token}").parse().unwrap());
    if !cookie.is_empty() {
        headers.insert("Cookie", cookie.parse().unwrap());
    }
    let (socket, answer) = connect_async(request).await?;
    let given = answer.headers().get("set-cookie").map(|value| value.to_str().unwrap());
    let cookie = given.and_then(marked);
    let mut client = Client::greeted(socket).await?;
    client.join("lobby").await;
    Ok((client, cookie))
}

/// `name=value` of the stickiness cookie.
fn marked(set_cookie: &str) -> Option<String> {
    let cookie = set_cookie.split(';').next()?;
    cookie.starts_with("chorus_node=").then(|| cookie.to_owned())
}
