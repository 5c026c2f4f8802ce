//! Reads of the log that joiners share. A crowd that comes at once, or comes back when a node has died, stands
//! at few places of the log: whoever asks for what is being read already waits for that answer, so a storm costs
//! the store about one read at a time for each place, and a page is encoded once.
//!
//! An answer may have been read a moment before it was asked for. That harms no joiner: it goes live only
//! where its position meets the room's, and reads on otherwise. A head is asked for by those who were told its number,
//! so the log held it before; who stands there in the very moment in which somebody else makes that number up may be
//! told to begin with the newest page.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Weak},
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared, WeakShared},
};
use parking_lot::Mutex;

use super::join::approach::Span;
use crate::{
    domain::{Position, RoomId, Seq},
    protocol::v1::EventsFragment,
    store::{Head, Log, Slice, StoreError},
};

/// The newest page that a fresh member gets, and the largest page of a resume, in events.
const PAGE: usize = 100;
/// The largest page in bytes.
const PAGE_BYTES: usize = 64 * 1024;

/// A page of the log as members are sent it.
#[derive(Debug)]
pub(super) struct PageRead {
    /// Its events, encoded.
    pub(super) events: EventsFragment,
    /// Where it begins and ends.
    pub(super) span: Span,
}

/// What joiners read of the log.
pub(super) struct Reads {
    store: Arc<dyn Log>,
    pages: Flights<(RoomId, Slice), Arc<PageRead>>,
    heads: Flights<(RoomId, Seq), Option<Head>>,
}

impl Reads {
    pub(super) fn new(store: Arc<dyn Log>) -> Self {
        Self { store, pages: Flights::default(), heads: Flights::default() }
    }

    /// A page of at most 100 events and about 64 KiB, at least one event if there is any.
    pub(super) async fn page(&self, room: RoomId, slice: Slice) -> Result<Arc<PageRead>, StoreError> {
        let store = Arc::clone(&self.store);
        let read = async move {
            let page = store.page(room, slice, PAGE, PAGE_BYTES).await?;
            Ok(Arc::new(PageRead {
                events: EventsFragment::new(&page.events),
                span: Span {
                    first: page.events.first().map(|event| event.seq),
                    end: page.events.last().map(Position::after),
                    has_more: page.has_more,
                },
            }))
        };
        self.pages.board((room, slice), read.boxed()).await
    }

    /// Where a room's log ends, and what it holds at `seq`; nothing when the room is gone.
    pub(super) async fn head(&self, room: RoomId, seq: Seq) -> Result<Option<Head>, StoreError> {
        let store = Arc::clone(&self.store);
        let read = async move { Ok(store.heads(&[(room, seq)]).await?.into_iter().next()) };
        self.heads.board((room, seq), read.boxed()).await
    }
}

/// An answer that many wait for.
type Flight<T> = Shared<BoxFuture<'static, Result<T, StoreError>>>;
type Board<K, T> = Mutex<HashMap<K, WeakShared<BoxFuture<'static, Result<T, StoreError>>>>>;

/// Questions under way, by what they ask. One that nobody waits for any more is given up.
struct Flights<K, T: Clone>(Arc<Board<K, T>>);

impl<K, T: Clone> Default for Flights<K, T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K, T> Flights<K, T>
where
    K: Copy + Eq + Hash + Send + 'static,
    T: Clone + Send + Sync + 'static,
{
    /// Joins who asks this already, or asks.
    fn board(&self, key: K, ask: BoxFuture<'static, Result<T, StoreError>>) -> Flight<T> {
        let mut board = self.0.lock();
        if let Some(under_way) = board.get(&key).and_then(WeakShared::upgrade) {
            return under_way;
        }
        let entry = Entry { board: Arc::downgrade(&self.0), key };
        let answered = async move {
            let _until_answered = entry;
            ask.await
        };
        let flight = answered.boxed().shared();
        if let Some(weak) = flight.downgrade() {
            board.insert(key, weak);
        }
        flight
    }
}

/// Takes a question off the board when it is answered or given up: who asks later asks anew.
struct Entry<K: Copy + Eq + Hash, T: Clone> {
    board: Weak<Board<K, T>>,
    key: K,
}

impl<K: Copy + Eq + Hash, T: Clone> Drop for Entry<K, T> {
    fn drop(&mut self) {
        if let Some(board) = self.board.upgrade() {
            board.lock().remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;
    use tokio::{
        sync::Semaphore,
        task::{JoinSet, yield_now},
    };

    use super::*;

    /// Asks questions that are answered with how many were asked so far, each once `answers` lets it.
    struct Asker {
        flights: Flights<u8, usize>,
        asked: Arc<AtomicUsize>,
        answers: Arc<Semaphore>,
    }

    impl Asker {
        fn new() -> Self {
            Self {
                flights: Flights::default(),
                asked: Arc::default(),
                answers: Arc::new(Semaphore::new(0)),
            }
        }

        fn ask(&self, key: u8) -> Flight<usize> {
            let (asked, answers) = (Arc::clone(&self.asked), Arc::clone(&self.answers));
            let question = async move {
                let count = asked.fetch_add(1, Ordering::Relaxed) + 1;
                answers.acquire().await.unwrap().forget();
                Ok(count)
            };
            self.flights.board(key, question.boxed())
        }

        fn under_way(&self) -> usize {
            self.flights.0.lock().len()
        }
    }

    #[tokio::test]
    async fn who_asks_the_same_meanwhile_shares_the_answer_and_who_asks_later_asks_anew() {
        let asker = Asker::new();
        asker.answers.add_permits(2);
        let crowd: Vec<_> = (0..100).map(|_| asker.ask(1)).collect();
        for answer in join_all(crowd).await {
            assert_eq!(answer.unwrap(), 1);
        }
        assert_eq!(asker.under_way(), 0);
        assert_eq!(asker.ask(1).await.unwrap(), 2, "an old answer");
    }

    #[tokio::test]
    async fn who_asks_something_else_gets_another_answer() {
        let asker = Asker::new();
        asker.answers.add_permits(2);
        let answers = join_all([asker.ask(1), asker.ask(2)]).await;
        assert_ne!(answers[0].as_ref().unwrap(), answers[1].as_ref().unwrap());
    }

    #[tokio::test]
    async fn one_that_goes_away_takes_nobodys_answer_along_and_the_last_gives_the_question_up() {
        let asker = Asker::new();
        let (mut impatient, mut patient) = (JoinSet::new(), JoinSet::new());
        impatient.spawn(asker.ask(1));
        patient.spawn(asker.ask(1));
        yield_now().await;
        impatient.shutdown().await;
        asker.answers.add_permits(1);
        assert_eq!(patient.join_next().await.unwrap().unwrap().unwrap(), 1);

        let mut last = JoinSet::new();
        last.spawn(asker.ask(1));
        yield_now().await;
        assert_eq!(asker.under_way(), 1);
        last.shutdown().await;
        assert_eq!(asker.under_way(), 0);
    }
}
