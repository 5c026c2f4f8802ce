//! Somebody's server as a sink: each event is a request of its own, signed as Standard Webhooks 1.0 says, and confirmed
//! when it was answered with a 2xx.
//!
//! Each line of it is one connection that is kept, on which the events of one room go one after the other; rooms go
//! side by side on [`LINES`] of them. Which addresses may be called is for [`reach`] to say, what an answer means for
//! [`verdict`], and when an event is put aside that a receiver refuses for the relay's plan.

mod endpoint;
mod line;
mod reach;
mod signature;
mod verdict;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use http::{
    HeaderValue, Method,
    header::{CONTENT_TYPE, HOST, USER_AGENT},
};
use http_body_util::Full;
use ipnet::IpNet;
use jiff::Timestamp;
use rustls::pki_types::ServerName;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use self::line::{Answer, Dial, Line, NoAnswer, Post};
pub use self::{endpoint::Endpoint, signature::Keys};
use super::{
    envelope::MEDIA_TYPE,
    plan::{Limits, Patience},
    sink::{Fate, Lost, Outgoing, Published, Sink},
};
use crate::tls;

/// The most receivers of a chat.
pub const ENDPOINTS: usize = 8;
/// How many rooms go to one at the same time.
const LINES: usize = 16;
/// How many events of a room are sent before the cursor moves.
const WINDOW: u64 = 32;
/// After so long no other event of a batch is begun, so that the cursor moves.
const ROUND: Duration = Duration::from_secs(5);
/// The first wait after a failure, and the longest.
const RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// When an event is put aside.
const PATIENCE: Patience = Patience {
    declined: 5,
    beside: 3,
    failing: Duration::from_hours(1),
    alone: Duration::from_hours(24),
};
/// Who we are.
const AGENT: HeaderValue = HeaderValue::from_static(concat!("chorus/", env!("CARGO_PKG_VERSION")));

/// A receiver.
pub struct Webhook {
    name: Arc<str>,
    scribe: Arc<Scribe>,
    line: Line,
}

/// Writes requests.
struct Scribe {
    dial: Arc<Dial>,
    keys: Keys,
}

impl Scribe {
    fn post(&self, message: &Outgoing) -> Post {
        let Endpoint { target, authority, .. } = &self.dial.endpoint;
        let now = Timestamp::now().as_second();
        let mut post = Post::new(Full::new(message.body.clone()));
        *post.method_mut() = Method::POST;
        *post.uri_mut() = target.clone();
        let headers = post.headers_mut();
        headers.insert(HOST, authority.clone());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        headers.insert(USER_AGENT, AGENT);
        headers.insert("webhook-timestamp", now.into());
        // An id has letters, digits and few signs; a signature is base64.
        let signature = self.keys.sign(&message.id, now, &message.body);
        for (name, value) in [("webhook-id", &message.id), ("webhook-signature", &signature)] {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        }
        post
    }
}

impl Webhook {
    /// The receiver at this endpoint, which knows one of these keys. In these networks it may be though they are
    /// not public.
    ///
    /// # Errors
    /// When it asks for TLS that can't be had. The words follow the setting's name.
    pub fn new(endpoint: Endpoint, keys: Keys, allowed: Vec<IpNet>) -> Result<Self, String> {
        let tls = if endpoint.secure { Some(trust(&endpoint)?) } else { None };
        let name = endpoint.sink().into();
        let dial = Arc::new(Dial { endpoint, allowed, tls });
        Ok(Self::by(name, Arc::new(Scribe { dial, keys })))
    }

    fn by(name: Arc<str>, scribe: Arc<Scribe>) -> Self {
        let line = Line::new(Arc::clone(&scribe.dial));
        Self { name, scribe, line }
    }

    /// Sends one, and says what became of it.
    async fn send(&mut self, message: &Outgoing) -> Result<Fate, Lost> {
        match self.line.post(|| self.scribe.post(message)).await {
            Ok(Answer { status, retry_after }) => {
                Ok(verdict::fate(status, retry_after.as_deref(), Timestamp::now()))
            }
            Err(NoAnswer::Unknown) => Ok(Fate::Unknown),
            Err(NoAnswer::Unreached(why)) => Err(Lost(why)),
        }
    }
}

/// TLS to this receiver.
fn trust(endpoint: &Endpoint) -> Result<(TlsConnector, ServerName<'static>), String> {
    let name = ServerName::try_from(endpoint.host.clone());
    let name =
        name.map_err(|_| format!("names a host of {} that no certificate can be for", endpoint.name))?;
    let config = tls::of_this_machine().and_then(tls::client);
    let config = config.map_err(|error| format!("can't be used with TLS: {error}"))?;
    Ok((TlsConnector::from(Arc::new(config)), name))
}

#[async_trait]
impl Sink for Webhook {
    fn name(&self) -> &str {
        &self.name
    }

    fn limits(&self) -> Limits {
        Limits {
            batch_rooms: 1,
            batch_events: WINDOW,
            window: WINDOW,
            retry: RETRY,
            patience: Some(PATIENCE),
            ..Limits::default()
        }
    }

    fn beside(&self) -> Vec<Box<dyn Sink>> {
        let line = |_| Box::new(Self::by(Arc::clone(&self.name), Arc::clone(&self.scribe))) as Box<dyn Sink>;
        (1..LINES).map(line).collect()
    }

    async fn open(&mut self) -> Result<(), Lost> {
        self.line.open().await.map_err(Lost)
    }

    async fn publish(&mut self, batch: &[Outgoing]) -> Published {
        let until = Instant::now() + ROUND;
        let mut fates = Vec::with_capacity(batch.len());
        let mut lost = None;
        for message in batch {
            if !fates.is_empty() && Instant::now() >= until {
                break;
            }
            match self.send(message).await {
                Ok(Fate::Confirmed) => fates.push(Fate::Confirmed),
                Ok(fate) => {
                    // Next time another instance of it may be called.
                    self.line.close();
                    fates.push(fate);
                    break;
                }
                Err(why) => {
                    lost = Some(why);
                    break;
                }
            }
        }
        fates.resize(batch.len(), Fate::Held);
        Published { fates, lost }
    }

    fn tidy(&mut self) {
        self.line.tidy();
    }

    async fn close(&mut self) {
        self.line.close();
    }
}
