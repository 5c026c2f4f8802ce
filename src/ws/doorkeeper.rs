//! Who may open a socket: origin, credential, places; in this order, before the 101.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use async_trait::async_trait;
use axum::extract::ConnectInfo;
use bytes::Bytes;
use http::{Uri, request::Parts};
use tokio_util::sync::CancellationToken;

use super::{
    door::{Admitted, Doorkeeper},
    guest::{Guest, Held},
    sockets::{Card, Sockets},
};
use crate::{
    auth::{Admission, Asker, Auth, Credential, bearer, is_of_a_bot},
    chat::{Chat, Person, Visitor},
    error::{Code, Refusal},
    hub::{Member, frame},
    protocol::{Dialect, Limits, v1},
};

/// The doorkeeper of a node.
pub struct Reception {
    /// Says who somebody is.
    pub auth: Arc<Auth>,
    /// Where they go.
    pub chat: Arc<Chat>,
    /// What a client is told it may do.
    pub limits: Limits,
    /// Messages of a bot in a window; else it may do the same.
    pub bot_messages: u32,
    /// Names the client that this node serves.
    pub build: String,
    /// Whether `?token=` is a credential.
    pub allow_query_token: bool,
    /// Set when this node drains: nobody new comes in.
    pub draining: CancellationToken,
    /// Who is here already, and who was asked to go elsewhere.
    pub sockets: Sockets,
}

#[async_trait]
impl Doorkeeper for Reception {
    async fn admit(&self, request: &Parts, dialect: Dialect) -> Result<Admitted, Refusal> {
        if self.draining.is_cancelled() {
            return Err(elsewhere("This node is about to stop. Please connect again."));
        }
        let peer = request.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
        let peer = peer.ok_or_else(Refusal::unauthorized)?;
        let asker = Asker::read(peer, &request.headers, self.auth.proxies());
        let page = asker.origin(&request.headers);
        self.auth.origins().admit(&page)?;
        let (ticket, token) = (query(&request.uri, "ticket"), query(&request.uri, "token"));
        // Addresses are kept in logs of proxies: what is good for long is not taken from there.
        let token = token.filter(|token| self.allow_query_token && !is_of_a_bot(token));
        let credential = match (ticket, bearer(&request.headers), token) {
            (Some(ticket), _, _) => Credential::Ticket(ticket),
            (None, Some(token), _) | (None, None, Some(token)) => Credential::Token(token),
            (None, None, None) => return Err(Refusal::unauthorized()),
        };
        let shown = self.auth.read(credential, page.origin)?;
        if self.sockets.sends_on(shown.sid()) {
            return Err(elsewhere("This node has enough people. Please connect again."));
        }
        let admission = self.auth.admit(shown, asker.address).await?;
        let origin = page.origin.map(Box::from);
        Ok(self.welcome(admission, dialect, origin, asker.address))
    }
}

impl Reception {
    /// What happens when the socket is there.
    fn welcome(
        &self,
        admission: Admission,
        dialect: Dialect,
        origin: Option<Box<str>>,
        address: IpAddr,
    ) -> Admitted {
        let Admission { who, scope, seat, places } = admission;
        let mut limits = self.limits.clone();
        if scope.is_some() {
            limits.messages = self.bot_messages;
        }
        let welcome = match dialect {
            Dialect::V1 => frame::text(&v1::welcome(&who.username, &self.build, &limits, who.expires_at)),
            Dialect::Seed => Bytes::new(),
        };
        let (auth, chat, tag) = (Arc::clone(&self.auth), Arc::clone(&self.chat), who.user.0);
        let card = Card { username: who.username.clone(), sid: who.sid, address };
        let arrive = move |member: Arc<Member>| {
            member.send(welcome);
            seat.attach(&member);
            let person = Person {
                user: who.user,
                username: who.username,
                is_bot: scope.is_some(),
            };
            let visitor = Visitor::new(chat, member, Arc::new(person));
            Guest::new(visitor, auth, Held { seat, places, scope }, origin).begin()
        };
        Admitted { tag, card, arrive: Box::new(arrive) }
    }
}

/// A refusal after which a balancer asks another node.
fn elsewhere(message: &'static str) -> Refusal {
    Refusal::new(Code::Draining, message)
}

/// The value of one query parameter. Credentials are URL-safe, so nothing needs decoding.
fn query<'a>(uri: &'a Uri, name: &str) -> Option<&'a str> {
    let pairs = uri.query()?.split('&');
    pairs
        .filter_map(|pair| pair.split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_parameter_is_found_whole() {
        let uri: Uri = "/ws?x=1&ticket=a.b-c_d&token=t".parse().unwrap();
        assert_eq!(query(&uri, "ticket"), Some("a.b-c_d"));
        assert_eq!(query(&uri, "token"), Some("t"));
        assert_eq!(query(&uri, "tick"), None);
        assert_eq!(query(&"/".parse().unwrap(), "ticket"), None);
    }
}
