//! What a connection does with what it hears.

use std::pin::Pin;

/// Something that is finished later.
pub type Later<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The one who is told what a socket says. Owned by the connection, so it needs no lock; given
/// away while it waits, so that an idle connection holds no large future.
pub trait Session: Send + 'static {
    /// Takes one text message. Must not block; what takes time goes into [`Step::Wait`].
    fn text(self: Box<Self>, text: &str) -> Step;

    /// The socket is gone. Comes once, after any step that was under way. It should end in bounded
    /// time; the connection's task waits for it.
    fn gone(self: Box<Self>, how: Departure) -> Later<()>;
}

/// How reading goes on after a message.
pub enum Step {
    /// At once.
    Next(Box<dyn Session>),
    /// At once, but the message was refused: too many of those close the socket with 1008.
    Refused(Box<dyn Session>),
    /// Not before this is done. Meanwhile nothing is read, and the client's own sending backs up.
    Wait(Later<Step>),
}

/// How a socket went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Departure {
    /// The client said goodbye (a Close frame without a code, with 1000 or with one of its own),
    /// or its sign-in ended (4001).
    Left,
    /// The client's page is going away (its Close frame says 1001): closed, or just reloaded.
    Away,
    /// Anything else: the network, silence, a fault, a drain. It may well come back.
    Lost,
}
