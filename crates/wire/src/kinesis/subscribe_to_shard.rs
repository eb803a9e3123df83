//! `SubscribeToShard`: the request, and the frames of its answer, which goes on for 5 minutes.
//!
//! The answer is 200 with the content type of [`event_stream`]. Its first frame must be
//! [`initial_response`]; then events follow, and an exception ends it. An SDK gives up after 10 s without a
//! frame, so that an event without records must go out before.

use bytes::Bytes;

use super::constraint::{CONSUMER_ARN, SEQUENCE_NUMBER, SHARD_ID};
use super::position::PositionMembers;
use super::shape::{input, output};
use super::{
    ChildShard, ConsumerArn, KinesisError, Position, Record, SequenceNumber, Shape,
    ShardIteratorType, Violations, stream_reference,
};
use crate::protocol::event_stream::{self, FrameTooLong};
use crate::protocol::member::EpochTime;
use crate::protocol::{Protocol, ServiceErrorBody, document};

input! {
    /// Has a shard's records sent as they come.
    pub struct SubscribeToShardRequest {
        /// The consumer.
        #[serde(rename = "ConsumerARN")]
        pub consumer_arn: Option<String>,
        /// The shard.
        pub shard_id: Option<String>,
        /// From where.
        pub starting_position: Option<StartingPosition>,
        /// Whether only the call is judged.
        pub dry_run: Option<bool>,
    }
}

input! {
    /// From where a shard is read.
    pub struct StartingPosition {
        /// A [`ShardIteratorType`].
        #[serde(rename = "Type")]
        pub kind: Option<String>,
        /// Of `AT_SEQUENCE_NUMBER` and `AFTER_SEQUENCE_NUMBER`.
        pub sequence_number: Option<String>,
        /// Of `AT_TIMESTAMP`.
        pub timestamp: Option<EpochTime>,
    }
}

impl SubscribeToShardRequest {
    /// The consumer.
    pub fn consumer(&self) -> Result<ConsumerArn, KinesisError> {
        stream_reference::consumer(self.consumer_arn.as_deref().unwrap_or_default())
    }

    /// From where it is read.
    pub fn position(&self) -> Result<Position, KinesisError> {
        let start = self.starting_position.as_ref();
        let members = PositionMembers {
            kind: start.and_then(|start| start.kind.as_deref()),
            number: start.and_then(|start| start.sequence_number.as_deref()),
            time: start.and_then(|start| start.timestamp),
            number_member: "SequenceNumber",
        };
        members.position()
    }
}

impl Shape for SubscribeToShardRequest {
    fn violations(&self, violations: &mut Violations) {
        violations.text("consumerARN", &self.consumer_arn, &CONSUMER_ARN.required());
        violations.text("shardId", &self.shard_id, &SHARD_ID.required());
        violations.required("startingPosition", &self.starting_position);
        if let Some(start) = &self.starting_position {
            violations.required("startingPosition.type", &start.kind);
            violations.one_of::<ShardIteratorType>("startingPosition.type", &start.kind);
            let path = "startingPosition.sequenceNumber";
            violations.text(path, &start.sequence_number, &SEQUENCE_NUMBER);
        }
    }

    fn refusal(&self) -> Result<(), KinesisError> {
        self.consumer()?;
        self.position().map(|_| ())
    }
}

output! {
    /// What came. At the end of a closed shard the continuation is absent *and* there are child shards, as
    /// in [`super::GetRecordsResponse`].
    pub struct SubscribeToShardEvent {
        /// They, in their order; none if the event is sent lest the SDK give up.
        pub records: Vec<Record>,
        /// Where a later subscription goes on, unless the shard ends here.
        pub continuation_sequence_number: Option<SequenceNumber>,
        /// How old the last record is, in milliseconds; 0 if it is the newest.
        pub millis_behind_latest: u64,
        /// Where the records go on after the shard's end.
        pub child_shards: Option<Vec<ChildShard>>,
    }
}

impl SubscribeToShardEvent {
    /// The frame that carries it. Fails if the records are longer than a frame may be.
    pub fn frame(&self, protocol: Protocol) -> Result<Bytes, FrameTooLong> {
        let hint = 512 + self.records.iter().map(Record::size_hint).sum::<usize>();
        let payload = document(self, hint, protocol).map_err(|_| FrameTooLong)?;
        event("SubscribeToShardEvent", &payload, protocol)
    }
}

/// The frame that begins the answer.
pub fn initial_response(protocol: Protocol) -> Result<Bytes, FrameTooLong> {
    let payload = document(&super::Empty {}, 16, protocol).map_err(|_| FrameTooLong)?;
    event("initial-response", &payload, protocol)
}

/// The frame that ends it with an error.
pub fn exception(error: &KinesisError, protocol: Protocol) -> Result<Bytes, FrameTooLong> {
    let body = ServiceErrorBody {
        __type: error.kind.name(),
        message: &error.message,
    };
    let payload = document(&body, 256, protocol).map_err(|_| FrameTooLong)?;
    let headers = [
        (":exception-type", error.kind.name()),
        (":content-type", protocol.content_type()),
        (":message-type", "exception"),
    ];
    event_stream::frame(&headers, &payload)
}

fn event(kind: &str, payload: &[u8], protocol: Protocol) -> Result<Bytes, FrameTooLong> {
    let headers = [
        (":event-type", kind),
        (":content-type", protocol.content_type()),
        (":message-type", "event"),
    ];
    event_stream::frame(&headers, payload)
}
