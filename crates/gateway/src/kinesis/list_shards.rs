//! `ListShards`, with its filters. A token stands for the stream, the filter and the last shard.

use levada_cluster::Stream;
use levada_engine::proto::ShardRow;
use levada_types::Timestamp;
use levada_wire::kinesis::{
    KinesisError, ListShardsRequest, ListShardsResponse, ShardFilter, StreamReference,
};
use levada_wire::protocol::member::EpochTime;

use super::context::{Context, reference_of};
use super::sealed::Kind;
use super::{pages, shards};
use crate::front::Failure;

/// Shards of a page where the caller gives no number.
const SHARDS_DEFAULT: usize = 1_000;

/// Which shards, as a token carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    All,
    AtTrimHorizon,
    AtLatest,
    At(Timestamp),
    From(Timestamp),
}

impl Which {
    fn of(filter: Option<&ShardFilter<'_>>) -> Self {
        match filter {
            None | Some(ShardFilter::AfterShardId(_) | ShardFilter::FromTrimHorizon) => Self::All,
            Some(ShardFilter::AtTrimHorizon) => Self::AtTrimHorizon,
            Some(ShardFilter::AtLatest) => Self::AtLatest,
            Some(ShardFilter::AtTimestamp(at)) => Self::At((*at).into()),
            Some(ShardFilter::FromTimestamp(at)) => Self::From((*at).into()),
        }
    }

    fn to_numbers(self) -> [u64; 2] {
        match self {
            Self::All => [0, 0],
            Self::AtTrimHorizon => [1, 0],
            Self::AtLatest => [2, 0],
            Self::At(at) => [3, at.as_millis()],
            Self::From(at) => [4, at.as_millis()],
        }
    }

    fn from_numbers(kind: u64, at: u64) -> Self {
        let at = Timestamp::from_millis(at);
        match kind {
            1 => Self::AtTrimHorizon,
            2 => Self::AtLatest,
            3 => Self::At(at),
            4 => Self::From(at),
            _ => Self::All,
        }
    }

    /// Whether a shard is among them. A shard takes over when its parents are closed; the ends of those that have none
    /// any more lie before the horizon.
    fn has(self, stream: &Stream, shard: &ShardRow) -> bool {
        let parents = || {
            let numbers = [shard.parent, shard.adjacent_parent].into_iter().flatten();
            numbers.filter_map(|number| stream.shard(number))
        };
        let ended_by = |shard: &ShardRow, at: Timestamp| {
            shard.closed_at != 0 && shard.closed_at <= at.as_millis()
        };
        match self {
            Self::All => true,
            Self::AtTrimHorizon => parents().next().is_none(),
            Self::AtLatest => shard.end == 0,
            Self::At(at) => !ended_by(shard, at) && parents().all(|parent| ended_by(parent, at)),
            Self::From(at) => !ended_by(shard, at),
        }
    }
}

pub(super) async fn call(
    cx: &Context<'_>,
    request: ListShardsRequest,
) -> Result<ListShardsResponse, Failure> {
    let seal = cx.seal();
    let (stream, which, after) = match &request.next_token {
        Some(token) => {
            let ([number, kind, at, after], name) = pages::open(&seal, Kind::Shards, token)?;
            let reference = StreamReference {
                name: &name,
                arn: None,
            };
            let stream = cx.current(&reference).await?;
            must_be(&stream, stream.row.stream == number)?;
            (
                stream,
                Which::from_numbers(kind, at),
                u32::try_from(after).ok(),
            )
        }
        None => {
            let stream = cx.current(&reference_of(&request)?).await?;
            must_be(
                &stream,
                is_of(stream.created_at(), request.stream_creation_timestamp),
            )?;
            let filter = request.filter()?;
            let mut after =
                pages::shard_after(request.exclusive_start_shard_id.as_deref(), &stream)?;
            if let Some(ShardFilter::AfterShardId(text)) = filter {
                after = after.max(pages::shard_after(Some(text), &stream)?);
            }
            (stream, Which::of(filter.as_ref()), after)
        }
    };
    let rows = stream.shards().filter(|shard| {
        after.is_none_or(|after| shard.number > after) && which.has(&stream, shard)
    });
    let (page, has_more) = pages::cut(rows, pages::size(request.max_results, SHARDS_DEFAULT));
    let last = page.last().filter(|_| has_more);
    let next_token = last.map(|last| {
        let [kind, at] = which.to_numbers();
        let numbers = [stream.row.stream, kind, at, u64::from(last.number)];
        pages::token(&seal, Kind::Shards, &numbers, &stream.row.name)
    });
    Ok(ListShardsResponse {
        next_token,
        shards: page.into_iter().map(shards::describe).collect(),
    })
}

/// Whether a stream was made at the time that a caller gives to tell it from an earlier one of its name.
pub(super) fn is_of(stream_created_at: Timestamp, created_at: Option<EpochTime>) -> bool {
    let of_stream = EpochTime::from(stream_created_at);
    // To the second: not every client keeps the fraction.
    created_at
        .is_none_or(|given| given.millis.div_euclid(1_000) == of_stream.millis.div_euclid(1_000))
}

/// Refuses to take one stream for another.
pub(super) fn must_be(stream: &Stream, is_it: bool) -> Result<(), KinesisError> {
    if is_it {
        Ok(())
    } else {
        Err(KinesisError::stream_not_found(
            &stream.row.name,
            stream.account,
        ))
    }
}
