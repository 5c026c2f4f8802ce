//! How a chat is judged: the checker is handed what people wrote down, the log as the database has it,
//! and the lists of people as every node tells them.
//!
//! A chat that goes on for long is judged at moments at which all have fallen silent, and each time only
//! what has happened since the last one: a [`Horizon`] says where that was, and what was judged is
//! forgotten.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use serde_json::Value;

use super::Cluster;
use crate::{
    common::{LIMIT, web::Web},
    harness::{
        check::{Breach, Judged, NodeList, Rule, Steady, Story, check, remains},
        crowd::Crowd,
        record::{Said, words},
    },
};

/// A socket may outlive its sign-in by so much: the poll of revocations and a slow machine.
const SIGN_OUT_LIMIT: Duration = Duration::from_secs(8);
/// So much of a log's end is kept: who comes is shown the newest page, and a page of the predecessor knows by
/// the last message where it is.
const SHOWN_AGAIN: u64 = 500;
/// How often the end is looked at until everything has arrived.
const LOOK: Duration = Duration::from_millis(200);

/// What a test makes happen that would be wrong otherwise.
#[derive(Default)]
pub struct Expected {
    /// Reasons of `recovered:false`.
    pub holes: Vec<String>,
    /// The beginning of the lobby's log, which is not kept any more.
    pub deleted: Vec<Said>,
    pub steady: Vec<Steady>,
}

impl Expected {
    /// These are there all the time.
    pub fn steady(names: Vec<String>, from: Duration, to: Duration) -> Self {
        Self { steady: vec![Steady { names, from, to }], ..Self::default() }
    }
}

/// Up to where a chat was judged: how many messages of each room are not looked at any more.
#[derive(Debug, Default)]
pub struct Horizon(BTreeMap<String, u64>);

impl Cluster {
    /// A room's log as the database has it.
    pub fn log(&self, room: &str) -> Vec<Said> {
        self.log_after(room, 0)
    }

    /// What of a room's log follows this number.
    fn log_after(&self, room: &str, seq: u64) -> Vec<Said> {
        let rows = self.postgres.sql(
            &self.database,
            &format!(
                "SELECT coalesce(json_agg(json_build_array(seq, client_id, username, body) ORDER BY seq), '[]')
                 FROM messages JOIN rooms ON rooms.id = room_id JOIN users ON users.id = sender_id
                 WHERE rooms.name = '{room}' AND seq > {seq}"
            ),
        );
        let rows: Vec<(u64, String, String, String)> = serde_json::from_str(&rows).unwrap();
        let said = |(seq, id, who, text)| Said { seq, id, who, text };
        rows.into_iter().map(said).collect()
    }

    /// Who is in a room, as every running node tells it.
    pub async fn lists(&self, room: &str) -> Vec<NodeList> {
        self.lists_of(&[room.to_owned()]).await
    }

    /// All nodes are asked at once, with a sign-in of now: a look is as short as it can be.
    async fn lists_of(&self, rooms: &[String]) -> Vec<NodeList> {
        let running = || self.nodes.iter().filter(|node| node.runs());
        let Some(first) = running().next() else { return vec![] };
        let token = Web::of(first.address()).sign_in("observer").await;
        let asked = running().flat_map(|node| rooms.iter().map(move |room| (node, room)));
        let lists = asked.map(async |(node, room)| NodeList {
            node: node.name(),
            room: room.clone(),
            users: whole_list(&Web::of(node.address()), room, &token).await,
        });
        join_all(lists).await
    }

    /// Waits until every node and every client has the people who are there.
    pub async fn agrees(&self, crowd: &Crowd) {
        self.agrees_within(LIMIT, crowd).await;
    }

    /// The same, in this time; answers how long it took.
    pub async fn agrees_within(&self, limit: Duration, crowd: &Crowd) -> Duration {
        let mut story = Story { sign_out_limit: SIGN_OUT_LIMIT, ..Story::default() };
        let began = Instant::now();
        loop {
            story.lists = self.lists("lobby").await;
            story.recordings = crowd.recordings();
            let took = began.elapsed();
            match story.people() {
                None if took < limit => return took,
                None => panic!("the lists agree after {took:?} and not within {limit:?}"),
                Some(breach) => assert!(took < limit, "not within {limit:?}: {breach}"),
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until all is said, everybody is there and everything has arrived; then judges.
    /// Panics with the shortest history that breaks a rule.
    pub async fn judge(&self, crowd: &Crowd, expected: Expected) -> Judged {
        let story = Story {
            holes: expected.holes,
            steady: expected.steady,
            sign_out_limit: SIGN_OUT_LIMIT,
            ..Story::default()
        };
        let judged = self.judge_story(crowd, story, &expected.deleted).await;
        judged.unwrap_or_else(|breach| panic!("{breach}")).0
    }

    /// The same of what has happened since this horizon, which then is forgotten; or the shortest history
    /// that breaks a rule. Everybody is there, or has left for good. A socket may outlive its sign-in by
    /// more, where faults keep the word of it from a node.
    pub async fn judge_since(
        &self,
        horizon: &mut Horizon,
        crowd: &Crowd,
        more: Duration,
    ) -> Result<Judged, Breach> {
        let story = Story {
            before: horizon.0.clone(),
            sign_out_limit: SIGN_OUT_LIMIT + more,
            ..Story::default()
        };
        let (judged, story) = self.judge_story(crowd, story, &[]).await?;
        for recording in &story.recordings {
            crowd.forget(recording, remains(recording));
        }
        let end = |log: &[Said]| Some(log.last()?.seq.saturating_sub(SHOWN_AGAIN));
        let ends = story.logs.into_iter().filter_map(|(room, log)| Some((room, end(&log)?)));
        horizon.0.extend(ends);
        Ok(judged)
    }

    /// Tells the story to its end and judges it; time may mend some of what is wrong with it.
    async fn judge_story(
        &self,
        crowd: &Crowd,
        mut story: Story,
        deleted: &[Said],
    ) -> Result<(Judged, Story), Breach> {
        crowd.fall_silent().await;
        let began = Instant::now();
        loop {
            for room in crowd.rooms() {
                let mut log = if room == "lobby" { deleted.to_vec() } else { vec![] };
                log.extend(self.log_after(&room, story.before.get(&room).copied().unwrap_or_default()));
                story.logs.insert(room, log);
            }
            story.lists = self.lists_of(&crowd.rooms()).await;
            story.recordings = crowd.recordings();
            match check(&story) {
                Ok(judged) => return Ok((judged, story)),
                Err(breach) if is_final(&breach) || began.elapsed() > LIMIT => return Err(breach),
                Err(_) => tokio::time::sleep(LOOK).await,
            }
        }
    }
}

/// Whether time can't mend it: what has not arrived yet may arrive.
const fn is_final(breach: &Breach) -> bool {
    !matches!(breach.rule, Rule::Missed | Rule::People | Rule::SignedOut)
}

/// All pages of a list of people.
async fn whole_list(web: &Web, room: &str, token: &str) -> Vec<String> {
    let mut users = Vec::new();
    let mut path = format!("/rooms/{room}/users");
    loop {
        let answer = web.get(&path, token).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        users.extend(words(&answer.body["users"]));
        match &answer.body["next"] {
            Value::String(next) => path = format!("/rooms/{room}/users?after={next}"),
            _ => return users,
        }
    }
}
