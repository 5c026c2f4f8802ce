//! Who is let in as an operator, and how often somebody may be wrong.
//!
//! From this machine: with the token that this run of the node wrote to `DATA_DIR/admin_token` (mode
//! 0600), so whoever may read the node's data may administer it. From anywhere, this machine too: with
//! `ADMIN_TOKEN`, if it is set. A token that fails is counted and logged, never shown.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Instant,
};

use axum::{
    extract::{ConnectInfo, FromRequestParts, Request, State as Extract},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::HeaderMap;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::{
    auth::{Strangers, bearer},
    error::{Code, Refusal},
};

/// What opens the administration.
#[derive(Debug, Clone, Default)]
pub struct Keys {
    /// For whoever comes from this machine.
    pub here: Option<SecretString>,
    /// For whoever comes from anywhere.
    pub anywhere: Option<SecretString>,
}

impl Keys {
    /// Whether these headers, sent from there, open it. Sums are compared, so the time taken says
    /// nothing of the token.
    fn open_for(&self, from: IpAddr, headers: &HeaderMap) -> bool {
        let Some(shown) = bearer(headers) else { return false };
        let shown = Sha256::digest(shown);
        let here = self.here.as_ref().filter(|_| from.to_canonical().is_loopback());
        here.into_iter()
            .chain(&self.anywhere)
            .any(|key| Sha256::digest(key.expose_secret()) == shown)
    }
}

/// The keys, and who was wrong lately.
#[derive(Debug, Default)]
pub(super) struct Guard {
    keys: Keys,
    strangers: Strangers,
}

impl Guard {
    pub(super) fn new(keys: Keys) -> Arc<Self> {
        Arc::new(Self { keys, strangers: Strangers::default() })
    }

    /// Decides at `now`; an error is what to answer. Who has a key never waits, whatever somebody else does
    /// from the same address.
    fn admit(&self, now: Instant, from: IpAddr, headers: &HeaderMap) -> Result<(), Refusal> {
        if self.keys.open_for(from, headers) {
            return Ok(());
        }
        self.strangers.admit(now, from.into())?;
        let shown = bearer(headers).is_some();
        if shown {
            self.strangers.note(now, from.into());
        }
        tracing::warn!(%from, shown, "somebody was refused as an operator");
        Err(Refusal::new(Code::Forbidden, "Only for operators, with their token."))
    }
}

/// Lets operators through.
pub(super) async fn guard(Extract(guard): Extract<Arc<Guard>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let peer = ConnectInfo::<SocketAddr>::from_request_parts(&mut parts, &()).await;
    let from = peer.map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.0.ip());
    match guard.admit(Instant::now(), from, &parts.headers) {
        Ok(()) => next.run(Request::from_parts(parts, body)).await,
        Err(refusal) => refusal.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 7));

    fn showing(token: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", format!("Bearer {token}").parse().unwrap());
        headers
    }

    fn guard(here: Option<&str>, anywhere: Option<&str>) -> Arc<Guard> {
        let key = |text: &str| SecretString::from(text.to_owned());
        Guard::new(Keys { here: here.map(key), anywhere: anywhere.map(key) })
    }

    #[test]
    fn the_token_of_this_machine_opens_from_here_alone_and_the_other_from_anywhere() {
        let (guard, now) = (guard(Some("local"), Some("given")), Instant::now());
        let code = |from, token| guard.admit(now, from, &showing(token)).err().map(|refusal| refusal.code);
        assert_eq!(
            (code(HERE, "local"), code(HERE, "given"), code(THERE, "given")),
            (None, None, None)
        );
        assert_eq!(code(THERE, "local"), Some(Code::Forbidden));
        assert_eq!(code(THERE, ""), Some(Code::Forbidden));
        assert_eq!(guard.admit(now, HERE, &HeaderMap::new()).unwrap_err().code, Code::Forbidden);
    }

    #[test]
    fn without_keys_nothing_opens() {
        let guard = guard(None, None);
        for token in ["", "anything"] {
            assert!(guard.admit(Instant::now(), HERE, &showing(token)).is_err());
        }
    }

    #[test]
    fn whoever_guesses_waits_and_whoever_knows_does_not() {
        let (guard, now) = (guard(None, Some("given")), Instant::now());
        let code = |headers: &HeaderMap| guard.admit(now, THERE, headers).err().map(|refusal| refusal.code);
        for _ in 0..100 {
            assert_eq!(code(&HeaderMap::new()), Some(Code::Forbidden), "nothing shown is no guess");
        }
        for _ in 0..10 {
            assert_eq!(code(&showing("guess")), Some(Code::Forbidden));
        }
        assert_eq!(code(&showing("guess")), Some(Code::RateLimited));
        assert_eq!(code(&showing("given")), None);
    }
}
