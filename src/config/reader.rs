//! From text to settings, one after the other. Pure; what is wrong is collected, not thrown.

use std::{net::IpAddr, time::Duration};

use secrecy::{ExposeSecret, SecretString};

use super::{
    Config, Database, Environment, Problem, SECRET_MIN_BYTES,
    database::{self, Parts},
    kafka,
    settings::{self, Kind, Setting},
    values,
    webhooks::{self, Webhooks},
};
use crate::relay::{
    kafka::{Login, Settings},
    webhook::Keys,
};

/// Reads one setting after the other and collects what is wrong.
pub(super) struct Reader<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
    pub(super) problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    /// Of what `lookup` finds.
    pub(super) const fn new(lookup: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { lookup, problems: Vec::new() }
    }

    pub(super) fn config(&mut self) -> Config {
        use settings as s;
        let node_env = self.environment();
        let bind = self.bind(node_env);
        Config {
            port: self.number(&s::PORT),
            bind,
            metrics_port: self.number(&s::METRICS_PORT),
            metrics_bind: self.metrics_bind(bind),
            node_env,
            log_level: self.value(&s::LOG_LEVEL, values::log_directives).unwrap_or_default(),
            data_dir: self.text(&s::DATA_DIR).unwrap_or_default().into(),
            client_dir: self.text(&s::CLIENT_DIR).map(Into::into),
            jwt_secret: self.secret(&s::JWT_SECRET, Self::long_enough),
            jwt_secret_previous: self.secret(&s::JWT_SECRET_PREVIOUS, Self::long_enough),
            admin_token: self.secret(&s::ADMIN_TOKEN, Self::long_enough),
            database: self.database(),
            redis_url: self.secret(&s::REDIS_URL, database::redis_url),
            amqp_url: self.secret(&s::AMQP_URL, database::amqp_url),
            amqp_exchange: self.value(&s::AMQP_EXCHANGE, values::exchange).unwrap_or_default(),
            kafka: self.kafka(),
            webhooks: self.webhooks(),
            relay_from_now: self.is_first(&s::RELAY_FROM, "now", "start"),
            migrate_on_start: self.flag(&s::MIGRATE_ON_START),
            retention: self.retention(),
            allowed_origins: self.origins(node_env),
            require_origin: self.flag(&s::REQUIRE_ORIGIN),
            allow_query_token: self.flag(&s::ALLOW_QUERY_TOKEN),
            trusted_proxies: self.value(&s::TRUSTED_PROXIES, values::proxies).unwrap_or_default(),
            rate_limit_per_hour: self.number(&s::RATE_LIMIT_PER_HOUR),
            api_limit_per_minute: self.number(&s::API_LIMIT_PER_MINUTE),
            message_limit: self.number(&s::MESSAGE_LIMIT),
            message_window: self.seconds(&s::MESSAGE_WINDOW_SECONDS),
            bot_message_limit: self.number(&s::BOT_MESSAGE_LIMIT),
            message_max_chars: self.number(&s::MESSAGE_MAX_CHARS),
            max_sockets_per_user: self.number(&s::MAX_SOCKETS_PER_USER),
            max_sockets_per_address: self.number(&s::MAX_SOCKETS_PER_ADDRESS),
            max_rooms_per_socket: self.number(&s::MAX_ROOMS_PER_SOCKET),
            outbox_bytes: self.number(&s::OUTBOX_BYTES),
            bcrypt_cost: self.number(&s::BCRYPT_COST),
            token_ttl: self.seconds(&s::TOKEN_TTL_SECONDS),
            presence_grace: self.seconds(&s::PRESENCE_GRACE_SECONDS),
            ping_interval: self.seconds(&s::PING_SECONDS),
            registration_open: self.is_first(&s::REGISTRATION, "open", "closed"),
            demo_accounts: self.flag(&s::DEMO_ACCOUNTS),
            shutdown_timeout: self.seconds(&s::SHUTDOWN_TIMEOUT_SECONDS),
            sentry_dsn: self.secret(&s::SENTRY_DSN, values::dsn),
            otlp_endpoint: self.value(&s::OTEL_EXPORTER_OTLP_ENDPOINT, values::endpoint),
        }
    }

    fn text(&self, setting: &Setting) -> Option<String> {
        let given = (self.lookup)(setting.name).map(|text| text.trim().to_owned());
        given
            .filter(|text| !text.is_empty())
            .or_else(|| (!setting.default.is_empty()).then(|| setting.default.to_owned()))
    }

    fn value<T>(&mut self, setting: &Setting, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let text = self.text(setting)?;
        match parse(&text) {
            Ok(value) => Some(value),
            Err(reason) => {
                self.problems.push(Problem::new(setting.name, reason));
                None
            }
        }
    }

    fn number<T: TryFrom<u64> + Default>(&mut self, setting: &Setting) -> T {
        let Kind::Number { min, max, unit } = setting.kind else { return T::default() };
        self.value(setting, |text| values::number(text, min, max, unit))
            .and_then(|value| T::try_from(value).ok())
            .unwrap_or_default()
    }

    fn seconds(&mut self, setting: &Setting) -> Duration {
        Duration::from_secs(self.number(setting))
    }

    fn retention(&mut self) -> Option<Duration> {
        let days: u64 = self.number(&settings::RETENTION_DAYS);
        (days > 0).then(|| Duration::from_hours(24 * days))
    }

    fn flag(&mut self, setting: &Setting) -> bool {
        self.value(setting, values::flag).unwrap_or_default()
    }

    fn secret(&mut self, setting: &Setting, check: fn(&str) -> Result<(), String>) -> Option<SecretString> {
        self.value(setting, |text| check(text).map(|()| text.to_owned().into()))
    }

    fn long_enough(text: &str) -> Result<(), String> {
        if text.len() >= SECRET_MIN_BYTES {
            Ok(())
        } else {
            Err(format!(
                "must be at least {SECRET_MIN_BYTES} bytes; `openssl rand -hex 32` makes a good one"
            ))
        }
    }

    fn environment(&mut self) -> Environment {
        self.value(&settings::NODE_ENV, |text| match text {
            "development" => Ok(Environment::Development),
            "test" => Ok(Environment::Test),
            "production" => Ok(Environment::Production),
            _ => Err("must be development, test or production".to_owned()),
        })
        .unwrap_or(Environment::Production)
    }

    fn bind(&mut self, node_env: Environment) -> IpAddr {
        let everywhere = IpAddr::from([0, 0, 0, 0]);
        let here = IpAddr::from([127, 0, 0, 1]);
        self.value(&settings::BIND, values::address).unwrap_or(if node_env.is_production() {
            everywhere
        } else {
            here
        })
    }

    fn metrics_bind(&mut self, bind: IpAddr) -> Option<IpAddr> {
        let given = self.value(&settings::METRICS_BIND, |text| match text {
            "off" => Ok(None),
            other => values::address(other).map(Some),
        });
        given.unwrap_or(Some(bind))
    }

    fn origins(&mut self, node_env: Environment) -> Vec<String> {
        let local = [
            "http://localhost:5500",
            "http://127.0.0.1:5500",
            "http://localhost:8080",
        ];
        self.value(&settings::ALLOWED_ORIGINS, values::origins).unwrap_or_else(|| {
            if node_env.is_production() { Vec::new() } else { local.map(str::to_owned).to_vec() }
        })
    }

    /// `DATABASE_URL`, or what any of its parts choose.
    fn database(&mut self) -> Option<Database> {
        use settings as s;
        let whole = self.secret(&s::DATABASE_URL, database::postgres_url);
        let replicas = self.secret(&s::DATABASE_REPLICA_URLS, database::postgres_urls);
        let (host, port) = (self.text(&s::DB_HOST), self.number(&s::DB_PORT));
        let (user, name) = (self.text(&s::DB_USER), self.text(&s::DB_NAME));
        let password = self.secret(&s::DB_PASSWORD, |_| Ok(()));
        let connections = self.number(&s::DATABASE_CONNECTIONS);
        let parts = [s::DB_HOST, s::DB_PORT, s::DB_USER, s::DB_PASSWORD, s::DB_NAME];
        let url = if self.is_given(&s::DATABASE_URL) {
            whole?
        } else if parts.iter().any(|part| self.is_given(part)) {
            let parts = Parts {
                host: host.as_deref().unwrap_or_default(),
                port,
                user: user.as_deref().unwrap_or_default(),
                password: password.as_ref().map(ExposeSecret::expose_secret),
                name: name.as_deref().unwrap_or_default(),
            };
            parts.url().into()
        } else {
            return None;
        };
        let replicas = replicas.iter().flat_map(|urls| database::listed(urls.expose_secret()));
        Some(Database {
            url,
            replicas: replicas.map(Into::into).collect(),
            connections,
        })
    }

    /// `KAFKA_BROKERS`, and what belongs to it.
    fn kafka(&mut self) -> Option<Settings> {
        use settings as s;
        let brokers = self.value(&s::KAFKA_BROKERS, kafka::brokers);
        let topic = self.value(&s::KAFKA_TOPIC, kafka::topic);
        let tls = self.flag(&s::KAFKA_TLS);
        let (user, password) = (self.text(&s::KAFKA_USER), self.secret(&s::KAFKA_PASSWORD, |_| Ok(())));
        let mechanism = self.value(&s::KAFKA_SASL, kafka::mechanism);
        let login = match (user, password) {
            (Some(user), Some(password)) => mechanism.map(|mechanism| Login { user, password, mechanism }),
            (None, None) => None,
            (user, _) => {
                let missing = if user.is_some() { s::KAFKA_PASSWORD } else { s::KAFKA_USER };
                self.problems
                    .push(Problem::new(missing.name, "is missing: a login is a user and a password"));
                None
            }
        };
        Some(Settings { brokers: brokers?, topic: topic?, tls, login })
    }

    /// What may be called is judged by what is allowed, and told of in the order of the table.
    fn webhooks(&mut self) -> Webhooks {
        use settings as s;
        let allowed = self.text(&s::WEBHOOK_ALLOW).and_then(|text| webhooks::allowed(&text).ok());
        let allowed = allowed.unwrap_or_default();
        let endpoints = self.value(&s::WEBHOOKS, |text| webhooks::endpoints(text, &allowed));
        let keys = self.value(&s::WEBHOOK_SECRET, Keys::parse);
        self.value(&s::WEBHOOK_ALLOW, webhooks::allowed);
        let endpoints = endpoints.unwrap_or_default();
        if !endpoints.is_empty() && !self.is_given(&s::WEBHOOK_SECRET) {
            let reason =
                "is required with WEBHOOKS; `echo whsec_$(openssl rand -base64 32)` makes a good one";
            self.problems.push(Problem::new("WEBHOOK_SECRET", reason));
        }
        Webhooks { endpoints, keys, allowed }
    }

    /// Whether anything was given, right or wrong.
    fn is_given(&self, setting: &Setting) -> bool {
        (self.lookup)(setting.name).is_some_and(|text| !text.trim().is_empty())
    }

    /// Which of two words, the first of which means yes.
    fn is_first(&mut self, setting: &Setting, first: &str, second: &str) -> bool {
        let parse = |text: &str| match text {
            yes if yes == first => Ok(true),
            no if no == second => Ok(false),
            _ => Err(format!("must be {first} or {second}")),
        };
        self.value(setting, parse).unwrap_or_default()
    }

    /// What single settings can't show.
    pub(super) fn check_together(&mut self, config: &Config) {
        let missing = (self.lookup)("JWT_SECRET").is_none_or(|secret| secret.trim().is_empty());
        if (config.node_env.is_production() || config.database.is_some()) && missing {
            let reason = "is required in production and with PostgreSQL (the same for every node); \
                `openssl rand -hex 32` makes a good one";
            self.problems.push(Problem::new("JWT_SECRET", reason));
        }
        if config.database.is_none() && self.is_given(&settings::DATABASE_REPLICA_URLS) {
            let reason = "needs the database they are replicas of: set DATABASE_URL";
            self.problems.push(Problem::new("DATABASE_REPLICA_URLS", reason));
        }
        if config.database.is_none()
            && self.is_given(&settings::REDIS_URL)
            && !self.is_given(&settings::DATABASE_URL)
        {
            let reason = "needs the database that all nodes share: set DATABASE_URL to a PostgreSQL, or unset \
                REDIS_URL for a node alone";
            self.problems.push(Problem::new("REDIS_URL", reason));
        }
        if config.node_env.is_production() && (4..10).contains(&config.bcrypt_cost) {
            self.problems.push(Problem::new("BCRYPT_COST", "must be at least 10 in production"));
        }
        if config.port != 0 && config.port == config.metrics_port && config.metrics_bind.is_some() {
            self.problems.push(Problem::new("METRICS_PORT", "must differ from PORT"));
        }
    }
}
