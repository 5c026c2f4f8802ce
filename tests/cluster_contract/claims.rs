//! Two chats that were given one Redis by mistake: the second keeps out until the first has gone.

use chorus::{
    cluster::{BusError, Envelope, Incarnation},
    shutdown::Tasks,
};

use crate::{
    fixture::{Ears, LIMIT, any_room, bell, eventually, names, typing},
    redis::{Home, any_space, node_of},
    servers::redis::Redis,
};

#[tokio::test(flavor = "multi_thread")]
async fn of_two_chats_on_one_redis_the_second_keeps_out() {
    let (server, space, room) = (Redis::start(), any_space(), any_room());
    let (first, second) = (Tasks::new(), Tasks::new());
    let _homes = (Home(first.clone()), Home(second.clone()));
    let one = node_of("first", &server.url(), &space, &first).await;
    let other = node_of("first", &server.url(), &space, &first).await;
    let stranger = node_of("second", &server.url(), &space, &second).await;
    let (mut heard, mut overheard) = (Ears::of(&other), Ears::of(&stranger));
    for node in [&other, &stranger] {
        node.subscribe(room).await;
    }
    let me = Incarnation::random();
    let refused = |error: BusError| assert!(matches!(error, BusError::AnotherChat), "{error}");
    refused(stranger.presence.beat(me).await.unwrap_err());
    refused(stranger.presence.sets(room).await.unwrap_err());
    refused(stranger.presence.change(me, room, &names(&["mallory"]), &[]).await.unwrap_err());
    refused(stranger.peers.exchange_health(me, true).await.unwrap_err());
    refused(stranger.bus.publish(Envelope { from: me, notice: bell() }).await.unwrap_err());
    let told = one.ring(typing(room)).await;
    assert_eq!(
        heard.until(&told).await,
        std::slice::from_ref(&told),
        "the first goes on, and hears nobody else"
    );
    assert_eq!(one.sets(room).await, []);

    // The first one goes; its word is forgotten after a while, which nobody has to wait for here.
    first.stop();
    assert!(first.join(LIMIT).await);
    server.cli(&["DEL", &format!("{space}:{{chat}}")]);
    eventually("the second takes it over", async || stranger.presence.beat(me).await.is_ok()).await;
    let late = node_of("second", &server.url(), &space, &second).await;
    let told = late.ring(typing(room)).await;
    assert_eq!(
        overheard.until(&told).await,
        std::slice::from_ref(&told),
        "nothing of the first was heard"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn its_word_ends_with_its_nodes_and_not_before() {
    let (server, space, tasks) = (Redis::start(), any_space(), Tasks::new());
    let _home = Home(tasks.clone());
    let _one = node_of("first", &server.url(), &space, &tasks).await;
    let key = format!("{space}:{{chat}}");
    let left = || server.cli(&["PTTL", &key]).parse::<i64>().unwrap();
    assert!((1..=30_000).contains(&left()), "it ends by itself");
    server.cli(&["PEXPIRE", &key, "10000"]);
    eventually("it is prolonged", async || left() > 15_000).await;
    assert_eq!(server.cli(&["GET", &key]), "first");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_finds_it_taken_later_keeps_out_from_then_on() {
    let (server, space, tasks) = (Redis::start(), any_space(), Tasks::new());
    let _home = Home(tasks.clone());
    let url = server.url();
    server.kill();
    let (one, stranger) = (
        node_of("first", &url, &space, &tasks).await,
        node_of("second", &url, &space, &tasks).await,
    );
    let me = Incarnation::random();
    let unreached = stranger.presence.beat(me).await.unwrap_err();
    assert!(
        matches!(unreached, BusError::Unreachable(_)),
        "nobody knows yet whose it is: {unreached}"
    );
    server.restart();
    let key = format!("{space}:{{chat}}");
    eventually("somebody has it", async || !server.cli(&["GET", &key]).is_empty()).await;
    let (has, has_not) =
        if server.cli(&["GET", &key]) == "first" { (one, stranger) } else { (stranger, one) };
    eventually("one has it", async || has.presence.beat(me).await.is_ok()).await;
    eventually("and the other is told", async || {
        matches!(has_not.presence.beat(me).await, Err(BusError::AnotherChat))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_comes_back_empty_is_still_its_first_chats() {
    let (server, space, tasks) = (Redis::start(), any_space(), Tasks::new());
    let _home = Home(tasks.clone());
    let one = node_of("first", &server.url(), &space, &tasks).await;
    let stranger = node_of("second", &server.url(), &space, &tasks).await;
    let me = Incarnation::random();
    for _ in 0..3 {
        // The stranger finds the key gone as soon as its owner does, and as often.
        server.cli(&["FLUSHALL"]);
        eventually("its owner has said so again", async || {
            server.cli(&["GET", &format!("{space}:{{chat}}")]) == "first"
        })
        .await;
        one.presence.beat(me).await.unwrap();
        let refused = stranger.presence.beat(me).await.unwrap_err();
        assert!(matches!(refused, BusError::AnotherChat), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_without_memory_left_lets_new_nodes_of_its_chat_in() {
    let (server, space, tasks, room) = (Redis::start(), any_space(), Tasks::new(), any_room());
    let _home = Home(tasks.clone());
    let one = node_of("first", &server.url(), &space, &tasks).await;
    server.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    let late = node_of("first", &server.url(), &space, &tasks).await;
    let mut heard = Ears::of(&late);
    late.subscribe(room).await;
    let told = one.ring(typing(room)).await;
    assert_eq!(heard.until(&told).await, std::slice::from_ref(&told));
    late.ring(typing(room)).await;
}
