//! From the settings and the backends to the rooms of the house: what each is made of.
//!
//! Nothing here decides anything; whoever looks for where a setting goes finds it here.

use std::{io, sync::Arc};

use secrecy::SecretString;
use tokio::sync::mpsc;

use super::{Backends, expiry, upkeep};
use crate::{
    auth::{self, Auth, Origins, Proxies},
    chat::{self, Chat, window::WindowLimit},
    cluster::{Envelope, Incarnation, Notice, redis},
    config::{Config, Problem},
    domain::{PASSWORD_MAX, PASSWORD_MIN, RoomId, USERNAME_MAX, USERNAME_MIN},
    http,
    hub::{self, Hub},
    protocol::Limits,
    readiness,
    relay::{
        self, Nudge,
        kafka::{self, Kafka},
        rabbitmq::{self, RabbitMq},
        webhook::{Endpoint, Keys, Webhook},
    },
    shutdown::Tasks,
    store::{DbClock, StartAt, postgres, sqlite},
    tally::{self, Dropped},
    ws,
};

/// What each room counts, in words and units, and from zero.
pub(super) fn describe_metrics() {
    tally::describe_metrics();
    readiness::describe_metrics();
    chat::describe_metrics();
    http::describe_metrics();
    hub::describe_metrics();
    ws::describe_metrics();
    sqlite::describe_metrics();
    postgres::describe_metrics();
    redis::describe_metrics();
    relay::describe_metrics(&[rabbitmq::NAME, kafka::NAME]);
    rabbitmq::describe_metrics();
    expiry::describe_metrics();
    upkeep::describe_metrics();
}

/// Who somebody is, by the settings.
pub(super) fn auth(config: &Config, secret: SecretString, backends: &Backends, clock: &DbClock) -> Arc<Auth> {
    let clock = clock.clone();
    let parts = auth::Parts {
        store: Arc::clone(&backends.store),
        replicas: backends.replicas.clone(),
        bus: Arc::clone(&backends.bus),
        me: Incarnation::random(),
        now: Arc::new(move || clock.now()),
    };
    let settings = auth::Settings {
        secret,
        previous_secret: config.jwt_secret_previous.clone(),
        token_ttl: config.token_ttl,
        bcrypt_cost: config.bcrypt_cost,
        max_sockets_per_user: config.max_sockets_per_user,
        max_sockets_per_address: config.max_sockets_per_address,
        registration_open: config.registration_open,
        origins: Origins::new(config.allowed_origins.clone(), config.require_origin),
        proxies: Proxies::new(config.trusted_proxies.clone()),
    };
    Arc::new(Auth::new(settings, parts))
}

/// Told of each room in which something was committed here.
pub(super) type Committed = Arc<dyn Fn(RoomId) + Send + Sync>;

/// What was said goes on to the systems that the settings name, if any.
pub(super) fn relay(
    config: &Config,
    backends: &Backends,
    clock: &DbClock,
    tasks: &Tasks,
) -> Result<Committed, Problem> {
    let mut sinks: Vec<Box<dyn relay::Sink>> = Vec::new();
    if let Some(url) = &config.amqp_url {
        let sink = RabbitMq::new(url, &config.amqp_exchange);
        sinks.push(Box::new(sink.map_err(|why| Problem::new("AMQP_URL", why))?));
    }
    if let Some(settings) = &config.kafka {
        let sink = Kafka::new(settings.clone());
        sinks.push(Box::new(sink.map_err(|why| Problem::new("KAFKA_TLS", why))?));
    }
    sinks.extend(webhooks(config)?);
    let start = |sink| {
        let parts = relay::Parts {
            store: Arc::clone(&backends.store),
            clock: clock.clone(),
            sink,
            start_at: if config.relay_from_now { StartAt::Now } else { StartAt::Oldest },
        };
        relay::start(parts, tasks)
    };
    let nudges: Vec<Nudge> = sinks.into_iter().map(start).collect();
    Ok(Arc::new(move |room| nudges.iter().for_each(|nudge| nudge.committed(room))))
}

/// The receivers of webhooks that the settings name.
fn webhooks(config: &Config) -> Result<Vec<Box<dyn relay::Sink>>, Problem> {
    let settings = &config.webhooks;
    let each = settings.endpoints.iter().zip(std::iter::repeat(settings.keys.as_ref()));
    let receiver = |(endpoint, keys): (&Endpoint, Option<&Keys>)| {
        let keys = keys.ok_or_else(|| Problem::new("WEBHOOK_SECRET", "is required with WEBHOOKS"))?;
        let webhook = Webhook::new(endpoint.clone(), keys.clone(), settings.allowed.clone());
        let webhook = webhook.map_err(|why| Problem::new("WEBHOOKS", why))?;
        Ok(Box::new(webhook) as Box<dyn relay::Sink>)
    };
    each.map(receiver).collect()
}

/// Chat on this node, its tasks started. What it hears that is not its own goes to `auth` and to the
/// operator's desk, and what it commits is told to the relay.
pub(super) fn chat(
    config: &Config,
    backends: &Backends,
    clock: &DbClock,
    tasks: &Tasks,
    (auth, desk, relay): (&Arc<Auth>, mpsc::Sender<Envelope>, Committed),
) -> io::Result<Arc<Chat>> {
    let seams = chat::Seams {
        store: backends.store.clone(),
        bus: Arc::clone(&backends.bus),
        presence: Arc::clone(&backends.presence),
        peers: Arc::clone(&backends.peers),
        replicas: backends.replicas.clone(),
        clock: clock.clone(),
        incarnations: Arc::new(Incarnation::random),
        relay,
    };
    let settings = chat::Settings {
        message_chars: config.message_max_chars,
        window: WindowLimit {
            messages: config.message_limit as usize,
            window: config.message_window,
        },
        bot_messages: config.bot_message_limit as usize,
        max_rooms_per_socket: config.max_rooms_per_socket,
        grace: config.presence_grace,
    };
    let shards = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let hub = Hub::start(tasks, shards)?;
    let auth = Arc::clone(auth);
    let others = move |envelope: Envelope| match envelope.notice {
        Notice::SignInEnded(sid) => auth.handle_ended(sid),
        _ => {
            if desk.try_send(envelope).is_err() {
                Dropped::DeskQueue.count(1);
            }
        }
    };
    Ok(Chat::start(seams, hub, tasks, settings, Arc::new(others)))
}

/// What is decided about sockets.
pub(super) const fn ws_settings(config: &Config) -> ws::Settings {
    ws::Settings {
        ping: config.ping_interval,
        outbox_bytes: config.outbox_bytes,
    }
}

/// The limits a client is told.
pub(super) const fn limits(config: &Config) -> Limits {
    Limits {
        message_chars: config.message_max_chars,
        messages: config.message_limit,
        window_seconds: config.message_window.as_secs(),
        frame_bytes: ws::FRAME_BYTES,
        rooms_per_socket: config.max_rooms_per_socket,
        resume: chat::join::RESUME,
        username_min: USERNAME_MIN,
        username_max: USERNAME_MAX,
        password_min: PASSWORD_MIN,
        password_max: PASSWORD_MAX,
    }
}
