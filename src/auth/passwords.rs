//! Password hashes and the pool that makes them.
//!
//! Forms that are kept:
//! - `$2b$…`: bcrypt of a password of at most 71 bytes;
//! - `sha384:$2b$…`: bcrypt of the base64 of a SHA-384, for longer ones, because bcrypt ignores
//!   whatever follows byte 72;
//! - `$2a$…`, `$2b$…`, `$2y$…` of any password, taken over from the predecessor. Those of long
//!   passwords are truncated; they still verify and are replaced at the next sign-in.
//!
//! A hash costs tens of milliseconds of a core. At most all cores but one are at it at any time, on threads that
//! give way to those of the chat; a bounded number of callers wait, and who comes on top of them is told so at once.

use std::{
    sync::Arc,
    thread::{self, available_parallelism},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use sha2::{Digest, Sha384};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, oneshot},
    time::timeout,
};

use crate::{
    domain::Password,
    error::{Code, Refusal},
    tally::Limit,
    threads::Share,
};

/// Marks a hash of a pre-hashed password.
const PREHASHED: &str = "sha384:";
/// Longer passwords are pre-hashed: bcrypt reads 72 bytes, the last being the closing NUL.
const PLAIN_MAX_BYTES: usize = 71;
/// A kept hash that claims to cost more is garbage: 2^16 rounds are some 4 s.
const COST_MAX: u32 = 16;
/// How many callers may wait for a core.
const QUEUE: usize = 64;
/// How long one waits.
const PATIENCE: Duration = Duration::from_secs(5);

/// What came of comparing a password with a kept hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Not this password.
    Wrong,
    /// This password, kept in today's form.
    Right,
    /// This password, kept in a form (or at a cost) that a new hash should replace.
    RightButOutdated,
}

/// Makes and checks hashes, a bounded number at a time. Clones share the bounds.
#[derive(Debug, Clone)]
pub struct Passwords {
    cost: u32,
    /// One permit per core that may be at it.
    cores: Arc<Semaphore>,
    /// One permit per caller, working or waiting.
    callers: Arc<Semaphore>,
}

impl Passwords {
    /// A pool that hashes at this cost (log2 of the rounds).
    pub fn new(cost: u32) -> Self {
        let cores = available_parallelism().map_or(1, usize::from).saturating_sub(1).max(1);
        Self::bounded(cost, cores, QUEUE)
    }

    fn bounded(cost: u32, cores: usize, queue: usize) -> Self {
        Self {
            cost,
            cores: Arc::new(Semaphore::new(cores)),
            callers: Arc::new(Semaphore::new(cores + queue)),
        }
    }

    /// Hashes in today's form.
    pub async fn hash(&self, password: &Password) -> Result<String, Refusal> {
        let (password, cost) = (password.clone(), self.cost);
        self.in_pool(move || hash(&password, cost))
            .await?
            .map_err(|error| Refusal::internal().because(error))
    }

    /// Compares with a kept hash. Garbage never matches.
    pub async fn verify(&self, password: &Password, kept: &str) -> Result<Verdict, Refusal> {
        let (password, kept, cost) = (password.clone(), kept.to_owned(), self.cost);
        self.in_pool(move || verify(&password, &kept, cost)).await
    }

    /// Takes as long as `verify` and matches nothing: for names that nobody has.
    pub async fn verify_nobody(&self) -> Result<Verdict, Refusal> {
        // Salt and sum are zeros: well formed, so the rounds are run.
        let kept = format!("$2b${:02}${}", self.cost, ".".repeat(53));
        let answer = self.in_pool(move || bcrypt::verify("nobody has this name", &kept)).await?;
        debug_assert!(answer.is_ok(), "a malformed hash would not take its time");
        Ok(Verdict::Wrong)
    }

    async fn in_pool<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let caller = self.callers.clone().try_acquire_owned().map_err(|_| crowded())?;
        let core = timeout(PATIENCE, self.cores.clone().acquire_owned()).await;
        let permits = (caller, core.map_err(|_| crowded())?.map_err(|_| crowded())?);
        run_holding(permits, work).await
    }
}

/// The permits go with the work, which runs on when its caller goes away.
async fn run_holding<T: Send + 'static>(
    permits: (OwnedSemaphorePermit, OwnedSemaphorePermit),
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Refusal> {
    let (answer, answered) = oneshot::channel();
    // A thread for each: niceness can't be taken back, and a thread costs a thousandth of what it does.
    let hashing = thread::Builder::new().name("password".to_owned()).spawn(move || {
        Share::Spare.take();
        let done = work();
        drop(permits);
        let _ = answer.send(done);
    });
    hashing.map_err(|error| Refusal::internal().because(error))?;
    answered.await.map_err(|error| Refusal::internal().because(error))
}

fn crowded() -> Refusal {
    Limit::Passwords.count(1);
    Refusal::new(Code::RateLimited, "Too many people are signing in right now. Please try again.")
        .retry_after(Duration::from_secs(2))
}

fn hash(password: &Password, cost: u32) -> Result<String, bcrypt::BcryptError> {
    let text = password.expose();
    if text.len() <= PLAIN_MAX_BYTES {
        bcrypt::non_truncating_hash(text, cost)
    } else {
        bcrypt::non_truncating_hash(prehash(text), cost).map(|hash| format!("{PREHASHED}{hash}"))
    }
}

fn verify(password: &Password, kept: &str, cost: u32) -> Verdict {
    let text = password.expose();
    let (matches, kept_cost, whole) = match kept.strip_prefix(PREHASHED) {
        Some(bcrypt) => (matches(&prehash(text), bcrypt), cost_of(bcrypt), true),
        None => (matches(text, kept), cost_of(kept), text.len() <= PLAIN_MAX_BYTES),
    };
    match matches {
        false => Verdict::Wrong,
        true if whole && kept_cost == Some(cost) => Verdict::Right,
        true => Verdict::RightButOutdated,
    }
}

fn matches(text: &str, kept: &str) -> bool {
    cost_of(kept).is_some_and(|cost| cost <= COST_MAX) && bcrypt::verify(text, kept).unwrap_or(false)
}

fn cost_of(kept: &str) -> Option<u32> {
    kept.parse::<bcrypt::HashParts>().ok().map(|parts| parts.get_cost())
}

/// 64 characters without a NUL. The label keeps SHA-384 sums that leaked elsewhere from being
/// tried against our hashes.
fn prehash(text: &str) -> String {
    let sum = Sha384::new_with_prefix(b"chorus password:").chain_update(text).finalize();
    STANDARD_NO_PAD.encode(sum)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn password(text: &str) -> Password {
        Password::parse(text).unwrap()
    }

    #[test]
    fn the_predecessors_hashes_verify_unchanged() {
        // Made by libxcrypt: "secret123", and 80 × "a", of which it read 72.
        let short = "$04$abcdefghijklmnopqrstuuZakPDp6bZDRlgfrhVHiZC/4c843smaK";
        let long = "$04$abcdefghijklmnopqrstuuBzzIgyKkz7xMWYSzkIjUSnxEQFQ0WNe";
        for version in ["$2a", "$2b"] {
            let (short, long) = (format!("{version}{short}"), format!("{version}{long}"));
            assert_eq!(verify(&password("secret123"), &short, 4), Verdict::Right);
            assert_eq!(verify(&password("secret124"), &short, 4), Verdict::Wrong);
            assert_eq!(verify(&password("secret123"), &short, 10), Verdict::RightButOutdated);
            assert_eq!(verify(&password(&"a".repeat(80)), &long, 4), Verdict::RightButOutdated);
        }
        assert!(hash(&password(&"a".repeat(80)), 4).unwrap().starts_with(PREHASHED));
    }

    #[test]
    fn no_byte_is_ignored() {
        for length in [70, 71, 72, 73, 100, 128] {
            let kept = hash(&password(&"a".repeat(length)), 4).unwrap();
            assert!(kept.len() <= 255);
            for other in [70, 71, 72, 73, 74, 100, 128] {
                let same = if other == length { Verdict::Right } else { Verdict::Wrong };
                assert_eq!(verify(&password(&"a".repeat(other)), &kept, 4), same, "{length} {other}");
            }
        }
        let emoji = password(&"😀".repeat(128));
        assert_eq!(verify(&emoji, &hash(&emoji, 4).unwrap(), 4), Verdict::Right);
    }

    #[test]
    fn the_prehash_itself_is_no_password() {
        let long = "b".repeat(90);
        let kept = hash(&password(&long), 4).unwrap();
        assert_eq!(verify(&password(&prehash(&long)), &kept, 4), Verdict::Wrong);
    }

    #[test]
    fn a_hash_that_would_take_hours_is_garbage() {
        let kept = format!("$2b$31${}", ".".repeat(53));
        assert_eq!(verify(&password("secret123"), &kept, 4), Verdict::Wrong);
    }

    #[tokio::test]
    async fn who_comes_on_top_of_the_queue_is_refused_at_once() {
        let pool = Passwords::bounded(4, 1, 1);
        let permits = (
            pool.callers.clone().try_acquire_owned().unwrap(),
            pool.callers.clone().try_acquire_owned().unwrap(),
        );
        let refused = pool.hash(&password("secret123")).await.unwrap_err();
        assert_eq!(refused.code, Code::RateLimited);
        assert!(refused.retry_after.is_some());
        drop(permits);
        assert!(pool.hash(&password("secret123")).await.is_ok());
        assert_eq!(pool.verify_nobody().await.unwrap(), Verdict::Wrong);
    }

    proptest! {
        #[test]
        fn garbage_never_verifies_and_never_panics(kept in "\\PC{0,70}") {
            prop_assert_eq!(verify(&password("secret123"), &kept, 4), Verdict::Wrong);
            let marked = format!("{PREHASHED}{kept}");
            prop_assert_eq!(verify(&password("secret123"), &marked, 4), Verdict::Wrong);
        }
    }
}
