//! What the token of a bot allows: some rooms, and in them to read, to write, or both.

use super::RoomName;

/// Most rooms of one token.
pub const SCOPE_ROOMS_MAX: usize = 50;

/// Rooms, and what may be done there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    rooms: Box<[RoomName]>,
    read: bool,
    write: bool,
}

/// Why rooms and rights are no scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a token is for 1 to {SCOPE_ROOMS_MAX} rooms, and to read, to write, or both")]
pub struct InvalidScope;

impl Scope {
    /// Of these rooms, each counted once.
    ///
    /// # Errors
    /// `InvalidScope` when it allows nothing, or names too many rooms.
    pub fn new(mut rooms: Vec<RoomName>, read: bool, write: bool) -> Result<Self, InvalidScope> {
        rooms.sort_unstable();
        rooms.dedup();
        let sized = (1..=SCOPE_ROOMS_MAX).contains(&rooms.len());
        if sized && (read || write) {
            Ok(Self { rooms: rooms.into(), read, write })
        } else {
            Err(InvalidScope)
        }
    }

    /// Takes what the store remembers: the rooms as [`Scope::listed`] wrote them.
    pub fn from_store(rooms: &str, read: bool, write: bool) -> Self {
        let rooms = rooms.split(' ').filter_map(|room| RoomName::parse(room).ok()).collect();
        Self { rooms, read, write }
    }

    /// The rooms, in a line; no name has a space in it.
    pub fn listed(&self) -> String {
        let names: Vec<_> = self.rooms.iter().map(RoomName::as_str).collect();
        names.join(" ")
    }

    /// The rooms.
    pub fn rooms(&self) -> &[RoomName] {
        &self.rooms
    }

    /// Whether it allows to read anywhere.
    pub const fn reads(&self) -> bool {
        self.read
    }

    /// Whether it allows to write anywhere.
    pub const fn writes(&self) -> bool {
        self.write
    }

    /// Whether what is said in this room, and who is there, may be read.
    pub fn may_read(&self, room: &RoomName) -> bool {
        self.read && self.rooms.contains(room)
    }

    /// Whether something may be said in this room.
    pub fn may_write(&self, room: &RoomName) -> bool {
        self.write && self.rooms.contains(room)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rooms(names: &[&str]) -> Vec<RoomName> {
        names.iter().map(|name| RoomName::parse(name).unwrap()).collect()
    }

    #[test]
    fn it_allows_what_it_names_and_nothing_else() {
        let scope = Scope::new(rooms(&["ops", "lobby", "ops"]), true, false).unwrap();
        let [lobby, ops, other] = ["lobby", "ops", "other"].map(|name| RoomName::parse(name).unwrap());
        assert!(scope.may_read(&lobby) && scope.may_read(&ops) && !scope.may_read(&other));
        assert!(!scope.may_write(&lobby));
        assert_eq!(scope.listed(), "lobby ops");
        assert_eq!(Scope::from_store("lobby ops", true, false), scope);
    }

    #[test]
    fn one_that_allows_nothing_is_none() {
        assert_eq!(Scope::new(rooms(&["lobby"]), false, false), Err(InvalidScope));
        assert_eq!(Scope::new(Vec::new(), true, true), Err(InvalidScope));
        let many: Vec<_> =
            (0..=SCOPE_ROOMS_MAX).map(|n| RoomName::parse(&format!("r{n}")).unwrap()).collect();
        assert_eq!(Scope::new(many, true, true), Err(InvalidScope));
    }
}
