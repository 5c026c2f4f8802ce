//! One connection's part in chat: which rooms it joined and what it may do there.
//!
//! It belongs to the connection's task and is told of each frame in turn.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Chat, Person, PostRefused, clock, join::Joining, rooms::Command, roster::Departure};
use crate::{
    cluster::{Envelope, Notice},
    domain::{ClientId, Position, RoomId, RoomName},
    error::{Code, Refusal},
    hub::{Member, frame},
    protocol::{self, Dialect, Ref, v1},
};

/// The least time between two typing hints of one socket in one room.
const TYPING: Duration = Duration::from_secs(3);

struct Attendance {
    name: RoomName,
    id: RoomId,
    typed: Option<Instant>,
}

/// A connection in chat.
pub struct Visitor {
    chat: Arc<Chat>,
    member: Arc<Member>,
    person: Arc<Person>,
    rooms: Vec<Attendance>,
}

impl Visitor {
    /// A connection that has joined nothing yet.
    pub const fn new(chat: Arc<Chat>, member: Arc<Member>, person: Arc<Person>) -> Self {
        Self { chat, member, person, rooms: Vec::new() }
    }

    /// Its end of the socket.
    pub const fn member(&self) -> &Arc<Member> {
        &self.member
    }

    /// Whose it is.
    pub const fn person(&self) -> &Arc<Person> {
        &self.person
    }

    /// Joins a room, or resumes in it. Joining again is a new start: the old place is given up.
    /// The `joined` frames are sent here; it returns when the member is live.
    ///
    /// # Errors
    /// `room_not_found`, `too_many_rooms`, or what the store refuses.
    pub async fn join(
        &mut self,
        name: RoomName,
        after: Option<Position>,
        re: Option<Ref>,
    ) -> Result<(), Refusal> {
        let room = self.chat.room_id(&name).await?;
        self.attend(room, &name).await?;
        let joining = Joining {
            here: &self.chat.here,
            room,
            name: &name,
            member: &self.member,
            person: &self.person,
            rejoining: false,
        };
        let joined = joining.run(after, re).await;
        if joined.is_err() {
            self.forget(room, Departure::Lost).await;
        }
        joined
    }

    /// Notes a room as joined; an old place in it is given up.
    async fn attend(&mut self, id: RoomId, name: &RoomName) -> Result<(), Refusal> {
        if self.rooms.iter().any(|room| room.id == id) {
            self.forget(id, Departure::Lost).await;
        } else if self.rooms.len() >= self.chat.settings.max_rooms_per_socket {
            return Err(Refusal::new(
                Code::TooManyRooms,
                "This connection has joined as many rooms as it may.",
            ));
        }
        self.rooms.push(Attendance { name: name.clone(), id, typed: None });
        Ok(())
    }

    /// Leaves a room.
    ///
    /// # Errors
    /// `not_joined`.
    pub async fn leave(&mut self, name: &RoomName) -> Result<(), Refusal> {
        let id = self.attendance(name)?.id;
        self.forget(id, Departure::Left).await;
        Ok(())
    }

    /// Says something. The `ack` or the refusal is sent when the log has answered; what is
    /// refused at once is answered here.
    ///
    /// # Errors
    /// A refusal to be sent with `id` and `re`, or that this connection must be closed.
    pub fn post(
        &mut self,
        name: &RoomName,
        id: ClientId,
        text: &str,
        re: Option<Ref>,
    ) -> Result<(), PostRefused> {
        let room = self.attendance(name)?.id;
        let (member, name, its_id) = (Arc::clone(&self.member), name.clone(), id.clone());
        self.chat.submit(&self.person, room, id, text, move |answer| {
            let told = match (answer, member.dialect()) {
                (Ok(at), Dialect::V1) => {
                    v1::ack(&its_id, &name, at.seq, at.timestamp, at.duplicate, re.as_ref())
                }
                // It sees its own message come.
                (Ok(_), Dialect::Seed) => return,
                (Err(refusal), dialect) => protocol::error(dialect, &refusal, Some(&its_id), re.as_ref()),
            };
            member.send(frame::text(&told));
        })
    }

    /// Asks for the list of people; it comes in order with the changes.
    ///
    /// # Errors
    /// `not_joined`.
    pub async fn users(&self, name: &RoomName, re: Option<Ref>) -> Result<(), Refusal> {
        let id = self.attendance(name)?.id;
        let asked = Command::Users { room: id, member: self.member.id(), reference: re };
        self.chat.here.rooms.send(asked).await;
        Ok(())
    }

    /// Tells the others that this person is typing, at most once per 3 s; more is ignored.
    ///
    /// # Errors
    /// `not_joined`.
    pub async fn typing(&mut self, name: &RoomName) -> Result<(), Refusal> {
        let attended = self.rooms.iter_mut().find(|room| room.name == *name).ok_or_else(not_joined)?;
        if attended.typed.is_some_and(|at| clock::now() - at < TYPING) {
            return Ok(());
        }
        attended.typed = Some(clock::now());
        let room = attended.id;
        let (user, username) = (self.person.user.0, self.person.username.clone());
        let here = &self.chat.here;
        here.rooms.send(Command::Typing { room, user, username: username.clone() }).await;
        here.ring(Envelope { from: here.me(), notice: Notice::Typing(room, username) });
        Ok(())
    }

    /// The socket is gone.
    pub async fn gone(mut self, how: Departure) {
        while let Some(room) = self.rooms.last() {
            let id = room.id;
            self.forget(id, how).await;
        }
    }

    async fn forget(&mut self, id: RoomId, how: Departure) {
        let leave = Command::Leave { room: id, member: self.member.id(), how };
        self.chat.here.rooms.send(leave).await;
        self.rooms.retain(|room| room.id != id);
    }

    fn attendance(&self, name: &RoomName) -> Result<&Attendance, Refusal> {
        self.rooms.iter().find(|room| room.name == *name).ok_or_else(not_joined)
    }
}

/// Whatever ends a connection's task, a panic too, its person does not stay in the lists.
impl Drop for Visitor {
    fn drop(&mut self) {
        if self.rooms.is_empty() {
            return;
        }
        let (here, member) = (self.chat.here.clone(), self.member.id());
        let rooms: Vec<RoomId> = self.rooms.iter().map(|room| room.id).collect();
        self.chat.here.tasks.spawn("leave", async move {
            for room in rooms {
                here.rooms.send(Command::Leave { room, member, how: Departure::Lost }).await;
            }
        });
    }
}

fn not_joined() -> Refusal {
    Refusal::new(Code::NotJoined, "This connection has not joined that room.")
}
