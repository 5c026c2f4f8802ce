//! What an operator can do beside serving: see whether a node lives, bring the schema up to date,
//! check the settings, manage accounts and tokens of bots, export and back up data, look after the running nodes.
//!
//! Accounts are managed through the running node when there is one (it has the lock on the data,
//! and must close the sockets of whoever is deleted), else in the data itself. The rules are
//! `auth`'s either way. Passwords are read from standard input (a person at a terminal is asked and
//! does not see what is typed), never from arguments, which every user of the machine can see.

mod admin;
mod ask;
mod backup;
mod export;
mod letters;
mod operator;
mod prompt;
mod table;
mod token;
mod user;

use std::{
    fmt,
    io::Write,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use clap::{Parser, Subcommand};

pub use self::{
    admin::{Admin, AdminCommand},
    export::ExportArgs,
    letters::LettersCommand,
    token::TokenCommand,
    user::UserCommand,
};
use crate::{
    config::{Config, Flags, reference},
    store::{postgres::PostgresStore, sqlite::SqliteStore},
};

/// How long a healthcheck may take.
const HEALTH: Duration = Duration::from_secs(2);

/// Chorus, a self-hosted real-time chat. Without a command it serves.
#[derive(Debug, Parser)]
#[command(name = "chorus", version, about)]
pub struct Cli {
    /// The settings given as flags.
    #[command(flatten)]
    pub flags: Flags,
    /// What to do; nothing means serve.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What else the program can do.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Ask the node on PORT whether it lives; exit code 0 or 1
    Healthcheck,
    /// Bring the database's schema up to date
    Migrate,
    /// Check the settings: all mistakes are told; exit code 0 or 1
    Config {
        /// Print the reference of all settings instead, as Markdown
        #[arg(long)]
        markdown: bool,
    },
    /// Add an account, set its password, delete it
    #[command(subcommand)]
    User(UserCommand),
    /// Make, list and revoke tokens by which programs speak
    #[command(subcommand)]
    Token(TokenCommand),
    /// Print what was said in a room as JSON Lines, beside a node that runs
    Export(ExportArgs),
    /// Copy the embedded database into a new file, beside a node that runs
    Backup {
        /// The file, which must not be there yet
        file: PathBuf,
    },
    /// See what receivers of webhooks have refused for good, and post it once more
    #[command(subcommand)]
    DeadLetters(LettersCommand),
    /// See and steer the running nodes: who is connected, announcements, drains
    Admin(Admin),
}

/// Why a command did not do its work, in a sentence.
#[derive(Debug)]
struct Failure(String);

impl<E: fmt::Display> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

/// Does it, tells how it went, and answers the exit code.
pub fn run(command: &Command, config: &Config) -> ExitCode {
    let done = match command {
        Command::Healthcheck => healthcheck(config),
        Command::Migrate => migrate(config),
        // Settings with a mistake don't come this far.
        Command::Config { markdown: false } => Ok("The settings are fine.".to_owned()),
        Command::Config { markdown: true } => Ok(reference::markdown().trim_end().to_owned()),
        Command::User(what) => user::run(what, config),
        Command::Token(what) => token::run(what, config),
        Command::Export(what) => export::run(what, config),
        Command::Backup { file } => backup::run(file, config),
        Command::DeadLetters(what) => letters::run(what, config),
        Command::Admin(what) => admin::run(what, config),
    };
    match done {
        // It has printed what it had to say.
        Ok(told) if told.is_empty() => ExitCode::SUCCESS,
        Ok(told) => {
            let _ = writeln!(std::io::stdout().lock(), "{told}");
            ExitCode::SUCCESS
        }
        Err(Failure(why)) => {
            let _ = writeln!(std::io::stderr().lock(), "chorus: {why}");
            ExitCode::FAILURE
        }
    }
}

fn healthcheck(config: &Config) -> Result<String, Failure> {
    let node = reachable(config.bind, config.port);
    let answer = ask::get(node, "/health", None, HEALTH)?;
    if answer.status == 200 {
        Ok("ok".to_owned())
    } else {
        Err(Failure(format!("the node answers with status {}", answer.status)))
    }
}

/// Needs no lock of a node: with `MIGRATE_ON_START=false` one may be running or waiting.
fn migrate(config: &Config) -> Result<String, Failure> {
    match &config.database {
        Some(database) => in_a_runtime(PostgresStore::migrate(&database.url))??,
        None => SqliteStore::migrate(&config.data_dir)?,
    }
    Ok("The schema is up to date.".to_owned())
}

fn in_a_runtime<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work))
}

/// Where a listener on `bind` is reached from this machine.
const fn reachable(bind: IpAddr, port: u16) -> SocketAddr {
    let address = match bind {
        IpAddr::V4(v4) if v4.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(v6) if v6.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        other => other,
    };
    SocketAddr::new(address, port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn the_help_shows_every_setting_with_its_default() {
        use clap::CommandFactory;
        let help = Cli::command().render_long_help().to_string();
        for setting in crate::config::settings::ALL {
            assert!(help.contains(&format!("--{}", setting.flag())), "{}", setting.name);
            assert!(help.contains(setting.default), "{}", setting.name);
        }
    }

    #[test]
    fn a_flag_is_a_setting_wherever_it_stands() {
        for line in [
            ["chorus", "--port", "7", "healthcheck"],
            ["chorus", "healthcheck", "--port", "7"],
        ] {
            let cli = Cli::try_parse_from(line).unwrap();
            assert_eq!(Config::read(&cli.flags).unwrap().port, 7);
        }
        assert!(Cli::try_parse_from(["chorus", "--jwt-secret", "x"]).is_err());
        assert!(Cli::try_parse_from(["chorus", "user", "add", "alice", "her password"]).is_err());
    }

    #[test]
    fn everywhere_is_reached_here() {
        assert_eq!(reachable("0.0.0.0".parse().unwrap(), 1).to_string(), "127.0.0.1:1");
        assert_eq!(reachable("::".parse().unwrap(), 1).to_string(), "[::1]:1");
        assert_eq!(reachable("10.0.0.1".parse().unwrap(), 1).to_string(), "10.0.0.1:1");
    }

    #[tokio::test]
    async fn the_schema_is_migrated_beside_a_running_node() {
        use crate::store::Store;
        let dir = tempfile::tempdir().unwrap();
        let config = Config::default_for(dir.path());
        migrate(&config).unwrap();
        let running = SqliteStore::open(dir.path()).unwrap();
        running.check().await.unwrap();
        migrate(&config).unwrap();
        running.check().await.unwrap();
        assert!(
            SqliteStore::open(dir.path()).is_err_and(|error| error.is_locked()),
            "it keeps its lock"
        );
    }

    #[test]
    fn no_node_is_an_unhealthy_node() {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut config = Config::default_for("unused");
        config.port = silent.local_addr().unwrap().port();
        let began = std::time::Instant::now();
        assert!(healthcheck(&config).is_err());
        assert!(began.elapsed() < Duration::from_secs(4));
        drop(silent);
        assert!(healthcheck(&config).is_err());
    }
}
