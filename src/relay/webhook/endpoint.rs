//! Where a webhook goes: a URL in its parts, read once. Pure.
//!
//! What stands in its path or query may be a secret. It is shown nowhere but to the receiver.

use std::{fmt, net::IpAddr};

use http::{HeaderValue, Uri};
use ipnet::IpNet;

use super::reach::may_call;

/// The longest name.
const NAME: usize = 24;

/// A receiver.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// By which operators call it.
    pub(super) name: String,
    /// Whether it is spoken to in TLS.
    pub(super) secure: bool,
    /// A name, or an address without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// The host with its port, as requests name it.
    pub(super) authority: HeaderValue,
    /// Path and query.
    pub(super) target: Uri,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({} at {}:{})", self.name, self.host, self.port)
    }
}

impl Endpoint {
    /// Of `name=https://host/path`.
    ///
    /// # Errors
    /// What is wrong, in words that follow the setting's name and hold nothing of the URL.
    pub fn parse(text: &str, allowed: &[IpNet]) -> Result<Self, String> {
        let Some((name, url)) = text.split_once('=').filter(|(name, _)| is_name(name)) else {
            return Err(format!(
                "must list name=https://host/path; a name is 1 to {NAME} of a-z, 0-9 and -, and begins with a letter"
            ));
        };
        Self::of(name, url, allowed).map_err(|why| format!("{why} (of {name})"))
    }

    fn of(name: &str, url: &str, allowed: &[IpNet]) -> Result<Self, &'static str> {
        let form =
            "names no URL that can be read: https://host:port/path?query, in ASCII, without a fragment";
        let uri: Uri = url.parse().map_err(|_| form)?;
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err("must be an https:// URL, or http:// to what WEBHOOK_ALLOW names"),
        };
        let authority = uri.authority().filter(|_| url.is_ascii() && !url.contains('#')).ok_or(form)?;
        if authority.as_str().contains('@') {
            return Err("has a user in its URL; receivers know us by the signature");
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        let port = match authority.as_str().strip_prefix(authority.host()) {
            Some("") if secure => 443,
            Some("") => 80,
            rest => rest.and_then(port).ok_or(form)?,
        };
        judge(&host, secure, allowed)?;
        // As it is shown: one that begins with the query gets its slash.
        let target = uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string);
        let target = target.parse().map_err(|_| form)?;
        let authority = HeaderValue::from_str(authority.as_str()).map_err(|_| form)?;
        Ok(Self { name: name.to_owned(), secure, host, port, authority, target })
    }

    /// What its sink is called: in metrics, in the log, and in the store.
    pub fn sink(&self) -> String {
        format!("webhook.{}", self.name)
    }

    /// Its name, of which there is one.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// What follows a host.
fn port(text: &str) -> Option<u16> {
    let digits = text.strip_prefix(':').filter(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()))?;
    digits.parse().ok().filter(|port| *port > 0)
}

fn is_name(text: &str) -> bool {
    let plain = text
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    plain && text.len() <= NAME && text.starts_with(|first: char| first.is_ascii_lowercase())
}

/// A name is judged by its addresses when it is called; an address at once.
fn judge(host: &str, secure: bool, allowed: &[IpNet]) -> Result<(), &'static str> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return if may_call([address], secure, allowed).is_empty() {
            Err("names an address that is not public, or http://: WEBHOOK_ALLOW must name its network")
        } else {
            Ok(())
        };
    }
    // What ends in a number is an IPv4 address to some programs and to others a name: 127.1, 0x7f.1, 2130706433.
    let last = host.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    let number = last.strip_prefix("0x").unwrap_or(last).bytes().all(|byte| byte.is_ascii_hexdigit());
    let plain = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
    if host.is_empty() || !plain || (number && last.starts_with(|first: char| first.is_ascii_digit())) {
        return Err("names a host that is neither a name nor an address as 192.0.2.1 or [2001:db8::1]");
    }
    if !secure && allowed.is_empty() {
        return Err("is an http:// URL: WEBHOOK_ALLOW must name the network of its host");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn allowed() -> Vec<IpNet> {
        vec!["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()]
    }

    #[test]
    fn a_url_is_read_into_its_parts() {
        let parse = |text| Endpoint::parse(text, &allowed()).unwrap();
        let search = parse("search=https://Index.example.org/in/chat?key=hidden&b=1");
        assert_eq!((search.sink().as_str(), search.name()), ("webhook.search", "search"));
        assert_eq!(
            (search.host.as_str(), search.port, search.secure),
            ("index.example.org", 443, true)
        );
        assert_eq!(
            (search.target.to_string().as_str(), &search.authority),
            ("/in/chat?key=hidden&b=1", &HeaderValue::from_static("Index.example.org"))
        );
        assert_eq!(format!("{search:?}"), "Endpoint(search at index.example.org:443)");
        let bot = parse("b-2=http://10.1.2.3:8080");
        assert_eq!((bot.host.as_str(), bot.port, bot.secure), ("10.1.2.3", 8080, false));
        assert_eq!(
            (bot.target.path(), &bot.authority),
            ("/", &HeaderValue::from_static("10.1.2.3:8080"))
        );
        assert_eq!(parse("v6=http://[::1]/x").host, "::1");
        assert_eq!(parse("q=https://host.example?key=1").target.to_string(), "/?key=1");
        assert_eq!(parse("n=http://inner.example").port, 80, "its addresses are judged later");
        assert_eq!(
            parse("f=https://face.example").port,
            443,
            "no number, though all of it is hexadecimal: face"
        );
    }

    #[test]
    fn what_can_not_be_meant_is_refused_and_not_repeated() {
        for bad in [
            "https://a.example/hidden",
            "=https://a.example/hidden",
            "A=https://a.example/hidden",
            "a_b=https://a.example/hidden",
            "1a=https://a.example/hidden",
            "a=",
            "a=hidden",
            "a=//hidden",
            "a=ftp://a.example/hidden",
            "a=https:///hidden",
            "a=https://u:hidden@a.example/",
            "a=https://hidden@a.example/",
            "a=https://a.example:0/hidden",
            "a=https://a.example:65536/hidden",
            "a=https://a.example/#hidden",
            "a=https://bücher.example/hidden",
            "a=https://127.0.0.1/hidden",
            "a=https://[::1%25lo]/hidden",
            "a=https://[::ffff:127.0.0.1]/hidden",
            "a=https://[64:ff9b::7f00:1]/hidden",
            "a=https://169.254.169.254/hidden",
            "a=https://127.1/hidden",
            "a=https://0x7f.1/hidden",
            "a=https://0x7f000001/hidden",
            "a=https://2130706433/hidden",
            "a=https://0177.0.0.1/hidden",
            "a=https://127.0.0.1./hidden",
            "a=http://8.8.8.8/hidden",
        ] {
            let why = Endpoint::parse(bad, &allowed()).expect_err(bad);
            assert!(!why.contains("hidden"), "{why}");
        }
        let long = format!("{}=https://a.example", "a".repeat(NAME + 1));
        assert!(Endpoint::parse(&long, &[]).is_err() && Endpoint::parse(&long[1..], &[]).is_ok());
        assert!(Endpoint::parse("a=http://inner.example", &[]).is_err(), "nothing is allowed");
    }

    proptest! {
        #[test]
        fn no_text_panics_and_no_query_is_shown(text in "\\PC{0,60}", query in "[a-z]{12}") {
            let _ = Endpoint::parse(&text, &[]);
            let endpoint = Endpoint::parse(&format!("a=https://a.example/{query}"), &[]).unwrap();
            let shown = format!("{endpoint:?}");
            prop_assert!(!shown.contains(&query));
        }
    }
}
