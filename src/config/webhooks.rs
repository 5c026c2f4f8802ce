//! Who is told by webhooks, how that is signed, and where it may go.

use ipnet::IpNet;

use super::values::network;
use crate::relay::webhook::{ENDPOINTS, Endpoint, Keys};

/// All of it.
#[derive(Debug, Clone, Default)]
pub struct Webhooks {
    /// The receivers, each with a name of its own.
    pub endpoints: Vec<Endpoint>,
    /// What signs; there when there is a receiver.
    pub keys: Option<Keys>,
    /// Networks where they may be though these are not public.
    pub allowed: Vec<IpNet>,
}

/// The receivers, between commas or white space. All that is wrong with them is told at once.
pub(super) fn endpoints(text: &str, allowed: &[IpNet]) -> Result<Vec<Endpoint>, String> {
    let (mut endpoints, mut wrong) = (Vec::<Endpoint>::new(), Vec::new());
    for word in words(text) {
        match Endpoint::parse(word, allowed) {
            Ok(one) if endpoints.iter().any(|other| other.name() == one.name()) => {
                wrong.push(format!("has two of the name {}", one.name()));
            }
            Ok(one) => endpoints.push(one),
            Err(why) => wrong.push(why),
        }
    }
    if endpoints.len() > ENDPOINTS {
        wrong.push(format!("must be at most {ENDPOINTS}"));
    }
    wrong.dedup();
    if wrong.is_empty() { Ok(endpoints) } else { Err(wrong.join("; it ")) }
}

/// The networks, between commas or white space.
pub(super) fn allowed(text: &str) -> Result<Vec<IpNet>, String> {
    let each = words(text).map(|word| network(word).ok());
    let all: Option<Vec<_>> = each.collect();
    all.ok_or_else(|| "must list networks such as 10.1.0.0/16 or fd12::/48, or addresses".to_owned())
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c == ',' || c.is_ascii_whitespace()).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receivers_stand_between_commas_or_spaces() {
        let found = endpoints("a=https://a.example/x?y=1,\n b=https://b.example , ", &[]).unwrap();
        let sinks: Vec<String> = found.iter().map(Endpoint::sink).collect();
        assert_eq!(sinks, ["webhook.a", "webhook.b"]);
    }

    #[test]
    fn all_that_is_wrong_is_told_and_nothing_shown() {
        let text = "a=https://a.example/hidden a=https://b.example/hidden b=https://10.0.0.1/hidden c=hidden";
        let why = endpoints(text, &[]).unwrap_err();
        assert!(
            why.contains("two of the name a") && why.contains("(of b)") && why.contains("(of c)"),
            "{why}"
        );
        assert!(!why.contains("hidden"), "{why}");
        let of = |count: usize| {
            (0..count).map(|n| format!("n{n}=https://a.example")).collect::<Vec<_>>().join(" ")
        };
        assert!(endpoints(&of(ENDPOINTS), &[]).is_ok() && endpoints(&of(ENDPOINTS + 1), &[]).is_err());
    }

    #[test]
    fn networks_are_named_one_by_one() {
        assert_eq!(allowed("10.0.0.0/8, ::1 127.0.0.1").unwrap().len(), 3);
        for bad in ["everyone", "10.0.0.0/33", "private"] {
            assert!(allowed(bad).is_err(), "{bad}");
        }
    }
}
