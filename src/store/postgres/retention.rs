//! Deleting old events in PostgreSQL: a step is the function of the migration.

use std::time::Duration;

use async_trait::async_trait;

use super::{Effect, PostgresStore, millis};
use crate::{
    domain::{RoomId, Timestamp},
    store::{Expired, Result, Retention},
};

/// Rooms that one step looks at.
const STEP_ROOMS: i64 = 500;
/// Most events that one step deletes: those of before are on cold pages, and a statement has a second.
const STEP_ROWS: i64 = 500;

#[async_trait]
impl Retention for PostgresStore {
    async fn claim_expiry(&self, every: Duration) -> Result<bool> {
        // A clock that was set back must not keep everybody from it.
        let sql = "UPDATE expiry SET begun_at = chorus_now()
            WHERE begun_at <= chorus_now() - $1 OR begun_at > chorus_now() RETURNING id";
        Ok(!self.other.query(Effect::Read, sql, &[&millis(every)]).await?.is_empty())
    }

    async fn expire(&self, before: Timestamp, after: Option<RoomId>) -> Result<Expired> {
        self.admit()?;
        let sql = "SELECT deleted, next FROM chorus_expire($1, $2, $3, $4)";
        let after = after.map_or(0, |room| room.0);
        let row = self.other.one(Effect::Read, sql, &[&before.0, &after, &STEP_ROOMS, &STEP_ROWS]).await?;
        Ok(Expired {
            events: row.try_get::<_, i64>(0)?.unsigned_abs(),
            next: row.try_get::<_, Option<i64>>(1)?.map(RoomId),
        })
    }
}
