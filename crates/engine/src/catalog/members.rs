//! The catalog's commands on members: who belongs to the cluster, who leads nothing, and the one change of
//! members that may be under way.
//!
//! The rows say what should be; each partition's leader makes its group so. Invariants: the version rises
//! with every change that an operator could have read otherwise; at most one operator's change is under
//! way; a node that was taken out or replaced is remembered, so that it can be told.

use std::collections::BTreeMap;

use levada_types::{NodeId, PartitionId, Timestamp};

use super::Catalog;
use super::placement::Placement;
use crate::effects::Effects;
use crate::proto::{
    self, CatalogHead, CatalogRefusal as Refusal, FormerMember, MemberRow, MembersChange,
    MembersChangeKind as Kind, PartitionRow, change_members,
};

/// Former members that are remembered; beyond it the one that left first is forgotten.
const FORMER_MAX: usize = 64;
/// Wishes for leaders that are kept: one for each partition that a cluster can have.
const LEADERS_MAX: usize = 1_025;

/// The members' part of the catalog.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Members {
    rows: BTreeMap<u64, MemberRow>,
    version: u64,
    change: Option<MembersChange>,
    /// Oldest first.
    former: Vec<FormerMember>,
    leaders: BTreeMap<u32, u64>,
    placement: Placement,
}

/// Reads, for the cluster.
impl Catalog {
    /// The members of the cluster, by node.
    pub fn members(&self) -> impl Iterator<Item = &MemberRow> {
        self.members.rows.values()
    }

    /// One member.
    pub fn member(&self, node: NodeId) -> Option<&MemberRow> {
        self.members.rows.get(&node.0)
    }

    /// Rises with each change of the members.
    pub fn members_version(&self) -> u64 {
        self.members.version
    }

    /// The change of members that is under way.
    pub fn members_change(&self) -> Option<&MembersChange> {
        self.members.change.as_ref()
    }

    /// What is remembered of a node that was a member and is none any more.
    pub fn former_member(&self, node: NodeId) -> Option<&FormerMember> {
        self.members.former.iter().find(|f| f.node == node.0)
    }

    /// Who should lead a partition by an operator's wish.
    pub fn wanted_leader(&self, partition: PartitionId) -> Option<NodeId> {
        self.members.leaders.get(&partition.0).copied().map(NodeId)
    }

    /// Where a partition's copies should be; None if nobody has said, which means on every member.
    pub fn placed(&self, partition: PartitionId) -> Option<&PartitionRow> {
        self.members.placement.row(partition)
    }

    /// Every partition of which somebody has said where its copies should be, in order.
    pub fn all_placed(&self) -> impl Iterator<Item = &PartitionRow> {
        self.members.placement.rows()
    }

    /// Rises with each change of where copies should be.
    pub fn placement_version(&self) -> u64 {
        self.members.placement.version()
    }
}

impl Members {
    pub(super) fn rows(&self) -> impl Iterator<Item = &MemberRow> {
        self.rows.values()
    }

    pub(super) fn placement(&self) -> &Placement {
        &self.placement
    }

    pub(super) fn load_partition(&mut self, row: PartitionRow) {
        self.placement.load(row);
    }

    /// What a snapshot holds beside the rows.
    pub(super) fn head(&self) -> CatalogHead {
        CatalogHead {
            members_version: self.version,
            members_change: self.change.clone(),
            former_members: self.former.clone(),
            leaders: self.leaders.clone().into_iter().collect(),
            placement_version: self.placement.version(),
            ..CatalogHead::default()
        }
    }

    pub(super) fn load_head(&mut self, head: CatalogHead) {
        self.version = head.members_version;
        self.placement.load_version(head.placement_version);
        self.change = head.members_change;
        self.former = head.former_members;
        self.leaders = head.leaders.into_iter().collect();
    }

    pub(super) fn load_row(&mut self, row: MemberRow) {
        self.rows.insert(row.node, row);
    }

    /// A node says where it is reached, or comes to be a member.
    pub(super) fn set(
        &mut self,
        command: proto::SetMember,
        effects: &mut Effects,
    ) -> Result<(), Refusal> {
        let mut member = command.member.ok_or(Refusal::Unspecified)?;
        // What a node says of itself may come after it was taken out. It never comes back: numbers are not used again.
        if self.former.iter().any(|former| former.node == member.node) {
            return Err(Refusal::NoSuchMember);
        }
        let old = self.rows.get(&member.node);
        member.draining = old.is_some_and(|old| old.draining);
        member.leaving = old.is_some_and(|old| old.leaving);
        if old == Some(&member) {
            return Ok(());
        }
        if let Some(change) = self.change.as_mut().filter(|change| {
            change.kind() == Kind::Add && change.node == 0 && change.address == member.peer_address
        }) {
            change.node = member.node;
        }
        self.rows.insert(member.node, member);
        self.changed(effects);
        Ok(())
    }

    /// A node is a member no more.
    pub(super) fn remove(&mut self, at: Timestamp, node: u64, effects: &mut Effects) {
        let Some(row) = self.rows.remove(&node) else {
            return;
        };
        // Who has come in its place takes its copies over.
        let successor = self
            .rows
            .values()
            .find(|other| other.peer_address == row.peer_address);
        if let Some(successor) = successor {
            self.placement.replace(node, successor.node);
        }
        self.former.push(FormerMember {
            node,
            peer_address: row.peer_address,
            removed_at: at.as_millis(),
        });
        if self.former.len() > FORMER_MAX {
            self.former.remove(0);
        }
        self.leaders.retain(|_, leader| *leader != node);
        self.changed(effects);
    }

    /// An operator's change, or a step of one.
    pub(super) fn change(
        &mut self,
        at: Timestamp,
        command: proto::ChangeMembers,
        effects: &mut Effects,
    ) -> Result<(), Refusal> {
        use change_members::Kind as Step;
        if command.if_version != self.version {
            return Err(Refusal::Changed);
        }
        match command.kind.ok_or(Refusal::Unspecified)? {
            Step::SetDraining(c) => self.row(c.node)?.draining = c.draining,
            Step::Expect(address) => {
                if self.rows.values().any(|row| row.peer_address == address) {
                    return Err(Refusal::AlreadyMember);
                }
                self.begin(at, Kind::Add, address, 0)?;
            }
            Step::TakeOut(node) => {
                let address = self.row(node)?.peer_address.clone();
                // Who is on its way in may turn round: else a newcomer that dies would be in the way.
                self.change
                    .take_if(|change| change.kind() == Kind::Add && change.node == node);
                self.begin(at, Kind::Remove, address, node)?;
                self.row(node)?.leaving = true;
            }
            Step::TakenOut(node) => {
                let change = self.change.as_mut().ok_or(Refusal::NoSuchChange)?;
                if change.kind() != Kind::Remove || change.node != node {
                    return Err(Refusal::NoSuchChange);
                }
                change.taken_out = true;
                self.remove(at, node, effects);
            }
            Step::Replace(node) => {
                let address = self.row(node)?.peer_address.clone();
                self.begin(at, Kind::Replace, address, node)?;
            }
            Step::Finish(_) => {
                self.change.take().ok_or(Refusal::NoSuchChange)?;
            }
            Step::Cancel(_) => self.cancel()?,
            Step::SetLeader(c) => {
                self.row(c.node)?;
                if self.leaders.len() < LEADERS_MAX || self.leaders.contains_key(&c.partition) {
                    self.leaders.insert(c.partition, c.node);
                }
            }
            Step::ClearLeaders(_) => self.leaders.clear(),
            Step::Place(c) => {
                // What the author read is not there any more: its rows would bring it back.
                if c.if_version
                    .is_some_and(|version| version != self.placement.version())
                {
                    return Err(Refusal::Changed);
                }
                let is_member = |node: &u64| self.rows.contains_key(node);
                return self.placement.set(c.rows, is_member, effects);
            }
        }
        self.changed(effects);
        Ok(())
    }

    fn begin(
        &mut self,
        at: Timestamp,
        kind: Kind,
        address: String,
        node: u64,
    ) -> Result<(), Refusal> {
        if self.change.is_some() {
            return Err(Refusal::ChangeUnderWay);
        }
        self.change = Some(MembersChange {
            kind: kind as i32,
            address,
            node,
            since: at.as_millis(),
            taken_out: false,
        });
        Ok(())
    }

    /// Possible until somebody has come or gone.
    fn cancel(&mut self) -> Result<(), Refusal> {
        let change = self.change.as_ref().ok_or(Refusal::NoSuchChange)?;
        let too_late = match change.kind() {
            Kind::Add => change.node != 0,
            Kind::Remove => change.taken_out,
            Kind::Replace => !self.rows.contains_key(&change.node),
            Kind::Unspecified => false,
        };
        if too_late {
            return Err(Refusal::NoSuchChange);
        }
        if let Some(row) = self.rows.get_mut(&change.node) {
            row.leaving = false;
        }
        self.change = None;
        Ok(())
    }

    fn row(&mut self, node: u64) -> Result<&mut MemberRow, Refusal> {
        self.rows.get_mut(&node).ok_or(Refusal::NoSuchMember)
    }

    fn changed(&mut self, effects: &mut Effects) {
        self.version += 1;
        effects.catalog_other = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use change_members::Kind as Step;

    fn row(node: u64) -> MemberRow {
        MemberRow {
            node,
            peer_address: format!("host-{node}:7100"),
            ..MemberRow::default()
        }
    }

    fn set(members: &mut Members, member: MemberRow) {
        let member = Some(member);
        members
            .set(proto::SetMember { member }, &mut Effects::default())
            .unwrap();
    }

    /// Members 1 to 3.
    fn three() -> Members {
        let mut members = Members::default();
        (1..=3).for_each(|node| set(&mut members, row(node)));
        members
    }

    fn change(members: &mut Members, kind: Step) -> Result<(), Refusal> {
        let command = proto::ChangeMembers {
            if_version: members.version,
            kind: Some(kind),
        };
        members.change(Timestamp::from_millis(9), command, &mut Effects::default())
    }

    #[test]
    fn of_two_operators_at_once_one_is_told_to_look_again() {
        let mut members = three();
        let seen = members.version;
        let at = Timestamp::ZERO;
        let command = |kind| proto::ChangeMembers {
            if_version: seen,
            kind: Some(kind),
        };
        let mut effects = Effects::default();
        members
            .change(at, command(Step::TakeOut(1)), &mut effects)
            .unwrap();
        assert!(effects.catalog_other);
        let second = members.change(at, command(Step::TakeOut(2)), &mut effects);
        assert_eq!(second, Err(Refusal::Changed));
        assert!(members.rows[&1].leaving && !members.rows[&2].leaving);
    }

    #[test]
    fn one_change_at_a_time() {
        let mut members = three();
        change(&mut members, Step::Expect("host-4:7100".into())).unwrap();
        for kind in [
            Step::TakeOut(1),
            Step::Replace(2),
            Step::Expect("host-5:7100".into()),
        ] {
            assert_eq!(change(&mut members, kind), Err(Refusal::ChangeUnderWay));
        }
        change(&mut members, Step::Cancel(proto::Done {})).unwrap();
        let taken = Step::Expect("host-1:7100".into());
        assert_eq!(change(&mut members, taken), Err(Refusal::AlreadyMember));
        change(&mut members, Step::TakeOut(1)).unwrap();
    }

    #[test]
    fn an_expected_member_comes_and_can_then_not_be_called_off() {
        let mut members = three();
        change(&mut members, Step::Expect("host-4:7100".into())).unwrap();
        set(&mut members, row(4));
        assert_eq!(members.change.as_ref().map(|c| c.node), Some(4));
        let late = change(&mut members, Step::Cancel(proto::Done {}));
        assert_eq!(late, Err(Refusal::NoSuchChange));
        assert_eq!(
            change(&mut members, Step::TakeOut(1)),
            Err(Refusal::ChangeUnderWay)
        );
        change(&mut members, Step::TakeOut(4)).unwrap();
        assert_eq!(
            members.change.as_ref().map(|c| c.kind()),
            Some(Kind::Remove)
        );
        change(&mut members, Step::TakenOut(4)).unwrap();
        change(&mut members, Step::Finish(proto::Done {})).unwrap();
        assert_eq!(members.change, None);
    }

    #[test]
    fn who_was_taken_out_is_remembered_and_its_wishes_are_not() {
        let mut members = three();
        let wish = proto::SetLeader {
            partition: 7,
            node: 2,
        };
        change(&mut members, Step::SetLeader(wish)).unwrap();
        change(&mut members, Step::TakeOut(2)).unwrap();
        assert_eq!(
            change(&mut members, Step::TakenOut(3)),
            Err(Refusal::NoSuchChange)
        );
        change(&mut members, Step::TakenOut(2)).unwrap();
        assert!(!members.rows.contains_key(&2) && members.leaders.is_empty());
        assert_eq!(
            (members.former[0].node, members.former[0].removed_at),
            (2, 9)
        );
        let late = change(&mut members, Step::Cancel(proto::Done {}));
        assert_eq!(late, Err(Refusal::NoSuchChange));
    }

    #[test]
    fn who_was_taken_out_does_not_come_back_by_a_late_word() {
        let mut members = three();
        change(&mut members, Step::TakeOut(2)).unwrap();
        change(&mut members, Step::TakenOut(2)).unwrap();
        let late = proto::SetMember {
            member: Some(row(2)),
        };
        let refused = members.set(late, &mut Effects::default());
        assert_eq!(refused, Err(Refusal::NoSuchMember));
        assert!(!members.rows.contains_key(&2) && members.former.len() == 1);
    }

    #[test]
    fn rows_that_follow_from_an_older_placement_are_not_taken() {
        let mut members = three();
        let place = |members: &mut Members, nodes: Vec<u64>, if_version| {
            let row = proto::PartitionRow {
                partition: 1,
                leader: nodes[0],
                nodes,
                begun: true,
            };
            let rows = vec![row];
            change(
                members,
                Step::Place(proto::PlacePartitions { rows, if_version }),
            )
        };
        let read = Some(members.placement.version());
        place(&mut members, vec![1, 2], read).unwrap();
        let late = place(&mut members, vec![2, 3], read);
        assert_eq!(late, Err(Refusal::Changed));
        let row = members.placement.row(PartitionId(1)).unwrap();
        assert_eq!(row.nodes, [1, 2]);
        // As an earlier version wrote it.
        place(&mut members, vec![2, 3], None).unwrap();
    }

    #[test]
    fn a_node_that_says_where_it_is_stays_drained() {
        let mut members = three();
        let draining = proto::SetDraining {
            node: 3,
            draining: true,
        };
        change(&mut members, Step::SetDraining(draining)).unwrap();
        let moved = MemberRow {
            http_address: "elsewhere".into(),
            ..row(3)
        };
        set(&mut members, moved);
        assert!(members.rows[&3].draining);
        let mut copy = Members::default();
        copy.load_head(members.head());
        members.rows().cloned().for_each(|row| copy.load_row(row));
        assert_eq!(copy, members);
    }
}
