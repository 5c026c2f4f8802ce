//! `chorus admin …`: the operator's desk from the command line, through the node on this machine or
//! through another one. Tables for people, the node's own JSON for programs.

mod shown;

use clap::{Args, Subcommand};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::{
    Failure,
    operator::Operator,
    user::{self, Task},
};
use crate::{config::Config, domain::Username};

/// What is asked, of whom, and how the answer is shown.
#[derive(Debug, Clone, Args)]
pub struct Admin {
    /// Print the node's answer as JSON
    #[arg(long, global = true)]
    json: bool,
    /// Ask this node, by its metrics port (<http://10.0.0.7:9464>) and with `ADMIN_TOKEN`; else the one
    /// on this machine
    #[arg(long, global = true, value_name = "URL")]
    node: Option<String>,
    #[command(subcommand)]
    what: AdminCommand,
}

/// What an operator can ask for.
#[derive(Debug, Clone, Subcommand)]
pub enum AdminCommand {
    /// The cluster as the node sees it: nodes, leases, versions, database, bus
    Cluster,
    /// Who is connected, and where
    Connections {
        /// Only this person's
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
        /// Only those in this room
        #[arg(long, value_name = "ROOM")]
        room: Option<String>,
        /// From here on, as the page before said
        #[arg(long, value_name = "PLACE")]
        after: Option<String>,
        /// So many at most
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=200))]
        limit: u16,
    },
    /// End all sign-ins of a person, and close their sockets on all nodes
    SignOut {
        /// The account's name
        name: String,
    },
    /// Say something to everybody on all nodes
    Announce {
        /// What to say
        text: String,
        /// Only to those in this room
        #[arg(long, value_name = "ROOM")]
        room: Option<String>,
    },
    /// Stop the node as SIGTERM does: its people are sent elsewhere first
    Drain,
    /// Send so many of the node's sockets elsewhere as it has above the mean of all nodes
    Rebalance {
        /// Spread over so long
        #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=600))]
        window: u64,
        /// Only say how many
        #[arg(long)]
        dry_run: bool,
    },
}

/// Does it and answers what is to be printed.
pub(super) fn run(admin: &Admin, config: &Config) -> Result<String, Failure> {
    if let (AdminCommand::SignOut { name }, None) = (&admin.what, &admin.node) {
        return sign_out(name, admin.json, config);
    }
    let operator = match &admin.node {
        Some(url) => Operator::at(url, config)?,
        None => Operator::here(config)?,
    };
    let answer = match request(&admin.what) {
        (path, Some(body)) => operator.post(&path, &body.to_string())?,
        (path, None) => operator.get(&path)?,
    };
    if admin.json {
        return Ok(answer);
    }
    match &admin.what {
        AdminCommand::Cluster => Ok(shown::cluster(&read(&answer)?)),
        AdminCommand::Connections { .. } => Ok(shown::connections(&read(&answer)?)),
        AdminCommand::SignOut { .. } => Ok(shown::signed_out(&read(&answer)?)),
        AdminCommand::Announce { .. } => Ok(shown::announced(&read(&answer)?)),
        AdminCommand::Drain => Ok(shown::drained(&read(&answer)?)),
        AdminCommand::Rebalance { .. } => Ok(shown::rebalanced(&read(&answer)?)),
    }
}

/// Through the node on this machine if it has the data to itself, else in the data: nodes find there
/// within seconds what has ended.
fn sign_out(name: &str, as_json: bool, config: &Config) -> Result<String, Failure> {
    // A name that came from the predecessor may not fit today's rule.
    let username = Username::from_store(name);
    let sign_ins = user::perform(&Task::SignOut(username), config)?;
    let told = shown::SignedOut { username: name.to_owned(), sign_ins };
    if as_json { Ok(serde_json::to_string(&told)?) } else { Ok(shown::signed_out(&told)) }
}

/// How the node is asked: where, and with which body.
fn request(what: &AdminCommand) -> (String, Option<Value>) {
    match what {
        AdminCommand::Cluster => ("/admin/cluster".to_owned(), None),
        AdminCommand::Connections { user, room, after, limit } => {
            let asked = [("user", user), ("room", room), ("after", after)];
            let given = asked.iter().filter_map(|(key, value)| Some((key, value.as_ref()?)));
            let query = given.map(|(key, value)| format!("&{key}={}", encoded(value)));
            (format!("/admin/connections?limit={limit}{}", query.collect::<String>()), None)
        }
        AdminCommand::SignOut { name } => ("/admin/sign-outs".to_owned(), Some(json!({ "username": name }))),
        AdminCommand::Announce { text, room } => {
            let mut body = Map::from_iter([("message".to_owned(), json!(text))]);
            body.extend(room.iter().map(|room| ("room".to_owned(), json!(room))));
            ("/admin/announce".to_owned(), Some(Value::Object(body)))
        }
        AdminCommand::Drain => ("/admin/drain".to_owned(), Some(json!({}))),
        AdminCommand::Rebalance { window, dry_run } => {
            let body = json!({ "windowSeconds": window, "dryRun": dry_run });
            ("/admin/rebalance".to_owned(), Some(body))
        }
    }
}

fn read<T: DeserializeOwned>(answer: &str) -> Result<T, Failure> {
    let strange = |_| {
        Failure(
            "the node's answer is not understood: it may be of another version; --json shows it".to_owned(),
        )
    };
    serde_json::from_str(answer).map_err(strange)
}

/// A text as a part of a query.
fn encoded(text: &str) -> String {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
    let one = |byte: u8| if safe(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_becomes_a_query_that_means_only_that() {
        let what = AdminCommand::Connections {
            user: Some("a&room=b c".to_owned()),
            room: None,
            after: None,
            limit: 7,
        };
        assert_eq!(request(&what).0, "/admin/connections?limit=7&user=a%26room%3Db%20c");
    }
}
