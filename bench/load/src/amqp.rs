//! What is asked of a broker beside a measurement, in AMQP 0-9-1 by hand: a queue, and how much is in it. A
//! connection that waits for each answer, and hears nothing else.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
};

use crate::{LIMIT, Outcome};

const METHOD: u8 = 1;
const END: u8 = 0xce;
/// No answer here is as long as this.
const LONGEST: usize = 1 << 16;

/// Class and number of a method.
type Method = (u16, u16);

/// One connection with one channel.
pub struct Broker {
    stream: TcpStream,
}

/// The arguments of a method, written one after the other.
#[derive(Default)]
struct Arguments(Vec<u8>);

impl Arguments {
    fn with(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn number(self, value: u16) -> Self {
        self.with(&value.to_be_bytes())
    }

    fn short(self, text: &str) -> Outcome<Self> {
        Ok(self.with(&[u8::try_from(text.len())?]).with(text.as_bytes()))
    }

    fn long(self, bytes: &[u8]) -> Outcome<Self> {
        Ok(self.with(&u32::try_from(bytes.len())?.to_be_bytes()).with(bytes))
    }

    /// A table with nothing in it.
    fn table(self) -> Self {
        self.with(&[0; 4])
    }
}

impl Broker {
    /// Comes in as `guest`, to the virtual host `/`, without heartbeats.
    pub fn at(address: SocketAddr) -> Outcome<Self> {
        let stream = TcpStream::connect_timeout(&address, LIMIT)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(LIMIT))?;
        let mut broker = Self { stream };
        broker.stream.write_all(b"AMQP\x00\x00\x09\x01")?;
        broker.awaits((10, 10))?;
        let credentials = Arguments::default().table().short("PLAIN")?.long(b"\0guest\0guest")?;
        let limits = broker.call(0, (10, 11), &credentials.short("en_US")?, (10, 30))?;
        let limits = limits.get(..6).ok_or("a broker without limits")?;
        broker.say(0, (10, 31), &Arguments::default().with(limits).number(0))?;
        broker.call(0, (10, 40), &Arguments::default().short("/")?.short("")?.with(&[0]), (10, 41))?;
        broker.call(1, (20, 10), &Arguments::default().short("")?, (20, 11))?;
        Ok(broker)
    }

    /// A queue, durable or in memory alone, to which all goes that is published to this durable exchange of topics. Both
    /// are made if they are not there.
    pub fn bind(&mut self, queue: &str, exchange: &str, durable: bool) -> Outcome {
        const DURABLE: u8 = 2;
        let topics = Arguments::default().number(0).short(exchange)?.short("topic")?;
        self.call(1, (40, 10), &topics.with(&[DURABLE]).table(), (40, 11))?;
        let kept = Arguments::default()
            .number(0)
            .short(queue)?
            .with(&[if durable { DURABLE } else { 0 }])
            .table();
        self.call(1, (50, 10), &kept, (50, 11))?;
        let bound = Arguments::default().number(0).short(queue)?.short(exchange)?.short("#")?;
        self.call(1, (50, 20), &bound.with(&[0]).table(), (50, 21)).map(drop)
    }

    /// How many messages are in a queue.
    pub fn count(&mut self, queue: &str) -> Outcome<u64> {
        const PASSIVE: u8 = 1;
        let asked = Arguments::default().number(0).short(queue)?.with(&[PASSIVE]).table();
        let told = self.call(1, (50, 10), &asked, (50, 11))?;
        let name = usize::from(*told.first().ok_or("an answer without a queue")?);
        let count = told.get(1 + name..5 + name).ok_or("an answer without a count")?;
        Ok(u32::from_be_bytes(count.try_into()?).into())
    }

    /// Throws away what is in a queue.
    pub fn purge(&mut self, queue: &str) -> Outcome {
        let asked = Arguments::default().number(0).short(queue)?.with(&[0]);
        self.call(1, (50, 30), &asked, (50, 31)).map(drop)
    }

    /// Calls a method and answers the arguments of the answer.
    fn call(
        &mut self,
        channel: u16,
        method: Method,
        arguments: &Arguments,
        answer: Method,
    ) -> Outcome<Vec<u8>> {
        self.say(channel, method, arguments)?;
        self.awaits(answer)
    }

    fn say(&mut self, channel: u16, (class, number): Method, arguments: &Arguments) -> Outcome {
        let mut payload = [class.to_be_bytes(), number.to_be_bytes()].concat();
        payload.extend_from_slice(&arguments.0);
        let frame = Arguments::default().with(&[METHOD]).number(channel).long(&payload)?.with(&[END]);
        Ok(self.stream.write_all(&frame.0)?)
    }

    fn awaits(&mut self, method: Method) -> Outcome<Vec<u8>> {
        let mut head = [0; 7];
        self.stream.read_exact(&mut head)?;
        let [kind, _, _, length @ ..] = head;
        let length = u32::from_be_bytes(length) as usize;
        if length > LONGEST {
            return Err("this is not AMQP".into());
        }
        let mut rest = vec![0; length + 1];
        self.stream.read_exact(&mut rest)?;
        answered(kind, &rest, method)
    }
}

/// The arguments in a frame without its head, if it is this method.
fn answered(kind: u8, rest: &[u8], (class, number): Method) -> Outcome<Vec<u8>> {
    let awaited = [class.to_be_bytes(), number.to_be_bytes()].concat();
    let payload = rest.strip_suffix(&[END]).unwrap_or_default();
    match payload.strip_prefix(&awaited[..]) {
        Some(arguments) if kind == METHOD => Ok(arguments.to_vec()),
        _ => Err(format!("the broker says {:?}", String::from_utf8_lossy(payload)).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_written_as_amqp_wants_them() {
        let written = Arguments::default().number(258).short("ab").unwrap().long(b"c").unwrap().table();
        assert_eq!(written.0, b"\x01\x02\x02ab\0\0\0\x01c\0\0\0\0");
        assert!(Arguments::default().short(&"x".repeat(256)).is_err());
    }

    #[test]
    fn only_the_answer_that_is_awaited_is_one() {
        assert_eq!(answered(METHOD, b"\0\x32\0\x0b\x01q\xce", (50, 11)).unwrap(), b"\x01q");
        for (kind, frame) in [
            (METHOD, &b"\0\x14\0\x28\x01q\xce"[..]),
            (METHOD, b"\0\x32\0\x0b\x01q\0"),
            (8, b"\0\x32\0\x0b\xce"),
            (METHOD, b""),
        ] {
            assert!(answered(kind, frame, (50, 11)).is_err(), "{frame:?}");
        }
    }
}
