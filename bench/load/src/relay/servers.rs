//! PostgreSQL and RabbitMQ, and the nodes that stand on them alone: a database for each.

use std::{
    net::SocketAddr,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{
    LIMIT, Outcome,
    amqp::Broker,
    behind::{self, address},
    http::Calls,
    kernel::{self, Used},
    process::{Process, free_port, stand_aside},
    stop, town,
};

/// Signs what people are let in by, as long as all this lasts.
const SECRET: &str = "of a benchmark, which ends in some minutes";
/// How often something is asked that is waited for.
const ASK: Duration = Duration::from_millis(20);

/// What nodes stand on. It ends with this.
pub(super) struct Servers {
    script: Process,
    postgres: String,
    amqp: String,
    broker: Pid,
    folder: tempfile::TempDir,
}

/// One node alone on its database.
pub(super) struct Node {
    process: Process,
    /// Where one comes in.
    pub(super) door: SocketAddr,
    operator: SocketAddr,
}

/// CPU used so far.
#[derive(Clone, Copy)]
pub(super) struct Spent {
    node: Used,
    postgres: Used,
    broker: Used,
}

/// A broker that says nothing as long as this lasts.
pub(super) struct Frozen(Pid);

impl Servers {
    /// Starts both, and moves the broker aside.
    pub(super) fn start() -> Outcome<Self> {
        let (script, places) = behind::script(&["0", "--rabbitmq"])?;
        let family = kernel::family(script.id())?;
        let called = |name: &str| family.iter().find(|it| it.1 == name).map(|it| it.0);
        let broker = called("beam.smp").ok_or("the broker's process is not found")?;
        // The script gives each part a group, which has the number of its first process.
        stand_aside(broker, called("rabbitmq-server").unwrap_or(broker))?;
        let postgres = places.of("postgres")?;
        Ok(Self {
            postgres: postgres.rsplit_once('/').ok_or("PostgreSQL has no URL")?.0.to_owned(),
            amqp: places.of("rabbitmq")?.to_owned(),
            broker: Pid::from_raw(broker.try_into()?),
            script,
            folder: town::folder()?,
        })
    }

    /// A database, and a queue for what its nodes tell: durable, or in the broker's memory alone.
    pub(super) fn make(&self, database: &str, durable: bool) -> Outcome {
        self.sql("chorus", &format!("CREATE DATABASE {database}"))?;
        self.broker()?.bind(database, database, durable)
    }

    /// Says this to a database.
    pub(super) fn sql(&self, database: &str, text: &str) -> Outcome {
        let url = format!("{}/{database}", self.postgres);
        if Command::new("psql").args(["-XAtq", &url, "-c", text]).status()?.success() {
            Ok(())
        } else {
            Err(format!("PostgreSQL refuses: {text}").into())
        }
    }

    /// A line to the broker.
    pub(super) fn broker(&self) -> Outcome<Broker> {
        Broker::at(address(&self.amqp)?)
    }

    /// The broker's URL.
    pub(super) fn amqp(&self) -> &str {
        &self.amqp
    }

    /// A fresh node on that database, which tells this broker, if any.
    pub(super) fn node(&self, database: &str, amqp: Option<&str>) -> Outcome<Node> {
        let (url, operator) = (format!("{}/{database}", self.postgres), free_port()?);
        let port = operator.port().to_string();
        let mut settings = vec![
            ("DATABASE_URL", url.as_str()),
            ("JWT_SECRET", SECRET),
            ("METRICS_PORT", &port),
            ("PING_SECONDS", "600"),
        ];
        if let Some(amqp) = amqp {
            settings.extend([("AMQP_URL", amqp), ("AMQP_EXCHANGE", database)]);
        }
        let (process, door) = town::node(self.folder.path(), &settings)?;
        Ok(Node { process, door, operator })
    }

    /// From now on the broker says nothing, and its lines stay.
    pub(super) fn freeze(&self) -> Outcome<Frozen> {
        kill(self.broker, Signal::SIGSTOP)?;
        Ok(Frozen(self.broker))
    }

    /// What has been used so far by this node and by what stands behind it.
    pub(super) fn spent(&self, node: &Node) -> Outcome<Spent> {
        let (mut postgres, mut broker) = (Used::default(), Used::default());
        for (process, name) in kernel::family(self.script.id())? {
            let sum = match name.as_str() {
                "postgres" => &mut postgres,
                "beam.smp" => &mut broker,
                _ => continue,
            };
            // A session may have ended meanwhile.
            *sum = *sum + kernel::used(process).unwrap_or_default();
        }
        Ok(Spent { node: node.process.used()?, postgres, broker })
    }
}

impl Node {
    /// Waits until a gauge or counter of the relay is so much.
    pub(super) fn awaits(&self, metric: &str, value: f64) -> Outcome {
        let name = format!("chorus_relay_{metric}{{sink=\"rabbitmq\"}}");
        let began = Instant::now();
        let is_it = || Calls::metric(self.operator, &name).map(|now| (now - value).abs() < 0.5);
        while !is_it()? {
            stop::check()?;
            if began.elapsed() > LIMIT {
                return Err(format!("{name} does not become {value}").into());
            }
            thread::sleep(ASK);
        }
        Ok(())
    }
}

impl Spent {
    /// Microseconds of each of so many since then: of the node, of PostgreSQL, of the broker.
    pub(super) fn each_since(self, before: Self, count: f64) -> [f64; 3] {
        [
            self.node - before.node,
            self.postgres - before.postgres,
            self.broker - before.broker,
        ]
        .map(|used| used.all.as_secs_f64() * 1e6 / count)
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        let _ = kill(self.0, Signal::SIGCONT);
    }
}
