//! Who sends a request: the address behind trusted proxies, the origin, the bearer.

use std::{
    borrow::Cow,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use axum::extract::{ConnectInfo, FromRequestParts};
use http::{HeaderMap, HeaderName, HeaderValue, header, request::Parts};

use super::State;
use crate::{
    auth::{self, Proxies, SignedIn},
    error::Refusal,
};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: &str = "x-forwarded-host";
const FORWARDED_PROTO: &str = "x-forwarded-proto";

/// What is found out about a request once, before anything else.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asker {
    /// The client's address.
    pub(super) address: IpAddr,
    /// Whether the peer is a proxy whose headers are believed.
    pub(super) by_proxy: bool,
    /// Whether the client's own connection is encrypted, as that proxy says.
    pub(super) over_tls: bool,
}

impl Asker {
    /// Reads a request. A peer that nobody told us is nobody we trust.
    pub(super) fn of<B>(request: &http::Request<B>, proxies: &Proxies) -> Self {
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
        let peer = peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let headers = request.headers();
        let hops: Vec<Cow<'_, str>> = headers
            .get_all(FORWARDED_FOR)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()))
            .collect();
        let by_proxy = proxies.trust(peer);
        Self {
            address: proxies.client(peer, hops.iter().map(Cow::as_ref)),
            by_proxy,
            over_tls: by_proxy
                && text(headers, FORWARDED_PROTO).is_some_and(|proto| proto.eq_ignore_ascii_case("https")),
        }
    }

    /// What the rule about origins wants to know.
    pub(super) fn origin<'a>(&self, headers: &'a HeaderMap) -> auth::Asked<'a> {
        auth::Asked {
            origin: headers.get(header::ORIGIN).map(|origin| origin.to_str().unwrap_or("null")),
            host: text(headers, header::HOST.as_str()),
            forwarded_host: text(headers, FORWARDED_HOST).filter(|_| self.by_proxy),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Asker {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        parts.extensions.get::<Self>().copied().ok_or_else(super::refusal::internal)
    }
}

/// Somebody whose bearer token is valid.
pub(super) struct Caller(pub(super) SignedIn);

impl FromRequestParts<Arc<State>> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<State>) -> Result<Self, Refusal> {
        let token = bearer(&parts.headers).ok_or_else(Refusal::unauthorized)?;
        state.auth.bearer(token).await.map(Self)
    }
}

/// The token of `Authorization: Bearer`.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(HeaderValue::to_str)?.ok()
}
