//! Commands on shards.

use levada_engine::LogSlice;
use levada_engine::proto::{self, command};
use levada_types::{QueueId, Timestamp};
use prost::Message as _;

use super::times::{parse_ms, show_ms};
use super::{Script, Words};

impl Script {
    pub(super) fn shard(&mut self, log: u64, words: &Words<'_>) -> command::Kind {
        self.versions += 1;
        let limits = words.named.get("limits").and_then(|l| l.split_once(','));
        let number = |text: &str| text.parse::<u64>().expect("a limit");
        let config = proto::ShardConfig {
            log,
            version: words.number("version").unwrap_or(self.versions),
            retention_ms: words.ms("retention").unwrap_or(86_400_000),
            closed: words.has("closed"),
            records_per_s: limits.map_or(0, |(records, _)| number(records)),
            bytes_per_s: limits.map_or(0, |(_, bytes)| number(bytes)),
            queues: words
                .named
                .get("queues")
                .map_or_else(Vec::new, |q| queues(q)),
        };
        command::Kind::ConfigureShard(proto::ConfigureShard {
            config: Some(config),
        })
    }

    pub(super) fn read_shard(&mut self, p: u32, log: u64, words: &Words<'_>) -> Vec<String> {
        let from = words.plain[3].parse().expect("a position");
        let slice = self
            .node(p)
            .partition
            .shard_slice(QueueId(log), from, 10, 1 << 20);
        match slice {
            None => vec!["no such shard".into()],
            Some(LogSlice::Block(block)) => vec![format!("in block {}", block.first)],
            Some(LogSlice::Tail(records)) => records.into_iter().map(show_record).collect(),
        }
    }

    pub(super) fn since(&mut self, p: u32, log: u64, words: &Words<'_>) -> String {
        let at = Timestamp::from_millis(parse_ms(words.plain[3]));
        match self.node(p).partition.shard_since(QueueId(log), at) {
            None => "no such shard".into(),
            Some((first, last)) => format!("from {first} to {last}"),
        }
    }

    pub(super) fn ends(&mut self, p: u32, log: u64) -> String {
        let partition = &self.node(p).partition;
        match partition.readable(QueueId(log)) {
            None => "no such shard".into(),
            Some(view) => {
                let closed = if view.closed { ", closed" } else { "" };
                // Of all shards here: no script has queues on two of them.
                let expired: String = partition
                    .expired_in_stream_queues()
                    .filter(|(_, count)| *count > 0)
                    .map(|(queue, count)| format!(", {count} expired in {queue}"))
                    .collect();
                format!(
                    "horizon {}, next {}{closed}{expired}",
                    view.horizon, view.next
                )
            }
        }
    }
}

fn queues(text: &str) -> Vec<proto::ShardQueueConfig> {
    let queue = |text: &str| {
        let fields: Vec<&str> = text.split(':').collect();
        let number = |text: &str| text.parse::<u64>().expect("a number");
        proto::ShardQueueConfig {
            queue: number(fields[0]),
            from: number(fields[1]),
            visibility_timeout_ms: parse_ms(fields[2]),
            receive_count_max: number(fields[3]) as u32,
        }
    };
    text.split(',').map(queue).collect()
}

pub(super) fn show_claimed(claimed: &proto::Claimed, record: &proto::Record) -> String {
    let mut line = format!(
        "{}/{}#{} {}={}, arrived {}",
        claimed.log,
        claimed.position,
        claimed.generation,
        record.group,
        String::from_utf8_lossy(&record.payload),
        show_ms(record.sent_at)
    );
    if claimed.generation > 1 {
        line += &format!(
            ", received {} times, first {}",
            claimed.receive_count,
            show_ms(claimed.first_received_at)
        );
    }
    line
}

pub(super) fn putting(log: u64, words: &Words<'_>) -> command::Kind {
    let records = words.named.iter().map(|(key, data)| proto::NewRecord {
        partition_key: (*key).into(),
        data: data.to_string().into(),
    });
    command::Kind::PutRecords(proto::PutRecords {
        log,
        records: records.collect(),
    })
}

pub(super) fn show_put(put: &proto::PutRecordsOutcome) -> String {
    if put.closed {
        return "closed".into();
    }
    let positions = put.positions.iter().map(|position| match position {
        0 => "over the limits".into(),
        position => position.to_string(),
    });
    positions.collect::<Vec<_>>().join(", ")
}

fn show_record(encoded: bytes::Bytes) -> String {
    let record = proto::Record::decode(encoded).expect("a record");
    format!(
        "{} {}={}, arrived {}",
        record.position,
        record.group,
        String::from_utf8_lossy(&record.payload),
        show_ms(record.sent_at)
    )
}
