//! What a node answers to its operator, in tables and sentences.

use serde::{Deserialize, Serialize};

use crate::{
    admin::{Connections, Done, Drained, Member, Overview, Rebalanced},
    cli::table::{Side, Table, spoken},
    cluster::inquiry::Reach,
};

/// Whose sign-ins ended, and how many.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SignedOut {
    pub(super) username: String,
    pub(super) sign_ins: usize,
}

pub(super) fn cluster(overview: &Overview) -> String {
    use Side::{Left, Right};
    let mut table = Table::of(&[
        ("node", Left),
        ("state", Left),
        ("version", Left),
        ("up", Right),
        ("sockets", Right),
        ("people", Right),
        ("rooms", Right),
        ("log queue", Right),
        ("database", Right),
        ("replicas", Right),
        ("bus", Right),
        ("lease", Right),
        ("answered", Right),
    ]);
    table.row(cells(&overview.node, true));
    for peer in &overview.peers {
        table.row(cells(peer, false));
    }
    let silent = overview.peers.iter().filter(|peer| !peer.dead && peer.state.is_none());
    let silent: Vec<String> = silent.map(|peer| peer.name.clone()).collect();
    format!(
        "{}\n\nThe first is the node that was asked.{}",
        table.text(),
        unanswered(&silent)
    )
}

fn cells(member: &Member, own: bool) -> [String; 13] {
    let millis = |millis: u64| format!("{millis} ms");
    let lease = if own { String::new() } else { spoken(member.lease_age_millis / 1000) };
    let answered = member.answered_millis.filter(|_| !own).map(millis).unwrap_or_default();
    let Some(state) = &member.state else {
        let what = if member.dead { "dead" } else { "silent" };
        let mut cells = [const { String::new() }; 13];
        (cells[0], cells[1], cells[11]) = (member.name.clone(), what.to_owned(), lease);
        return cells;
    };
    let reach = |reach: Reach| if reach.reached { millis(reach.millis) } else { "lost".to_owned() };
    [
        member.name.clone(),
        if state.causes.is_empty() { "ready".to_owned() } else { state.causes.join(", ") },
        state.version.clone(),
        spoken(state.up_seconds),
        state.sockets.to_string(),
        state.people.to_string(),
        state.rooms.to_string(),
        state.log_queue.to_string(),
        reach(state.database),
        state.replicas.map(|(usable, all)| format!("{usable} of {all}")).unwrap_or_default(),
        state.bus.map(reach).unwrap_or_default(),
        lease,
        answered,
    ]
}

pub(super) fn connections(page: &Connections) -> String {
    use Side::{Left, Right};
    let mut table = Table::of(&[
        ("person", Left),
        ("node", Left),
        ("rooms", Left),
        ("address", Left),
        ("dialect", Left),
        ("connected", Right),
        ("queued", Right),
    ]);
    for socket in &page.connections {
        table.row([
            socket.username.clone(),
            socket.node.clone(),
            socket.rooms.join(","),
            socket.address.clone(),
            socket.dialect.clone(),
            spoken(socket.connected_seconds),
            format!("{} B", socket.queued_bytes),
        ]);
    }
    if page.connections.is_empty() {
        return format!("Nobody who fits is connected.{}", unanswered(&page.silent));
    }
    let more = page.next.as_ref().map(|next| format!("\n\nThere are more: --after {next}"));
    let silent = unanswered(&page.silent);
    let silent = if silent.is_empty() { silent } else { format!("\n\n{}", silent.trim_start()) };
    format!("{}{}{silent}", table.text(), more.unwrap_or_default())
}

pub(super) fn signed_out(told: &SignedOut) -> String {
    let (name, sign_ins) = (&told.username, counted(told.sign_ins as u64, "sign-in"));
    format!("{name}: {sign_ins} ended; the sockets close within seconds.")
}

pub(super) fn announced(done: &Done) -> String {
    let sockets: u64 = done.nodes.iter().map(|there| there.sockets).sum();
    let nodes = counted(done.nodes.len() as u64, "node");
    format!("Said to {} on {nodes}.{}", counted(sockets, "socket"), unanswered(&done.silent))
}

pub(super) fn drained(told: &Drained) -> String {
    format!(
        "{} sends its people elsewhere and ends within {} s.",
        told.node, told.within_seconds
    )
}

pub(super) fn rebalanced(told: &Rebalanced) -> String {
    let nodes = counted(told.nodes.len() as u64 + 1, "node");
    let (sockets, window) = (counted(told.sockets, "socket"), told.window_seconds);
    let mean = format!("the mean of {nodes} is {}", told.mean);
    let what = match (told.moving, told.dry_run) {
        (0, _) => format!("Nobody is to move: {sockets} here, {mean}."),
        (moving, true) => format!("{moving} of {sockets} would be asked to go within {window} s; {mean}."),
        (moving, false) => format!("{moving} of {sockets} are asked to go within {window} s; {mean}."),
    };
    format!("{what}{}", unanswered(&told.silent))
}

fn unanswered(silent: &[String]) -> String {
    if silent.is_empty() {
        return String::new();
    }
    format!(
        " No answer from {} (stopped, cut off, or of another version).",
        silent.join(", ")
    )
}

fn counted(number: u64, what: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{number} {what}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_did_not_answer_is_named() {
        let done = Done {
            nodes: vec![],
            silent: vec!["a:1".to_owned(), "b:2".to_owned()],
        };
        let told = announced(&done);
        assert!(
            told.starts_with("Said to 0 sockets on 0 nodes. No answer from a:1, b:2"),
            "{told}"
        );
        assert_eq!(counted(1, "node"), "1 node");
    }
}
