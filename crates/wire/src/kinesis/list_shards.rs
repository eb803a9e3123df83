//! `ListShards`.

use levada_types::limits::STREAM_LIST_RESULTS_MAX;

use super::constraint::{NEXT_TOKEN, SHARD_ID, STREAM_ARN, STREAM_NAME, Values};
use super::shape::{Answer, input, output, values};
use super::{KinesisError, Shape, Shard, StreamReference, Violations};
use crate::protocol::member::EpochTime;

input! {
    /// Asks for a page of a stream's shards. A token stands for all but the size of the page.
    pub struct ListShardsRequest {
        /// The stream's name.
        pub stream_name: Option<String>,
        /// Its ARN.
        #[serde(rename = "StreamARN")]
        pub stream_arn: Option<String>,
        /// What the page before gave.
        pub next_token: Option<String>,
        /// The last shard that the caller knows.
        pub exclusive_start_shard_id: Option<String>,
        /// Shards of the page, 1 to 10,000; 1,000 if it is not given.
        pub max_results: Option<i64>,
        /// Tells the stream from an earlier one of its name.
        pub stream_creation_timestamp: Option<EpochTime>,
        /// Which shards.
        pub shard_filter: Option<ShardFilterInput>,
    }
}

input! {
    /// Which shards a listing has.
    pub struct ShardFilterInput {
        /// A [`ShardFilterType`].
        #[serde(rename = "Type")]
        pub kind: Option<String>,
        /// Of `AFTER_SHARD_ID`.
        pub shard_id: Option<String>,
        /// Of `AT_TIMESTAMP` and `FROM_TIMESTAMP`.
        pub timestamp: Option<EpochTime>,
    }
}

values! {
    /// The kinds of filters.
    pub enum ShardFilterType {
        /// Shards whose ids are greater.
        AfterShardId = "AFTER_SHARD_ID",
        /// Shards that were open at the oldest record.
        AtTrimHorizon = "AT_TRIM_HORIZON",
        /// All that there are.
        FromTrimHorizon = "FROM_TRIM_HORIZON",
        /// Shards that are open.
        #[default]
        AtLatest = "AT_LATEST",
        /// Shards that were open at a time.
        AtTimestamp = "AT_TIMESTAMP",
        /// Those, and all that came later.
        FromTimestamp = "FROM_TIMESTAMP",
    }
}

/// Which shards a listing has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShardFilter<'a> {
    /// Those after this one, as the caller writes it.
    AfterShardId(&'a str),
    /// Those that were open at the oldest record.
    AtTrimHorizon,
    /// All that there are.
    FromTrimHorizon,
    /// Those that are open.
    AtLatest,
    /// Those that were open then.
    AtTimestamp(EpochTime),
    /// Those that were open then, and all that came later.
    FromTimestamp(EpochTime),
}

impl ShardFilterInput {
    /// The filter, if its members go together. What AWS answers where they do not is not documented.
    fn filter(&self) -> Result<ShardFilter<'_>, KinesisError> {
        let kind = self.kind.as_deref().and_then(ShardFilterType::from_name);
        let kind = kind.unwrap_or_default();
        let missing = |member: &str| {
            KinesisError::invalid_argument(format!(
                "{member} must be specified when ShardFilter type is {}.",
                kind.as_str()
            ))
        };
        let time = self.timestamp.ok_or_else(|| missing("Timestamp"));
        Ok(match kind {
            ShardFilterType::AfterShardId => ShardFilter::AfterShardId(
                self.shard_id.as_deref().ok_or_else(|| missing("ShardId"))?,
            ),
            ShardFilterType::AtTrimHorizon => ShardFilter::AtTrimHorizon,
            ShardFilterType::FromTrimHorizon => ShardFilter::FromTrimHorizon,
            ShardFilterType::AtLatest => ShardFilter::AtLatest,
            ShardFilterType::AtTimestamp => ShardFilter::AtTimestamp(time?),
            ShardFilterType::FromTimestamp => ShardFilter::FromTimestamp(time?),
        })
    }
}

impl ListShardsRequest {
    /// The filter; `None` if all shards are asked for.
    pub fn filter(&self) -> Result<Option<ShardFilter<'_>>, KinesisError> {
        self.shard_filter
            .as_ref()
            .map(ShardFilterInput::filter)
            .transpose()
    }
}

impl Shape for ListShardsRequest {
    fn violations(&self, violations: &mut Violations) {
        violations.text("nextToken", &self.next_token, &NEXT_TOKEN);
        violations.text(
            "exclusiveStartShardId",
            &self.exclusive_start_shard_id,
            &SHARD_ID,
        );
        violations.int("maxResults", self.max_results, 1..=STREAM_LIST_RESULTS_MAX);
        if let Some(filter) = &self.shard_filter {
            violations.required("shardFilter.type", &filter.kind);
            violations.one_of::<ShardFilterType>("shardFilter.type", &filter.kind);
            violations.text("shardFilter.shardId", &filter.shard_id, &SHARD_ID);
        }
        violations.text("streamName", &self.stream_name, &STREAM_NAME);
        violations.text("streamARN", &self.stream_arn, &STREAM_ARN);
    }

    fn stream(&self) -> Option<Result<StreamReference<'_>, KinesisError>> {
        if self.next_token.is_some() {
            return None;
        }
        if self.stream_name.is_none() && self.stream_arn.is_none() {
            let message = "Either NextToken or StreamName should be provided.";
            return Some(Err(KinesisError::invalid_argument(message)));
        }
        Some(StreamReference::of(
            self.stream_name.as_deref(),
            self.stream_arn.as_deref(),
        ))
    }

    fn refusal(&self) -> Result<(), KinesisError> {
        let of_first_page = [
            ("StreamName", self.stream_name.is_some()),
            ("StreamARN", self.stream_arn.is_some()),
            (
                "StreamCreationTimestamp",
                self.stream_creation_timestamp.is_some(),
            ),
            (
                "ExclusiveStartShardId",
                self.exclusive_start_shard_id.is_some(),
            ),
        ];
        if self.next_token.is_some()
            && let Some((member, _)) = of_first_page.iter().find(|(_, given)| *given)
        {
            return Err(KinesisError::invalid_argument(format!(
                "NextToken and {member} cannot be provided together."
            )));
        }
        self.filter().map(|_| ())
    }
}

output! {
    /// A page of shards.
    pub struct ListShardsResponse {
        /// They, in the order of their ids.
        pub shards: Vec<Shard>,
        /// Set if there are more.
        pub next_token: Option<String>,
    }
}

/// Bytes of one shard in JSON.
const SHARD_BYTES: usize = 384;

impl Answer for ListShardsResponse {
    fn size_hint(&self) -> usize {
        64 + self.shards.len() * SHARD_BYTES
    }
}
