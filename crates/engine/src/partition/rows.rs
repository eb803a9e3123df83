//! A partition as the rows of a snapshot, and back.

use bytes::Bytes;
use levada_types::{LogId, PartitionId, QueueId};
use prost::Message;

use super::Partition;
use super::queue::{Index, Queue, index};
use super::topics::Kind;
use crate::log::{PART_BLOCKS, PART_HEADER, PART_TAIL, PART_TIMES};
use crate::proto::{QueueConfig, ShardConfig, TableConfig, TopicConfig};
use crate::shard::queue::PART_EXPIRED;
use crate::shard::{PART_SHARD, PART_SHARD_STATE, Shard};
use crate::snapshot::{Reader, RestoreError, Rows, Table, Writer, decode, key_part};
use crate::table::{self, PART_TABLE, PART_TABLE_ROWS};
use crate::topic::{self, Topic};

/// The version of the rows' format.
const FORMAT: u64 = 1;
/// A queue's configuration; its first row.
const PART_CONFIG: u8 = 0x00;

impl Partition {
    /// The whole state as rows in order of key: the same bytes on every replica that has applied
    /// the same entries. Payloads in sealed blocks are not among them, see [`Self::blocks`].
    pub fn snapshot(&self) -> Vec<(Bytes, Bytes)> {
        let mut rows = Rows::default();
        let mut header = Writer::default();
        header.u64(FORMAT);
        header.u64(u64::from(self.id.0));
        header.time(self.at);
        rows.put(Table::Header, &[], header.finish());
        self.remembered.encode(&mut rows);
        self.transfers.encode(&mut rows);
        for (queue, at) in &self.dropped {
            let mut w = Writer::default();
            w.time(*at);
            rows.put(Table::Dropped, &queue.0.to_be_bytes(), w.finish());
        }
        for (id, queue) in &self.queues {
            let mut rows = rows.queue(*id);
            rows.put(PART_CONFIG, 0, queue.config.encode_to_vec());
            queue.log.encode(&mut rows);
            index!(&queue.index, encode(&mut rows));
        }
        for (id, shard) in &self.shards {
            shard.encode(&mut rows.queue(*id));
        }
        self.transactions.encode(&mut rows);
        for (id, table) in &self.tables {
            table.encode(&mut rows.queue(*id));
        }
        for (id, topic) in &self.topics {
            topic.encode(&mut rows.topic(*id));
        }
        if let Some(catalog) = &self.catalog {
            catalog.encode(&mut rows);
        }
        rows.finish()
    }

    /// A partition from the rows of [`Self::snapshot`], in order of key.
    ///
    /// # Errors
    /// When the rows are not a snapshot of partition `id` that this version reads.
    pub fn restore(
        id: PartitionId,
        rows: impl IntoIterator<Item = (Bytes, Bytes)>,
    ) -> Result<Self, RestoreError> {
        let mut partition = Self::new(id);
        let mut rows = rows.into_iter();
        let (key, value) = rows.next().ok_or(RestoreError::Format)?;
        if *key != [Table::Header as u8] {
            return Err(RestoreError::Format);
        }
        partition.load_header(&value)?;
        for (key, value) in rows {
            let (table, key) = key.split_first().ok_or(RestoreError::Row("key"))?;
            partition.load_row(*table, key, &value)?;
        }
        partition.finish_load()?;
        Ok(partition)
    }

    fn load_header(&mut self, value: &[u8]) -> Result<(), RestoreError> {
        let mut r = Reader::new(value, "header");
        if r.u64()? != FORMAT {
            return Err(RestoreError::Format);
        }
        let id = r.u32()?;
        if id != self.id.0 {
            return Err(RestoreError::OtherPartition(id));
        }
        self.at = r.time()?;
        Ok(())
    }

    fn load_row(&mut self, table: u8, key: &[u8], value: &Bytes) -> Result<(), RestoreError> {
        const TABLES: [Table; 10] = [
            Table::Lane,
            Table::Answer,
            Table::Dropped,
            Table::Outbox,
            Table::OutboxItem,
            Table::Inbox,
            Table::Transaction,
            Table::Queue,
            Table::Topic,
            Table::Catalog,
        ];
        let table = TABLES
            .into_iter()
            .find(|t| *t as u8 == table)
            .ok_or(RestoreError::Format)?;
        match table {
            Table::Header => Err(RestoreError::Format),
            Table::Lane | Table::Answer => self.remembered.load(table, key, value),
            Table::Dropped => {
                let id = QueueId(u64::from_be_bytes(key_part(key, 0, "dropped queue")?));
                let at = Reader::new(value, "dropped queue").time()?;
                self.dropped.insert(id, at);
                self.dropped_order.insert((at, id));
                Ok(())
            }
            Table::Outbox | Table::OutboxItem | Table::Inbox => {
                self.transfers.load(table, key, value)
            }
            Table::Transaction => self.transactions.load(key, value),
            Table::Queue => self.load_queue_row(key, value),
            Table::Topic => self.load_topic_row(key, value),
            Table::Catalog => match &mut self.catalog {
                Some(catalog) => catalog.load(key, value),
                None => Err(RestoreError::Row("catalog")),
            },
        }
    }

    fn load_queue_row(&mut self, key: &[u8], value: &Bytes) -> Result<(), RestoreError> {
        let id = QueueId(u64::from_be_bytes(key_part(key, 0, "queue")?));
        let [part] = key_part(key, 8, "queue")?;
        let suffix = u64::from_be_bytes(key_part(key, 9, "queue")?);
        if part == PART_CONFIG {
            let config: QueueConfig = decode(value, "queue")?;
            if config.queue != id.0 {
                return Err(RestoreError::Row("queue"));
            }
            self.queues.insert(id, Queue::new(config));
            return Ok(());
        }
        if part == PART_SHARD {
            let config: ShardConfig = decode(value, "shard")?;
            if config.log != id.0 || self.queues.contains_key(&id) {
                return Err(RestoreError::Row("shard"));
            }
            self.shards.insert(id, Shard::new(config));
            return Ok(());
        }
        if part == PART_TABLE {
            let config: TableConfig = decode(value, "table")?;
            let is_other = self.queues.contains_key(&id) || self.shards.contains_key(&id);
            if config.table != id.0 || is_other {
                return Err(RestoreError::Row("table"));
            }
            self.tables.insert(id, table::Table::new(config));
            return Ok(());
        }
        if let Some(table) = self.tables.get_mut(&id) {
            return match part {
                PART_TABLE_ROWS => table.load(value),
                _ => Err(RestoreError::Row("table")),
            };
        }
        if let Some(shard) = self.shards.get_mut(&id) {
            return match part {
                PART_SHARD_STATE => shard.load_state(value),
                PART_EXPIRED.. => shard.load_queues(part, value),
                _ => shard.log.load(part, suffix, value),
            };
        }
        let queue = self.queues.get_mut(&id).ok_or(RestoreError::Row("queue"))?;
        match part {
            PART_HEADER | PART_BLOCKS | PART_TIMES | PART_TAIL => {
                queue.log.load(part, suffix, value)
            }
            _ => index!(&mut queue.index, load(part, value)),
        }
    }

    fn load_topic_row(&mut self, key: &[u8], value: &Bytes) -> Result<(), RestoreError> {
        let id = QueueId(u64::from_be_bytes(key_part(key, 0, "topic")?));
        let [part] = key_part(key, 8, "topic")?;
        let suffix = u64::from_be_bytes(key_part(key, 9, "topic")?);
        if part == topic::PART_CONFIG {
            let config: TopicConfig = decode(value, "topic")?;
            if config.topic != id.0 || self.is_another_kind(id, Kind::Topic) {
                return Err(RestoreError::Row("topic"));
            }
            self.topics.insert(id, Topic::new(config));
            return Ok(());
        }
        let topic = self.topics.get_mut(&id).ok_or(RestoreError::Row("topic"))?;
        topic.load(part, suffix, value)
    }

    /// Rebuilds what is derived from the rows.
    fn finish_load(&mut self) -> Result<(), RestoreError> {
        for (from, position) in self.transfers.sources() {
            let log = match self.queues.get_mut(&from) {
                Some(queue) => &mut queue.log,
                None => {
                    let topic = self.topics.get_mut(&from);
                    &mut topic.ok_or(RestoreError::Row("transfer"))?.log
                }
            };
            log.hold(position);
        }
        let ids: Vec<LogId> = self.topics.keys().copied().collect();
        for id in ids {
            if let Some(topic) = self.topics.get_mut(&id) {
                topic.finish_load()?;
            }
            self.reschedule(id);
        }
        let ids: Vec<QueueId> = self.queues.keys().copied().collect();
        for id in ids {
            if let Some(queue) = self.queues.get_mut(&id) {
                queue.log.finish_load()?;
            }
            self.reschedule(id);
        }
        let ids: Vec<LogId> = self.shards.keys().copied().collect();
        for id in ids {
            if let Some(shard) = self.shards.get_mut(&id) {
                shard.log.finish_load()?;
            }
            self.note_queues(id);
            self.reschedule(id);
        }
        Ok(())
    }
}
