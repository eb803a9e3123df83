//! What anybody has read stays there: nothing is older than the retention when a run ends.

use std::collections::BTreeSet;

use super::{Place, Sweeps};
use crate::event::Event;
use crate::invariants::{Invariant, Verdict};
use crate::stream_event::{Reader, StreamEvent};

#[derive(Default)]
pub(super) struct Retention {
    read: BTreeSet<Place>,
    sweeps: Sweeps,
}

impl Invariant for Retention {
    fn promise(&self) -> &'static str {
        "records don't vanish within their retention"
    }

    fn see(&mut self, event: &Event) -> Verdict {
        let Event::Stream(event) = event else {
            return Ok(());
        };
        self.sweeps.see(event);
        match event {
            StreamEvent::Read {
                reader: Reader::Follower(_),
                shard,
                records,
                ..
            } => {
                let places = records.iter().map(|record| (*shard, record.position));
                self.read.extend(places);
                Ok(())
            }
            StreamEvent::Searched { shard, horizon, .. } if *horizon != 1 => Err(format!(
                "shard {shard} begins at {horizon}, though nothing has expired"
            )),
            _ => Ok(()),
        }
    }

    fn end(&mut self) -> Verdict {
        self.sweeps.must_have(self.read.iter())
    }
}
