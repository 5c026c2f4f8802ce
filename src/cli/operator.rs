//! A node as an operator reaches it: where its metrics port is, and the token that opens it.

use std::{
    net::{SocketAddr, ToSocketAddrs},
    time::Duration,
};

use secrecy::SecretString;
use serde::Deserialize;

use super::{
    Failure,
    ask::{self, Answer},
    reachable,
};
use crate::config::{Config, kept};

/// How long a node may take: its queue of password hashes, and the answers of the others.
const LIMIT: Duration = Duration::from_secs(15);

/// A node that is asked.
pub(super) struct Operator {
    pub(super) node: SocketAddr,
    token: SecretString,
}

/// A refusal, as nodes answer it.
#[derive(Deserialize)]
struct Told {
    message: String,
}

impl Operator {
    /// The node of these settings, on this machine.
    pub(super) fn here(config: &Config) -> Result<Self, Failure> {
        let Some(bind) = config.metrics_bind else {
            return Err(Failure(
                "METRICS_BIND=off: the node of these settings has no port for its operator".to_owned(),
            ));
        };
        let node = reachable(bind, config.metrics_port);
        Ok(Self { node, token: Self::token(config)? })
    }

    /// The node at a URL, which can be anywhere.
    pub(super) fn at(url: &str, config: &Config) -> Result<Self, Failure> {
        let token = config.admin_token.clone();
        let token = token.ok_or_else(|| Failure("--node needs the ADMIN_TOKEN of the nodes".to_owned()))?;
        let place = url.strip_prefix("http://").map(|rest| rest.trim_end_matches('/'));
        let found = place.filter(|place| !place.contains('/')).map(ToSocketAddrs::to_socket_addrs);
        let form = || Failure("--node is a URL such as http://10.0.0.7:9464".to_owned());
        let node = match found.ok_or_else(form)? {
            Ok(mut addresses) => addresses.next(),
            Err(error) => return Err(Failure(format!("{url} can't be found: {error}"))),
        };
        Ok(Self { node: node.ok_or_else(form)?, token })
    }

    /// The one that was given, or the one that the node on this machine keeps.
    fn token(config: &Config) -> Result<SecretString, Failure> {
        if let Some(token) = &config.admin_token {
            return Ok(token.clone());
        }
        if config.database.is_some() {
            return Err(Failure(
                "with PostgreSQL this needs ADMIN_TOKEN, the same as the nodes have".to_owned(),
            ));
        }
        let place = config.data_dir.join(kept::ADMIN_TOKEN);
        kept::read(&place).map_err(|error| {
            let place = place.display();
            Failure(format!("no node of this machine can be asked: {place} can't be read: {error}"))
        })
    }

    /// What the node answers to this; its refusal is the failure.
    pub(super) fn get(&self, path: &str) -> Result<String, Failure> {
        self.taken(ask::get(self.node, path, Some(&self.token), LIMIT))
    }

    /// The same, with a body.
    pub(super) fn post(&self, path: &str, body: &str) -> Result<String, Failure> {
        self.taken(ask::post(self.node, path, &self.token, body, LIMIT))
    }

    fn taken(&self, answer: std::io::Result<Answer>) -> Result<String, Failure> {
        let answer = answer.map_err(|error| Failure(format!("no node answers at {}: {error}", self.node)))?;
        if (200..300).contains(&answer.status) {
            return Ok(answer.body);
        }
        let told = serde_json::from_str::<Told>(&answer.body);
        Err(Failure(told.map_or_else(
            |_| format!("the node answers with status {}", answer.status),
            |told| told.message,
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_elsewhere_is_named_by_a_url_and_wants_the_token() {
        let mut config = Config::default_for("unused");
        let why = |config: &Config, url| Operator::at(url, config).err().map(|failure| failure.0);
        assert!(why(&config, "http://127.0.0.1:9464").unwrap().contains("ADMIN_TOKEN"));
        config.admin_token = Some("a token of more than thirty-two bytes".to_owned().into());
        for bad in [
            "127.0.0.1:9464",
            "https://127.0.0.1:9464",
            "http://127.0.0.1:9464/admin",
            "http://",
        ] {
            assert!(why(&config, bad).is_some(), "{bad}");
        }
        assert_eq!(Operator::at("http://127.0.0.1:9464/", &config).ok().unwrap().node.port(), 9464);
    }

    #[test]
    fn without_a_token_it_is_said_which_is_needed() {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config::default_for(dir.path());
        assert!(Operator::here(&config).err().unwrap().0.contains("admin_token"));
        config.metrics_bind = None;
        assert!(Operator::here(&config).err().unwrap().0.contains("METRICS_BIND"));
    }
}
