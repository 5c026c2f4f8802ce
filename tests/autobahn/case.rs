//! A case as Autobahn's reports tell it, and what we make of it.

use std::{collections::BTreeMap, fs, path::Path};

use serde::{Deserialize, de::DeserializeOwned};

use crate::expected::{self, Expected};

/// What we are called in the reports.
pub(crate) const AGENT: &str = "chorus";

/// One case of the index.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    behavior: String,
    behavior_close: String,
    remote_close_code: Option<u16>,
    reportfile: String,
}

/// What only the case's own report tells.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    result: String,
    result_close: String,
    /// How many frames came from us, by opcode.
    rx_frame_stats: BTreeMap<String, u64>,
}

/// A case that was run.
pub(crate) struct Case {
    pub(crate) id: String,
    /// How Autobahn judges what was answered, and how the socket was closed.
    pub(crate) judged: [String; 2],
    pub(crate) code: Option<u16>,
    /// Whether a message came back.
    pub(crate) echoed: bool,
    /// Autobahn's own words.
    pub(crate) words: [String; 2],
}

/// How a case ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Passed,
    NonStrict,
    Informational,
    Refused,
}

impl Case {
    /// All cases that Autobahn reports of in this folder, in their order.
    pub(crate) fn read_all(folder: &Path) -> Vec<Self> {
        let mut index: BTreeMap<String, BTreeMap<String, Entry>> = read(&folder.join("index.json"));
        let entries = index.remove(AGENT).expect("our cases");
        let mut cases: Vec<_> = entries
            .into_iter()
            .map(|(id, entry)| {
                let report: Report = read(&folder.join(&entry.reportfile));
                let data = |opcode: &&str| report.rx_frame_stats.contains_key(*opcode);
                Self {
                    id,
                    judged: [entry.behavior, entry.behavior_close],
                    code: entry.remote_close_code,
                    echoed: ["0", "1", "2"].iter().any(data),
                    words: [report.result, report.result_close],
                }
            })
            .collect();
        cases.sort_by_key(Self::place);
        cases
    }

    /// Where it stands among the others: 9.10 comes after 9.9.
    fn place(&self) -> Vec<u32> {
        self.id.split('.').map(|part| part.parse().expect("a number")).collect()
    }

    /// The number of what it is about: 9 of 9.8.6.
    pub(crate) fn chapter(&self) -> u32 {
        self.place()[0]
    }

    /// How it ended, if that is how it should end; else what is wrong.
    pub(crate) fn verdict(&self) -> Result<Verdict, String> {
        match expected::of(&self.id) {
            Expected::Closed(code) if self.code == Some(code) && !self.echoed => Ok(Verdict::Refused),
            Expected::Closed(code) => Err(format!("it should be refused with {code} and nothing else")),
            Expected::NotNegotiated if self.judged[0] == "UNIMPLEMENTED" => Ok(Verdict::Refused),
            Expected::NotNegotiated => Err("the extension should not be negotiated".to_owned()),
            Expected::Answered => self.judged_as(["OK", "OK"], Verdict::Passed),
            Expected::NonStrict => self.judged_as(["NON-STRICT", "OK"], Verdict::NonStrict),
            Expected::Informational => {
                self.judged_as(["INFORMATIONAL", "INFORMATIONAL"], Verdict::Informational)
            }
        }
    }

    fn judged_as(&self, wanted: [&str; 2], verdict: Verdict) -> Result<Verdict, String> {
        if self.judged == wanted {
            Ok(verdict)
        } else {
            Err(format!(
                "it should be {}, and is {}",
                wanted.join(", closed "),
                self.judged.join(", closed ")
            ))
        }
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> T {
    serde_json::from_slice(&fs::read(path).unwrap())
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(id: &str, judged: [&str; 2], code: Option<u16>, echoed: bool) -> Case {
        let judged = judged.map(str::to_owned);
        Case {
            id: id.to_owned(),
            judged,
            code,
            echoed,
            words: [String::new(), String::new()],
        }
    }

    #[test]
    fn a_case_must_be_answered_and_closed_rightly() {
        let verdict = |judged, code| case("1.1.1", judged, code, true).verdict();
        assert_eq!(verdict(["OK", "OK"], Some(1000)), Ok(Verdict::Passed));
        assert!(verdict(["FAILED", "OK"], Some(1000)).is_err());
        assert!(verdict(["OK", "WRONG CODE"], Some(1002)).is_err());
        assert!(verdict(["OK", "UNCLEAN"], None).is_err());
        assert!(verdict(["UNIMPLEMENTED", "OK"], Some(1000)).is_err());
        // Non-strict are those that are known to be, and no more of them.
        assert!(verdict(["NON-STRICT", "OK"], Some(1000)).is_err());
        assert_eq!(
            case("6.4.3", ["NON-STRICT", "OK"], Some(1007), false).verdict(),
            Ok(Verdict::NonStrict)
        );
        assert!(case("6.4.3", ["FAILED", "OK"], Some(1007), false).verdict().is_err());
    }

    #[test]
    fn what_is_refused_by_design_must_be_refused_with_its_code() {
        let verdict = |code, echoed| case("1.2.1", ["FAILED", "FAILED"], code, echoed).verdict();
        assert_eq!(verdict(Some(1003), false), Ok(Verdict::Refused));
        assert!(verdict(Some(1002), false).is_err());
        assert!(verdict(None, false).is_err());
        assert!(verdict(Some(1003), true).is_err());
        // A case that passes though it should not is a limit that is gone.
        assert!(case("9.1.1", ["OK", "OK"], Some(1000), true).verdict().is_err());
        assert!(case("12.1.1", ["OK", "OK"], Some(1000), true).verdict().is_err());
    }

    #[test]
    fn cases_stand_in_the_order_of_their_numbers() {
        let place = |id| case(id, ["OK", "OK"], None, false).place();
        assert!(place("2.9") < place("2.10") && place("9.8.6") < place("10.1.1"));
        assert_eq!(case("12.1.18", ["OK", "OK"], None, false).chapter(), 12);
    }
}
