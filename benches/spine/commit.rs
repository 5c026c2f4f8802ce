//! Group commit against one commit per message, both to the same kind of file on the same disk,
//! every one synced.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use chorus::{
    chat::log_writer::{Entry, LogWriter, Outlet},
    cluster::Committed,
    domain::{ClientId, MessageBody, RoomId, RoomName, UserId, Username},
    shutdown::Tasks,
    store::{
        Accounts, Log, NewEvent, Store,
        sqlite::{SqliteOptions, SqliteStore},
    },
};
use futures_util::future::try_join_all;
use tokio::{runtime::Runtime, sync::oneshot, time::timeout};

use crate::{
    LIMIT, Outcome,
    node::folder,
    report::{Table, median, step},
};

/// People who each say the next thing when the last is committed.
const SENDERS: usize = 256;
const ROUNDS: usize = 5;
/// How long one measurement lasts.
const TIME: Duration = Duration::from_secs(1);

pub(crate) fn run(runtime: &Runtime, table: &mut Table) -> Outcome {
    let (mut grouped, mut single, mut bare) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        step(&format!("round {round} of {ROUNDS}"));
        grouped.push(runtime.block_on(groups())?);
        single.push(runtime.block_on(one_by_one())?);
        bare.push(syncs()?);
    }
    let single = median(&single);
    table.ratio(
        &format!("group commit, {SENDERS} senders"),
        (median(&grouped), "messages/s"),
        (single, "a commit each"),
        "",
    );
    table.ratio("a commit each", (single, "/s"), (median(&bare), "4 KiB and fdatasync"), "");
    Ok(())
}

/// A store of its own with one person in it, and the lobby.
struct Scene {
    store: Arc<SqliteStore>,
    room: RoomId,
    sender: UserId,
    username: Username,
    said: AtomicU64,
    _folder: tempfile::TempDir,
}

impl Scene {
    async fn with(options: &SqliteOptions) -> Outcome<Self> {
        let folder = folder()?;
        let store = Arc::new(SqliteStore::open_with(folder.path(), options)?);
        let username = Username::parse("person")?;
        let sender = store.create_user(&username, "-").await?;
        let lobby = Log::room(&*store, &RoomName::lobby()).await?.ok_or("no lobby")?;
        Ok(Self {
            store,
            room: lobby.id,
            sender,
            username,
            said: AtomicU64::new(0),
            _folder: folder,
        })
    }

    fn event(&self) -> Outcome<NewEvent> {
        let number = self.said.fetch_add(1, Ordering::Relaxed);
        Ok(NewEvent {
            room: self.room,
            sender: self.sender,
            id: ClientId::parse(&format!("commit-{number:012}"))?,
            body: MessageBody::parse(&"x".repeat(128), 500)?,
        })
    }
}

/// Messages per second through the log writer.
async fn groups() -> Outcome<f64> {
    let scene = Scene::with(&SqliteOptions::default()).await?;
    let store: Arc<dyn Log> = scene.store.clone();
    let outlet: Arc<dyn Outlet> = Arc::new(Nowhere);
    let tasks = Tasks::new();
    let log = LogWriter::start(&tasks, &store, &outlet);
    let began = Instant::now();
    let counts = try_join_all((0..SENDERS).map(|_| sender(&scene, &log, began))).await?;
    let rate = per_second(counts.into_iter().sum(), began);
    tasks.stop();
    tasks.join(LIMIT).await;
    scene.store.close().await;
    Ok(rate)
}

async fn sender(scene: &Scene, log: &LogWriter, began: Instant) -> Outcome<u64> {
    let mut count = 0;
    while began.elapsed() < TIME {
        let (told, answer) = oneshot::channel();
        log.submit(Entry {
            event: scene.event()?,
            username: scene.username.clone(),
            answer: Box::new(|answer| drop(told.send(answer))),
            since: Instant::now(),
            span: tracing::Span::none(),
        });
        timeout(LIMIT, answer).await??.map_err(|refusal| refusal.message)?;
        count += 1;
    }
    Ok(count)
}

/// Messages per second, each with a commit of its own.
async fn one_by_one() -> Outcome<f64> {
    let scene = Scene::with(&SqliteOptions { jobs_per_commit: 1, ..SqliteOptions::default() }).await?;
    let began = Instant::now();
    let mut count = 0;
    while began.elapsed() < TIME {
        scene.store.append(&[scene.event()?]).await?;
        count += 1;
    }
    let rate = per_second(count, began);
    scene.store.close().await;
    Ok(rate)
}

/// What the disk itself can do: appends of one page, each synced, per second.
fn syncs() -> Outcome<f64> {
    use std::io::Write;
    let folder = folder()?;
    let mut file = std::fs::File::create(folder.path().join("syncs"))?;
    let began = Instant::now();
    let mut count = 0;
    while began.elapsed() < TIME / 2 {
        file.write_all(&[0x55; 4096])?;
        file.sync_data()?;
        count += 1;
    }
    Ok(per_second(count, began))
}

fn per_second(count: u64, began: Instant) -> f64 {
    count as f64 / began.elapsed().as_secs_f64()
}

/// Nobody listens.
struct Nowhere;

#[async_trait::async_trait]
impl Outlet for Nowhere {
    async fn committed(&self, _: Committed) {}
}
