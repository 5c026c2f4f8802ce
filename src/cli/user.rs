//! `chorus user …`: accounts, through the running node or in the data itself.

use std::{io, sync::Arc};

use clap::Subcommand;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Failure, in_a_runtime, operator::Operator, prompt};
use crate::{
    auth::{Accounts, Passwords},
    config::{Config, Database},
    domain::{Password, Username},
    error::Refusal,
    shutdown::Tasks,
    store::{
        Store,
        postgres::{PostgresOptions, PostgresStore},
        sqlite::{OpenError, SqliteStore},
    },
};

/// What can be done with an account. Passwords are one line of standard input, asked for and not
/// shown on a terminal.
#[derive(Debug, Clone, Subcommand)]
pub enum UserCommand {
    /// Add an account; its password is one line of standard input, asked for on a terminal
    Add {
        /// The account's name
        name: String,
        /// Said for clarity: the password always comes from standard input
        #[arg(long)]
        password_stdin: bool,
    },
    /// Set an account's password and end its sign-ins; it is one line of standard input, asked for on a
    /// terminal
    Password {
        /// The account's name
        name: String,
        /// Said for clarity: the password always comes from standard input
        #[arg(long)]
        password_stdin: bool,
    },
    /// Delete an account; what it said stays
    Delete {
        /// The account's name
        name: String,
    },
}

/// A command whose parts have been read and found possible.
pub(super) enum Task {
    Add(Username, Password),
    Set(Username, Password),
    Delete(Username),
    SignOut(Username),
}

pub(super) fn run(command: &UserCommand, config: &Config) -> Result<String, Failure> {
    let task = Task::read(command, || prompt::hidden_line("Password: "))?;
    perform(&task, config).map(|_| task.told())
}

/// Does it, where the data is; answers how many sign-ins ended, where that is asked for.
pub(super) fn perform(task: &Task, config: &Config) -> Result<usize, Failure> {
    if let Some(database) = &config.database {
        return in_a_runtime(in_the_server(task, config, database))?;
    }
    match SqliteStore::open(&config.data_dir) {
        Ok(store) => in_a_runtime(in_the_data(task, config, Arc::new(store)))?,
        Err(OpenError::Locked(_)) => through_the_node(task, config),
        Err(error) => Err(error.into()),
    }
}

impl Task {
    /// A password is only asked for when the name may have one.
    fn read(command: &UserCommand, ask: impl FnOnce() -> io::Result<String>) -> Result<Self, Failure> {
        let password = || Ok::<_, Failure>(Password::parse(&ask()?)?);
        match command {
            UserCommand::Add { name, .. } => Ok(Self::Add(Username::parse(name)?, password()?)),
            UserCommand::Password { name, .. } => Ok(Self::Set(Username::parse(name)?, password()?)),
            // A name that came from the predecessor may not fit today's rule.
            UserCommand::Delete { name } => Ok(Self::Delete(Username::from_store(name.as_str()))),
        }
    }

    fn told(&self) -> String {
        match self {
            Self::Add(name, _) => format!("{name} can sign in now."),
            Self::Set(name, _) => format!("{name} has a new password; all earlier sign-ins have ended."),
            Self::Delete(name) => format!("{name} is deleted."),
            Self::SignOut(name) => format!("{name} is signed out."),
        }
    }

    /// As the node is asked for it.
    fn request(&self) -> (&'static str, Value) {
        match self {
            Self::Add(name, password) => {
                ("/admin/users", json!({ "username": name, "password": password.expose() }))
            }
            Self::Set(name, password) => (
                "/admin/users/password",
                json!({ "username": name, "password": password.expose() }),
            ),
            Self::Delete(name) => ("/admin/users/delete", json!({ "username": name })),
            Self::SignOut(name) => ("/admin/sign-outs", json!({ "username": name })),
        }
    }
}

async fn in_the_server(task: &Task, config: &Config, database: &Database) -> Result<usize, Failure> {
    in_the_data(task, config, server(config, database).await?).await
}

/// A server can be worked in whoever else does: its nodes find ended sign-ins there within seconds.
pub(super) async fn server(config: &Config, database: &Database) -> Result<Arc<dyn Store>, Failure> {
    let options = PostgresOptions {
        url: database.url.clone(),
        migrate: config.migrate_on_start,
        lock: None,
        connections: database.connections,
    };
    Ok(Arc::new(PostgresStore::open(&options, &Tasks::new()).await?))
}

/// The rules are applied to the data.
async fn in_the_data(task: &Task, config: &Config, store: Arc<dyn Store>) -> Result<usize, Failure> {
    let done = apply(task, &Accounts::new(store.clone(), Passwords::new(config.bcrypt_cost))).await;
    store.close().await;
    done.map_err(|refusal| Failure(refusal.message.into_owned()))
}

async fn apply(task: &Task, accounts: &Accounts) -> Result<usize, Refusal> {
    match task {
        Task::Add(name, password) => accounts.create(name, password).await.map(|()| 0),
        Task::Set(name, password) => accounts.set(name, password).await.map(|ended| ended.len()),
        Task::Delete(name) => accounts.delete(name).await.map(|ended| ended.len()),
        Task::SignOut(name) => accounts.sign_out(name).await.map(|ended| ended.len()),
    }
}

/// A node runs: it is asked, so that it also closes the sockets of whoever is concerned.
fn through_the_node(task: &Task, config: &Config) -> Result<usize, Failure> {
    let (path, body) = task.request();
    let answer = Operator::here(config)?.post(path, &body.to_string())?;
    Ok(serde_json::from_str::<Ended>(&answer).map_or(0, |ended| ended.sign_ins))
}

/// What a node answers that has ended sign-ins.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ended {
    sign_ins: usize,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    fn add(name: &str, ask: impl FnOnce() -> io::Result<String>) -> Result<Task, Failure> {
        let command = UserCommand::Add { name: name.to_owned(), password_stdin: true };
        Task::read(&command, ask)
    }

    #[test]
    fn a_password_is_asked_for_a_name_that_may_have_one() {
        let added = add("alice", || Ok("correct horse".to_owned())).unwrap();
        assert!(matches!(added, Task::Add(_, password) if password.expose() == "correct horse"));
        assert!(add("alice", || Ok(String::new())).is_err());
        assert!(add("alice", || Ok("short".to_owned())).is_err());
        assert!(add("no name", || panic!("asked in vain")).is_err());
        let delete = UserCommand::Delete { name: "alice".to_owned() };
        assert!(Task::read(&delete, || panic!("asked in vain")).is_ok());
    }

    #[test]
    fn accounts_are_managed_in_the_data_when_no_node_runs() {
        let dir = tempfile::tempdir().unwrap();
        let config = Config::default_for(dir.path());
        let name = Username::parse("alice").unwrap();
        let password = Password::parse("correct horse").unwrap();
        let act = |task: &Task| {
            let store = Arc::new(SqliteStore::open(dir.path()).unwrap());
            in_a_runtime(in_the_data(task, &config, store)).and_then(|done| done)
        };
        act(&Task::Add(name.clone(), password.clone())).unwrap();
        let again = act(&Task::Add(Username::parse("ALICE").unwrap(), password)).unwrap_err();
        assert!(again.0.contains("has this name"), "{}", again.0);
        act(&Task::Set(name.clone(), Password::parse("another horse").unwrap())).unwrap();

        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let store: Arc<dyn Store> = Arc::new(SqliteStore::open(dir.path()).unwrap());
            let accounts = Accounts::new(store.clone(), Passwords::new(4));
            let old = accounts.authenticate("alice", "correct horse").await.unwrap_err();
            assert_eq!(old.code, Code::InvalidCredentials);
            assert!(accounts.authenticate("alice", "another horse").await.is_ok());
            store.close().await;
            drop(accounts);
        });
        act(&Task::Delete(name.clone())).unwrap();
        assert!(act(&Task::Delete(name)).is_err());
    }
}
