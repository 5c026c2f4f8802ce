//! What has gathered in a log goes to a broker that hears of this chat for the first time.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::servers::Servers;
use crate::{
    LIMIT, Outcome,
    amqp::Broker,
    crowd::Crowd,
    figures::Backlog,
    report::{step, turn},
    speech::Speech,
    stats::digits,
    stop,
    town::{make_rooms, signed_in},
};

/// Rooms that it is of, one number after the other.
const ROOMS: [usize; 2] = [10, 1000];
/// Events, said so many at once.
const EVENTS: u64 = 20_480;
const FLIGHT: usize = 256;
/// Who says them: all together are a member of each room.
const PEOPLE: usize = 10;
/// How often it is asked how far it is.
const ASK: Duration = Duration::from_millis(5);

/// A database in which this much was said.
pub(super) struct Gathered {
    database: String,
    rooms: usize,
}

/// Nothing measured yet.
pub(super) fn none() -> Vec<Backlog> {
    ROOMS.map(|rooms| Backlog::of(rooms, EVENTS)).into()
}

/// Has it all said, as people say things, by nodes that tell no broker.
pub(super) fn gather(servers: &Servers) -> Outcome<Vec<Gathered>> {
    ROOMS.iter().map(|rooms| said(servers, *rooms)).collect()
}

fn said(servers: &Servers, rooms: usize) -> Outcome<Gathered> {
    let database = format!("backlog{rooms}");
    servers.make(&database, true)?;
    let node = servers.node(&database, None)?;
    let people = signed_in(&[node.door], PEOPLE)?;
    let names: Vec<String> = (0..rooms).map(|room| format!("room-{room}")).collect();
    make_rooms(node.door, &people[0], &names)?;
    step(&format!("{EVENTS} messages in {rooms} rooms"));
    let mut crowd = Crowd::of(Speech::Chorus, vec![node.door], names)?;
    crowd.enter((0..rooms).map(|room| (people[room % PEOPLE].as_str(), room)))?;
    let mut next = 0..usize::try_from(EVENTS)?;
    while !next.is_empty() {
        crowd.burst(next.by_ref().take(FLIGHT))?;
    }
    Ok(Gathered { database, rooms })
}

/// Each backlog once.
pub(super) fn tell_all(servers: &Servers, gathered: &[Gathered], figures: &mut [Backlog]) -> Outcome {
    for (gathered, figures) in gathered.iter().zip(figures) {
        turn("a backlog", figures, |figures| tell(servers, gathered, figures))?;
        let last = |list: &[f64]| list.last().map_or_else(String::new, |it| digits(*it));
        step(&format!(
            "{} rooms: {} events a second; {} + {} + {} µs each",
            gathered.rooms,
            last(&figures.rate),
            last(&figures.node),
            last(&figures.postgres),
            last(&figures.broker)
        ));
    }
    Ok(())
}

/// From the moment in which the first events are in the queue, so without the start of the node.
fn tell(servers: &Servers, gathered: &Gathered, figures: &mut Backlog) -> Outcome {
    let queue = &gathered.database;
    let mut broker = servers.broker()?;
    broker.purge(queue)?;
    servers.sql(queue, "DELETE FROM relay_sinks")?;
    let node = servers.node(queue, Some(servers.amqp()))?;
    let first = reaches(&mut broker, queue, 1)?;
    let (before, began) = (servers.spent(&node)?, Instant::now());
    reaches(&mut broker, queue, EVENTS)?;
    let (took, after) = (began.elapsed(), servers.spent(&node)?);
    // All of them, and not some of them twice.
    node.awaits("confirmed_total", EVENTS as f64)?;
    let rest = EVENTS.saturating_sub(first) as f64;
    let [of_node, postgres, of_broker] = after.each_since(before, rest);
    figures.rate.push(rest / took.as_secs_f64());
    figures.node.push(of_node);
    figures.postgres.push(postgres);
    figures.broker.push(of_broker);
    Ok(())
}

/// Waits until so many messages are in a queue, and answers how many then are.
fn reaches(broker: &mut Broker, queue: &str, count: u64) -> Outcome<u64> {
    let began = Instant::now();
    loop {
        let now = broker.count(queue)?;
        if now >= count {
            return Ok(now);
        }
        stop::check()?;
        if began.elapsed() > LIMIT {
            return Err(format!("{now} of {count} events are in the queue").into());
        }
        thread::sleep(ASK);
    }
}
