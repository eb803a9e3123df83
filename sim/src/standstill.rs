//! Why a cluster stands still: each group as each of its replicas sees itself, and which majority is missing. It is what
//! a failed run ends with, so that it says what to look at without being repeated.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use levada_replica::GroupDetail;
use levada_types::{NodeId, PartitionId};

use crate::net::MachineId;
use crate::world::World;

/// The state of the world's groups, to be printed.
pub(crate) struct Standstill<'a>(pub(crate) &'a World);

type Replica = (MachineId, NodeId, GroupDetail);

impl fmt::Display for Standstill<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut alive = BTreeSet::new();
        let mut groups: BTreeMap<PartitionId, Vec<Replica>> = BTreeMap::new();
        for (id, machine) in self.0.machines.iter().enumerate() {
            let slot = machine.slot();
            let Some(node) = slot.and_then(|slot| slot.node()) else {
                match slot.map(|slot| slot.failure()) {
                    None => writeln!(f, "machine {id} is down")?,
                    Some(None) => writeln!(f, "machine {id} is starting")?,
                    Some(Some(why)) => writeln!(f, "machine {id} does not start: {why}")?,
                }
                continue;
            };
            let number = node.status().node;
            alive.insert(number);
            let ready = node.ready().err().unwrap_or_else(|| "ready".to_owned());
            writeln!(f, "machine {id}: {number}, {ready}")?;
            for group in node.replicas().groups() {
                let replica = (id, number, group.detail());
                groups.entry(group.id()).or_default().push(replica);
            }
        }
        for (partition, replicas) in &groups {
            writeln!(f, "{partition}:")?;
            for (machine, node, detail) in replicas {
                write!(f, "  machine {machine}, {node}: {detail}")?;
                for set in detail.lacks(|node| alive.contains(&node)) {
                    let names: Vec<String> = set.iter().map(NodeId::to_string).collect();
                    write!(f, "; NO MAJORITY of {} lives", names.join(" "))?;
                }
                writeln!(f)?;
            }
        }
        Ok(())
    }
}
