//! The catalog in a snapshot: a letter and an id (or a name) as the key, protobuf as the value.
//!
//! ```text
//! 'd' name                    DeletedName
//! 'h'                         CatalogHead
//! 'm' task    u64 big-endian  MoveTaskRow
//! 'n' node    u64 big-endian  MemberRow
//! 'o' topic   u64 big-endian  TopicRow
//! 'p' partition u32 big-endian PartitionRow
//! 'q' queue   u64 big-endian  QueueRow
//! 's' stream  u64 big-endian  StreamRow
//! 't' table   u64 big-endian  TableRow
//! 'u' first   u64 big-endian  SubscriptionRows, many in a row: a million rows would cost more than what is in them
//! ```
//!
//! Indices are built anew from the rows, which come in order: topics before their subscriptions.

use bytes::Bytes;
use levada_types::Timestamp;
use prost::Message;

use super::{Catalog, Name};
use crate::proto;
use crate::snapshot::{ROW_BYTES, RestoreError, Rows, Table, decode};

impl Catalog {
    /// Writes rows of `Table::Catalog`.
    pub(crate) fn encode(&self, rows: &mut Rows) {
        let mut put = |key: &[u8], value: Vec<u8>| rows.put(Table::Catalog, key, value);
        for (name, deleted_at) in &self.deleted {
            let mut parts = name.0.splitn(3, '/').map(str::to_owned);
            let mut part = || parts.next().unwrap_or_default();
            let (account, region, queue) = (part(), part(), part());
            let deleted_at = deleted_at.as_millis();
            let row = proto::DeletedName {
                account,
                region,
                name: queue,
                deleted_at,
            };
            put(&[b"d", name.0.as_bytes()].concat(), row.encode_to_vec());
        }
        let head = proto::CatalogHead {
            next_queue: self.next_queue,
            next_move_task: self.next_move_task,
            ..self.members.head()
        };
        put(b"h", head.encode_to_vec());
        let key = |letter: &[u8], id: &u64| [letter, &id.to_be_bytes()].concat();
        self.move_tasks
            .iter()
            .for_each(|(id, row)| put(&key(b"m", id), row.encode_to_vec()));
        self.members
            .rows()
            .for_each(|row| put(&key(b"n", &row.node), row.encode_to_vec()));
        self.members.placement().rows().for_each(|row| {
            let key = [b"p".as_slice(), &row.partition.to_be_bytes()].concat();
            put(&key, row.encode_to_vec());
        });
        self.queues
            .iter()
            .for_each(|(id, row)| put(&key(b"q", id), row.encode_to_vec()));
        self.streams
            .rows
            .iter()
            .for_each(|(id, row)| put(&key(b"s", id), row.encode_to_vec()));
        self.tables
            .rows
            .iter()
            .for_each(|(id, row)| put(&key(b"t", id), row.encode_to_vec()));
        self.topics
            .rows
            .iter()
            .for_each(|(id, topic)| put(&key(b"o", id), topic.row.encode_to_vec()));
        let mut some = proto::SubscriptionRows::default();
        let mut bytes = 0;
        for (id, row) in &self.topics.subscriptions {
            let row = row.to_row();
            bytes += row.encoded_len();
            some.rows.push(row);
            if bytes >= ROW_BYTES || Some(id) == self.topics.subscriptions.keys().next_back() {
                let first = some.rows.first().map_or(0, |row| row.subscription);
                put(&key(b"u", &first), some.encode_to_vec());
                some.rows.clear();
                bytes = 0;
            }
        }
    }

    /// Reads one row; `key` is what follows the table's byte.
    pub(crate) fn load(&mut self, key: &[u8], value: &Bytes) -> Result<(), RestoreError> {
        match key.first() {
            Some(b'd') => {
                let row: proto::DeletedName = decode(value, "deleted queue name")?;
                let name = Name::new(&row.account, &row.region, &row.name);
                let at = Timestamp::from_millis(row.deleted_at);
                self.deleted_by_time.insert((at, name.clone()));
                self.deleted.insert(name, at);
            }
            Some(b'h') => {
                let head: proto::CatalogHead = decode(value, "catalog head")?;
                self.next_queue = head.next_queue.max(1);
                self.next_move_task = head.next_move_task.max(1);
                self.members.load_head(head);
            }
            Some(b'm') => {
                let row: proto::MoveTaskRow = decode(value, "move task")?;
                let tasks = self.move_tasks_by_source.entry(row.source).or_default();
                if let Err(place) = tasks.binary_search(&row.task) {
                    tasks.insert(place, row.task);
                }
                self.move_tasks.insert(row.task, row);
            }
            Some(b'n') => {
                let row: proto::MemberRow = decode(value, "member")?;
                self.members.load_row(row);
            }
            Some(b'p') => {
                let row: proto::PartitionRow = decode(value, "partition")?;
                self.members.load_partition(row);
            }
            Some(b'q') => {
                let row: proto::QueueRow = decode(value, "queue")?;
                self.index(&row);
                self.count_parts(&row);
                self.queues.insert(row.queue, row);
            }
            Some(b's') => {
                let row: proto::StreamRow = decode(value, "stream")?;
                let stream = row.stream;
                self.streams.insert(row);
                self.count_shards(stream, true);
            }
            Some(b't') => self.load_table(decode(value, "table")?),
            Some(b'o') => self.load_topic(decode(value, "topic")?),
            Some(b'u') => {
                let some: proto::SubscriptionRows = decode(value, "subscription")?;
                for row in &some.rows {
                    self.load_subscription(row)?;
                }
            }
            _ => return Err(RestoreError::Row("catalog row of an unknown kind")),
        }
        Ok(())
    }
}
