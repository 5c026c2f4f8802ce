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
    auth::{Identity, Proxies, SignedIn, beyond_scope},
    domain::{RoomName, Scope},
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

/// A person whose bearer token is valid. A bot is refused: this call is beyond any scope.
pub(super) struct Caller(pub(super) SignedIn);

impl FromRequestParts<Arc<State>> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<State>) -> Result<Self, Refusal> {
        match identify(parts, state).await? {
            Identity { who, scope: None } => Ok(Self(who)),
            Identity { scope: Some(_), .. } => Err(beyond_scope()),
        }
    }
}

/// A person or a bot whose bearer token is valid.
pub(super) struct Participant(Identity);

impl FromRequestParts<Arc<State>> for Participant {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<State>) -> Result<Self, Refusal> {
        identify(parts, state).await.map(Self)
    }
}

impl Participant {
    /// Whoever it is.
    pub(super) fn anybody(self) -> Identity {
        self.0
    }

    /// Whoever may read in this room; whether there is such a room is asked later.
    pub(super) fn reading(self, room: &RoomName) -> Result<Identity, Refusal> {
        self.within(|scope| scope.may_read(room))
    }

    /// Whoever may write in this room.
    pub(super) fn writing(self, room: &RoomName) -> Result<Identity, Refusal> {
        self.within(|scope| scope.may_write(room))
    }

    fn within(self, allows: impl Fn(&Scope) -> bool) -> Result<Identity, Refusal> {
        if self.0.scope.as_deref().is_none_or(allows) { Ok(self.0) } else { Err(beyond_scope()) }
    }
}

async fn identify(parts: &Parts, state: &State) -> Result<Identity, Refusal> {
    let token = bearer(&parts.headers).ok_or_else(Refusal::unauthorized)?;
    state.auth.identify(token).await
}
