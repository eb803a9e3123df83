//! Streams: their rows in the catalog, records on their way to shards and back, and how shards are split and merged.
//!
//! A record's place is decided by its hash key among the shards that are open. A shard that is being replaced is closed
//! first, and its children take records when that is applied: a key's order survives. Who finds it closed waits for the
//! children.

mod budget;
mod keeper;
mod on_demand;
mod queues;
mod read;
mod reshard;
mod subscriptions;
mod write;

use std::sync::Arc;

use levada_engine::proto::{
    DropStream, SetStream, ShardRow, StreamRow, StreamStatus, catalog, catalog_outcome, command,
    outcome,
};
use levada_engine::{proto, shard_config_of};
use levada_types::{AccountId, PartitionId, QueueId, Region, Timestamp};

use crate::RouteError;
use crate::broker::{Broker, Change, unexpected};

/// Shards of a new stream in one partition. A partition carries a hundred times what AWS lets a shard take, and what comes
/// for several shards at one time is one entry in it and not one for each. A stream that is split spreads out, see ADR 25.
const SHARDS_TOGETHER: u32 = 4;

pub(crate) use budget::ReadBudgets;
pub(crate) use keeper::keep_streams;
pub use queues::{Letters, StreamQueue, StreamReceipt};
pub(crate) use read::answer;
pub use read::{ShardEnds, ShardRead};
pub use reshard::Resharding;
pub use subscriptions::{SubscriptionKey, SubscriptionRefused};
pub(crate) use subscriptions::{Subscriptions, answer_subscribe};
pub use write::{Put, StreamRecord};

/// One version of one stream; replaced as a whole when the catalog changes.
#[derive(Clone, Debug)]
pub struct Stream {
    /// The catalog's row.
    pub row: StreamRow,
    /// The account that owns it.
    pub account: AccountId,
    /// The region it was made in.
    pub region: Region,
    /// Open shards by the first of their hash keys: where they are in the row.
    open: Vec<(u128, usize)>,
}

impl Stream {
    /// From the catalog's row; `None` if its names are not valid, which its author prevents.
    pub fn from_row(row: StreamRow) -> Option<Self> {
        let mut open: Vec<(u128, usize)> = row
            .shards
            .iter()
            .enumerate()
            .filter(|(_, shard)| is_open(shard))
            .map(|(place, shard)| (hash_of(&shard.first_hash), place))
            .collect();
        open.sort_unstable();
        Some(Self {
            account: row.account.parse().ok()?,
            region: row.region.parse().ok()?,
            open,
            row,
        })
    }

    /// When it was made.
    pub fn created_at(&self) -> Timestamp {
        Timestamp::from_millis(self.row.created_at)
    }

    /// The open shard that a hash key falls to.
    pub fn shard_for(&self, hash: u128) -> Option<&ShardRow> {
        let after = self.open.partition_point(|(first, _)| *first <= hash);
        let (_, place) = self.open.get(after.checked_sub(1)?)?;
        self.row.shards.get(*place)
    }

    /// A shard that users can see, by its number.
    pub fn shard(&self, number: u32) -> Option<&ShardRow> {
        self.shards().find(|shard| shard.number == number)
    }

    /// The shards that users can see, by number.
    pub fn shards(&self) -> impl DoubleEndedIterator<Item = &ShardRow> {
        self.row.shards.iter().filter(|shard| !shard.pending)
    }

    /// Its open shards, by hash key.
    pub fn open_shards(&self) -> impl ExactSizeIterator<Item = &ShardRow> {
        self.open.iter().map(|(_, place)| &self.row.shards[*place])
    }

    /// The shards that users can see and that came out of this one, by number.
    pub fn children(&self, number: u32) -> impl Iterator<Item = &ShardRow> {
        let number = Some(number);
        self.shards()
            .filter(move |child| child.parent == number || child.adjacent_parent == number)
    }
}

/// Takes records, or will until its children do.
fn is_open(shard: &ShardRow) -> bool {
    !shard.pending && shard.end == 0
}

/// The number that a row's bytes are.
pub fn hash_of(bytes: &[u8]) -> u128 {
    bytes.try_into().map_or(0, u128::from_be_bytes)
}

impl Broker {
    /// The stream of that name; asks the catalog's leader before it says that there is none.
    pub async fn find_stream(
        &self,
        account: AccountId,
        region: &Region,
        name: &str,
    ) -> Result<Option<Arc<Stream>>, RouteError> {
        self.find_in_catalog(|directory| directory.stream_by_name(account, region, name))
            .await
    }

    /// Up to `max` streams of an account in a region behind a name, by name.
    pub fn streams(
        &self,
        account: AccountId,
        region: &Region,
        after: Option<&str>,
        max: usize,
    ) -> Vec<Stream> {
        let rows: Vec<StreamRow> = self.core.directory.read(|catalog| {
            let found = catalog.streams_after(&account.to_string(), region.as_str(), after, max);
            found.into_iter().cloned().collect()
        });
        rows.into_iter().filter_map(Stream::from_row).collect()
    }

    /// How many open shards an account has in a region, and how many streams of each mode: provisioned, on demand.
    pub fn stream_counts(&self, account: AccountId, region: &Region) -> StreamCounts {
        let (account, region) = (account.to_string(), region.as_str());
        self.core.directory.read(|catalog| {
            let mut counts = StreamCounts::default();
            for row in catalog.streams() {
                if row.account == account && row.region == region {
                    counts.open_shards += row.shards.iter().filter(|s| is_open(s)).count();
                    counts.on_demand += usize::from(row.on_demand);
                    counts.provisioned += usize::from(!row.on_demand);
                }
            }
            counts
        })
    }

    /// A new stream with so many shards of equal shares, [`SHARDS_TOGETHER`] in a partition. Its row's names and settings are the caller's; it is being
    /// created when this answers.
    pub async fn create_stream(&self, mut row: StreamRow, shards: u32) -> Change<Arc<Stream>> {
        let partitions = self.place_shards(shards.div_ceil(SHARDS_TOGETHER) as usize);
        row.shards = reshard::equal_shares(shards, &partitions);
        self.set_stream(row, 0).await
    }

    /// Replaces a stream's row, on the version that it was read in.
    pub async fn change_stream(&self, row: StreamRow) -> Change<Arc<Stream>> {
        let version = row.version;
        self.set_stream(row, version).await
    }

    /// Has shards split or merged. The stream is being updated when this answers, and until that is done.
    pub async fn reshard(&self, stream: &Stream, step: Resharding) -> Change<Arc<Stream>> {
        let partitions = self.place_shards(1);
        let row = reshard::with_children(&stream.row, &[step], &partitions);
        self.change_stream(row).await
    }

    /// Has shards split and merged until there are so many of equal shares.
    pub async fn update_shard_count(&self, stream: &Stream, wanted: u32) -> Change<Arc<Stream>> {
        let mut row = stream.row.clone();
        row.shards_wanted = wanted;
        row.set_status(StreamStatus::Updating);
        self.change_stream(row).await
    }

    /// Has the stream deleted. It is being deleted when this answers.
    pub async fn delete_stream(&self, stream: &Stream) -> Change<Arc<Stream>> {
        let mut row = stream.row.clone();
        row.set_status(StreamStatus::Deleting);
        self.change_stream(row).await
    }

    async fn set_stream(&self, row: StreamRow, if_version: u64) -> Change<Arc<Stream>> {
        let set = SetStream {
            row: Some(row),
            if_version,
        };
        match self.change(catalog::Kind::SetStream(set)).await? {
            Ok(catalog_outcome::Kind::Stream(row)) => match Stream::from_row(row) {
                Some(stream) => Ok(Ok(Arc::new(stream))),
                None => Err(RouteError::Unavailable),
            },
            other => unexpected(other),
        }
    }

    /// Removes a stream's row at once; its shards' leaders see it and drop what they hold.
    async fn drop_stream(&self, stream: u64) -> Change<()> {
        self.plain_change(catalog::Kind::DropStream(DropStream { stream }))
            .await
    }

    /// Brings a shard up to its row; answers the position that its next record would get.
    async fn configure_shard(
        &self,
        stream: &StreamRow,
        shard: &ShardRow,
    ) -> Result<u64, RouteError> {
        let configure = proto::ConfigureShard {
            config: Some(shard_config_of(stream, shard)),
        };
        let kind = command::Kind::ConfigureShard(configure);
        let (answer, _) = self.write(PartitionId(shard.partition), kind).await?;
        match answer.kind {
            Some(outcome::Kind::ConfigureShard(shard)) => Ok(shard.next_position),
            Some(outcome::Kind::Misconfigured(_)) => Err(RouteError::NoSuchStream),
            _ => Err(RouteError::Unavailable),
        }
    }

    /// A partition for each of so many new shards, or tables: those with the fewest parts first.
    pub(crate) fn place_shards(&self, count: usize) -> Vec<u32> {
        let core = &self.core;
        // Before the catalog is read: this reads it, too, and its lock is held only once.
        let open = core.open_for_queues();
        let mut parts: Vec<(usize, u32)> = core.directory.read(|catalog| {
            let open = open.iter();
            open.map(|partition| (catalog.parts_in(*partition), partition.0))
                .collect()
        });
        let mut chosen = Vec::with_capacity(count);
        while chosen.len() < count {
            let Some(least) = parts.iter_mut().min() else {
                break;
            };
            chosen.push(least.1);
            least.0 += 1;
        }
        chosen
    }
}

/// What an account has in a region.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamCounts {
    /// Shards that take records.
    pub open_shards: usize,
    /// Streams in provisioned mode.
    pub provisioned: usize,
    /// Streams in on-demand mode.
    pub on_demand: usize,
}

/// The number of a shard's log, as the engine knows it.
fn log_of(shard: &ShardRow) -> QueueId {
    QueueId(shard.log)
}
