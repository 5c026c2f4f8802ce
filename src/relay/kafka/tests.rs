//! What is done about brokers and partitions that give no good word.

use tokio::{net::TcpListener, time::advance};

use super::{
    answers::{Listens, Produced, Topic},
    brokers::REST,
    *,
};
use crate::domain::{RoomId, RoomName, Seq, Timestamp};

/// The one broker, and the partitions that it leads.
const BROKER: i32 = 1;
const PARTITIONS: [i32; 2] = [0, 1];
/// Somebody else leads.
const NOT_LEADER: i16 = 6;

/// A Kafka that is known to have this one broker.
fn kafka(port: u16) -> Kafka {
    let settings = Settings {
        brokers: Vec::new(),
        topic: "chat".to_owned(),
        tls: false,
        login: None,
    };
    let mut kafka = Kafka::new(settings).unwrap();
    kafka.brokers.keep(Topic {
        brokers: vec![Listens { id: BROKER, host: "127.0.0.1".to_owned(), port }],
        code: 0,
        leaders: PARTITIONS.map(|partition| (partition, BROKER)).to_vec(),
    });
    kafka
}

/// Of so many rooms that each partition has some of them.
fn batch() -> Vec<Outgoing> {
    let event = |room: i64| Outgoing {
        room: RoomId(room),
        name: RoomName::parse(&format!("room-{room}")).unwrap(),
        seq: Seq(1),
        id: format!("{room}.1"),
        timestamp: Timestamp(1),
        body: "{}".into(),
    };
    (1..=8).map(event).collect()
}

fn left(flight: &mut Flight<'_>) -> Vec<i32> {
    flight.next().into_iter().map(|lot| lot.partition).collect()
}

#[tokio::test]
async fn a_partition_that_can_not_be_written_to_rests_and_the_others_go_on() {
    let broker = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut kafka = kafka(broker.local_addr().unwrap().port());
    let (batch, mut producer) = (batch(), Producer::new(7, 0));
    let (mut flight, mut course) = (Flight::of(&batch, 2), Course::default());
    assert_eq!(left(&mut flight), PARTITIONS);
    let answer = Ok(Produced { throttle: 0, codes: vec![(0, NOT_LEADER), (1, 0)] });
    let heard = Heard { leader: BROKER, partitions: PARTITIONS.to_vec(), answer };
    assert!(!kafka.hears(heard, &mut flight, &mut course, &mut producer));
    assert_eq!(left(&mut flight), [0], "the other one has all");
    kafka.brokers.rest(&course.silent, &course.trouble);

    let (mut flight, mut course) = (Flight::of(&batch, 2), Course::default());
    let until = Instant::now() + PUBLISH;
    let round = kafka.round(&mut flight, &mut course, &mut producer, until);
    // Who calls is sent away: what is still to be sent then is what was on its way.
    let (round, called) = tokio::join!(round, broker.accept());
    assert!(called.is_ok() && !round.unwrap());
    assert_eq!(left(&mut flight), [1]);
    assert!(course.why.unwrap().starts_with("partition 0 could not be written to"));
    assert!(course.heard, "that one rests does not mean that nobody answers");
}

#[tokio::test(start_paused = true)]
async fn who_rests_is_tried_again_after_a_while() {
    let mut brokers = kafka(9_092).brokers;
    let rest = |brokers: &Brokers| PARTITIONS.map(|partition| brokers.resting(partition).is_some());
    assert_eq!(rest(&brokers), [false, false]);
    brokers.rest(&BTreeSet::new(), &BTreeSet::from([0]));
    assert_eq!(rest(&brokers), [true, false]);
    advance(REST / 2).await;
    brokers.rest(&BTreeSet::from([BROKER]), &BTreeSet::new());
    assert_eq!(rest(&brokers), [true, true], "all that a silent broker leads");
    advance(REST / 2).await;
    assert!(brokers.resting(0).unwrap().starts_with("broker 1 did not answer"));
    advance(REST / 2).await;
    assert_eq!(rest(&brokers), [false, false]);
}

#[test]
fn codes_have_the_names_that_can_be_looked_up() {
    assert_eq!(named(6), "NOT_LEADER_OR_FOLLOWER");
    assert_eq!(named(10), "MESSAGE_TOO_LARGE");
    assert_eq!(named(999), "UNKNOWN(999)");
}
