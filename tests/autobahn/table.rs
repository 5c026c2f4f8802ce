//! What came of it, to be read: a line for each group, and one for each case that is not simply OK.

use std::{collections::BTreeMap, fmt::Write};

use crate::{
    case::{Case, Verdict},
    expected,
};

/// Passed, non-strict, informational, refused by design, and otherwise than expected.
#[derive(Default)]
struct Counts([u32; 5]);

impl Counts {
    const fn add(&mut self, verdict: &Result<Verdict, String>) {
        self.0[match verdict {
            Ok(Verdict::Passed) => 0,
            Ok(Verdict::NonStrict) => 1,
            Ok(Verdict::Informational) => 2,
            Ok(Verdict::Refused) => 3,
            Err(_) => 4,
        }] += 1;
    }

    fn line(&self, name: &str) -> String {
        format!("{name:<6}{}\n", self.0.map(|count| format!("{count:>15}")).concat())
    }
}

/// The table of these cases.
pub(crate) fn of(cases: &[Case]) -> String {
    let heads = ["passed", "non-strict", "informational", "refused", "FAILED"];
    let mut text = format!("{:<6}{}\n", "group", heads.map(|head| format!("{head:>15}")).concat());
    let mut groups = BTreeMap::<u32, Counts>::new();
    let mut all = Counts::default();
    for case in cases {
        groups.entry(case.chapter()).or_default().add(&case.verdict());
        all.add(&case.verdict());
    }
    for (group, counts) in &groups {
        text += &counts.line(&group.to_string());
    }
    text += &all.line("all");
    text.push('\n');
    for case in cases {
        tell(&mut text, case);
    }
    text
}

fn tell(text: &mut String, case: &Case) {
    let what = match case.verdict() {
        Ok(Verdict::Passed) => return,
        Ok(Verdict::NonStrict) => "non-strict".to_owned(),
        Ok(Verdict::Informational) => "informational".to_owned(),
        Ok(Verdict::Refused) => format!("refused by design ({})", expected::why(expected::of(&case.id))),
        Err(wrong) => format!("FAILED: {wrong}"),
    };
    let code = case.code.map_or_else(|| "no code".to_owned(), |code| code.to_string());
    // The words of a refusal by design are those of somebody who expected otherwise.
    let refused = case.verdict() == Ok(Verdict::Refused);
    let words = if refused { String::new() } else { format!(" ({})", case.words.join(" ")) };
    let _ = writeln!(text, "{:<8} {what}, closed with {code}{words}", case.id);
}
