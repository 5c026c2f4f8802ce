//! Which pages may talk to this node: exact origins from a list, and the node's own.
//!
//! Pure: it works on the headers' text. Nothing is matched by prefix or suffix, so a look-alike
//! (`https://good.example.evil.test`) is as foreign as any other.

use crate::error::{Code, Refusal};

/// What a request says about where it comes from.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asked<'a> {
    /// Its `Origin`; programs send none.
    pub origin: Option<&'a str>,
    /// The host and port it was sent to: `Host`.
    pub host: Option<&'a str>,
    /// The host and port the visitor asked for, as told by a proxy: `X-Forwarded-Host`. To be
    /// given only when the peer is a trusted proxy.
    pub forwarded_host: Option<&'a str>,
}

/// The rule of this node.
#[derive(Debug, Clone)]
pub struct Origins {
    allowed: Vec<String>,
    required: bool,
}

impl Origins {
    /// The origins of the list (as browsers write them), and whether an origin is required.
    pub const fn new(allowed: Vec<String>, required: bool) -> Self {
        Self { allowed, required }
    }

    /// Whether this origin is on the list.
    pub fn lists(&self, origin: &str) -> bool {
        self.allowed.iter().any(|allowed| allowed == origin)
    }

    /// Whether a request from there may open a socket.
    ///
    /// # Errors
    /// `forbidden_origin`.
    pub fn admit(&self, asked: &Asked<'_>) -> Result<(), Refusal> {
        let admitted =
            asked.origin.map_or(!self.required, |origin| self.lists(origin) || is_own(origin, asked));
        if admitted {
            Ok(())
        } else {
            Err(Refusal::new(
                Code::ForbiddenOrigin,
                "Pages of this origin may not connect here.",
            ))
        }
    }
}

/// Whether this is asked by a page of the node's own, and by nothing else: where the browser adds
/// a credential by itself, neither the list nor a program's silence is enough.
///
/// # Errors
/// `forbidden_origin`.
pub fn admit_own(asked: &Asked<'_>) -> Result<(), Refusal> {
    if asked.origin.is_some_and(|origin| is_own(origin, asked)) {
        Ok(())
    } else {
        Err(Refusal::new(
            Code::ForbiddenOrigin,
            "Only this server's own page may ask for that.",
        ))
    }
}

/// Whether a page of `origin` was served by the host it now asks.
pub fn is_own(origin: &str, asked: &Asked<'_>) -> bool {
    let (authority, default_port) = match origin.split_once("://") {
        Some(("http", rest)) => (rest, ":80"),
        Some(("https", rest)) => (rest, ":443"),
        _ => return false,
    };
    let same = |host: &str| {
        let host = host.strip_suffix(default_port).unwrap_or(host);
        !host.is_empty() && authority.eq_ignore_ascii_case(host)
    };
    let forwarded = asked.forwarded_host.and_then(|hosts| hosts.rsplit(',').next()).map(str::trim);
    asked.host.is_some_and(same) || forwarded.is_some_and(same)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rule() -> Origins {
        Origins::new(vec!["https://good.example".into(), "http://localhost:5500".into()], false)
    }

    fn from(origin: &str) -> Asked<'_> {
        Asked {
            origin: Some(origin),
            host: Some("chat.example:8080"),
            forwarded_host: None,
        }
    }

    #[test]
    fn listed_and_own_origins_pass() {
        for good in [
            "https://good.example",
            "http://localhost:5500",
            "http://chat.example:8080",
            "https://chat.example:8080",
        ] {
            assert!(rule().admit(&from(good)).is_ok(), "{good}");
        }
    }

    #[test]
    fn everything_else_is_foreign() {
        for bad in [
            "https://good.example.evil.test",
            "https://evilgood.example",
            "https://good.example:8443",
            "http://good.example",
            "https://good.example/",
            "HTTPS://GOOD.EXAMPLE",
            "null",
            "",
            "http://chat.example",
            "http://chat.example:80801",
            "ftp://chat.example:8080",
            "http://user@chat.example:8080",
            "file://",
        ] {
            let refused = rule().admit(&from(bad)).unwrap_err();
            assert_eq!(refused.code, Code::ForbiddenOrigin, "{bad}");
        }
    }

    #[test]
    fn a_default_port_may_be_named_or_not() {
        let asked = Asked {
            origin: Some("https://chat.example"),
            host: Some("chat.example:443"),
            forwarded_host: None,
        };
        assert!(rule().admit(&asked).is_ok());
        let asked = Asked {
            origin: Some("http://chat.example"),
            host: Some("chat.example:443"),
            forwarded_host: None,
        };
        assert!(rule().admit(&asked).is_err());
    }

    #[test]
    fn a_trusted_proxy_tells_the_own_host() {
        let asked = Asked {
            origin: Some("https://chat.example"),
            host: Some("10.0.0.7:8080"),
            forwarded_host: Some("chat.example"),
        };
        assert!(rule().admit(&asked).is_ok());
        assert!(rule().admit(&Asked { forwarded_host: None, ..asked }).is_err());
        // What the visitor wrote stands left of what the proxy added.
        assert!(rule().admit(&Asked { forwarded_host: Some("chat.example, other"), ..asked }).is_err());
    }

    #[test]
    fn neither_a_listed_page_nor_a_program_is_the_own_page() {
        assert!(admit_own(&from("http://chat.example:8080")).is_ok());
        for other in ["https://good.example", "http://localhost:5500", "null", ""] {
            assert_eq!(admit_own(&from(other)).unwrap_err().code, Code::ForbiddenOrigin, "{other}");
        }
        let program = Asked { origin: None, ..from("") };
        assert!(admit_own(&program).is_err());
    }

    #[test]
    fn programs_pass_unless_an_origin_is_required() {
        assert!(rule().admit(&Asked::default()).is_ok());
        let strict = Origins::new(Vec::new(), true);
        assert!(strict.admit(&Asked::default()).is_err());
    }

    proptest! {
        #[test]
        fn only_exact_origins_pass(origin in "(https?://)?[a-z.:/@]{0,30}") {
            let passes = rule().admit(&from(&origin)).is_ok();
            let known = ["https://good.example", "http://localhost:5500"].contains(&origin.as_str())
                || origin.ends_with("://chat.example:8080");
            prop_assert_eq!(passes, known);
        }
    }
}
