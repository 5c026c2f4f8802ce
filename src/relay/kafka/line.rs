//! A line to one broker: a question goes out, its answer comes back, one at a time. Whoever gives one up half-way must
//! drop the line, because its answer may still come.

use std::{io, sync::Arc};

use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;

use super::{
    answers::Reader,
    login::{self, Login},
    named,
    requests::{self, Ask, Speaks, speaks},
};
use crate::{relay::stream::Stream, tls};

/// The longest answer that is read: what is known of a topic with 25,000 partitions of three replicas.
const ANSWER: usize = 1 << 20;

/// How brokers are called, all of them the same way.
pub(super) struct Dial {
    tls: Option<TlsConnector>,
    login: Option<Login>,
}

impl Dial {
    /// With TLS, and with a login, or without.
    ///
    /// # Errors
    /// When TLS can't be had.
    pub(super) fn new(with_tls: bool, login: Option<Login>) -> Result<Self, String> {
        let config = with_tls.then(|| tls::of_this_machine().and_then(tls::client)).transpose();
        let config = config.map_err(|error| format!("can't be used with TLS: {error}"))?;
        let tls = config.map(|config| TlsConnector::from(Arc::new(config)));
        Ok(Self { tls, login })
    }

    /// A line that can be asked anything.
    pub(super) async fn to(&self, host: &str, port: u16) -> io::Result<Line> {
        let name = ServerName::try_from(host.to_owned());
        let tls = match (&self.tls, name) {
            (None, _) => None,
            (Some(tls), Ok(name)) => Some((tls, name)),
            (Some(_), Err(_)) => return Err(io::Error::other("no certificate can be for such a host")),
        };
        let stream = Stream::connect(host, port, tls).await?;
        let mut line = Line { stream, asked: 0, speaks: Speaks { numbers: false } };
        let (code, takes) = line.ask(&requests::versions().map_err(io::Error::other)?).await?;
        if code != 0 {
            return Err(io::Error::other(named(code)));
        }
        line.speaks = speaks(&takes).map_err(io::Error::other)?;
        if let Some(login) = &self.login {
            login::sign_in(&mut line, login).await?;
        }
        Ok(line)
    }
}

/// An open one.
pub(super) struct Line {
    stream: Stream,
    asked: i32,
    /// What the broker can do.
    pub(super) speaks: Speaks,
}

impl Line {
    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// When none comes. The line is of no use then.
    pub(super) async fn ask<A>(&mut self, ask: &Ask<A>) -> io::Result<A> {
        self.asked = self.asked.wrapping_add(1);
        let frame = ask.frame(self.asked).map_err(io::Error::other)?;
        self.stream.write_all(&frame).await?;
        self.stream.flush().await?;
        let length = self.stream.read_i32().await?;
        let length = usize::try_from(length).ok().filter(|length| (4..=ANSWER).contains(length));
        let length = length.ok_or_else(|| nonsense("is it a broker, and TLS on both sides or on none?"))?;
        let mut answer = vec![0; length];
        self.stream.read_exact(&mut answer).await?;
        let mut reader = Reader::new(&answer);
        if reader.i32() != Some(self.asked) {
            return Err(nonsense("it answers something else"));
        }
        (ask.read)(&mut reader).ok_or_else(|| nonsense("it can't be read"))
    }
}

fn nonsense(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("not an answer of Kafka: {why}"))
}
