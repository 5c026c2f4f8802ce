//! Who is connected, and where: each node tells its own sockets in order, and the one that was asked
//! merges them into one page.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::Desk;
use crate::{
    cluster::{
        Incarnation,
        inquiry::{MOST, Place, Request, SocketState, Told, Wanted},
    },
    domain::{RoomId, RoomName},
    error::Refusal,
    ws::{Seen, Sought},
};

/// Which connections an operator asks for.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// Those of this person.
    pub user: Option<String>,
    /// Those in this room.
    pub room: Option<RoomName>,
    /// Those after this one.
    pub after: Option<Place>,
    /// So many, from 1 to 200.
    pub limit: usize,
}

/// A page of connections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connections {
    /// By name, node and number.
    pub connections: Vec<SocketState>,
    /// Where the next page begins, if there is one.
    pub next: Option<String>,
    /// Nodes that did not answer: theirs are not among these.
    pub silent: Vec<String>,
}

impl Desk {
    /// A page of all connections that are asked for.
    ///
    /// # Errors
    /// `room_not_found`.
    pub async fn connections(&self, asked: Asked) -> Result<Connections, Refusal> {
        let room = match &asked.room {
            Some(name) => Some(self.parts.chat.number_of(name).await?.0),
            None => None,
        };
        let limit = asked.limit.clamp(1, MOST);
        let user = asked.user.map(|name| name.to_ascii_lowercase());
        let wanted = Wanted { user, room, after: asked.after, limit };
        let own = self.own_sockets(&wanted).await;
        let answers = self.inquiries.ask(Request::Sockets(wanted)).await;
        let mut pages = vec![own];
        for answer in answers.told {
            if let Told::Sockets(sockets) = answer.what {
                if let Some(socket) = sockets.first() {
                    self.hosts.learn(answer.from, &socket.node);
                }
                pages.push(sockets);
            }
        }
        let (connections, next) = merged(pages, limit);
        Ok(Connections { connections, next, silent: self.names(&answers.silent) })
    }

    /// The first of this node's sockets that are asked for.
    pub(super) async fn own_sockets(&self, wanted: &Wanted) -> Vec<SocketState> {
        let among = match wanted.room {
            Some(room) => Some(self.parts.chat.attendees(RoomId(room)).await),
            None => None,
        };
        let me = self.parts.chat.me().to_string();
        let sought = Sought {
            folded: wanted.user.clone(),
            among,
            after: wanted.after.as_ref().map(|after| start(after, &me)),
            limit: wanted.limit.min(MOST),
        };
        let found = self.parts.sockets.find(&sought).await;
        let ids: HashSet<_> = found.iter().map(|seen| seen.id).collect();
        let mut rooms = self.parts.chat.whereabouts(ids).await;
        let state = |seen: Seen| {
            let names = rooms.remove(&seen.id).unwrap_or_default();
            self.socket(&me, &seen, &names)
        };
        found.into_iter().map(state).collect()
    }

    fn socket(&self, me: &str, seen: &Seen, rooms: &[RoomName]) -> SocketState {
        SocketState {
            username: seen.card.username.as_str().to_owned(),
            node: self.parts.name.clone(),
            rooms: rooms.iter().map(|room| room.as_str().to_owned()).collect(),
            address: seen.card.address.to_string(),
            dialect: seen.dialect.as_str().to_owned(),
            connected_seconds: seen.age.as_secs(),
            queued_bytes: seen.queued as u64,
            place: Place {
                folded: seen.card.username.folded(),
                node: me.to_owned(),
                number: seen.id,
            },
        }
    }
}

/// After which name and number the sockets of node `me` come that stand after this place of all.
fn start(after: &Place, me: &str) -> (String, u64) {
    let number = match after.node.as_str().cmp(me) {
        // All of that name here come before it, after it, or some do.
        std::cmp::Ordering::Greater => u64::MAX,
        std::cmp::Ordering::Less => 0,
        std::cmp::Ordering::Equal => after.number,
    };
    (after.folded.clone(), number)
}

/// The first `limit` of all pages, and where the next page begins.
fn merged(pages: Vec<Vec<SocketState>>, limit: usize) -> (Vec<SocketState>, Option<String>) {
    // A page that is full may not have told all.
    let whole = pages.iter().all(|page| page.len() < limit);
    let mut all: Vec<SocketState> = pages.into_iter().flatten().collect();
    all.sort_by(|a, b| a.place.cmp(&b.place));
    let more = all.len() > limit || !whole;
    all.truncate(limit);
    let next = all.last().filter(|_| more).map(|last| written(&last.place));
    (all, next)
}

/// A place as it is shown to whoever asks for the next page.
pub fn written(place: &Place) -> String {
    format!("{}-{}-{}", place.node, place.number, place.folded)
}

/// Reads what [`written`] wrote.
pub fn parse_place(text: &str) -> Option<Place> {
    let (node, rest) = text.split_once('-')?;
    let (number, folded) = rest.split_once('-')?;
    let node = Incarnation(uuid::Uuid::try_parse(node).ok()?).to_string();
    Some(Place {
        folded: folded.to_ascii_lowercase(),
        node,
        number: number.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn socket(name: &str, node: u128, number: u64) -> SocketState {
        SocketState {
            username: name.to_owned(),
            node: format!("host{node}:8080"),
            rooms: vec![],
            address: "127.0.0.1".to_owned(),
            dialect: "v1".to_owned(),
            connected_seconds: 0,
            queued_bytes: 0,
            place: Place {
                folded: name.to_owned(),
                node: Incarnation(uuid::Uuid::from_u128(node)).to_string(),
                number,
            },
        }
    }

    /// What a node answers.
    fn page(own: &[SocketState], after: Option<&Place>, limit: usize) -> Vec<SocketState> {
        let mut own = own.to_vec();
        own.sort_by(|a, b| a.place.cmp(&b.place));
        let start = after.zip(own.first()).map(|(after, first)| start(after, &first.place.node));
        let comes = |socket: &SocketState| {
            let place = (socket.place.folded.clone(), socket.place.number);
            start.as_ref().is_none_or(|start| place > *start)
        };
        own.iter().filter(|socket| comes(socket)).take(limit).cloned().collect()
    }

    proptest! {
        #[test]
        fn pages_of_all_nodes_chain_to_the_whole_list(
            sockets in prop::collection::vec(("[a-c]", 0u128..3, 1u64..50), 0..40), limit in 1usize..9,
        ) {
            let mut nodes: Vec<Vec<SocketState>> = vec![vec![]; 3];
            let mut all = HashSet::new();
            for (name, node, number) in sockets {
                if all.insert((node, number)) {
                    nodes[usize::try_from(node).unwrap()].push(socket(&name, node, number));
                }
            }
            let (mut read, mut after) = (Vec::new(), None);
            for _ in 0..100 {
                let pages = nodes.iter().map(|own| page(own, after.as_ref(), limit)).collect();
                let (page, next) = merged(pages, limit);
                read.extend(page);
                let Some(next) = next else { break };
                after = parse_place(&next);
                prop_assert!(after.is_some(), "{}", next);
            }
            let mut expected: Vec<SocketState> = nodes.concat();
            expected.sort_by(|a, b| a.place.cmp(&b.place));
            prop_assert_eq!(read, expected);
        }

        #[test]
        fn no_text_is_more_than_no_place(text in "\\PC{0,60}") {
            let _ = parse_place(&text);
        }
    }
}
