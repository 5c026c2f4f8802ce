//! Promises about refresh cookies.

use std::{sync::Arc, time::Duration};

use chorus::{
    domain::UserId,
    store::{CookieHash, CookieSalt, CookieUse, CookieUsed, NewCookie, NewToken, Store},
};
use tokio::task::JoinSet;

use crate::fixture::{any_hash, by_token, is_valid, person, signed_in, token};

const LIFE: Duration = Duration::from_mins(10);
const GRACE: Duration = Duration::from_secs(30);
const OVER: Duration = Duration::ZERO;

fn any_cookie_hash() -> CookieHash {
    CookieHash(any_hash().0)
}

/// A sign-in with a token of a minute, and its cookie.
async fn remembered(store: &dyn Store, user: UserId, life: Duration) -> (NewToken, NewCookie) {
    let first = signed_in(store, user, 60).await;
    let cookie = any_cookie(&first, life);
    assert!(store.remember(&cookie).await.unwrap());
    (first, cookie)
}

fn any_cookie(of: &NewToken, life: Duration) -> NewCookie {
    NewCookie {
        sid: of.sid,
        family: any_cookie_hash(),
        secret: any_cookie_hash(),
        life,
    }
}

/// Shows `secret`; what is to follow it is random here, as the salt is.
fn showing(secret: CookieHash) -> CookieUse {
    CookieUse {
        shown: secret,
        next: any_cookie_hash(),
        salt: CookieSalt(any_hash().0),
        grace: GRACE,
        life: LIFE,
    }
}

/// Uses a cookie for a token that is answered, too.
async fn show(store: &dyn Store, of: &NewToken, shown: &CookieUse) -> (CookieUsed, NewToken) {
    let token = token(store, of.user, of.sid, 60).await;
    (store.use_cookie(shown, &token).await.unwrap(), token)
}

pub(crate) async fn a_use_adds_a_token_and_makes_the_next_secret(store: &Arc<dyn Store>) {
    let alice = person(&**store, "alice").await;
    let (first, cookie) = remembered(&**store, alice, LIFE).await;
    let found = store.remembered(cookie.family).await.unwrap().unwrap();
    assert_eq!((found.sid, found.user, found.username.as_str()), (first.sid, alice, "alice"));

    let mut secret = cookie.secret;
    for _ in 0..3 {
        let usage = showing(secret);
        let (used, second) = show(&**store, &first, &usage).await;
        assert_eq!(used, CookieUsed::Good(usage.salt));
        assert!(is_valid(&**store, &second).await && is_valid(&**store, &first).await);
        secret = usage.next;
    }
    assert!(store.remembered(any_cookie_hash()).await.unwrap().is_none());
}

pub(crate) async fn a_secret_that_was_used_leads_to_its_successor_for_a_while(store: &Arc<dyn Store>) {
    let alice = person(&**store, "alice").await;
    let (first, cookie) = remembered(&**store, alice, LIFE).await;
    let usage = showing(cookie.secret);
    show(&**store, &first, &usage).await;
    for _ in 0..2 {
        let again = showing(cookie.secret);
        let (used, token) = show(&**store, &first, &again).await;
        assert_eq!(used, CookieUsed::Good(usage.salt), "the same successor, not another one");
        assert!(is_valid(&**store, &token).await);
    }
    let (used, _) = show(&**store, &first, &showing(usage.next)).await;
    assert!(matches!(used, CookieUsed::Good(_)), "the successor is still the current one");
}

pub(crate) async fn an_outdated_secret_ends_the_sign_in(store: &Arc<dyn Store>) {
    let alice = person(&**store, "alice").await;
    let bystander = signed_in(&**store, alice, 60).await;
    // Older than the previous one; the previous one after its time; one that never was.
    for case in 0..3 {
        let (first, cookie) = remembered(&**store, alice, LIFE).await;
        let usage = showing(cookie.secret);
        let (_, second) = show(&**store, &first, &usage).await;
        let stolen = match case {
            0 => {
                show(&**store, &first, &showing(usage.next)).await;
                showing(cookie.secret)
            }
            1 => CookieUse { grace: OVER, ..showing(cookie.secret) },
            _ => showing(any_cookie_hash()),
        };
        let (used, token) = show(&**store, &first, &stolen).await;
        assert_eq!(used, CookieUsed::Stolen, "case {case}");
        for each in [&first, &second, &token] {
            assert!(!is_valid(&**store, each).await, "case {case}");
        }
        let ended = store.ended_within(Duration::from_mins(1)).await.unwrap();
        assert!(ended.contains(&first.sid), "told to the other nodes");
        assert!(store.remembered(cookie.family).await.unwrap().is_none());
        let (used, token) = show(&**store, &first, &showing(usage.next)).await;
        assert_eq!(used, CookieUsed::Unknown, "the honest one's is over, too");
        assert!(!is_valid(&**store, &token).await);
    }
    assert!(is_valid(&**store, &bystander).await);
}

pub(crate) async fn a_cookie_outlives_the_tokens_and_slides(store: &Arc<dyn Store>) {
    let alice = person(&**store, "alice").await;
    let first = signed_in(&**store, alice, 1).await;
    let cookie = any_cookie(&first, Duration::from_mins(1));
    assert!(store.remember(&cookie).await.unwrap());
    let other = signed_in(&**store, alice, 1).await;
    assert!(store.remember(&any_cookie(&other, LIFE)).await.unwrap());
    let until = store.remembered(cookie.family).await.unwrap().unwrap().expires_at;
    while store.now().await.unwrap() < other.expires_at {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(!is_valid(&**store, &first).await, "no token of it lives");
    let late = token(&**store, alice, first.sid, 60).await;
    assert!(!store.add_token(&late).await.unwrap(), "a bearer could not prolong it");

    assert!(store.end_sign_in(other.sid).await.unwrap(), "what a cookie keeps can be ended");
    assert!(!store.end_sign_in(other.sid).await.unwrap());

    // Used within its life, by the current secret and by the one before, it lasts longer.
    let usage = showing(cookie.secret);
    let (used, second) = show(&**store, &first, &usage).await;
    assert!(matches!(used, CookieUsed::Good(_)));
    assert!(is_valid(&**store, &second).await, "the sign-in lives again");
    let slid = store.remembered(cookie.family).await.unwrap().unwrap().expires_at;
    assert!(slid.0 >= until.0 + 500_000, "{slid} after {until}");
    let again = CookieUse { life: LIFE * 2, ..showing(cookie.secret) };
    show(&**store, &first, &again).await;
    let further = store.remembered(cookie.family).await.unwrap().unwrap().expires_at;
    assert!(further.0 >= slid.0 + 500_000, "{further} after {slid}");
}

pub(crate) async fn an_expired_cookie_is_unknown_and_ends_nothing(store: &Arc<dyn Store>) {
    let alice = person(&**store, "alice").await;
    let (first, cookie) = remembered(&**store, alice, OVER).await;
    assert!(store.remembered(cookie.family).await.unwrap().is_none());
    for secret in [cookie.secret, any_cookie_hash()] {
        let (used, token) = show(&**store, &first, &showing(secret)).await;
        assert_eq!(used, CookieUsed::Unknown);
        assert!(by_token(&**store, &token).await.is_none());
    }
    assert!(is_valid(&**store, &first).await, "its token lives on");
}

pub(crate) async fn an_ended_sign_in_has_no_cookie(store: &Arc<dyn Store>) {
    let alice = person(&**store, "alice").await;
    let (first, cookie) = remembered(&**store, alice, LIFE).await;
    let (own, kept) = remembered(&**store, alice, LIFE).await;
    let (other, others) = remembered(&**store, alice, LIFE).await;
    assert!(store.end_sign_in(first.sid).await.unwrap());
    // A new password keeps the cookie of the sign-in it was changed in.
    let ended = store.change_password(alice, "hash", "new", Some(own.sid)).await.unwrap().unwrap();
    assert_eq!(ended, [other.sid]);
    for (of, cookie) in [(&first, &cookie), (&other, &others)] {
        assert!(store.remembered(cookie.family).await.unwrap().is_none());
        assert_eq!(show(&**store, of, &showing(cookie.secret)).await.0, CookieUsed::Unknown);
        assert!(!is_valid(&**store, of).await);
        let late = NewCookie { family: any_cookie_hash(), ..cookie.clone() };
        assert!(!store.remember(&late).await.unwrap());
    }
    let usage = showing(kept.secret);
    assert!(matches!(show(&**store, &own, &usage).await.0, CookieUsed::Good(_)));
    assert_eq!(store.delete_user(alice).await.unwrap(), [own.sid]);
    assert_eq!(show(&**store, &own, &showing(usage.next)).await.0, CookieUsed::Unknown);
}

pub(crate) async fn racing_uses_of_a_secret_are_all_led_to_one_successor(store: &Arc<dyn Store>) {
    let alice = person(&**store, "alice").await;
    for _ in 0..10 {
        let (first, cookie) = remembered(&**store, alice, LIFE).await;
        let mut racers = JoinSet::new();
        for _ in 0..8 {
            let (store, first, usage) = (Arc::clone(store), first.clone(), showing(cookie.secret));
            racers.spawn(async move {
                let (used, token) = show(&*store, &first, &usage).await;
                (usage, used, token)
            });
        }
        let answers = racers.join_all().await;
        let salts: Vec<_> = answers.iter().map(|(_, used, _)| *used).collect();
        assert!(salts.iter().all(|used| *used == salts[0]), "{salts:?}");
        let CookieUsed::Good(salt) = salts[0] else { panic!("{salts:?}") };
        let (winner, ..) = answers.iter().find(|(usage, ..)| usage.salt == salt).unwrap();
        for (_, _, token) in &answers {
            assert!(is_valid(&**store, token).await);
        }
        let (used, _) = show(&**store, &first, &showing(winner.next)).await;
        assert!(matches!(used, CookieUsed::Good(_)));
    }
}

pub(crate) async fn a_use_racing_a_logout_leaves_nothing_valid(store: &Arc<dyn Store>) {
    let alice = person(&**store, "alice").await;
    for _ in 0..20 {
        let (first, cookie) = remembered(&**store, alice, LIFE).await;
        let mut racers = JoinSet::new();
        for n in 0..6 {
            let (store, first, usage) = (Arc::clone(store), first.clone(), showing(cookie.secret));
            racers.spawn(async move {
                if n == 3 {
                    assert!(store.end_sign_in(first.sid).await.unwrap());
                    return first;
                }
                let (used, token) = show(&*store, &first, &usage).await;
                assert_ne!(used, CookieUsed::Stolen);
                token
            });
        }
        for each in racers.join_all().await {
            assert!(!is_valid(&**store, &each).await);
        }
        assert!(store.remembered(cookie.family).await.unwrap().is_none());
    }
}

/// A sign-in that its cookie alone keeps, twice, when `expire` has made the tokens old.
pub(crate) async fn kept_alone(store: &dyn Store, expire: impl Fn()) {
    let alice = person(store, "alice").await;
    let (kept, cookie) = remembered(store, alice, LIFE).await;
    expire();
    assert_eq!(store.sweep().await.unwrap(), 1, "the token alone");
    let (used, token) = show(store, &kept, &showing(cookie.secret)).await;
    assert!(matches!(used, CookieUsed::Good(_)));
    assert!(is_valid(store, &token).await);
    expire();
    assert_eq!(store.sweep().await.unwrap(), 1, "the token that was added");
    assert!(store.remembered(cookie.family).await.unwrap().is_some());
}

pub(crate) async fn a_sweep_keeps_what_a_cookie_keeps(store: &Arc<dyn Store>) {
    let alice = person(&**store, "alice").await;
    let (kept, cookie) = remembered(&**store, alice, LIFE).await;
    // An old token of a sign-in whose cookie is good, and of one that has none.
    let old = token(&**store, alice, kept.sid, -3600).await;
    assert!(store.add_token(&old).await.unwrap());
    signed_in(&**store, alice, -3600).await;
    assert_eq!(store.sweep().await.unwrap(), 3, "two tokens and the sign-in that nothing keeps");
    assert_eq!(store.sweep().await.unwrap(), 0);
    let (used, _) = show(&**store, &kept, &showing(cookie.secret)).await;
    assert!(matches!(used, CookieUsed::Good(_)));
}
