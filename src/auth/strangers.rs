//! How often an address may show a token that is no token: each costs a look into the store, or is a guess
//! at the operator's.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use super::AddressKey;
use crate::{
    error::{Code, Refusal},
    tally::Limit,
};

/// So many wrong tokens of one address are looked at in a [`WINDOW`].
const ATTEMPTS: u32 = 10;
/// Then the address waits for the next.
const WINDOW: Duration = Duration::from_mins(1);
/// Addresses that are counted; when there are more, all begin anew.
const ADDRESSES: usize = 10_000;

/// Who was wrong lately.
#[derive(Debug, Default)]
pub struct Strangers(Mutex<HashMap<AddressKey, (u32, Instant)>>);

impl Strangers {
    /// Whether one more may be looked at.
    ///
    /// # Errors
    /// `rate_limited`, with how long to wait.
    pub fn admit(&self, now: Instant, from: AddressKey) -> Result<(), Refusal> {
        match self.0.lock().get(&from) {
            Some((count, until)) if *count >= ATTEMPTS && *until > now => {
                Limit::WrongTokens.count(1);
                let refusal = Refusal::new(Code::RateLimited, "Too many wrong tokens. Please wait.");
                Err(refusal.retry_after(*until - now))
            }
            _ => Ok(()),
        }
    }

    /// One more was wrong.
    pub fn note(&self, now: Instant, from: AddressKey) {
        let mut wrong = self.0.lock();
        if wrong.len() >= ADDRESSES {
            wrong.clear();
        }
        let (count, until) = wrong.entry(from).or_insert((0, now + WINDOW));
        if *until <= now {
            (*count, *until) = (0, now + WINDOW);
        }
        *count += 1;
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    #[test]
    fn whoever_guesses_waits_and_others_do_not() {
        let (strangers, now) = (Strangers::default(), Instant::now());
        let [there, here] = [[10, 0, 0, 7], [127, 0, 0, 1]].map(|ip| AddressKey::from(IpAddr::from(ip)));
        for _ in 0..ATTEMPTS {
            assert!(strangers.admit(now, there).is_ok());
            strangers.note(now, there);
        }
        let refused = strangers.admit(now, there).unwrap_err();
        assert_eq!((refused.code, refused.retry_after), (Code::RateLimited, Some(WINDOW)));
        assert!(strangers.admit(now, here).is_ok());
        assert!(strangers.admit(now + WINDOW, there).is_ok());
        strangers.note(now + WINDOW, there);
        assert!(strangers.admit(now + WINDOW, there).is_ok(), "it is counted anew");
    }
}
