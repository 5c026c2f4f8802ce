//! `chorus export ROOM`: what was said in a room, as JSON Lines on standard output. It reads the data itself,
//! beside the node or where none runs, and so asks no node.

use std::io::Write;

use super::{Failure, in_a_runtime};
use crate::{
    chat::export::{Export, Span},
    config::{Config, Database},
    domain::{RoomName, Timestamp},
    shutdown::Tasks,
    store::{
        Store,
        postgres::{PostgresOptions, PostgresStore},
        sqlite::SqliteStore,
    },
};

/// What is exported.
#[derive(Debug, Clone, clap::Args)]
pub struct ExportArgs {
    /// The room
    room: String,
    /// Only what was said at this time or later: 2026-01-31, or 2026-01-31T12:00:00Z
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<Timestamp>,
    /// Only what was said before this time
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Timestamp>,
}

fn moment(text: &str) -> Result<Timestamp, &'static str> {
    Timestamp::parse(text).ok_or("a time is a day such as 2026-01-31, or 2026-01-31T12:00:00Z")
}

pub(super) fn run(args: &ExportArgs, config: &Config) -> Result<String, Failure> {
    let room = RoomName::parse(&args.room)?;
    let span = Span { since: args.since, until: args.until };
    if let Some(database) = &config.database {
        in_a_runtime(async { print(&server(database).await?, &room, span).await })??;
    } else {
        let store = SqliteStore::open_beside(&config.data_dir)?;
        in_a_runtime(print(&store, &room, span))??;
    }
    Ok(String::new())
}

/// Nothing is changed there, not even its schema.
async fn server(database: &Database) -> Result<PostgresStore, Failure> {
    let options = PostgresOptions {
        url: database.url.clone(),
        migrate: false,
        lock: None,
        connections: 2,
    };
    Ok(PostgresStore::open(&options, &Tasks::new()).await?)
}

async fn print(store: &impl Store, room: &RoomName, span: Span) -> Result<(), Failure> {
    let printed = lines(store, room, span).await;
    store.close().await;
    printed
}

async fn lines(store: &impl Store, room: &RoomName, span: Span) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let (mut export, head) = Export::begin(store, room, span).await?;
    out.write_all(head.as_bytes())?;
    while let Some(page) = export.page().await? {
        out.write_all(page.as_bytes())?;
    }
    Ok(out.flush()?)
}
