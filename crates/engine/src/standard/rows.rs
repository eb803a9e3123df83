//! A standard queue as rows of a snapshot, and back.
//!
//! What is derived (timers, orders, counts) is not written; restoring builds it.

use levada_types::Timestamp;

use super::delayed::DelayedRun;
use super::kept::KeptRun;
use super::lanes::{LaneId, PLAIN};
use super::ready::Past;
use super::{Held, StandardQueue};
use crate::snapshot::{QueueRows, Reader, RestoreError, Writer};

/// The number of the last lane, if there ever was one.
const PART_LAST_LANE: u8 = 0x40;
/// Lanes: number, group.
const PART_LANES: u8 = 0x41;
/// Ranges never received: lane, first, end.
const PART_UNTOUCHED: u8 = 0x42;
/// Returned messages: lane, position, past.
const PART_RETURNED: u8 = 0x43;
/// Claims: position, visible at, received at, past, lane.
const PART_CLAIMS: u8 = 0x44;
/// Delayed runs: due, first, end, lane.
const PART_DELAYED: u8 = 0x45;
/// Kept times: first, end, second, lane.
const PART_KEPT: u8 = 0x46;

impl StandardQueue {
    /// Writes rows of parts 0x40-0x7f.
    pub(crate) fn encode(&self, rows: &mut QueueRows<'_>) {
        if self.lanes.last_lane > 0 {
            let mut w = Writer::default();
            w.u64(self.lanes.last_lane);
            rows.put(PART_LAST_LANE, 0, w.finish());
        }
        let tenants = self.lanes.tenants.iter().flat_map(|t| &t.lanes);
        rows.put_all(PART_LANES, tenants.clone(), |w, (lane, of)| {
            w.u64(*lane);
            w.bytes(of.group.as_bytes());
        });
        let plain = std::iter::once((PLAIN, &self.lanes.plain));
        let ready = plain.chain(tenants.map(|(lane, of)| (*lane, &of.ready)));
        let untouched = ready
            .clone()
            .flat_map(|(l, r)| r.untouched.iter().map(move |r| (l, r)));
        rows.put_all(PART_UNTOUCHED, untouched, |w, (lane, (first, end))| {
            w.u64(lane);
            w.u64(first);
            w.u64(end);
        });
        let returned = ready.flat_map(|(l, r)| r.returned.iter().map(move |r| (l, r)));
        rows.put_all(PART_RETURNED, returned, |w, (lane, (position, past))| {
            w.u64(lane);
            w.u64(*position);
            write_past(w, past);
        });
        rows.put_all(PART_CLAIMS, &self.claims, |w, (position, held)| {
            w.u64(*position);
            w.time(held.visible_at);
            w.time(held.received_at);
            write_past(w, &held.past);
            w.u64(held.lane);
        });
        rows.put_all(PART_DELAYED, self.delayed.iter(), |w, (due, run)| {
            w.time(due);
            w.u64(run.first);
            w.u64(run.end);
            w.u64(run.lane);
        });
        rows.put_all(PART_KEPT, self.kept.iter(), |w, run| {
            w.u64(run.first);
            w.u64(run.end);
            w.u64(run.quantum);
            w.u64(run.lane);
        });
    }

    /// Reads one row that `encode` wrote; rows come in order of part and suffix.
    pub(crate) fn load(&mut self, part: u8, value: &[u8]) -> Result<(), RestoreError> {
        let r = &mut Reader::new(value, "standard queue");
        while !r.is_empty() {
            match part {
                PART_LAST_LANE => self.lanes.last_lane = r.u64()?,
                PART_LANES => {
                    let (lane, last) = (r.u64()?, self.lanes.last_lane);
                    let group = r.str()?;
                    if lane == PLAIN || group.is_empty() {
                        return Err(RestoreError::Row("lane"));
                    }
                    self.lanes.add_lane(lane, group);
                    self.lanes.last_lane = last;
                }
                PART_UNTOUCHED => {
                    let lane = r.u64()?;
                    let (first, end) = read_range(r)?;
                    self.lanes.add(lane, first, end);
                }
                PART_RETURNED => {
                    let (lane, position) = (r.u64()?, r.u64()?);
                    let past = read_past(r)?;
                    self.lanes.restore_returned(lane, position, past);
                }
                PART_CLAIMS => self.load_claim(r)?,
                PART_DELAYED => {
                    let due = r.time()?;
                    let (first, end) = read_range(r)?;
                    let lane: LaneId = r.u64()?;
                    self.delayed.insert(due, DelayedRun { first, end, lane });
                    self.lanes.delayed(lane, end - first);
                }
                PART_KEPT => {
                    let (first, end) = read_range(r)?;
                    self.kept.insert(KeptRun {
                        first,
                        end,
                        quantum: r.u64()?,
                        lane: r.u64()?,
                    });
                }
                _ => return Err(RestoreError::Row("standard queue")),
            }
        }
        Ok(())
    }

    fn load_claim(&mut self, r: &mut Reader<'_>) -> Result<(), RestoreError> {
        let position = r.u64()?;
        let (visible_at, received_at): (Timestamp, Timestamp) = (r.time()?, r.time()?);
        let past = read_past(r)?;
        let lane = r.u64()?;
        self.timers.insert((visible_at, position));
        self.claims.insert(
            position,
            Held {
                visible_at,
                received_at,
                past,
                lane,
            },
        );
        self.lanes.restore_claim(lane);
        Ok(())
    }
}

fn write_past(w: &mut Writer, past: &Past) {
    w.u64(u64::from(past.receive_count));
    w.time(past.first_received_at);
}

fn read_past(r: &mut Reader<'_>) -> Result<Past, RestoreError> {
    Ok(Past {
        receive_count: r.u32()?,
        first_received_at: r.time()?,
    })
}

fn read_range(r: &mut Reader<'_>) -> Result<(u64, u64), RestoreError> {
    let (first, end) = (r.u64()?, r.u64()?);
    if first < end {
        Ok((first, end))
    } else {
        Err(RestoreError::Row("range"))
    }
}
