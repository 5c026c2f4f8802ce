//! The scripts that run inside Redis, each a promise that nothing comes between its steps.
//!
//! A server may forget its scripts at any time: one that it does not know is sent whole.

use std::sync::LazyLock;

use fred::{
    clients::{Client, WithOptions},
    error::Error,
    interfaces::ClientLike,
    types::{ClusterHash, CustomCommand, FromValue, Value},
    util::sha1_hash,
};

/// A script and the name that Redis gives it.
pub(super) struct Script {
    text: &'static str,
    sha: String,
}

macro_rules! scripts {
    ($($name:ident: $($file:literal)+;)*) => {
        $(pub(super) static $name: LazyLock<Script> = LazyLock::new(|| {
            Script::of(concat!($(include_str!(concat!("scripts/", $file, ".lua")),)+))
        });)*
    };
}

scripts! {
    CHANGE: "room" "change";
    SETS: "room" "sets";
    VERSIONS: "room" "versions";
    COUNTS: "room" "counts";
    BURY: "room" "bury";
    LEAVE: "room" "leave";
    ENTER: "enter";
    END: "end";
    BEAT: "beat";
    STILL: "still";
    CLAIM: "claim";
    HEALTH: "health";
    SPOKEN: "spoken";
}

impl Script {
    fn of(text: &'static str) -> Self {
        Self { text, sha: sha1_hash(text) }
    }

    /// Runs it. With Redis Cluster all keys must belong to one server.
    pub(super) async fn run<T: FromValue>(
        &self,
        client: &WithOptions<Client>,
        keys: Vec<String>,
        args: Vec<String>,
    ) -> Result<T, Error> {
        let values = |script: &str| {
            let mut values = vec![Value::from(script), Value::from(keys.len().to_string())];
            values.extend(keys.iter().chain(&args).map(|text| Value::from(text.as_str())));
            values
        };
        match client.custom(command("EVALSHA"), values(&self.sha)).await {
            Err(error) if error.details().contains("NOSCRIPT") => {
                client.custom(command("EVAL"), values(self.text)).await
            }
            other => other,
        }
    }
}

/// The first key says which server.
const fn hash() -> ClusterHash {
    ClusterHash::Offset(2)
}

fn command(name: &'static str) -> CustomCommand {
    CustomCommand::new_static(name, hash(), false)
}
