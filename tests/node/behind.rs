//! A node that is so far behind that what it misses is no longer kept (it was asleep for longer than
//! `RETENTION_DAYS`): its people are told and go on with the newest page, and it asks for nothing that is gone.

use chorus::{
    domain::{ClientId, MessageBody, RoomId, RoomName, UserId, Username},
    store::{Accounts, Log, NewEvent, Retention, Store},
};
use serde_json::json;

use crate::common::{Client, Town};

/// Five things are said of which this node hears nothing, and all but the last are deleted at once.
async fn meanwhile(town: &Town, room: RoomId, sender: UserId, time: &str) {
    let said = |n| NewEvent {
        room,
        sender,
        id: ClientId::from_store(format!("{time}-{n}")),
        body: MessageBody::from_store("hello"),
    };
    let batch: Vec<_> = (0..5).map(said).collect();
    town.store.append(&batch).await.unwrap();
    let later = town.store.now().await.unwrap().plus_seconds(3_600);
    town.store.expire(later, None).await.unwrap();
}

async fn is_told(client: &mut Client, end: u64) {
    let joined = client.expect("joined").await;
    assert_eq!(
        (&joined["recovered"], &joined["reason"]),
        (&json!(false), &json!("position_expired"))
    );
    assert_eq!((&joined["seq"], &joined["messages"][0]["seq"]), (&json!(end), &json!(end)));
    let next = client.say_acked("lobby", &format!("next-{end}"), "hello").await;
    assert_eq!(next["seq"], end + 1);
    client.until_seq("lobby", end + 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_on_a_node_that_slept_for_too_long_is_told_and_goes_on() {
    let town = Town::of(1).await;
    let mut alice = town.guest(0, "alice").await;
    let user = town.store.account(&Username::parse("alice").unwrap()).await.unwrap().unwrap().id;
    let room = town.store.room(&RoomName::lobby()).await.unwrap().unwrap().id;
    // Nothing was ever said: only the repair finds that the beginning is gone.
    meanwhile(&town, room, user, "first").await;
    is_told(&mut alice, 5).await;
    // Something was: where the node stands there is nothing any more.
    meanwhile(&town, room, user, "second").await;
    is_told(&mut alice, 11).await;
    town.stop().await;
}
