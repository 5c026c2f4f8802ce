//! The calls, asked through the whole router on a real embedded store.

// Nothing below is part of the program; the attribute also tells `tests/architecture.rs`.
#[cfg(test)]
mod accounts;
mod bots;
mod cookies;
mod edges;
mod limits;
mod openapi;
mod rooms;
mod sockets;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::ConnectInfo, routing::get};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tower::ServiceExt;

use super::{Cause, Keys, Readiness, State, metrics_router, router};
use crate::{
    admin::{self, Desk, Vitals},
    auth::{self, Auth, Origins, Proxies},
    chat::{self, Chat, window::WindowLimit},
    cluster::{Incarnation, local::LocalCluster},
    config::Config,
    hub::Hub,
    protocol::Limits,
    shutdown::Tasks,
    store::{DbClock, Store, sqlite::SqliteStore},
    ws,
};

const ADMIN: &str = "the operator's token of this run, long enough";

/// A node's HTTP side without its listeners.
struct Site {
    app: Router,
    operator: Router,
    state: Arc<State>,
    store: Arc<dyn Store>,
    tasks: Tasks,
    dir: tempfile::TempDir,
}

/// An answer, its body read: JSON, or the text itself.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

impl Answer {
    fn code(&self) -> (u16, &str) {
        (self.status.as_u16(), self.body["code"].as_str().unwrap_or_default())
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.tasks.stop();
    }
}

/// The desk of a node that hears no other and has no sockets.
fn desk(
    config: &Config,
    (auth, chat, readiness): (&Arc<Auth>, &Arc<Chat>, &Readiness),
    tasks: &Tasks,
) -> Arc<Desk> {
    let settings = ws::Settings {
        ping: config.ping_interval,
        outbox_bytes: config.outbox_bytes,
    };
    let parts = admin::Parts {
        name: "here:8080".to_owned(),
        auth: auth.clone(),
        chat: chat.clone(),
        sockets: ws::Sockets::start(tasks, settings),
        readiness: readiness.clone(),
        vitals: Vitals::new(None, true),
        message_chars: config.message_max_chars,
        shutdown_timeout: config.shutdown_timeout,
    };
    Desk::start(parts, tokio::sync::mpsc::channel(1).1, tasks)
}

impl Site {
    fn open() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Config)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config::default_for(dir.path());
        config.rate_limit_per_hour = 100_000;
        change(&mut config);
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(dir.path()).unwrap());
        let (tasks, clock, node) = (Tasks::new(), DbClock::new(), LocalCluster::new().node());
        let now = clock.clone();
        let settings = auth::Settings {
            secret: config.signing_secret().unwrap(),
            previous_secret: None,
            token_ttl: config.token_ttl,
            bcrypt_cost: config.bcrypt_cost,
            max_sockets_per_user: config.max_sockets_per_user,
            max_sockets_per_address: config.max_sockets_per_address,
            registration_open: config.registration_open,
            origins: Origins::new(config.allowed_origins.clone(), config.require_origin),
            proxies: Proxies::new(config.trusted_proxies.clone()),
        };
        let parts = auth::Parts {
            store: store.clone(),
            replicas: None,
            bus: node.clone(),
            me: Incarnation::random(),
            now: Arc::new(move || now.now()),
        };
        let auth = Arc::new(Auth::new(settings, parts));
        auth.start(&tasks, &Handle::current());
        let seams = chat::Seams {
            store: store.clone(),
            bus: node.clone(),
            presence: node.clone(),
            peers: node,
            replicas: None,
            clock,
            incarnations: Arc::new(Incarnation::random),
            relay: Arc::new(drop),
        };
        let window = WindowLimit {
            messages: config.message_limit as usize,
            window: config.message_window,
        };
        let chat_settings = chat::Settings {
            message_chars: config.message_max_chars,
            window,
            bot_messages: config.bot_message_limit as usize,
            max_rooms_per_socket: config.max_rooms_per_socket,
            grace: config.presence_grace,
        };
        let chat = Chat::start(seams, Hub::start(&tasks, 1).unwrap(), &tasks, chat_settings, Arc::new(drop));
        let readiness = Readiness::starting();
        let desk = desk(&config, (&auth, &chat, &readiness), &tasks);
        readiness.set(Cause::Starting, false);
        let state = Arc::new(State {
            auth,
            chat,
            desk,
            readiness,
            limits: Limits::default(),
            config: Arc::new(config),
        });
        let socket = get(|request: Request<Body>| async move {
            assert!(request.uri().query().is_none(), "on purpose");
            "a socket"
        });
        let keys = Keys {
            here: Some(ADMIN.to_owned().into()),
            anywhere: state.config.admin_token.clone(),
        };
        let render: super::Render = Arc::new(|| "chorus_sockets 0\n".to_owned());
        Self {
            app: router(&state, socket, &tasks),
            operator: metrics_router(state.clone(), render, keys),
            state,
            store,
            tasks,
            dir,
        }
    }

    /// Sends a request from a peer in the world, unless it says from where.
    async fn send(&self, request: Request<Body>) -> Answer {
        answer(&self.app, request).await
    }

    async fn get(&self, path: &str, token: &str) -> Answer {
        self.send(bearer(Request::get(path), token).body(Body::empty()).unwrap()).await
    }

    async fn post(&self, path: &str, token: &str, body: Value) -> Answer {
        self.send(json_request(bearer(Request::post(path), token), &body)).await
    }

    /// Registers somebody.
    async fn register(&self, name: &str) {
        let body = json!({ "username": name, "password": "correct horse" });
        assert_eq!(self.post("/register", "", body).await.status, 201);
    }

    /// Signs somebody in who is registered, and answers the token.
    async fn login(&self, name: &str) -> String {
        let body = json!({ "username": name, "password": "correct horse" });
        let answer = self.post("/login", "", body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body["token"].as_str().unwrap().to_owned()
    }

    /// Changes the database beside the node: time has passed there.
    fn age(&self, sql: &str) {
        let beside = rusqlite::Connection::open(self.dir.path().join("chorus.db")).unwrap();
        beside.busy_timeout(Duration::from_secs(5)).unwrap();
        beside.execute_batch(sql).unwrap();
    }

    /// Registers somebody and signs them in.
    async fn token(&self, name: &str) -> String {
        self.register(name).await;
        self.login(name).await
    }
}

fn bearer(builder: http::request::Builder, token: &str) -> http::request::Builder {
    if token.is_empty() {
        builder
    } else {
        builder.header("Authorization", format!("Bearer {token}"))
    }
}

fn json_request(builder: http::request::Builder, body: &Value) -> Request<Body> {
    builder.header("Content-Type", "application/json").body(body.to_string().into()).unwrap()
}

/// A request of a peer in the world, unless it says from where.
fn with_peer(mut request: Request<Body>) -> Request<Body> {
    if request.extensions().get::<ConnectInfo<SocketAddr>>().is_none() {
        request.extensions_mut().insert(peer("203.0.113.7"));
    }
    request
}

async fn answer(app: &Router, request: Request<Body>) -> Answer {
    let answered = app.clone().oneshot(with_peer(request));
    let answered = tokio::time::timeout(Duration::from_secs(10), answered).await;
    let (parts, body) = answered.expect("an answer in time").unwrap().into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    let text = || Value::String(String::from_utf8_lossy(&bytes).into_owned());
    let body = serde_json::from_slice(&bytes).unwrap_or_else(|_| text());
    Answer { status: parts.status, headers: parts.headers, body }
}

fn peer(address: &str) -> ConnectInfo<SocketAddr> {
    ConnectInfo(SocketAddr::new(address.parse().unwrap(), 4711))
}
