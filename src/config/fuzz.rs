//! What fuzzing writes into settings.

use std::collections::HashMap;

use secrecy::ExposeSecret;
use tokio_postgres::config::Host;

use super::{
    Config, Problem, SECRET_MIN_BYTES, database,
    settings::{self, Kind, Setting},
    values,
};

/// Ends every secret that is given, so that it is known wherever it is told.
const MARK: &str = "0417253846";

type Given<'a> = HashMap<&'a str, String>;

/// Lines `NAME=value` are settings within their bounds, or problems that name each one that is not. No secret is
/// told, and blanks around a value, or for one, change nothing.
pub fn settings(bytes: &[u8]) -> bool {
    let Some(text) = str::from_utf8(bytes).ok().filter(|text| !text.contains(MARK)) else {
        return false;
    };
    let given: Given<'_> = text.lines().filter_map(|line| line.split_once('=')).map(marked).collect();
    let read = Config::parse(|name| given.get(name).cloned());
    let told = format!("{read:?}");
    assert!(!told.contains(MARK), "a secret is told: {told}");
    let padded = |name: &str| given.get(name).map_or_else(|| " ".to_owned(), |value| format!("\t{value} "));
    assert_eq!(format!("{:?}", Config::parse(|name| Some(padded(name)))), told);
    let wrong = settings::ALL.iter().filter(|setting| is_wrong(setting, part(&given, setting)));
    let wrong: Vec<_> = wrong.map(|setting| setting.name).collect();
    match &read {
        Ok(config) => {
            assert!(wrong.is_empty(), "{wrong:?}");
            holds_together(config);
            finds_the_database(&given, config);
        }
        Err(problems) => all_are_named(problems, &wrong),
    }
    read.is_ok()
}

fn marked<'a>((name, value): (&'a str, &str)) -> (&'a str, String) {
    let is_secret = settings::ALL
        .iter()
        .any(|setting| setting.name == name && matches!(setting.kind, Kind::Secret));
    let mark = if is_secret && !value.trim().is_empty() { MARK } else { "" };
    (name, format!("{}{mark}", value.trim()))
}

/// What stands for a setting.
fn part<'a>(given: &'a Given<'_>, setting: &Setting) -> &'a str {
    given
        .get(setting.name)
        .map(String::as_str)
        .filter(|text| !text.is_empty())
        .unwrap_or(setting.default)
}

/// Whether its text alone shows that.
fn is_wrong(setting: &Setting, text: &str) -> bool {
    match setting.kind {
        Kind::Number { min, max, .. } => {
            let is_plain = text.chars().all(|c| c.is_ascii_digit());
            !(is_plain && text.parse().is_ok_and(|number: u64| (min..=max).contains(&number)))
        }
        Kind::Flag => {
            let words = ["true", "1", "yes", "on", "false", "0", "no", "off"];
            !words.contains(&&*text.to_ascii_lowercase())
        }
        Kind::Text(_) | Kind::Secret => false,
    }
}

fn all_are_named(problems: &[Problem], wrong: &[&str]) {
    assert!(!problems.is_empty());
    for problem in problems {
        assert!(settings::ALL.iter().any(|setting| setting.name == problem.name), "{problem}");
    }
    for name in wrong {
        assert!(problems.iter().any(|problem| problem.name == *name), "{name} is wrong, too");
    }
}

/// What one setting asks of others; and what stands for a list is that list when it is read again.
fn holds_together(config: &Config) {
    let production = config.node_env.is_production();
    assert!(config.jwt_secret.is_some() || !production && config.database.is_none());
    assert!(config.database.is_some() || config.redis_url.is_none());
    assert!(config.bcrypt_cost >= 10 || !production);
    assert!(config.port != config.metrics_port || config.port == 0 || config.metrics_bind.is_none());
    let secrets = [
        &config.jwt_secret,
        &config.jwt_secret_previous,
        &config.admin_token,
    ];
    for secret in secrets.into_iter().flatten() {
        assert!(secret.expose_secret().len() >= SECRET_MIN_BYTES);
    }
    assert_eq!(
        values::origins(&config.allowed_origins.join(",")).as_ref(),
        Ok(&config.allowed_origins)
    );
    let proxies: Vec<_> = config.trusted_proxies.iter().map(ToString::to_string).collect();
    assert_eq!(values::proxies(&proxies.join(",")).as_ref(), Ok(&config.trusted_proxies));
}

/// The database's client reads in a URL that we made of parts what was meant by them.
fn finds_the_database(given: &Given<'_>, config: &Config) {
    use settings as s;
    let Some(database) = config.database.as_ref().filter(|_| part(given, &s::DATABASE_URL).is_empty()) else {
        return;
    };
    let read = database.url.expose_secret().parse::<tokio_postgres::Config>();
    assert!(read.is_ok(), "{read:?}");
    let read = read.unwrap_or_default();
    assert_eq!(read.get_user(), Some(part(given, &s::DB_USER)));
    assert_eq!(read.get_dbname(), Some(part(given, &s::DB_NAME)));
    let password = part(given, &s::DB_PASSWORD);
    assert_eq!(read.get_password(), Some(password.as_bytes()).filter(|bytes| !bytes.is_empty()));
    let hosts = database::listed(part(given, &s::DB_HOST)).map(|host| {
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let address = bare.filter(|bare| bare.parse::<std::net::Ipv6Addr>().is_ok());
        if host.starts_with('/') {
            Host::Unix(host.into())
        } else {
            Host::Tcp(address.unwrap_or(host).into())
        }
    });
    assert_eq!(read.get_hosts(), hosts.collect::<Vec<_>>());
}
