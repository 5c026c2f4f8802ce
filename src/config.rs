//! Every setting of a node, read once at start into one typed value.
//!
//! `parse` is pure: text in, a whole [`Config`] or all problems out, each with the name of its
//! variable. `read` feeds it from flags, environment, `.env` and secret files. Secrets are never
//! printed. An empty value counts as not given, because compose files can't leave one out.

mod database;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod kafka;
pub mod kept;
mod reader;
pub mod reference;
pub mod settings;
mod source;
mod values;
mod webhooks;

use std::{fmt, io::Write, net::IpAddr, path::PathBuf, time::Duration};

use ipnet::IpNet;
use secrecy::SecretString;

pub use database::Database;
use reader::Reader;
pub use source::{Flags, load_dotenv};
pub use webhooks::Webhooks;

use crate::relay;

/// Fewest bytes of a secret that signs: as many as SHA-256 has.
pub const SECRET_MIN_BYTES: usize = 32;

/// What the node is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Environment {
    /// Somebody's own machine: friendly defaults.
    Development,
    /// A test run; otherwise like development.
    Test,
    /// The real thing: nothing is guessed that matters for security.
    Production,
}

impl Environment {
    /// The name as `NODE_ENV` has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Test => "test",
            Self::Production => "production",
        }
    }

    /// Whether it is the real thing.
    pub const fn is_production(self) -> bool {
        matches!(self, Self::Production)
    }
}

/// All settings. `settings` says what each means; times are durations, sizes bytes.
#[derive(Debug, Clone)]
#[expect(
    missing_docs,
    reason = "each field is the setting of its name, explained in `settings`"
)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are independent switches of the operator"
)]
pub struct Config {
    pub port: u16,
    pub bind: IpAddr,
    pub metrics_port: u16,
    /// `None` when `METRICS_BIND=off`.
    pub metrics_bind: Option<IpAddr>,
    pub node_env: Environment,
    pub log_level: String,
    pub data_dir: PathBuf,
    pub client_dir: Option<PathBuf>,
    /// `None` when the node keeps one of its own; see [`Config::signing_secret`].
    pub jwt_secret: Option<SecretString>,
    pub jwt_secret_previous: Option<SecretString>,
    /// Lets operators in from other hosts.
    pub admin_token: Option<SecretString>,
    /// `None` for the embedded one in `data_dir`.
    pub database: Option<Database>,
    /// `None` for a node alone.
    pub redis_url: Option<SecretString>,
    /// `None` when nothing goes on to RabbitMQ.
    pub amqp_url: Option<SecretString>,
    pub amqp_exchange: String,
    /// `None` when nothing goes on to Kafka.
    pub kafka: Option<relay::kafka::Settings>,
    pub webhooks: Webhooks,
    /// Who is told nothing yet begins with what is said from now on.
    pub relay_from_now: bool,
    pub migrate_on_start: bool,
    /// `None` keeps what was said for ever.
    pub retention: Option<Duration>,
    /// In the form browsers send: `https://chat.example.org`.
    pub allowed_origins: Vec<String>,
    pub require_origin: bool,
    pub allow_query_token: bool,
    pub trusted_proxies: Vec<IpNet>,
    pub rate_limit_per_hour: u32,
    pub api_limit_per_minute: u32,
    pub message_limit: u32,
    pub message_window: Duration,
    pub bot_message_limit: u32,
    pub message_max_chars: usize,
    pub max_sockets_per_user: usize,
    pub max_sockets_per_address: usize,
    pub max_rooms_per_socket: usize,
    pub outbox_bytes: usize,
    pub bcrypt_cost: u32,
    pub token_ttl: Duration,
    pub presence_grace: Duration,
    pub ping_interval: Duration,
    pub registration_open: bool,
    pub demo_accounts: bool,
    pub shutdown_timeout: Duration,
    pub sentry_dsn: Option<SecretString>,
    pub otlp_endpoint: Option<String>,
}

/// What is wrong with one setting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Problem {
    /// The variable.
    pub name: String,
    /// What is wrong; never the value.
    pub reason: String,
}

impl Problem {
    /// A problem of that variable.
    pub fn new(name: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { name: name.into(), reason: reason.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.reason)
    }
}

/// Prints all problems for the person who starts the node. Logging does not exist yet then.
pub fn report(problems: &[Problem]) {
    let mut out = std::io::stderr().lock();
    let _ = writeln!(out, "chorus can't start with these settings:");
    for problem in problems {
        let _ = writeln!(out, "  {problem}");
    }
}

impl Config {
    /// Reads flags and the environment ([`load_dotenv`] comes first).
    ///
    /// # Errors
    /// All problems at once.
    #[expect(clippy::disallowed_methods, reason = "the one home of the environment")]
    pub fn read(flags: &Flags) -> Result<Self, Vec<Problem>> {
        let mut given = source::Given::collect(flags, |name| std::env::var(name).ok());
        let mut problems = std::mem::take(&mut given.problems);
        match Self::parse(|name| given.get(name)) {
            Ok(config) => {
                if config.client_dir.as_ref().is_some_and(|dir| !dir.is_dir()) {
                    problems.push(Problem::new("CLIENT_DIR", "names no folder"));
                }
                if problems.is_empty() { Ok(config) } else { Err(problems) }
            }
            Err(more) => {
                // A secret whose file failed is not missing as well.
                problems
                    .extend(more.into_iter().filter(|p| !given_by_file(&problems, p)).collect::<Vec<_>>());
                Err(problems)
            }
        }
    }

    /// Turns text into settings.
    ///
    /// # Errors
    /// All problems at once, in the order of the table.
    pub fn parse(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, Vec<Problem>> {
        let mut reader = Reader::new(&lookup);
        let config = reader.config();
        reader.check_together(&config);
        if reader.problems.is_empty() { Ok(config) } else { Err(reader.problems) }
    }

    /// The defaults of development, with everything that lasts in `data_dir` and any free ports:
    /// what a test starts a node with.
    pub fn default_for(data_dir: impl Into<PathBuf>) -> Self {
        let mut reader = Reader::new(&|_| None);
        let defaults = reader.config();
        Self {
            port: 0,
            metrics_port: 0,
            data_dir: data_dir.into(),
            bcrypt_cost: 4,
            ..defaults
        }
    }

    /// The secret that signs tokens: the given one, or the one kept in `DATA_DIR`.
    ///
    /// # Errors
    /// When it can't be kept.
    pub fn signing_secret(&self) -> Result<SecretString, Problem> {
        match &self.jwt_secret {
            Some(secret) => Ok(secret.clone()),
            None => kept::open_or_make(&self.data_dir, "jwt_secret").map_err(|error| {
                let place = self.data_dir.join("jwt_secret");
                Problem::new(
                    "JWT_SECRET",
                    format!("is not given and can't be kept in {}: {error}", place.display()),
                )
            }),
        }
    }

    /// A new token for the operator, kept in `DATA_DIR/admin_token` as long as this run lasts.
    ///
    /// # Errors
    /// When it can't be kept.
    pub fn new_admin_token(&self) -> Result<SecretString, Problem> {
        kept::replace(&self.data_dir, kept::ADMIN_TOKEN)
            .map_err(|error| Problem::new("DATA_DIR", format!("can't keep the operator's token: {error}")))
    }
}

fn given_by_file(problems: &[Problem], problem: &Problem) -> bool {
    problems.iter().any(|p| p.name.strip_suffix("_FILE") == Some(&problem.name))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::{settings::Kind, *};
    use crate::relay::kafka::Mechanism;

    fn parse(given: &[(&str, &str)]) -> Result<Config, Vec<Problem>> {
        Config::parse(|name| given.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()))
    }

    fn names(problems: &[Problem]) -> Vec<&str> {
        problems.iter().map(|problem| problem.name.as_str()).collect()
    }

    const SECRET: &str = "a secret of more than thirty-two bytes";

    #[test]
    fn nothing_given_is_a_working_development_node() {
        let config = parse(&[]).unwrap();
        assert_eq!((config.port, config.metrics_port, config.bcrypt_cost), (8080, 9464, 10));
        assert_eq!(config.bind.to_string(), "127.0.0.1");
        assert_eq!(config.metrics_bind, Some(config.bind));
        assert_eq!(config.allowed_origins.len(), 3);
        assert_eq!(config.token_ttl, Duration::from_hours(1));
        assert_eq!(config.retention, None, "what was said is kept for ever");
        assert!(config.migrate_on_start && config.allow_query_token && config.registration_open);
        assert!(!config.require_origin && !config.demo_accounts);
    }

    #[test]
    fn messages_are_kept_for_whole_days() {
        let kept = |days| parse(&[("RETENTION_DAYS", days)]).unwrap().retention;
        assert_eq!((kept("0"), kept("1")), (None, Some(Duration::from_hours(24))));
        assert_eq!(kept("36500"), Some(Duration::from_hours(24 * 36_500)));
    }

    #[test]
    fn production_guesses_nothing() {
        assert_eq!(names(&parse(&[("NODE_ENV", "production")]).unwrap_err()), ["JWT_SECRET"]);
        let config = parse(&[("NODE_ENV", "production"), ("JWT_SECRET", SECRET)]).unwrap();
        assert_eq!(config.bind.to_string(), "0.0.0.0");
        assert!(config.allowed_origins.is_empty());
        let weak = parse(&[
            ("NODE_ENV", "production"),
            ("JWT_SECRET", SECRET),
            ("BCRYPT_COST", "4"),
        ]);
        assert_eq!(names(&weak.unwrap_err()), ["BCRYPT_COST"]);
    }

    #[test]
    fn a_short_secret_is_refused_and_never_shown() {
        let problems = parse(&[("JWT_SECRET", "hunter2")]).unwrap_err();
        assert_eq!(names(&problems), ["JWT_SECRET"]);
        assert!(!problems[0].to_string().contains("hunter2"));
        let config = parse(&[
            ("JWT_SECRET", SECRET),
            ("SENTRY_DSN", "https://key@sentry.example/1"),
        ])
        .unwrap();
        assert!(!format!("{config:?}").contains("thirty"));
        assert!(!format!("{config:?}").contains("sentry.example"));
    }

    #[test]
    fn all_problems_come_together() {
        let problems = parse(&[
            ("PORT", "65536"),
            ("MESSAGE_LIMIT", "many"),
            ("REGISTRATION", "maybe"),
            ("TRUSTED_PROXIES", "everyone"),
            ("DATABASE_URL", "mysql://u:hidden@h/d"),
            ("REDIS_URL", "http://u:hidden@h"),
            ("RETENTION_DAYS", "36501"),
            ("OUTBOX_BYTES", "-1"),
        ])
        .unwrap_err();
        let expected = [
            "PORT",
            "DATABASE_URL",
            "REDIS_URL",
            "RETENTION_DAYS",
            "TRUSTED_PROXIES",
            "MESSAGE_LIMIT",
            "OUTBOX_BYTES",
            "REGISTRATION",
        ];
        assert_eq!(names(&problems), expected);
        assert!(!format!("{problems:?}").contains("hidden"));
    }

    #[test]
    fn a_server_database_needs_the_secret_that_its_next_node_will_need() {
        let url = ("DATABASE_URL", "postgres://u:hidden@h/d");
        assert_eq!(names(&parse(&[url]).unwrap_err()), ["JWT_SECRET"]);
        let config = parse(&[url, ("JWT_SECRET", SECRET)]).unwrap();
        assert!(config.database.is_some() && !format!("{config:?}").contains("hidden"));
    }

    #[test]
    fn several_nodes_need_one_database_and_no_url_is_shown() {
        let redis = ("REDIS_URL", "redis://:hidden@h");
        let problems = parse(&[redis]).unwrap_err();
        assert_eq!(names(&problems), ["REDIS_URL"]);
        let told = problems[0].to_string();
        assert!(told.contains("DATABASE_URL") && !told.contains("hidden"), "{told}");
        let given = [("JWT_SECRET", SECRET), ("DATABASE_URL", "postgres://h/d"), redis];
        let config = parse(&given).unwrap();
        assert!(config.redis_url.is_some() && !format!("{config:?}").contains("hidden"));
        assert!(parse(&[]).unwrap().redis_url.is_none());
    }

    #[test]
    fn what_goes_on_to_other_systems_is_nothing_unless_it_is_asked_for() {
        let config = parse(&[]).unwrap();
        assert!(config.amqp_url.is_none() && !config.relay_from_now);
        assert_eq!(config.amqp_exchange, "chorus");
        let given = [
            ("AMQP_URL", "amqp://u:hidden@h/%2f"),
            ("AMQP_EXCHANGE", "chat.events"),
            ("RELAY_FROM", "now"),
        ];
        let config = parse(&given).unwrap();
        assert!(config.relay_from_now && config.amqp_exchange == "chat.events");
        assert!(!format!("{config:?}").contains("hidden"));
        let wrong = [
            ("AMQP_URL", "http://u:hidden@h"),
            ("AMQP_EXCHANGE", "amq.topic"),
            ("RELAY_FROM", "then"),
        ];
        let problems = parse(&wrong).unwrap_err();
        assert_eq!(names(&problems), ["AMQP_URL", "AMQP_EXCHANGE", "RELAY_FROM"]);
        assert!(!format!("{problems:?}").contains("hidden"));
    }

    #[test]
    fn a_kafka_is_brokers_and_a_topic_and_whom_it_lets_in() {
        assert!(parse(&[]).unwrap().kafka.is_none());
        let brokers = ("KAFKA_BROKERS", "a:9092,b:9093");
        let kafka = parse(&[brokers]).unwrap().kafka.unwrap();
        assert_eq!((kafka.brokers.len(), kafka.topic.as_str(), kafka.tls), (2, "chorus", false));
        assert!(kafka.login.is_none());
        let login = [("KAFKA_USER", "chat"), ("KAFKA_PASSWORD", "hidden")];
        let config = parse(&[brokers, login[0], login[1]]).unwrap();
        assert!(!format!("{config:?}").contains("hidden"));
        assert_eq!(config.kafka.unwrap().login.unwrap().mechanism, Mechanism::ScramSha512);
        for (half, missing) in [(login[0], "KAFKA_PASSWORD"), (login[1], "KAFKA_USER")] {
            assert_eq!(names(&parse(&[brokers, half]).unwrap_err()), [missing]);
        }
        let wrong = [
            ("KAFKA_BROKERS", "http://a"),
            ("KAFKA_TOPIC", "a b"),
            ("KAFKA_TLS", "perhaps"),
            ("KAFKA_USER", "chat"),
            ("KAFKA_SASL", "hidden"),
        ];
        let problems = parse(&wrong).unwrap_err();
        let all = [
            "KAFKA_BROKERS",
            "KAFKA_TOPIC",
            "KAFKA_TLS",
            "KAFKA_SASL",
            "KAFKA_PASSWORD",
        ];
        assert_eq!(names(&problems), all);
        assert!(!format!("{problems:?}").contains("hidden"));
    }

    #[test]
    fn webhooks_go_where_they_may_and_are_signed() {
        const SIGNS: (&str, &str) = ("WEBHOOK_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let two = ("WEBHOOKS", "search=https://a.example/?key=hidden, bot=http://10.1.2.3:8080");
        let allow = ("WEBHOOK_ALLOW", "10.1.0.0/16");
        let config = parse(&[two, SIGNS, allow]).unwrap();
        assert_eq!((config.webhooks.endpoints.len(), config.webhooks.allowed.len()), (2, 1));
        let shown = format!("{config:?}");
        assert!(!shown.contains("hidden") && !shown.contains("MfKQ"), "{shown}");
        assert_eq!(names(&parse(&[two, SIGNS]).unwrap_err()), ["WEBHOOKS"]);
        assert_eq!(names(&parse(&[two, allow]).unwrap_err()), ["WEBHOOK_SECRET"]);
        let wrong = [
            ("WEBHOOKS", "hidden"),
            ("WEBHOOK_SECRET", "hidden"),
            ("WEBHOOK_ALLOW", "hidden"),
        ];
        let problems = parse(&wrong).unwrap_err();
        assert_eq!(names(&problems), ["WEBHOOKS", "WEBHOOK_SECRET", "WEBHOOK_ALLOW"]);
        assert!(!format!("{problems:?}").contains("hidden"));
        assert!(parse(&[]).unwrap().webhooks.endpoints.is_empty());
    }

    #[test]
    fn replicas_are_a_list_and_no_url_is_shown() {
        let replicas = ("DATABASE_REPLICA_URLS", "postgres://u:hidden@a/d , postgres://b/d,");
        assert_eq!(names(&parse(&[replicas]).unwrap_err()), ["DATABASE_REPLICA_URLS"]);
        let given = [
            ("JWT_SECRET", SECRET),
            ("DATABASE_URL", "postgres://h/d"),
            replicas,
        ];
        let config = parse(&given).unwrap();
        assert_eq!(config.database.as_ref().unwrap().replicas.len(), 2);
        assert!(!format!("{config:?}").contains("hidden"));
    }

    #[test]
    fn any_part_of_the_predecessors_chooses_the_database() {
        let url = |given: &[(&str, &str)]| {
            let given = [&[("JWT_SECRET", SECRET)], given].concat();
            parse(&given).unwrap().database.map(|found| found.url.expose_secret().to_owned())
        };
        assert_eq!(url(&[]), None);
        assert_eq!(
            url(&[("DB_PASSWORD", "a b")]).as_deref(),
            Some("postgres://postgres:a%20b@localhost:5432/websocket_chat")
        );
        assert_eq!(
            url(&[("DB_HOST", "db"), ("DATABASE_URL", "postgres://whole/url")]).as_deref(),
            Some("postgres://whole/url"),
            "the whole one wins"
        );
    }

    #[test]
    fn every_number_is_bounded_and_every_default_is_valid() {
        for setting in settings::ALL {
            if let Kind::Number { min, max, .. } = setting.kind {
                let beyond = max.saturating_add(1).to_string();
                assert!(parse(&[(setting.name, beyond.as_str())]).is_err(), "{}", setting.name);
                assert!((min..=max).contains(&setting.default.parse().unwrap()), "{}", setting.name);
            }
        }
    }

    #[test]
    fn two_listeners_need_two_ports() {
        assert_eq!(names(&parse(&[("PORT", "9464")]).unwrap_err()), ["METRICS_PORT"]);
        assert!(parse(&[("PORT", "9464"), ("METRICS_BIND", "off")]).unwrap().metrics_bind.is_none());
    }

    #[test]
    fn the_kept_secret_lasts() {
        let dir = tempfile::tempdir().unwrap();
        let config = Config::default_for(dir.path());
        let first = config.signing_secret().unwrap();
        assert_eq!(first.expose_secret(), config.signing_secret().unwrap().expose_secret());
    }
}
