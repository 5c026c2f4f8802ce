//! Who is connected where: one set of names for each incarnation and room, and the heartbeats by which
//! the dead are found.

use std::time::Duration;

use async_trait::async_trait;

use super::{Incarnation, Result};
use crate::domain::{RoomId, Username};

/// How often the sets of one room were changed, and in which memory that was counted.
///
/// The cluster may lose its memory; then a room begins anew, in another era. Numbers of different
/// eras can't be compared. A memory that was set back to an earlier state of itself shows a lower
/// number, until it has grown again: after each interruption the sets themselves are read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SetsVersion {
    /// Drawn by chance when the room's first set is made; 0 when there was none yet.
    pub era: u64,
    /// Raised by one with every change of any of the room's sets; 0 when there was none yet.
    pub number: u64,
}

impl SetsVersion {
    /// Of a room that never had a set.
    pub const NONE: Self = Self { era: 0, number: 0 };

    /// Whether this is the version right after `known`.
    pub fn follows(self, known: Self) -> bool {
        Some(self.number) == known.number.checked_add(1) && (self.era == known.era || known == Self::NONE)
    }

    /// Whether who knows `known` knows this too.
    pub const fn is_within(self, known: Self) -> bool {
        self.era == known.era && self.number <= known.number
    }

    /// Whether this can't have come after `known`: the memory that counted that is gone.
    pub const fn contradicts(self, known: Self) -> bool {
        known.era != 0 && (self.era != known.era || self.number < known.number)
    }
}

/// A change of one incarnation's set in one room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetChange {
    /// The room's version after this change; one that does not follow the known one says that
    /// something was missed.
    pub version: SetsVersion,
    /// Users that came into the set.
    pub joined: Vec<Username>,
    /// Users that left it.
    pub left: Vec<Username>,
}

/// All sets of one room.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoomSets {
    /// The room's version.
    pub version: SetsVersion,
    /// Who is connected at which incarnation, dead ones included until they are reaped.
    pub sets: Vec<(Incarnation, Vec<Username>)>,
}

/// A heartbeat counter. It only rises; an observer times its lack of progress by its own clock.
pub type Beat = u64;

/// The sets of who is connected where. A set belongs to one incarnation and only it changes it,
/// except that anybody may reap one that is dead.
///
/// A change of a set and the version it gives are one step that nothing comes between; one whose
/// answer was lost may have been done. Calls are bounded: who calls gives up after a second (30 for
/// [`Presence::reap`]). The memory may be lost or set back at any time, and with it who was reaped; a
/// room then begins in another era.
#[async_trait]
pub trait Presence: Send + Sync {
    /// Changes this incarnation's set in a room and answers the room's new version; `None` when the
    /// set was so already. Then the room's version is that of somebody else's change, or of an
    /// earlier attempt whose answer was lost, and nobody may be told it as the version of this one.
    ///
    /// # Errors
    /// `DeclaredDead` when others have reaped `me`: nothing was changed.
    async fn change(
        &self,
        me: Incarnation,
        room: RoomId,
        joined: &[Username],
        left: &[Username],
    ) -> Result<Option<SetsVersion>>;

    /// All sets of a room, with the version they belong to.
    async fn sets(&self, room: RoomId) -> Result<RoomSets>;

    /// How many people the sets of each room name, each once, without those of `dead`; in the
    /// order asked.
    async fn counts(&self, rooms: &[RoomId], dead: &[Incarnation]) -> Result<Vec<usize>>;

    /// The versions of several rooms, in the order asked; `NONE` for a room that never had a set.
    /// One that everybody left keeps its number, or the next change would look like one known
    /// before.
    async fn versions(&self, rooms: &[RoomId]) -> Result<Vec<SetsVersion>>;

    /// Raises this incarnation's counter and answers everybody's.
    ///
    /// # Errors
    /// `DeclaredDead` when others have reaped `me`.
    async fn beat(&self, me: Incarnation) -> Result<Vec<(Incarnation, Beat)>>;

    /// Removes a dead incarnation's sets and answers the rooms that changed. It can't come back, for at
    /// least a day. Reaping again is harmless, and finishes what was begun.
    async fn reap(&self, dead: Incarnation) -> Result<Vec<RoomId>>;

    /// This incarnation drains: its sets stay for `grace` and are then gone, without it.
    async fn withdraw(&self, me: Incarnation, grace: Duration) -> Result<()>;
}
