//! Tickets, and sockets that live by a sign-in, as far as HTTP decides about them.

use std::net::IpAddr;

use parking_lot::Mutex;

use super::*;
use crate::{
    auth::{Admission, Closes, Credential},
    domain::Timestamp,
};

const PAGE: &str = "http://localhost:5500";

#[derive(Default)]
struct Socket(Mutex<Vec<(u16, &'static str)>>);

impl Closes for Socket {
    fn close(&self, code: u16, reason: &'static str) {
        self.0.lock().push((code, reason));
    }
}

impl Socket {
    async fn closed(&self) -> (u16, &'static str) {
        let closed = async {
            loop {
                if let Some(closed) = self.0.lock().first() {
                    return *closed;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(8), closed).await.expect("closed in time")
    }
}

fn address() -> IpAddr {
    "203.0.113.7".parse().unwrap()
}

async fn open(site: &Site, token: &str) -> (Admission, Arc<Socket>) {
    let auth = &site.state.auth;
    let shown = auth.read(Credential::Token(token), None).unwrap();
    let admission = auth.admit(shown, address()).await.unwrap();
    let socket = Arc::new(Socket::default());
    admission.seat.attach(&socket);
    (admission, socket)
}

async fn ticket(site: &Site, token: &str, origin: Option<&str>) -> Answer {
    let mut request = bearer(Request::post("/ws-ticket"), token).header("Host", "chat.example:8080");
    if let Some(origin) = origin {
        request = request.header("Origin", origin);
    }
    site.send(request.body(Body::empty()).unwrap()).await
}

async fn admit(site: &Site, ticket: &Answer, origin: Option<&str>) -> Result<Admission, u16> {
    let text = ticket.body["ticket"].as_str().unwrap();
    let auth = &site.state.auth;
    let admitted = async { auth.admit(auth.read(Credential::Ticket(text), origin)?, address()).await };
    admitted.await.map_err(|refusal| refusal.code.status())
}

#[tokio::test]
async fn a_ticket_opens_one_socket_of_its_origin() {
    let site = Site::open();
    let token = site.token("alice").await;
    let made = ticket(&site, &token, Some(PAGE)).await;
    assert_eq!((made.status.as_u16(), &made.body["expiresIn"]), (200, &json!(10)));
    assert_eq!(admit(&site, &made, None).await.err(), Some(401));
    assert_eq!(admit(&site, &made, Some("https://evil.test")).await.err(), Some(401));
    let admitted = admit(&site, &made, Some(PAGE)).await.unwrap();
    assert_eq!(admitted.who.username.as_str(), "alice");
    assert_eq!(admit(&site, &made, Some(PAGE)).await.err(), Some(401), "once");
}

#[tokio::test]
async fn of_racing_uses_of_one_ticket_one_wins() {
    let site = Site::open();
    let made = ticket(&site, &site.token("alice").await, None).await;
    let race = (0..16).map(|_| admit(&site, &made, None));
    let won = futures_util::future::join_all(race).await.into_iter().flatten().count();
    assert_eq!(won, 1);
}

#[tokio::test]
async fn tickets_are_refused_where_the_socket_would_be() {
    let site = Site::with(|config| config.max_sockets_per_user = 1);
    let token = site.token("alice").await;
    assert_eq!(ticket(&site, "", None).await.code(), (401, "unauthorized"));
    for foreign in [
        "https://evil.test",
        "null",
        "http://localhost:5501",
        "http://localhost:5500.evil.test",
    ] {
        assert_eq!(ticket(&site, &token, Some(foreign)).await.code(), (403, "forbidden_origin"));
    }
    assert_eq!(
        ticket(&site, &token, Some("https://chat.example:8080")).await.status,
        200,
        "its own origin"
    );

    let (held, _socket) = open(&site, &token).await;
    let refused = ticket(&site, &token, None).await;
    assert_eq!(refused.code(), (429, "too_many_sockets"));
    assert!(!refused.header("retry-after").is_empty());
    let auth = &site.state.auth;
    let shown = auth.read(Credential::Token(&token), None).unwrap();
    let one_more = auth.admit(shown, address()).await;
    assert_eq!(one_more.err().map(|refusal| refusal.code.as_str()), Some("too_many_sockets"));
    drop(held);
    assert_eq!(ticket(&site, &token, None).await.status, 200);

    site.state.readiness.set(Cause::Draining, true);
    assert_eq!(ticket(&site, &token, None).await.code(), (503, "draining"));
}

#[tokio::test]
async fn logout_and_password_change_close_sockets() {
    let site = Site::open();
    let (here, there) = (site.token("alice").await, site.login("alice").await);
    let (_a, mine) = open(&site, &here).await;
    let (_b, other) = open(&site, &there).await;
    let change = json!({ "current": "correct horse", "new": "another horse" });
    assert_eq!(site.post("/password", &here, change).await.status, 200);
    assert_eq!(other.closed().await, (4001, "session_ended"));
    assert!(mine.0.lock().is_empty());
    assert_eq!(site.post("/logout", &here, json!({})).await.status, 200);
    assert_eq!(mine.closed().await, (4001, "session_ended"));
}

#[tokio::test]
async fn an_end_that_the_bus_lost_is_found_in_the_store() {
    let site = Site::open();
    let token = site.token("alice").await;
    let (admission, socket) = open(&site, &token).await;
    // As another node would, whose ring is lost.
    assert!(site.store.end_sign_in(admission.who.sid).await.unwrap());
    assert_eq!(socket.closed().await.0, 4001);
}

#[tokio::test]
async fn expiry_closes_sockets_unless_they_are_renewed() {
    let site = Site::with(|config| config.token_ttl = Duration::from_secs(5));
    let (short, long) = (site.token("alice").await, site.token("bob").await);
    let (goes, ends) = open(&site, &short).await;
    let (stays, renewed) = open(&site, &long).await;
    // Tokens expire at whole seconds. One that lasts for two more leaves time for what is looked at between.
    let later = goes.who.expires_at.plus_seconds(2);
    loop {
        let refreshed = site.post("/refresh", &long, json!({})).await;
        assert_eq!(refreshed.status, 200);
        let end = refreshed.body["expiresAt"].as_str().and_then(Timestamp::parse).unwrap();
        if end >= later {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let made = ticket(&site, &long, None).await;
    let text = made.body["ticket"].as_str().unwrap();
    let until = site.state.auth.renew(stays.who.sid, text, None).await.unwrap();
    assert!(until > stays.who.expires_at);
    assert_eq!(ends.closed().await, (4001, "session_ended"));
    assert!(renewed.0.lock().is_empty());
    assert_eq!(renewed.closed().await.0, 4001, "renewal prolongs, not for ever");
}

#[tokio::test]
async fn a_ticket_of_another_sign_in_renews_nothing() {
    let site = Site::open();
    let (alice, bob) = (site.token("alice").await, site.token("bob").await);
    let (admission, _socket) = open(&site, &alice).await;
    let made = ticket(&site, &bob, None).await;
    let text = made.body["ticket"].as_str().unwrap();
    let refused = site.state.auth.renew(admission.who.sid, text, None).await.unwrap_err();
    assert_eq!(refused.code.as_str(), "wrong_session");
    assert!(admit(&site, &made, None).await.is_ok(), "and stays unused");
}
