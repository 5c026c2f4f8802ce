//! What read replicas may answer.

use async_trait::async_trait;

use super::{Account, Page, Result, SignIn, Slice, TokenHash};
use crate::domain::{RoomId, Seq, Username};

/// Reads that may lag behind what was committed, because read replicas serve them. What a replica
/// misses is asked of the primary, and so is everything while a replica lags too far or does not
/// answer in time.
///
/// Never for anything that must be current: resuming and repair read the [`Log`](super::Log), and who acts on
/// an answer makes sure that it still holds (`begin_sign_in` compares the hash, a sign-in is
/// looked up among the ends of the last minute).
#[async_trait]
pub trait LaggingReads: Send + Sync {
    /// How many replicas are asked now, of how many there are.
    fn usable(&self) -> (usize, usize);

    /// As [`Accounts::account`](super::Accounts::account).
    async fn lagging_account(&self, username: &Username) -> Result<Option<Account>>;

    /// As [`SignIns::sign_ins_by_token`](super::SignIns::sign_ins_by_token), but the primary is not asked for what a
    /// replica misses: so who shares a batch with an unknown token does not wait for it.
    async fn lagging_sign_ins(&self, tokens: &[TokenHash]) -> Result<Vec<Option<SignIn>>>;

    /// As [`Log::page`](super::Log::page), of a log that reaches at least to `at_least`.
    async fn lagging_page(
        &self,
        room: RoomId,
        slice: Slice,
        limit: usize,
        max_bytes: usize,
        at_least: Seq,
    ) -> Result<Page>;
}
