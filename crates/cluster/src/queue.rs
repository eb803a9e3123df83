//! A queue as the router and the gateway see it: the catalog's row with its settings parsed once.

use std::collections::BTreeMap;

use levada_engine::partition_of_group;
use levada_engine::proto::{QueueRow, Record};
use levada_types::{AccountId, PartitionId, QueueId, QueueName, Receipt, Region, Timestamp};

/// One version of one queue; replaced as a whole when the catalog changes.
#[derive(Clone, Debug)]
pub struct Queue {
    /// Its number, never reused.
    pub id: QueueId,
    /// Rises with each change of its attributes.
    pub version: u64,
    /// The account that owns it.
    pub account: AccountId,
    /// The region it was made in.
    pub region: Region,
    /// Its name.
    pub name: QueueName,
    /// Attributes as they were set, verbatim; defaults are not filled in.
    pub attributes: BTreeMap<String, String>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// The partitions that hold its parts.
    pub partitions: Vec<PartitionId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its attributes last changed.
    pub modified_at: Timestamp,
    /// The attributes that a request needs, parsed.
    pub settings: QueueSettings,
    /// Of which subscription it is the delivery queue, which no user sees.
    pub subscription: Option<u64>,
}

/// The attributes that a request needs, with AWS's defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueSettings {
    /// First in, first out.
    pub fifo: bool,
    /// FIFO: the SHA-256 of the body is the deduplication id when none is given.
    pub content_based_deduplication: bool,
    /// FIFO: deduplication ids are told apart by group.
    pub deduplicate_by_group: bool,
    /// Bytes of a message's body and attributes.
    pub message_size_max_bytes: u32,
    /// Wait of a receive that names none.
    pub wait_time_secs: u32,
    /// Visibility timeout of a receive that names none.
    pub visibility_timeout_secs: u32,
    /// Delay of a message that names none.
    pub delay_secs: u32,
}

impl Queue {
    /// From the catalog's row; `None` if the row's names are not valid, which its author prevents.
    pub fn from_row(row: &QueueRow) -> Option<Self> {
        Some(Self {
            id: QueueId(row.queue),
            version: row.version,
            account: row.account.parse().ok()?,
            region: row.region.parse().ok()?,
            name: row.name.parse().ok()?,
            attributes: row.attributes.clone(),
            tags: row.tags.clone(),
            partitions: row.partitions.iter().copied().map(PartitionId).collect(),
            created_at: Timestamp::from_millis(row.created_at),
            modified_at: Timestamp::from_millis(row.modified_at),
            settings: QueueSettings::of(&row.attributes),
            subscription: Some(row.subscription).filter(|number| *number != 0),
        })
    }
}

/// A queue as a receive sees it: its number, and the partitions that may have something.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    pub(crate) id: QueueId,
    pub(crate) version: u64,
    pub(crate) partitions: Vec<PartitionId>,
}

impl Queue {
    pub(crate) fn parts(&self) -> Parts {
        Parts {
            id: self.id,
            version: self.version,
            partitions: self.partitions.clone(),
        }
    }

    /// The part for a message that may go to any: a FIFO queue's parts hold whole groups, a standard
    /// queue's take turns.
    pub fn partition_for(&self, group: &str, turn: u64) -> Option<PartitionId> {
        if self.settings.fifo {
            let parts: Vec<u32> = self.partitions.iter().map(|p| p.0).collect();
            return partition_of_group(group, &parts);
        }
        let turn = usize::try_from(turn % self.partitions.len().max(1) as u64).ok()?;
        self.partitions.get(turn).copied()
    }
}

impl QueueSettings {
    fn of(attributes: &BTreeMap<String, String>) -> Self {
        use levada_types::limits as l;
        let number = |name: &str, default: u32| {
            attributes
                .get(name)
                .and_then(|v| v.parse().ok())
                .unwrap_or(default)
        };
        let flag = |name: &str| {
            attributes
                .get(name)
                .is_some_and(|v| v.eq_ignore_ascii_case("true"))
        };
        Self {
            fifo: flag("FifoQueue"),
            content_based_deduplication: flag("ContentBasedDeduplication"),
            deduplicate_by_group: attributes
                .get("DeduplicationScope")
                .is_some_and(|v| v == "messageGroup"),
            message_size_max_bytes: number("MaximumMessageSize", l::MESSAGE_BYTES_MAX as u32),
            wait_time_secs: number("ReceiveMessageWaitTimeSeconds", 0),
            visibility_timeout_secs: number(
                "VisibilityTimeout",
                l::VISIBILITY_TIMEOUT_SECS_DEFAULT,
            ),
            delay_secs: number("DelaySeconds", 0),
        }
    }
}

/// What a receive asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiveOptions {
    /// 1 to 10.
    pub messages_max: u32,
    /// Instead of the queue's visibility timeout, in milliseconds.
    pub visibility_timeout_ms: Option<u64>,
    /// FIFO: 16 bytes of a receive attempt id's hash.
    pub attempt: Option<[u8; 16]>,
    /// For how long to wait for a first message, in milliseconds.
    pub wait_ms: u64,
}

/// What a receive got.
#[derive(Clone, Debug, Default)]
pub struct Received {
    /// The messages, each claimed for the caller.
    pub messages: Vec<ReceivedMessage>,
    /// Nothing, because too many messages of a standard queue are in flight.
    pub over_limit: bool,
}

/// One claimed message.
#[derive(Clone, Debug)]
pub struct ReceivedMessage {
    /// What the receipt handle stands for.
    pub receipt: Receipt,
    /// How often it was received, this time and those before it became a dead letter included.
    pub receive_count: u32,
    /// When it was first received.
    pub first_received_at: Timestamp,
    /// The stored message.
    pub record: Record,
}

/// How many messages a queue holds, over all its parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueCounts {
    /// Can be received.
    pub ready: u64,
    /// Claimed.
    pub in_flight: u64,
    /// Not yet to be seen.
    pub delayed: u64,
}
