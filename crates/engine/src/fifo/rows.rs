//! A FIFO queue in a snapshot.
//!
//! ```text
//! 0x80  one row: where the delayed messages begin
//! 0x81  runs of send times: first position, time
//! 0x82  groups by name, each in entries of up to POSITIONS_PER_ENTRY: name, count, first waiting
//!       position, distances to the next ones
//! 0x83  messages in flight, by position
//! 0x84  messages that were received and wait again, by position
//! 0x85  deduplication ids, by time
//! 0x86  receive attempts, by key
//! ```
//!
//! What is derived (heads of groups, timers, counts) is built while rows are read, in this order.

use std::collections::VecDeque;

use super::dedup::Deduplication;
use super::delay::Run;
use super::{Attempts, FifoQueue, Flight, Returned};
use crate::snapshot::{QueueRows, Reader, RestoreError, Writer};

const PART_DELAY: u8 = 0x80;
const PART_RUNS: u8 = 0x81;
const PART_GROUPS: u8 = 0x82;
const PART_FLIGHTS: u8 = 0x83;
const PART_RETURNED: u8 = 0x84;
const PART_DEDUPLICATION: u8 = 0x85;
const PART_ATTEMPTS: u8 = 0x86;

/// Positions in one entry of a group: an entry is never split over rows, and rows are bounded.
const POSITIONS_PER_ENTRY: usize = 1_000;

impl FifoQueue {
    /// Writes rows of parts 0x80-0xbf.
    pub(crate) fn encode(&self, rows: &mut QueueRows<'_>) {
        let mut head = Writer::default();
        head.u64(self.delay.visible_below());
        rows.put(PART_DELAY, 0, head.finish());
        rows.put_all(PART_RUNS, self.delay.runs(), |w, run: &Run| run.write(w));
        let entries = self.groups.iter().flat_map(|(name, waiting)| {
            let starts = (0..waiting.len()).step_by(POSITIONS_PER_ENTRY);
            starts.map(move |start| (name, waiting, start))
        });
        rows.put_all(PART_GROUPS, entries, write_group);
        rows.put_all(PART_FLIGHTS, &self.flights, |w, (position, flight)| {
            w.u64(*position);
            w.bytes(self.groups.name(flight.group).as_bytes());
            w.u64(u64::from(flight.receive_count));
            w.time(flight.first_received_at);
            w.time(flight.received_at);
            w.time(flight.visible_at);
            w.bytes(flight.attempt.as_ref().map_or(&[][..], |key| key));
        });
        rows.put_all(PART_RETURNED, &self.returned, |w, (position, returned)| {
            w.u64(*position);
            w.u64(u64::from(returned.receive_count));
            w.time(returned.first_received_at);
        });
        rows.put_all(
            PART_DEDUPLICATION,
            self.deduplication.iter(),
            Deduplication::write,
        );
        rows.put_all(PART_ATTEMPTS, self.attempts.iter(), Attempts::write);
    }

    /// Reads one row that `encode` wrote; rows come in order of part and suffix.
    pub(crate) fn load(&mut self, part: u8, value: &[u8]) -> Result<(), RestoreError> {
        let mut r = Reader::new(value, "FIFO queue");
        while !r.is_empty() {
            match part {
                PART_DELAY => self.delay.restore_visible_below(r.u64()?),
                PART_RUNS => self.delay.restore_run(&mut r)?,
                PART_GROUPS => self.load_group(&mut r)?,
                PART_FLIGHTS => self.load_flight(&mut r)?,
                PART_RETURNED => {
                    let position = r.u64()?;
                    let (receive_count, first_received_at) = (r.u32()?, r.time()?);
                    self.returned.insert(
                        position,
                        Returned {
                            receive_count,
                            first_received_at,
                        },
                    );
                }
                PART_DEDUPLICATION => self.deduplication.restore(&mut r)?,
                PART_ATTEMPTS => self.attempts.restore(&mut r)?,
                _ => return Err(RestoreError::Row("FIFO queue")),
            }
        }
        Ok(())
    }

    fn load_group(&mut self, r: &mut Reader<'_>) -> Result<(), RestoreError> {
        const BAD: RestoreError = RestoreError::Row("FIFO group");
        let name = r.str()?;
        let count = r.u64()?;
        let mut last = self.groups.last_waiting(name).unwrap_or(0);
        let mut position: u64 = 0;
        for _ in 0..count {
            position = position
                .checked_add(r.u64()?)
                .filter(|p| *p > last)
                .ok_or(BAD)?;
            last = position;
            self.groups.push(name, position);
            self.delay.waits(position);
        }
        Ok(())
    }

    fn load_flight(&mut self, r: &mut Reader<'_>) -> Result<(), RestoreError> {
        let position = r.u64()?;
        let group = r.str()?;
        let (receive_count, first_received_at) = (r.u32()?, r.time()?);
        let (received_at, visible_at) = (r.time()?, r.time()?);
        let attempt = r.bytes()?.try_into().ok();
        if self.flights.contains_key(&position) {
            return Err(RestoreError::Row("FIFO message in flight"));
        }
        let group = self.groups.add_in_flight(group, position);
        let flight = Flight {
            group,
            receive_count,
            first_received_at,
            received_at,
            visible_at,
            attempt,
        };
        self.timers.insert((visible_at, position));
        self.flights.insert(position, flight);
        Ok(())
    }
}

fn write_group(w: &mut Writer, (name, waiting, start): (&str, &VecDeque<u64>, usize)) {
    let end = waiting.len().min(start + POSITIONS_PER_ENTRY);
    w.bytes(name.as_bytes());
    w.u64((end - start) as u64);
    let mut last = 0;
    for position in waiting.range(start..end) {
        w.u64(position - last);
        last = *position;
    }
}
