//! People with accounts and sign-ins, and a folder that remembers them, so that each measurement
//! can begin with a fresh node that knows everybody.

use std::{net::SocketAddr, path::Path, sync::Arc};

use chorus::{
    domain::Username,
    store::{Accounts, Store, sqlite::SqliteStore},
};
use futures_util::future::try_join_all;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::{runtime::Runtime, sync::Semaphore};

use crate::{
    LIMIT, Outcome,
    client::{Credential, InTurn, Socket},
    node::Node,
    report::step,
};

/// Everybody's.
const PASSWORD: &str = "correct horse";
/// Calls under way at the same time.
const TOGETHER: usize = 32;

pub(crate) struct Town {
    folder: tempfile::TempDir,
    pub(crate) tokens: Vec<String>,
}

impl Town {
    /// So many people, each signed in over HTTP.
    pub(crate) fn of(runtime: &Runtime, people: usize) -> Outcome<Self> {
        step(&format!("{people} accounts and sign-ins"));
        let folder = crate::node::folder()?;
        runtime.block_on(make_accounts(folder.path(), people))?;
        let node = Node::start(folder.path(), &[])?;
        let tokens = runtime.block_on(async {
            let calls = Calls::to(node.address);
            try_join_all((0..people).map(|n| calls.login(n))).await
        })?;
        Ok(Self { folder, tokens })
    }

    /// A fresh node that knows them.
    pub(crate) fn node(&self, settings: &[(&str, &str)]) -> Outcome<Node> {
        Node::start(self.folder.path(), settings)
    }

    /// The same on one core.
    pub(crate) fn node_on_core(&self, core: usize, settings: &[(&str, &str)]) -> Outcome<Node> {
        Node::on_core(core, self.folder.path(), settings)
    }

    pub(crate) fn credential(&self, person: usize) -> Credential {
        Credential::Token(self.tokens[person].clone())
    }

    /// One after the other, so that the hub's order is theirs.
    pub(crate) async fn members(
        &self,
        node: &Node,
        room: &str,
        people: std::ops::Range<usize>,
    ) -> Outcome<Vec<InTurn>> {
        let mut members = Vec::with_capacity(people.len());
        for person in people {
            let mut socket = Socket::open(node.address, &self.credential(person)).await?;
            socket.join(room).await?;
            members.push(socket.in_turn()?);
        }
        // The last changes of the list are told within a moment.
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        Ok(members)
    }

    pub(crate) async fn make_room(&self, node: &Node, room: &str) -> Outcome {
        Calls::to(node.address).make_room(&self.tokens[0], room).await
    }

    /// A ticket for each of the first so many people, good for ten seconds.
    pub(crate) async fn tickets(&self, node: &Node, people: usize) -> Outcome<Vec<Credential>> {
        let calls = Calls::to(node.address);
        try_join_all(self.tokens.iter().take(people).map(|token| calls.ticket(token))).await
    }
}

/// Accounts are made in the store itself, with one hash for all: sign-ins are what a node does
/// every day, thousands of registrations are not.
async fn make_accounts(folder: &Path, people: usize) -> Outcome {
    let store = SqliteStore::open(folder)?;
    let hash = bcrypt::hash(PASSWORD, 4)?;
    let names = (0..people).map(name).collect::<Outcome<Vec<_>>>()?;
    for names in names.chunks(128) {
        try_join_all(names.iter().map(|name| store.create_user(name, &hash))).await?;
    }
    store.close().await;
    Ok(())
}

fn name(person: usize) -> Outcome<Username> {
    Ok(Username::parse(&format!("person{person:05}"))?)
}

/// Calls to a node's API, a few at a time.
pub(crate) struct Calls {
    client: reqwest::Client,
    base: String,
    places: Arc<Semaphore>,
}

impl Calls {
    pub(crate) fn to(node: SocketAddr) -> Self {
        Self {
            client: reqwest::Client::new(),
            base: format!("http://{node}"),
            places: Arc::new(Semaphore::new(TOGETHER)),
        }
    }

    pub(crate) async fn make_room(&self, token: &str, room: &str) -> Outcome {
        let call = self.client.post(format!("{}/rooms", self.base)).bearer_auth(token);
        self.answer(call.json(&json!({ "room": room })), "room").await.map(drop)
    }

    pub(crate) async fn register(&self, person: usize) -> Outcome {
        self.by_password("register", person, "username").await.map(drop)
    }

    pub(crate) async fn login(&self, person: usize) -> Outcome<String> {
        self.by_password("login", person, "token").await
    }

    /// Whether a wrong password was compared; else the caller was told to come back.
    pub(crate) async fn guess(&self, person: usize) -> Outcome<bool> {
        let body = json!({ "username": name(person)?, "password": "a wrong one" });
        let call = self.client.post(format!("{}/login", self.base)).json(&body);
        match call.timeout(LIMIT).send().await?.status() {
            StatusCode::UNAUTHORIZED => Ok(true),
            StatusCode::TOO_MANY_REQUESTS => Ok(false),
            other => Err(format!("a wrong password was answered with {other}").into()),
        }
    }

    async fn by_password(&self, path: &str, person: usize, field: &str) -> Outcome<String> {
        let body = json!({ "username": name(person)?, "password": PASSWORD });
        let call = self.client.post(format!("{}/{path}", self.base)).json(&body);
        self.answer(call, field).await
    }

    async fn ticket(&self, token: &str) -> Outcome<Credential> {
        let call = self.client.post(format!("{}/ws-ticket", self.base)).bearer_auth(token);
        Ok(Credential::Ticket(self.answer(call, "ticket").await?))
    }

    async fn answer(&self, call: reqwest::RequestBuilder, field: &str) -> Outcome<String> {
        let _place = self.places.acquire().await?;
        let answer: Value = call.timeout(LIMIT).send().await?.error_for_status()?.json().await?;
        Ok(answer[field].as_str().ok_or("an answer without its field")?.to_owned())
    }
}
