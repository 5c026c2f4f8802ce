//! A token of a bot as an operator sees it: the same over HTTP and on the command line.

use serde::{Deserialize, Serialize};

use crate::{auth::end_of, store::BotToken};

/// What is told of a token; itself is not shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListedToken {
    /// By which it is revoked.
    pub id: String,
    /// The bot's name.
    pub username: String,
    /// The rooms that it is for.
    pub rooms: Vec<String>,
    /// Whether it may read there.
    pub read: bool,
    /// Whether it may speak there.
    pub write: bool,
    /// When it was made.
    pub created_at: String,
    /// When it stops being valid; `None` is never.
    pub expires_at: Option<String>,
}

impl From<&BotToken> for ListedToken {
    fn from(token: &BotToken) -> Self {
        Self {
            id: token.sid.to_string(),
            username: token.username.to_string(),
            rooms: token.scope.rooms().iter().map(ToString::to_string).collect(),
            read: token.scope.reads(),
            write: token.scope.writes(),
            created_at: token.begun_at.to_string(),
            expires_at: end_of(token).map(|end| end.to_string()),
        }
    }
}
