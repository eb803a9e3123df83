//! From a queue's row in the catalog to what its partitions must know of it.
//!
//! Called by the cluster when it configures a partition. Depends on the row and on the row of its
//! redrive target only, and the row's version rises with both: equal versions mean equal configurations.

use levada_types::limits;

use crate::catalog::{Catalog, attribute, is_fifo, redrive_policy};
use crate::proto;

/// The configuration of a queue whose messages are spread over `parts` partitions.
///
/// Values that are missing or make no sense count as the default. A redrive target that does not exist,
/// or is of the other kind (FIFO and standard do not mix), is no redrive target.
pub fn config_of(row: &proto::QueueRow, catalog: &Catalog, parts: usize) -> proto::QueueConfig {
    let ms = |name, default_secs: u32, secs_max: u32| {
        let secs = attribute(row, name).and_then(|value| value.parse::<u32>().ok());
        u64::from(secs.unwrap_or(default_secs).min(secs_max)) * 1000
    };
    let parts = u64::try_from(parts).unwrap_or(u64::MAX).max(1);
    proto::QueueConfig {
        queue: row.queue,
        version: row.version,
        fifo: is_fifo(row),
        visibility_timeout_ms: ms(
            "VisibilityTimeout",
            limits::VISIBILITY_TIMEOUT_SECS_DEFAULT,
            limits::VISIBILITY_TIMEOUT_SECS_MAX,
        ),
        delay_ms: ms("DelaySeconds", 0, limits::DELAY_SECS_MAX),
        retention_ms: ms(
            "MessageRetentionPeriod",
            limits::MESSAGE_RETENTION_SECS_DEFAULT,
            limits::MESSAGE_RETENTION_SECS_MAX,
        ),
        in_flight_max: limits::IN_FLIGHT_MAX.div_ceil(parts),
        redrive: redrive(row, catalog),
        deduplicate_by_group: attribute(row, "DeduplicationScope") == Some("messageGroup"),
    }
}

/// The numbers of the shards in whose place children are to come; of two children of one it is here twice.
pub fn replaced_shards(stream: &proto::StreamRow) -> impl Iterator<Item = u32> + '_ {
    let children = stream.shards.iter().filter(|child| child.pending);
    children
        .flat_map(|child| [child.parent, child.adjacent_parent])
        .flatten()
}

/// The configuration of a shard: closed as soon as one that is to come after it is written down, so that no record of
/// a key follows in it what its child has.
pub fn shard_config_of(stream: &proto::StreamRow, shard: &proto::ShardRow) -> proto::ShardConfig {
    let is_replaced = replaced_shards(stream).any(|number| number == shard.number);
    let limit = |limit: u64| if stream.limited { limit } else { 0 };
    proto::ShardConfig {
        log: shard.log,
        version: stream.shards_version,
        retention_ms: u64::from(stream.retention_hours) * 3_600_000,
        closed: shard.end != 0 || is_replaced,
        records_per_s: limit(limits::SHARD_RECORDS_PER_S),
        bytes_per_s: limit(limits::SHARD_BYTES_PER_S),
        queues: queues_on(stream, shard).collect(),
    }
}

/// The configuration of a table.
pub fn table_config_of(row: &proto::TableRow) -> proto::TableConfig {
    let indexes = row.indexes.iter().filter_map(|index| index.config.clone());
    proto::TableConfig {
        table: row.table,
        version: row.config_version,
        key: row.key.clone(),
        indexes: indexes.collect(),
    }
}

/// The configuration of a topic's parts. What is no number of days is no archive.
pub fn topic_config_of(row: &proto::TopicRow) -> proto::TopicConfig {
    const DAY_MS: u64 = 86_400_000;
    let attribute = |name: &str| row.attributes.get(name).map(String::as_str);
    let archive = attribute("ArchivePolicy")
        .and_then(|policy| serde_json::from_str::<serde_json::Value>(policy).ok());
    let days = archive.and_then(|policy| {
        let days = policy.get("MessageRetentionPeriod")?;
        days.as_u64().or_else(|| days.as_str()?.parse().ok())
    });
    let days =
        days.filter(|days| (1..=u64::from(limits::ARCHIVE_RETENTION_DAYS_MAX)).contains(days));
    proto::TopicConfig {
        topic: row.topic,
        version: row.version,
        fifo: row.name.ends_with(".fifo"),
        deduplicate_by_group: attribute("FifoThroughputScope") == Some("MessageGroup"),
        retention_ms: days.unwrap_or(0) * DAY_MS,
    }
}

/// The queues that read a shard: those whose beginning is settled and that are not being deleted.
fn queues_on(
    stream: &proto::StreamRow,
    shard: &proto::ShardRow,
) -> impl Iterator<Item = proto::ShardQueueConfig> {
    let is_read = |queue: &&proto::StreamQueueRow| {
        queue.started_at != 0 && queue.status() != proto::StreamStatus::Deleting
    };
    let queues = stream.queues.iter().filter(is_read);
    queues.map(|queue| proto::ShardQueueConfig {
        queue: queue.queue,
        from: queue.starts.get(&shard.number).copied().unwrap_or(0),
        visibility_timeout_ms: queue.visibility_timeout_ms,
        receive_count_max: queue.receive_count_max,
    })
}

fn redrive(row: &proto::QueueRow, catalog: &Catalog) -> Option<proto::Redrive> {
    let policy = redrive_policy(row)?;
    let target = catalog.queue_by_arn(&policy.target)?;
    (is_fifo(target) == is_fifo(row) && !target.partitions.is_empty()).then(|| proto::Redrive {
        receive_count_max: policy.receive_count_max,
        target_queue: target.queue,
        target_partitions: target.partitions.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Effects;
    use levada_types::{QueueId, Timestamp};

    fn create(catalog: &mut Catalog, name: &str, attributes: &[(&str, &str)]) -> proto::QueueRow {
        let command = proto::CreateQueue {
            account: "000000000000".into(),
            region: "us-east-1".into(),
            name: name.into(),
            attributes: attributes
                .iter()
                .map(|(k, v)| ((*k).into(), (*v).into()))
                .collect(),
            partitions: vec![3, 1],
            ..Default::default()
        };
        let kind = Some(proto::catalog::Kind::CreateQueue(command));
        let at = Timestamp::from_millis(1);
        let outcome = catalog.apply(at, proto::Catalog { kind }, &mut Effects::default());
        match outcome.kind {
            Some(proto::catalog_outcome::Kind::Queue(row)) => row,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn defaults_hold_where_nothing_is_set() {
        let mut catalog = Catalog::default();
        let row = create(&mut catalog, "a", &[("DelaySeconds", "7")]);
        let config = config_of(&row, &catalog, 7);
        assert_eq!(config.visibility_timeout_ms, 30_000);
        assert_eq!(config.delay_ms, 7_000);
        assert_eq!(config.retention_ms, 345_600_000);
        assert_eq!(config.in_flight_max, 17_143);
        assert!(!config.fifo && !config.deduplicate_by_group && config.redrive.is_none());
    }

    #[test]
    fn the_redrive_target_counts_while_it_exists() {
        let arn = "arn:aws:sqs:us-east-1:000000000000:dead";
        let policy = format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":2}}"#);
        let mut catalog = Catalog::default();
        let source = create(&mut catalog, "a", &[("RedrivePolicy", &policy)]);
        assert_eq!(config_of(&source, &catalog, 1).redrive, None);
        let dead = create(&mut catalog, "dead", &[]);
        let now = catalog.queue(QueueId(source.queue)).unwrap();
        assert!(
            now.version > source.version,
            "partitions must hear of the target"
        );
        let redrive = config_of(now, &catalog, 1).redrive.unwrap();
        assert_eq!(
            (redrive.receive_count_max, redrive.target_queue),
            (2, dead.queue)
        );
        assert_eq!(redrive.target_partitions, [3, 1]);
    }
}
