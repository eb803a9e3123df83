//! Commands on queues on streams: each is found in those shards of the partition that it reads.

use levada_types::{LogId, QueueId};

use super::Partition;
use crate::effects::Effects;
use crate::proto::{
    self, ChangeVisibility, ChangeVisibilityOutcome, Claimed, Delete, DeleteOutcome, DeleteResult,
    Misconfigured, Receive, ReceiveOutcome, VisibilityResult, outcome,
};
use crate::shard::Shard;
use crate::shard::queue::{ShardQueue, Side};
use crate::view::{Counts, QueueView};

/// A queue on a stream, or its dead letters.
#[derive(Clone, Copy, Debug)]
pub(super) struct StreamQueue {
    number: u64,
    side: Side,
}

impl Partition {
    /// The queue on a stream that a number means, if any shard here has it.
    pub(super) fn stream_queue(&self, id: u64) -> Option<StreamQueue> {
        let has = |number| self.stream_queues.contains_key(&number);
        let live = has(id).then_some(StreamQueue {
            number: id,
            side: Side::Live,
        });
        live.or_else(|| {
            let number = id.checked_sub(1).filter(|number| has(*number))?;
            let side = Side::Dead;
            Some(StreamQueue { number, side })
        })
    }

    fn parts(&self, of: StreamQueue) -> impl Iterator<Item = (&Shard, &ShardQueue)> {
        let logs = self.stream_queues.get(&of.number).into_iter().flatten();
        logs.filter_map(move |log| {
            let shard = self.shards.get(log)?;
            Some((shard, shard.queues.get(&of.number)?))
        })
    }

    /// What of the queue is in this partition.
    pub(super) fn view_stream_queue(&self, of: StreamQueue) -> QueueView {
        let mut counts = Counts::default();
        let mut config_version = u64::MAX;
        for (shard, part) in self.parts(of) {
            let more = part.counts(of.side);
            counts.ready = counts.ready.saturating_add(more.ready);
            counts.in_flight += more.in_flight;
            config_version = config_version.min(shard.config.version);
        }
        QueueView {
            config_version,
            fifo: false,
            counts,
            oldest_ready_at: None,
            taken: 0,
            // Of one shard that is full, the receive tells.
            in_flight_full: false,
            claimable: counts.ready > 0,
        }
    }

    /// Claims from shard after shard, beginning at one that the time chooses, so that none is starved by another.
    pub(super) fn receive_from_stream(
        &mut self,
        of: StreamQueue,
        c: &Receive,
        fx: &mut Effects,
    ) -> outcome::Kind {
        let at = self.at;
        let mut logs = self.logs_of(of);
        let turn = at.as_millis() % logs.len().max(1) as u64;
        logs.rotate_left(turn as usize);
        let mut received = ReceiveOutcome {
            queue: c.queue,
            ..ReceiveOutcome::default()
        };
        for log in logs {
            // At most 10.
            let found = received.claimed.len() as u32;
            let messages_max = c.messages_max.saturating_sub(found);
            let Some(shard) = self.shards.get_mut(&log).filter(|_| messages_max > 0) else {
                continue;
            };
            let Some(part) = shard.queues.get_mut(&of.number) else {
                continue;
            };
            let receive = Receive {
                messages_max,
                ..c.clone()
            };
            match part.receive(at, of.side, &receive, fx) {
                Some(claims) => received.claimed.extend(claims.iter().map(|claim| Claimed {
                    position: claim.position,
                    receive_count: claim.receive_count,
                    first_received_at: claim.first_received_at.as_millis(),
                    record: shard.log.record(claim.position),
                    generation: claim.generation,
                    log: log.0,
                })),
                None => received.over_limit = true,
            }
            self.reschedule(log);
        }
        received.over_limit &= received.claimed.is_empty();
        outcome::Kind::Receive(received)
    }

    pub(super) fn acknowledge(&mut self, of: StreamQueue, c: &Delete) -> outcome::Kind {
        let results = c.receipts.iter().map(|receipt| {
            let result = self.on_part(of, receipt.log, |shard| {
                let is_there = shard.has(receipt.position);
                let part = shard.queues.get_mut(&of.number)?;
                Some(part.acknowledge(of.side, receipt, is_there))
            });
            result.unwrap_or(DeleteResult::NotFound).into()
        });
        let results = results.collect();
        outcome::Kind::Delete(DeleteOutcome { results })
    }

    pub(super) fn change_in_stream(
        &mut self,
        of: StreamQueue,
        c: &ChangeVisibility,
        fx: &mut Effects,
    ) -> outcome::Kind {
        let at = self.at;
        let results = c.changes.iter().map(|change| {
            let log = change.receipt.map_or(0, |receipt| receipt.log);
            let result = self.on_part(of, log, |shard| {
                let part = shard.queues.get_mut(&of.number)?;
                Some(part.change_visibility(at, of.side, change, fx))
            });
            result.unwrap_or(VisibilityResult::Gone).into()
        });
        let results = results.collect();
        outcome::Kind::ChangeVisibility(ChangeVisibilityOutcome { results })
    }

    pub(super) fn restore_records(
        &mut self,
        c: &proto::RestoreRecords,
        fx: &mut Effects,
    ) -> Result<outcome::Kind, Misconfigured> {
        let of = self.stream_queue(c.queue);
        let of = of.filter(|of| of.side == Side::Live);
        let of = of.ok_or_else(|| self.misconfigured(c.queue))?;
        let results = c.receipts.iter().map(|receipt| {
            let result = self.on_part(of, receipt.log, |shard| {
                let part = shard.queues.get_mut(&of.number)?;
                Some(part.restore(receipt, fx))
            });
            result.unwrap_or(DeleteResult::NotFound).into()
        });
        let results = results.collect();
        Ok(outcome::Kind::Delete(DeleteOutcome { results }))
    }

    fn on_part<T>(
        &mut self,
        of: StreamQueue,
        log: u64,
        run: impl FnOnce(&mut Shard) -> Option<T>,
    ) -> Option<T> {
        let log = QueueId(log);
        let logs = self.stream_queues.get(&of.number)?;
        let result = run(self.shards.get_mut(&log).filter(|_| logs.contains(&log))?);
        self.reschedule(log);
        result
    }

    fn logs_of(&self, of: StreamQueue) -> Vec<LogId> {
        let logs = self.stream_queues.get(&of.number);
        logs.into_iter().flatten().copied().collect()
    }

    /// Brings `stream_queues` up to date after a shard came, changed or went.
    pub(super) fn note_queues(&mut self, log: LogId) {
        let shard = self.shards.get(&log);
        let has = |number: &u64| shard.is_some_and(|shard| shard.queues.contains_key(number));
        self.stream_queues.retain(|number, logs| {
            if !has(number) {
                logs.remove(&log);
            }
            !logs.is_empty()
        });
        for number in shard.into_iter().flat_map(|shard| shard.queues.keys()) {
            self.stream_queues.entry(*number).or_default().insert(log);
        }
    }
}
