//! How the text of a setting becomes a value. Pure; the reason of a refusal never repeats the
//! text, which may be a secret in the wrong place.

use std::net::IpAddr;

use ipnet::IpNet;

/// A whole number within bounds.
pub(super) fn number(text: &str, min: u64, max: u64, unit: &str) -> Result<u64, String> {
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match text.parse::<u64>() {
        Ok(value) if plain && (min..=max).contains(&value) => Ok(value),
        _ => Err(format!("must be a whole number from {min} to {max} ({unit})")),
    }
}

/// `true` or `false`, in the spellings that compose files use.
pub(super) fn flag(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err("must be true or false".to_owned()),
    }
}

/// An address to listen on.
pub(super) fn address(text: &str) -> Result<IpAddr, String> {
    text.trim_start_matches('[')
        .trim_end_matches(']')
        .parse()
        .map_err(|_| "must be an IP address such as 127.0.0.1 or ::".to_owned())
}

/// The proxies that are believed: networks, single addresses, `loopback`, `private`, `none`.
pub(super) fn proxies(text: &str) -> Result<Vec<IpNet>, String> {
    let mut nets = Vec::new();
    for word in words(text) {
        match word {
            "none" => {}
            "loopback" => nets.extend(known(&["127.0.0.0/8", "::1/128"])),
            "private" => nets.extend(known(&[
                "10.0.0.0/8",
                "172.16.0.0/12",
                "192.168.0.0/16",
                "fc00::/7",
                "fe80::/10",
            ])),
            other => nets.push(network(other)?),
        }
    }
    Ok(nets)
}

fn known(nets: &'static [&str]) -> impl Iterator<Item = IpNet> {
    nets.iter().filter_map(|net| net.parse().ok())
}

pub(super) fn network(word: &str) -> Result<IpNet, String> {
    word.parse::<IpNet>()
        .or_else(|_| word.parse::<IpAddr>().map(IpNet::from))
        .map_err(|_| "must list networks (10.0.0.0/8), addresses, loopback, private or none".to_owned())
}

/// Exact origins. `ws://` and `wss://` mean the page that connects there, http and https; a
/// default port is left out as browsers do.
pub(super) fn origins(text: &str) -> Result<Vec<String>, String> {
    words(text).map(origin).collect()
}

fn origin(word: &str) -> Result<String, String> {
    let refuse = || "must list origins such as https://chat.example.org, without a path".to_owned();
    let lower = word.to_ascii_lowercase();
    let (scheme, host) = lower.split_once("://").ok_or_else(refuse)?;
    let (scheme, default_port) = match scheme {
        "http" | "ws" => ("http", ":80"),
        "https" | "wss" => ("https", ":443"),
        _ => return Err(refuse()),
    };
    let host = host.strip_suffix('/').unwrap_or(host);
    if is_host_and_port(host) {
        Ok(format!("{scheme}://{}", host.strip_suffix(default_port).unwrap_or(host)))
    } else {
        Err(refuse())
    }
}

fn is_host_and_port(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let named = !host.is_empty()
        && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
    let bracketed = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .is_some_and(|inner| inner.parse::<std::net::Ipv6Addr>().is_ok());
    let is_port = |port: &str| port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok();
    (named || bracketed) && port.is_none_or(is_port)
}

/// What `LOG_LEVEL` may say. A lone word must be a level: the filter would take a misspelt one
/// for the name of a module and log nothing.
pub(super) fn log_directives(text: &str) -> Result<String, String> {
    let levels = ["off", "error", "warn", "info", "debug", "trace"];
    let plain = words(text)
        .all(|word| word.contains(['=', '[']) || levels.contains(&word.to_ascii_lowercase().as_str()));
    // The filter's parser cuts text by bytes and panics inside a character.
    let parses = text.is_ascii() && tracing_subscriber::EnvFilter::builder().parse(text).is_ok();
    if plain && parses {
        Ok(text.to_owned())
    } else {
        Err("must be error, warn, info, debug, trace, or directives such as info,chorus::ws=debug".to_owned())
    }
}

/// The name of an exchange. Those that begin with `amq.` are the broker's own.
pub(super) fn exchange(text: &str) -> Result<String, String> {
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte));
    if plain && text.len() <= 127 && !text.starts_with("amq.") {
        Ok(text.to_owned())
    } else {
        Err("must be at most 127 characters of a-z, A-Z, 0-9 and -_.: and not begin with amq.".to_owned())
    }
}

/// Where to report errors.
pub(super) fn dsn(text: &str) -> Result<(), String> {
    text.parse::<sentry::types::Dsn>()
        .map(drop)
        .map_err(|_| "must be a Sentry DSN: https://KEY@HOST/PROJECT".to_owned())
}

/// Where to send traces.
pub(super) fn endpoint(text: &str) -> Result<String, String> {
    if text.starts_with("http://") || text.starts_with("https://") {
        Ok(text.to_owned())
    } else {
        Err("must be an http:// or https:// URL".to_owned())
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn origins_are_exact_and_ws_means_http() {
        assert_eq!(
            origins(" https://Chat.example , ws://localhost:8080/,wss://a.b:443,http://[::1]:5500").unwrap(),
            [
                "https://chat.example",
                "http://localhost:8080",
                "https://a.b",
                "http://[::1]:5500"
            ]
        );
        for bad in [
            "chat.example",
            "https://",
            "https://a/b",
            "https://a b",
            "null",
            "*",
            "ftp://a",
            "https://u@a",
            "http://a:99999",
            "http://a:80:80",
            "http://a:+80",
        ] {
            assert!(origins(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn proxies_take_networks_and_words() {
        let nets = proxies("loopback, 10.1.2.3,2001:db8::/32").unwrap();
        assert!(nets.iter().any(|net| net.contains(&"127.9.9.9".parse::<IpAddr>().unwrap())));
        assert!(nets.iter().any(|net| net.contains(&"2001:db8::7".parse::<IpAddr>().unwrap())));
        assert!(!nets.iter().any(|net| net.contains(&"10.1.2.4".parse::<IpAddr>().unwrap())));
        assert!(proxies("none").unwrap().is_empty());
        assert!(proxies("everyone").is_err());
    }

    #[test]
    fn a_misspelt_level_is_noticed() {
        assert!(log_directives("info").is_ok());
        assert!(log_directives("warn,chorus::ws=debug").is_ok());
        assert!(log_directives("inof").is_err());
        assert!(log_directives("chorus=loud").is_err());
        assert!(log_directives("\u{2000}0=").is_err());
    }

    proptest! {
        #[test]
        fn numbers_are_bounded(value: u64, min in 0u64..1000, span in 0u64..100_000) {
            let answer = number(&value.to_string(), min, min + span, "things");
            prop_assert_eq!(answer.is_ok(), (min..=min + span).contains(&value));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,40}") {
            let _ = (number(&text, 0, 9, ""), flag(&text), address(&text), proxies(&text));
            let _ = (origins(&text), log_directives(&text), dsn(&text), endpoint(&text), exchange(&text));
        }
    }
}
