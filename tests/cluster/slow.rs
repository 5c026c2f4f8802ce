//! People who read a byte a second, who don't read at all, and whose line has died without a word. The
//! node is rid of each in time, they leave the lists, and nobody else has to wait for them. Some of each kind
//! come through nginx, which the node has to be rid of as well: it holds their line as long as they do.

use std::{
    future::pending,
    ops::Range,
    time::{Duration, Instant},
};

use crate::{
    BUSY, NODES,
    common::{Client, eventually, within},
    harness::{
        crowd::Crowd,
        proxy::{Direction, Proxy},
        scene::{Cluster, Expected, Setup},
        times,
    },
    talking,
};

/// How many there are who read a byte a second.
const SLOW: u32 = 5;
/// Where those are who come without nginx: who are slow, and who say nothing more.
const OF_SLOW: usize = 0;
const OF_SILENT: usize = 2;
/// How often a node pings; silent for two of them, a socket is cut, and looked at that often.
const PING: Duration = Duration::from_secs(1);
/// A long text, 12 kB of it: what is held for a slow reader fills up soon.
const LONG: usize = 3_000;
/// More than all buffers on the way of one slow reader take.
const MOST: usize = 3_000;
/// What a busy machine may add to a percentile; to wait for a slow reader would be to wait for seconds.
const NOISE: Duration = Duration::from_millis(250);

fn setup() -> Setup {
    let setup = Setup::of(NODES).behind_nginx().undisturbed();
    let setup = setup.with("PRESENCE_GRACE_SECONDS", "0").with("MESSAGE_MAX_CHARS", "4000");
    setup.with("OUTBOX_BYTES", "65536")
}

/// Somebody through a line of their own.
async fn guest(line: &Proxy, token: &str) -> Client {
    let mut client = Client::open(line.address(), token).await;
    client.join("lobby").await;
    client
}

async fn is_listed(cluster: &Cluster, name: &str) -> bool {
    let lists = cluster.lists("lobby").await;
    lists.iter().any(|list| list.users.iter().any(|user| user.starts_with(name)))
}

/// Long texts, one after the other, for as long as something holds.
async fn talks_long(client: &mut Client, what: &str, mut goes_on: impl FnMut(&Client, usize) -> bool) {
    let text = "😀".repeat(LONG);
    let mut said = 0;
    while goes_on(client, said) {
        client.say_acked("lobby", &format!("{what}-{said}"), &text).await;
        said += 1;
    }
}

fn lists_a_slow_one(client: &Client) -> bool {
    client.people["lobby"].0.iter().any(|name| name.starts_with("slow"))
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_a_byte_a_second_is_closed_and_nobody_else_waits() {
    // Nobody is cut for being silent before that.
    let (cluster, crowd) = talking(setup().with("PING_SECONDS", "600")).await;
    let mut talker = cluster.guest(1, "talker").await;
    let began = cluster.clock.now();
    talks_long(&mut talker, "calm", |_, said| said < 100).await;
    let calm = began..cluster.clock.now();

    let (mut lines, mut readers) = (Vec::new(), Vec::new());
    for number in 0..SLOW {
        let token = cluster.web(OF_SLOW).sign_in(&format!("slow{number}")).await;
        let nginx = cluster.edge().filter(|_| number % 2 == 1);
        let line = Proxy::to(nginx.unwrap_or_else(|| cluster.nodes[OF_SLOW].address())).await;
        readers.push(guest(&line, &token).await);
        line.slow(Direction::Down, 1);
        lines.push(line);
    }
    let last = format!("slow{}", SLOW - 1);
    let came = |people: &[String]| people.contains(&last);
    while !came(&talker.people["lobby"].0) {
        talker.expect("presence").await;
    }
    let began = cluster.clock.now();
    talks_long(&mut talker, "slow", |talker, said| {
        assert!(said < MOST, "the slow readers are never closed");
        lists_a_slow_one(talker)
    })
    .await;
    let slow = began..cluster.clock.now();
    // Each has some seconds to read what it was sent before.
    eventually("they were closed because they are slow", async || {
        let mut closed = 0.0;
        for node in &cluster.nodes {
            closed += node.metric("chorus_sockets_closed_total{cause=\"too_slow\"}").await;
        }
        closed >= f64::from(SLOW)
    })
    .await;
    drop((lines, readers, talker));
    cluster.judge(&crowd, Expected::default()).await;
    nobody_waited(&crowd, &calm, &slow);
}

/// Others were shown what was said as soon as before, or nearly.
fn nobody_waited(crowd: &Crowd, calm: &Range<Duration>, slow: &Range<Duration>) {
    let recordings = crowd.recordings();
    let (calm, slow) = (times::deliveries(&recordings, calm), times::deliveries(&recordings, slow));
    println!("deliveries before: {calm}; beside slow readers: {slow}");
    assert!(
        slow.percentile(99) <= 2 * calm.percentile(99) + NOISE,
        "{calm}; beside slow readers: {slow}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_stands_still_and_whose_line_is_dead_is_cut_after_two_pings() {
    let cluster = setup().with("PING_SECONDS", &PING.as_secs().to_string()).start().await;
    let line = Proxy::to(cluster.nodes[OF_SILENT].address()).await;
    let to_nginx = Proxy::to(cluster.edge().unwrap()).await;
    let web = cluster.web(OF_SILENT);
    let mut dead = guest(&line, &web.sign_in("silentline").await).await;
    let mut dead_at_nginx = guest(&to_nginx, &web.sign_in("silentedge").await).await;
    let stopped = cluster.guest(OF_SILENT, "silentclient").await;
    let mut near = cluster.guest(OF_SILENT, "near").await;
    assert!(is_listed(&cluster, "silent").await);
    let began = Instant::now();
    // What it hears it would answer: on the way back nothing arrives.
    line.swallow(Direction::Up);
    to_nginx.swallow(Direction::Up);
    let cut = within(4 * PING + BUSY, "they are gone from all lists", async || {
        !is_listed(&cluster, "silent").await
    });
    // These go on reading meanwhile.
    tokio::select! {
        took = cut => println!("they are gone after {took:.1?}"),
        () = async { drop((dead.listen_for(6 * PING).await, pending::<()>().await)) } => {}
        () = async { drop((dead_at_nginx.listen_for(6 * PING).await, pending::<()>().await)) } => {}
        _ = near.listen_for(6 * PING) => panic!("still there after {:?}", began.elapsed()),
    }
    near.say_acked("lobby", "near", "who answers stays").await;
    drop(stopped);
}
