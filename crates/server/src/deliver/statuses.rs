//! How deliveries go on this node, by protocol. By subscription there might be a million of them.

use std::sync::Arc;

use levada_delivery::{Status, StatusSnapshot};
use levada_wire::sns::SubscriptionProtocol;

/// Counts of all deliveries of this node since its start.
#[derive(Debug)]
pub(crate) struct Statuses(Vec<(SubscriptionProtocol, Arc<Status>)>);

impl Default for Statuses {
    fn default() -> Self {
        let all = SubscriptionProtocol::ALL.iter();
        Self(all.map(|protocol| (*protocol, Arc::default())).collect())
    }
}

impl Statuses {
    /// Of a protocol; of one that this version does not know, a count that nobody sees.
    pub(super) fn of(&self, protocol: &str) -> Arc<Status> {
        let mut all = self.0.iter();
        let found = all.find(|(known, _)| known.as_str() == protocol);
        found.map_or_else(Arc::default, |(_, status)| Arc::clone(status))
    }

    /// The numbers now, of each protocol that is pushed.
    pub(crate) fn snapshots(&self) -> impl Iterator<Item = (&'static str, StatusSnapshot)> {
        let pushed = self
            .0
            .iter()
            .filter(|(p, _)| *p != SubscriptionProtocol::Sqs);
        pushed.map(|(protocol, status)| (protocol.as_str(), status.snapshot()))
    }
}
