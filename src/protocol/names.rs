//! A list of names as JSON, encoded once, into which one more name can be put.
//!
//! Ten thousand people who come at once are each shown the list with themselves in it before the others
//! are told of them: one list, copied with a name in between, instead of ten thousand that are encoded.

use crate::domain::Username;

/// The first names of a list of people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    people: Vec<Username>,
    most: usize,
    /// `"alice","bob",`: each name is followed by a comma.
    entries: String,
    /// Where in `entries` each of them ends.
    ends: Vec<usize>,
}

impl Names {
    /// Encodes the first `most` of these names, which are in list order.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a Username>, most: usize) -> Self {
        let people: Vec<Username> = names.into_iter().take(most).cloned().collect();
        let (mut entries, mut ends) = (String::new(), Vec::with_capacity(people.len()));
        for name in &people {
            entries.push_str(&entry(name));
            ends.push(entries.len());
        }
        Self { people, most, entries, ends }
    }

    /// `["alice","bob"]`.
    pub fn json(&self) -> String {
        list(&[&self.entries])
    }

    /// The same with one more name in its place; where the list is full the last one gives way.
    pub fn json_with(&self, name: &Username) -> String {
        let place = self.people.partition_point(|other| other.list_order(name).is_lt());
        if place >= self.most || self.people.get(place) == Some(name) {
            return self.json();
        }
        let (begin, end) = (self.end_of(place), self.end_of(self.people.len().min(self.most - 1)));
        list(&[&self.entries[..begin], &entry(name), &self.entries[begin..end]])
    }

    /// How long the first so many entries are.
    fn end_of(&self, count: usize) -> usize {
        count.checked_sub(1).map_or(0, |last| self.ends[last])
    }
}

fn entry(name: &Username) -> String {
    // A text: serde_json only fails on maps with strange keys.
    serde_json::to_string(name).unwrap_or_default() + ","
}

fn list(parts: &[&str]) -> String {
    let mut json = String::with_capacity(parts.iter().map(|part| part.len()).sum::<usize>() + 2);
    json.push('[');
    json.extend(parts.iter().copied());
    if json.ends_with(',') {
        json.pop();
    }
    json.push(']');
    json
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_the_list_that_would_be_encoded_anew(
            names in prop::collection::btree_set("[a-cA-C]{1,2}|\"|\\\\|é", 0..8),
            newcomer in "[a-cA-C]{1,2}|\"|z",
            most in 1_usize..8,
        ) {
            let sorted = |names: Vec<String>| {
                let mut names: Vec<Username> = names.into_iter().map(Username::from_store).collect();
                names.sort_by(Username::list_order);
                names.dedup();
                names
            };
            let before = sorted(names.iter().cloned().collect());
            let after = sorted(names.into_iter().chain([newcomer.clone()]).collect());
            let encoded = |names: &[Username]| serde_json::to_string(&names[..names.len().min(most)]).unwrap();
            let list = Names::new(&before, most);
            prop_assert_eq!(list.json(), encoded(&before));
            prop_assert_eq!(list.json_with(&Username::from_store(newcomer)), encoded(&after));
        }
    }
}
