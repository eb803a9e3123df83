//! Where the copies of each partition should be: the catalog's rows of partitions.
//!
//! The catalog's leader writes them (`cluster/placer.rs`), each partition's leader makes its group so. Invariants:
//! a row names members only when it is written; a group that exists is never said not to; numbers of partitions
//! have no gap beyond those that the cluster was made with.

use std::collections::BTreeMap;

use levada_types::PartitionId;

use crate::effects::Effects;
use crate::proto::{CatalogRefusal as Refusal, PartitionRow};

/// Partitions that a cluster can have, the catalog among them.
pub const PARTITIONS_MAX: u32 = 1_025;
/// Copies that a row can name.
const NODES_MAX: usize = 16;

/// The rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Placement {
    rows: BTreeMap<u32, PartitionRow>,
    version: u64,
}

impl Placement {
    pub(super) fn rows(&self) -> impl Iterator<Item = &PartitionRow> {
        self.rows.values()
    }

    pub(super) fn row(&self, partition: PartitionId) -> Option<&PartitionRow> {
        self.rows.get(&partition.0)
    }

    pub(super) fn version(&self) -> u64 {
        self.version
    }

    pub(super) fn load(&mut self, row: PartitionRow) {
        self.rows.insert(row.partition, row);
    }

    pub(super) fn load_version(&mut self, version: u64) {
        self.version = version;
    }

    /// Takes all of the rows, or none.
    pub(super) fn set(
        &mut self,
        rows: Vec<PartitionRow>,
        is_member: impl Fn(&u64) -> bool,
        effects: &mut Effects,
    ) -> Result<(), Refusal> {
        let is_sound = |row: &PartitionRow| {
            row.partition < PARTITIONS_MAX && (1..=NODES_MAX).contains(&row.nodes.len())
        };
        if !rows.iter().all(is_sound) {
            return Err(Refusal::Unspecified);
        }
        if !rows.iter().all(|row| row.nodes.iter().all(&is_member)) {
            return Err(Refusal::NoSuchMember);
        }
        for mut row in rows {
            row.nodes.sort_unstable();
            row.nodes.dedup();
            let old = self.rows.get(&row.partition);
            row.begun |= old.is_some_and(|old| old.begun);
            if old == Some(&row) {
                continue;
            }
            effects.add_partition(PartitionId(row.partition));
            self.rows.insert(row.partition, row);
            self.version += 1;
        }
        Ok(())
    }

    /// One node takes the place of another everywhere.
    pub(super) fn replace(&mut self, old: u64, new: u64) {
        for row in self.rows.values_mut() {
            if row.leader == old {
                row.leader = new;
            }
            if let Ok(place) = row.nodes.binary_search(&old) {
                row.nodes.remove(place);
                if let Err(place) = row.nodes.binary_search(&new) {
                    row.nodes.insert(place, new);
                }
                self.version += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(partition: u32, nodes: &[u64], begun: bool) -> PartitionRow {
        PartitionRow {
            partition,
            nodes: nodes.to_vec(),
            leader: nodes[0],
            begun,
        }
    }

    #[test]
    fn rows_name_members_and_what_has_begun_stays_so() {
        let mut placement = Placement::default();
        let mut effects = Effects::default();
        let mut set = |placement: &mut Placement, row| {
            placement.set(vec![row], |node| *node <= 4, &mut effects)
        };
        set(&mut placement, row(1, &[3, 1, 3, 2], true)).unwrap();
        set(&mut placement, row(1, &[1, 2, 4], false)).unwrap();
        let kept = placement.row(PartitionId(1)).unwrap().clone();
        assert_eq!((kept.nodes, kept.begun), (vec![1, 2, 4], true));
        let version = placement.version();
        set(&mut placement, row(1, &[1, 2, 4], true)).unwrap();
        assert_eq!(placement.version(), version, "nothing changed");
        for bad in [
            row(2, &[1, 5], true),
            row(PARTITIONS_MAX, &[1], true),
            row(2, &[1; NODES_MAX + 1], true),
        ] {
            assert!(set(&mut placement, bad).is_err());
        }
        assert_eq!(placement.rows().count(), 1);
        assert_eq!(effects.catalog_partitions, [PartitionId(1)]);
    }

    #[test]
    fn a_successor_takes_the_copies_over() {
        let mut placement = Placement::default();
        placement.load(row(1, &[1, 2, 3], true));
        placement.load(row(2, &[1, 2, 4], true));
        placement.replace(1, 9);
        let nodes = |p| placement.row(PartitionId(p)).unwrap().nodes.clone();
        assert_eq!((nodes(1), nodes(2)), (vec![2, 3, 9], vec![2, 4, 9]));
        assert_eq!(placement.row(PartitionId(1)).unwrap().leader, 9);
        placement.replace(7, 8);
        assert_eq!(placement.version(), 2);
    }
}
