//! `chorus export ROOM`: what was said in a room, as JSON Lines on standard output. It reads the data itself,
//! beside the node or where none runs, and so asks no node.

use std::{io::Write, time::Duration};

use tokio::time::{Instant, sleep};

use super::{Failure, in_a_runtime};
use crate::{
    chat::export::{Export, ExportError, Span},
    config::{Config, Database},
    domain::{RoomName, Timestamp},
    shutdown::Tasks,
    store::{
        Store, StoreError,
        postgres::{PostgresOptions, PostgresStore},
        sqlite::SqliteStore,
    },
};

/// For so long what the database refuses is asked for again; a failover takes less.
const PATIENCE: Duration = Duration::from_secs(30);
/// The first pause before that and the longest. They double.
const PAUSE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(4));

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
pub(super) async fn server(database: &Database) -> Result<PostgresStore, Failure> {
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
    let (mut export, head) = patiently(async || Export::begin(store, room, span).await).await?;
    out.write_all(head.as_bytes())?;
    // One that is refused has moved nothing: it is the same that is asked for again.
    while let Some(page) = patiently(async || export.page().await).await? {
        out.write_all(page.as_bytes())?;
    }
    Ok(out.flush()?)
}

/// Asks, and asks again while the database is away.
async fn patiently<T>(mut ask: impl AsyncFnMut() -> Result<T, ExportError>) -> Result<T, Failure> {
    let (mut refused, mut pause) = (None, PAUSE.0);
    loop {
        let why = match ask().await {
            Err(ExportError::Store(why @ StoreError::Unavailable(_))) => why,
            other => return Ok(other?),
        };
        let since = *refused.get_or_insert_with(|| {
            let limit = PATIENCE.as_secs();
            let _ = writeln!(std::io::stderr(), "chorus: {why}; it is asked again for up to {limit} s");
            Instant::now()
        });
        if since.elapsed() >= PATIENCE {
            let limit = PATIENCE.as_secs();
            return Err(Failure(format!(
                "{why}; it was asked again for {limit} s. This export is not complete."
            )));
        }
        sleep(pause).await;
        pause = (pause * 2).min(PAUSE.1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AWAY: fn() -> ExportError = || StoreError::Unavailable("away".to_owned()).into();

    #[tokio::test(start_paused = true)]
    async fn what_is_refused_for_a_moment_is_asked_for_again() {
        let mut asked = 0;
        let answer = patiently(async || {
            asked += 1;
            if asked < 5 { Err(AWAY()) } else { Ok("page") }
        });
        assert_eq!(answer.await.unwrap(), "page");
        assert_eq!(asked, 5);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_refused_for_longer_is_given_up() {
        let (began, mut asked) = (Instant::now(), 0);
        let refused = patiently(async || {
            asked += 1;
            Err::<(), _>(AWAY())
        });
        let Failure(why) = refused.await.unwrap_err();
        assert!(why.contains("away") && why.contains("30 s"), "{why}");
        assert!(
            (PATIENCE..PATIENCE + PAUSE.1).contains(&began.elapsed()),
            "{:?}",
            began.elapsed()
        );
        assert!(asked > 5, "{asked}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_time_can_not_mend_is_told_at_once() {
        let began = Instant::now();
        let refused = patiently(async || Err::<(), _>(ExportError::NoRoom));
        let Failure(why) = refused.await.unwrap_err();
        assert_eq!(why, ExportError::NoRoom.to_string());
        assert_eq!(began.elapsed(), Duration::ZERO);
    }
}
