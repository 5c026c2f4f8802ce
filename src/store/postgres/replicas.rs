//! Read replicas: what may lag is read from them, and made up for by the primary.
//!
//! Once a second a counter on the primary is raised and looked for on each replica, so lag is measured
//! by what has really arrived, on this node's own clock: a replica whose replay is paused, whose stream
//! is broken or that does not answer is not asked until it has caught up. A replica that fails a
//! question is not asked again before the next look. While the primary can't be asked, replicas serve
//! for [`UNSEEN`]. So what they tell is never older than about that, [`LAG`] and two looks.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use secrecy::SecretString;
use tokio::time::{MissedTickBehavior, interval};
use tokio_postgres::{Row, types::ToSql};
use tokio_util::sync::CancellationToken;

use super::{
    OpenError, PostgresStore,
    accounts::{ACCOUNT, account},
    calls::{Calls, Effect, PATIENT, QUICK},
    connect::Target,
    log::Asked,
    pools,
    sign_ins::{BY_TOKENS, hashes, known},
};
use crate::{
    domain::{RoomId, Seq, Username},
    shutdown::Tasks,
    store::{Account, Accounts, LaggingReads, Log, Page, Result, SignIn, Slice, TokenHash},
    tally::closed_set,
};

/// How often replicas are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How long after a beat was told by the primary it may be missing on a replica.
const LAG: Duration = Duration::from_secs(2);
/// How long replicas are asked without a beat of the primary.
const UNSEEN: Duration = Duration::from_secs(5);
/// How many beats are remembered: those of the last seconds.
const KEPT: usize = 8;

/// The replicas of one primary.
pub(super) struct Replicas {
    primary: Arc<PostgresStore>,
    /// A connection of its own, so that a storm on the others switches no replica off.
    primary_beat: Calls,
    all: Vec<Replica>,
    next: AtomicUsize,
}

struct Replica {
    calls: Calls,
    usable: AtomicBool,
}

impl Replicas {
    /// Starts looking at them. None is asked before its first look.
    pub(super) fn start(
        primary: &Arc<PostgresStore>,
        urls: &[SecretString],
        tasks: &Tasks,
    ) -> Result<Arc<Self>, OpenError> {
        let open = |url: &SecretString| {
            let calls = Calls::new(&Target::parse(url)?, primary.others, QUICK)?;
            Ok(Replica { calls, usable: AtomicBool::new(false) })
        };
        let all = urls.iter().map(open).collect::<Result<Vec<_>, OpenError>>()?;
        pools::watch("replicas", all.iter().map(|replica: &Replica| &replica.calls), tasks);
        let next = AtomicUsize::new(0);
        let primary_beat = Calls::new(&primary.target, 1, PATIENT)?;
        let started = Arc::new(Self { primary: primary.clone(), primary_beat, all, next });
        tasks.spawn("replicas", started.clone().look(tasks.stopped().clone()));
        Ok(started)
    }

    async fn look(self: Arc<Self>, stop: CancellationToken) {
        let mut ticks = interval(LOOK);
        let mut beats = Beats::default();
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            // Raised in one statement by all nodes; what it is for this one is when it was told.
            let sql = "UPDATE pulse SET beat = beat + 1 RETURNING beat";
            let told = self.primary_beat.one(Effect::Read, sql, &[]).await;
            match told.and_then(|row| Ok(row.try_get(0)?)) {
                Ok(beat) => beats.told(Instant::now(), beat),
                Err(error) => tracing::debug!(%error, "no beat from the primary"),
            }
            for (number, replica) in self.all.iter().enumerate() {
                let seen = replica.calls.one(Effect::Read, "SELECT beat FROM pulse", &[]).await;
                let seen = seen.and_then(|row| Ok(row.try_get(0)?)).ok();
                let usable = seen.is_some_and(|seen| beats.allow(Instant::now(), seen));
                if replica.usable.swap(usable, Ordering::AcqRel) != usable {
                    tracing::info!(number, usable, "a read replica");
                }
            }
        }
    }

    /// The next one that may be asked.
    fn next(&self) -> Option<&Replica> {
        let usable: Vec<&Replica> =
            self.all.iter().filter(|replica| replica.usable.load(Ordering::Acquire)).collect();
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        usable.get(turn.checked_rem(usable.len())?).copied()
    }

    /// What a replica answers, if one can be asked and does; what becomes of so many questions is counted if not.
    async fn rows(
        &self,
        questions: u64,
        sql: &'static str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Option<Vec<Row>> {
        let Some(replica) = self.next() else {
            Outcome::NoneUsable.count(questions);
            return None;
        };
        match replica.calls.query(Effect::Read, sql, params).await {
            Ok(rows) => Some(rows),
            Err(error) => {
                tracing::debug!(%error, "a read replica failed; the primary is asked");
                replica.usable.store(false, Ordering::Release);
                Outcome::Failed.count(questions);
                None
            }
        }
    }

    /// What a replica knows, by what `read` finds in its answer; else the primary is to be asked.
    async fn ask<T>(
        &self,
        sql: &'static str,
        params: &[&(dyn ToSql + Sync)],
        read: impl FnOnce(&[Row]) -> Result<Option<T>> + Send,
    ) -> Result<Option<T>> {
        let Some(rows) = self.rows(1, sql, params).await else { return Ok(None) };
        let found = read(&rows)?;
        if found.is_some() { Outcome::Served } else { Outcome::Missing }.count(1);
        Ok(found)
    }
}

/// What the primary told lately. Pure.
#[derive(Debug, Default)]
struct Beats(VecDeque<(i64, Instant)>);

impl Beats {
    fn told(&mut self, now: Instant, beat: i64) {
        // A counter that fell is another database's: what was known of the old one is void.
        if self.0.back().is_some_and(|(last, _)| *last >= beat) {
            self.0.clear();
        }
        self.0.push_back((beat, now));
        while self.0.len() > KEPT {
            self.0.pop_front();
        }
    }

    /// Whether a replica that shows `seen` may be asked.
    fn allow(&self, now: Instant, seen: i64) -> bool {
        let known = self.0.front().is_some_and(|(first, _)| *first <= seen);
        let recent = |(_, at): &(i64, Instant), limit| now.saturating_duration_since(*at) < limit;
        let missing = self.0.iter().find(|(beat, _)| *beat > seen);
        known
            && missing.is_none_or(|beat| recent(beat, LAG))
            && self.0.back().is_some_and(|beat| recent(beat, UNSEEN))
    }
}

#[async_trait]
impl LaggingReads for Replicas {
    fn usable(&self) -> (usize, usize) {
        let usable = self.all.iter().filter(|replica| replica.usable.load(Ordering::Acquire));
        (usable.count(), self.all.len())
    }

    async fn lagging_account(&self, username: &Username) -> Result<Option<Account>> {
        let params: [&(dyn ToSql + Sync); 2] = [&username.folded(), &username.as_str()];
        match self.ask(ACCOUNT, &params, |rows| account(rows, username)).await? {
            Some(found) => Ok(Some(found)),
            None => self.primary.account(username).await,
        }
    }

    async fn lagging_sign_ins(&self, tokens: &[TokenHash]) -> Result<Vec<Option<SignIn>>> {
        let all = tokens.len() as u64;
        let Some(rows) = self.rows(all, BY_TOKENS, &[&hashes(tokens)]).await else {
            return Ok(vec![None; tokens.len()]);
        };
        let found = rows.iter().map(known).collect::<Result<Vec<_>>>()?;
        let served = found.iter().flatten().count() as u64;
        Outcome::Served.count(served);
        Outcome::Missing.count(all - served);
        Ok(found)
    }

    async fn lagging_page(
        &self,
        room: RoomId,
        slice: Slice,
        limit: usize,
        max_bytes: usize,
        at_least: Seq,
    ) -> Result<Page> {
        let asked = Asked::new(room, slice, limit, max_bytes);
        let page = |rows: &[Row]| {
            let page = if rows.is_empty() { None } else { Some(asked.page(rows)?) };
            Ok(page.filter(|page| page.last_seq >= at_least))
        };
        match self.ask(asked.sql(), &asked.params(), page).await? {
            Some(page) => Ok(page),
            None => self.primary.page(room, slice, limit, max_bytes).await,
        }
    }
}

closed_set! {
    /// What became of a question that a replica may answer; but for the first the primary was asked.
    enum Outcome {
        /// A replica answered it.
        Served = "served",
        /// It was asked and does not have it, or not yet.
        Missing = "missing",
        /// It did not answer.
        Failed = "failed",
        /// All lag too much or are away.
        NoneUsable = "none_usable",
    }
    counted as "chorus_replica_reads_total" by "outcome":
        "Questions that a read replica may answer, by outcome: `served` by one, else by the primary"
}

/// What is counted here, in words.
pub(super) fn describe_metrics() {
    Outcome::describe();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_is_asked_while_it_misses_no_beat_for_longer_than_the_lag() {
        let (mut beats, start) = (Beats::default(), Instant::now());
        assert!(!beats.allow(start, 7), "nothing is known yet");
        beats.told(start, 5);
        assert!(beats.allow(start, 5) && !beats.allow(start, 4), "how old 4 is nobody knows");
        beats.told(start + LOOK, 9);
        assert!(beats.allow(start + LOOK, 5), "the newest may be on its way");
        assert!(beats.allow(start + LOOK + LAG / 2, 6));
        assert!(!beats.allow(start + LOOK + LAG, 8), "missing for too long");
        assert!(beats.allow(start + LOOK + LAG, 9));
        assert!(!beats.allow(start + LOOK + UNSEEN, 9), "the primary is silent for too long");
    }

    #[test]
    fn a_counter_that_fell_begins_anew() {
        let (mut beats, start) = (Beats::default(), Instant::now());
        beats.told(start, 900);
        beats.told(start, 3);
        assert!(beats.allow(start, 3) && !beats.allow(start, 2));
        for beat in 4..100 {
            beats.told(start, beat);
        }
        assert_eq!(beats.0.len(), KEPT);
    }
}
