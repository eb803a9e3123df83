//! Shards as they are told: ids, ranges, sequence numbers, lineage.

use std::sync::Arc;

use levada_cluster::{Stream, hash_of};
use levada_engine::proto::{Record as Stored, ShardRow};
use levada_types::Timestamp;
use levada_wire::kinesis::{
    ChildShard, EncryptionType, HashKey, HashKeyRange, KinesisError, Record, SequenceNumber,
    SequenceNumberRange, Shard, ShardId,
};
use levada_wire::protocol::member::Blob;

use super::context::Context;
use super::refusal;
use crate::front::Failure;

/// The sequence number of a position.
pub(super) fn number_of(shard: u32, opened_at: u64, position: u64) -> SequenceNumber {
    SequenceNumber {
        opened_secs: opened_at / 1_000,
        position,
        shard,
    }
}

/// The id of a shard.
pub(super) fn id_of(shard: u32) -> ShardId {
    ShardId(u64::from(shard))
}

fn hash_keys(shard: &ShardRow) -> HashKeyRange {
    HashKeyRange {
        starting_hash_key: HashKey(hash_of(&shard.first_hash)),
        ending_hash_key: HashKey(hash_of(&shard.last_hash)),
    }
}

/// A shard as a listing has it. Of a parent that has expired, the child goes on telling.
pub(super) fn describe(shard: &ShardRow) -> Shard {
    let number = |position| number_of(shard.number, shard.opened_at, position);
    Shard {
        shard_id: id_of(shard.number),
        parent_shard_id: shard.parent.map(id_of),
        adjacent_parent_shard_id: shard.adjacent_parent.map(id_of),
        hash_key_range: hash_keys(shard),
        sequence_number_range: SequenceNumberRange {
            starting_sequence_number: number(0),
            ending_sequence_number: (shard.end != 0).then(|| number(shard.end)),
        },
    }
}

/// Where the records of a shard go on.
pub(super) fn children(stream: &Stream, shard: u32) -> Vec<ChildShard> {
    let children = stream.children(shard);
    children
        .map(|child| ChildShard {
            shard_id: id_of(child.number),
            parent_shards: [child.parent, child.adjacent_parent]
                .into_iter()
                .flatten()
                .map(id_of)
                .collect(),
            hash_key_range: hash_keys(child),
        })
        .collect()
}

/// The children of a shard that has been read to its end; `None` while they are being opened, when the end is not told.
pub(super) async fn children_at_end(
    cx: &Context<'_>,
    stream: &Arc<Stream>,
    shard: u32,
) -> Result<Option<Vec<ChildShard>>, Failure> {
    let mut found = children(stream, shard);
    if found.is_empty() {
        // This node's copy may be behind, or the stream was looked up before they were there.
        cx.broker.catch_up_catalog().await?;
        let (account, region) = (stream.account, &stream.region);
        let now = cx.broker.find_stream(account, region, &stream.row.name);
        if let Some(now) = now.await?
            && now.row.stream == stream.row.stream
        {
            found = children(&now, shard);
        }
    }
    Ok((!found.is_empty()).then_some(found))
}

/// The shard that a text names.
pub(super) fn find<'a>(stream: &'a Stream, text: &str) -> Result<&'a ShardRow, KinesisError> {
    let (name, account) = (&stream.row.name, stream.account);
    let ShardId(number) = text
        .parse()
        .map_err(|_| KinesisError::could_not_find_shard(text, name, account))?;
    u32::try_from(number)
        .ok()
        .and_then(|number| stream.shard(number))
        .ok_or_else(|| refusal::no_such_shard(number, stream))
}

/// A record as it is read.
pub(super) fn record(stream: &Stream, shard: &ShardRow, stored: Stored) -> Record {
    Record {
        sequence_number: number_of(shard.number, shard.opened_at, stored.position),
        approximate_arrival_timestamp: Some(Timestamp::from_millis(stored.sent_at).into()),
        data: Blob(stored.payload),
        partition_key: Some(stored.group),
        encryption_type: encryption_of(stream),
    }
}

/// Told of records only where they are encrypted.
pub(super) fn encryption_of(stream: &Stream) -> Option<EncryptionType> {
    (!stream.row.encryption_key.is_empty()).then_some(EncryptionType::Kms)
}
