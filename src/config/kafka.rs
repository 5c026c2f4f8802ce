//! A Kafka to which what is said goes on: its brokers, the topic, and how one signs in there.

use crate::relay::kafka::Mechanism;

/// The ways to sign in, as they are set.
const MECHANISMS: [(&str, Mechanism); 3] = [
    ("scram-sha-512", Mechanism::ScramSha512),
    ("scram-sha-256", Mechanism::ScramSha256),
    ("plain", Mechanism::Plain),
];
/// The longest name of a topic that Kafka has.
const NAME: usize = 249;

/// Hosts and ports. A host is a name or an address; one of IPv6 stands in brackets.
pub(super) fn brokers(text: &str) -> Result<Vec<(String, u16)>, String> {
    let refuse = || "must list brokers such as kafka-1.internal:9092,kafka-2.internal:9092".to_owned();
    let broker = |word: &str| {
        let (host, port) = word.rsplit_once(':')?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let is_host = match bare {
            Some(bare) => bare.parse::<std::net::Ipv6Addr>().is_ok(),
            None => host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte)),
        };
        let port = port.bytes().all(|byte| byte.is_ascii_digit()).then(|| port.parse::<u16>().ok())??;
        (is_host && !host.is_empty() && port > 0).then(|| (bare.unwrap_or(host).to_owned(), port))
    };
    let listed: Option<Vec<_>> = super::database::listed(text).map(broker).collect();
    listed.filter(|listed| !listed.is_empty()).ok_or_else(refuse)
}

/// The name of a topic.
pub(super) fn topic(text: &str) -> Result<String, String> {
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if plain && text.len() <= NAME && !matches!(text, "." | "..") {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "must be at most {NAME} characters of a-z, A-Z, 0-9 and -_. and neither . nor .."
        ))
    }
}

/// A way to sign in.
pub(super) fn mechanism(text: &str) -> Result<Mechanism, String> {
    let found = MECHANISMS.iter().find(|(name, _)| *name == text);
    found.map(|(_, mechanism)| *mechanism).ok_or_else(|| {
        let names = MECHANISMS.map(|(name, _)| name);
        format!("must be one of {}", names.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn brokers_are_hosts_and_ports() {
        let of = |host: &str, port| (host.to_owned(), port);
        let found = brokers(" kafka-1.internal:9092, 10.0.0.7:9093,[2001:db8::7]:9094,").unwrap();
        assert_eq!(
            found,
            [
                of("kafka-1.internal", 9092),
                of("10.0.0.7", 9093),
                of("2001:db8::7", 9094)
            ]
        );
        for wrong in [
            "kafka",
            "kafka:",
            ":9092",
            "kafka:0",
            "kafka:+1",
            "kafka:99999",
            "kafka://a:9092",
            "user:word@kafka:9092",
            "2001:db8::7:9092",
            "[kafka]:9092",
            "a:1,b",
            ",",
        ] {
            assert!(brokers(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn topics_are_what_kafka_takes() {
        assert!(topic("chat.events-2_b").is_ok() && topic(&"t".repeat(249)).is_ok());
        for wrong in [".", "..", "a b", "ä", "a/b", &"t".repeat(250)] {
            assert!(topic(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_way_to_sign_in_is_one_of_those_that_brokers_know() {
        for (name, way) in MECHANISMS {
            assert_eq!(mechanism(name), Ok(way));
            assert_eq!(way.name().to_ascii_lowercase(), name, "as brokers call it");
        }
        for wrong in ["", "SCRAM-SHA-512", "scram", "gssapi"] {
            let why = mechanism(wrong).unwrap_err();
            assert_eq!(why, "must be one of scram-sha-512, scram-sha-256, plain", "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,40}") {
            let _ = (brokers(&text), topic(&text), mechanism(&text));
        }
    }
}
