//! The cookies of a browser that remembers a sign-in.
//!
//! `chorus_session` lets its bearer in, so scripts can't read it and no other site's page sends it,
//! and it travels to `/refresh` alone. `chorus_remembered` says no more than that there is such a
//! cookie, so that a page need not ask in vain, and can forget it without the server.

use http::{HeaderMap, HeaderValue, header};
use secrecy::{ExposeSecret, SecretString};

use super::asker::Asker;
use crate::auth::COOKIE_LIFE;

const SESSION: &str = "chorus_session";
const REMEMBERED: &str = "chorus_remembered";

/// The session cookie of a request. The first of that name: browsers send the most specific first.
pub(super) fn shown(headers: &HeaderMap) -> Option<&str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(name, _)| *name == SESSION).map(|(_, value)| value).next()
}

/// Makes the browser keep this cookie, in place of the one it has.
pub(super) fn keep(cookie: &SecretString, asker: Asker) -> HeaderMap {
    both(cookie.expose_secret(), "1", COOKIE_LIFE.as_secs(), asker)
}

/// Makes the browser forget.
pub(super) fn forget(asker: Asker) -> HeaderMap {
    both("", "", 0, asker)
}

fn both(session: &str, remembered: &str, seconds: u64, asker: Asker) -> HeaderMap {
    let secure = if asker.over_tls { "; Secure" } else { "" };
    let lines = [
        format!("{SESSION}={session}; Path=/refresh; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}"),
        format!("{REMEMBERED}={remembered}; Path=/; Max-Age={seconds}; SameSite=Strict{secure}"),
    ];
    let mut headers = HeaderMap::new();
    // What is made of base64url and these words always is a header's value.
    for mut value in lines.iter().filter_map(|line| HeaderValue::from_str(line).ok()) {
        value.set_sensitive(true);
        headers.append(header::SET_COOKIE, value);
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::COOKIE, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        headers
    }

    #[test]
    fn the_cookie_is_found_among_others() {
        for lines in [
            &["chorus_session=abc"][..],
            &["a=b; chorus_session=abc;c=d"],
            &["a=b", "chorus_session=abc"],
            &["chorus_session=abc; chorus_session=other"],
            &["é=é", "chorus_session=abc"],
        ] {
            assert_eq!(shown(&of(lines)), Some("abc"), "{lines:?}");
        }
        for lines in [
            &[][..],
            &["chorus_session"],
            &["xchorus_session=abc"],
            &["Chorus_Session=abc"],
        ] {
            assert_eq!(shown(&of(lines)), None, "{lines:?}");
        }
    }
}
