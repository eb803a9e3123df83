//! From where a shard is read: the five kinds of positions, of iterators and of subscriptions.

use levada_cluster::Stream;
use levada_engine::proto::ShardRow;
use levada_types::Timestamp;
use levada_wire::kinesis::{KinesisError, Position, SequenceNumber};

use super::context::Context;
use super::refusal;
use super::shards::{id_of, number_of};
use crate::clock;
use crate::front::Failure;

/// How far a caller's clock may be ahead of ours, in milliseconds, before its now is the future.
const CLOCK_AHEAD_MS: u64 = 1_000;

/// The first position that is read. `action` and `member` are those of the wording.
pub(super) async fn position_of(
    cx: &Context<'_>,
    stream: &Stream,
    shard: &ShardRow,
    position: Position,
    member: &str,
    action: &str,
) -> Result<u64, Failure> {
    let told = |error| refusal::of_route(error, stream);
    Ok(match position {
        Position::AtSequenceNumber(number) => {
            check(stream, shard, number, member, action)?;
            number.position
        }
        Position::AfterSequenceNumber(number) => {
            check(stream, shard, number, member, action)?;
            number.position.saturating_add(1)
        }
        Position::TrimHorizon => 0,
        Position::Latest => cx.broker.shard_ends(shard, None).await.map_err(told)?.next,
        Position::AtTimestamp(time) => {
            let at = Timestamp::from(time);
            must_not_be_ahead(at, clock::now_ms())?;
            let ends = cx.broker.shard_ends(shard, Some(at)).await.map_err(told)?;
            ends.since
        }
    })
}

/// Refuses a time that is still to come.
pub(super) fn must_not_be_ahead(at: Timestamp, now_ms: u64) -> Result<(), KinesisError> {
    if at.as_millis() <= now_ms.saturating_add(CLOCK_AHEAD_MS) {
        return Ok(());
    }
    Err(KinesisError::invalid_argument(format!(
        "The timestampInMillis parameter cannot be greater than the currentTimestampInMillis. timestampInMillis: {}, \
         currentTimestampInMillis: {now_ms}",
        at.as_millis(),
    )))
}

/// Whether the number is one of the shard's.
fn check(
    stream: &Stream,
    shard: &ShardRow,
    number: SequenceNumber,
    member: &str,
    action: &str,
) -> Result<(), KinesisError> {
    if number.shard != shard.number {
        return Err(KinesisError::invalid_argument(format!(
            "Invalid {member}. It encodes {}, while it was used in a call to a shard with {}",
            id_of(number.shard),
            id_of(shard.number),
        )));
    }
    let first = number_of(shard.number, shard.opened_at, 0);
    let is_beyond = shard.end != 0 && number.position > shard.end;
    if number.opened_secs == first.opened_secs && !is_beyond {
        return Ok(());
    }
    let (id, name, account) = (id_of(shard.number), &stream.row.name, stream.account);
    Err(KinesisError::invalid_argument(format!(
        "{member} {number} used in {action} on shard {id} in stream {name} under account {account} is invalid \
         because it did not come from this stream."
    )))
}
