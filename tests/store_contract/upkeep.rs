//! Promises about the clock, the check, the sweep and the end.

use std::sync::Arc;

use chorus::{
    domain::SignInId,
    store::{DbClock, Redeemed, Store, StoreError, TicketUse},
};
use tokio::task::JoinSet;

use crate::fixture::{in_seconds, is_valid, lobby, name, person, say, signed_in, ticket, token, whole_log};

pub(crate) async fn the_clock_advances_and_dates_messages(store: &Arc<dyn Store>) {
    let alice = person(&**store, "alice").await;
    let room = lobby(&**store).await;
    let before = store.now().await.unwrap();
    store.append(&[say(room, alice, "a", "1")]).await.unwrap();
    let after = store.now().await.unwrap();
    let dated = whole_log(&**store, room).await[0].timestamp;
    assert!(before <= dated && dated <= after, "{before} <= {dated} <= {after}");
}

pub(crate) async fn the_node_clock_follows_the_stores(store: &Arc<dyn Store>) {
    let clock = DbClock::new();
    clock.refresh(&**store).await.unwrap();
    let (before, reckoned) = (store.now().await.unwrap(), clock.now());
    let after = store.now().await.unwrap();
    assert!(
        before.0 - 50 <= reckoned.0 && reckoned.0 <= after.0 + 50,
        "{before} {reckoned} {after}"
    );
}

pub(crate) async fn a_healthy_store_passes_its_check(store: &Arc<dyn Store>) {
    for _ in 0..3 {
        store.check().await.unwrap();
    }
}

pub(crate) async fn a_sweep_takes_what_expired_and_nothing_valid(store: &Arc<dyn Store>) {
    let alice = person(&**store, "alice").await;
    let valid = signed_in(&**store, alice, 60).await;
    let half = signed_in(&**store, alice, -3600).await;
    let prolonged = signed_in(&**store, alice, 60).await;
    assert!(store.add_token(&token(&**store, alice, prolonged.sid, -3600).await).await.unwrap());
    let live = ticket(&**store, valid.sid, "alive").await;
    let over = TicketUse {
        nonce: "over".into(),
        sid: valid.sid,
        expires_at: in_seconds(&**store, -3600).await,
    };
    store.redeem(&[live.clone(), over]).await.unwrap();

    // Two tokens, one sign-in without any now, one ticket.
    assert_eq!(store.sweep().await.unwrap(), 4);
    assert_eq!(store.sweep().await.unwrap(), 0);
    assert!(is_valid(&**store, &valid).await && is_valid(&**store, &prolonged).await);
    assert!(!is_valid(&**store, &half).await);
    assert_eq!(store.redeem(&[live]).await.unwrap(), [Redeemed::Used]);
}

pub(crate) async fn a_sweep_works_in_steps_through_many_rows(store: &Arc<dyn Store>) {
    let expires_at = in_seconds(&**store, -3600).await;
    let sid = SignInId::random();
    let old: Vec<_> = (0..1_700).map(|n| TicketUse { nonce: format!("n{n}"), sid, expires_at }).collect();
    store.redeem(&old).await.unwrap();
    assert_eq!(store.sweep().await.unwrap(), 1_700);
}

pub(crate) async fn a_closed_store_is_unavailable(store: &Arc<dyn Store>) {
    let alice = person(&**store, "alice").await;
    let room = lobby(&**store).await;
    store.close().await;
    store.close().await;
    let refused = |answer: Result<(), StoreError>| {
        assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
    };
    refused(store.append(&[say(room, alice, "a", "1")]).await.map(drop));
    refused(store.account(&name("alice")).await.map(drop));
    refused(store.now().await.map(drop));
    refused(store.check().await);
    refused(store.sweep().await.map(drop));
}

pub(crate) async fn what_was_begun_is_finished_by_closing(store: &Arc<dyn Store>) {
    let alice = person(&**store, "alice").await;
    let room = lobby(&**store).await;
    let mut running = JoinSet::new();
    for n in 0..100 {
        let store = Arc::clone(store);
        running.spawn(async move { store.append(&[say(room, alice, &format!("a{n}"), "1")]).await });
    }
    // One of them is done, the others are somewhere on their way.
    running.join_next().await.unwrap().unwrap().unwrap();
    store.close().await;
    for answer in running.join_all().await {
        assert!(matches!(answer, Ok(_) | Err(StoreError::Unavailable(_))), "{answer:?}");
    }
}
