//! A partition as a replica would run it: with a place for its blocks, and a second copy that is
//! restored from a snapshot again and again and must not differ.

use std::collections::BTreeMap;

use bytes::Bytes;
use levada_engine::proto::{self, Record, command, outcome};
use levada_engine::{BlockRef, Effects, Location, Partition, Shipment};
use levada_types::{PartitionId, QueueId, Timestamp};
use prost::Message;

/// Blocks as a disk would hold them.
type Blocks = BTreeMap<BlockRef, BTreeMap<u64, Bytes>>;

/// One partition and what is kept for it outside.
pub(crate) struct Node {
    pub(crate) id: PartitionId,
    pub(crate) partition: Partition,
    /// Applies the same, but lives only from one snapshot to the next.
    shadow: Partition,
    blocks: Blocks,
    pub(crate) effects: Effects,
    sequence: u64,
    last: Option<(proto::Proposal, Vec<outcome::Kind>)>,
}

/// The lane that all proposals come from.
const ORIGIN: u64 = 77;

impl Node {
    pub(crate) fn new(id: u32) -> Self {
        let id = PartitionId(id);
        Self {
            id,
            partition: Partition::new(id),
            shadow: Partition::new(id),
            blocks: BTreeMap::new(),
            effects: Effects::default(),
            sequence: 0,
            last: None,
        }
    }

    /// Applies one command.
    pub(crate) fn one(&mut self, at: Timestamp, kind: command::Kind) -> outcome::Kind {
        self.apply(at, vec![kind]).remove(0)
    }

    /// Applies commands as one proposal, on the partition and on its shadow.
    pub(crate) fn apply(&mut self, at: Timestamp, kinds: Vec<command::Kind>) -> Vec<outcome::Kind> {
        self.sequence += 1;
        let commands = kinds
            .into_iter()
            .map(|kind| proto::Command { kind: Some(kind) })
            .collect();
        let proposal = proto::Proposal {
            origin: ORIGIN,
            sequence: self.sequence,
            answered_through: self.sequence.saturating_sub(3),
            commands,
        };
        let outcomes = self.propose(at, proposal.clone());
        self.last = Some((proposal, outcomes.clone()));
        outcomes
    }

    fn propose(&mut self, at: Timestamp, proposal: proto::Proposal) -> Vec<outcome::Kind> {
        self.effects = Effects::default();
        let mut shadows = Effects::default();
        let outcomes = self
            .partition
            .apply(at, proposal.clone(), &mut self.effects);
        let shadow_outcomes = self.shadow.apply(at, proposal, &mut shadows);
        assert_eq!(
            outcomes, shadow_outcomes,
            "a restored partition answers the same"
        );
        assert_eq!(
            format!("{:?}", self.effects),
            format!("{shadows:?}"),
            "and has the same effects"
        );
        let rows = self.partition.snapshot();
        assert_eq!(rows, self.shadow.snapshot(), "and the same rows");
        assert!(rows.is_sorted(), "rows are sorted");
        self.shadow = Partition::restore(self.id, rows).expect("own rows");
        self.keep_blocks();
        outcomes
            .into_iter()
            .map(|outcome| outcome.kind.expect("a known command"))
            .collect()
    }

    /// Sends the last proposal once more: the answers are the same and nothing changes.
    pub(crate) fn repeat_last(&mut self, at: Timestamp) {
        let Some((proposal, outcomes)) = self.last.take() else {
            return;
        };
        // What time does is not the proposal's doing.
        self.propose(at, proto::Proposal::default());
        let before = self.partition.snapshot();
        let again = self.propose(at, proposal.clone());
        let strip =
            |outcomes: &[outcome::Kind]| outcomes.iter().map(without_records).collect::<Vec<_>>();
        assert_eq!(
            strip(&again),
            strip(&outcomes),
            "a repeated proposal has its old answers"
        );
        // The lane's time moves on, nothing else.
        let lane = |row: &&(Bytes, Bytes)| row.0.first() != Some(&0x02);
        let after = self.partition.snapshot();
        assert!(
            before.iter().filter(lane).eq(after.iter().filter(lane)),
            "and changes nothing"
        );
        self.last = Some((proposal, outcomes));
    }

    fn keep_blocks(&mut self) {
        for sealed in &self.effects.sealed {
            let records = sealed.records.iter().cloned().collect();
            assert!(
                self.blocks.insert(sealed.block, records).is_none(),
                "block names are unique"
            );
        }
        for block in &self.effects.dropped {
            assert!(
                self.blocks.remove(block).is_some(),
                "only what was sealed is dropped"
            );
        }
        let known: Vec<BlockRef> = self.blocks.keys().copied().collect();
        assert_eq!(
            self.partition.blocks(),
            known,
            "the partition knows its blocks"
        );
    }

    /// The record at a position, wherever it is.
    pub(crate) fn record(&self, queue: u64, position: u64) -> Option<Record> {
        match self.partition.locate(QueueId(queue), position)? {
            Location::Tail(record) => Some(record),
            Location::Block(block) => {
                let encoded = self.blocks[&block].get(&position)?.clone();
                Some(Record::decode(encoded).expect("a record"))
            }
        }
    }

    /// The records of a block from a position on.
    pub(crate) fn block(&self, block: BlockRef, from: u64) -> Vec<Record> {
        let records = self.blocks[&block].range(from..);
        records
            .map(|(_, encoded)| Record::decode(encoded.clone()).expect("a record"))
            .collect()
    }

    /// What waits for `to`, with the records that are shipped.
    pub(crate) fn outbox(&self, to: PartitionId) -> Vec<proto::TransferItem> {
        self.shipment(to, 0, usize::MAX).into_command().items
    }

    /// So many of those behind a number, as they are shipped.
    pub(crate) fn shipment(&self, to: PartitionId, after: u64, max: usize) -> Shipment {
        let mut shipment = Shipment::from(self.id);
        for item in self.partition.outbox_after(to, after, max) {
            let record = self.record(item.from_queue.0, item.position);
            assert!(record.is_some(), "what waits in an outbox is kept");
            let record = record.filter(|_| !shipment.has(&item));
            shipment.add(item, record);
        }
        shipment
    }

    /// How many messages of a queue became claimable by what was applied last.
    pub(crate) fn woken(&self, queue: u64) -> u32 {
        self.effects
            .wake
            .iter()
            .filter(|(q, _)| q.0 == queue)
            .map(|(_, count)| *count)
            .sum()
    }
}

fn without_records(outcome: &outcome::Kind) -> outcome::Kind {
    let mut outcome = outcome.clone();
    if let outcome::Kind::Receive(received) = &mut outcome {
        received
            .claimed
            .iter_mut()
            .for_each(|claimed| claimed.record = None);
    }
    outcome
}
