//! What fuzzing shows at the door: tokens, tickets, and headers of proxies.
//!
//! No fuzzer finds a signature. So what it makes up is signed here with our own key, and only what is read in it
//! is left to judge.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::Mac;
use http::{HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;
use jsonwebtoken::Algorithm;
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{
    Asker, Claims, Proxies, bots, client_ip, is_of_a_bot,
    keyed::keyed,
    tickets::{SIGNED_BYTES, Shown, Tickets},
    tokens::Tokens,
};
use crate::domain::{SignInId, Timestamp, UserId};

const NOW: Timestamp = Timestamp(1_800_000_000_000);
const OURS: &str = "a secret of ours, which has 32 bytes and more";
const THEIRS: &str = "a secret of others, which has 32 bytes and more";

fn secret(text: &str) -> SecretString {
    text.to_owned().into()
}

/// No text is a token, and a token of a bot has one spelling. What we signed is a token only if another reader
/// finds in it all that a token must say; the first line is its header, what follows its claims.
pub fn token(bytes: &[u8]) -> bool {
    let (ours, theirs) = (secret(OURS), secret(THEIRS));
    let current = Tokens::new(&ours, None);
    if let Ok(text) = str::from_utf8(bytes) {
        assert_eq!(current.verify(text, NOW), None);
        assert_eq!(spelt_anew(text).as_deref(), bots::sid_of(text).map(|_| text));
        assert!(is_of_a_bot(text) || bots::sid_of(text).is_none());
    }
    let end = bytes.iter().position(|&byte| byte == b'\n').unwrap_or(bytes.len());
    let (header, claims) = (&bytes[..end], bytes.get(end + 1..).unwrap_or_default());
    let token = signed(header, claims);
    let read = current.verify(&token, NOW);
    assert!(read.is_none() || read == judged(header, claims), "{read:?}");
    assert_eq!(
        Tokens::new(&theirs, Some(&ours)).verify(&token, NOW),
        read,
        "by the previous secret"
    );
    assert_eq!(Tokens::new(&theirs, None).verify(&token, NOW), None);
    read.is_some()
}

/// The token of a bot made anew of what one says.
fn spelt_anew(text: &str) -> Option<String> {
    let bytes = URL_SAFE_NO_PAD.decode(text.strip_prefix(bots::PREFIX)?).ok()?;
    let (sid, secret) = bytes.split_first_chunk::<16>()?;
    let token = bots::written(SignInId(Uuid::from_bytes(*sid)), secret.try_into().ok()?);
    Some(token.expose_secret().to_owned())
}

/// A JWT by HMAC-SHA-256, whatever its header says.
fn signed(header: &[u8], claims: &[u8]) -> String {
    let said = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let mut mac = keyed(OURS.as_bytes());
    mac.update(said.as_bytes());
    format!("{said}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

/// What a token must say, read field by field.
fn judged(header: &[u8], claims: &[u8]) -> Option<Claims> {
    let is = |name: &str, text: &str| field::<String>(claims, name).is_some_and(|found| found == text);
    let (begins, ends) = (field::<i64>(claims, "nbf")?, field::<i64>(claims, "exp")?);
    let is_ours =
        field(header, "alg") == Some(Algorithm::HS256) && is("iss", "chorus") && is("aud", "chorus");
    (is_ours && begins <= NOW.seconds() && NOW.seconds() < ends).then_some(Claims {
        user: UserId(field::<String>(claims, "sub")?.parse().ok()?),
        sid: SignInId::parse(&field::<String>(claims, "sid")?)?,
        expires_at: Timestamp(ends.checked_mul(1000)?),
    })
}

/// The last field of this name.
fn field<T: DeserializeOwned>(object: &[u8], name: &str) -> Option<T> {
    let fields: HashMap<String, Box<RawValue>> = serde_json::from_slice(object).ok()?;
    serde_json::from_str(fields.get(name)?.get()).ok()
}

/// No text is a ticket. What we sealed is one exactly if it is of the right length and of a known version and has
/// not expired, and for its very origin only. The origin stands behind the bytes of the ticket.
pub fn ticket(bytes: &[u8]) -> bool {
    let (ours, theirs) = (Tickets::new(&secret(OURS), None), Tickets::new(&secret(THEIRS), None));
    let (said, origin) = bytes.split_at(bytes.len().min(SIGNED_BYTES));
    let origin = str::from_utf8(origin).ok();
    if let Ok(text) = str::from_utf8(bytes) {
        assert!(ours.read(text, origin, NOW).is_none());
    }
    let ticket = ours.sealed(said.to_vec(), origin);
    let read = ours.read(&ticket, origin, NOW).map(told);
    assert_eq!(read, sealed_in(said));
    let rotated = Tickets::new(&secret(THEIRS), Some(&secret(OURS)));
    assert_eq!(rotated.read(&ticket, origin, NOW).map(told), read, "by the previous secret");
    assert!(theirs.read(&ticket, origin, NOW).is_none());
    assert!(ours.read(&format!("{ticket}="), origin, NOW).is_none());
    for other in [
        None,
        Some(""),
        Some("https://chat.example"),
        Some("https://chat.example."),
    ] {
        assert!(other == origin || ours.read(&ticket, other, NOW).is_none(), "{other:?}");
    }
    read.is_some()
}

/// A sign-in, a nonce, a time, and whether it is a bot's.
type Told = (SignInId, String, Timestamp, bool);

fn told(shown: Shown) -> Told {
    (shown.ticket.sid, shown.ticket.nonce, shown.ticket.expires_at, shown.of_bot)
}

/// What the bytes of a ticket say, if that is one: version, sign-in, nonce, expiry.
fn sealed_in(bytes: &[u8]) -> Option<Told> {
    let (&[version], rest) = bytes.split_first_chunk()?;
    let (sid, rest) = rest.split_first_chunk()?;
    let (nonce, rest) = rest.split_first_chunk()?;
    let ends = Timestamp(i64::from_be_bytes(rest.try_into().ok()?));
    let is_one = matches!(version, 1 | 2) && NOW < ends;
    is_one.then(|| {
        (
            SignInId(Uuid::from_bytes(*sid)),
            Uuid::from_bytes(*nonce).simple().to_string(),
            ends,
            version == 2,
        )
    })
}

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROXY: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9));

/// Of so many hops the forms are tried.
const SOME: usize = 8;

/// A stranger's headers count for nothing. Behind a proxy the right-most stranger counts, whatever stands before
/// it and however it is divided into headers. Each line is one.
pub fn forwarded(bytes: &[u8]) -> bool {
    let values = || bytes.split(|&byte| byte == b'\n').filter_map(|line| HeaderValue::from_bytes(line).ok());
    let mut headers: HeaderMap = values().map(|value| (FORWARDED_FOR, value)).collect();
    let proxies = Proxies::new(vec![
        IpNet::new_assert(PROXY, 8),
        IpNet::new_assert(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 0)), 8),
        IpNet::new_assert(IpAddr::V6(Ipv6Addr::LOCALHOST), 128),
    ]);
    let client = |peer, headers: &HeaderMap| Asker::read(peer, headers, &proxies).address;
    assert_eq!(client(STRANGER, &headers), STRANGER);
    let found = client(PROXY, &headers);
    let whole: Vec<_> =
        values().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect();
    let whole = whole.join(",");
    assert_eq!(proxies.client(PROXY, std::iter::once(&*whole)), found, "in one header");
    let hops: Vec<_> = whole.rsplit(',').map_while(client_ip::parse).collect();
    let stranger = hops.iter().find(|hop| !proxies.trust(**hop));
    assert_eq!(found, *stranger.or(hops.last()).unwrap_or(&PROXY));
    hops.into_iter().take(SOME).for_each(is_read_in_every_form);
    headers.append(FORWARDED_FOR, HeaderValue::from_static("203.0.113.9"));
    assert_eq!(client(PROXY, &headers), STRANGER);
    found != PROXY
}

/// Proxies write an address bare, in brackets, with a port, and IPv4 in IPv6's clothes.
fn is_read_in_every_form(address: IpAddr) {
    let forms = match address {
        IpAddr::V4(v4) => [v4.to_string(), format!("::ffff:{v4}"), format!("[::ffff:{v4}]")],
        IpAddr::V6(v6) => [v6.to_string(), format!("[{v6}]"), format!(" {v6} ")],
    };
    let with_port = SocketAddr::new(address, 4711).to_string();
    for form in forms.iter().chain([&with_port]) {
        assert_eq!(client_ip::parse(form), Some(address), "{form}");
    }
}
