//! The log under generated histories: one writer against a model, and many at once against what
//! must hold whatever their order was.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use chorus::{
    domain::{RoomId, Seq, Timestamp, UserId},
    store::{Appended, NewEvent, Store},
};
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, TestRunner},
};
use tokio::{runtime::Handle, task::JoinSet};

use crate::fixture::{any_room, person, say, whole_log};

/// One wish to append: indices into a few rooms (the last does not exist), people, ids, texts.
#[derive(Debug, Clone, Copy)]
struct Wish {
    room: usize,
    sender: usize,
    id: u8,
    text: u8,
}

type History = Vec<Vec<Wish>>;

/// What tells one message from another.
type Key = (RoomId, UserId, String);

/// Few rooms, people and ids, so that most histories hold retries and conflicts.
fn wish() -> impl Strategy<Value = Wish> {
    let room = prop_oneof![8 => 0_usize..2, 1 => Just(2)];
    (room, 0_usize..2, 0_u8..8, 0_u8..2).prop_map(|(room, sender, id, text)| Wish { room, sender, id, text })
}

fn history() -> impl Strategy<Value = History> {
    vec(vec(wish(), 1..8), 1..8)
}

struct Scene {
    store: Arc<dyn Store>,
    rooms: [RoomId; 3],
    people: [UserId; 2],
}

impl Scene {
    /// Two fresh rooms and one that is not there.
    async fn new(store: &Arc<dyn Store>, people: [UserId; 2]) -> Self {
        let rooms = [
            any_room(&**store).await.id,
            any_room(&**store).await.id,
            RoomId(999_999_999),
        ];
        Self { store: Arc::clone(store), rooms, people }
    }

    fn event(&self, wish: Wish) -> NewEvent {
        let (room, sender) = (self.rooms[wish.room], self.people[wish.sender]);
        say(room, sender, &format!("i{}", wish.id), &format!("t{}", wish.text))
    }

    fn batch(&self, wishes: &[Wish]) -> Vec<NewEvent> {
        wishes.iter().map(|wish| self.event(*wish)).collect()
    }
}

fn key(event: &NewEvent) -> Key {
    (event.room, event.sender, event.id.as_str().to_owned())
}

/// What the log must hold after each step.
#[derive(Default)]
struct Model {
    first: HashMap<Key, (String, Seq, Timestamp)>,
    last: HashMap<RoomId, (Seq, Timestamp)>,
}

impl Model {
    fn check(&mut self, event: &NewEvent, exists: bool, answer: Appended) {
        if !exists {
            assert_eq!(answer, Appended::RoomGone);
            return;
        }
        let text = event.body.as_str();
        match self.first.get(&key(event)) {
            Some((was, seq, timestamp)) if was == text => {
                assert_eq!(answer, Appended::Again { seq: *seq, timestamp: *timestamp });
            }
            Some(_) => assert_eq!(answer, Appended::Conflict),
            None => {
                let Appended::New { seq, timestamp } = answer else {
                    panic!("{event:?}: {answer:?}")
                };
                let (last, time) = self.last.get(&event.room).copied().unwrap_or_default();
                assert_eq!(seq, last.next());
                assert!(timestamp >= time);
                self.last.insert(event.room, (seq, timestamp));
                self.first.insert(key(event), (text.to_owned(), seq, timestamp));
            }
        }
    }

    async fn check_log(&self, store: &dyn Store, room: RoomId) {
        let log = whole_log(store, room).await;
        let expected = self.first.keys().filter(|key| key.0 == room).count();
        assert_eq!(log.len(), expected);
        for event in log {
            let (text, seq, timestamp) = &self.first[&(room, event.sender, event.id.as_str().to_owned())];
            assert_eq!(
                (event.body.as_str(), event.seq, event.timestamp),
                (text.as_str(), *seq, *timestamp)
            );
        }
    }
}

async fn follow(scene: Scene, history: History) {
    let mut model = Model::default();
    for wishes in history {
        let batch = scene.batch(&wishes);
        let answers = scene.store.append(&batch).await.unwrap();
        assert_eq!(answers.len(), batch.len());
        for (event, answer) in batch.iter().zip(answers) {
            model.check(event, event.room != scene.rooms[2], answer);
        }
    }
    for room in &scene.rooms[..2] {
        model.check_log(&*scene.store, *room).await;
    }
}

/// 64 cases of 32 histories that run beside each other, each in its own rooms: 2,048 histories.
pub(crate) async fn generated_histories_follow_the_model(store: &Arc<dyn Store>) {
    let people = [person(&**store, "alice").await, person(&**store, "bob").await];
    each_case(64, vec(history(), 32), |histories| async move {
        let mut running = JoinSet::new();
        for history in histories {
            let scene = Scene::new(store, people).await;
            running.spawn(follow(scene, history));
        }
        running.join_all().await;
    });
}

/// 24 cases of 8 writers on the same two rooms, with the same few ids.
pub(crate) async fn concurrent_writers_leave_no_gap_and_no_double(store: &Arc<dyn Store>) {
    let people = [person(&**store, "alice").await, person(&**store, "bob").await];
    each_case(24, vec(vec(vec(wish(), 1..16), 4..12), 8), |writers: Vec<History>| async move {
        let scene = Arc::new(Scene::new(store, people).await);
        let mut running = JoinSet::new();
        for history in writers {
            running.spawn(write_all(Arc::clone(&scene), history));
        }
        let answers = running.join_all().await.concat();
        check_answers(&scene, &answers).await;
    });
}

async fn write_all(scene: Arc<Scene>, history: History) -> Vec<(NewEvent, Appended)> {
    let mut answered = Vec::new();
    for wishes in history {
        let batch = scene.batch(&wishes);
        let answers = scene.store.append(&batch).await.unwrap();
        answered.extend(batch.into_iter().zip(answers));
    }
    answered
}

/// Whatever the order was: each id is in the log once, was new once, and all answers agree.
async fn check_answers(scene: &Scene, answers: &[(NewEvent, Appended)]) {
    let mut log = HashMap::new();
    for room in &scene.rooms[..2] {
        for event in whole_log(&*scene.store, *room).await {
            let key = (*room, event.sender, event.id.as_str().to_owned());
            assert!(log.insert(key, event).is_none(), "an id stands twice");
        }
    }
    let mut new = HashSet::new();
    for (wish, answer) in answers {
        if wish.room == scene.rooms[2] {
            assert_eq!(*answer, Appended::RoomGone);
            continue;
        }
        let kept = &log[&key(wish)];
        let here = (kept.seq, kept.timestamp);
        match *answer {
            Appended::New { seq, timestamp } => {
                assert_eq!((seq, timestamp, &kept.body), (here.0, here.1, &wish.body));
                assert!(new.insert(key(wish)), "new twice");
            }
            Appended::Again { seq, timestamp } => {
                assert_eq!((seq, timestamp, &kept.body), (here.0, here.1, &wish.body));
            }
            Appended::Conflict => assert_ne!(kept.body, wish.body),
            Appended::RoomGone => panic!("the room is there"),
        }
    }
    assert_eq!(new.len(), log.len(), "what is in the log was answered as new");
}

/// Runs an async property. A failing case is made smaller, but not for ever.
fn each_case<S, F>(cases: u32, strategy: S, property: impl Fn(S::Value) -> F)
where
    S: Strategy,
    F: Future<Output = ()>,
{
    let config = Config {
        cases,
        max_shrink_iters: 200,
        failure_persistence: None,
        ..Config::default()
    };
    let outcome = TestRunner::new(config).run(&strategy, |value| {
        tokio::task::block_in_place(|| Handle::current().block_on(property(value)));
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}
