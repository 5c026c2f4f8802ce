//! What the library writes as a broker is read here, and whatever else comes breaks nothing.

use bytes::BytesMut;
use kafka_protocol::{
    messages::{
        ApiVersionsResponse, InitProducerIdResponse, MetadataResponse, ProduceResponse,
        SaslAuthenticateResponse, SaslHandshakeResponse, TopicName,
        api_versions_response::ApiVersion,
        metadata_response::{MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic},
        produce_response::{PartitionProduceResponse, TopicProduceResponse},
    },
    protocol::{Encodable, StrBytes},
};
use proptest::prelude::*;

use super::*;

/// Reads what a broker writes, all of it.
fn read<T>(answer: &impl Encodable, version: i16, read: fn(&mut Reader<'_>) -> Option<T>) -> T {
    let mut bytes = BytesMut::new();
    answer.encode(&mut bytes, version).unwrap();
    for short in 0..bytes.len() {
        assert!(read(&mut Reader::new(&bytes[..short])).is_none(), "{short} bytes of it");
    }
    let mut reader = Reader::new(&bytes);
    let answer = read(&mut reader).unwrap();
    assert!(reader.0.is_empty(), "something is left");
    answer
}

fn text(text: &'static str) -> StrBytes {
    StrBytes::from_static_str(text)
}

#[test]
fn a_topic_is_read_as_it_is_written() {
    let broker = MetadataResponseBroker::default()
        .with_node_id(7.into())
        .with_host(text("kafka-7"))
        .with_port(9092);
    let partition = |index: i32, leader: i32| {
        MetadataResponsePartition::default()
            .with_partition_index(index)
            .with_leader_id(leader.into())
            .with_replica_nodes(vec![7.into(), 8.into()])
            .with_isr_nodes(vec![7.into()])
    };
    let topic_written = MetadataResponseTopic::default()
        .with_error_code(5)
        .with_name(Some(TopicName(text("chorus"))))
        .with_partitions(vec![partition(0, 7), partition(1, -1)]);
    let answer = MetadataResponse::default()
        .with_throttle_time_ms(3)
        .with_cluster_id(Some(text("cluster")))
        .with_brokers(vec![broker.clone(), broker.with_rack(Some(text("rack")))])
        .with_topics(vec![topic_written]);
    let listens = Listens { id: 7, host: "kafka-7".to_owned(), port: 9092 };
    let expected = Topic {
        brokers: vec![listens.clone(), listens],
        code: 5,
        leaders: vec![(0, 7), (1, -1)],
    };
    assert_eq!(read(&answer, 4, topic), expected);
}

#[test]
fn the_other_answers_are_read_as_they_are_written() {
    let of = |index: i32, code: i16| {
        PartitionProduceResponse::default()
            .with_index(index)
            .with_error_code(code)
            .with_base_offset(9)
    };
    let of_topic = TopicProduceResponse::default()
        .with_name(TopicName(text("chorus")))
        .with_partition_responses(vec![of(0, 0), of(4, 6)]);
    let answer = ProduceResponse::default().with_responses(vec![of_topic]).with_throttle_time_ms(12);
    let expected = Produced { codes: vec![(0, 0), (4, 6)], throttle: 12 };
    assert_eq!(read(&answer, 3, produced), expected);

    let answer = InitProducerIdResponse::default()
        .with_error_code(2)
        .with_producer_id(99.into())
        .with_producer_epoch(4);
    assert_eq!(read(&answer, 0, producer), (2, 99, 4));

    let key = ApiVersion::default().with_api_key(3).with_min_version(0).with_max_version(12);
    let answer = ApiVersionsResponse::default().with_api_keys(vec![key]);
    assert_eq!(read(&answer, 0, takes), (0, vec![Takes { key: 3, from: 0, to: 12 }]));

    let answer = SaslHandshakeResponse::default().with_error_code(33).with_mechanisms(vec![text("PLAIN")]);
    assert_eq!(read(&answer, 1, handshake), (33, vec!["PLAIN".to_owned()]));

    let answer = SaslAuthenticateResponse::default()
        .with_error_code(58)
        .with_error_message(Some(text("no")))
        .with_auth_bytes(vec![1, 2].into());
    let expected = Verdict { code: 58, why: "no".to_owned(), told: vec![1, 2] };
    assert_eq!(read(&answer, 0, authenticated), expected);
}

#[test]
fn a_number_that_promises_more_than_there_is_costs_nothing() {
    let many = [&[0; 4][..], &i32::MAX.to_be_bytes()].concat();
    assert_eq!(topic(&mut Reader::new(&many)), None);
    assert_eq!(produced(&mut Reader::new(&many[4..])), None);
}

proptest! {
    #[test]
    fn whatever_comes_nothing_breaks(bytes: Vec<u8>) {
        let reader = Reader::new(&bytes);
        let _ = (topic(&mut reader.clone()), produced(&mut reader.clone()), takes(&mut reader.clone()));
        let _ = (producer(&mut reader.clone()), handshake(&mut reader.clone()));
        let _ = authenticated(&mut reader.clone());
    }
}
