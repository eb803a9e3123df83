//! Reads a shard, by polling or by enhanced fan-out, and takes aggregated records apart.
//!
//! A reader ends with the shard; whatever fails before that is tried again. Dropped in the middle of a call it loses nothing, as
//! who reads begins anew from a checkpoint.

use std::time::SystemTime;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::primitives::DateTime;
use aws_sdk_kinesis::types::{ChildShard, Record as Told, ShardIteratorType, StartingPosition};
use bytes::Bytes;
use tracing::warn;

use super::fan_out::FanOut;
use super::poll::Poll;
use super::processor::Record;
use crate::hash::HashRange;
use crate::kpl::unpack;
use crate::position::{Checkpoint, Position, SequenceNumber};
use crate::shards::Shard;

/// What came of a shard.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) records: Vec<Told>,
    pub(crate) behind_ms: i64,
    /// The shard's children, once it has ended.
    pub(crate) end: Option<Vec<Shard>>,
}

/// Where in a shard reading goes on.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum From {
    TrimHorizon,
    Latest,
    AtTimestamp(SystemTime),
    /// This record is read again: its end may not be done.
    At(SequenceNumber),
    After(String),
}

impl From {
    /// Behind a checkpoint; `at` is the time that the application begins at, if it is set to one.
    pub(crate) fn checkpoint(checkpoint: &Checkpoint, at: Option<SystemTime>) -> Self {
        match (checkpoint, at) {
            (Checkpoint::At(position), _) => Self::At(position.sequence_number.clone()),
            (Checkpoint::Latest, _) => Self::Latest,
            (Checkpoint::AtTimestamp, Some(at)) => Self::AtTimestamp(at),
            // Without a time the oldest record skips none.
            _ => Self::TrimHorizon,
        }
    }

    pub(crate) fn kind(&self) -> ShardIteratorType {
        match self {
            Self::TrimHorizon => ShardIteratorType::TrimHorizon,
            Self::Latest => ShardIteratorType::Latest,
            Self::AtTimestamp(_) => ShardIteratorType::AtTimestamp,
            Self::At(_) => ShardIteratorType::AtSequenceNumber,
            Self::After(_) => ShardIteratorType::AfterSequenceNumber,
        }
    }

    pub(crate) fn number(&self) -> Option<String> {
        match self {
            Self::At(number) => Some(number.to_string()),
            Self::After(number) => Some(number.clone()),
            _ => None,
        }
    }

    pub(crate) fn time(&self) -> Option<DateTime> {
        match self {
            Self::AtTimestamp(at) => Some(DateTime::from(*at)),
            _ => None,
        }
    }

    /// As SubscribeToShard wants it; `None` is not reached, as the kind is always given.
    pub(crate) fn starting_position(&self) -> Option<StartingPosition> {
        let position = StartingPosition::builder()
            .r#type(self.kind())
            .set_sequence_number(self.number())
            .set_timestamp(self.time());
        position.build().ok()
    }
}

/// One of the two ways.
#[derive(Debug)]
pub(crate) enum Reader {
    Poll(Box<Poll>),
    FanOut(Box<FanOut>),
}

impl Reader {
    /// What comes next; empty now and then.
    pub(crate) async fn next(&mut self) -> Batch {
        match self {
            Self::Poll(reader) => reader.next().await,
            Self::FanOut(reader) => reader.next().await,
        }
    }
}

/// The way that is read by, and what it needs.
#[derive(Debug, Clone)]
pub(crate) enum Way {
    Poll {
        pause: std::time::Duration,
        records_max: i32,
    },
    FanOut {
        consumer_arn: String,
    },
}

/// Begins to read a shard.
pub(crate) fn open(client: &Client, way: &Way, stream: &str, shard: &str, from: From) -> Reader {
    match way {
        Way::Poll { pause, records_max } => {
            let reader = Poll::new(client.clone(), stream, shard, from, *pause, *records_max);
            Reader::Poll(Box::new(reader))
        }
        Way::FanOut { consumer_arn } => {
            let reader = FanOut::new(client.clone(), consumer_arn, stream, shard, from);
            Reader::FanOut(Box::new(reader))
        }
    }
}

/// Children as a service tells them; `None` if it leaves something out.
pub(crate) fn children(told: &[ChildShard]) -> Option<Vec<Shard>> {
    let read = |child: &ChildShard| {
        let range = child.hash_key_range()?;
        Some(Shard {
            id: child.shard_id().into(),
            range: HashRange::parse(range.starting_hash_key(), range.ending_hash_key())?,
            parents: child.parent_shards().to_vec(),
            closed: false,
        })
    };
    told.iter().map(read).collect()
}

/// The user records of what came, without those that the checkpoint covers or that belong to another shard.
pub(crate) fn user_records(
    told: Vec<Told>,
    shard: &str,
    range: HashRange,
    done: &Checkpoint,
) -> Vec<Record> {
    let mut records = Vec::with_capacity(told.len());
    for one in told {
        let Some(sequence_number) = SequenceNumber::parse(one.sequence_number()) else {
            warn!(
                shard,
                number = one.sequence_number(),
                "a record has no sequence number of digits"
            );
            continue;
        };
        let arrived = one
            .approximate_arrival_timestamp
            .and_then(|at| at.try_into().ok());
        let data = Bytes::from(one.data.into_inner());
        let place = |sub_sequence_number| Position {
            sequence_number: sequence_number.clone(),
            sub_sequence_number,
        };
        let Some(users) = unpack(&data, range) else {
            records.push(Record {
                position: place(0),
                partition_key: one.partition_key.unwrap_or_default(),
                explicit_hash_key: None,
                data,
                arrived,
            });
            continue;
        };
        records.extend(users.into_iter().map(|user| Record {
            position: place(user.sub_sequence_number),
            partition_key: user.partition_key,
            explicit_hash_key: user.explicit_hash_key,
            data: user.data,
            arrived,
        }));
    }
    records.retain(|record| !done.covers(&record.position));
    records
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kpl::Packer;
    use aws_sdk_kinesis::primitives::Blob;

    fn told(number: &str, data: Vec<u8>) -> Told {
        let record = Told::builder().sequence_number(number).partition_key("k");
        record.data(Blob::new(data)).build().unwrap()
    }

    #[test]
    fn a_checkpoint_in_the_middle_of_an_aggregated_record_leaves_its_rest() {
        let mut packer = Packer::new();
        for n in 0..4 {
            packer.push("k", Bytes::from(vec![n]));
        }
        let came = vec![
            told("7", vec![9]),
            told("8", packer.finish()),
            told("9", vec![10]),
        ];
        let done = Checkpoint::At(Position {
            sequence_number: SequenceNumber::parse("8").unwrap(),
            sub_sequence_number: 1,
        });
        let left = user_records(came, "shard", HashRange::WHOLE, &done);
        let left: Vec<_> = left
            .iter()
            .map(|r| (r.position.to_string(), r.data[0]))
            .collect();
        let wanted = [("8/2", 2), ("8/3", 3), ("9/0", 10)];
        assert_eq!(left, wanted.map(|(at, data)| (at.to_owned(), data)));
    }

    #[test]
    fn reading_goes_on_at_the_record_of_the_checkpoint() {
        let at = Checkpoint::parse("17", 3).unwrap();
        let from = From::checkpoint(&at, None);
        assert_eq!(from.kind(), ShardIteratorType::AtSequenceNumber);
        assert_eq!(from.number().as_deref(), Some("17"));
        let timeless = From::checkpoint(&Checkpoint::AtTimestamp, None);
        assert_eq!(timeless, From::TrimHorizon, "nothing is skipped");
    }
}
