//! Where a partition is, as far as this node knows: in its own copy if it has one, else at the leader that the
//! others name.

use std::sync::Arc;

use levada_replica::Group;
use levada_types::{NodeId, PartitionId};
use tokio::sync::watch;

/// One partition's whereabouts; shared by everything that carries something to it.
pub(crate) struct Place {
    partition: PartitionId,
    known: watch::Sender<Known>,
}

#[derive(Clone, Default)]
struct Known {
    group: Option<Arc<Group>>,
    /// A member that says that it leads, and its term.
    heard: Option<(u64, NodeId)>,
}

impl Known {
    fn leader(&self) -> Option<NodeId> {
        let Some(group) = &self.group else {
            return self.heard.map(|(_, node)| node);
        };
        let own = group.lead();
        match self.heard {
            // This copy is behind: it was left, or has just come.
            Some((term, node)) if own.leader.is_none() || term > own.term => Some(node),
            _ => own.leader,
        }
    }
}

impl Place {
    pub(crate) fn new(partition: PartitionId, group: Option<Arc<Group>>) -> Self {
        let known = watch::Sender::new(Known { group, heard: None });
        Self { partition, known }
    }

    pub(crate) fn partition(&self) -> PartitionId {
        self.partition
    }

    /// This node's copy.
    pub(crate) fn group(&self) -> Option<Arc<Group>> {
        self.known.borrow().group.clone()
    }

    /// A copy has come or gone.
    pub(crate) fn set_group(&self, group: Option<Arc<Group>>) {
        self.known.send_modify(|known| known.group = group);
    }

    /// A member leads in a term, by its own word; of two the later one is right. False if that is no news.
    pub(crate) fn heard(&self, node: NodeId, term: u64) -> bool {
        self.known.send_if_modified(|known| {
            let is_news = known
                .heard
                .is_none_or(|(known, by)| term > known || (term == known && by != node));
            if is_news {
                known.heard = Some((term, node));
            }
            is_news
        })
    }

    /// A member does not lead. False if nobody had thought so.
    pub(crate) fn heard_not(&self, node: NodeId) -> bool {
        self.known.send_if_modified(|known| {
            let was = known.heard.is_some_and(|(_, by)| by == node);
            if was {
                known.heard = None;
            }
            was
        })
    }

    /// The leader, as far as is known.
    pub(crate) fn leader(&self) -> Option<NodeId> {
        self.known.borrow().leader()
    }

    /// Resolves when the leader that is known is another than `than`, and says which.
    pub(crate) async fn leader_changed(&self, than: Option<NodeId>) -> Option<NodeId> {
        let mut changes = self.known.subscribe();
        loop {
            let known = changes.borrow_and_update().clone();
            // Before the look, so that a change in between is not missed.
            let own = known.group.as_ref().map(|group| (group, group.lead()));
            let now = known.leader();
            if now != than {
                return now;
            }
            let own_changed = async {
                match own {
                    Some((group, lead)) => {
                        group.lead_changed(lead).await;
                    }
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = own_changed => {}
                // The sender lives in `self`.
                _ = changes.changed() => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn of_two_that_say_they_lead_the_later_is_right() {
        let place = Place::new(PartitionId(1), None);
        let (one, two) = (NodeId(1), NodeId(2));
        assert_eq!(place.leader(), None);
        assert!(place.heard(one, 5) && !place.heard(one, 5));
        assert!(!place.heard(two, 4), "it was replaced and does not know it");
        assert_eq!(place.leader(), Some(one));
        let changed = place.leader_changed(Some(one));
        assert!(place.heard(two, 6));
        assert_eq!(changed.await, Some(two));
        assert!(!place.heard_not(one) && place.heard_not(two));
        assert_eq!(place.leader_changed(Some(two)).await, None);
    }
}
