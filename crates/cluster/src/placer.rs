//! Writes down where copies should be, as members come and go: run by the steward on the catalog's leader.
//!
//! The plan is a function of the catalog's rows (`replica_sets`). It is written a few moves at a time, each to
//! another node, and the next when those are done: so what moves at one time is bounded for the whole cluster,
//! and whoever leads the catalog next goes on from the rows.

use std::collections::{BTreeMap, BTreeSet};

use levada_engine::Catalog;
use levada_engine::proto::{
    self, CatalogRefusal, ChangeMembers, Outcome, PartitionRow, PlacePartitions, catalog,
    catalog_outcome, change_members, command, outcome,
};
use levada_types::{NodeId, PartitionId};

use crate::assignment::{CATALOG_VOTERS_MAX, COPIES};
use crate::broker::Broker;
use crate::core::Core;
use crate::easing::{Exchange, Watch, Work};
use crate::replica_sets::{Candidate, Sets, plan, plan_leaders};
use crate::report::{ClusterReport, own_version};

/// Copies that are on their way at one time in the whole cluster, each to another node.
const MOVES_AT_ONCE: usize = 2;

/// The versions of what was read of the catalog. Rows that follow from it are taken only while it is so: a row that is
/// written late would bring back a node that has left meanwhile.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Read {
    members: u64,
    placement: u64,
}

impl Read {
    fn of(catalog: &Catalog) -> Self {
        Self {
            members: catalog.members_version(),
            placement: catalog.placement_version(),
        }
    }

    /// The step that writes rows which follow from it.
    pub(crate) fn place(self, rows: Vec<PartitionRow>) -> change_members::Kind {
        change_members::Kind::Place(PlacePartitions {
            rows,
            if_version: Some(self.placement),
        })
    }
}

/// What the catalog says, and what follows.
pub(crate) struct Picture {
    read: Read,
    /// All of them: a row can name no other.
    members: BTreeSet<NodeId>,
    /// Those that may have copies.
    candidates: BTreeMap<NodeId, Candidate>,
    /// Every partition that should have a row, with it if there is one.
    rows: BTreeMap<PartitionId, Option<PartitionRow>>,
    /// Who should lead those that have none.
    in_turn: BTreeMap<PartitionId, NodeId>,
}

impl Picture {
    /// None while every member has a copy of everything, and rows are not needed.
    pub(crate) fn of(core: &Core) -> Option<Self> {
        let partitions: Vec<PartitionId> = core.routes().iter().map(|r| r.partition()).collect();
        let mut picture = core.directory.read(|catalog| {
            let addresses: BTreeSet<&str> =
                catalog.members().map(|m| m.peer_address.as_str()).collect();
            let members = catalog.members().count();
            let has_rows = catalog.all_placed().next().is_some();
            // While a node is being replaced two have one address.
            if addresses.len() < members || (members <= COPIES && !has_rows) {
                return None;
            }
            let staying = catalog.members().filter(|m| !m.leaving);
            let candidates = staying.map(|m| {
                let zone = m.zone.clone();
                let takes = !m.draining;
                (NodeId(m.node), Candidate { zone, takes })
            });
            let needs_row = |partition: &PartitionId| {
                *partition != PartitionId::CATALOG
                    || members > CATALOG_VOTERS_MAX
                    || catalog.placed(*partition).is_some()
            };
            let rows = partitions.iter().filter(|p| needs_row(p));
            let rows = rows.map(|p| (*p, catalog.placed(*p).cloned()));
            Some(Self {
                read: Read::of(catalog),
                members: catalog.members().map(|m| NodeId(m.node)).collect(),
                candidates: candidates.collect(),
                rows: rows.collect(),
                in_turn: BTreeMap::new(),
            })
        })?;
        let missing = picture.rows.iter().filter(|(_, row)| row.is_none());
        picture.in_turn = missing
            .filter_map(|(p, _)| Some((*p, core.leader_in_turn(*p)?)))
            .collect();
        Some(picture)
    }

    /// What is left to do, in words.
    pub(crate) fn unfinished(&self) -> Option<String> {
        if let Some((partition, _)) = self.rows.iter().find(|(_, row)| row.is_none()) {
            return Some(format!(
                "it is not decided yet where the copies of {partition} will be"
            ));
        }
        if let Some(row) = self.rows().find(|row| !row.begun) {
            let partition = PartitionId(row.partition);
            return Some(format!("{partition} is being made"));
        }
        let now = self.sets();
        let then = self.planned(&now);
        let moves = then
            .iter()
            .filter(|(p, set)| now.get(p) != Some(set))
            .count();
        (moves > 0).then(|| format!("copies of {moves} partitions have yet to move"))
    }

    fn rows(&self) -> impl Iterator<Item = &PartitionRow> {
        self.rows.values().flatten()
    }

    fn sets(&self) -> Sets {
        self.rows()
            .map(|row| (PartitionId(row.partition), set_of(row)))
            .collect()
    }

    fn planned(&self, now: &Sets) -> Sets {
        let mut data = now.clone();
        let catalog = data.remove(&PartitionId::CATALOG);
        let mut planned = plan(&self.candidates, &data, COPIES);
        if let Some(voters) = catalog {
            let catalog = BTreeMap::from([(PartitionId::CATALOG, voters)]);
            planned.extend(plan(&self.candidates, &catalog, CATALOG_VOTERS_MAX));
        }
        planned
    }

    /// The rows to write next. None is due if it is empty, or until what is under way is over.
    fn next_rows(&self, report: &ClusterReport) -> Vec<PartitionRow> {
        let sets = if self.rows.values().any(Option::is_none) {
            match self.first_sets(report) {
                Some(sets) => sets,
                None => return Vec::new(),
            }
        } else {
            self.moved_sets(report)
        };
        let mut known = self.in_turn.clone();
        known.extend(
            self.rows()
                .map(|row| (PartitionId(row.partition), NodeId(row.leader))),
        );
        let may_lead = self.candidates.keys().copied().collect();
        let leaders = plan_leaders(&sets, &known, &may_lead);
        let rows = sets.into_iter().map(|(partition, set)| {
            let old = self.rows.get(&partition).cloned().flatten();
            PartitionRow {
                partition: partition.0,
                leader: leaders.get(&partition).map_or(0, |node| node.0),
                begun: old.is_none_or(|old| old.begun || is_made(partition, &set, report)),
                nodes: set.into_iter().map(|node| node.0).collect(),
            }
        });
        rows.filter(|row| self.rows.get(&PartitionId(row.partition)) != Some(&Some(row.clone())))
            .collect()
    }

    /// Rows for partitions that have none: their copies as they are, or some of them. Nothing moves for it, but
    /// where a copy is lost with a node that was replaced, another takes its place.
    fn first_sets(&self, report: &ClusterReport) -> Option<Sets> {
        let mut now = self.sets();
        let mut lost = BTreeSet::new();
        for (partition, _) in self.rows.iter().filter(|(_, row)| row.is_none()) {
            let found = report.partitions.get(partition).filter(|p| p.settled)?;
            if !found.voters.is_subset(&self.members) {
                lost.insert(*partition);
            }
            let kept = found.voters.intersection(&self.members);
            now.insert(*partition, kept.copied().collect());
        }
        let planned = self.planned(&now);
        for (partition, _) in self.rows.iter().filter(|(_, row)| row.is_none()) {
            let Some(set) = now.get_mut(partition) else {
                continue;
            };
            let copies = if *partition == PartitionId::CATALOG {
                CATALOG_VOTERS_MAX
            } else {
                COPIES
            };
            let stays = planned.get(partition).cloned().unwrap_or_default();
            let mut chosen: BTreeSet<NodeId> = set.intersection(&stays).copied().collect();
            let more = lost.contains(partition).then_some(&stays);
            for node in set.iter().chain(more.into_iter().flatten()) {
                if chosen.len() < copies {
                    chosen.insert(*node);
                }
            }
            *set = chosen;
        }
        Some(now)
    }

    /// The sets with some steps of the plan taken.
    fn moved_sets(&self, report: &ClusterReport) -> Sets {
        let mut sets = self.sets();
        let planned = self.planned(&sets);
        let up = report.up();
        let mut destinations: BTreeSet<NodeId> = BTreeSet::new();
        let mut moving = 0;
        let mut ready: BTreeSet<PartitionId> = BTreeSet::new();
        for row in self.rows() {
            let (partition, set) = (PartitionId(row.partition), set_of(row));
            let Some(found) = report.partitions.get(&partition) else {
                continue;
            };
            let comes = set.difference(&found.voters).copied();
            let comes: Vec<NodeId> = comes.filter(|node| self.members.contains(node)).collect();
            moving += usize::from(!comes.is_empty());
            destinations.extend(comes);
            // A row that names who is no member is never reached; another takes its place.
            let is_there = found.voters == set || !set.is_subset(&self.members);
            if found.settled && is_there && row.begun {
                ready.insert(partition);
            }
        }
        for partition in ready {
            let (Some(set), Some(then)) = (sets.get_mut(&partition), planned.get(&partition))
            else {
                continue;
            };
            let comes: BTreeSet<NodeId> = then.difference(set).copied().collect();
            let is_free = comes.is_disjoint(&destinations) && comes.is_subset(&up);
            if comes.is_empty() {
                set.clone_from(then);
            } else if moving < MOVES_AT_ONCE && is_free {
                set.clone_from(then);
                destinations.extend(comes);
                moving += 1;
            }
        }
        sets
    }
}

fn set_of(row: &PartitionRow) -> BTreeSet<NodeId> {
    row.nodes.iter().copied().map(NodeId).collect()
}

/// Whether a group that was asked for exists, whole.
fn is_made(partition: PartitionId, set: &BTreeSet<NodeId>, report: &ClusterReport) -> bool {
    report
        .partitions
        .get(&partition)
        .is_some_and(|p| p.settled && p.voters == *set)
}

/// Rows of two partitions that change leaders with each other, if it is time for that.
fn eased(core: &Core, watch: &mut Watch) -> Option<(Read, Vec<PartitionRow>)> {
    let passive = core.passive();
    let (read, rows, may_lead) = core.directory.read(|catalog| {
        let rows = catalog.all_placed().filter(|row| row.begun);
        let rows: BTreeMap<PartitionId, PartitionRow> = rows
            .map(|row| (PartitionId(row.partition), row.clone()))
            .collect();
        let members = catalog.members().map(|m| NodeId(m.node));
        let may_lead: BTreeSet<NodeId> = members.filter(|n| !passive.contains(n)).collect();
        (Read::of(catalog), rows, may_lead)
    });
    let work = Work {
        leaders: &rows
            .iter()
            .map(|(p, row)| (*p, NodeId(row.leader)))
            .collect(),
        sets: &rows.iter().map(|(p, row)| (*p, set_of(row))).collect(),
        loads: &rows.keys().map(|p| (*p, core.loads.of(*p))).collect(),
        may_lead: &may_lead,
    };
    let Exchange { busy, quiet } = watch.look(&work)?;
    let mut changed = [rows.get(&busy)?.clone(), rows.get(&quiet)?.clone()];
    let (leader, other) = (changed[0].leader, changed[1].leader);
    changed[0].leader = other;
    changed[1].leader = leader;
    tracing::info!(%busy, %quiet, "two partitions change leaders, as one node has too much to do");
    Some((read, changed.to_vec()))
}

/// One look at whether a node has too much to do.
pub(crate) async fn ease(broker: &Broker, watch: &mut Watch) {
    if let Some((read, rows)) = eased(&broker.core, watch) {
        place(broker, read, rows).await;
    }
}

/// The step that gives a cluster the partitions which one of `count` has more: on the members that have least.
pub(crate) fn place_more(core: &Core, count: u32) -> change_members::Kind {
    let (mut now, mut candidates) = (Sets::new(), BTreeMap::new());
    let read = core.directory.read(|catalog| {
        for member in catalog.members().filter(|m| !m.leaving) {
            let zone = member.zone.clone();
            let takes = !member.draining;
            candidates.insert(NodeId(member.node), Candidate { zone, takes });
        }
        Read::of(catalog)
    });
    let mut leaders = BTreeMap::new();
    for route in core.routes() {
        let partition = route.partition();
        if partition == PartitionId::CATALOG {
            continue;
        }
        now.insert(partition, core.set_of(partition).into_iter().collect());
        leaders.extend(
            core.leader_in_turn(partition)
                .map(|leader| (partition, leader)),
        );
    }
    let known = u32::try_from(core.partition_count()).unwrap_or(u32::MAX);
    let new = || (known..count).map(PartitionId);
    now.extend(new().map(|partition| (partition, BTreeSet::new())));
    let planned = plan(&candidates, &now, COPIES);
    let may_lead = candidates.keys().copied().collect();
    let leaders = plan_leaders(&planned, &leaders, &may_lead);
    let row = |partition: PartitionId| PartitionRow {
        partition: partition.0,
        nodes: planned
            .get(&partition)
            .into_iter()
            .flatten()
            .map(|n| n.0)
            .collect(),
        leader: leaders.get(&partition).map_or(0, |node| node.0),
        begun: false,
    };
    read.place(new().map(row).collect())
}

/// Writes the next rows, if there are any; says whether.
pub(crate) async fn step(broker: &Broker, picture: &Picture, report: &ClusterReport) -> bool {
    let first = picture.rows.values().any(Option::is_none);
    // A member of another version would not apply these commands alike.
    let own = own_version();
    let alike =
        |r: &Result<crate::report::NodeReport, String>| r.as_ref().is_ok_and(|r| r.version == own);
    if first && !report.members.values().all(alike) {
        return false;
    }
    let rows = picture.next_rows(report);
    if rows.is_empty() {
        return false;
    }
    tracing::info!(rows = rows.len(), "copies of partitions are placed");
    place(broker, picture.read, rows).await
}

async fn place(broker: &Broker, read: Read, rows: Vec<PartitionRow>) -> bool {
    let change = ChangeMembers {
        if_version: read.members,
        kind: Some(read.place(rows)),
    };
    let kind = Some(catalog::Kind::ChangeMembers(change));
    let command = command::Kind::Catalog(proto::Catalog { kind });
    // Without an answer, or refused because the members are others by now: it is looked at again.
    match broker.write(PartitionId::CATALOG, command).await {
        Ok((outcome, _)) => match refusal(&outcome) {
            None | Some(CatalogRefusal::Changed) => true,
            Some(refusal) => {
                tracing::error!(?refusal, "the catalog does not take where copies should be");
                false
            }
        },
        Err(error) => {
            tracing::warn!(%error, "where copies should be could not be written; it is tried again");
            false
        }
    }
}

fn refusal(outcome: &Outcome) -> Option<CatalogRefusal> {
    let Some(outcome::Kind::Catalog(outcome)) = &outcome.kind else {
        return None;
    };
    match outcome.kind {
        Some(catalog_outcome::Kind::Refusal(refusal)) => CatalogRefusal::try_from(refusal).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{NodeReport, PartitionReport};

    fn nodes(ids: &[u64]) -> BTreeSet<NodeId> {
        ids.iter().copied().map(NodeId).collect()
    }

    fn picture(members: u64, rows: &[Option<&[u64]>]) -> Picture {
        let candidate = || Candidate {
            zone: String::new(),
            takes: true,
        };
        let row = |(n, nodes): (usize, &Option<&[u64]>)| {
            let partition = PartitionId(n as u32 + 1);
            let row = nodes.map(|nodes| PartitionRow {
                partition: partition.0,
                nodes: nodes.to_vec(),
                leader: nodes[0],
                begun: true,
            });
            (partition, row)
        };
        Picture {
            read: Read::default(),
            members: (1..=members).map(NodeId).collect(),
            candidates: (1..=members).map(|n| (NodeId(n), candidate())).collect(),
            rows: rows.iter().enumerate().map(row).collect(),
            in_turn: BTreeMap::new(),
        }
    }

    fn report(members: u64, voters: &[&[u64]]) -> ClusterReport {
        let well = NodeReport {
            version: String::new(),
            clock_ahead_ms: 0,
            clock_error_ms: 0,
            disk_free_bytes: 0,
            disk_total_bytes: 0,
        };
        let partition = |(n, voters): (usize, &&[u64])| {
            let found = PartitionReport {
                leader: NodeId(voters[0]),
                term: 1,
                voters: nodes(voters),
                learners: BTreeSet::new(),
                settled: true,
                lag: BTreeMap::new(),
                bytes_per_s: 0,
            };
            (PartitionId(n as u32 + 1), found)
        };
        ClusterReport {
            members: (1..=members)
                .map(|n| (NodeId(n), Ok(well.clone())))
                .collect(),
            partitions: voters.iter().enumerate().map(partition).collect(),
            ..ClusterReport::default()
        }
    }

    #[test]
    fn the_first_rows_say_what_is_and_then_a_few_move_at_a_time() {
        let old: &[u64] = &[1, 2, 3];
        let first = picture(4, &[None; 8]).next_rows(&report(4, &[old; 8]));
        assert_eq!(first.len(), 8);
        assert!(first.iter().all(|row| row.nodes == old && row.begun));
        let then = picture(4, &[Some(old); 8]);
        assert!(
            then.unfinished()
                .unwrap_or_default()
                .contains("copies of 6")
        );
        let next = then.next_rows(&report(4, &[old; 8]));
        let moved: Vec<_> = next.iter().filter(|row| row.nodes != old).collect();
        assert_eq!(
            moved.len(),
            1,
            "the newcomer gets one copy at a time: {next:?}"
        );
        assert!(moved[0].nodes.contains(&4));
    }

    #[test]
    fn who_was_replaced_gets_no_row_and_a_member_takes_its_place() {
        let gone: &[u64] = &[1, 2, 9];
        let first = picture(4, &[None; 4]).next_rows(&report(4, &[gone; 4]));
        assert_eq!(first.len(), 4);
        for row in first {
            assert_eq!(row.nodes.len(), 3, "{row:?}");
            assert!(
                row.nodes.starts_with(&[1, 2]) && row.nodes[2] <= 4,
                "{row:?}"
            );
        }
    }

    #[test]
    fn a_row_that_names_who_has_left_is_written_anew() {
        let (late, all): (&[u64], &[u64]) = (&[1, 2, 9], &[1, 2, 3]);
        let mut rows = [Some(all); 5];
        rows[..3].fill(Some(late));
        let picture = picture(3, &rows);
        assert!(picture.unfinished().is_some());
        let next = picture.next_rows(&report(3, &[all; 5]));
        let was_late = |row: &&PartitionRow| row.partition <= 3;
        let mended = next.iter().filter(was_late).filter(|row| row.nodes == all);
        assert_eq!(
            mended.count(),
            1,
            "a node gets one copy at a time: {next:?}"
        );
    }

    #[test]
    fn nothing_more_moves_to_a_node_that_is_getting_a_copy_or_is_down() {
        let old: &[u64] = &[1, 2, 3];
        let mut rows = [Some(old); 8];
        rows[0] = Some(&[1, 2, 4]);
        let under_way = picture(4, &rows).next_rows(&report(4, &[old; 8]));
        assert!(
            under_way
                .iter()
                .all(|row| row.nodes == old || row.partition == 1)
        );
        let mut down = report(4, &[old; 8]);
        down.members.insert(NodeId(4), Err("down".into()));
        let next = picture(4, &[Some(old); 8]).next_rows(&down);
        assert!(next.iter().all(|row| row.nodes == old));
    }

    #[test]
    fn what_only_shrinks_does_so_at_once() {
        let all: &[u64] = &[1, 2, 3, 4, 5];
        let first = picture(5, &[None; 8]).next_rows(&report(5, &[all; 8]));
        assert!(first.iter().all(|row| row.nodes.len() == 3));
        let old: &[u64] = &[1, 2, 3];
        let next = picture(2, &[Some(old); 8]).next_rows(&report(2, &[old; 8]));
        assert_eq!(next.iter().filter(|row| row.nodes == [1, 2]).count(), 8);
    }

    #[test]
    fn a_group_is_made_before_it_counts() {
        let set: &[u64] = &[1, 2, 3];
        let mut picture = picture(3, &[Some(set)]);
        if let Some(Some(row)) = picture.rows.get_mut(&PartitionId(1)) {
            row.begun = false;
        }
        assert!(
            picture
                .unfinished()
                .unwrap_or_default()
                .contains("is being made")
        );
        assert!(picture.next_rows(&report(3, &[])).is_empty());
        assert!(picture.next_rows(&report(3, &[set]))[0].begun);
    }
}
