//! `SplitShard`, `MergeShards` and `UpdateShardCount`.

use levada_cluster::{Resharding, Stream, hash_of};
use levada_engine::proto::ShardRow;
use levada_types::limits::{SHARD_COUNT_MAX, SHARDS_MAX};
use levada_wire::kinesis::{
    Empty, KinesisError, KinesisErrorKind, MergeShardsRequest, ShardId, SplitShardRequest,
    UpdateShardCountRequest, UpdateShardCountResponse,
};

use super::account;
use super::context::{Context, Edit, arn_of, must_be_active, reference_of};
use super::shards::id_of;
use crate::front::Failure;

pub(super) async fn split(cx: &Context<'_>, request: SplitShardRequest) -> Result<Empty, Failure> {
    let at = request.new_starting_hash_key()?.0;
    let text = request.shard_to_split.as_deref().unwrap_or_default();
    let edit = |stream: &Stream| {
        must_be_provisioned(stream)?;
        must_be_active(stream)?;
        let shard = open_shard(stream, text)?;
        let (first, last) = (hash_of(&shard.first_hash), hash_of(&shard.last_hash));
        if at <= first.saturating_add(1) || at >= last {
            let (name, account) = (&stream.row.name, stream.account);
            let id = id_of(shard.number);
            return Err(KinesisError::invalid_argument(format!(
                "NewStartingHashKey {at} used in SplitShard() on shard {id} in stream {name} under account {account} \
                 is not both greater than one plus the shard's StartingHashKey {first} and less than the shard's \
                 EndingHashKey {}.",
                last.saturating_sub(1),
            )));
        }
        let counts = cx.broker.stream_counts(stream.account, &stream.region);
        account::must_have_room(cx.caller, counts, 1)?;
        Ok(Edit::Reshard(Resharding::Split(shard.number, at)))
    };
    cx.change(&reference_of(&request)?, edit).await?;
    Ok(Empty {})
}

pub(super) async fn merge(cx: &Context<'_>, request: MergeShardsRequest) -> Result<Empty, Failure> {
    let one = request.shard_to_merge.as_deref().unwrap_or_default();
    let adjacent = request.adjacent_shard_to_merge.as_deref();
    let edit = |stream: &Stream| {
        must_be_provisioned(stream)?;
        must_be_active(stream)?;
        let (a, b) = (
            open_shard(stream, one)?,
            open_shard(stream, adjacent.unwrap_or_default())?,
        );
        let meet = |low: &ShardRow, high: &ShardRow| {
            hash_of(&low.last_hash).checked_add(1) == Some(hash_of(&high.first_hash))
        };
        if !meet(a, b) && !meet(b, a) {
            let (name, account) = (&stream.row.name, stream.account);
            return Err(KinesisError::invalid_argument(format!(
                "Shards {} and {} in stream {name} under account {account} are not an adjacent pair of shards eligible \
                 for merging",
                id_of(a.number),
                id_of(b.number),
            )));
        }
        Ok(Edit::Reshard(Resharding::Merge(a.number, b.number)))
    };
    cx.change(&reference_of(&request)?, edit).await?;
    Ok(Empty {})
}

pub(super) async fn update_shard_count(
    cx: &Context<'_>,
    request: UpdateShardCountRequest,
) -> Result<UpdateShardCountResponse, Failure> {
    let target = request
        .target_shard_count
        .and_then(|n| u32::try_from(n).ok());
    let target = target.unwrap_or_default();
    let edit = |stream: &Stream| {
        must_be_provisioned(stream)?;
        must_be_active(stream)?;
        let current = open_count(stream);
        check_target(current, target)?;
        if target > current {
            let counts = cx.broker.stream_counts(stream.account, &stream.region);
            account::must_have_room(cx.caller, counts, target - current)?;
        }
        Ok(Edit::ShardCount(target))
    };
    let (before, _) = cx.change(&reference_of(&request)?, edit).await?;
    Ok(UpdateShardCountResponse {
        stream_name: before.row.name.clone(),
        current_shard_count: open_count(&before),
        target_shard_count: target,
        stream_arn: arn_of(&before).to_string(),
    })
}

fn open_count(stream: &Stream) -> u32 {
    u32::try_from(stream.open_shards().len()).unwrap_or(SHARDS_MAX)
}

/// At least half, and at most twice, what there is.
fn check_target(current: u32, target: u32) -> Result<(), KinesisError> {
    let refused = |direction: &str| {
        KinesisError::new(
            KinesisErrorKind::LimitExceeded,
            format!(
                "UpdateShardCount cannot scale {direction} your current open shard count. Current open shard count: \
                 {current} Target shard count: {target}"
            ),
        )
    };
    if u64::from(target) > u64::from(current) * 2 {
        return Err(refused("up over double"));
    }
    if u64::from(target) * 2 < u64::from(current) {
        return Err(refused("down below half"));
    }
    if target > SHARD_COUNT_MAX {
        return Err(KinesisError::new(
            KinesisErrorKind::LimitExceeded,
            format!(
                "Target shard count {target} exceeds the limit of {SHARD_COUNT_MAX} shards of a stream."
            ),
        ));
    }
    Ok(())
}

/// A shard that can be split or merged.
fn open_shard<'a>(stream: &'a Stream, text: &str) -> Result<&'a ShardRow, KinesisError> {
    let (name, account) = (&stream.row.name, stream.account);
    let not_found = |id: &str| KinesisError::could_not_find_shard(id, name, account);
    let id: ShardId = text.parse().map_err(|_| not_found(text))?;
    let number = u32::try_from(id.0).ok();
    let shard = number.and_then(|number| stream.shard(number));
    let shard = shard.ok_or_else(|| not_found(&id.to_string()))?;
    if shard.end != 0 {
        return Err(KinesisError::invalid_argument(format!(
            "Shard {id} in stream {name} under account {account} has already been merged or split, and thus is not \
             eligible for merging or splitting."
        )));
    }
    Ok(shard)
}

fn must_be_provisioned(stream: &Stream) -> Result<(), KinesisError> {
    if !stream.row.on_demand {
        return Ok(());
    }
    let (name, account) = (&stream.row.name, stream.account);
    Err(KinesisError::new(
        KinesisErrorKind::Validation,
        format!("Request is invalid. Stream {name} under account {account} is in On-Demand mode."),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_grows_to_twice_and_shrinks_to_half() {
        for (current, target, fits) in [
            (1, 1, true),
            (1, 2, true),
            (1, 3, false),
            (5, 10, true),
            (5, 11, false),
            (5, 3, true),
            (5, 2, false),
            (10_000, 10_001, false),
        ] {
            assert_eq!(
                check_target(current, target).is_ok(),
                fits,
                "{current} {target}"
            );
        }
    }
}
