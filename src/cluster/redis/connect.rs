//! How Redis is reached: the URL, TLS, and the limits of everything that waits for it.

use std::time::Duration;

use fred::{
    clients::{Client, WithOptions},
    interfaces::ClientLike,
    types::{
        RespVersion,
        config::{
            Config, ConnectionConfig, Options, PerformanceConfig, ReconnectPolicy, TcpConfig, TlsConfig,
            TlsConnector, UnresponsiveConfig,
        },
    },
};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::sleep;

use crate::{shutdown::Tasks, tls};

/// How long making a connection may take, and what is said on it first.
const CONNECT: Duration = Duration::from_secs(1);
/// How long a command may take; below what the seam promises for a call.
pub(super) const COMMAND: Duration = Duration::from_millis(450);
/// A connection on which an answer is missing for so long is made anew.
const SILENCE: Duration = Duration::from_millis(1500);
/// How often that is looked at.
const LOOK: Duration = Duration::from_millis(250);
/// The first pause before connecting again and the longest, in milliseconds. They double.
const PAUSE: (u32, u32) = (50, 1000);
/// How much is added to a pause at most, by chance, so that nodes don't come all at once.
const JITTER: u32 = 50;
/// How many commands may wait to be written; more are refused.
const COMMANDS: usize = 10_000;
/// How many notices may wait inside the client for the one task that takes them; it tells when
/// there were more.
const MESSAGES: usize = 4096;
/// Events of a client that hears no notices.
const EVENTS: usize = 16;

/// Why the settings of the cluster don't do.
#[derive(Debug, Clone, thiserror::Error)]
pub enum OpenError {
    /// The URL can't be used; the reason never repeats it.
    #[error("REDIS_URL {0}")]
    Url(String),
    /// It serves a chat with another database.
    #[error(
        "REDIS_URL names the Redis of another chat, which has another database: give each chat a Redis, or at \
         least a database number, of its own"
    )]
    AnotherChat,
}

/// A server, several, or a cluster of them: ready to be connected to.
pub(super) struct Target {
    config: Config,
}

impl Target {
    /// Of a URL: `redis`, `redis-cluster` or `redis-sentinel`, each with an `s` after `redis` for TLS.
    pub(super) fn parse(url: &SecretString) -> Result<Self, OpenError> {
        let Some((scheme, rest)) = url.expose_secret().split_once("://") else {
            return Err(OpenError::Url("is not a URL".to_owned()));
        };
        let (plain, secure) = match scheme {
            "redis" | "redis-cluster" | "redis-sentinel" => (scheme, false),
            "rediss" => ("redis", true),
            "rediss-cluster" => ("redis-cluster", true),
            "rediss-sentinel" => ("redis-sentinel", true),
            _ => {
                let words = "must begin with redis://, rediss://, redis-cluster://, rediss-cluster://, \
                    redis-sentinel:// or rediss-sentinel://";
                return Err(OpenError::Url(words.to_owned()));
            }
        };
        // The library's own words may repeat a part of the URL, and its own TLS takes whatever
        // cryptography the process happens to have.
        let parsed = Config::from_url(&format!("{plain}://{rest}"));
        let mut config =
            parsed.map_err(|_| OpenError::Url("is not a Redis URL that can be read".to_owned()))?;
        config.fail_fast = false;
        config.version = RespVersion::RESP3;
        if secure {
            let client = tls::of_this_machine()
                .and_then(tls::client)
                .map_err(|error| OpenError::Url(format!("can't be used with TLS: {error}")))?;
            config.tls = Some(TlsConfig::from(TlsConnector::from(client)));
        }
        Ok(Self { config })
    }

    /// Whether it is a Redis Cluster.
    pub(super) fn is_cluster(&self) -> bool {
        self.config.server.is_clustered()
    }

    /// The number of the database.
    pub(super) fn database(&self) -> u8 {
        self.config.database.unwrap_or_default()
    }

    /// A client that asks and tells. It connects in the background, for ever, until the tasks stop.
    pub(super) fn client(&self, tasks: &Tasks) -> WithOptions<Client> {
        let client = self.connect(EVENTS, tasks);
        client.with_options(&self.options())
    }

    /// A client that hears.
    pub(super) fn listener(&self, tasks: &Tasks) -> WithOptions<Client> {
        let client = self.connect(MESSAGES, tasks);
        client.with_options(&self.options())
    }

    /// Of every command: what can't be written now fails now, and is not written later. Only with
    /// Redis Cluster it is tried again, when a server says that another one has the key.
    fn options(&self) -> Options {
        Options {
            timeout: Some(COMMAND),
            fail_fast: true,
            max_attempts: Some(if self.is_cluster() { 3 } else { 1 }),
            max_redirections: Some(3),
            ..Options::default()
        }
    }

    fn connect(&self, events: usize, tasks: &Tasks) -> Client {
        let performance = PerformanceConfig {
            default_command_timeout: COMMAND,
            broadcast_channel_capacity: events,
            ..PerformanceConfig::default()
        };
        let connection = ConnectionConfig {
            connection_timeout: CONNECT,
            internal_command_timeout: CONNECT,
            max_command_attempts: 3,
            max_command_buffer_len: COMMANDS,
            reconnect_on_auth_error: true,
            unresponsive: UnresponsiveConfig { max_timeout: Some(SILENCE), interval: LOOK },
            tcp: TcpConfig { nodelay: Some(true), ..TcpConfig::default() },
            ..ConnectionConfig::default()
        };
        let mut policy = ReconnectPolicy::new_exponential(0, PAUSE.0, PAUSE.1, 2);
        policy.set_jitter(JITTER);
        let client = Client::new(self.config.clone(), Some(performance), Some(connection), Some(policy));
        tasks.spawn("redis connection", keep(client.clone(), tasks.clone()));
        client
    }
}

/// Keeps a client connecting until the tasks stop. The library gives up by itself only for what it
/// takes for a mistake in the settings, which a server may mend too.
async fn keep(client: Client, tasks: Tasks) {
    let stopped = tasks.stopped().clone();
    while !stopped.is_cancelled() {
        let mut connected = client.connect();
        tokio::select! {
            ended = &mut connected => {
                let error = ended.map(|ended| ended.err().map(|error| error.to_string()));
                tracing::warn!(?error, "the connection to Redis ended; connecting again");
            }
            () = stopped.cancelled() => {
                let _ = tokio::time::timeout(COMMAND, client.quit()).await;
                connected.abort();
                return;
            }
        }
        stopped.run_until_cancelled(sleep(Duration::from_millis(PAUSE.1.into()))).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Target, OpenError> {
        Target::parse(&url.to_owned().into())
    }

    #[test]
    fn every_form_is_read() {
        assert!(!parse("redis://localhost").unwrap().is_cluster());
        assert_eq!(parse("redis://u:p@h:7000/3").unwrap().database(), 3);
        assert!(parse("redis-cluster://a:1?node=b:2&node=c:3").unwrap().is_cluster());
        let sentinel = parse("redis-sentinel://a:1?node=b:2&sentinelServiceName=main").unwrap();
        assert!(sentinel.config.server.is_sentinel());
        assert!(parse("rediss://h").unwrap().config.uses_rustls());
        assert!(!parse("redis://h").unwrap().config.uses_tls());
    }

    #[test]
    fn a_refusal_never_repeats_the_url() {
        for url in [
            "hunter2",
            "http://u:hunter2@h",
            "redis://u:hunter2@h:port",
            "redis://u:hunter2@h/many",
            "redis-sentinel://u:hunter2@h",
        ] {
            let Err(error) = parse(url) else { panic!("{url} was read") };
            assert!(!error.to_string().contains("hunter2"), "{error}");
            assert!(error.to_string().contains("REDIS_URL"), "{error}");
        }
    }
}
