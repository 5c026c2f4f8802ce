//! Promises about accounts.

use std::sync::Arc;

use chorus::store::{Store, StoreError};
use tokio::task::JoinSet;

use crate::fixture::{is_valid, lobby, name, person, say, signed_in, token, whole_log};

pub(crate) async fn names_are_one_whatever_their_case(store: &Arc<dyn Store>) {
    let alice = person(&**store, "Alice").await;
    for taken in ["Alice", "alice", "ALICE"] {
        let again = store.create_user(&name(taken), "other").await;
        assert!(matches!(again, Err(StoreError::Taken)), "{taken}: {again:?}");
        let account = store.account(&name(taken)).await.unwrap().unwrap();
        assert_eq!((account.id, account.username.as_str()), (alice, "Alice"));
        assert_eq!(account.password_hash, "hash");
    }
    assert!(store.account(&name("alic")).await.unwrap().is_none());
}

pub(crate) async fn of_racing_registrations_one_wins(store: &Arc<dyn Store>) {
    for round in 0..10 {
        let mut racers = JoinSet::new();
        for n in 0..16 {
            let store = Arc::clone(store);
            let spelling = if n % 2 == 0 { format!("Racer{round}") } else { format!("rACER{round}") };
            racers.spawn(async move { store.create_user(&name(&spelling), &n.to_string()).await });
        }
        let outcomes = racers.join_all().await;
        let won: Vec<_> = outcomes.iter().filter_map(|o| o.as_ref().ok()).collect();
        let lost = outcomes.iter().filter(|o| matches!(o, Err(StoreError::Taken))).count();
        assert_eq!((won.len(), lost), (1, 15), "{outcomes:?}");
        let account = store.account(&name(&format!("racer{round}"))).await.unwrap().unwrap();
        assert_eq!(account.id, *won[0]);
    }
}

pub(crate) async fn a_hash_is_replaced_only_while_it_is_the_old_one(store: &Arc<dyn Store>) {
    let alice = person(&**store, "alice").await;
    assert!(!store.rehash(alice, "not this", "new").await.unwrap());
    assert!(store.rehash(alice, "hash", "new").await.unwrap());
    assert!(!store.rehash(alice, "hash", "newer").await.unwrap());
    let account = store.account(&name("alice")).await.unwrap().unwrap();
    assert_eq!(account.password_hash, "new");
}

pub(crate) async fn a_password_change_ends_all_other_sign_ins(store: &Arc<dyn Store>) {
    let (alice, bob) = (person(&**store, "alice").await, person(&**store, "bob").await);
    let kept = signed_in(&**store, alice, 60).await;
    let others = [
        signed_in(&**store, alice, 60).await,
        signed_in(&**store, alice, 60).await,
    ];
    let bobs = signed_in(&**store, bob, 60).await;

    let wrong = store.change_password(alice, "wrong", "new", None).await.unwrap();
    assert_eq!(wrong, None);
    assert!(is_valid(&**store, &others[0]).await);

    let mut ended = store.change_password(alice, "hash", "new", Some(kept.sid)).await.unwrap().unwrap();
    let mut expected = others.clone().map(|t| t.sid).to_vec();
    ended.sort();
    expected.sort();
    assert_eq!(ended, expected);
    for other in &others {
        assert!(!is_valid(&**store, other).await);
    }
    assert!(is_valid(&**store, &kept).await && is_valid(&**store, &bobs).await);
    let mut told = store.ended_within(std::time::Duration::from_mins(1)).await.unwrap();
    told.sort();
    assert_eq!(told, expected);
}

pub(crate) async fn an_operator_ends_all_sign_ins_and_the_password_stays(store: &Arc<dyn Store>) {
    let (alice, bob) = (person(&**store, "alice").await, person(&**store, "bob").await);
    let first = signed_in(&**store, alice, 60).await;
    let expired = signed_in(&**store, alice, -1).await;
    let bobs = signed_in(&**store, bob, 60).await;
    let mut ended = store.end_sign_ins(alice).await.unwrap();
    let mut expected = [first.sid, expired.sid];
    ended.sort();
    expected.sort();
    assert_eq!(ended, expected);
    assert!(!is_valid(&**store, &first).await && is_valid(&**store, &bobs).await);
    let renewed = token(&**store, alice, first.sid, 60).await;
    assert!(!store.add_token(&renewed).await.unwrap(), "it can't be prolonged");
    assert_eq!(store.end_sign_ins(alice).await.unwrap(), [], "they end once");
    let again = signed_in(&**store, alice, 60).await;
    assert!(is_valid(&**store, &again).await, "and begin again with the same password");
}

pub(crate) async fn of_racing_password_changes_one_wins(store: &Arc<dyn Store>) {
    let alice = person(&**store, "alice").await;
    let mut racers = JoinSet::new();
    for n in 0..8 {
        let store = Arc::clone(store);
        racers.spawn(
            async move { store.change_password(alice, "hash", &format!("new{n}"), None).await.unwrap() },
        );
    }
    let won = racers.join_all().await.into_iter().flatten().count();
    assert_eq!(won, 1);
}

pub(crate) async fn a_deleted_account_leaves_a_tombstone_and_a_free_name(store: &Arc<dyn Store>) {
    let alice = person(&**store, "Alice").await;
    let signed = signed_in(&**store, alice, 60).await;
    let room = lobby(&**store).await;
    store.append(&[say(room, alice, "a", "I was here")]).await.unwrap();

    assert_eq!(store.delete_user(alice).await.unwrap(), [signed.sid]);
    assert!(!is_valid(&**store, &signed).await);
    assert!(store.account(&name("alice")).await.unwrap().is_none());
    assert_eq!(store.delete_user(alice).await.unwrap(), [], "deleting twice changes nothing");

    let second = person(&**store, "alice").await;
    assert_ne!(second, alice, "a number is never given again");
    let log = whole_log(&**store, room).await;
    assert_eq!(log[0].sender, alice);
    assert_eq!(log[0].username.as_str(), format!("deleted-{}", alice.0));
    assert_eq!(log[0].body.as_str(), "I was here");
}

pub(crate) async fn a_deleted_account_can_not_sign_in(store: &Arc<dyn Store>) {
    let alice = person(&**store, "alice").await;
    store.delete_user(alice).await.unwrap();
    let late = token(&**store, alice, chorus::domain::SignInId::random(), 60).await;
    assert!(!store.begin_sign_in(&late, "hash").await.unwrap());
    assert!(!is_valid(&**store, &late).await);
    for old in ["", "hash"] {
        assert!(!store.rehash(alice, old, "new").await.unwrap());
        assert_eq!(store.change_password(alice, old, "new", None).await.unwrap(), None);
    }
}

pub(crate) async fn a_password_that_changed_since_it_was_verified_begins_nothing(store: &Arc<dyn Store>) {
    let alice = person(&**store, "alice").await;
    let late = token(&**store, alice, chorus::domain::SignInId::random(), 60).await;
    assert!(store.change_password(alice, "hash", "new", None).await.unwrap().is_some());
    assert!(!store.begin_sign_in(&late, "hash").await.unwrap());
    assert!(!is_valid(&**store, &late).await);
    assert!(store.begin_sign_in(&late, "new").await.unwrap());
    assert!(is_valid(&**store, &late).await);
}
