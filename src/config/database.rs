//! Where the servers are that nodes share. The database: one URL, or the predecessor's parts of one.

use std::{fmt::Write, net::Ipv6Addr};

use secrecy::SecretString;

/// A PostgreSQL database, and its read replicas.
#[derive(Debug, Clone)]
pub struct Database {
    /// Where it is, as libpq understands it.
    pub url: SecretString,
    /// Where its replicas are, in the same form.
    pub replicas: Vec<SecretString>,
    /// The most connections to it, the node lock's left out.
    pub connections: usize,
}

/// The parts of a URL, as `DB_HOST` and its like name them.
#[derive(Debug)]
pub(super) struct Parts<'a> {
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) user: &'a str,
    pub(super) password: Option<&'a str>,
    pub(super) name: &'a str,
}

impl Parts<'_> {
    /// One URL of them all.
    pub(super) fn url(&self) -> String {
        let mut url = format!("postgres://{}", escaped(self.user));
        if let Some(password) = self.password {
            let _ = write!(url, ":{}", escaped(password));
        }
        let hosts: Vec<_> =
            listed(self.host).map(|host| format!("{}:{}", host_in_url(host), self.port)).collect();
        let _ = write!(url, "@{}/{}", hosts.join(","), escaped(self.name));
        url
    }
}

/// A name, an address, or a folder that holds a Unix socket.
fn host_in_url(host: &str) -> String {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    if bare.parse::<Ipv6Addr>().is_ok() { format!("[{bare}]") } else { escaped(host) }
}

/// What may not stand in a URL as it is becomes `%XX` (RFC 3986, section 2.1).
fn escaped(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut url, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            url.push(char::from(byte));
        } else {
            let _ = write!(url, "%{byte:02X}");
        }
        url
    })
}

/// Whether this can be a database's URL; the rest is found out by connecting.
pub(super) fn postgres_url(text: &str) -> Result<(), String> {
    match text.split_once("://") {
        Some(("postgres" | "postgresql", rest)) if !rest.is_empty() => Ok(()),
        _ => Err("must be a postgres:// URL".to_owned()),
    }
}

/// As [`postgres_url`], of a list.
pub(super) fn postgres_urls(text: &str) -> Result<(), String> {
    listed(text).try_for_each(postgres_url)
}

/// Whether this can be a Redis URL; the rest is found out when it is opened.
pub(super) fn redis_url(text: &str) -> Result<(), String> {
    let forms = [
        "redis",
        "rediss",
        "redis-cluster",
        "rediss-cluster",
        "redis-sentinel",
        "rediss-sentinel",
    ];
    match text.split_once("://") {
        Some((scheme, rest)) if forms.contains(&scheme) && !rest.is_empty() => Ok(()),
        _ => Err("must be a redis://, rediss://, redis-cluster:// or redis-sentinel:// URL".to_owned()),
    }
}

/// Whether this can be a RabbitMQ's URL; the rest is found out when it is used.
pub(super) fn amqp_url(text: &str) -> Result<(), String> {
    match text.split_once("://") {
        Some(("amqp" | "amqps", rest)) if !rest.is_empty() => Ok(()),
        _ => Err("must be an amqp:// or amqps:// URL".to_owned()),
    }
}

/// What stands between commas.
pub(super) fn listed(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts<'a>(host: &'a str, user: &'a str, password: Option<&'a str>) -> Parts<'a> {
        Parts { host, port: 5432, user, password, name: "websocket_chat" }
    }

    #[test]
    fn parts_become_one_url() {
        assert_eq!(
            parts("db", "chat", Some("p@ss/w:rd#1")).url(),
            "postgres://chat:p%40ss%2Fw%3Ard%231@db:5432/websocket_chat"
        );
        assert_eq!(parts("::1", "a", None).url(), "postgres://a@[::1]:5432/websocket_chat");
        assert_eq!(
            parts("/run/postgresql", "a", None).url(),
            "postgres://a@%2Frun%2Fpostgresql:5432/websocket_chat"
        );
        assert_eq!(
            parts("[::1], db-2,10.0.0.7", "a", None).url(),
            "postgres://a@[::1]:5432,db-2:5432,10.0.0.7:5432/websocket_chat"
        );
    }

    #[test]
    fn the_client_reads_back_what_was_meant() {
        let url = parts("/run/postgresql", "an ä", Some("%:@/?#&ü")).url();
        let config: tokio_postgres::Config = url.parse().unwrap();
        assert_eq!(config.get_user(), Some("an ä"));
        assert_eq!(config.get_password(), Some("%:@/?#&ü".as_bytes()));
        assert_eq!(config.get_dbname(), Some("websocket_chat"));
        assert_eq!(
            config.get_hosts(),
            [tokio_postgres::config::Host::Unix("/run/postgresql".into())]
        );
        let config: tokio_postgres::Config = parts("db/else?user=eve", "a", None).url().parse().unwrap();
        assert_eq!((config.get_user(), config.get_dbname()), (Some("a"), Some("websocket_chat")));
    }

    #[test]
    fn redis_has_its_schemes() {
        for good in [
            "redis://h",
            "rediss://h",
            "redis-cluster://h:1?node=g:2",
            "redis-sentinel://h",
        ] {
            assert!(redis_url(good).is_ok(), "{good}");
        }
        for bad in ["redis://", "redis", "http://h", "redis-flock://h", "unix:///s"] {
            assert!(redis_url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn rabbitmq_has_its_schemes() {
        assert!(amqp_url("amqp://u:p@h:5672/%2f").is_ok() && amqp_url("amqps://h").is_ok());
        for bad in ["amqp://", "amqp", "http://h", "stomp://h"] {
            assert!(amqp_url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn other_schemes_are_refused() {
        assert!(postgres_url("postgresql://h/d").is_ok());
        assert!(postgres_urls("postgres://a/d, postgres://b/d,").is_ok());
        assert!(postgres_urls("postgres://a/d, b").is_err());
        assert!(postgres_url("mysql://h/d").is_err() && postgres_url("postgres://").is_err());
    }
}
