//! Guesses at names and passwords.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};

use super::{Door, Town, frames::nobody_waited};
use crate::{
    common::{
        PASSWORD, flood_of_sign_ins,
        web::{Answer, Web},
    },
    harness::times::Times,
};

fn person(name: &str, password: &str) -> Value {
    json!({ "username": name, "password": password })
}

async fn login(web: &Web, name: &str, password: &str) -> Answer {
    web.post("/login", "", person(name, password)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_byte_of_a_password_counts() {
    let town = Town::start().await;
    let (long, longer) = ("a".repeat(73), "a".repeat(74));
    let wide = "😀".repeat(128);
    for door in town.doors() {
        let own = |name: &str| format!("{name}{}", door.name.len());
        for (name, password, other) in [
            (own("long"), &long, &longer),
            (own("wide"), &wide, &wide[4..].to_owned()),
        ] {
            assert_eq!(door.web.post("/register", "", person(&name, password)).await.status, 201);
            assert_eq!(login(&door.web, &name, password).await.status, 200, "{}: {name}", door.name);
            assert_eq!(login(&door.web, &name, other).await.refusal(), (401, "invalid_credentials"));
        }
        let beyond = person(&own("beyond"), &"😀".repeat(129));
        assert_eq!(door.web.post("/register", "", beyond).await.status, 400);
        the_predecessors_hash_is_replaced(&town, &door, &own("old")).await;
    }
}

/// A hash that looked at 72 bytes is believed once, and then looks at all of them.
async fn the_predecessors_hash_is_replaced(town: &Town, door: &Door, name: &str) {
    door.web.register(name).await;
    let (password, other) = ("a".repeat(80), "a".repeat(81));
    let hash = bcrypt::hash(&password[..72], 4).unwrap();
    let sql = format!("UPDATE users SET password_hash = '{hash}' WHERE username = '{name}'");
    town.cluster.postgres.sql(&town.cluster.database, &sql);
    assert_eq!(login(&door.web, name, &password).await.status, 200, "{}", door.name);
    assert_eq!(login(&door.web, name, &other).await.status, 401, "{}", door.name);
    assert_eq!(login(&door.web, name, &password).await.status, 200, "{}", door.name);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_name_is_told_as_a_wrong_password_is() {
    let town = Town::start().await;
    for door in town.doors() {
        door.web.register("alice").await;
        let told = async |name: &str| {
            let answer = login(&door.web, name, "a wrong guess").await;
            let headers: BTreeSet<_> = answer.headers.keys().map(ToString::to_string).collect();
            (answer.status, answer.header("content-length").to_owned(), headers, answer.body)
        };
        assert_eq!(told("alice").await, told("nobody").await, "{}", door.name);
    }
}

/// By the processor's time and not by a watch: so others on this machine change nothing.
#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_name_costs_what_a_wrong_password_costs() {
    const GUESSES: usize = 24;
    let town = Town::with(&[("BCRYPT_COST", "10")], &[]).await;
    let door = &town.doors()[0];
    door.web.register("alice").await;
    let spent = async || town.cluster.nodes[0].metric("process_cpu_seconds_total").await;
    let guess = async |name: &str| {
        let before = spent().await;
        assert_eq!(login(&door.web, name, "a wrong guess").await.status, 401);
        spent().await - before
    };
    guess("alice").await;
    let (mut known, mut unknown) = (0.0, 0.0);
    // In turn, so that what else the node has to do falls to both.
    for _ in 0..GUESSES {
        known += guess("alice").await;
        unknown += guess("nobody").await;
    }
    let ratio = unknown / known;
    // A hash that costs one step less or more would be half of it or twice.
    assert!((0.67..1.5).contains(&ratio), "{unknown} s against {known} s");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_racing_registrations_one_wins_in_the_whole_cluster() {
    let town = Town::start().await;
    let mut ways: Vec<Web> = (0..crate::NODES).map(|node| town.cluster.web(node)).collect();
    ways.push(Web::anew(town.nginx.address));
    for name in ["alice", "bob", "carol"] {
        let (first, rest) = name.split_at(1);
        let spellings = [
            name.to_owned(),
            name.to_uppercase(),
            format!("{}{rest}", first.to_uppercase()),
        ];
        let tries = (0..32).map(|n| {
            let (web, spelling) = (&ways[n % ways.len()], &spellings[n % spellings.len()]);
            web.post("/register", "", person(spelling, PASSWORD))
        });
        let answers = join_all(tries).await;
        let won = answers.iter().filter(|answer| answer.status == 201).count();
        let lost = answers.iter().filter(|answer| answer.refusal() == (409, "username_taken")).count();
        assert_eq!((won, lost), (1, 31), "{answers:?}");
        for web in &ways {
            assert_eq!(login(web, &name.to_uppercase(), PASSWORD).await.status, 200);
        }
    }
}

/// As many files as this process may have: each of a flood is one, and often only 1,024 may be open at first.
fn allow_files() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_sign_ins_is_refused_and_chat_goes_on() {
    /// Who finds the queue full is refused at once, in the time of many connections on a busy machine. To wait as those
    /// do who have a place there would be to wait for 5 s.
    const QUICKLY: Duration = Duration::from_secs(4);
    let flood = flood_of_sign_ins(400);
    allow_files();
    // What comes through nginx is two connections there.
    let most = (4 * flood).to_string();
    let edge = [("SIGN_IN_BURST", most.as_str()), ("WORKER_CONNECTIONS", &most)];
    let town = Town::with(&[("BCRYPT_COST", "8")], &edge).await;
    for door in town.doors() {
        let mut alice = door.web.guest(&door.web.sign_in("alice").await).await;
        let guess = async |n: usize| {
            let began = Instant::now();
            let name = if n.is_multiple_of(2) { "alice".to_owned() } else { format!("nobody{n}") };
            (login(&door.web, &name, "a wrong guess").await, began.elapsed())
        };
        let talking = async {
            let mut took = Vec::new();
            for n in 0..60 {
                let began = Instant::now();
                alice.say_acked("lobby", &format!("{}{n}", door.name.len()), "calm").await;
                took.push(began.elapsed());
            }
            Times::of(took)
        };
        let (answers, talked) = tokio::join!(join_all((0..flood).map(guess)), talking);
        nobody_waited(&door, &talked, Duration::from_secs(2));
        let (looked_at, refused): (Vec<_>, Vec<_>) =
            answers.into_iter().partition(|(answer, _)| answer.status == 401);
        assert!(
            !looked_at.is_empty() && refused.len() > flood / 8,
            "{}: {}",
            door.name,
            refused.len()
        );
        for (answer, took) in &refused {
            assert!(matches!(answer.status, 429 | 503), "{}: {answer:?}", door.name);
            assert!(answer.header("retry-after").parse::<u32>().is_ok(), "{answer:?}");
            assert!(*took < Duration::from_secs(10), "{}: refused after {took:?}", door.name);
        }
        let mut times: Vec<_> = refused.iter().map(|(_, took)| *took).collect();
        times.sort();
        let half = times[times.len() / 2];
        println!(
            "{}: {} of {flood} refused, half of them within {half:?}; messages: {talked}",
            door.name,
            refused.len()
        );
        assert!(half < QUICKLY, "{}: {half:?}", door.name);
    }
}
