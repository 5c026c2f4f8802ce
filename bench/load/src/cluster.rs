//! What a message, a join and a quiet second cost a cluster of one, two or three nodes: CPU of the
//! nodes, of Redis and of PostgreSQL, and what these two are asked to do. A small room shows what a
//! message costs, a large one what its deliveries do.

use std::time::Duration;

use crate::{
    Outcome,
    behind::Cluster,
    crowd::{Crowd, SETTLED},
    fanout::FLIGHT,
    figures::{self, Effort},
    pace::Pace,
    report::{rounds, step, turn},
    speech::Speech,
    stats::{digits, percentile},
    town::{make_rooms, signed_in},
};

/// Members of the two rooms; each is a multiple of one, two and three.
pub const MEMBERS: [usize; 2] = [12, 1200];
/// How long nobody says anything.
const QUIET: Duration = Duration::from_secs(6);
/// How often something is said when times are taken.
const CALM: Pace = Pace { every: Duration::from_millis(50), times: 100 };
/// Very many messages in flight, in the small room only: what remains of a message's cost when commits
/// are shared.
const MANY: usize = 256;
/// Nodes tell each other who has said how much, twice a second for the window of ten seconds: so many
/// say something once, and then all is quiet for a part of that window.
const SPEAKERS: usize = 600;
const WITHIN: Duration = Duration::from_secs(5);
/// Messages of each load; in a large room only as many as make so many deliveries.
const MESSAGES: usize = 800;
const DELIVERIES: usize = 200_000;

/// Clusters of all these sizes in turn, round after round.
pub fn run(nodes: &[usize], count: usize) -> Outcome<Vec<figures::Cluster>> {
    let sizes = nodes.iter().flat_map(|nodes| MEMBERS.map(|members| (*nodes, members)));
    let all: Vec<figures::Cluster> =
        sizes.map(|(nodes, members)| figures::Cluster::of(nodes, members)).collect();
    rounds(count, all, |round, all| {
        for both in all.chunks_mut(MEMBERS.len()) {
            let nodes = both.first().map_or(0, |it| it.nodes);
            step(&format!("round {round} of {count}: a cluster of {nodes}"));
            let mut measured = both.to_vec();
            turn(&format!("a cluster of {nodes}"), &mut measured, |both| one(nodes, both))?;
            both.clone_from_slice(&measured);
        }
        Ok(())
    })
}

fn one(nodes: usize, rooms: &mut [figures::Cluster]) -> Outcome {
    let mut cluster = Cluster::start(nodes)?;
    let most = rooms.iter().map(|it| it.members).max().unwrap_or_default();
    let people = signed_in(&cluster.doors, most)?;
    for figures in rooms {
        let room = format!("room-{}", figures.members);
        make_rooms(cluster.doors[0], &people[0], std::slice::from_ref(&room))?;
        in_room(&mut cluster, room, &people[..figures.members], figures)?;
        tell(figures);
    }
    Ok(())
}

fn in_room(
    cluster: &mut Cluster,
    room: String,
    people: &[String],
    figures: &mut figures::Cluster,
) -> Outcome {
    let mut crowd = Crowd::of(Speech::Chorus, cluster.doors.clone(), vec![room])?;
    let before = cluster.begin()?;
    crowd.enter(people.iter().map(|it| (it.as_str(), 0)))?;
    crowd.settle(SETTLED)?;
    let joined = cluster.since(&before)?;
    let before = cluster.begin()?;
    crowd.listen(QUIET)?;
    let (idle, transactions) = cluster.since(&before)?.a_second();
    figures.join.push(joined.each(people.len(), &idle));
    figures.idle.push(idle);
    figures.transactions.push(transactions);
    let messages = MESSAGES.min(DELIVERIES / people.len());
    crowd.burst(0..FLIGHT)?;
    figures.one.push(said(cluster, &mut crowd, messages, 1, &idle)?);
    figures.eight.push(said(cluster, &mut crowd, messages, FLIGHT, &idle)?);
    if people.len() < MANY {
        figures.many.push(said(cluster, &mut crowd, MANY * 8, MANY, &idle)?);
    } else {
        figures.spoken.push(spoken(cluster, &mut crowd, &idle)?);
    }
    let times = crowd.paced(CALM, |_| Ok(false))?.heard;
    figures.p50.push(percentile(&times, 50));
    figures.p99.push(percentile(&times, 99));
    Ok(())
}

/// What it costs that people have said something, a second of each.
fn spoken(cluster: &mut Cluster, crowd: &mut Crowd, idle: &Effort) -> Outcome<Effort> {
    // Not all at once: that would be more than is kept for one who reads slowly.
    for first in (0..SPEAKERS).step_by(FLIGHT) {
        crowd.burst(first..first + FLIGHT)?;
    }
    crowd.settle(SETTLED)?;
    let before = cluster.begin()?;
    crowd.listen(WITHIN)?;
    Ok(cluster.since(&before)?.of_each_second(SPEAKERS, idle))
}

/// So many messages, each heard by everybody before the next ones are said, by the same few people.
fn said(
    cluster: &mut Cluster,
    crowd: &mut Crowd,
    messages: usize,
    flight: usize,
    idle: &Effort,
) -> Outcome<Effort> {
    let bursts = messages.div_ceil(flight);
    let before = cluster.begin()?;
    for _ in 0..bursts {
        crowd.burst(0..flight)?;
    }
    Ok(cluster.since(&before)?.each(bursts * flight, idle))
}

fn tell(figures: &figures::Cluster) {
    for (what, efforts) in [
        ("one in flight", &figures.one),
        ("eight", &figures.eight),
        ("very many", &figures.many),
    ] {
        if let Some(it) = efforts.last() {
            let [nodes, redis, postgres] = [it.nodes, it.redis, it.postgres].map(digits);
            let [commands, writes, wal] = [it.commands, it.writes, it.wal].map(digits);
            step(&format!(
                "{} nodes, {} members, a message with {what}: {nodes} + {redis} + {postgres} µs, \
                 {commands} commands, {writes} writes, {wal} bytes of WAL",
                figures.nodes, figures.members
            ));
        }
    }
    let last = |values: &[f64]| digits(values.last().copied().unwrap_or(f64::NAN));
    step(&format!(
        "said → heard by all: p50 {} ms, p99 {} ms",
        last(&figures.p50),
        last(&figures.p99)
    ));
}
