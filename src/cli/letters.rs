//! `chorus dead-letters`: what receivers of webhooks have refused for good, and posting it once more. It reads the data
//! itself, beside the node or where none runs, and changes nothing there.

use std::io::Write;

use super::{
    Failure, export, in_a_runtime,
    table::{Side, Table},
};
use crate::{
    config::Config,
    relay::{Fate, tell_again, webhook::Webhook},
    store::{PutAside, Store, sqlite::SqliteStore},
};

/// What is done with them.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum LettersCommand {
    /// List what was put aside, newest first
    List {
        /// At most so many
        #[arg(long, default_value_t = 100)]
        most: u32,
    },
    /// Post all of it once more to the receiver that refused it, oldest first; receivers know it by its id
    Post {
        /// The receiver's name in WEBHOOKS
        name: String,
    },
}

pub(super) fn run(what: &LettersCommand, config: &Config) -> Result<String, Failure> {
    if let Some(database) = &config.database {
        in_a_runtime(async { done(what, config, &export::server(database).await?).await })?
    } else {
        let store = SqliteStore::open_beside(&config.data_dir)?;
        in_a_runtime(done(what, config, &store))?
    }
}

async fn done(what: &LettersCommand, config: &Config, store: &impl Store) -> Result<String, Failure> {
    let done = match what {
        LettersCommand::List { most } => {
            store.dead_letters(*most).await.map(|found| listed(&found)).map_err(Failure::from)
        }
        LettersCommand::Post { name } => post(name, config, store).await,
    };
    store.close().await;
    done
}

fn listed(letters: &[PutAside]) -> String {
    if letters.is_empty() {
        return "Nothing was put aside.".to_owned();
    }
    let columns = [
        ("sink", Side::Left),
        ("room", Side::Left),
        ("seq", Side::Right),
        ("why", Side::Left),
        ("attempts", Side::Right),
        ("at", Side::Left),
        ("id", Side::Left),
    ];
    let mut table = Table::of(&columns);
    for letter in letters {
        table.row([
            letter.sink.clone(),
            letter.name.to_string(),
            letter.seq.0.to_string(),
            letter.reason.clone(),
            letter.attempts.to_string(),
            letter.at.to_string(),
            letter.message_id.clone(),
        ]);
    }
    table.text()
}

async fn post(name: &str, config: &Config, store: &impl Store) -> Result<String, Failure> {
    let settings = &config.webhooks;
    let endpoint = settings.endpoints.iter().find(|endpoint| endpoint.name() == name);
    let (Some(endpoint), Some(keys)) = (endpoint, &settings.keys) else {
        return Err(Failure(format!("WEBHOOKS names no {name}")));
    };
    let webhook = Webhook::new(endpoint.clone(), keys.clone(), settings.allowed.clone());
    let mut webhook = webhook.map_err(|why| Failure(format!("WEBHOOKS {why}")))?;
    let mut letters = store.dead_letters(u32::MAX).await?;
    letters.retain(|letter| letter.sink == endpoint.sink());
    letters.sort_by_key(|letter| (letter.room, letter.seq));
    let mut taken = 0;
    for letter in &letters {
        let told = tell_again(store, &mut webhook, letter).await?;
        taken += u32::from(told == Some(Fate::Confirmed));
        let word = match told {
            Some(Fate::Confirmed) => "taken".to_owned(),
            Some(Fate::Declined(status) | Fate::Failed(status)) => format!("status {status}"),
            Some(Fate::Later(pause)) => {
                let asked =
                    format!("asked to be left alone for {} seconds: post again then", pause.as_secs());
                return Err(Failure(format!(
                    "{} {}: {asked}; {taken} were taken",
                    letter.name, letter.seq.0
                )));
            }
            Some(_) => "no answer".to_owned(),
            None => "not in the log any more".to_owned(),
        };
        writeln!(std::io::stdout().lock(), "{} {}: {word}", letter.name, letter.seq.0)?;
    }
    Ok(format!("{taken} of {} were taken.", letters.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{RoomId, RoomName, Seq, Timestamp};

    #[test]
    fn what_was_put_aside_is_a_table() {
        let letter = PutAside {
            sink: "webhook.bot".to_owned(),
            room: RoomId(1),
            name: RoomName::lobby(),
            seq: Seq(7),
            message_id: "1.7.1.id".to_owned(),
            reason: "status 422".to_owned(),
            attempts: 5,
            at: Timestamp(1_767_323_045_678),
        };
        let told = listed(&[letter]);
        let expected = "webhook.bot  lobby    7  status 422         5  2026-01-02T03:04:05.678Z  1.7.1.id";
        assert_eq!(told.lines().nth(1), Some(expected), "{told}");
        assert_eq!(listed(&[]), "Nothing was put aside.");
    }

    #[test]
    fn who_is_not_in_the_settings_is_posted_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let config = Config::default_for(dir.path());
        SqliteStore::migrate(dir.path()).unwrap();
        let post = LettersCommand::Post { name: "bot".to_owned() };
        assert!(run(&post, &config).is_err_and(|failure| failure.0.contains("names no bot")));
        assert!(run(&LettersCommand::List { most: 9 }, &config).is_ok_and(|told| told.contains("Nothing")));
    }
}
