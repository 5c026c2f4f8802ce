//! The sets of who is connected where, each step a script of `scripts/`.
//!
//! A room and an incarnation are on different servers of a Redis Cluster, so a change takes two
//! steps: the incarnation's index names the room, then the room's set changes. Whoever reaps marks the
//! incarnation dead, then every room of its index: a change finds one of the two marks, or the index
//! that is read afterwards names its room.

use std::{
    collections::HashMap,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use fred::{
    interfaces::ClientLike,
    types::{ClusterHash, CustomCommand, Value},
};
use futures_util::{StreamExt, TryStreamExt, stream};
use parking_lot::Mutex;
use uuid::Uuid;

use super::{
    RedisCluster, envelope,
    failure::{failed, strange},
    scripts,
};
use crate::{
    cluster::{Beat, BusError, Incarnation, Presence, Result, RoomSets, SetsVersion},
    domain::{RoomId, Username},
};

/// How many rooms one script reads.
const ROOMS: usize = 500;
/// How many scripts may be unanswered at once.
const AT_ONCE: usize = 32;
/// For how long an index that was written is taken to be there.
const INDEXED: Duration = Duration::from_secs(30);
/// Of how many it is remembered.
const REMEMBERED: usize = 10_000;

/// Which rooms an incarnation's index names, in which era that was written, and when. It saves a
/// command for each change in a lively room.
#[derive(Debug, Default)]
pub(super) struct Indexed(Mutex<HashMap<(Incarnation, RoomId), (u64, Instant)>>);

impl Indexed {
    fn era(&self, who: Incarnation, room: RoomId) -> Option<u64> {
        let indexed = self.0.lock();
        indexed.get(&(who, room)).filter(|(_, at)| at.elapsed() < INDEXED).map(|(era, _)| *era)
    }

    fn note(&self, who: Incarnation, room: RoomId, era: u64) {
        let mut indexed = self.0.lock();
        if indexed.len() >= REMEMBERED {
            indexed.clear();
        }
        indexed.insert((who, room), (era, Instant::now()));
    }

    fn forget(&self, who: Incarnation) {
        self.0.lock().retain(|(other, _), _| *other != who);
    }
}

#[async_trait]
impl Presence for RedisCluster {
    async fn change(
        &self,
        me: Incarnation,
        room: RoomId,
        joined: &[Username],
        left: &[Username],
    ) -> Result<Option<SetsVersion>> {
        let known = self.indexed.era(me, room);
        let stays = match known {
            Some(_) => String::new(),
            None => self.enter(me, room).await?,
        };
        let changed = self.change_room(me, room, stays, joined, left).await;
        if matches!(changed, Err(BusError::DeclaredDead)) {
            self.indexed.forget(me);
        }
        let (names, version) = changed?;
        if known.is_some_and(|era| era != version.era) {
            // The memory that held the index is gone, and so may be the mark of a death.
            self.indexed.forget(me);
            if let Err(error) = self.enter(me, room).await {
                if matches!(error, BusError::DeclaredDead) {
                    self.bury(me, room).await?;
                }
                return Err(error);
            }
        } else if known.is_none() {
            self.indexed.note(me, room, version.era);
        }
        Ok((names > 0).then_some(version))
    }

    async fn sets(&self, room: RoomId) -> Result<RoomSets> {
        let keys = vec![self.keys.room(room)];
        let answer: Value = self.run(&scripts::SETS, keys, vec![]).await?;
        let mut answer = answer.into_array().into_iter();
        let version = version(answer.next(), answer.next())?;
        let mut sets = Vec::new();
        while let (Some(who), Some(names)) = (answer.next(), answer.next()) {
            let names = names.into_array().into_iter();
            let names = names.filter_map(|name| envelope::name(&name.into_string()?)).collect();
            sets.push((incarnation(&who)?, names));
        }
        Ok(RoomSets { version, sets })
    }

    async fn counts(&self, rooms: &[RoomId], dead: &[Incarnation]) -> Result<Vec<usize>> {
        let dead: Vec<String> = dead.iter().map(ToString::to_string).collect();
        let answers: Vec<Vec<usize>> = self.of_rooms(&scripts::COUNTS, rooms, &dead).await?;
        in_order(answers.concat(), rooms.len())
    }

    async fn versions(&self, rooms: &[RoomId]) -> Result<Vec<SetsVersion>> {
        let answers: Vec<Vec<u64>> = self.of_rooms(&scripts::VERSIONS, rooms, &[]).await?;
        let answer = answers.concat();
        let pairs = answer.chunks_exact(2).map(|pair| SetsVersion { era: pair[0], number: pair[1] });
        in_order(pairs.collect(), rooms.len())
    }

    async fn beat(&self, me: Incarnation) -> Result<Vec<(Incarnation, Beat)>> {
        // A line may carry what is said and bring nothing back. Whoever hears nothing must not be kept
        // alive by its own beats: after one without an answer something is asked first.
        if self.deaf.swap(true, Ordering::Relaxed) {
            self.hears().await?;
        }
        let answer = self.run(&scripts::BEAT, vec![self.keys.beats()], vec![me.to_string()]).await?;
        self.deaf.store(false, Ordering::Relaxed);
        let answer = living(answer)?.into_array();
        let pair = |pair: &[Value]| Some((incarnation(&pair[0]).ok()?, pair[1].as_u64()?));
        answer.chunks_exact(2).map(|chunk| pair(chunk).ok_or_else(strange)).collect()
    }

    async fn reap(&self, dead: Incarnation) -> Result<Vec<RoomId>> {
        self.indexed.forget(dead);
        let rooms = self.end(dead, Duration::ZERO, false).await?;
        let buried = stream::iter(rooms)
            .map(|room| async move { self.bury(dead, room).await.map(|was| was.then_some(room)) })
            .buffer_unordered(AT_ONCE);
        let changed: Vec<Option<RoomId>> = buried.try_collect().await?;
        // Only now that all of it is done: another one finishes what this one does not.
        let index = format!("{}rooms", self.keys.incarnation(dead));
        let forget = CustomCommand::new_static("DEL", ClusterHash::FirstKey, false);
        self.calls.custom::<i64, _>(forget, vec![index]).await.map_err(|error| failed(&error))?;
        Ok(changed.into_iter().flatten().collect())
    }

    async fn withdraw(&self, me: Incarnation, grace: Duration) -> Result<()> {
        self.indexed.forget(me);
        let rooms = self.end(me, grace, true).await?;
        self.indexed.forget(me);
        let stays = grace.as_millis().to_string();
        stream::iter(rooms)
            .map(|room| {
                let (keys, args) = (vec![self.keys.room(room)], vec![me.to_string(), stays.clone()]);
                self.run::<i64>(&scripts::LEAVE, keys, args)
            })
            .buffer_unordered(AT_ONCE)
            .try_for_each(|_| async { Ok(()) })
            .await
    }
}

impl RedisCluster {
    /// Whether an answer comes from where the beats are.
    async fn hears(&self) -> Result<()> {
        let ask = CustomCommand::new_static("HLEN", ClusterHash::FirstKey, false);
        let counts = format!("{}counts", self.keys.beats());
        self.calls.custom::<i64, _>(ask, vec![counts]).await.map_err(|error| failed(&error))?;
        Ok(())
    }

    /// Has the index name a room; answers for how many milliseconds `who` still stays, nothing when
    /// it does not drain.
    async fn enter(&self, who: Incarnation, room: RoomId) -> Result<String> {
        let keys = vec![self.keys.incarnation(who)];
        let stays = living(self.run(&scripts::ENTER, keys, vec![room.0.to_string()]).await?)?;
        stays.into_string().ok_or_else(strange)
    }

    /// Changes a set; answers how many names came or went, and the room's version.
    async fn change_room(
        &self,
        who: Incarnation,
        room: RoomId,
        stays: String,
        joined: &[Username],
        left: &[Username],
    ) -> Result<(u64, SetsVersion)> {
        let (_, chance) = Uuid::new_v4().as_u64_pair();
        let mut args = vec![
            who.to_string(),
            chance.max(1).to_string(),
            stays,
            joined.len().to_string(),
        ];
        args.extend(joined.iter().chain(left).map(|name| name.as_str().to_owned()));
        let answer = self.run(&scripts::CHANGE, vec![self.keys.room(room)], args).await?;
        let mut answer = living(answer)?.into_array().into_iter();
        let names = answer.next().and_then(|names| names.as_u64()).ok_or_else(strange)?;
        Ok((names, version(answer.next(), answer.next())?))
    }

    /// Ends an incarnation, after a while; answers the rooms where it may have a set. `once` refuses one
    /// that is dead already.
    async fn end(&self, who: Incarnation, after: Duration, once: bool) -> Result<Vec<RoomId>> {
        let after = after.as_millis().to_string();
        let args = vec![after.clone(), u8::from(once).to_string()];
        let rooms = living(self.run(&scripts::END, vec![self.keys.incarnation(who)], args).await?)?;
        self.run::<i64>(&scripts::STILL, vec![self.keys.beats()], vec![who.to_string(), after])
            .await?;
        let room = |value: Value| value.as_string()?.parse().ok().map(RoomId);
        rooms.into_array().into_iter().map(|value| room(value).ok_or_else(strange)).collect()
    }

    /// Removes a set of somebody who is dead; answers whether there was one.
    async fn bury(&self, who: Incarnation, room: RoomId) -> Result<bool> {
        let keys = vec![self.keys.room(room)];
        Ok(self.run::<i64>(&scripts::BURY, keys, vec![who.to_string()]).await? == 1)
    }

    /// Runs a script for many rooms: many at once where one server has them all.
    async fn of_rooms<T: fred::types::FromValue + Send>(
        &self,
        script: &scripts::Script,
        rooms: &[RoomId],
        args: &[String],
    ) -> Result<Vec<T>> {
        let part = if self.sharded { 1 } else { ROOMS };
        let calls: Vec<_> = rooms
            .chunks(part)
            .map(|rooms| {
                let keys = rooms.iter().map(|room| self.keys.room(*room)).collect();
                self.run(script, keys, args.to_vec())
            })
            .collect();
        stream::iter(calls).buffered(AT_ONCE).try_collect().await
    }

    /// Runs a script.
    pub(super) async fn run<T: fred::types::FromValue>(
        &self,
        script: &scripts::Script,
        keys: Vec<String>,
        args: Vec<String>,
    ) -> Result<T> {
        self.claim.admit()?;
        script.run(&self.calls, keys, args).await.map_err(|error| failed(&error))
    }
}

/// Scripts answer nothing to the dead.
fn living(answer: Value) -> Result<Value> {
    if answer.is_null() { Err(BusError::DeclaredDead) } else { Ok(answer) }
}

fn in_order<T>(answers: Vec<T>, asked: usize) -> Result<Vec<T>> {
    if answers.len() == asked { Ok(answers) } else { Err(strange()) }
}

fn version(era: Option<Value>, number: Option<Value>) -> Result<SetsVersion> {
    let read = |value: Option<Value>| value?.as_string()?.parse().ok();
    match (read(era), read(number)) {
        (Some(era), Some(number)) => Ok(SetsVersion { era, number }),
        _ => Err(strange()),
    }
}

fn incarnation(value: &Value) -> Result<Incarnation> {
    let id = value.as_string().and_then(|text| Uuid::try_parse(&text).ok());
    id.map(Incarnation).ok_or_else(strange)
}
