//! What brokers answer, read from bytes. Pure.
//!
//! The library that writes what we ask could read this as well. But it reserves as much memory as the bytes say that
//! it needs, before it looks whether there is so much: a broker that is broken, or somebody in between, could end the
//! node by one number. Here nothing is believed that is not there.

/// Bytes that are left to be read; `None` when there are too few, or they mean nothing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn i16(&mut self) -> Option<i16> {
        self.array().map(i16::from_be_bytes)
    }

    pub(super) fn i32(&mut self) -> Option<i32> {
        self.array().map(i32::from_be_bytes)
    }

    fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_be_bytes)
    }

    /// Text; empty also where there is none.
    fn text(&mut self) -> Option<String> {
        let length = usize::try_from(self.i16()?).unwrap_or_default();
        std::str::from_utf8(self.take(length)?).ok().map(str::to_owned)
    }

    fn bytes(&mut self) -> Option<Vec<u8>> {
        let length = usize::try_from(self.i32()?).unwrap_or_default();
        Some(self.take(length)?.to_vec())
    }

    /// As many as the bytes say, one after the other.
    fn each<T>(&mut self, mut read: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = self.i32()?;
        let mut all = Vec::new();
        for _ in 0..count {
            all.push(read(self)?);
        }
        Some(all)
    }
}

/// Which versions of a question a broker takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Takes {
    pub(super) key: i16,
    pub(super) from: i16,
    pub(super) to: i16,
}

/// `ApiVersions`, version 0: a code, and what it takes.
pub(super) fn takes(reader: &mut Reader<'_>) -> Option<(i16, Vec<Takes>)> {
    let code = reader.i16()?;
    let each =
        |reader: &mut Reader<'_>| Some(Takes { key: reader.i16()?, from: reader.i16()?, to: reader.i16()? });
    Some((code, reader.each(each)?))
}

/// A broker, and where it listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listens {
    pub(super) id: i32,
    pub(super) host: String,
    pub(super) port: u16,
}

/// What there is of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Topic {
    pub(super) brokers: Vec<Listens>,
    pub(super) code: i16,
    /// Partitions and who leads each; less than nothing: nobody.
    pub(super) leaders: Vec<(i32, i32)>,
}

/// `Metadata`, version 4, of one topic.
pub(super) fn topic(reader: &mut Reader<'_>) -> Option<Topic> {
    let _throttle = reader.i32()?;
    let brokers = reader.each(|reader| {
        let listens = Listens {
            id: reader.i32()?,
            host: reader.text()?,
            port: u16::try_from(reader.i32()?).ok()?,
        };
        let _rack = reader.text()?;
        Some(listens)
    })?;
    let (_cluster, _controller) = (reader.text()?, reader.i32()?);
    let topics = reader.each(|reader| {
        let (code, _name, _internal) = (reader.i16()?, reader.text()?, reader.array::<1>()?);
        let leaders = reader.each(|reader| {
            let (_code, partition, leader) = (reader.i16()?, reader.i32()?, reader.i32()?);
            let (_replicas, _in_sync) = (reader.each(Reader::i32)?, reader.each(Reader::i32)?);
            Some((partition, leader))
        })?;
        Some((code, leaders))
    })?;
    let (code, leaders) = topics.into_iter().next()?;
    Some(Topic { brokers, code, leaders })
}

/// `InitProducerId`, version 0: a code, and the producer's number and epoch.
pub(super) fn producer(reader: &mut Reader<'_>) -> Option<(i16, i64, i16)> {
    let _throttle = reader.i32()?;
    Some((reader.i16()?, reader.i64()?, reader.i16()?))
}

/// What a broker says of what it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Produced {
    /// By partition: a code.
    pub(super) codes: Vec<(i32, i16)>,
    /// For how long it wants to be left alone, in milliseconds.
    pub(super) throttle: i32,
}

/// `Produce`, version 3, to one topic.
pub(super) fn produced(reader: &mut Reader<'_>) -> Option<Produced> {
    let topics = reader.each(|reader| {
        let _name = reader.text()?;
        reader.each(|reader| {
            let word = (reader.i32()?, reader.i16()?);
            let (_offset, _appended) = (reader.i64()?, reader.i64()?);
            Some(word)
        })
    })?;
    Some(Produced {
        codes: topics.into_iter().flatten().collect(),
        throttle: reader.i32()?,
    })
}

/// `SaslHandshake`, version 1: a code, and the ways to sign in that there are.
pub(super) fn handshake(reader: &mut Reader<'_>) -> Option<(i16, Vec<String>)> {
    Some((reader.i16()?, reader.each(Reader::text)?))
}

/// What comes back to a step of signing in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) code: i16,
    /// Words about it, if there are any.
    pub(super) why: String,
    /// What the other side says.
    pub(super) told: Vec<u8>,
}

/// `SaslAuthenticate`, version 0.
pub(super) fn authenticated(reader: &mut Reader<'_>) -> Option<Verdict> {
    Some(Verdict {
        code: reader.i16()?,
        why: reader.text()?,
        told: reader.bytes()?,
    })
}

#[cfg(test)]
mod tests;
