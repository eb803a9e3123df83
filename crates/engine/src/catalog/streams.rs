//! The catalog's commands on streams: a row is replaced as a whole, on the version that its author read. Numbers and
//! times are given here.
//!
//! Invariants: a name leads to at most one stream; a shard's log has a number that no other log has or had; a child is
//! opened a second later than its parents at least, so that its sequence numbers are greater.

use std::collections::BTreeMap;

use levada_types::{LogId, QueueId, Timestamp};

use super::{Catalog, Name, after_name};
use crate::effects::Effects;
use crate::proto::{self, CatalogRefusal as Refusal, StreamQueueRow, StreamRow};

/// Streams, by number and by name, and their shards by log.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Streams {
    pub(super) rows: BTreeMap<u64, StreamRow>,
    by_name: BTreeMap<Name, u64>,
    /// The stream of each shard's log.
    logs: BTreeMap<u64, u64>,
    /// The stream of each queue on one, by the queue's number.
    queues: BTreeMap<u64, u64>,
    queues_by_name: BTreeMap<Name, u64>,
}

impl Streams {
    /// Takes a row in the place of the one before it, if there was one.
    pub(super) fn insert(&mut self, row: StreamRow) {
        self.remove(row.stream);
        let name = Name::new(&row.account, &row.region, &row.name);
        self.by_name.insert(name, row.stream);
        let logs = row.shards.iter().map(|shard| (shard.log, row.stream));
        self.logs.extend(logs);
        for queue in &row.queues {
            self.queues.insert(queue.queue, row.stream);
            let name = Name::new(&row.account, &row.region, &queue.name);
            self.queues_by_name.insert(name, queue.queue);
        }
        self.rows.insert(row.stream, row);
    }

    fn remove(&mut self, stream: u64) -> Option<StreamRow> {
        let row = self.rows.remove(&stream)?;
        self.by_name
            .remove(&Name::new(&row.account, &row.region, &row.name));
        for shard in &row.shards {
            self.logs.remove(&shard.log);
        }
        for queue in &row.queues {
            self.queues.remove(&queue.queue);
            self.queues_by_name
                .remove(&Name::new(&row.account, &row.region, &queue.name));
        }
        Some(row)
    }
}

/// Reads, for the gateway and the cluster.
impl Catalog {
    /// A stream, by its number.
    pub fn stream(&self, stream: u64) -> Option<&StreamRow> {
        self.streams.rows.get(&stream)
    }

    /// The stream that has this name now.
    pub fn stream_by_name(&self, account: &str, region: &str, name: &str) -> Option<&StreamRow> {
        let id = self
            .streams
            .by_name
            .get(&Name::new(account, region, name))?;
        self.stream(*id)
    }

    /// The stream of a shard's log, and the shard.
    pub fn shard_of(&self, log: LogId) -> Option<(&StreamRow, &proto::ShardRow)> {
        let row = self.stream(*self.streams.logs.get(&log.0)?)?;
        let shard = row.shards.iter().find(|shard| shard.log == log.0)?;
        Some((row, shard))
    }

    /// The stream of a queue, and the queue; by its number, or that of its dead letters.
    pub fn stream_queue(&self, queue: u64) -> Option<(&StreamRow, &StreamQueueRow)> {
        let numbers = [Some(queue), queue.checked_sub(1)];
        numbers.into_iter().flatten().find_map(|number| {
            let row = self.stream(*self.streams.queues.get(&number)?)?;
            let queue = row.queues.iter().find(|queue| queue.queue == number)?;
            Some((row, queue))
        })
    }

    /// Up to `max` queues on streams of an account in a region, in order of name, from the first one behind `after`,
    /// on the streams that are `wanted`.
    pub fn stream_queues_after(
        &self,
        account: &str,
        region: &str,
        after: Option<&str>,
        max: usize,
        wanted: impl Fn(&StreamRow) -> bool,
    ) -> Vec<(&StreamRow, &StreamQueueRow)> {
        let names = &self.streams.queues_by_name;
        after_name(names, account, region, after)
            .filter_map(|number| self.stream_queue(number))
            .filter(|(stream, _)| wanted(stream))
            .take(max)
            .collect()
    }

    /// Every stream, by number.
    pub fn streams(&self) -> impl Iterator<Item = &StreamRow> {
        self.streams.rows.values()
    }

    /// Up to `max` streams of an account in a region, in order of name, from the first one behind `after`.
    pub fn streams_after(
        &self,
        account: &str,
        region: &str,
        after: Option<&str>,
        max: usize,
    ) -> Vec<&StreamRow> {
        after_name(&self.streams.by_name, account, region, after)
            .filter_map(|id| self.stream(id))
            .take(max)
            .collect()
    }
}

impl Catalog {
    /// A new stream, or a new version of one.
    pub(super) fn set_stream(
        &mut self,
        at: Timestamp,
        command: proto::SetStream,
        effects: &mut Effects,
    ) -> Result<StreamRow, Refusal> {
        let mut row = command.row.ok_or(Refusal::Unspecified)?;
        if command.if_version == 0 {
            self.begin_stream(at, &mut row)?;
        } else {
            let old = self.stream(row.stream).ok_or(Refusal::NoSuchStream)?;
            if old.version != command.if_version {
                return Err(Refusal::Changed);
            }
            row.account.clone_from(&old.account);
            row.region.clone_from(&old.region);
            row.name.clone_from(&old.name);
            row.created_at = old.created_at;
            row.version = old.version + 1;
            row.shards_version = old.shards_version;
        }
        self.must_have_free_names(&row)?;
        self.number(at, &mut row);
        if self
            .stream(row.stream)
            .is_none_or(|old| reconfigures(old, &row))
        {
            row.shards_version += 1;
            self.note_logs(row.stream, effects);
            let logs = row.shards.iter().map(|shard| QueueId(shard.log));
            effects.catalog_queues.extend(logs);
        }
        effects.catalog_queues.push(QueueId(row.stream));
        self.note_queues(row.stream, effects);
        self.count_shards(row.stream, false);
        self.streams.insert(row.clone());
        self.count_shards(row.stream, true);
        Ok(row)
    }

    fn begin_stream(&mut self, at: Timestamp, row: &mut StreamRow) -> Result<(), Refusal> {
        Name::check([&row.account, &row.region, &row.name])?;
        if self
            .stream_by_name(&row.account, &row.region, &row.name)
            .is_some()
        {
            return Err(Refusal::StreamExists);
        }
        row.stream = self.next_queue;
        self.next_queue += 1;
        row.version = 1;
        row.shards_version = 0;
        row.created_at = at.as_millis();
        Ok(())
    }

    /// Names of queues are those of one account and region, whatever stream they are on.
    fn must_have_free_names(&self, row: &StreamRow) -> Result<(), Refusal> {
        for queue in row.queues.iter().filter(|queue| queue.queue == 0) {
            let name = Name::new(&row.account, &row.region, &queue.name);
            if queue.name.contains('/')
                || row.queues.iter().filter(|q| q.name == queue.name).count() > 1
            {
                return Err(Refusal::Unspecified); // no gateway lets such a name pass
            }
            if self.streams.queues_by_name.contains_key(&name) {
                return Err(Refusal::StreamQueueExists);
            }
        }
        Ok(())
    }

    /// Gives numbers and times to what has none.
    fn number(&mut self, at: Timestamp, row: &mut StreamRow) {
        let opened: BTreeMap<u32, u64> = row
            .shards
            .iter()
            .map(|shard| (shard.number, shard.opened_at))
            .collect();
        for shard in &mut row.shards {
            if shard.log == 0 {
                shard.log = self.next_queue;
                self.next_queue += 1;
            }
            if shard.opened_at == 0 && !shard.pending {
                let parents = [shard.parent, shard.adjacent_parent];
                let parents = parents.iter().flatten().filter_map(|p| opened.get(p));
                let after = parents
                    .max()
                    .map_or(0, |opened| opened.saturating_add(1_000));
                shard.opened_at = at.as_millis().max(after);
            }
            if shard.end != 0 && shard.closed_at == 0 {
                shard.closed_at = at.as_millis();
            }
            row.next_shard = row.next_shard.max(shard.number.saturating_add(1));
        }
        for queue in &mut row.queues {
            if queue.queue == 0 {
                queue.queue = self.next_queue;
                queue.created_at = at.as_millis();
                // Its dead letters have the one after it.
                self.next_queue += 2;
            }
        }
        for consumer in &mut row.consumers {
            if consumer.created_at == 0 {
                consumer.created_at = at.as_millis();
            }
        }
    }

    /// Removes a stream; what its shards hold is the partitions' to drop.
    pub(super) fn drop_stream(
        &mut self,
        stream: u64,
        effects: &mut Effects,
    ) -> Result<(), Refusal> {
        self.note_logs(stream, effects);
        self.note_queues(stream, effects);
        self.count_shards(stream, false);
        self.streams.remove(stream).ok_or(Refusal::NoSuchStream)?;
        effects.catalog_queues.push(QueueId(stream));
        Ok(())
    }

    fn note_logs(&self, stream: u64, effects: &mut Effects) {
        let shards = self.stream(stream).into_iter().flat_map(|row| &row.shards);
        effects
            .catalog_queues
            .extend(shards.map(|shard| QueueId(shard.log)));
    }

    /// Who waits at a queue looks whether it is still there.
    fn note_queues(&self, stream: u64, effects: &mut Effects) {
        let queues = self.stream(stream).into_iter().flat_map(|row| &row.queues);
        let numbers = queues.flat_map(|queue| [queue.queue, queue.queue.saturating_add(1)]);
        effects.catalog_queues.extend(numbers.map(QueueId));
    }

    /// Counts a stream's shards among the parts of their partitions, or no more.
    pub(super) fn count_shards(&mut self, stream: u64, are_there: bool) {
        let shards = self.streams.rows.get(&stream).map(|row| &row.shards);
        let partitions: Vec<u32> = shards
            .into_iter()
            .flatten()
            .map(|shard| shard.partition)
            .collect();
        self.count_in(&partitions, are_there);
    }
}

/// Whether the shards of the new row have other configurations than those of the old one.
fn reconfigures(old: &StreamRow, new: &StreamRow) -> bool {
    let shard = |shard: &proto::ShardRow| (shard.log, shard.pending, shard.end != 0);
    let queue = |queue: &StreamQueueRow| {
        let is_read = queue.started_at != 0 && queue.status() != proto::StreamStatus::Deleting;
        let settings = (queue.visibility_timeout_ms, queue.receive_count_max);
        (queue.queue, is_read, settings)
    };
    let (read_before, read_now) = (old.queues.iter().map(queue), new.queues.iter().map(queue));
    (old.retention_hours, old.limited) != (new.retention_hours, new.limited)
        || !read_before
            .filter(|queue| queue.1)
            .eq(read_now.filter(|queue| queue.1))
        || !old
            .shards
            .iter()
            .map(shard)
            .eq(new.shards.iter().map(shard))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shard_config_of;

    fn t(ms: u64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn shard(number: u32) -> proto::ShardRow {
        proto::ShardRow {
            number,
            partition: 1,
            ..proto::ShardRow::default()
        }
    }

    fn set(
        catalog: &mut Catalog,
        at_ms: u64,
        row: StreamRow,
        if_version: u64,
    ) -> Result<StreamRow, Refusal> {
        let command = proto::SetStream {
            row: Some(row),
            if_version,
        };
        catalog.set_stream(t(at_ms), command, &mut Effects::default())
    }

    fn orders(catalog: &mut Catalog) -> StreamRow {
        let row = StreamRow {
            account: "000000000000".into(),
            region: "eu-west-3".into(),
            name: "orders".into(),
            retention_hours: 24,
            shards: vec![shard(0), shard(1)],
            ..StreamRow::default()
        };
        set(catalog, 5_000, row, 0).unwrap()
    }

    #[test]
    fn a_stream_gets_numbers_and_its_name_is_taken() {
        let mut catalog = Catalog::default();
        let row = orders(&mut catalog);
        assert_eq!((row.stream, row.version, row.shards_version), (1, 1, 1));
        assert_eq!((row.created_at, row.next_shard), (5_000, 2));
        let logs: Vec<_> = row.shards.iter().map(|s| (s.log, s.opened_at)).collect();
        assert_eq!(logs, [(2, 5_000), (3, 5_000)]);
        assert_eq!(catalog.parts_in(levada_types::PartitionId(1)), 2);
        let (stream, found) = catalog.shard_of(QueueId(3)).unwrap();
        assert_eq!((stream.stream, found.number), (1, 1));
        let again = StreamRow {
            account: row.account.clone(),
            region: row.region.clone(),
            name: row.name.clone(),
            ..StreamRow::default()
        };
        assert_eq!(
            set(&mut catalog, 6_000, again, 0),
            Err(Refusal::StreamExists)
        );
        assert_eq!(catalog.next_queue_id(), QueueId(4));
        catalog.drop_stream(1, &mut Effects::default()).unwrap();
        assert_eq!(catalog.parts_in(levada_types::PartitionId(1)), 0);
        assert!(catalog.shard_of(QueueId(3)).is_none());
        assert_eq!(orders(&mut catalog).stream, 4, "numbers are never reused");
    }

    #[test]
    fn of_two_authors_one_is_told_to_look_again() {
        let mut catalog = Catalog::default();
        let row = orders(&mut catalog);
        let tagged = StreamRow {
            tags: [("a".into(), "b".into())].into(),
            ..row.clone()
        };
        let set_once = set(&mut catalog, 6_000, tagged, row.version).unwrap();
        assert_eq!(
            (set_once.version, set_once.shards_version),
            (2, 1),
            "no shard is concerned"
        );
        assert_eq!(
            set(&mut catalog, 7_000, row.clone(), row.version),
            Err(Refusal::Changed)
        );
        let gone = StreamRow { stream: 99, ..row };
        assert_eq!(
            set(&mut catalog, 7_000, gone, 1),
            Err(Refusal::NoSuchStream)
        );
    }

    #[test]
    fn a_parent_is_closed_before_its_children_are_opened() {
        let mut catalog = Catalog::default();
        let mut row = orders(&mut catalog);
        let child = |number| proto::ShardRow {
            parent: Some(0),
            pending: true,
            ..shard(number)
        };
        row.shards.extend([child(2), child(3)]);
        let mut row = set(&mut catalog, 5_100, row, 1).unwrap();
        let closed: Vec<_> = row
            .shards
            .iter()
            .map(|s| shard_config_of(&row, s).closed)
            .collect();
        assert_eq!(closed, [true, false, false, false]);
        assert_eq!(row.shards[2].opened_at, 0);
        row.shards[0].end = 17;
        row.shards[2].pending = false;
        row.shards[3].pending = false;
        let row = set(&mut catalog, 5_200, row, 2).unwrap();
        assert_eq!(row.shards[0].closed_at, 5_200);
        assert_eq!(row.shards[2].opened_at, 6_000, "a second after its parent");
        assert_eq!(row.shards_version, 3);
    }

    fn queue(name: &str) -> StreamQueueRow {
        StreamQueueRow {
            name: name.into(),
            visibility_timeout_ms: 30_000,
            ..StreamQueueRow::default()
        }
    }

    #[test]
    fn a_queue_gets_a_number_for_itself_and_one_for_its_dead_letters() {
        let mut catalog = Catalog::default();
        let mut row = orders(&mut catalog);
        row.queues.extend([queue("a"), queue("b")]);
        let row = set(&mut catalog, 6_000, row, 1).unwrap();
        let made: Vec<_> = row.queues.iter().map(|q| (q.queue, q.created_at)).collect();
        assert_eq!(made, [(4, 6_000), (6, 6_000)]);
        assert_eq!(catalog.next_queue_id(), QueueId(8));
        for number in [6, 7] {
            let (stream, found) = catalog.stream_queue(number).unwrap();
            assert_eq!((stream.stream, found.queue), (row.stream, 6));
        }
        assert!(catalog.stream_queue(8).is_none());
        let names = |after| -> Vec<&str> {
            let found =
                catalog.stream_queues_after("000000000000", "eu-west-3", after, 9, |_| true);
            found.iter().map(|(_, queue)| queue.name.as_str()).collect()
        };
        assert_eq!((names(None), names(Some("a"))), (vec!["a", "b"], vec!["b"]));
        // Another stream of the account cannot have one of that name.
        let other = StreamRow {
            name: "other".into(),
            queues: vec![queue("b")],
            stream: 0,
            ..row.clone()
        };
        let taken = set(&mut catalog, 7_000, other, 0);
        assert_eq!(taken, Err(Refusal::StreamQueueExists));
        catalog
            .drop_stream(row.stream, &mut Effects::default())
            .unwrap();
        assert!(catalog.stream_queue(6).is_none());
    }

    #[test]
    fn shards_are_told_of_queues_that_have_begun() {
        let mut catalog = Catalog::default();
        let mut row = orders(&mut catalog);
        row.queues.push(queue("a"));
        let mut row = set(&mut catalog, 6_000, row, 1).unwrap();
        assert_eq!(row.shards_version, 1, "where it begins is not known yet");
        assert!(shard_config_of(&row, &row.shards[0]).queues.is_empty());
        row.queues[0].started_at = 6_100;
        row.queues[0].starts = [(0, 17)].into();
        let mut row = set(&mut catalog, 6_200, row, 2).unwrap();
        assert_eq!(row.shards_version, 2);
        let from =
            |row: &StreamRow, shard: &proto::ShardRow| shard_config_of(row, shard).queues[0].from;
        assert_eq!(from(&row, &row.shards[0]), 17);
        let later = shard(9);
        assert_eq!(from(&row, &later), 0, "a child begins at its first record");
        row.queues[0].set_status(proto::StreamStatus::Active);
        row.queues[0].tags = [("a".into(), "b".into())].into();
        let mut row = set(&mut catalog, 6_300, row, 3).unwrap();
        assert_eq!(row.shards_version, 2, "no shard is concerned");
        row.queues[0].receive_count_max = 3;
        let mut row = set(&mut catalog, 6_400, row, 4).unwrap();
        assert_eq!(row.shards_version, 3);
        row.queues[0].set_status(proto::StreamStatus::Deleting);
        let row = set(&mut catalog, 6_500, row, 5).unwrap();
        assert_eq!(row.shards_version, 4);
        assert!(shard_config_of(&row, &row.shards[0]).queues.is_empty());
    }

    #[test]
    fn streams_are_listed_by_name_within_their_account() {
        let mut catalog = Catalog::default();
        for (account, name) in [("1", "b"), ("1", "a"), ("12", "c"), ("1", "c")] {
            let row = StreamRow {
                account: account.into(),
                region: "r".into(),
                name: name.into(),
                ..StreamRow::default()
            };
            set(&mut catalog, 0, row, 0).unwrap();
        }
        let names = |after, max| -> Vec<&str> {
            let found = catalog.streams_after("1", "r", after, max);
            found.iter().map(|row| row.name.as_str()).collect()
        };
        assert_eq!(names(None, 10), ["a", "b", "c"]);
        assert_eq!(names(Some("a"), 1), ["b"]);
        assert!(names(Some("c"), 10).is_empty());
    }
}
