//! The table of settings: one row each, from which the help, the flags, the defaults and the reference
//! (`docs/configuration.md`) come, so that they can't disagree.

/// What a setting's text must be.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// A whole number within bounds, of some unit.
    Number {
        /// The smallest that is accepted.
        min: u64,
        /// The largest.
        max: u64,
        /// What is counted.
        unit: &'static str,
    },
    /// `true` or `false`.
    Flag,
    /// Some other text; the words show its form in the help.
    Text(&'static str),
    /// Text that is never printed and never a flag, since flags are visible to every user of the
    /// machine. It can also be read from the file that `NAME_FILE` names.
    Secret,
}

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// The variable's name.
    pub name: &'static str,
    /// What it must be.
    pub kind: Kind,
    /// The text that stands when nothing is given; empty when there is none.
    pub default: &'static str,
    /// What it does, for the help.
    pub help: &'static str,
    /// What the reference adds: when one would change it, and what else it touches. May be empty.
    pub more: &'static str,
}

const fn number(min: u64, max: u64, unit: &'static str) -> Kind {
    Kind::Number { min, max, unit }
}

macro_rules! settings {
    ($($name:ident: $kind:expr, $default:literal, $help:literal $(, $more:literal)?;)*) => {
        $(
            #[doc = concat!("`", stringify!($name), "`: its row.")]
            pub const $name: Setting = Setting {
                name: stringify!($name),
                kind: $kind,
                default: $default,
                help: $help,
                more: concat!($($more)?),
            };
        )*

        /// All rows, in the order of the help.
        pub const ALL: &[Setting] = &[$($name),*];
    };
}

use Kind::{Flag, Secret, Text};

settings! {
    PORT: number(0, 65_535, "port"), "8080", "Port of the chat; 0 takes any free one";
    BIND: Text("address"), "", "Address of the chat; 127.0.0.1 in development, 0.0.0.0 in production";
    METRICS_PORT: number(0, 65_535, "port"), "9464", "Port of metrics, health and administration", "Never make it public: who reaches it sees the metrics, and administration listens there for this machine.";
    METRICS_BIND: Text("address or off"), "", "Address of that port; as BIND", "`off` closes the port, and with it the way of commands to a node on the embedded database.";
    NODE_ENV: Text("development, test or production"), "development", "What this node is for", "`production` logs JSON, listens on all addresses, allows no foreign origins by default, and wants a `JWT_SECRET`.";
    LOG_LEVEL: Text("directives"), "info", "What is logged: error, warn, info, debug, trace, or directives such as info,chorus::ws=debug", "Below `info` only this program, `hyper` and `rustls` tell anything: other libraries would print what they carry.";
    DATA_DIR: Text("folder"), "./data", "Where the embedded database and kept secrets live", "Back it up. Unused with PostgreSQL.";
    CLIENT_DIR: Text("folder"), "", "Serve the browser client from here instead of the built-in copy", "For work on the page.";
    JWT_SECRET: Secret, "", "Signs tokens, at least 32 bytes; outside production one is made and kept in DATA_DIR", "Required in production and with PostgreSQL, the same on every node. `openssl rand -hex 32` makes a good one. Whoever has it signs in as anybody.";
    JWT_SECRET_PREVIOUS: Secret, "", "Accepted on tokens besides JWT_SECRET, while that is changed", "With several nodes first the new secret stands here, then the former; see [a new secret](operations.md#a-new-secret). Drop it after `TOKEN_TTL_SECONDS`.";
    ADMIN_TOKEN: Secret, "", "Lets operators use the administration on METRICS_PORT from other hosts and with PostgreSQL; at least 32 bytes, the same on every node", "Without it `/admin` answers the machine of the node only, to the token that the node keeps in `DATA_DIR`. See [looking after running nodes](operations.md#looking-after-running-nodes).";
    DATABASE_URL: Secret, "", "PostgreSQL: postgres://user:password@host:5432/name?sslmode=verify-full; without it the embedded database in DATA_DIR", "Version 14 or later. `sslmode` and `sslrootcert` mean what they mean to libpq.";
    DB_HOST: Text("host or socket folder"), "localhost", "PostgreSQL in parts, instead of DATABASE_URL; any of them chooses it", "The names are the predecessor's. `DATABASE_URL` wins.";
    DB_PORT: number(1, 65_535, "port"), "5432", "Its port";
    DB_USER: Text("name"), "postgres", "Its user";
    DB_PASSWORD: Secret, "", "Its password";
    DB_NAME: Text("name"), "websocket_chat", "Its database";
    DATABASE_REPLICA_URLS: Secret, "", "Read replicas of it, comma-separated, for sign-in checks and pages of history", "They are asked only while they keep up; the primary is asked for what they miss.";
    DATABASE_CONNECTIONS: number(4, 1_000, "connections"), "16", "Most connections of this node to PostgreSQL: half for the log, half for the rest; half as many to each replica", "One more holds the node lock. `max_connections` of the server must do for all nodes: see [sizing](operations.md#sizing).";
    REDIS_URL: Secret, "", "Makes this one of several nodes of a chat, all with the same PostgreSQL and Redis: redis://user:password@host:6379/0, rediss:// with TLS, redis-cluster://host:port?node=host:port, redis-sentinel://host:26379?sentinelServiceName=name&node=host:port", "Without it a node is alone and locks its database.";
    AMQP_URL: Secret, "", "RabbitMQ, to which everything that is said goes on: amqp://user:password@host:5672/vhost, amqps:// with TLS", "See [events](events.md). The virtual host `/` is written `%2f`, or left out. Whether it can be reached says nothing about whether the node is ready.";
    AMQP_EXCHANGE: Text("name"), "chorus", "The topic exchange there; it is made if it is not there";
    KAFKA_BROKERS: Text("hosts and ports, comma-separated"), "", "Kafka, to which everything that is said goes on: some of its brokers, kafka-1.internal:9092,kafka-2.internal:9092", "See [events](events.md#on-kafka). Beside RabbitMQ, or alone. Whether they can be reached says nothing about whether the node is ready.";
    KAFKA_TOPIC: Text("name"), "chorus", "The topic there; it must be there", "How many partitions it has, and how many of its replicas must have a message, is the cluster's to say.";
    KAFKA_TLS: Flag, "false", "Speak TLS to the brokers", "With the authorities of the machine, or of the file that `SSL_CERT_FILE` names.";
    KAFKA_USER: Text("name"), "", "Who the node is to the brokers, with KAFKA_PASSWORD; without it nobody in particular", "Needs the right to `WRITE` and `DESCRIBE` the topic.";
    KAFKA_PASSWORD: Secret, "", "That user's password";
    KAFKA_SASL: Text("scram-sha-512, scram-sha-256 or plain"), "scram-sha-512", "How the password is shown to the brokers", "`plain` sends it: use it with `KAFKA_TLS`.";
    WEBHOOKS: Secret, "", "Receivers that everything that is said is posted to, at most 8: name=https://host/path name=https://…", "With commas or white space between them; a comma in a URL is `%2C`. The name stays: it says how far a receiver is. See [events](events.md#by-webhooks).";
    WEBHOOK_SECRET: Secret, "", "Signs what is posted: whsec_ and base64 of 24 to 64 bytes; while it is changed the new one and the former, with a space between them", "Required with `WEBHOOKS`. `echo whsec_$(openssl rand -base64 32)` makes a good one.";
    WEBHOOK_ALLOW: Text("networks"), "", "Networks where receivers may be though they are not public, or are spoken to without TLS", "Such as `10.1.2.0/24`. Whoever can choose what a name resolves to can make the nodes post there: no wider than it must be.";
    RELAY_FROM: Text("start or now"), "start", "Where it begins that has been told nothing yet: with the oldest message that is kept, or with what is said from now on", "Counts at the first start with it alone: from then on it goes on where it was.";
    MIGRATE_ON_START: Flag, "true", "Bring the database's schema up to date at start", "`false`: run `chorus migrate` yourself before the nodes.";
    RETENTION_DAYS: number(0, 36_500, "days"), "0", "How long messages are kept; 0 keeps them for ever", "The same on every node. Of each room the newest of the older ones stays until the one after it is as old, so that whoever was here since comes back without a gap. What was deleted is in backups only.";
    ALLOWED_ORIGINS: Text("origins, comma-separated"), "", "Pages that may call and connect, besides this node's own; local ones in development, none in production";
    REQUIRE_ORIGIN: Flag, "false", "Refuse sockets that name no origin (programs)", "Keeps out careless programs, not attackers: a program may claim any origin.";
    ALLOW_QUERY_TOKEN: Flag, "true", "Accept ?token= when a socket is opened, as the predecessor did", "`false` once no client of the predecessor is left.";
    TRUSTED_PROXIES: Text("networks, loopback, private or none"), "loopback", "Proxies whose X-Forwarded headers are believed", "Name the networks of your nginx, ingress or load balancer; else everybody behind it shares one address and its limits.";
    RATE_LIMIT_PER_HOUR: number(1, 10_000_000, "calls"), "200", "API calls without sign-in per address and hour", "Per node. Files, health and preflights are free.";
    API_LIMIT_PER_MINUTE: number(1, 10_000_000, "calls"), "600", "API calls per signed-in user and minute", "Per node.";
    MESSAGE_LIMIT: number(1, 100_000, "messages"), "20", "Messages per user and window", "In the whole cluster. Three times as many in one window close the socket.";
    MESSAGE_WINDOW_SECONDS: number(1, 3_600, "seconds"), "10", "Length of that window";
    BOT_MESSAGE_LIMIT: number(1, 100_000, "messages"), "50", "Messages per bot and window", "A bot is a program with a token of `chorus token create`. In the whole cluster, as those of people.";
    MESSAGE_MAX_CHARS: number(1, 4_000, "characters"), "500", "Longest message";
    MAX_SOCKETS_PER_USER: number(1, 1_000_000, "sockets"), "20", "Sockets per user on this node";
    MAX_SOCKETS_PER_ADDRESS: number(1, 1_000_000, "sockets"), "200", "Sockets per address on this node", "Raise it for offices behind one address.";
    MAX_ROOMS_PER_SOCKET: number(1, 1_000, "rooms"), "50", "Rooms one socket may be in";
    OUTBOX_BYTES: number(65_536, 67_108_864, "bytes"), "262144", "What may wait for one slow socket before it is closed", "It is closed with 1013 and resumes. Memory for the worst case is this times the sockets that are slow at once.";
    BCRYPT_COST: number(4, 15, "log2 of rounds"), "10", "Cost of a password hash; at least 10 in production", "One more doubles the time of a sign-in.";
    TOKEN_TTL_SECONDS: number(1, 2_592_000, "seconds"), "3600", "How long a token is valid", "Clients renew theirs while they are connected.";
    PRESENCE_GRACE_SECONDS: number(0, 300, "seconds"), "5", "How long somebody without a socket still counts as here", "Make it longer than a node takes to restart, and no list changes meanwhile.";
    PING_SECONDS: number(1, 600, "seconds"), "25", "How often sockets are pinged; silent for two of them closes", "Keep twice this below the idle timeout of every proxy on the way.";
    REGISTRATION: Text("open or closed"), "open", "Whether anybody may register", "`closed`: only `chorus user add` makes accounts.";
    DEMO_ACCOUNTS: Flag, "false", "Make the accounts demo (demo1234) and guest (guest1234) at start", "Never where strangers come. A name that is taken is not overwritten.";
    SHUTDOWN_TIMEOUT_SECONDS: number(1, 600, "seconds"), "10", "After this long a stopping node ends the hard way", "Its people are told to go elsewhere within this time. Give the orchestrator more before it kills.";
    SENTRY_DSN: Secret, "", "Where errors are reported";
    OTEL_EXPORTER_OTLP_ENDPOINT: Text("URL"), "", "Where traces are sent (OTLP over HTTP); other OTEL_ variables have their standard meaning", "Among them `OTEL_SERVICE_NAME` and `OTEL_TRACES_SAMPLER`.";
}

impl Setting {
    /// The flag's name: `--message-limit`, for a secret `--jwt-secret-file`.
    pub fn flag(&self) -> String {
        self.variable().to_ascii_lowercase().replace('_', "-")
    }

    /// The variable that the flag stands for: the setting, for a secret its file.
    pub fn variable(&self) -> String {
        match self.kind {
            Secret => self.file_variable(),
            _ => self.name.to_owned(),
        }
    }

    /// The variable that names the file a secret is read from.
    pub fn file_variable(&self) -> String {
        format!("{}_FILE", self.name)
    }

    /// Whether it is never printed.
    pub const fn is_secret(&self) -> bool {
        matches!(self.kind, Secret)
    }

    /// The help: what it does, its bounds and unit, its default.
    pub fn explained(&self) -> String {
        let form = match self.kind {
            Kind::Number { min, max, unit } => format!(" [{min} to {max} {unit}]"),
            Flag => " [true or false]".to_owned(),
            Text(form) => format!(" [{form}]"),
            Secret => format!(" [secret: {} or a file]", self.name),
        };
        let default = match self.default {
            "" => String::new(),
            text => format!(" [default: {text}]"),
        };
        format!("{}{form}{default}", self.help)
    }
}
