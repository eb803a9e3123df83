//! One queue's part in the partition: configuration, log, and the index of its kind.

use levada_types::{QueueId, Timestamp};

use crate::effects::Effects;
use crate::fifo::FifoQueue;
use crate::log::Log;
use crate::proto::{
    DeleteResult, NewMessage, NewVisibility, QueueConfig, ReceiptRef, Receive, Record, Sent,
    VisibilityResult,
};
use crate::standard::StandardQueue;
use crate::turn::{Received, Turn};
use crate::view::{Counts, QueueView, Waiting};

/// The two kinds of index; they have the same methods.
pub(super) enum Index {
    Standard(StandardQueue),
    Fifo(FifoQueue),
}

/// A queue's part in a partition.
pub(super) struct Queue {
    pub(super) config: QueueConfig,
    pub(super) log: Log,
    pub(super) index: Index,
    /// Mirrors the partition's `due`.
    pub(super) due: Option<Timestamp>,
}

/// Calls the same method of whichever index there is.
macro_rules! index {
    ($index:expr, $method:ident($($arg:expr),*)) => {
        match $index {
            Index::Standard(q) => q.$method($($arg),*),
            Index::Fifo(q) => q.$method($($arg),*),
        }
    };
}
pub(super) use index;

/// Runs a method of the index with a `Turn` made of the queue's other fields.
macro_rules! with_turn {
    ($self:ident, $at:expr, $effects:expr, $method:ident($($arg:expr),*)) => {{
        let queue = QueueId($self.config.queue);
        let turn = &mut Turn {
            at: $at,
            queue,
            config: &$self.config,
            log: &mut $self.log,
            effects: $effects,
        };
        index!(&mut $self.index, $method(turn $(, $arg)*))
    }};
}

impl Queue {
    pub(super) fn new(config: QueueConfig) -> Self {
        let log = Log::new(QueueId(config.queue));
        let index = if config.fifo {
            Index::Fifo(FifoQueue::default())
        } else {
            Index::Standard(StandardQueue::default())
        };
        Self {
            config,
            log,
            index,
            due: None,
        }
    }

    pub(super) fn send(&mut self, at: Timestamp, fx: &mut Effects, message: NewMessage) -> Sent {
        with_turn!(self, at, fx, send(message))
    }

    pub(super) fn deliver(&mut self, at: Timestamp, fx: &mut Effects, record: Record) {
        with_turn!(self, at, fx, deliver(record));
    }

    /// Adds what was published, as if it were sent; but a FIFO queue does not look for duplicates, which was done where it
    /// was published: within five minutes there, and however long it was on its way.
    pub(super) fn take_published(&mut self, at: Timestamp, fx: &mut Effects, record: Record) {
        if self.config.fifo {
            self.deliver(at, fx, record);
            return;
        }
        let message = NewMessage {
            message_id: record.message_id,
            payload: record.payload,
            group: record.group,
            ..NewMessage::default()
        };
        self.send(at, fx, message);
    }

    pub(super) fn receive(&mut self, at: Timestamp, fx: &mut Effects, r: &Receive) -> Received {
        with_turn!(self, at, fx, receive(r))
    }

    pub(super) fn delete(
        &mut self,
        at: Timestamp,
        fx: &mut Effects,
        receipt: &ReceiptRef,
    ) -> DeleteResult {
        with_turn!(self, at, fx, delete(receipt))
    }

    pub(super) fn change_visibility(
        &mut self,
        at: Timestamp,
        fx: &mut Effects,
        change: &NewVisibility,
    ) -> VisibilityResult {
        with_turn!(self, at, fx, change_visibility(change))
    }

    pub(super) fn advance(&mut self, at: Timestamp, fx: &mut Effects) {
        with_turn!(self, at, fx, advance());
    }

    pub(super) fn purge(&mut self, at: Timestamp, fx: &mut Effects) {
        with_turn!(self, at, fx, purge());
    }

    pub(super) fn take(
        &mut self,
        at: Timestamp,
        fx: &mut Effects,
        position: u64,
        generation: u32,
    ) -> bool {
        with_turn!(self, at, fx, take(position, generation))
    }

    pub(super) fn next_due(&self) -> Option<Timestamp> {
        index!(&self.index, next_due(&self.config, &self.log))
    }

    pub(super) fn peek_ready(&self, max: usize) -> Vec<u64> {
        index!(&self.index, peek_ready(max))
    }

    pub(super) fn waiting(&self, from: u64, max: usize) -> Vec<Waiting> {
        index!(&self.index, waiting(from, max))
    }

    pub(super) fn view(&self) -> QueueView {
        let counts: Counts = index!(&self.index, counts());
        let in_flight_full = counts.in_flight >= self.config.in_flight_max;
        let oldest_ready = index!(&self.index, oldest_ready());
        QueueView {
            config_version: self.config.version,
            fifo: self.config.fifo,
            counts,
            oldest_ready_at: oldest_ready.and_then(|p| self.log.time_of(p)),
            taken: self.log.next_position() - 1,
            in_flight_full,
            claimable: !in_flight_full && index!(&self.index, has_claimable()),
        }
    }
}
