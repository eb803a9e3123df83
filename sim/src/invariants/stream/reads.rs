//! A reader sees no gap and no reordering: an answer has the records from the place that was asked for, one after the
//! other, and goes on behind them; what stands later came later. (Nothing expires within a run.)

use crate::event::Event;
use crate::invariants::{Invariant, Verdict};
use crate::stream_event::StreamEvent;

pub(super) struct Reads;

impl Invariant for Reads {
    fn promise(&self) -> &'static str {
        "a shard is read without a gap and in order"
    }

    fn see(&mut self, event: &Event) -> Verdict {
        let Event::Stream(StreamEvent::Read {
            machine,
            shard,
            from,
            records,
            next,
            ..
        }) = event
        else {
            return Ok(());
        };
        let first = (*from).max(1);
        let positions = records.iter().map(|record| record.position);
        let follow = positions.eq(first..first + records.len() as u64);
        let came_in_order = records
            .windows(2)
            .all(|two| two[0].arrived_ms <= two[1].arrived_ms);
        let goes_on = *next == first + records.len() as u64;
        if follow && came_in_order && goes_on {
            return Ok(());
        }
        Err(format!(
            "shard {shard} from {from} on is at machine {machine}: {records:?}, to go on from {next}"
        ))
    }
}
