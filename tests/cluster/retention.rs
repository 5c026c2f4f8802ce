//! Old messages are deleted while people talk: nobody who is here notices, whoever comes back from before
//! what is kept is told so and misses nothing that is still there.

use serde_json::{Value, json};

use crate::{
    NODES,
    common::{Client, eventually, web::Web},
    harness::{
        crowd::Crowd,
        scene::{Cluster, Expected, Setup},
    },
    talking,
};

const ROOM: &str = "quiet";
const TWO_DAYS: &str = "172800000";

/// Somebody who was there and remembers what was said: number and id.
type Memory = Vec<(u64, String)>;

/// Makes all messages of a room up to this number two days older.
fn age(cluster: &Cluster, room: &str, upto: u64) {
    cluster.postgres.sql(
        &cluster.database,
        &format!(
            "UPDATE messages SET ts = ts - {TWO_DAYS}
             WHERE seq <= {upto} AND room_id = (SELECT id FROM rooms WHERE name = '{room}')"
        ),
    );
}

/// Comes back after what it remembers, naming a number alone when it has no id.
async fn back(web: &Web, token: &str, room: &str, at: &(u64, String)) -> (Client, Value) {
    let mut client = Client::open(web.address, token).await;
    let mut join = json!({ "type": "join", "room": room, "after": at.0 });
    if !at.1.is_empty() {
        join["afterId"] = json!(at.1);
    }
    client.send(join).await;
    let joined = client.expect("joined").await;
    (client, joined)
}

fn numbers(page: &Value) -> Vec<u64> {
    let messages = page["messages"].as_array().unwrap();
    messages.iter().map(|message| message["seq"].as_u64().unwrap()).collect()
}

/// All that is left of a room, as pages of history tell it from the newest backwards.
async fn read_back(web: &Web, token: &str, room: &str) -> Vec<u64> {
    let mut path = format!("/rooms/{room}/messages?limit=200");
    let mut all = Vec::new();
    loop {
        let page = web.get(&path, token).await.body;
        let mut read = numbers(&page);
        let first = read[0];
        read.append(&mut all);
        all = read;
        if page["hasMore"] == false {
            return all;
        }
        path = format!("/rooms/{room}/messages?limit=200&before={first}");
    }
}

/// A room in which five things were said and then, days later, one more.
async fn silence(cluster: &Cluster) -> (String, Memory) {
    let web = cluster.web(0);
    let token = web.sign_in("quiet").await;
    web.post("/rooms", &token, json!({ "room": ROOM })).await;
    let mut alone = Client::open(web.address, &token).await;
    alone.join(ROOM).await;
    for n in 1..=5 {
        alone.say_acked(ROOM, &format!("q{n}"), "hello?").await;
    }
    alone.until_seq(ROOM, 5).await;
    age(cluster, ROOM, 5);
    alone.say_acked(ROOM, "q6", "still there?").await;
    alone.until_seq(ROOM, 6).await;
    (token, alone.into_seen(ROOM))
}

/// What is in the lobby so far is old, but the last few; answers what of it will go.
async fn ages_in_the_lobby(cluster: &Cluster, crowd: &Crowd) -> Vec<crate::harness::record::Said> {
    crowd.acked(50).await;
    let mut log = cluster.log("lobby");
    let upto = log.last().unwrap().seq - 20;
    age(cluster, "lobby", upto);
    crowd.acked(50).await;
    log.retain(|said| said.seq < upto);
    log
}

#[tokio::test(flavor = "multi_thread")]
async fn old_messages_go_while_people_talk_and_who_comes_back_too_late_is_told() {
    let (mut cluster, crowd) = talking(Setup::of(NODES).with("RETENTION_DAYS", "1")).await;
    let late = cluster.guest(1, "late").await.into_seen("lobby");
    let (token, quiet) = silence(&cluster).await;
    let gone = ages_in_the_lobby(&cluster, &crowd).await;
    let first = gone.last().unwrap().seq + 1;

    // A node looks for old messages when it comes, and of several one a minute.
    cluster.nodes[2].kill().await;
    cluster.postgres.sql(&cluster.database, "UPDATE expiry SET begun_at = 0");
    cluster.nodes[2].start().await;
    eventually("they are deleted", async || cluster.log("lobby")[0].seq == first).await;
    eventually("in the other room too", async || cluster.log(ROOM)[0].seq == 5).await;
    crowd.acked(100).await;

    let web = cluster.web(0);
    let too_late = web.sign_in("late").await;
    let (_, joined) = back(&web, &too_late, "lobby", late.last().unwrap()).await;
    assert_eq!(
        (&joined["recovered"], &joined["reason"]),
        (&json!(false), &json!("position_expired"))
    );
    assert_eq!(numbers(&joined).last(), joined["seq"].as_u64().as_ref(), "the newest page");
    let left = read_back(&web, &too_late, "lobby").await;
    assert_eq!(left[0], first, "all that is still there is read");
    assert!(left.windows(2).all(|pair| pair[1] == pair[0] + 1), "{left:?}");

    comes_back_to_the_quiet_room(&web, &token, &quiet).await;
    let mut counted = 0.0;
    for node in &cluster.nodes {
        counted += node.metric("chorus_expired_events_total").await;
    }
    #[expect(clippy::cast_precision_loss, reason = "some hundred")]
    let went = (gone.len() + 4) as f64;
    assert!((counted - went).abs() < 0.5, "{counted} of {went}");
    let expected = Expected { deleted: gone, ..Expected::default() };
    cluster.judge(&crowd, expected).await;
}

/// The newest of the old ones is kept: who stood there or later has lost nothing; before it, a number at
/// which nothing stands is not one at which another log has something else.
async fn comes_back_to_the_quiet_room(web: &Web, token: &str, seen: &Memory) {
    let resume = async |at: (u64, String)| back(web, token, ROOM, &at).await.1;
    for at in [&seen[4], &seen[5]] {
        let joined = resume(at.clone()).await;
        assert_eq!(joined["recovered"], true, "{joined}");
        assert_eq!(numbers(&joined), (at.0 + 1..=6).collect::<Vec<_>>());
    }
    for at in [(0, String::new()), (1, String::new()), seen[3].clone()] {
        let joined = resume(at).await;
        assert_eq!((&joined["reason"], numbers(&joined)), (&json!("position_expired"), vec![5, 6]));
    }
    let other = resume((5, "of-another-log".to_owned())).await;
    assert_eq!(other["reason"], "log_changed");
    let beyond = resume((9, "of-another-log".to_owned())).await;
    assert_eq!(beyond["reason"], "log_changed");
}

/// The years by which one clock is wrong, in milliseconds.
const TEN_YEARS: i64 = 315_360_000_000;

/// The clock of the database is so far ahead of the machine's from now on.
fn set_clock(cluster: &Cluster, ahead: i64) {
    let sql = format!(
        "CREATE OR REPLACE FUNCTION chorus_now() RETURNS bigint LANGUAGE sql VOLATILE AS
         $$ SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint + {ahead} $$;
         UPDATE expiry SET begun_at = 0"
    );
    cluster.postgres.sql(&cluster.database, &sql);
}

/// The node starts again, looks for old messages, and has found none that it has not deleted.
async fn looks_for_old_messages(cluster: &mut Cluster) {
    cluster.nodes[0].kill().await;
    cluster.nodes[0].start().await;
    let node = &cluster.nodes[0];
    eventually("a round has ended", async || {
        node.metric("chorus_expiry_rounds_total{outcome=\"finished\"}").await > 0.5
    })
    .await;
}

/// Three things are said in a room of its own.
async fn three_things(cluster: &Cluster, who: &str, room: &str) {
    let web = cluster.web(0);
    let token = web.sign_in(who).await;
    web.post("/rooms", &token, json!({ "room": room })).await;
    let mut client = Client::open(web.address, &token).await;
    client.join(room).await;
    for n in 1..=3 {
        client.say_acked(room, &format!("{room}{n}"), "hello").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_old_by_one_clock_alone_stays() {
    let mut cluster = Setup::of(1).with("RETENTION_DAYS", "1").start().await;
    let left =
        |cluster: &Cluster, room: &str| cluster.log(room).iter().map(|said| said.seq).collect::<Vec<_>>();
    three_things(&cluster, "alice", "first").await;
    set_clock(&cluster, TEN_YEARS);
    looks_for_old_messages(&mut cluster).await;
    assert_eq!(left(&cluster, "first"), [1, 2, 3], "the database's clock runs ahead");

    set_clock(&cluster, -TEN_YEARS);
    cluster.nodes[0].kill().await;
    cluster.nodes[0].start().await;
    three_things(&cluster, "bob", "second").await;
    set_clock(&cluster, -TEN_YEARS);
    looks_for_old_messages(&mut cluster).await;
    assert_eq!(left(&cluster, "second"), [1, 2, 3], "as if the node's clock ran ahead");

    set_clock(&cluster, 0);
    looks_for_old_messages(&mut cluster).await;
    assert_eq!(left(&cluster, "second"), [3], "old by both");
    assert_eq!(left(&cluster, "first"), [1, 2, 3]);
}

/// How often rooms began anew on the node for this cause.
async fn resets(cluster: &Cluster, cause: &str) -> f64 {
    cluster.nodes[0]
        .metric(&format!("chorus_sequencer_resets_total{{cause=\"{cause}\"}}"))
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_that_is_behind_what_is_kept_is_not_counted_as_a_log_that_changed() {
    let cluster = Setup::of(1).start().await;
    let mut alice = cluster.guest(0, "alice").await;
    for n in 1..=3 {
        alice.say_acked("lobby", &format!("a{n}"), "hello").await;
    }
    alice.until_seq("lobby", 3).await;
    let lobby = "(SELECT id FROM rooms WHERE name = 'lobby')";
    // As if it had slept while three more were said and those that it knew were deleted.
    let sql = format!(
        "UPDATE messages SET seq = seq + 3 WHERE room_id = {lobby}; UPDATE rooms SET last_seq = 6 WHERE name = 'lobby'"
    );
    cluster.postgres.sql(&cluster.database, &sql);
    let back = alice.until(|frame| frame["reason"] == "position_expired").await;
    assert_eq!(numbers(&back), [4, 5, 6]);
    assert_eq!(
        (resets(&cluster, "expired").await, resets(&cluster, "changed").await),
        (1.0, 0.0)
    );

    alice.say_acked("lobby", "a7", "goes on").await;
    let sql = format!(
        "DELETE FROM messages WHERE seq = 7 AND room_id = {lobby}; UPDATE rooms SET last_seq = 6 WHERE name = 'lobby'"
    );
    cluster.postgres.sql(&cluster.database, &sql);
    alice.until(|frame| frame["reason"] == "log_changed").await;
    assert_eq!(
        (resets(&cluster, "expired").await, resets(&cluster, "changed").await),
        (1.0, 1.0)
    );
}
