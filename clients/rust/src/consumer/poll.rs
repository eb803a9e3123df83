//! Reads a shard by GetRecords.

use std::time::{Duration, SystemTime};

use aws_sdk_kinesis::Client;
use tokio::time::Instant;
use tracing::warn;

use super::reader::{Batch, From, children};
use crate::backoff::Backoff;
use crate::error::{CallError, within};
use crate::limits::CALL_TIMEOUT;
use crate::shards;

/// Where polling is.
#[derive(Debug)]
pub(crate) struct Poll {
    client: Client,
    stream: String,
    shard: String,
    from: From,
    iterator: Option<String>,
    pause: Duration,
    records_max: i32,
    backoff: Backoff,
    not_before: Instant,
}

impl Poll {
    pub(crate) fn new(
        client: Client,
        stream: &str,
        shard: &str,
        from: From,
        pause: Duration,
        records_max: i32,
    ) -> Self {
        Self {
            client,
            stream: stream.to_owned(),
            shard: shard.to_owned(),
            from,
            iterator: None,
            pause,
            records_max,
            backoff: Backoff::default(),
            not_before: Instant::now(),
        }
    }

    /// What the next call gives; waits for its turn, and for a service that is not there.
    pub(crate) async fn next(&mut self) -> Batch {
        loop {
            tokio::time::sleep_until(self.not_before).await;
            match self.call().await {
                Ok(batch) => {
                    self.backoff.reset();
                    return batch;
                }
                Err(error) => {
                    self.not_before = Instant::now() + self.backoff.next();
                    warn!(shard = self.shard, %error, "the shard was not read; it is tried again");
                }
            }
        }
    }

    async fn call(&mut self) -> Result<Batch, CallError> {
        const ACTION: &str = "GetRecords";
        let iterator = match &self.iterator {
            Some(iterator) => iterator.clone(),
            None => match self.get_iterator().await {
                Err(error) if error.is("ResourceNotFoundException") => {
                    return self.gone(error).await;
                }
                iterator => iterator?,
            },
        };
        self.not_before = Instant::now() + self.pause;
        let call = self.client.get_records();
        let call = call.shard_iterator(iterator).limit(self.records_max).send();
        let answer = match within(ACTION, CALL_TIMEOUT, call).await {
            Ok(answer) => answer,
            Err(error) => {
                if error.is("ExpiredIteratorException") || !error.may_pass {
                    self.iterator = None;
                }
                return Err(error);
            }
        };
        let end = if answer.next_shard_iterator.is_none() {
            let told = children(answer.child_shards());
            Some(told.ok_or_else(|| CallError::malformed(ACTION, "hash keys of a child"))?)
        } else {
            None
        };
        if let Some(last) = answer.records.last() {
            self.from = From::After(last.sequence_number.clone());
        }
        self.iterator = answer.next_shard_iterator;
        Ok(Batch {
            records: answer.records,
            behind_ms: answer.millis_behind_latest.unwrap_or(0),
            end,
        })
    }

    async fn get_iterator(&mut self) -> Result<String, CallError> {
        const ACTION: &str = "GetShardIterator";
        let call = self
            .client
            .get_shard_iterator()
            .stream_name(&self.stream)
            .shard_id(&self.shard)
            .shard_iterator_type(self.from.kind())
            .set_starting_sequence_number(self.from.number())
            .set_timestamp(self.from.time());
        let now = SystemTime::now();
        let answer = within(ACTION, CALL_TIMEOUT, call.send()).await?;
        let iterator = answer.shard_iterator;
        let iterator = iterator.ok_or_else(|| CallError::malformed(ACTION, "iterator"))?;
        if self.from == From::Latest {
            // If this iterator expires before there was a record, the next one must not be later.
            self.from = From::AtTimestamp(now);
        }
        self.iterator = Some(iterator.clone());
        Ok(iterator)
    }

    /// The shard is not there: it has expired with all its records, unless the stream itself is gone.
    async fn gone(&self, error: CallError) -> Result<Batch, CallError> {
        let listed = shards::list(&self.client, &self.stream, None).await?;
        if listed.iter().any(|shard| *shard.id == *self.shard) {
            return Err(error);
        }
        Ok(Batch {
            records: Vec::new(),
            behind_ms: 0,
            end: Some(followers(listed, &self.shard)),
        })
    }
}

/// The shards that followed on one.
pub(crate) fn followers(shards: Vec<shards::Shard>, parent: &str) -> Vec<shards::Shard> {
    let follows = |shard: &shards::Shard| shard.parents.iter().any(|id| id == parent);
    shards.into_iter().filter(follows).collect()
}
