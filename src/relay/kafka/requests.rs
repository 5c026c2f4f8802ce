//! What brokers are asked, as bytes, and how each answer is read. Pure.
//!
//! Each question has one version: the first that has all we need. Brokers take these from Kafka 1.0 to 4.1.

use bytes::{Bytes, BytesMut};
use kafka_protocol::{
    indexmap::IndexMap,
    messages::{
        ApiKey, ApiVersionsRequest, InitProducerIdRequest, MetadataRequest, ProduceRequest, RequestHeader,
        SaslAuthenticateRequest, SaslHandshakeRequest, TopicName,
        metadata_request::MetadataRequestTopic,
        produce_request::{PartitionProduceData, TopicProduceData},
    },
    protocol::{Encodable, StrBytes},
    records::{Compression, Record, RecordBatchEncoder, RecordEncodeOptions, TimestampType},
};

use super::{
    answers::{self, Produced, Reader, Takes, Topic, Verdict},
    producer::Producer,
};
use crate::relay::{envelope::MEDIA_TYPE, sink::Outgoing};

/// How long the broker that leads may wait for the others to have it, in milliseconds.
const IN_SYNC: i32 = 4_000;
/// How we are called in the broker's log and quotas.
const CLIENT: &str = "chorus";
/// All replicas that are in sync.
const ALL: i16 = -1;

/// A question, and how its answer is read.
pub(super) struct Ask<A> {
    key: ApiKey,
    version: i16,
    body: BytesMut,
    /// Reads the answer; `None` when it is none.
    pub(super) read: fn(&mut Reader<'_>) -> Option<A>,
}

/// The question can't be written.
pub(super) type Unwritable = String;

impl<A> Ask<A> {
    fn new<R: Encodable>(
        (key, version): (ApiKey, i16),
        request: &R,
        read: fn(&mut Reader<'_>) -> Option<A>,
    ) -> Result<Self, Unwritable> {
        let mut body = BytesMut::new();
        request.encode(&mut body, version).map_err(|error| error.to_string())?;
        Ok(Self { key, version, body, read })
    }

    /// The bytes on the line, with the number by which the answer is known.
    pub(super) fn frame(&self, number: i32) -> Result<BytesMut, Unwritable> {
        let header = RequestHeader::default()
            .with_request_api_key(self.key as i16)
            .with_request_api_version(self.version)
            .with_correlation_id(number)
            .with_client_id(Some(StrBytes::from_static_str(CLIENT)));
        let mut head = BytesMut::new();
        header.encode(&mut head, 1).map_err(|error| error.to_string())?;
        let length = i32::try_from(head.len() + self.body.len());
        let length = length.map_err(|_| "too much for one question".to_owned())?;
        let mut frame = BytesMut::from(&length.to_be_bytes()[..]);
        frame.extend_from_slice(&head);
        frame.extend_from_slice(&self.body);
        Ok(frame)
    }
}

const VERSIONS: (ApiKey, i16) = (ApiKey::ApiVersions, 0);
const METADATA: (ApiKey, i16) = (ApiKey::Metadata, 4);
const PRODUCE: (ApiKey, i16) = (ApiKey::Produce, 3);
const PRODUCER: (ApiKey, i16) = (ApiKey::InitProducerId, 0);
const HANDSHAKE: (ApiKey, i16) = (ApiKey::SaslHandshake, 1);
const AUTHENTICATE: (ApiKey, i16) = (ApiKey::SaslAuthenticate, 0);

/// What a broker takes that we can do with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Speaks {
    /// It gives producers a number.
    pub(super) numbers: bool,
}

/// Whether we can do with what a broker takes.
///
/// # Errors
/// When we can't, and why.
pub(super) fn speaks(takes: &[Takes]) -> Result<Speaks, String> {
    let known = |(key, version): (ApiKey, i16)| {
        takes.iter().any(|one| one.key == key as i16 && (one.from..=one.to).contains(&version))
    };
    let missing = [METADATA, PRODUCE].into_iter().find(|ask| !known(*ask));
    if let Some((key, version)) = missing {
        return Err(format!(
            "it does not take {key:?} {version}: it is too old or too new for this version of Chorus"
        ));
    }
    Ok(Speaks { numbers: known(PRODUCER) })
}

/// What it takes.
pub(super) fn versions() -> Result<Ask<(i16, Vec<Takes>)>, Unwritable> {
    Ask::new(VERSIONS, &ApiVersionsRequest::default(), answers::takes)
}

/// Who leads the partitions of a topic. It is not made if it is not there: how many partitions it has and how safe
/// they are is the operator's to say.
pub(super) fn metadata(topic: &str) -> Result<Ask<Topic>, Unwritable> {
    let topic = MetadataRequestTopic::default().with_name(Some(name(topic)));
    let request = MetadataRequest::default()
        .with_topics(Some(vec![topic]))
        .with_allow_auto_topic_creation(false);
    Ask::new(METADATA, &request, answers::topic)
}

/// A number for a producer.
pub(super) fn producer() -> Result<Ask<(i16, i64, i16)>, Unwritable> {
    let request = InitProducerIdRequest::default().with_transactional_id(None);
    Ask::new(PRODUCER, &request, answers::producer)
}

/// The way to sign in.
pub(super) fn handshake(mechanism: &'static str) -> Result<Ask<(i16, Vec<String>)>, Unwritable> {
    let request = SaslHandshakeRequest::default().with_mechanism(StrBytes::from_static_str(mechanism));
    Ask::new(HANDSHAKE, &request, answers::handshake)
}

/// A step of it.
pub(super) fn authenticate(bytes: Vec<u8>) -> Result<Ask<Verdict>, Unwritable> {
    let request = SaslAuthenticateRequest::default().with_auth_bytes(bytes.into());
    Ask::new(AUTHENTICATE, &request, answers::authenticated)
}

/// These events to a topic, by partition.
pub(super) fn produce(topic: &str, lots: Vec<(i32, Bytes)>) -> Result<Ask<Produced>, Unwritable> {
    let of_partition = |(partition, records)| {
        PartitionProduceData::default().with_index(partition).with_records(Some(records))
    };
    let data = TopicProduceData::default()
        .with_name(name(topic))
        .with_partition_data(lots.into_iter().map(of_partition).collect());
    let request = ProduceRequest::default()
        .with_transactional_id(None)
        .with_acks(ALL)
        .with_timeout_ms(IN_SYNC)
        .with_topic_data(vec![data]);
    Ask::new(PRODUCE, &request, answers::produced)
}

/// Events as one partition keeps them: what `CloudEvents` calls structured mode.
pub(super) fn records<'a>(
    events: impl Iterator<Item = &'a Outgoing>,
    partition: i32,
    producer: &Producer,
) -> Result<Bytes, Unwritable> {
    let content_type = StrBytes::from_static_str("content-type");
    let media_type = Bytes::from_static(MEDIA_TYPE.as_bytes());
    let first = producer.sequence(partition);
    let record = |(offset, event): (i32, &Outgoing)| Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: -1,
        producer_id: producer.id,
        producer_epoch: producer.epoch,
        timestamp_type: TimestampType::Creation,
        offset: offset.into(),
        sequence: first.wrapping_add(offset),
        timestamp: event.timestamp.0,
        key: Some(Bytes::copy_from_slice(event.name.as_str().as_bytes())),
        value: Some(event.body.clone()),
        headers: IndexMap::from([(content_type.clone(), Some(media_type.clone()))]),
    };
    let records: Vec<Record> = (0..).zip(events).map(record).collect();
    let options = RecordEncodeOptions { version: 2, compression: Compression::None };
    let mut bytes = BytesMut::new();
    RecordBatchEncoder::encode(&mut bytes, &records, &options).map_err(|error| error.to_string())?;
    Ok(bytes.freeze())
}

fn name(topic: &str) -> TopicName {
    StrBytes::from_string(topic.to_owned()).into()
}

#[cfg(test)]
mod tests {
    use kafka_protocol::{
        protocol::{Decodable, decode_request_header_from_buffer},
        records::RecordBatchDecoder,
    };

    use super::*;
    use crate::domain::{RoomId, RoomName, Seq, Timestamp};

    fn event(seq: u64) -> Outgoing {
        Outgoing {
            room: RoomId(1),
            name: RoomName::lobby(),
            seq: Seq(seq),
            id: format!("1.{seq}"),
            timestamp: Timestamp(1_767_323_045_678),
            body: format!("{{\"seq\":\"{seq}\"}}").into(),
        }
    }

    #[test]
    fn events_are_records_with_the_rooms_name_as_their_key() {
        let (events, mut producer) = ([event(7), event(8)], Producer::new(99, 4));
        producer.has(2, 40);
        let mut bytes = records(events.iter(), 2, &producer).unwrap();
        let batches = RecordBatchDecoder::decode_batch_info(&mut bytes.clone()).unwrap();
        assert_eq!(batches.len(), 1, "one batch of a partition in one question");
        let (batch, decoded) = (&batches[0], RecordBatchDecoder::decode(&mut bytes).unwrap());
        assert_eq!((batch.producer_id, batch.producer_epoch, batch.base_sequence), (99, 4, 40));
        for (event, record) in events.iter().zip(&decoded.records) {
            assert_eq!(record.key.as_deref(), Some(&b"lobby"[..]));
            assert_eq!(
                (record.value.as_ref(), record.timestamp),
                (Some(&event.body), event.timestamp.0)
            );
            let media_type = record.headers.get(&StrBytes::from_static_str("content-type")).unwrap();
            assert_eq!(media_type.as_deref(), Some(MEDIA_TYPE.as_bytes()));
        }
        let mut nameless = records(events.iter(), 2, &Producer::nameless()).unwrap();
        let batches = RecordBatchDecoder::decode_batch_info(&mut nameless).unwrap();
        assert_eq!((batches.len(), batches[0].producer_id, batches[0].base_sequence), (1, -1, -1));
    }

    #[test]
    fn a_question_is_a_frame_that_a_broker_reads() {
        let lots = vec![(3, Bytes::from_static(b"records"))];
        let mut frame = produce("chorus", lots).unwrap().frame(12).unwrap().freeze();
        assert_eq!(bytes::Buf::get_i32(&mut frame), i32::try_from(frame.len()).unwrap());
        let header = decode_request_header_from_buffer(&mut frame).unwrap();
        assert_eq!(
            (header.request_api_key, header.request_api_version, header.correlation_id),
            (0, 3, 12)
        );
        let asked = ProduceRequest::decode(&mut frame, 3).unwrap();
        assert_eq!((asked.acks, asked.topic_data[0].partition_data[0].index), (-1, 3));
        assert_eq!(asked.transactional_id, None, "an empty one would be refused");
        assert!(frame.is_empty());
        let mut frame = producer().unwrap().frame(13).unwrap().split_off(4).freeze();
        decode_request_header_from_buffer(&mut frame).unwrap();
        assert_eq!(InitProducerIdRequest::decode(&mut frame, 0).unwrap().transactional_id, None);
    }

    #[test]
    fn a_broker_that_speaks_otherwise_is_told_apart() {
        let takes = |key: ApiKey, from, to| Takes { key: key as i16, from, to };
        let (topics, gives) = (takes(ApiKey::Metadata, 0, 13), takes(ApiKey::InitProducerId, 0, 5));
        let all = [topics, gives, takes(ApiKey::Produce, 3, 13)];
        assert_eq!(speaks(&all), Ok(Speaks { numbers: true }));
        assert_eq!(speaks(&[all[0], all[2]]), Ok(Speaks { numbers: false }));
        let later = speaks(&[topics, takes(ApiKey::Produce, 4, 20)]).unwrap_err();
        assert!(later.contains("Produce 3"), "{later}");
        assert!(speaks(&[]).is_err());
    }
}
