//! A cluster from `./scripts/cluster`, all of it on the servers' core, and what the parts of it have
//! used and done: the nodes, Redis and PostgreSQL.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Read, Write},
    mem,
    net::{SocketAddr, TcpStream},
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use crate::{
    LIMIT, Outcome,
    figures::Effort,
    kernel::{self, Used},
    process::{Process, server},
    town::{SETTINGS, binary},
};

/// A whole cluster makes its database first.
const START: Duration = Duration::from_mins(2);

/// A cluster. It ends with this.
pub struct Cluster {
    script: Process,
    /// What the kernel calls a node.
    node: String,
    /// Where one comes in, one address a node.
    pub doors: Vec<SocketAddr>,
    postgres: String,
    redis: BufReader<TcpStream>,
}

/// Where the parts of a cluster are.
pub struct Places(HashMap<String, String>);

impl Places {
    /// The URL of a part.
    pub fn of(&self, name: &str) -> Outcome<&str> {
        let url = self.0.get(name).ok_or_else(|| format!("the cluster has no {name}"))?;
        Ok(url)
    }
}

/// Starts `./scripts/cluster` with these arguments, and says where its parts are once all are ready.
pub fn script(arguments: &[&str]) -> Outcome<(Process, Places)> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/cluster");
    let mut command = server(&script.to_string_lossy());
    command
        .args(arguments)
        .envs(SETTINGS)
        .env("PING_SECONDS", "600")
        .env("CHORUS_BIN", binary()?);
    let mut said = HashMap::new();
    Process::start(&mut command, START, move |line| {
        if line == "ready" {
            return Some(Places(mem::take(&mut said)));
        }
        let (name, url) = line.split_once(' ')?;
        said.insert(name.to_owned(), url.to_owned());
        None
    })
}

/// How far everything was at a moment.
pub struct Counters {
    when: Instant,
    nodes: Used,
    redis: Used,
    postgres: Used,
    info: Info,
    log: Log,
}

/// What Redis says of itself.
#[derive(Debug, Default, PartialEq)]
struct Info {
    commands: f64,
    bytes_in: f64,
    bytes_out: f64,
    /// What telling this adds to the next one's bytes.
    told: f64,
}

/// What PostgreSQL says of itself.
struct Log {
    wal: f64,
    writes: f64,
    /// Of the chat's database. Its sessions tell it up to ten seconds later.
    transactions: f64,
}

impl Cluster {
    /// Starts so many nodes with what stands behind them.
    pub fn start(nodes: usize) -> Outcome<Self> {
        let (script, places) = script(&[&nodes.to_string()])?;
        // The kernel keeps fifteen letters of a name.
        let node = binary()?.file_name().map(|it| it.to_string_lossy().chars().take(15).collect());
        let doors = (1..=nodes).map(|node| address(places.of(&format!("node{node}"))?));
        let redis = TcpStream::connect_timeout(&address(places.of("redis")?)?, LIMIT)?;
        redis.set_read_timeout(Some(LIMIT))?;
        Ok(Self {
            script,
            node: node.ok_or("CHORUS_BIN is no program")?,
            doors: doors.collect::<Outcome<_>>()?,
            postgres: places.of("postgres")?.to_owned(),
            redis: BufReader::new(redis),
        })
    }

    /// How far everything is; what asking costs comes before the reading of the CPU.
    pub fn begin(&mut self) -> Outcome<Counters> {
        let (log, info) = (self.log()?, self.info()?);
        self.counters(info, log)
    }

    /// What was done since then.
    pub fn since(&mut self, before: &Counters) -> Outcome<Done> {
        let mut now = self.counters(Info::default(), Log { wal: 0.0, writes: 0.0, transactions: 0.0 })?;
        now.info = self.info()?;
        now.log = self.log()?;
        let cpu = |now: Used, before: Used| (now - before).all.as_secs_f64() * 1e6;
        Ok(Done {
            effort: Effort {
                nodes: cpu(now.nodes, before.nodes),
                redis: cpu(now.redis, before.redis),
                postgres: cpu(now.postgres, before.postgres),
                // The question before is one of them.
                commands: now.info.commands - before.info.commands - 1.0,
                redis_in: now.info.bytes_in - before.info.bytes_in,
                redis_out: now.info.bytes_out - before.info.bytes_out - before.info.told,
                writes: now.log.writes - before.log.writes,
                wal: now.log.wal - before.log.wal,
            },
            seconds: (now.when - before.when).as_secs_f64(),
            transactions: now.log.transactions - before.log.transactions,
        })
    }

    fn counters(&self, info: Info, log: Log) -> Outcome<Counters> {
        let (mut nodes, mut redis, mut postgres) = (Used::default(), Used::default(), Used::default());
        for (process, name) in kernel::family(self.script.id())? {
            let sum = match name.as_str() {
                name if name == self.node => &mut nodes,
                "redis-server" => &mut redis,
                "postgres" => &mut postgres,
                _ => continue,
            };
            // A session may have ended meanwhile.
            *sum = *sum + kernel::used(process).unwrap_or_default();
        }
        Ok(Counters { when: Instant::now(), nodes, redis, postgres, info, log })
    }

    fn info(&mut self) -> Outcome<Info> {
        self.redis.get_mut().write_all(b"INFO stats\r\n")?;
        let mut head = String::new();
        self.redis.read_line(&mut head)?;
        let length: usize = head.trim().strip_prefix('$').ok_or("Redis does not answer")?.parse()?;
        let mut answer = vec![0; length + 2];
        self.redis.read_exact(&mut answer)?;
        Info::parse(&String::from_utf8_lossy(&answer), head.len() + answer.len())
    }

    fn log(&self) -> Outcome<Log> {
        const QUERY: &str = "SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn, \
             pg_snapshot_xmax(pg_current_snapshot()), \
             (SELECT xact_commit FROM pg_stat_database WHERE datname = current_database())";
        let done = Command::new("psql").args(["-XAtq", &self.postgres, "-c", QUERY]).output()?;
        let answer = String::from_utf8_lossy(&done.stdout);
        let figures = answer.trim().split('|').map(str::parse).collect::<Result<Vec<f64>, _>>()?;
        match figures[..] {
            [wal, writes, transactions] => Ok(Log { wal, writes, transactions }),
            _ => Err("PostgreSQL does not answer".into()),
        }
    }
}

/// What was done in a while.
pub struct Done {
    effort: Effort,
    seconds: f64,
    transactions: f64,
}

impl Done {
    /// Of each second.
    pub fn a_second(&self) -> (Effort, f64) {
        (self.effort.per(self.seconds), self.transactions / self.seconds)
    }

    /// Of each second of each of so many, without what would have been done anyway.
    pub fn of_each_second(&self, count: usize, idle: &Effort) -> Effort {
        self.each(count, idle).per(self.seconds)
    }

    /// Of each of so many, without what would have been done anyway.
    pub fn each(&self, count: usize, idle: &Effort) -> Effort {
        self.effort.less(idle, self.seconds).per(count as f64)
    }
}

impl Info {
    fn parse(answer: &str, told: usize) -> Outcome<Self> {
        let field = |name: &str| -> Outcome<f64> {
            let value = answer.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            Ok(value.ok_or_else(|| format!("Redis does not say {name}"))?.trim().parse()?)
        };
        Ok(Self {
            commands: field("total_commands_processed")?,
            bytes_in: field("total_net_input_bytes")?,
            bytes_out: field("total_net_output_bytes")?,
            told: told as f64,
        })
    }
}

/// The host and port in a URL.
pub fn address(url: &str) -> Outcome<SocketAddr> {
    let rest = url.split_once("://").ok_or("not a URL")?.1;
    let host = rest.split('/').next().unwrap_or_default();
    Ok(host.rsplit('@').next().unwrap_or_default().parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_redis_says_is_understood() {
        let said = "# Stats\r\ntotal_connections_received:3\r\ntotal_commands_processed:41\r\n\
            total_net_input_bytes:500\r\ntotal_net_output_bytes:900\r\n";
        let info = Info::parse(said, 7).unwrap();
        assert_eq!(info, Info { commands: 41.0, bytes_in: 500.0, bytes_out: 900.0, told: 7.0 });
        assert!(Info::parse("# Stats\r\n", 7).is_err());
    }

    #[test]
    fn the_address_in_a_url_is_found() {
        let there: SocketAddr = "127.0.0.1:5432".parse().unwrap();
        for url in [
            "postgres://postgres@127.0.0.1:5432/chorus",
            "http://127.0.0.1:5432",
        ] {
            assert_eq!(address(url).unwrap(), there);
        }
        assert!(address("127.0.0.1:5432").is_err());
    }
}
