//! Sees the change of members that is under way to its end. It runs on every node and acts on the one that
//! leads the catalog: each partition's leader changes its own group (`reconcile`), and when all have, the
//! steward writes that down. Whatever node or operator is interrupted, the next leader goes on.

use std::time::Duration;

use levada_engine::proto::{
    Catalog, ChangeMembers, Done, MembersChange, MembersChangeKind as Kind, catalog,
    change_members, command,
};
use levada_types::{NodeId, PartitionId};

use crate::broker::Broker;
use crate::easing::Watch;
use crate::placer;
use crate::report::{self, ClusterReport};

/// How often a change that is under way is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// So many looks, ten seconds, are between two at who has how much to do.
const LOOKS_PER_LOAD: u32 = 40;

/// Runs until the process ends.
pub(crate) async fn steward(broker: Broker) {
    let core = broker.core.clone();
    let (mut done, mut looks, mut loads) = (None, 0_u32, Watch::default());
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        if core.directory.group().leader() != Some(core.node) {
            continue;
        }
        let found = core.directory.read(|c| {
            c.members_change()
                .cloned()
                .map(|change| (change, c.members_version()))
        });
        // What was found to be done is not planned again until the rows change.
        let rows = core
            .directory
            .read(|c| (c.members_version(), c.placement_version()));
        let picture = if done == Some(rows) {
            None
        } else {
            placer::Picture::of(&core).filter(|p| p.unfinished().is_some())
        };
        done = picture.is_none().then_some(rows);
        if found.is_none() && picture.is_none() {
            looks = looks.wrapping_add(1);
            if looks.is_multiple_of(LOOKS_PER_LOAD) {
                placer::ease(&broker, &mut loads).await;
            }
            continue;
        }
        let report = report::gather(&core).await;
        if let Some(picture) = picture {
            placer::step(&broker, &picture, &report).await;
        }
        let Some((change, version)) = found else {
            continue;
        };
        let Some(step) = next_step(&change, &report) else {
            tracing::debug!(left = ?report.unfinished(), members = ?report.members.keys(), "a change of members waits");
            continue;
        };
        tracing::info!(?step, "a change of members goes on");
        let kind = catalog::Kind::ChangeMembers(ChangeMembers {
            if_version: version,
            kind: Some(step),
        });
        let command = command::Kind::Catalog(Catalog { kind: Some(kind) });
        // Without an answer, or refused because the members are others by now: it is looked at again.
        if let Err(error) = broker.write(PartitionId::CATALOG, command).await {
            tracing::warn!(%error, "a step of a change of members is tried again");
        }
    }
}

/// What can be written down now; None while partitions are still changing.
fn next_step(change: &MembersChange, report: &ClusterReport) -> Option<change_members::Kind> {
    let node = NodeId(change.node);
    let finish = || Some(change_members::Kind::Finish(Done {}));
    match change.kind() {
        Kind::Remove if !change.taken_out => {
            let out_of_all = (1..report.partition_count).all(|number| {
                let partition = PartitionId(u32::try_from(number).unwrap_or(u32::MAX));
                report.partitions.get(&partition).is_some_and(|p| {
                    p.settled && !p.voters.contains(&node) && !p.learners.contains(&node)
                })
            });
            out_of_all.then_some(change_members::Kind::TakenOut(node.0))
        }
        Kind::Add if change.node == 0 => None,
        Kind::Replace if report.members.contains_key(&node) => None,
        Kind::Add | Kind::Remove | Kind::Replace | Kind::Unspecified => {
            report.unfinished().is_none().then(finish)?
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::report::PartitionReport;

    fn report(members: &[u64], voters: [&[u64]; 2]) -> ClusterReport {
        let nodes = |ids: &[u64]| ids.iter().copied().map(NodeId).collect::<BTreeSet<_>>();
        let partition = |ids| PartitionReport {
            leader: NodeId(1),
            term: 1,
            voters: nodes(ids),
            learners: BTreeSet::new(),
            settled: true,
            lag: BTreeMap::new(),
            bytes_per_s: 0,
        };
        ClusterReport {
            members: nodes(members)
                .into_iter()
                .map(|n| (n, Err(String::new())))
                .collect(),
            partitions: (0..2)
                .map(|n| (PartitionId(n), partition(voters[n as usize])))
                .collect(),
            partition_count: 2,
            ..ClusterReport::default()
        }
    }

    fn change(kind: Kind, node: u64, taken_out: bool) -> MembersChange {
        MembersChange {
            kind: kind as i32,
            node,
            taken_out,
            ..MembersChange::default()
        }
    }

    #[test]
    fn a_node_leaves_the_catalog_last() {
        let begun = change(Kind::Remove, 3, false);
        let all: &[u64] = &[1, 2, 3];
        assert_eq!(next_step(&begun, &report(all, [all, all])), None);
        assert_eq!(
            next_step(&begun, &report(all, [all, &[1, 2]])),
            Some(change_members::Kind::TakenOut(3))
        );
        let taken = change(Kind::Remove, 3, true);
        assert_eq!(next_step(&taken, &report(&[1, 2], [all, &[1, 2]])), None);
        assert!(next_step(&taken, &report(&[1, 2], [&[1, 2], &[1, 2]])).is_some());
    }

    #[test]
    fn a_newcomer_has_come_when_it_votes_everywhere() {
        let two: &[u64] = &[1, 2];
        assert_eq!(
            next_step(&change(Kind::Add, 0, false), &report(two, [two, two])),
            None
        );
        let come = change(Kind::Add, 2, false);
        assert_eq!(next_step(&come, &report(two, [two, &[1]])), None);
        assert!(next_step(&come, &report(two, [two, two])).is_some());
        let replaced = change(Kind::Replace, 2, false);
        assert_eq!(next_step(&replaced, &report(two, [two, two])), None);
        let three: &[u64] = &[1, 3];
        assert!(next_step(&replaced, &report(three, [three, three])).is_some());
    }
}
