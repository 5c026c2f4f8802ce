//! A relay on a real store, with a sink that does what a test tells it.

use std::{sync::Arc, time::Duration};

use chorus::{
    domain::{ClientId, MessageBody, RoomId, RoomName, Seq, UserId, Username},
    relay::{
        self,
        Fate::{self, Confirmed, Refused},
        Lost, Nudge, Outgoing, Parts, Published, Sink,
    },
    shutdown::Tasks,
    store::{Among, Behind, Candidate, DbClock, NewEvent, StartAt, Store, sqlite::SqliteStore},
};
use serde_json::Value;
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};
use uuid::Uuid;

const LIMIT: Duration = Duration::from_secs(20);
const NAME: &str = "told";

/// A batch, and where to say what became of it.
type Asked = (Vec<Outgoing>, oneshot::Sender<Published>);

struct Told(mpsc::Sender<Asked>);

#[async_trait::async_trait]
impl Sink for Told {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn open(&mut self) -> Result<(), Lost> {
        Ok(())
    }

    async fn publish(&mut self, batch: &[Outgoing]) -> Published {
        let (answer, answered) = oneshot::channel();
        let _ = self.0.send((batch.to_vec(), answer)).await;
        answered.await.unwrap_or_else(|_| Published::unknown(batch.len(), None))
    }

    async fn close(&mut self) {}
}

/// A store with one room in which somebody talks, and the relay.
struct Scene {
    store: Arc<dyn Store>,
    room: RoomId,
    alice: UserId,
    batches: mpsc::Receiver<Asked>,
    nudge: Nudge,
    tasks: Tasks,
    _home: tempfile::TempDir,
}

impl Scene {
    /// The relay starts when so much was said.
    async fn after(count: u64) -> Self {
        let home = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(home.path()).unwrap());
        let room = store.room(&RoomName::lobby()).await.unwrap().unwrap().id;
        let alice = store.create_user(&Username::parse("alice").unwrap(), "hash").await.unwrap();
        let (asked, batches) = mpsc::channel(1);
        let tasks = Tasks::new();
        let mut scene = Self {
            store: Arc::clone(&store),
            room,
            alice,
            batches,
            nudge: Nudge::default(),
            tasks: tasks.clone(),
            _home: home,
        };
        scene.say(1..=count).await;
        let (clock, sink) = (DbClock::new(), Box::new(Told(asked)));
        scene.nudge = relay::start(Parts { store, clock, sink, start_at: StartAt::Oldest }, &tasks);
        scene
    }

    async fn say(&self, numbers: std::ops::RangeInclusive<u64>) {
        let each = |n: u64| NewEvent {
            room: self.room,
            sender: self.alice,
            id: ClientId::parse(&format!("id{n}")).unwrap(),
            body: MessageBody::from_store(format!("text {n}")),
        };
        self.store.append(&numbers.map(each).collect::<Vec<_>>()).await.unwrap();
    }

    /// The next batch: the events' numbers, each after the one before it, and where to answer.
    async fn batch(&mut self) -> (Vec<(u64, u64)>, oneshot::Sender<Published>) {
        let next = timeout(LIMIT, self.batches.recv()).await.expect("a batch in time");
        let (batch, answer) = next.unwrap();
        let number = |event: &Value, name: &str| event[name].as_str().unwrap().parse::<u64>().unwrap();
        let each = |message: &Outgoing| {
            let event: Value = serde_json::from_slice(&message.body).unwrap();
            (number(&event, "prevseq"), number(&event, "seq"))
        };
        (batch.iter().map(each).collect(), answer)
    }

    async fn behind(&self) -> Option<Behind> {
        self.store.behind(NAME, Among::These(&[self.room])).await.unwrap().behind.pop()
    }

    /// Waits until the store says that the sink has everything.
    async fn has_all(&self) {
        let all = async {
            while self.behind().await.is_some() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(LIMIT, all).await.expect("in time");
    }

    async fn end(self) {
        self.tasks.stop();
        assert!(self.tasks.join(LIMIT).await, "it ends");
        self.store.close().await;
    }
}

fn answers(fates: &[Fate]) -> Published {
    Published { fates: fates.to_vec(), lost: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_comes_again_with_all_that_follows_it() {
    let mut scene = Scene::after(3).await;
    let (batch, answer) = scene.batch().await;
    assert_eq!(batch, [(0, 1), (1, 2), (2, 3)]);
    answer.send(answers(&[Confirmed, Refused, Confirmed])).unwrap();
    for expected in [(1, 2), (2, 3)] {
        let (batch, answer) = scene.batch().await;
        assert_eq!(batch, [expected]);
        answer.send(answers(&[Confirmed])).unwrap();
    }
    scene.has_all().await;
    scene.say(4..=4).await;
    scene.nudge.committed(scene.room);
    let (batch, answer) = scene.batch().await;
    assert_eq!(batch, [(3, 4)]);
    answer.send(answers(&[Confirmed])).unwrap();
    scene.has_all().await;
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_word_that_comes_when_another_one_leads_moves_nothing() {
    let mut scene = Scene::after(2).await;
    let (batch, answer) = scene.batch().await;
    assert_eq!(batch, [(0, 1), (1, 2)]);
    let other = Candidate { me: Uuid::new_v4(), ttl: LIMIT, start_at: StartAt::Oldest };
    scene.store.lead(NAME, other).await.unwrap().unwrap();
    answer.send(answers(&[Confirmed, Confirmed])).unwrap();
    // It finds out, takes the lead anew, and begins where the store says.
    let (again, answer) = scene.batch().await;
    assert_eq!(again, batch);
    assert_eq!(scene.behind().await.unwrap().cursor, Seq::ZERO, "nothing was moved");
    answer.send(answers(&[Confirmed, Confirmed])).unwrap();
    scene.has_all().await;
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_never_answers_keeps_nobody_from_stopping() {
    let mut scene = Scene::after(2).await;
    let (_, _never) = scene.batch().await;
    let began = std::time::Instant::now();
    scene.end().await;
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}
