//! What nodes tell each other that belongs to no room: their health, and who spoke how much.

use std::time::Duration;

use chorus::{cluster::Incarnation, domain::UserId};
use uuid::Uuid;

use crate::fixture::{LIMIT, NodeEnds, eventually};

const WINDOW: Duration = Duration::from_secs(10);
const NOTHING: [u64; 0] = [];

/// Somebody nobody else speaks of, also on a server that was used before.
fn anybody() -> UserId {
    let (high, _) = Uuid::new_v4().as_u64_pair();
    UserId(i64::try_from(high >> 1).unwrap())
}

/// What the others noted of one person, in whole seconds.
async fn others(node: &NodeEnds, me: Incarnation, user: UserId, mine: &[u64]) -> Vec<u64> {
    let mine = mine.iter().map(|age| Duration::from_secs(*age)).collect();
    let answer = node.peers.exchange_spoken(me, WINDOW, &[(user, mine)]).await.unwrap();
    let [ages] = &answer[..] else { panic!("one asked") };
    let mut ages: Vec<u64> = ages.iter().map(Duration::as_secs).collect();
    ages.sort_unstable();
    ages
}

pub(crate) async fn a_healthy_peer_is_known_to_the_others_and_not_to_itself(nodes: &[NodeEnds]) {
    let (a, b) = (Incarnation::random(), Incarnation::random());
    assert!(
        !nodes[0].peers.exchange_health(a, true).await.unwrap(),
        "one's own word is not a peer's"
    );
    assert!(nodes[1].peers.exchange_health(b, false).await.unwrap());
    assert!(
        !nodes[0].peers.exchange_health(a, true).await.unwrap(),
        "the other one is not healthy"
    );
    assert!(!nodes[0].peers.exchange_health(a, false).await.unwrap());
    assert!(
        !nodes[1].peers.exchange_health(b, false).await.unwrap(),
        "the word was taken back"
    );
}

pub(crate) async fn an_old_word_about_health_does_not_count(nodes: &[NodeEnds]) {
    let (a, b) = (Incarnation::random(), Incarnation::random());
    nodes[0].peers.exchange_health(a, true).await.unwrap();
    assert!(nodes[1].peers.exchange_health(b, false).await.unwrap());
    eventually("it is forgotten", async || {
        !nodes[1].peers.exchange_health(b, false).await.unwrap()
    })
    .await;
}

pub(crate) async fn nodes_know_what_was_said_on_the_others(nodes: &[NodeEnds]) {
    let [a, b, c] = [(); 3].map(|()| Incarnation::random());
    let user = anybody();
    assert_eq!(others(&nodes[0], a, user, &[1, 3]).await, NOTHING);
    assert_eq!(others(&nodes[1], b, user, &[2]).await, [1, 3]);
    assert_eq!(others(&nodes[2], c, user, &[]).await, [1, 2, 3]);
    assert_eq!(others(&nodes[0], a, user, &[1]).await, [2], "one's own list is replaced");
    assert_eq!(others(&nodes[2], c, user, &[]).await, [1, 2]);
    assert_eq!(others(&nodes[2], c, anybody(), &[]).await, NOTHING, "somebody else");
}

pub(crate) async fn answers_come_in_the_order_of_the_people_asked_for(nodes: &[NodeEnds]) {
    let (a, b) = (Incarnation::random(), Incarnation::random());
    let people: Vec<UserId> = (0..50).map(|_| anybody()).collect();
    let spoken: Vec<_> =
        people.iter().zip(0..).map(|(user, n)| (*user, vec![Duration::ZERO; n % 4])).collect();
    nodes[0].peers.exchange_spoken(a, WINDOW, &spoken).await.unwrap();
    let asked: Vec<_> = people.iter().rev().map(|user| (*user, vec![])).collect();
    let answers = nodes[1].peers.exchange_spoken(b, WINDOW, &asked).await.unwrap();
    let counts: Vec<usize> = answers.iter().map(Vec::len).collect();
    assert!(counts.into_iter().eq((0..50).rev().map(|n| n % 4)));
    assert!(nodes[1].peers.exchange_spoken(b, WINDOW, &[]).await.unwrap().is_empty());
}

pub(crate) async fn what_is_older_than_the_window_is_forgotten(nodes: &[NodeEnds]) {
    let (a, b) = (Incarnation::random(), Incarnation::random());
    let (user, window) = (anybody(), Duration::from_secs(2));
    let spoken = [(user, vec![Duration::from_secs(3), Duration::ZERO])];
    nodes[0].peers.exchange_spoken(a, window, &spoken).await.unwrap();
    let heard = async || nodes[1].peers.exchange_spoken(b, window, &[(user, vec![])]).await.unwrap()[0].len();
    assert_eq!(heard().await, 1, "one was too old at once");
    assert!(window < LIMIT);
    eventually("the other is too old now", async || heard().await == 0).await;
}
