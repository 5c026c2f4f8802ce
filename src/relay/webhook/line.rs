//! One connection to a receiver, kept as long as it is used: to an address that was judged, with TLS by the same library
//! and for the same authorities as everywhere in this program, and HTTP/1.1 by `hyper`.
//!
//! Nothing of it runs by itself. The connection is driven by whoever waits for an answer, so it ends with that wait
//! and no task is left behind. No redirect is followed and no proxy is asked: there is nothing here that could.

use std::{
    future::{pending, poll_fn},
    net::{IpAddr, SocketAddr},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Response, StatusCode, header::RETRY_AFTER};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::Incoming,
    client::conn::http1::{Builder, SendRequest},
};
use hyper_util::rt::TokioIo;
use ipnet::IpNet;
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
    time::{Instant, timeout, timeout_at},
};
use tokio_rustls::TlsConnector;

use super::{endpoint::Endpoint, reach::may_call};
use crate::relay::stream::Stream;

/// How long connecting may take, the name and TLS included.
const CONNECT: Duration = Duration::from_secs(5);
/// How long one address may take, when there are others.
const ADDRESS: Duration = Duration::from_secs(1);
/// How long a connection is kept that nothing goes over: who has gone without a word is not waited for then.
const KEPT: Duration = Duration::from_secs(30);
/// How long an answer may take: as the specification recommends, a receiver has time for its work.
const ANSWER: Duration = Duration::from_secs(15);
/// How long the rest of an answer may take, of which nothing is wanted.
const REST: Duration = Duration::from_secs(1);
/// How much of it is read before the connection is given up instead.
const REST_BYTES: usize = 16 << 10;
/// The longest head of an answer.
const HEAD_BYTES: usize = 16 << 10;

/// What goes over it.
pub(super) type Post = Request<Full<Bytes>>;

/// What was answered.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) retry_after: Option<String>,
}

/// Why there was no answer.
#[derive(Debug)]
pub(super) enum NoAnswer {
    /// There was no connection: nothing was sent.
    Unreached(String),
    /// It may have been taken.
    Unknown,
}

/// How a receiver is reached.
pub(super) struct Dial {
    pub(super) endpoint: Endpoint,
    pub(super) allowed: Vec<IpNet>,
    pub(super) tls: Option<(TlsConnector, ServerName<'static>)>,
}

/// A connection, or none yet.
pub(super) struct Line {
    dial: Arc<Dial>,
    open: Option<Open>,
}

struct Open {
    requests: SendRequest<Full<Bytes>>,
    /// Moves the bytes while it is polled; ends with the connection.
    driver: BoxFuture<'static, ()>,
    /// When it was opened, or something was last answered on it.
    used: Instant,
}

/// Why a request was not answered.
#[derive(PartialEq, Eq)]
enum Cut {
    /// It took too long.
    Late,
    /// The connection ended.
    Closed,
}

impl Line {
    pub(super) const fn new(dial: Arc<Dial>) -> Self {
        Self { dial, open: None }
    }

    /// Connects, unless it is.
    pub(super) async fn open(&mut self) -> Result<(), String> {
        if self.open.is_none() {
            let connected = timeout(CONNECT, self.dial.connect()).await;
            self.open = Some(connected.map_err(|_| "no connection in time".to_owned())??);
        }
        Ok(())
    }

    pub(super) fn close(&mut self) {
        self.open = None;
    }

    /// Keeps no connection that nothing has gone over for long.
    pub(super) fn tidy(&mut self) {
        self.open.take_if(|open| open.used.elapsed() >= KEPT);
    }

    /// Posts, and reads what is answered. A connection that was kept may have been closed by the other side just
    /// now, for its idleness: then it is tried once more on a new one.
    pub(super) async fn post(&mut self, make: impl Fn() -> Post) -> Result<Answer, NoAnswer> {
        self.tidy();
        if let Some(kept) = self.open.take() {
            match self.on(kept, make()).await {
                Err(Cut::Closed) => {}
                other => return other.map_err(|_| NoAnswer::Unknown),
            }
        }
        self.open().await.map_err(NoAnswer::Unreached)?;
        match self.open.take() {
            Some(open) => self.on(open, make()).await.map_err(|_| NoAnswer::Unknown),
            None => Err(NoAnswer::Unknown),
        }
    }

    /// Keeps the connection if it is good for another request.
    async fn on(&mut self, mut open: Open, post: Post) -> Result<Answer, Cut> {
        let until = Instant::now() + ANSWER;
        let answering = async {
            open.requests.ready().await?;
            open.requests.send_request(post).await
        };
        let answered = timeout_at(until, driven(&mut open.driver, answering)).await;
        let response = answered.map_err(|_| Cut::Late)?.map_err(|_| Cut::Closed)?;
        let retry_after = response.headers().get(RETRY_AFTER);
        let answer = Answer {
            status: response.status(),
            retry_after: retry_after.and_then(|value| Some(value.to_str().ok()?.to_owned())),
        };
        let rest = driven(&mut open.driver, throw_away(response));
        if timeout(REST, rest).await.unwrap_or(false) && !open.requests.is_closed() {
            open.used = Instant::now();
            self.open = Some(open);
        }
        Ok(answer)
    }
}

/// Waits for something that comes by a connection, and moves the connection on meanwhile.
///
/// What the connection brings is there in the same turn. It may be the last one: whoever waits for this may have had
/// something else to do until after the limit, and what came in time counts.
async fn driven<T>(driver: &mut BoxFuture<'static, ()>, wanted: impl Future<Output = T>) -> T {
    let mut wanted = pin!(wanted);
    poll_fn(|context| {
        let there = wanted.as_mut().poll(context);
        if there.is_ready() {
            return there;
        }
        if driver.as_mut().poll(context).is_ready() {
            // It has ended. What came before that is there, and what did not come is an error now.
            *driver = Box::pin(pending());
        }
        wanted.as_mut().poll(context)
    })
    .await
}

/// Reads a short body to its end. Whether that was all.
async fn throw_away(response: Response<Incoming>) -> bool {
    let mut body = response.into_body();
    let mut left = REST_BYTES;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return false };
        let came = frame.data_ref().map_or(0, Bytes::len);
        let Some(less) = left.checked_sub(came) else { return false };
        left = less;
    }
    true
}

impl Open {
    /// HTTP on this way.
    async fn over(way: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> hyper::Result<Self> {
        let shaken = Builder::new().max_buf_size(HEAD_BYTES).handshake(TokioIo::new(way)).await;
        let (requests, connection) = shaken?;
        let driver = Box::pin(async move {
            // What was wrong with it whoever waits is told.
            let _ = connection.await;
        });
        Ok(Self { requests, driver, used: Instant::now() })
    }
}

impl Dial {
    async fn connect(&self) -> Result<Open, String> {
        let tls = self.tls.as_ref().map(|(tls, name)| (tls, name.clone()));
        let way = Stream::over(self.reach().await?, tls).await.map_err(|error| error.to_string())?;
        Open::over(way).await.map_err(|error| error.to_string())
    }

    /// Resolves the name and connects to one of its addresses that may be called.
    async fn reach(&self) -> Result<TcpStream, String> {
        let Endpoint { host, port, secure, .. } = &self.endpoint;
        let found = lookup_host((host.as_str(), *port)).await;
        let found = found.map_err(|error| format!("its name can't be resolved: {error}"))?;
        let addresses: Vec<IpAddr> = found.map(|address| address.ip()).collect();
        let reachable = may_call(addresses.iter().copied(), *secure, &self.allowed);
        if reachable.is_empty() {
            let what = if *secure { "is public" } else { "may be called without TLS" };
            return Err(format!("no address of it {what}, and WEBHOOK_ALLOW names none: {addresses:?}"));
        }
        let mut why = String::new();
        for address in reachable {
            let connecting = TcpStream::connect(SocketAddr::new(address, *port));
            match timeout(ADDRESS, connecting).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => why = error.to_string(),
                Err(_) => "no connection in time".clone_into(&mut why),
            }
        }
        Err(why)
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, duplex},
        time::advance,
    };

    use super::*;

    fn line() -> Line {
        let endpoint = Endpoint::parse("a=https://a.example", &[]).unwrap();
        Line::new(Arc::new(Dial { endpoint, allowed: Vec::new(), tls: None }))
    }

    /// A post that was sent, and answered in time or not; then nobody looks until long after the limit.
    async fn looked_at_late(answered: bool) -> Result<Answer, Cut> {
        let (here, mut there) = duplex(1 << 10);
        let (mut line, open) = (line(), Open::over(here).await.unwrap());
        let mut posting = pin!(line.on(open, Post::default()));
        let mut sent = [0; 1 << 10];
        tokio::select! {
            _ = &mut posting => panic!("nobody has answered"),
            read = there.read(&mut sent) => assert!(read.unwrap() > 0),
        }
        if answered {
            there.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        }
        advance(2 * ANSWER).await;
        posting.await
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_came_in_time_counts_however_late_it_is_looked_at() {
        let answer = looked_at_late(true).await.ok().expect("it was answered");
        assert_eq!(answer.status, StatusCode::NO_CONTENT);
        assert!(matches!(looked_at_late(false).await, Err(Cut::Late)));
    }
}
