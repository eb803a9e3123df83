//! Which members should have a copy of which partition, by this node's copy of the catalog.
//!
//! Up to [`COPIES`] members each has a copy of everything, and no row says so. With more of them, or with
//! partitions that were added, the catalog has a row for each partition (see `placer`). The catalog itself is on
//! every member: up to [`CATALOG_VOTERS_MAX`] vote, the rest learn.

use std::collections::{BTreeMap, BTreeSet};

use levada_types::{NodeId, PartitionId};

use crate::core::Core;

/// Copies of a partition, where there are as many members.
pub(crate) const COPIES: usize = 3;
/// Members that vote on the catalog: more would make each of its entries wait for more disks, and five survive
/// the loss of two.
pub(crate) const CATALOG_VOTERS_MAX: usize = 5;

impl Core {
    /// Whether this node should have a copy; None if nobody has said yet.
    pub(crate) fn is_assigned(&self, partition: PartitionId) -> Option<bool> {
        if partition == PartitionId::CATALOG {
            return Some(true);
        }
        self.directory.read(|catalog| {
            if let Some(row) = catalog.placed(partition) {
                return Some(row.nodes.contains(&self.node.0));
            }
            (1..=COPIES)
                .contains(&catalog.members().count())
                .then_some(true)
        })
    }

    /// Whether every partition should have a copy here.
    pub(crate) fn has_all(&self) -> bool {
        let routes = self.routes();
        routes.iter().all(|route| {
            route.group().is_some() && self.is_assigned(route.partition()) != Some(false)
        })
    }

    /// Who should vote in a partition's group; None if nobody has said. `members` are the catalog's.
    pub(crate) fn should_vote(
        &self,
        partition: PartitionId,
        members: &BTreeMap<NodeId, String>,
    ) -> Vote {
        let row = self
            .directory
            .read(|catalog| catalog.placed(partition).map(|row| row.nodes.clone()));
        let max = if partition == PartitionId::CATALOG {
            CATALOG_VOTERS_MAX
        } else {
            COPIES
        };
        match row {
            Some(nodes) => {
                let copies = nodes.len();
                let nodes = nodes.into_iter().map(NodeId);
                Vote::Only {
                    nodes: nodes.filter(|n| members.contains_key(n)).collect(),
                    copies,
                }
            }
            None if members.len() <= max => Vote::All,
            None => Vote::Unsaid,
        }
    }

    /// Partitions that new queues may use: all but the catalog and those whose groups are still being made.
    pub(crate) fn open_for_queues(&self) -> Vec<PartitionId> {
        let routes = self.routes();
        self.directory.read(|catalog| {
            let is_open = |partition: &PartitionId| {
                *partition != PartitionId::CATALOG
                    && catalog.placed(*partition).is_none_or(|row| row.begun)
            };
            let partitions = routes.iter().map(|route| route.partition());
            partitions.filter(is_open).collect()
        })
    }
}

/// Who should vote in a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Vote {
    /// Every member.
    All,
    /// These.
    Only {
        /// Members.
        nodes: BTreeSet<NodeId>,
        /// So many: one of the set may be a member no more, and another not chosen yet.
        copies: usize,
    },
    /// There are too many members for all, and nobody has chosen yet.
    Unsaid,
}
