//! `chorus token …`: what lets programs speak, through the running node or in the data itself.
//!
//! A token is shown once, alone on standard output, so that a script can keep it; what is said about it goes to
//! standard error.

use std::{io::Write, sync::Arc};

use clap::Subcommand;
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Failure, in_a_runtime,
    operator::Operator,
    table::{Side, Table},
    user::server,
};
use crate::{
    admin::ListedToken,
    auth::{Bots, Passwords},
    config::{Config, Database},
    domain::{RoomName, Scope, SignInId, Username},
    error::Refusal,
    store::{
        Store,
        sqlite::{OpenError, SqliteStore},
    },
};

/// What can be done with the tokens of bots.
#[derive(Debug, Clone, Subcommand)]
pub enum TokenCommand {
    /// Make a token for a bot, and the bot if nobody has its name; the token is shown once
    Create {
        /// The bot's name, under which it speaks
        name: String,
        /// A room it is for; may be given again
        #[arg(long = "room", value_name = "ROOM", required = true)]
        rooms: Vec<String>,
        /// It may read what is said there, and who is there
        #[arg(long)]
        read: bool,
        /// It may speak there
        #[arg(long)]
        write: bool,
        /// How long it is good; without it until it is revoked
        #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=3650))]
        days: Option<u32>,
    },
    /// Show the tokens that are valid: what they allow, not themselves
    List,
    /// End the tokens of a bot, and close its connections
    Revoke {
        /// The bot's name
        name: String,
        /// Only this one, as `list` shows it
        #[arg(long)]
        id: Option<String>,
    },
}

/// A command whose parts have been read and found possible.
enum Task {
    Create(Username, Scope, Option<u32>),
    List,
    Revoke(Username, Option<SignInId>),
}

pub(super) fn run(command: &TokenCommand, config: &Config) -> Result<String, Failure> {
    let task = Task::read(command)?;
    let done = if let Some(database) = &config.database {
        in_a_runtime(in_the_server(&task, config, database))??
    } else {
        match SqliteStore::open(&config.data_dir) {
            Ok(store) => in_a_runtime(in_the_data(&task, config, Arc::new(store)))??,
            Err(OpenError::Locked(_)) => through_the_node(&task, config)?,
            Err(error) => return Err(error.into()),
        }
    };
    Ok(told(&task, done))
}

impl Task {
    fn read(command: &TokenCommand) -> Result<Self, Failure> {
        Ok(match command {
            TokenCommand::Create { name, rooms, read, write, days } => {
                let rooms = rooms.iter().map(|room| RoomName::parse(room)).collect::<Result<_, _>>()?;
                Self::Create(Username::parse(name)?, Scope::new(rooms, *read, *write)?, *days)
            }
            TokenCommand::List => Self::List,
            TokenCommand::Revoke { name, id } => {
                let parse =
                    |id: &String| SignInId::parse(id).ok_or("an id is what `chorus token list` shows");
                Self::Revoke(Username::parse(name)?, id.as_ref().map(parse).transpose()?)
            }
        })
    }
}

/// What came of it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Done {
    /// One that was made.
    token: Option<String>,
    /// Those that there are.
    #[serde(default)]
    tokens: Vec<ListedToken>,
    /// How many were ended.
    #[serde(default)]
    ended: usize,
}

/// For whoever typed it.
fn told(task: &Task, done: Done) -> String {
    match task {
        Task::Create(name, ..) => {
            let _ = writeln!(
                std::io::stderr().lock(),
                "{name} shows this as `Authorization: Bearer`. It is not kept here and can't be shown again."
            );
            done.token.unwrap_or_default()
        }
        Task::List => listed(&done.tokens),
        Task::Revoke(name, _) => format!("{} of {name}: ended.", plural(done.ended)),
    }
}

fn plural(tokens: usize) -> String {
    if tokens == 1 { "1 token".to_owned() } else { format!("{tokens} tokens") }
}

fn listed(tokens: &[ListedToken]) -> String {
    if tokens.is_empty() {
        return "There are no tokens.".to_owned();
    }
    let columns = ["id", "bot", "may", "made", "until", "rooms"].map(|name| (name, Side::Left));
    let mut table = Table::of(&columns);
    for token in tokens {
        let may = [("read", token.read), ("write", token.write)];
        let may: Vec<_> = may.iter().filter(|(_, may)| *may).map(|(what, _)| *what).collect();
        let day = |time: &str| time.chars().take(10).collect();
        table.row([
            token.id.clone(),
            token.username.clone(),
            may.join("+"),
            day(&token.created_at),
            token.expires_at.as_deref().map_or_else(|| "for ever".to_owned(), day),
            token.rooms.join(", "),
        ]);
    }
    table.text()
}

async fn in_the_server(task: &Task, config: &Config, database: &Database) -> Result<Done, Failure> {
    in_the_data(task, config, server(config, database).await?).await
}

async fn in_the_data(task: &Task, config: &Config, store: Arc<dyn Store>) -> Result<Done, Failure> {
    let done = apply(task, &Bots::new(store.clone(), Passwords::new(config.bcrypt_cost))).await;
    store.close().await;
    done.map_err(|refusal| Failure(refusal.message.into_owned()))
}

async fn apply(task: &Task, bots: &Bots) -> Result<Done, Refusal> {
    let mut done = Done { token: None, tokens: Vec::new(), ended: 0 };
    match task {
        Task::Create(name, scope, days) => {
            let made = bots.add_token(name, scope.clone(), *days).await?;
            done.token = Some(made.token.expose_secret().to_owned());
        }
        Task::List => done.tokens = bots.tokens().await?.iter().map(ListedToken::from).collect(),
        Task::Revoke(name, only) => done.ended = bots.revoke(name, *only).await?.len(),
    }
    Ok(done)
}

/// As the node is asked for it.
fn request(task: &Task) -> (&'static str, Value) {
    match task {
        Task::Create(name, scope, days) => (
            "/admin/tokens",
            json!({
                "username": name, "rooms": scope.rooms(), "read": scope.reads(), "write": scope.writes(),
                "days": days,
            }),
        ),
        Task::List => ("/admin/tokens/list", json!({})),
        Task::Revoke(name, only) => (
            "/admin/tokens/revoke",
            json!({ "username": name, "id": only.map(|sid| sid.to_string()) }),
        ),
    }
}

/// A node runs: it is asked, so that it also closes the sockets of whoever is concerned.
fn through_the_node(task: &Task, config: &Config) -> Result<Done, Failure> {
    let (path, body) = request(task);
    let answer = Operator::here(config)?.post(path, &body.to_string())?;
    serde_json::from_str(&answer).map_err(|_| Failure("the node's answer can't be read".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn create(rooms: &[&str], read: bool, write: bool) -> Result<Task, Failure> {
        let rooms = rooms.iter().map(|room| (*room).to_owned()).collect();
        Task::read(&TokenCommand::Create { name: "adder".to_owned(), rooms, read, write, days: None })
    }

    #[test]
    fn what_can_not_be_is_refused_before_anything_is_asked() {
        assert!(create(&["lobby"], true, true).is_ok());
        assert!(create(&["Lobby"], true, true).is_err_and(|failure| failure.0.contains("room name")));
        assert!(
            create(&["lobby"], false, false).is_err_and(|failure| failure.0.contains("to read, to write"))
        );
        let revoke = TokenCommand::Revoke { name: "adder".to_owned(), id: Some("?".to_owned()) };
        assert!(Task::read(&revoke).is_err_and(|failure| failure.0.contains("token list")));
    }

    #[test]
    fn tokens_are_made_listed_and_revoked_in_the_data_when_no_node_runs() {
        let dir = tempfile::tempdir().unwrap();
        let config = Config { bcrypt_cost: 4, ..Config::default_for(dir.path()) };
        let act = |task: &Task| {
            let store = Arc::new(SqliteStore::open(dir.path()).unwrap());
            in_a_runtime(in_the_data(task, &config, store)).and_then(|done| done)
        };
        let made = act(&create(&["lobby"], true, false).unwrap()).unwrap();
        assert!(made.token.is_some_and(|token| token.starts_with("chorus_")));
        let failed = act(&create(&["nowhere"], true, false).unwrap());
        assert!(failed.is_err_and(|failure| failure.0.contains("nowhere")));
        let found = act(&Task::List).unwrap().tokens;
        let line = listed(&found);
        assert!(line.contains("adder  read  ") && line.contains("  for ever  lobby"), "{line}");
        assert!(!line.contains("chorus_") && !line.contains("write"), "{line}");
        let adder = Username::parse("Adder").unwrap();
        assert_eq!(act(&Task::Revoke(adder.clone(), None)).unwrap().ended, 1);
        assert!(act(&Task::Revoke(adder, None)).is_err());
        assert_eq!(listed(&act(&Task::List).unwrap().tokens), "There are no tokens.");
    }
}
