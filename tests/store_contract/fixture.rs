//! What the promises are tested with: stores, people, sign-ins, rooms and messages.

use std::{
    any::Any,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use chorus::{
    domain::{ClientId, Event, MessageBody, RoomId, RoomName, Seq, SignInId, Timestamp, UserId, Username},
    store::{
        Appended, NewEvent, NewToken, Room, SignIn, Slice, Store, TicketUse, TokenHash,
        sqlite::{OpenError, SqliteStore},
    },
};
use tokio::task::JoinSet;
use uuid::Uuid;

/// A fresh store, and what must live as long as it.
pub(crate) struct Opened {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) _home: Box<dyn Any + Send>,
}

/// As long as another test may take to start a process: until that is another program it has every open file of this
/// one, the locks too.
pub(crate) const A_MOMENT: Duration = Duration::from_secs(1);

/// Opens an embedded store again that was closed, or dropped, once its lock is let go.
pub(crate) fn reopen(home: &Path, limit: Duration) -> Result<SqliteStore, OpenError> {
    let began = Instant::now();
    loop {
        match SqliteStore::open(home) {
            Err(error) if error.is_locked() && began.elapsed() < limit => std::thread::yield_now(),
            done => return done,
        }
    }
}

pub(crate) fn name(text: &str) -> Username {
    Username::parse(text).unwrap()
}

pub(crate) async fn person(store: &dyn Store, username: &str) -> UserId {
    store.create_user(&name(username), "hash").await.unwrap()
}

pub(crate) fn any_hash() -> TokenHash {
    let mut hash = [0; 32];
    hash[..16].copy_from_slice(Uuid::new_v4().as_bytes());
    hash[16..].copy_from_slice(Uuid::new_v4().as_bytes());
    TokenHash(hash)
}

/// The store's time, moved.
pub(crate) async fn in_seconds(store: &dyn Store, seconds: i64) -> Timestamp {
    store.now().await.unwrap().plus_seconds(seconds)
}

/// A token of a sign-in that ends after `seconds` (or ended, when they are negative).
pub(crate) async fn token(store: &dyn Store, user: UserId, sid: SignInId, seconds: i64) -> NewToken {
    let expires_at = in_seconds(store, seconds).await;
    NewToken { sid, user, hash: any_hash(), expires_at }
}

/// Begins a sign-in whose token ends after `seconds`.
pub(crate) async fn signed_in(store: &dyn Store, user: UserId, seconds: i64) -> NewToken {
    let token = token(store, user, SignInId::random(), seconds).await;
    assert!(store.begin_sign_in(&token, "hash").await.unwrap());
    token
}

/// The sign-in of one token.
pub(crate) async fn by_token(store: &dyn Store, token: &NewToken) -> Option<SignIn> {
    let found = store.sign_ins_by_token(&[token.hash]).await.unwrap();
    let [found] = <[_; 1]>::try_from(found).expect("an answer for each");
    found
}

pub(crate) async fn is_valid(store: &dyn Store, token: &NewToken) -> bool {
    let by_token = by_token(store, token).await.is_some();
    let by_sid = !store.sign_ins(&[token.sid]).await.unwrap().is_empty();
    assert_eq!(by_token, by_sid, "the token and its sign-in disagree");
    by_token
}

pub(crate) async fn ticket(store: &dyn Store, sid: SignInId, nonce: &str) -> TicketUse {
    let expires_at = in_seconds(store, 10).await;
    TicketUse { nonce: nonce.into(), sid, expires_at }
}

pub(crate) async fn lobby(store: &dyn Store) -> RoomId {
    store.room(&RoomName::lobby()).await.unwrap().unwrap().id
}

pub(crate) async fn any_room(store: &dyn Store) -> Room {
    let name = RoomName::parse(&format!("r{}", Uuid::new_v4().simple())).unwrap();
    store.create_room(&name).await.unwrap()
}

/// Makes so many rooms, many at once.
pub(crate) async fn many_rooms(store: &Arc<dyn Store>, count: usize) {
    let mut making = JoinSet::new();
    for n in 0..count {
        let store = Arc::clone(store);
        let name = RoomName::parse(&format!("room-{n}")).unwrap();
        making.spawn(async move { store.create_room(&name).await.unwrap().id });
        if making.len() == 20 {
            making.join_next().await.unwrap().unwrap();
        }
    }
    making.join_all().await;
}

pub(crate) fn say(room: RoomId, sender: UserId, id: &str, text: &str) -> NewEvent {
    NewEvent {
        room,
        sender,
        id: ClientId::parse(id).unwrap(),
        body: MessageBody::from_store(text),
    }
}

/// Appends messages `1 ..= count` to a room, in batches.
pub(crate) async fn fill(store: &dyn Store, room: RoomId, sender: UserId, count: u64) {
    let all: Vec<_> =
        (1..=count).map(|n| say(room, sender, &format!("id{n}"), &format!("text {n}"))).collect();
    for batch in all.chunks(100) {
        let answers = store.append(batch).await.unwrap();
        assert!(answers.iter().all(|a| matches!(a, Appended::New { .. })));
    }
}

/// The whole log of a room, checked to be 1, 2, 3 … without a gap and without time going back.
pub(crate) async fn whole_log(store: &dyn Store, room: RoomId) -> Vec<Event> {
    let mut events: Vec<Event> = Vec::new();
    loop {
        let last = events.last().map_or(Seq::ZERO, |event| event.seq);
        let page = store.page(room, Slice::After(last), 500, 1 << 20).await.unwrap();
        events.extend(page.events);
        if !page.has_more {
            assert_eq!(page.last_seq.0, events.len() as u64, "the head is the log's end");
            break;
        }
    }
    for (expected, event) in (1..).zip(&events) {
        assert_eq!(event.seq, Seq(expected), "a gap, or out of order");
        assert_eq!(event.room, room);
    }
    assert!(events.is_sorted_by_key(|event| event.timestamp), "time went back");
    events
}

pub(crate) fn seqs(events: &[Event]) -> Vec<u64> {
    events.iter().map(|event| event.seq.0).collect()
}
