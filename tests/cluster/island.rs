//! Nodes are cut off from Redis for longer than a lease, each in another way: both ways, what it says,
//! and what it hears. The others drop their people in time, they serve their own all the while, and soon
//! after it is over every list is the same again. Others who come through nginx live through it wherever they are.

use std::time::Duration;

use crate::{
    AT_THE_EDGE, BUSY, NO_GHOSTS,
    common::within,
    harness::{
        crowd::Crowd,
        person::Plan,
        proxy::Direction,
        record::words,
        scene::{Cluster, Expected, Setup},
    },
    nodes::PACE,
};

/// Three that are cut off, and two who see it.
const NODES: usize = 5;
const CUT_OFF: usize = 3;
const PEOPLE_OF_A_NODE: usize = 2;
/// FAULTS: so soon after it is over.
const HEALED: Duration = Duration::from_secs(5).saturating_add(BUSY);

/// Two people on each node, who know no other, and some who come through nginx.
async fn scene() -> (Cluster, Crowd) {
    let cluster = Setup::of(NODES).proxied().behind_nginx().undisturbed().start().await;
    let mut crowd = Crowd::of(cluster.clock, &cluster.addresses());
    for (node, address) in cluster.addresses().into_iter().enumerate() {
        for person in 0..PEOPLE_OF_A_NODE {
            crowd.enter_as(Plan::of(&name(node, person), &[address], 0));
        }
    }
    crowd.enter_through(cluster.edge().unwrap(), AT_THE_EDGE).await;
    cluster.agrees(&crowd).await;
    crowd.talk(3 * PACE).await;
    crowd.acked(50).await;
    (cluster, crowd)
}

fn name(node: usize, person: usize) -> String {
    format!("node{node}person{person}")
}

fn knows(list: &[String], node: usize) -> bool {
    (0..PEOPLE_OF_A_NODE).any(|person| list.contains(&name(node, person)))
}

fn knows_all(list: &[String], node: usize) -> bool {
    (0..PEOPLE_OF_A_NODE).all(|person| list.contains(&name(node, person)))
}

/// Who is in the lobby, as a node tells it.
async fn list(cluster: &Cluster, node: usize, token: &str) -> Vec<String> {
    words(&cluster.web(node).get("/rooms/lobby/users", token).await.body["users"])
}

/// Those who see it drop the people of this node in time.
async fn is_dropped(cluster: &Cluster, token: &str, node: usize) {
    let what = format!("the people of node {node} are dropped");
    let dropped = within(NO_GHOSTS, &what, async || {
        let mut known = false;
        for other in CUT_OFF..NODES {
            known |= knows(&list(cluster, other, token).await, node);
        }
        !known
    });
    println!("node {node}: its people are gone after {:.1?}", dropped.await);
}

/// All who are on a node are acknowledged something new.
async fn its_people_talk(crowd: &Crowd, node: usize) {
    for person in &crowd.people[node * PEOPLE_OF_A_NODE..][..PEOPLE_OF_A_NODE] {
        let before = person.progress().acked;
        person.until("being acknowledged", |progress| progress.acked > before + 3).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_cut_off_from_redis_are_dropped_in_time_and_heal_in_time() {
    let (cluster, crowd) = scene().await;
    let token = cluster.web(CUT_OFF).sign_in("observer").await;
    let line = |node: usize| cluster.nodes[node].to_redis.as_ref().unwrap();
    line(0).cut();
    line(1).swallow(Direction::Up);
    line(2).swallow(Direction::Down);
    let gone = (0..CUT_OFF).map(|node| is_dropped(&cluster, &token, node));
    futures_util::future::join_all(gone).await;
    for node in CUT_OFF..NODES {
        let list = list(&cluster, node, &token).await;
        assert!(
            (CUT_OFF..NODES).all(|node| knows_all(&list, node)),
            "nobody else is dropped: {list:?}"
        );
    }
    for (node, list) in cluster.lists("lobby").await.iter().enumerate() {
        assert!(knows(&list.users, node), "a node knows its own: {list:?}");
        its_people_talk(&crowd, node).await;
    }
    for node in 0..CUT_OFF {
        line(node).heal();
    }
    let healed = cluster.agrees_within(HEALED, &crowd).await;
    println!("lists are equal {healed:.1?} after it is over");
    let judged = cluster.judge(&crowd, Expected::default()).await;
    assert_eq!(
        judged.sockets,
        NODES * PEOPLE_OF_A_NODE + AT_THE_EDGE,
        "nobody lost a socket over it"
    );
}
