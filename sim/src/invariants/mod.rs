//! What must hold whatever happens, one file each. An invariant is told of every event in order, and asked once more
//! when all is healed and every queue is empty.

mod acknowledged_sends;
mod claims;
mod commits;
mod deduplication;
mod deletes;
mod group_order;
mod leaders;
mod leases;
mod phantoms;
mod progress;
mod replicas;
mod stream;
mod topics;
mod transfers;

use crate::event::Event;

/// What was seen and must not be, in words.
pub(crate) type Verdict = Result<(), String>;

/// One promise.
pub(crate) trait Invariant {
    /// The promise, as a sentence.
    fn promise(&self) -> &'static str;

    /// Something happened.
    fn see(&mut self, event: &Event) -> Verdict;

    /// All is healed, and every queue was emptied.
    fn end(&mut self) -> Verdict {
        Ok(())
    }
}

/// Every invariant. Where clocks jump, claims may end early, and what depends on their length isn't judged.
pub(crate) fn all(clocks_are_right: bool) -> Vec<Box<dyn Invariant>> {
    let mut all: Vec<Box<dyn Invariant>> = vec![
        Box::new(acknowledged_sends::AcknowledgedSends::default()),
        Box::new(claims::Claims::default()),
        Box::new(commits::Commits::default()),
        Box::new(deduplication::Deduplication::default()),
        Box::new(deletes::Deletes::default()),
        Box::new(group_order::GroupOrder::default()),
        Box::new(leaders::Leaders::default()),
        Box::new(phantoms::Phantoms::default()),
        Box::new(progress::Progress::default()),
        Box::new(replicas::Replicas::default()),
    ];
    all.extend(leases::all());
    all.extend(stream::all());
    all.extend(topics::all());
    if clocks_are_right {
        all.push(Box::new(transfers::Transfers::default()));
    }
    all
}
