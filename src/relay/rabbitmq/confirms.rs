//! What the broker's words about a batch mean. Pure.
//!
//! A message that no queue is bound for is given back first and confirmed then. The client library hands what was
//! given back to whichever confirmation it comes by next, not to the message's own: so it is known again by its id,
//! and counts for the whole batch. As long as words are missing, one that was given back may not have been seen.

use std::collections::HashSet;

use crate::relay::sink::Fate;

/// One confirmation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outcome {
    /// Whether the broker has the message.
    pub(super) acked: bool,
    /// The id of a message, this one or another of the batch, that was given back; empty when it had none.
    pub(super) returned: Option<String>,
}

/// What became of each message of a batch: these are their ids, and the words that came; `late_return`: after these
/// another message was given back.
pub(super) fn fates(ids: &[&str], outcomes: &[Option<Outcome>], late_return: bool) -> Vec<Fate> {
    let returned: HashSet<&str> =
        outcomes.iter().flatten().filter_map(|outcome| outcome.returned.as_deref()).collect();
    let is_whole = outcomes.iter().all(Option::is_some);
    // Every one that was given back is known by name, or there is none.
    let is_certain = if is_whole { !returned.contains("") } else { returned.is_empty() && !late_return };
    let fate = |(id, outcome): (&&str, &Option<Outcome>)| match outcome {
        Some(Outcome { acked: false, .. }) => Fate::Refused,
        Some(_) if returned.contains(id) => Fate::Returned,
        Some(_) if is_certain => Fate::Confirmed,
        _ => Fate::Unknown,
    };
    ids.iter().zip(outcomes).map(fate).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn word(acked: bool, returned: Option<&str>) -> Outcome {
        Outcome { acked, returned: returned.map(str::to_owned) }
    }

    #[test]
    fn what_was_given_back_is_known_by_its_id_whoever_brings_it() {
        use Fate::{Confirmed, Refused, Returned};
        let words = [word(true, Some("c")), word(false, None), word(true, None)].map(Some);
        assert_eq!(fates(&["a", "b", "c"], &words, false), [Confirmed, Refused, Returned]);
        let nameless = [word(true, Some("")), word(true, None)].map(Some);
        assert_eq!(fates(&["a", "b"], &nameless, false), [Fate::Unknown; 2], "it may be either");
    }

    #[test]
    fn while_words_are_missing_only_what_cannot_have_been_given_back_is_certain() {
        use Fate::{Confirmed, Unknown};
        let words = [Some(word(true, None)), None];
        assert_eq!(fates(&["a", "b"], &words, false), [Confirmed, Unknown]);
        assert_eq!(fates(&["a", "b"], &words, true), [Unknown; 2]);
        let words = [Some(word(true, Some("b"))), Some(word(true, None)), None];
        assert_eq!(fates(&["a", "b", "c"], &words, false), [Unknown, Fate::Returned, Unknown]);
    }

    /// What a broker and the client library do: messages are given back in their order, then confirmed in any
    /// order, and each confirmation takes along the first that was given back and has not been taken.
    fn words(returned: &[bool], order: &[usize], heard: usize) -> (Vec<Option<Outcome>>, bool) {
        let (mut waiting, mut words) = (Vec::new(), vec![None; returned.len()]);
        let (mut given_back, mut late) = (0, false);
        for (nth, place) in order.iter().enumerate() {
            // What is given back comes before its own confirmation.
            while given_back <= *place {
                if returned[given_back] {
                    waiting.push(given_back.to_string());
                }
                given_back += 1;
            }
            let takes = if waiting.is_empty() { None } else { Some(waiting.remove(0)) };
            if nth < heard {
                words[*place] = Some(Outcome { acked: true, returned: takes });
            } else {
                late |= takes.is_some();
            }
        }
        (words, late)
    }

    proptest! {
        #[test]
        fn nothing_that_was_given_back_is_ever_confirmed(
            (returned, order) in prop::collection::vec(any::<bool>(), 1..12).prop_flat_map(|returned| {
                let order: Vec<usize> = (0..returned.len()).collect();
                (Just(returned), Just(order).prop_shuffle())
            }),
            heard in 0_usize..14,
        ) {
            let (words, late) = words(&returned, &order, heard);
            let ids: Vec<String> = (0..returned.len()).map(|id| id.to_string()).collect();
            let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
            // Who stops to wait may have seen none of what came later.
            for late in [late, false] {
                let fates = fates(&ids, &words, late);
                for (fate, returned) in fates.iter().zip(&returned) {
                    prop_assert!(!returned || *fate != Fate::Confirmed, "{fates:?} of {words:?}");
                }
                if heard >= returned.len() {
                    let confirmed = fates.iter().filter(|fate| **fate == Fate::Confirmed).count();
                    prop_assert_eq!(confirmed, returned.iter().filter(|back| !**back).count());
                }
            }
        }
    }
}
