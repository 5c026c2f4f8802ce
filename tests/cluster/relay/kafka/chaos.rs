//! Everything at once, as the dice fall: nodes and brokers are killed, partitions move, lines break, brokers say no.
//! `RELAY_SEED=n` does another one, or that one again.

use std::time::Duration;

use super::{PARTITIONS, Way, consume, leader, relaying};
use crate::{
    harness::{
        proxy::Proxy,
        scene::{Cluster, Setup},
    },
    relay::{
        broker::talking,
        chaos::{Dice, cuts, freezes, kills, loses_words, seed},
        has_all,
    },
    servers::kafka::{Counts, Kafka, PRODUCE, codes},
};

#[derive(Debug, Clone, Copy)]
enum Deed {
    KillNode,
    FreezeNode,
    BrokersGo,
    PartitionsMove,
    SayNo,
    LoseWords,
    CutLine,
}

const DEEDS: [Deed; 7] = [
    Deed::KillNode,
    Deed::FreezeNode,
    Deed::BrokersGo,
    Deed::PartitionsMove,
    Deed::SayNo,
    Deed::LoseWords,
    Deed::CutLine,
];

const NO: [u16; 4] = [
    codes::NOT_LEADER,
    codes::NOT_ALLOWED,
    codes::TOO_LARGE,
    codes::UNKNOWN_PRODUCER,
];

async fn does(deed: Deed, cluster: &mut Cluster, kafka: &Kafka, lines: &[Proxy; 2], dice: &mut Dice) {
    let pause = Duration::from_millis(100 + 100 * dice.below(10) as u64);
    let line = &lines[dice.below(2)];
    println!("{deed:?} for {pause:?}");
    match deed {
        Deed::KillNode => {
            let place = leader(cluster).await;
            kills(cluster, place, pause).await;
        }
        Deed::FreezeNode => {
            let place = leader(cluster).await;
            freezes(cluster, place, pause * 5).await;
        }
        Deed::BrokersGo => {
            kafka.down(1);
            tokio::time::sleep(pause).await;
            kafka.up(1);
        }
        Deed::PartitionsMove => {
            for partition in 0..PARTITIONS {
                kafka.leads("chorus", partition, 1 + dice.below(2));
            }
        }
        Deed::SayNo => kafka.fails(PRODUCE, NO[dice.below(NO.len())], 1 + dice.below(20)),
        Deed::LoseWords => loses_words(line, pause).await,
        Deed::CutLine => cuts(line, pause).await,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_dies_a_consumer_sees_each_event_once_and_in_order() {
    let seed = seed();
    let kafka = tokio::task::spawn_blocking(|| Kafka::start(2)).await.unwrap();
    kafka.topic("chorus", PARTITIONS);
    let counts = Counts::before(&kafka);
    let lines = [
        Proxy::to_port(counts.port(1)).await,
        Proxy::to_port(counts.port(2)).await,
    ];
    for (broker, line) in (1..).zip(&lines) {
        kafka.listens(broker, line.address().port());
    }
    let way = Way::to(format!("{},{}", lines[0].address(), lines[1].address()));
    let consumer = consume(&way, &[]);
    let mut cluster = relaying(Setup::of(2), &way).start().await;
    let crowd = talking(&cluster, 6).await;
    let mut dice = Dice::of(seed);
    for (step, deed) in dice.mixed(DEEDS.to_vec()).into_iter().enumerate() {
        print!("seed {seed}, step {step}: ");
        does(deed, &mut cluster, &kafka, &lines, &mut dice).await;
        crowd.acked(20).await;
    }
    crowd.fall_silent().await;
    kafka.fails_no_more(PRODUCE);
    has_all(&consumer, &cluster, &crowd.rooms()).await;
    let came = consumer.came();
    let again = came.iter().filter(|one| !one.taken).count();
    let (lots, wrong) = counts.counted();
    println!(
        "seed {seed}: {} events came in {lots} lots, {again} of them again or too early",
        came.len()
    );
    assert!(lots > 0, "they went through the doors");
    assert_eq!(wrong, 0, "lots whose sequence is not the next one, of {lots}");
}
