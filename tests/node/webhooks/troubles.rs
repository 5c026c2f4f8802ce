//! Receivers that fail, refuse, hang, cut, ask to wait, or are not there.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering::Relaxed},
    time::Duration,
};

use super::{Scene, pauses, seen, to};
use crate::{
    common::{
        eventually,
        receiver::{Came, Receiver, Reply},
    },
    servers::free_port,
};

#[tokio::test(flavor = "multi_thread")]
async fn faults_are_tried_again_with_growing_pauses_and_the_same_id() {
    let receiver = Receiver::start();
    let left = AtomicI32::new(3);
    receiver.answers(move |_| {
        let fails = left.fetch_sub(1, Relaxed) > 0;
        Reply::status(if fails { 500 } else { 200 })
    });
    let scene = Scene::telling(&to("a", &receiver)).await;
    scene.say("lobby", "one").await;
    scene.say("lobby", "two").await;
    eventually("both have come", async || receiver.count("lobby") == 2).await;
    let came = receiver.came();
    assert!(came[..4].iter().all(|one| one.id() == came[0].id()));
    let stamps: BTreeSet<_> = came[..4].iter().map(|one| &one.headers["webhook-timestamp"]).collect();
    assert!(stamps.len() > 1, "the time is that of the attempt");
    let pauses = pauses(&came[..4]);
    for (pause, least) in pauses.iter().zip([250, 500, 1_000]) {
        assert!(*pause >= Duration::from_millis(least), "{pauses:?}");
    }
    assert_eq!(seen(&receiver, "lobby"), ["one", "two"]);
    assert!(scene.told("retries_total").await >= 3 && scene.told("dead_letters_total").await == 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_a_pause_is_left_alone() {
    let receiver = Receiver::start();
    let asked = AtomicBool::new(false);
    receiver.answers(move |_| {
        if asked.swap(true, Relaxed) {
            Reply::status(200)
        } else {
            Reply::Says(429, "retry-after", "2".to_owned())
        }
    });
    let scene = Scene::telling(&to("a", &receiver)).await;
    scene.room("other").await;
    scene.say("lobby", "one").await;
    eventually("it has asked", async || receiver.came().len() == 1).await;
    scene.say("other", "two").await;
    eventually("both have come", async || {
        receiver.count("lobby") + receiver.count("other") == 2
    })
    .await;
    let came = receiver.came();
    assert!(
        pauses(&came)[0] >= Duration::from_millis(1_900),
        "no room goes on: {:?}",
        pauses(&came)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_hangs_is_given_up_and_keeps_no_other_room_and_no_other_receiver_waiting() {
    let (hangs, well) = (Receiver::start(), Receiver::start());
    let first = AtomicBool::new(true);
    hangs.answers(move |came| {
        let hangs = came.room() == "lobby" && first.swap(false, Relaxed);
        if hangs { Reply::Hangs } else { Reply::status(200) }
    });
    let scene = Scene::telling(&[to("a", &hangs), to("b", &well)].join(",")).await;
    scene.room("other").await;
    scene.say("lobby", "hangs").await;
    eventually("it hangs", async || hangs.came().len() == 1).await;
    for n in 0..10 {
        scene.say("lobby", &format!("{n}")).await;
        scene.say("other", &format!("{n}")).await;
    }
    eventually("the other room goes on", async || hangs.count("other") == 10).await;
    eventually("the other receiver has all", async || well.count("lobby") == 11).await;
    assert_eq!(hangs.count("lobby"), 0, "still");
    eventually("it is given up", async || hangs.count("lobby") == 11).await;
    let came: Vec<Came> = hangs.came().into_iter().filter(|one| one.room() == "lobby").collect();
    let waited = pauses(&came)[0];
    assert!(
        (Duration::from_secs(15)..Duration::from_secs(25)).contains(&waited),
        "{waited:?}"
    );
    assert_eq!(came[0].id(), came[1].id());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_word_that_is_cut_off_doubles_events_for_nobody_and_one_without_end_is_cut() {
    let receiver = Receiver::start();
    let count = AtomicU32::new(0);
    receiver.answers(move |_| match count.fetch_add(1, Relaxed) {
        1 | 3 => Reply::Cuts,
        5 => Reply::Dribbles,
        _ => Reply::status(200),
    });
    let scene = Scene::telling(&to("a", &receiver)).await;
    for n in 0..8 {
        scene.say("lobby", &format!("{n}")).await;
    }
    eventually("all has come", async || receiver.count("lobby") == 8).await;
    scene.is_even().await;
    assert_eq!(seen(&receiver, "lobby"), (0..8).map(|n| format!("{n}")).collect::<Vec<_>>());
    let came = receiver.came();
    let doubled: Vec<&Came> = came.iter().filter(|one| !one.taken).collect();
    assert!(!doubled.is_empty(), "what was not confirmed came again");
    for again in doubled {
        assert!(came.iter().any(|one| one.taken && one.id() == again.id()), "with the same id");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_for_good_is_put_aside_and_its_room_goes_on_and_so_do_others_meanwhile() {
    let receiver = Receiver::start();
    receiver.answers(|came| Reply::status(if came.text() == "poison" { 422 } else { 200 }));
    let scene = Scene::telling(&to("a", &receiver)).await;
    scene.room("other").await;
    for text in ["one", "poison", "three", "four"] {
        scene.say("lobby", text).await;
    }
    let tried = || receiver.came().iter().filter(|one| one.text() == "poison").count();
    eventually("it is tried", async || tried() > 0).await;
    // Others are taken between its tries: that it is the event shows by them.
    eventually("the room goes on", async || {
        scene.say("other", "meanwhile").await;
        receiver.count("lobby") == 3
    })
    .await;
    assert!(receiver.count("other") > 3, "the other room goes on meanwhile");
    assert_eq!(seen(&receiver, "lobby"), ["one", "three", "four"], "by the rule of the page");
    let tried = tried();
    assert!(tried >= 5, "it was tried some times: {tried}");
    let came = receiver.came();
    let third = came.iter().find(|one| one.text() == "three").unwrap();
    assert_eq!((third.number("prevseq"), third.number("seq")), (1, 3));
    scene.is_even().await;
    assert!(scene.told("dead_letters_total").await == 1);
    let said = scene.program.said();
    assert!(said.contains("is put aside") && !said.contains("poison"), "{said}");
    scene.program.kill().await;
    let file = rusqlite::Connection::open(scene.home.path().join("chorus.db")).unwrap();
    let letter = "SELECT sink || ' ' || seq || ' ' || message_id || ' ' || reason || ' ' || attempts FROM relay_dead_letters";
    let letter: String = file.query_row(letter, [], |row| row.get(0)).unwrap();
    let poison = came.iter().find(|one| one.text() == "poison").unwrap();
    assert_eq!(letter, format!("webhook.a 2 {} status 422 {tried}", poison.id()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_takes_nothing_is_waited_for() {
    let receiver = Receiver::start();
    receiver.answers(|_| Reply::status(404));
    let scene = Scene::telling(&to("a", &receiver)).await;
    scene.say("lobby", "one").await;
    scene.say("lobby", "two").await;
    // More often than an event is declined that is put aside.
    eventually("it is tried", async || receiver.came().len() > 5).await;
    assert!(receiver.came().iter().all(|one| one.text() == "one"));
    assert!(scene.told("dead_letters_total").await == 0 && scene.told("lag_messages").await == 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_away_is_told_all_when_it_is_there_and_so_after_each_restart_of_the_node() {
    let port = free_port();
    let mut home = tempfile::tempdir().unwrap();
    let webhooks = format!("a=http://127.0.0.1:{port}/");
    let allow = [("WEBHOOK_ALLOW", "127.0.0.0/8")];
    for run in 0..3 {
        let scene = Scene::with(home, &webhooks, &allow).await;
        for n in 0..4 {
            scene.say("lobby", &format!("{run} {n}")).await;
        }
        assert_eq!(scene.web.get("/ready", "").await.status, 200);
        scene.program.kill().await;
        home = scene.home;
    }
    let receiver = Receiver::on(&format!("127.0.0.1:{port}"));
    let scene = Scene::with(home, &webhooks, &allow).await;
    eventually("all has come", async || receiver.count("lobby") == 12).await;
    scene.is_even().await;
    let expected: Vec<_> = (0..3).flat_map(|run| (0..4).map(move |n| format!("{run} {n}"))).collect();
    assert_eq!(seen(&receiver, "lobby"), expected);
}
