//! Who is sent to which node, and that nobody who is connected notices when the nodes change.

use std::time::Duration;

use serde_json::json;

use super::scene::{Node, Scene};
use crate::common::{eventually, web::Web};

#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_stays_with_one_node_and_a_socket_too() {
    let scene = Scene::of(3, &[]).await;
    let cookies = scene.cookies().await;
    for (node, cookie) in scene.nodes.iter().zip(&cookies) {
        for _ in 0..5 {
            assert_eq!(scene.serves(cookie).await, (node.address.to_string(), None));
        }
    }
    for (at, cookie) in cookies.iter().enumerate() {
        let name = format!("only{at}");
        let (_socket, given) = scene.guest(at, &name, cookie).await;
        assert_eq!(given, None, "it is where it belongs: no other node knows {name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_is_an_upgrade_on_root_or_on_ws_and_is_told_its_node() {
    let scene = Scene::of(1, &[]).await;
    let token = scene.web.sign_in("alice").await;
    for path in ["/", "/ws"] {
        let (mut alice, cookie) = scene.socket(path, &token, "").await;
        assert!(cookie.is_some(), "the 101 carries the cookie");
        alice.say_acked("lobby", &format!("on{}", path.len()), "hello").await;
    }
    // Plain requests for the same places are the page and a refusal of the node.
    let page = scene.web.get("/", "").await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    let plain = scene.web.get("/ws", &token).await;
    assert_eq!(plain.refusal().0 / 100, 4, "{plain:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn people_of_a_killed_node_are_at_a_live_one_at_once_and_stay_there() {
    let mut scene = Scene::of(3, &[]).await;
    scene.know("alice").await;
    let cookies = scene.cookies().await;
    let (mut alice, _) = scene.guest(0, "alice", &cookies[0]).await;
    let killed = scene.nodes.remove(0);
    let gone = killed.address.to_string();
    killed.program.kill().await;
    assert!(alice.try_next().await.is_err(), "her socket ends with its node");
    // At once: nginx has not been told yet, or it has; nobody sees a difference.
    let (to, instead) = scene.serves(&cookies[0]).await;
    assert_ne!(to, gone);
    let instead = instead.expect("another cookie");
    assert_eq!(scene.serves(&instead).await, (to.clone(), None));
    let at = scene.nodes.iter().position(|node| node.address.to_string() == to).unwrap();
    let (mut alice, given) = scene.guest(at, "alice", &instead).await;
    assert_eq!(given, None);
    alice.say_acked("lobby", "again", "back").await;
    scene
        .nginx
        .until("it is noticed", || scene.nginx.said().contains(&format!("{gone} silent")));
    assert_ne!(scene.serves(&cookies[0]).await.0, gone);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draining_node_gets_no_sockets_and_finishes_with_those_it_has() {
    let mut scene = Scene::with(2, &[("SHUTDOWN_TIMEOUT_SECONDS", "8")], &[]).await;
    scene.know("alice").await;
    let cookies = scene.cookies().await;
    let (mut alice, _) = scene.guest(0, "alice", &cookies[0]).await;
    let token = Web::of(scene.nodes[1].address).login("alice").await;
    let leaving = scene.nodes.remove(0);
    leaving.program.terminate().await;
    alice.expect("reconnect").await;
    // It answers 503 to whoever comes; nginx asks the other one, and says so by its cookie.
    let (mut again, given) = scene.socket("/ws", &token, &cookies[0]).await;
    assert_eq!(given.as_deref(), Some(&*cookies[1]));
    again.say_acked("lobby", "there", "at the other node").await;
    assert_eq!(alice.closed().await, 1001, "the drain ended as it should");
    let (code, _) = leaving.program.ended().await;
    assert_eq!(code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_reloads_drop_nobody_and_a_stop_is_quick() {
    let mut scene = Scene::of(2, &[]).await;
    let cookies = scene.cookies().await;
    let mut people = Vec::new();
    for turn in 0..20 {
        let at = turn % 2;
        people.push(scene.guest(at, &format!("user{turn}"), &cookies[at]).await.0);
        scene.nginx.reload();
        let speaker = people.last_mut().unwrap();
        speaker.say_acked("lobby", &format!("m{turn}"), "still here").await;
    }
    for one in &mut people {
        one.send(json!({"type": "users", "room": "lobby"})).await;
        one.until(|frame| frame["type"] == "userList" && frame["userCount"] == 10).await;
    }
    assert!(scene.nginx.workers().len() > 20, "each socket kept its worker");
    for cookie in &cookies {
        assert_eq!(scene.serves(cookie).await.1, None, "and everybody their node");
    }
    assert!(scene.nginx.stop() < Duration::from_secs(6), "sockets don't hold up a stop");
    for one in &mut people {
        while one.try_next().await.is_ok() {}
        assert!(
            one.try_send(&json!({"type": "users", "room": "lobby"})).await.is_err(),
            "it is closed"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_come_and_go_and_nobody_else_is_moved() {
    let mut scene = Scene::of(2, &[]).await;
    let cookies = scene.cookies().await;
    let (mut alice, _) = scene.guest(0, "alice", &cookies[0]).await;
    scene.nodes.push(Node::start(&[]).await);
    let addresses: Vec<_> = scene.nodes.iter().map(|node| node.address).collect();
    scene.nginx.set_nodes(&addresses);
    let with_three = scene.cookies().await;
    assert_eq!(with_three[..2], cookies, "nobody moved");
    scene.nginx.set_nodes(&[addresses[0], addresses[2]]);
    eventually("people of the one that left are elsewhere", async || {
        scene.serves(&cookies[1]).await.0 != addresses[1].to_string()
    })
    .await;
    assert_eq!(scene.serves(&cookies[0]).await, (addresses[0].to_string(), None));
    assert_eq!(scene.serves(&with_three[2]).await, (addresses[2].to_string(), None));
    alice.say_acked("lobby", "through", "and her socket went on").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_nginx_can_not_use_changes_nothing() {
    let scene = Scene::of(1, &[]).await;
    let cookie = scene.cookie().await;
    let changes = scene.nginx.changes();
    // An address that can't be one; and beside it no node at all, as when names can't be looked up.
    scene.nginx.write_list("999.0.0.1:99999\n");
    scene.nginx.until("it says no", || scene.nginx.said().contains("stays with what it has"));
    scene.nginx.write_list("");
    scene.nginx.write_list("; } evil { \n");
    scene.nginx.reload();
    assert_eq!(scene.serves(&cookie).await, (scene.nodes[0].address.to_string(), None));
    assert_eq!(scene.nginx.changes(), changes);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_stickiness_everybody_goes_round() {
    let scene = Scene::of(3, &[("STICKY", "off")]).await;
    let mut served = Vec::new();
    for _ in 0..9 {
        let answer = scene.web.get("/health", "").await;
        assert_eq!(answer.header("set-cookie"), "");
        served.push(scene.served(answer.header("x-request-id")));
    }
    for node in &scene.nodes {
        let times = served.iter().filter(|one| **one == node.address.to_string()).count();
        assert_eq!(times, 3, "{served:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_stuck_is_left_alone_and_comes_back() {
    let mut scene = Scene::of(2, &[]).await;
    let cookies = scene.cookies().await;
    let (stuck, workers) = (scene.nodes[0].address.to_string(), scene.nginx.workers());
    scene.nodes[0].program.signal("-STOP").await;
    scene
        .nginx
        .until("it is noticed", || scene.nginx.said().contains(&format!("{stuck} silent")));
    // Whoever asks it in between waits; from now on nobody does.
    scene.nginx.until_retired(&workers);
    assert_ne!(scene.serves(&cookies[0]).await.0, stuck);
    scene.nodes[0].program.signal("-CONT").await;
    let last = || {
        scene
            .nginx
            .said()
            .lines()
            .rfind(|line| line.starts_with("nginx: nodes"))
            .map(str::to_owned)
    };
    scene.nginx.until("it is back", || {
        last().is_some_and(|line| line.contains(&format!("{stuck} ready")))
    });
    eventually("it has its people again", async || scene.serves(&cookies[0]).await.0 == stuck).await;
    scene.nodes.clear();
}
