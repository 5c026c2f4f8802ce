//! What nodes tell each other that belongs to no room. Moments are taken and compared by the
//! server's clock alone; nodes say and hear how long ago.

use std::time::Duration;

use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::{RedisCluster, failure::strange, scripts};
use crate::{
    cluster::{Incarnation, Peers, Result, Spoken},
    domain::PEER_HEALTH_TTL,
};

/// Of how many people one script tells.
const PEOPLE: usize = 500;
/// How many scripts may be unanswered at once.
const AT_ONCE: usize = 32;

#[async_trait]
impl Peers for RedisCluster {
    async fn exchange_health(&self, me: Incarnation, store_reached: bool) -> Result<bool> {
        let args = vec![
            me.to_string(),
            u8::from(store_reached).to_string(),
            PEER_HEALTH_TTL.as_millis().to_string(),
        ];
        let other: i64 = self.run(&scripts::HEALTH, vec![self.keys.health()], args).await?;
        Ok(other == 1)
    }

    async fn exchange_spoken(
        &self,
        me: Incarnation,
        window: Duration,
        spoken: &[Spoken],
    ) -> Result<Vec<Vec<Duration>>> {
        let part = if self.sharded { 1 } else { PEOPLE };
        let calls: Vec<_> = spoken
            .chunks(part)
            .map(|people| {
                let keys = people.iter().map(|(user, _)| self.keys.spoken(*user)).collect();
                let mut args = vec![me.to_string(), window.as_millis().max(1).to_string()];
                args.extend(people.iter().map(|(_, ages)| written(ages)));
                self.run::<Vec<String>>(&scripts::SPOKEN, keys, args)
            })
            .collect();
        let answers: Vec<Vec<String>> = stream::iter(calls).buffered(AT_ONCE).try_collect().await?;
        let others: Vec<Vec<Duration>> = answers.concat().iter().map(|ages| read(ages)).collect();
        if others.len() == spoken.len() { Ok(others) } else { Err(strange()) }
    }
}

fn written(ages: &[Duration]) -> String {
    let ages: Vec<String> = ages.iter().map(|age| age.as_millis().to_string()).collect();
    ages.join(",")
}

fn read(ages: &str) -> Vec<Duration> {
    ages.split(',').filter_map(|age| age.parse().ok()).map(Duration::from_millis).collect()
}
