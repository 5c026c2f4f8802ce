//! Promises about bots and their tokens.

use std::sync::Arc;

use chorus::{
    domain::{RoomName, Scope, SignInId, UserId},
    store::{NewBotToken, Store, StoreError},
};

use crate::fixture::{any_hash, is_valid, name, person, token};

fn scope(rooms: &[&str], read: bool, write: bool) -> Scope {
    let rooms = rooms.iter().map(|room| RoomName::parse(room).unwrap()).collect();
    Scope::new(rooms, read, write).unwrap()
}

/// A token of this bot that ends after `seconds`.
async fn given(store: &dyn Store, bot: UserId, seconds: i64, scope: Scope) -> NewBotToken {
    let token = token(store, bot, SignInId::random(), seconds).await;
    let token = NewBotToken { token, scope };
    assert!(store.begin_bot_token(&token).await.unwrap());
    token
}

pub(crate) async fn a_token_says_who_the_bot_is_and_what_it_may(store: &Arc<dyn Store>) {
    let bot = store.create_bot(&name("Adder"), "hash").await.unwrap();
    let both = given(&**store, bot, 60, scope(&["ops", "lobby"], true, true)).await;
    let reader = given(&**store, bot, 60, scope(&["lobby"], true, false)).await;
    for made in [&both, &reader] {
        let found = store.bot_token(made.token.hash).await.unwrap().unwrap();
        assert_eq!((found.sign_in.sid, found.sign_in.user), (made.token.sid, bot));
        assert_eq!(found.sign_in.expires_at, made.token.expires_at);
        assert_eq!((found.sign_in.username, &found.scope), (name("Adder"), &made.scope));
        assert!(is_valid(&**store, &made.token).await, "it is a sign-in like any other");
        assert_eq!(store.bot_scope(made.token.sid).await.unwrap().as_ref(), Some(&made.scope));
    }
    assert!(store.bot_token(any_hash()).await.unwrap().is_none());
    assert!(store.bot_scope(SignInId::random()).await.unwrap().is_none());
    let over = given(&**store, bot, -1, scope(&["lobby"], true, true)).await;
    assert!(store.bot_token(over.token.hash).await.unwrap().is_none());
}

pub(crate) async fn a_token_ends_like_a_sign_in(store: &Arc<dyn Store>) {
    let bot = store.create_bot(&name("adder"), "hash").await.unwrap();
    let first = given(&**store, bot, 60, scope(&["lobby"], true, true)).await;
    let second = given(&**store, bot, 60, scope(&["lobby"], true, true)).await;
    assert!(store.end_sign_in(first.token.sid).await.unwrap());
    assert!(!store.end_sign_in(first.token.sid).await.unwrap(), "it ends once");
    assert!(store.bot_token(first.token.hash).await.unwrap().is_none());
    assert!(store.bot_token(second.token.hash).await.unwrap().is_some());
    let ended = store.ended_within(std::time::Duration::from_mins(1)).await.unwrap();
    assert!(ended.contains(&first.token.sid) && !ended.contains(&second.token.sid));
    assert_eq!(store.delete_user(bot).await.unwrap(), [second.token.sid]);
    assert!(store.bot_token(second.token.hash).await.unwrap().is_none());
    assert!(
        !store
            .begin_bot_token(&NewBotToken {
                token: token(&**store, bot, SignInId::random(), 60).await,
                ..second
            })
            .await
            .unwrap()
    );
}

pub(crate) async fn a_person_is_no_bot(store: &Arc<dyn Store>) {
    let alice = person(&**store, "alice").await;
    assert!(store.bot(&name("alice")).await.unwrap().is_none());
    assert!(matches!(store.create_bot(&name("Alice"), "hash").await, Err(StoreError::Taken)));
    let token = token(&**store, alice, SignInId::random(), 60).await;
    let token = NewBotToken { token, scope: scope(&["lobby"], true, true) };
    assert!(!store.begin_bot_token(&token).await.unwrap());
    assert!(!is_valid(&**store, &token.token).await);

    let bot = store.create_bot(&name("Adder"), "hash").await.unwrap();
    assert_eq!(store.bot(&name("adder")).await.unwrap(), Some(bot));
    let signed_in = crate::fixture::token(&**store, bot, SignInId::random(), 60).await;
    assert!(
        !store.begin_sign_in(&signed_in, "hash").await.unwrap(),
        "whoever knows its password, too"
    );
    assert!(matches!(
        store.create_user(&name("ADDER"), "hash").await,
        Err(StoreError::Taken)
    ));
    store.delete_user(bot).await.unwrap();
    assert!(store.bot(&name("adder")).await.unwrap().is_none());
    person(&**store, "adder").await;
    assert!(
        store.bot(&name("adder")).await.unwrap().is_none(),
        "the name is somebody else's now"
    );
}

pub(crate) async fn tokens_of_one_bot_end_together_and_nobody_elses(store: &Arc<dyn Store>) {
    let adder = store.create_bot(&name("Adder"), "hash").await.unwrap();
    let zoe = store.create_bot(&name("zoe"), "hash").await.unwrap();
    let lobby = || scope(&["lobby"], true, true);
    let mut adders = Vec::new();
    for _ in 0..3 {
        adders.push(given(&**store, adder, 60, lobby()).await.token.sid);
    }
    let over = given(&**store, adder, -1, lobby()).await.token.sid;
    let zoes = given(&**store, zoe, 60, lobby()).await;
    let end = async |who: &str, only| store.end_bot_tokens(&name(who), only).await.unwrap();
    assert_eq!(end("zoe", Some(adders[0])).await, [], "it is not hers");
    assert_eq!(end("nobody", None).await, []);
    assert_eq!(end("aDDer", Some(adders[1])).await, [adders[1]]);
    assert_eq!(end("adder", Some(adders[1])).await, [], "it ends once");
    assert_eq!(end("adder", Some(over)).await, [], "it was over before");
    let mut ended = end("adder", None).await;
    ended.sort_by_key(|sid| sid.0);
    let mut left = vec![adders[0], adders[2]];
    left.sort_by_key(|sid| sid.0);
    assert_eq!(ended, left);
    assert!(is_valid(&**store, &zoes.token).await);
    let told = store.ended_within(std::time::Duration::from_mins(1)).await.unwrap();
    assert!(adders.iter().all(|sid| told.contains(sid)), "all nodes find them");
    assert!(!told.contains(&over) && !told.contains(&zoes.token.sid));
}

pub(crate) async fn valid_tokens_are_listed_by_name(store: &Arc<dyn Store>) {
    let zoe = store.create_bot(&name("Zoe"), "hash").await.unwrap();
    let adder = store.create_bot(&name("adder"), "hash").await.unwrap();
    let last = given(&**store, zoe, 60, scope(&["lobby"], false, true)).await;
    let first = given(&**store, adder, 60, scope(&["lobby"], true, false)).await;
    let ended = given(&**store, adder, 60, scope(&["lobby"], true, true)).await;
    given(&**store, adder, -1, scope(&["lobby"], true, true)).await;
    store.end_sign_in(ended.token.sid).await.unwrap();
    let listed = store.bot_tokens(10).await.unwrap();
    let sids: Vec<_> = listed.iter().map(|token| token.sid).collect();
    assert_eq!(sids, [first.token.sid, last.token.sid]);
    assert_eq!((&listed[0].username, &listed[0].scope), (&name("adder"), &first.scope));
    assert!(listed[0].begun_at <= store.now().await.unwrap());
    assert_eq!(listed[1].expires_at, last.token.expires_at);
    assert_eq!(store.bot_tokens(1).await.unwrap().len(), 1);
    assert!(store.sweep().await.unwrap() < 100);
    assert_eq!(store.bot_tokens(10).await.unwrap(), listed, "what is valid stays");
}
