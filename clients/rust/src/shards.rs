//! The shards of a stream: what ListShards says of them, and which one a hash key belongs to.

use std::sync::Arc;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::types::{Shard as Told, ShardFilter};

use crate::error::{CallError, within};
use crate::hash::{HashKey, HashRange};
use crate::limits::{CALL_TIMEOUT, PAGES_MAX};

/// A shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shard {
    pub(crate) id: Arc<str>,
    pub(crate) range: HashRange,
    /// The one that was split, or the two that were merged.
    pub(crate) parents: Vec<String>,
    /// Takes no more records.
    pub(crate) closed: bool,
}

/// All shards of a stream that the filter lets through; without one all that there are, closed ones too.
pub(crate) async fn list(
    client: &Client,
    stream: &str,
    filter: Option<ShardFilter>,
) -> Result<Vec<Shard>, CallError> {
    const ACTION: &str = "ListShards";
    let mut shards = Vec::new();
    let mut token = None;
    for _ in 0..PAGES_MAX {
        let page = match token {
            Some(token) => client.list_shards().next_token(token),
            None => client
                .list_shards()
                .stream_name(stream)
                .set_shard_filter(filter.clone()),
        };
        let page = within(ACTION, CALL_TIMEOUT, page.send()).await?;
        for told in page.shards() {
            let shard = Shard::read(told);
            shards.push(shard.ok_or_else(|| CallError::malformed(ACTION, "hash keys"))?);
        }
        token = page.next_token;
        if token.is_none() {
            return Ok(shards);
        }
    }
    Err(CallError::malformed(ACTION, "last page"))
}

impl Shard {
    fn read(told: &Told) -> Option<Self> {
        let range = told.hash_key_range()?;
        let parents = [told.parent_shard_id(), told.adjacent_parent_shard_id()];
        let numbers = told.sequence_number_range();
        Some(Self {
            id: told.shard_id().into(),
            range: HashRange::parse(range.starting_hash_key(), range.ending_hash_key())?,
            parents: parents.into_iter().flatten().map(str::to_owned).collect(),
            closed: numbers.is_some_and(|range| range.ending_sequence_number().is_some()),
        })
    }
}

/// The shards that take records, by their hash keys. Pure.
#[derive(Debug, Clone, Default)]
pub(crate) struct ShardMap {
    open: Vec<Shard>,
    closed: Vec<Shard>,
}

impl ShardMap {
    pub(crate) fn new(shards: Vec<Shard>) -> Self {
        let (closed, mut open): (Vec<_>, Vec<_>) = shards.into_iter().partition(|s| s.closed);
        open.sort_by_key(|shard| shard.range.first);
        Self { open, closed }
    }

    /// How many take records.
    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    /// By its place among those that take records.
    pub(crate) fn get(&self, place: usize) -> Option<&Shard> {
        self.open.get(place)
    }

    /// The place of the shard that takes a hash key. Where a gap is seen in the middle of a change, the one before it: the service
    /// decides after all.
    pub(crate) fn place_of(&self, key: HashKey) -> usize {
        let behind = self.open.partition_point(|shard| shard.range.first <= key);
        behind.saturating_sub(1)
    }

    /// The range of a shard, whether it still takes records or not.
    pub(crate) fn range_of(&self, id: &str) -> Option<HashRange> {
        let mut all = self.open.iter().chain(&self.closed);
        all.find(|shard| &*shard.id == id).map(|shard| shard.range)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Shards that divide the ring evenly.
    pub(crate) fn even(count: u128) -> Vec<Shard> {
        let width = u128::MAX / count;
        let first = |n: u128| if n == 0 { 0 } else { n * width + 1 };
        (0..count)
            .map(|n| Shard {
                id: format!("shardId-{n:012}").into(),
                range: HashRange {
                    first: HashKey::new(first(n)),
                    last: if n + 1 == count {
                        HashKey::MAX
                    } else {
                        HashKey::new(first(n + 1) - 1)
                    },
                },
                parents: Vec::new(),
                closed: false,
            })
            .collect()
    }

    proptest! {
        #[test]
        fn a_hash_key_is_taken_by_the_shard_that_has_it(count in 1_u128..50, number: u128) {
            let key = HashKey::new(number);
            let mut shards = even(count);
            shards.reverse();
            let map = ShardMap::new(shards);
            let shard = map.get(map.place_of(key)).unwrap();
            prop_assert!(shard.range.contains(key));
        }
    }
}
