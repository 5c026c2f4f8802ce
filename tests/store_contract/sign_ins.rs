//! Promises about sign-ins, tokens and tickets.

use std::{sync::Arc, time::Duration};

use chorus::{
    domain::SignInId,
    store::{Redeemed, Store, StoreError},
};
use tokio::task::JoinSet;

use crate::fixture::{any_hash, by_token, is_valid, name, person, signed_in, ticket, token};

pub(crate) async fn a_token_is_valid_until_it_expires(store: &Arc<dyn Store>) {
    let alice = person(&**store, "Alice").await;
    let now = signed_in(&**store, alice, 60).await;
    let found = by_token(&**store, &now).await.unwrap();
    assert_eq!((found.sid, found.user, found.expires_at), (now.sid, alice, now.expires_at));
    assert_eq!(found.username, name("Alice"));

    let over = signed_in(&**store, alice, -1).await;
    assert!(!is_valid(&**store, &over).await);
    let asked = [now.hash, any_hash(), over.hash, now.hash];
    let each = [Some(found.clone()), None, None, Some(found.clone())];
    assert_eq!(store.sign_ins_by_token(&asked).await.unwrap(), each);
    assert_eq!(store.sign_ins_by_token(&[]).await.unwrap(), []);
    let asked = [over.sid, SignInId::random(), now.sid];
    assert_eq!(store.sign_ins(&asked).await.unwrap(), [found]);
    assert_eq!(store.sign_ins(&[]).await.unwrap(), []);
}

pub(crate) async fn an_ended_sign_in_is_never_valid_again(store: &Arc<dyn Store>) {
    let alice = person(&**store, "alice").await;
    let first = signed_in(&**store, alice, 60).await;
    let other = signed_in(&**store, alice, 60).await;
    assert!(store.end_sign_in(first.sid).await.unwrap());
    assert!(!is_valid(&**store, &first).await);
    assert!(is_valid(&**store, &other).await);
    assert!(!store.end_sign_in(first.sid).await.unwrap(), "it ends once");
    assert!(!store.end_sign_in(SignInId::random()).await.unwrap());

    let renewed = token(&**store, alice, first.sid, 60).await;
    assert!(!store.add_token(&renewed).await.unwrap());
    let same = token(&**store, alice, first.sid, 60).await;
    assert!(matches!(store.begin_sign_in(&same, "hash").await, Err(StoreError::Rejected(_))));
    assert!(!is_valid(&**store, &first).await && !is_valid(&**store, &renewed).await);
}

pub(crate) async fn a_renewal_prolongs_the_sign_in(store: &Arc<dyn Store>) {
    let alice = person(&**store, "alice").await;
    let first = signed_in(&**store, alice, 60).await;
    let second = token(&**store, alice, first.sid, 3600).await;
    let shorter = token(&**store, alice, first.sid, 30).await;
    assert!(store.add_token(&second).await.unwrap());
    assert!(store.add_token(&shorter).await.unwrap());
    for each in [&first, &second, &shorter] {
        let found = by_token(&**store, each).await.unwrap();
        assert_eq!(found.expires_at, each.expires_at, "a token's own");
    }
    let whole = store.sign_ins(&[first.sid]).await.unwrap();
    assert_eq!(whole[0].expires_at, second.expires_at, "the longest token's");
    assert!(store.end_sign_in(first.sid).await.unwrap());
    for each in [&first, &second, &shorter] {
        assert!(!is_valid(&**store, each).await, "all tokens of it end");
    }
}

pub(crate) async fn an_expired_sign_in_can_not_be_prolonged(store: &Arc<dyn Store>) {
    let alice = person(&**store, "alice").await;
    let over = signed_in(&**store, alice, -1).await;
    let late = token(&**store, alice, over.sid, 60).await;
    assert!(!store.add_token(&late).await.unwrap());
    assert!(!is_valid(&**store, &late).await);
    assert!(!store.end_sign_in(over.sid).await.unwrap(), "it was not valid");
}

pub(crate) async fn somebody_elses_sign_in_can_not_be_prolonged(store: &Arc<dyn Store>) {
    let (alice, eve) = (person(&**store, "alice").await, person(&**store, "eve").await);
    let alices = signed_in(&**store, alice, 60).await;
    let forged = token(&**store, eve, alices.sid, 3600).await;
    assert!(!store.add_token(&forged).await.unwrap());
    assert!(by_token(&**store, &forged).await.is_none());
}

pub(crate) async fn the_same_token_twice_is_refused(store: &Arc<dyn Store>) {
    let alice = person(&**store, "alice").await;
    let first = signed_in(&**store, alice, 60).await;
    let again = store.add_token(&first).await;
    assert!(matches!(again, Err(StoreError::Rejected(_))), "{again:?}");
    assert!(is_valid(&**store, &first).await);
}

pub(crate) async fn a_renewal_racing_a_logout_leaves_nothing_valid(store: &Arc<dyn Store>) {
    let alice = person(&**store, "alice").await;
    for _ in 0..20 {
        let first = signed_in(&**store, alice, 60).await;
        let mut racers = JoinSet::new();
        let mut renewals = Vec::new();
        for n in 0..6 {
            let renewal = token(&**store, alice, first.sid, 600).await;
            renewals.push(renewal.clone());
            let store = Arc::clone(store);
            racers.spawn(async move {
                if n == 3 {
                    assert!(store.end_sign_in(renewal.sid).await.unwrap());
                } else {
                    store.add_token(&renewal).await.unwrap();
                }
            });
        }
        racers.join_all().await;
        for each in renewals.iter().chain([&first]) {
            assert!(!is_valid(&**store, each).await);
        }
    }
}

pub(crate) async fn revocations_are_listed_within_their_window(store: &Arc<dyn Store>) {
    let alice = person(&**store, "alice").await;
    let minute = Duration::from_mins(1);
    assert_eq!(store.ended_within(minute).await.unwrap(), []);
    let (first, second) = (signed_in(&**store, alice, 60).await, signed_in(&**store, alice, 60).await);
    store.end_sign_in(first.sid).await.unwrap();
    assert_eq!(store.ended_within(minute).await.unwrap(), [first.sid]);
    store.end_sign_in(second.sid).await.unwrap();
    let ended = store.ended_within(minute).await.unwrap();
    assert_eq!(ended.len(), 2);
    assert!(ended.contains(&first.sid) && ended.contains(&second.sid));
    store.sweep().await.unwrap();
    assert_eq!(store.ended_within(minute).await.unwrap().len(), 2, "a sweep keeps the window");
}

pub(crate) async fn a_ticket_is_accepted_once_in_a_batch(store: &Arc<dyn Store>) {
    let alice = person(&**store, "alice").await;
    let signed = signed_in(&**store, alice, 60).await;
    let (one, two) = (
        ticket(&**store, signed.sid, "one").await,
        ticket(&**store, signed.sid, "two").await,
    );
    let found = store.redeem(&[one.clone(), two.clone(), one.clone()]).await.unwrap();
    let accepted = Redeemed::Accepted(store.sign_ins(&[signed.sid]).await.unwrap().remove(0));
    assert_eq!(found, [accepted.clone(), accepted, Redeemed::Used]);
    assert_eq!(store.redeem(&[two, one]).await.unwrap(), [Redeemed::Used, Redeemed::Used]);
    assert_eq!(store.redeem(&[]).await.unwrap(), []);
}

pub(crate) async fn of_racing_uses_of_a_ticket_one_is_accepted(store: &Arc<dyn Store>) {
    let alice = person(&**store, "alice").await;
    let signed = signed_in(&**store, alice, 60).await;
    for round in 0..10 {
        let mut racers = JoinSet::new();
        for n in 0..16 {
            let ours = ticket(&**store, signed.sid, &format!("race{round}")).await;
            let own = ticket(&**store, signed.sid, &format!("own{round}-{n}")).await;
            let store = Arc::clone(store);
            racers.spawn(async move { store.redeem(&[own, ours]).await.unwrap() });
        }
        let answers = racers.join_all().await;
        let is_accepted = |answer: &Redeemed| matches!(answer, Redeemed::Accepted(_));
        assert!(answers.iter().all(|pair| is_accepted(&pair[0])));
        assert_eq!(answers.iter().filter(|pair| is_accepted(&pair[1])).count(), 1);
    }
}

pub(crate) async fn a_ticket_of_an_ended_sign_in_is_refused(store: &Arc<dyn Store>) {
    let alice = person(&**store, "alice").await;
    let ended = signed_in(&**store, alice, 60).await;
    let over = signed_in(&**store, alice, -1).await;
    store.end_sign_in(ended.sid).await.unwrap();
    let tickets = [
        ticket(&**store, ended.sid, "ended").await,
        ticket(&**store, over.sid, "over").await,
        ticket(&**store, SignInId::random(), "unknown").await,
    ];
    let answers = store.redeem(&tickets).await.unwrap();
    assert_eq!(answers, [Redeemed::Ended, Redeemed::Ended, Redeemed::Ended]);
}
