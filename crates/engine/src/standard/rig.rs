//! A partition with a clock, for tests: checks after each command that a snapshot forgets nothing.

use std::collections::BTreeMap;

use bytes::Bytes;
use levada_types::{PartitionId, QueueId, Timestamp};
use prost::Message;

use crate::proto::{
    ChangeVisibility, Claimed, Command, ConfigureQueue, Delete, Delivered, NewMessage,
    NewVisibility, Outcome, Proposal, QueueConfig, ReceiptRef, Receive, ReceiveOutcome, Record,
    Send, Tick, VisibilityResult, command, outcome,
};
use crate::{BlockRef, Effects, Location, Partition, Shipment};

pub(super) const Q: QueueId = QueueId(7);
pub(super) const DLQ: QueueId = QueueId(8);
pub(super) const HOME: PartitionId = PartitionId(1);

/// A partition, its clock, and the effects of the last command.
pub(super) struct Rig {
    pub(super) p: Partition,
    pub(super) now_ms: u64,
    pub(super) fx: Effects,
    /// Go on with the restored partition, not with the one that was snapshotted.
    pub(super) restoring: bool,
    /// What the layer above would keep of blocks.
    blocks: BTreeMap<BlockRef, BTreeMap<u64, Record>>,
}

pub(super) fn config(queue: QueueId) -> QueueConfig {
    QueueConfig {
        queue: queue.0,
        version: 1,
        visibility_timeout_ms: 30_000,
        retention_ms: 3_600_000,
        in_flight_max: 120_000,
        ..QueueConfig::default()
    }
}

impl Rig {
    pub(super) fn new(config: QueueConfig) -> Self {
        let mut rig = Self {
            p: Partition::new(HOME),
            now_ms: 1_000_000,
            fx: Effects::default(),
            restoring: true,
            blocks: BTreeMap::new(),
        };
        rig.configure(config);
        rig
    }

    pub(super) fn configure(&mut self, config: QueueConfig) {
        self.run(command::Kind::ConfigureQueue(ConfigureQueue {
            config: Some(config),
        }));
    }

    pub(super) fn run(&mut self, kind: command::Kind) -> outcome::Kind {
        let proposal = Proposal {
            commands: vec![Command { kind: Some(kind) }],
            ..Proposal::default()
        };
        self.propose(proposal).remove(0).kind.unwrap()
    }

    /// Applies, and checks that a restored partition is the same to the byte.
    pub(super) fn propose(&mut self, proposal: Proposal) -> Vec<Outcome> {
        self.fx = Effects::default();
        let at = Timestamp::from_millis(self.now_ms);
        let outcomes = self.p.apply(at, proposal, &mut self.fx);
        for sealed in &self.fx.sealed {
            let records = sealed.records.iter();
            let records = records.map(|(p, r)| (*p, Record::decode(r.clone()).unwrap()));
            self.blocks.insert(sealed.block, records.collect());
        }
        for block in &self.fx.dropped {
            assert!(
                self.blocks.remove(block).is_some(),
                "{block:?} is dropped once"
            );
        }
        assert!(self.blocks.keys().copied().eq(self.p.blocks()));
        let rows = self.p.snapshot();
        assert!(
            rows.is_sorted_by(|a, b| a.0 < b.0),
            "keys rise and are distinct"
        );
        let restored = Partition::restore(HOME, rows.clone()).unwrap();
        assert_eq!(restored.snapshot(), rows);
        assert_eq!(restored.next_due(), self.p.next_due());
        assert!(
            self.p.next_due().is_none_or(|due| due > at),
            "a leader would tick for ever"
        );
        assert_eq!(restored.queue(Q), self.p.queue(Q));
        if self.restoring {
            self.p = restored;
        }
        outcomes
    }

    pub(super) fn tick(&mut self, ms: u64) {
        self.now_ms += ms;
        self.run(command::Kind::Tick(Tick {}));
    }

    pub(super) fn send_all(&mut self, messages: Vec<NewMessage>) -> Vec<u64> {
        let send = Send {
            queue: Q.0,
            config_version: 1,
            messages,
        };
        let outcome::Kind::Send(sent) = self.run(command::Kind::Send(send)) else {
            panic!()
        };
        sent.sent.iter().map(|s| s.position).collect()
    }

    pub(super) fn send(&mut self, count: usize) -> Vec<u64> {
        self.send_all(vec![message("", None); count])
    }

    pub(super) fn receive_from(&mut self, queue: QueueId, max: u32) -> ReceiveOutcome {
        let receive = Receive {
            queue: queue.0,
            messages_max: max,
            ..Receive::default()
        };
        let outcome::Kind::Receive(r) = self.run(command::Kind::Receive(receive)) else {
            panic!()
        };
        r
    }

    pub(super) fn receive(&mut self, max: u32) -> Vec<Claimed> {
        self.receive_from(Q, max).claimed
    }

    pub(super) fn positions(&mut self, max: u32) -> Vec<u64> {
        self.receive(max).iter().map(|c| c.position).collect()
    }

    pub(super) fn delete(&mut self, position: u64, generation: u32) {
        let receipts = vec![ReceiptRef {
            position,
            generation,
            log: 0,
        }];
        self.run(command::Kind::Delete(Delete {
            queue: Q.0,
            receipts,
        }));
    }

    pub(super) fn change(&mut self, position: u64, generation: u32, ms: u64) -> VisibilityResult {
        let receipt = Some(ReceiptRef {
            position,
            generation,
            log: 0,
        });
        let changes = vec![NewVisibility {
            receipt,
            visibility_timeout_ms: ms,
        }];
        let change = ChangeVisibility {
            queue: Q.0,
            changes,
        };
        let outcome = self.run(command::Kind::ChangeVisibility(change));
        let outcome::Kind::ChangeVisibility(c) = outcome else {
            panic!()
        };
        c.results[0].try_into().unwrap()
    }

    pub(super) fn counts(&self) -> (u64, u64, u64) {
        let c = self.p.queue(Q).unwrap().counts;
        (c.ready, c.in_flight, c.delayed)
    }

    pub(super) fn woken(&self) -> u32 {
        self.fx
            .wake
            .iter()
            .filter(|(q, _)| *q == Q)
            .map(|(_, n)| *n)
            .sum()
    }

    /// A live message's record, from memory or from its block.
    pub(super) fn record(&self, queue: QueueId, position: u64) -> Record {
        match self.p.locate(queue, position) {
            Some(Location::Tail(record)) => record,
            Some(Location::Block(block)) => self.blocks[&block][&position].clone(),
            None => panic!("the record of {position} in {queue} is gone"),
        }
    }

    /// Ships everything in the outbox for `to` to this same partition as if from itself.
    pub(super) fn ship(&mut self) {
        let mut shipment = Shipment::from(HOME);
        for item in self.p.outbox(HOME, 100) {
            let record = self.record(item.from_queue, item.position);
            shipment.add(item, Some(record));
        }
        let through = shipment.through();
        let deliver = shipment.into_command();
        for _ in 0..2 {
            let outcome = self.run(command::Kind::Deliver(deliver.clone()));
            assert!(matches!(outcome, outcome::Kind::Done(_)), "{outcome:?}");
        }
        self.run(command::Kind::Delivered(Delivered {
            destination: HOME.0,
            through,
        }));
    }
}

pub(super) fn message(group: &str, delay_ms: Option<u64>) -> NewMessage {
    NewMessage {
        message_id: Bytes::from_static(b"0123456789abcdef"),
        payload: Bytes::from_static(b"payload"),
        group: group.into(),
        delay_ms,
        ..NewMessage::default()
    }
}
