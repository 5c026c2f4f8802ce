//! Who sends a request, as far as its headers tell: the address behind trusted proxies, the
//! origin, the bearer.
//!
//! Pure, and the only place that reads these headers, so that calls and sockets judge alike. What
//! is no text counts against whoever sent it: an origin becomes the foreign `null`, a hop garbage
//! that ends the search, a credential none.

use std::{borrow::Cow, net::IpAddr};

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::{Asked, Proxies};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// What is found out about a request once, before anything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asker {
    /// The client's address.
    pub address: IpAddr,
    /// Whether the peer is a proxy whose headers are believed.
    pub by_proxy: bool,
    /// Whether the client's own connection is encrypted, as that proxy says.
    pub over_tls: bool,
}

impl Asker {
    /// Who sends these headers through `peer`.
    pub fn read(peer: IpAddr, headers: &HeaderMap, proxies: &Proxies) -> Self {
        let values = headers.get_all(FORWARDED_FOR).iter();
        let hops: Vec<_> = values.map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        let by_proxy = proxies.trust(peer);
        let https =
            || text(headers, &FORWARDED_PROTO).is_some_and(|proto| proto.eq_ignore_ascii_case("https"));
        Self {
            address: proxies.client(peer, hops.iter().map(Cow::as_ref)),
            by_proxy,
            over_tls: by_proxy && https(),
        }
    }

    /// What the rule about origins wants to know.
    pub fn origin<'a>(&self, headers: &'a HeaderMap) -> Asked<'a> {
        Asked {
            origin: headers.get(header::ORIGIN).map(|origin| origin.to_str().unwrap_or("null")),
            host: text(headers, &header::HOST),
            forwarded_host: text(headers, &FORWARDED_HOST).filter(|_| self.by_proxy),
        }
    }
}

/// The token of `Authorization: Bearer`.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = text(headers, &header::AUTHORIZATION)?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).map(HeaderValue::to_str)?.ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Origins;

    /// No text, though a header may hold it.
    const GARBAGE: &[u8] = b"https://\xff.example";

    fn headers(lines: &[(&HeaderName, &[u8])]) -> HeaderMap {
        let value = |bytes: &[u8]| HeaderValue::from_bytes(bytes).unwrap();
        lines.iter().map(|(name, bytes)| ((*name).clone(), value(bytes))).collect()
    }

    fn read(peer: &str, headers: &HeaderMap) -> Asker {
        let proxies = Proxies::new(vec!["127.0.0.0/8".parse().unwrap()]);
        Asker::read(peer.parse().unwrap(), headers, &proxies)
    }

    #[test]
    fn an_origin_that_is_no_text_is_foreign_and_not_absent() {
        let headers = headers(&[(&header::ORIGIN, GARBAGE), (&header::HOST, b"chat.example")]);
        let asked = read("203.0.113.9", &headers).origin(&headers);
        assert_eq!((asked.origin, asked.host), (Some("null"), Some("chat.example")));
        assert!(Origins::new(vec![], false).admit(&asked).is_err());
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        let headers = headers(&[
            (&FORWARDED_FOR, b"198.51.100.7"),
            (&FORWARDED_HOST, b"chat.example"),
            (&FORWARDED_PROTO, b"HTTPS"),
        ]);
        let behind = read("127.0.0.1", &headers);
        assert_eq!(behind.address.to_string(), "198.51.100.7");
        assert!(behind.by_proxy && behind.over_tls);
        assert_eq!(behind.origin(&headers).forwarded_host, Some("chat.example"));
        let stranger = read("203.0.113.9", &headers);
        assert_eq!(stranger.address.to_string(), "203.0.113.9");
        assert!(!stranger.by_proxy && !stranger.over_tls);
        assert_eq!(stranger.origin(&headers).forwarded_host, None);
    }

    #[test]
    fn a_hop_that_is_no_text_ends_the_search() {
        let headers = headers(&[(&FORWARDED_FOR, b"198.51.100.7, \xff")]);
        assert_eq!(read("127.0.0.1", &headers).address.to_string(), "127.0.0.1");
    }

    #[test]
    fn the_scheme_is_bearer_in_any_case() {
        let shown = |line: &[u8]| {
            let headers = headers(&[(&header::AUTHORIZATION, line)]);
            bearer(&headers).map(str::to_owned)
        };
        assert_eq!(shown(b"bearer abc").as_deref(), Some("abc"));
        assert_eq!(shown(b"Bearer abc ").as_deref(), Some("abc"));
        for none in [&b"Basic abc"[..], b"Bearer", b"", b"Bearer \xff"] {
            assert_eq!(shown(none), None);
        }
        assert_eq!(bearer(&HeaderMap::new()), None);
    }
}
