//! Who sends a request, as handlers ask for it.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use axum::extract::{ConnectInfo, FromRequestParts};
use http::request::Parts;

use super::State;
pub(super) use crate::auth::{Asker, bearer};
use crate::{
    auth::{Proxies, SignedIn},
    error::Refusal,
};

/// Reads a request. A peer that nobody told us is nobody we trust.
pub(super) fn read<B>(request: &http::Request<B>, proxies: &Proxies) -> Asker {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    Asker::read(peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)), request.headers(), proxies)
}

impl<S: Sync> FromRequestParts<S> for Asker {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        parts.extensions.get::<Self>().copied().ok_or_else(Refusal::internal)
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
