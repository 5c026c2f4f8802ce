//! A node of a run: the whole of chat, as a process that can be stopped, killed and started again.

use std::{sync::Arc, time::Duration};

use chorus::{
    chat::{self, Chat, Departure, Person, Visitor, window::WindowLimit},
    cluster::{Incarnation, local::LocalNode},
    domain::{ClientId, Position, RoomName, Seq, UserId},
    hub::{Hub, Member, frame},
    shutdown::{Gate, Tasks},
    store::DbClock,
};
use serde_json::json;
use tokio::{sync::mpsc, time::timeout};
use uuid::Uuid;

use crate::{
    dice::Dice,
    log::{LogLine, SharedLog, name_of},
    plan::{Broken, Weather},
    wire::Wire,
};

/// How long a person whose socket was lost stays in the lists.
pub(crate) const GRACE: Duration = Duration::from_secs(2);
/// How soon a connection notices that its socket was closed.
const LOOK: Duration = Duration::from_millis(500);

/// What a client asks of its node.
#[derive(Debug)]
pub(crate) enum Ask {
    Join {
        room: usize,
        after: Option<(u64, String)>,
    },
    Leave {
        room: usize,
    },
    Say {
        room: usize,
        id: String,
    },
}

/// What all nodes of a run share.
#[derive(Clone)]
pub(crate) struct Ground {
    pub log: Arc<SharedLog>,
    pub weather: Arc<Weather>,
    pub broken: Broken,
    /// Where the servers' own work runs, which no node's death ends.
    pub servers: Tasks,
    pub rooms: Vec<RoomName>,
}

/// A process.
pub(crate) struct Process {
    pub gate: Gate,
    pub ear: Arc<LocalNode>,
    tasks: Tasks,
    chat: Arc<Chat>,
    rooms: Vec<RoomName>,
}

impl Process {
    /// The `run`th process of the node of this number.
    pub(crate) fn start(
        ground: &Ground,
        ear: Arc<LocalNode>,
        (node, run): (usize, u64),
        mut dice: Dice,
    ) -> Self {
        let gate = Gate::new();
        let tasks = Tasks::behind(gate.clone());
        let hub = Hub::start(&tasks, 2).unwrap();
        let (servers, weather) = (ground.servers.clone(), Arc::clone(&ground.weather));
        let log = LogLine::new(Arc::clone(&ground.log), servers.clone(), Arc::clone(&weather), dice.apart());
        let wire = Arc::new(Wire::new(Arc::clone(&ear), servers, weather, ground.broken, dice));
        let lives = std::sync::atomic::AtomicU64::new(0);
        let incarnation = move || {
            let life = lives.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            Incarnation(Uuid::from_u64_pair(node as u64, run << 32 | life))
        };
        let seams = chat::Seams {
            store: Arc::new(log),
            bus: wire.clone(),
            presence: wire.clone(),
            peers: wire,
            replicas: None,
            clock: DbClock::new(),
            incarnations: Arc::new(incarnation),
            relay: Arc::new(drop),
        };
        let settings = chat::Settings {
            message_chars: 500,
            window: WindowLimit { messages: 100_000, window: Duration::from_secs(10) },
            bot_messages: 1,
            max_rooms_per_socket: 10,
            grace: GRACE,
        };
        let chat = Chat::start(seams, hub, &tasks, settings, Arc::new(drop));
        Self { gate, ear, tasks, chat, rooms: ground.rooms.clone() }
    }

    /// A socket of somebody has come; what its client asks comes by the answer.
    pub(crate) fn connect(&self, user: i64, member: Arc<Member>) -> mpsc::UnboundedSender<Ask> {
        let (asks, asked) = mpsc::unbounded_channel();
        let user = UserId(user);
        let person = Arc::new(Person { user, username: name_of(user), is_bot: false });
        let visitor = Visitor::new(Arc::clone(&self.chat), member, person);
        self.tasks.spawn("a connection", serve(visitor, self.rooms.clone(), asked));
        asks
    }

    /// It drains: its sets stay for the grace time.
    pub(crate) fn withdraw(&self) {
        let chat = Arc::clone(&self.chat);
        self.tasks.spawn("withdrawing", async move { chat.withdraw().await });
    }

    /// This incarnation.
    pub(crate) fn me(&self) -> Incarnation {
        self.chat.me()
    }
}

/// One connection: what its client asks is done in turn.
async fn serve(mut visitor: Visitor, rooms: Vec<RoomName>, mut asked: mpsc::UnboundedReceiver<Ask>) {
    loop {
        let ask = match timeout(LOOK, asked.recv()).await {
            Err(_) if visitor.member().is_open() => continue,
            Ok(Some(ask)) => ask,
            _ => break,
        };
        let room = match &ask {
            Ask::Join { room, .. } | Ask::Leave { room } | Ask::Say { room, .. } => rooms[*room].clone(),
        };
        let refused = match ask {
            Ask::Join { after, .. } => {
                let after = after.map(|(seq, id)| Position {
                    seq: Seq(seq),
                    id: (seq > 0).then(|| ClientId::from_store(id)),
                });
                visitor
                    .join(room.clone(), after, None)
                    .await
                    .is_err()
                    .then(|| json!({"type": "refused", "room": room}))
            }
            Ask::Leave { .. } => {
                // That it was not joined, because that was refused, is no trouble.
                let _ = visitor.leave(&room).await;
                None
            }
            Ask::Say { id, .. } => {
                let said = visitor.post(&room, ClientId::from_store(id.as_str()), &text_of(&id), None);
                said.is_err().then(|| json!({"type": "error", "id": id}))
            }
        };
        if let Some(refused) = refused {
            visitor.member().send(frame::text(&refused.to_string()));
        }
    }
    visitor.gone(Departure::Lost).await;
}

/// What is said under an id.
pub(crate) fn text_of(id: &str) -> String {
    format!("this is {id}")
}
