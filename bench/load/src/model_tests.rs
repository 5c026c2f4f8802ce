use super::*;
use crate::figures::Part;

fn part<T>(figures: Vec<T>) -> Part<T> {
    let empty = String::new;
    Part { date: empty(), machine: empty(), command: empty(), figures }
}

fn cost(all: f64) -> Vec<Cost> {
    vec![Cost { user: all / 4.0, system: all * 3.0 / 4.0 }]
}

/// As if a message cost 80 µs and 4 µs a member, half of each with eight in flight; in a cluster 100,
/// and 10 for each node; 20 and 2 in Redis; 30 in PostgreSQL and 200 for each transaction.
fn measured() -> Figures {
    let grow = [10, 100, 1000, 10_000].map(|members| {
        let mut it = Growth::of((members, 1));
        let each = 80.0 / members as f64 + 4.0;
        (it.one, it.eight) = (cost(each), cost(each / 2.0));
        it.join = cost(30.0 + members as f64 / 1000.0);
        (it.bytes, it.resident) = (vec![250.0], vec![3000.0]);
        if members == 10_000 {
            (it.idle, it.idle_bytes) = (vec![0.5], vec![0.3]);
        }
        it
    });
    let cluster = [1, 2, 3].map(|nodes| {
        let mut it = Cluster::of(nodes, 12);
        let n = nodes as f64;
        let with = |writes: f64| Effort {
            nodes: 100.0 + 10.0 * n + 12.0 * 4.0,
            redis: 20.0 + 2.0 * n,
            postgres: 30.0 + 200.0 * writes,
            commands: 1.0,
            redis_in: 400.0,
            redis_out: 300.0 * n,
            writes,
            wal: 500.0,
        };
        (it.one, it.eight, it.many) = (vec![with(1.0)], vec![with(0.25)], vec![with(0.1)]);
        it.spoken = vec![Effort { redis: 4.0, nodes: 2.0, commands: 6.0, ..Effort::default() }];
        it.idle = vec![Effort { commands: 6.0 * n, ..Effort::default() }];
        it.transactions = vec![3.0 * n];
        it.join = vec![Effort {
            redis: 15.0,
            postgres: 5.0,
            commands: 2.0,
            ..Effort::default()
        }];
        it
    });
    Figures {
        grow: Some(part(grow.to_vec())),
        cluster: Some(part(cluster.to_vec())),
        ..Figures::default()
    }
}

const DEMAND: Demand = Demand {
    connections: 1e6,
    messages: 1e5,
    room: 100.0,
    stay: 1000.0,
    cores: 4.0,
    database_cores: 10.0,
    busy: 0.5,
    commit: 0.01,
};

fn near(value: f64, wanted: f64) -> bool {
    (value - wanted).abs() <= wanted.abs() * 0.01 + 1e-9
}

#[test]
fn the_coefficients_are_those_that_the_figures_were_made_of() {
    let it = Coefficients::of(&measured()).unwrap();
    assert!(near(it.deliver, 4.0) && near(it.deliver_joined, 2.0), "{it:?}");
    assert!(near(it.alone.fixed, 80.0), "{it:?}");
    assert!(near(it.post.fixed, 100.0) && near(it.post.each, 10.0), "{it:?}");
    assert!(near(it.redis.fixed, 20.0) && near(it.redis.each, 2.0), "{it:?}");
    assert!(
        near(it.redis_out.each, 300.0) && near(it.postgres.fixed, 30.0) && near(it.postgres.each, 200.0),
        "{it:?}"
    );
    assert_eq!((it.quiet, it.writes), ([6.0, 3.0], [1.0, 0.25, 0.1]));
    assert!(near(it.joining(150.0), 30.1), "{it:?}");
}

#[test]
fn a_demand_is_the_sum_of_its_parts() {
    let answer = Coefficients::of(&measured()).unwrap().answer(&DEMAND);
    let [post, bells, deliveries, joins, idle, spoken] = answer.cores;
    // Of a million who speak every ten seconds by chance so many do within ten seconds.
    assert!(near(answer.speakers, 632_121.0) && near(spoken, 632_121.0 * 2.0 / 1e6));
    assert!(near(post, 11.0) && near(deliveries, 40.0) && near(joins, 0.0301) && near(idle, 0.5));
    // The nodes carry the load at half of their cores, and one fewer would not.
    assert!(near(bells, 1e5 * (answer.reached - 1.0) * 10.0 / 1e6));
    let all: f64 = answer.cores.iter().sum();
    assert!(answer.nodes * 2.0 >= all && (answer.nodes - 1.0) * 2.0 < all, "{answer:?}");
    assert!(answer.reached < answer.nodes.min(100.0));
    assert!(near(answer.deliveries, 1e7));
    // Four writers on each node, a hundred commits a second.
    let writes = answer.nodes * 400.0;
    assert!(writes < 1e5 && near(answer.writes, writes) && near(answer.rows, 1e5));
    assert!(near(answer.database, 3.0 + writes * 200.0 / 1e6 + 0.005), "{answer:?}");
    assert!(near(answer.primaries, (answer.database / 5.0).ceil()));
    assert!(near(answer.database_wall, 5e6 / 230.0) && near(answer.shared_wall, 5e6 / 50.0));
    // The bells, a thousand joins, and those who have spoken.
    let redis = 1e5 * (20.0 + 2.0 * answer.reached) + 1e3 * 15.0 + 632_121.0 * 4.0;
    assert!(near(answer.redis, redis / 1e6), "{answer:?}");
}

#[test]
fn at_its_wall_one_redis_is_just_full() {
    let coefficients = Coefficients::of(&measured()).unwrap();
    let wall = coefficients.answer(&DEMAND).redis_wall;
    assert!(wall < 1e5, "{wall}");
    for (share, shards) in [(0.97, 1.0), (1.03, 2.0)] {
        let messages = wall * share;
        let part = Demand { messages, connections: messages * 10.0, ..DEMAND };
        assert_eq!(coefficients.answer(&part).shards, shards, "{share}");
    }
}

#[test]
fn a_larger_demand_never_takes_less() {
    let coefficients = Coefficients::of(&measured()).unwrap();
    let mut before = 0.0;
    for room in [1.0, 10.0, 100.0, 1000.0] {
        let answer = coefficients.answer(&Demand { room, ..DEMAND });
        assert!(answer.nodes > before, "{room}: {answer:?}");
        before = answer.nodes;
    }
}

#[test]
fn what_was_never_measured_is_said() {
    let only_grown = Figures { cluster: None, ..measured() };
    assert!(Coefficients::of(&only_grown).is_err());
    assert!(Coefficients::of(&Figures::default()).is_err());
}
