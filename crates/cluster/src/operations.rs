//! What an operator asks of a live cluster: hand leaders over, drain, grow, shrink, replace.
//!
//! An operation looks at the whole cluster first and is refused, with the reason and the safe way, if it
//! would cost the majority or meet a change that is still going on. Then it writes one row in the catalog, on
//! the version of the members that it looked at, and answers: the cluster does the rest by itself, whoever
//! is interrupted. Any member takes any operation.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use levada_engine::catalog::PARTITIONS_MAX;
use levada_engine::proto::{
    Catalog, CatalogOutcome, CatalogRefusal, ChangeMembers, Done, MembersChange, MembersChangeKind,
    SetDraining, SetLeader, catalog, catalog_outcome, change_members, command, outcome,
};
use levada_types::{NodeId, PartitionId};
use thiserror::Error;
use tokio::time::Instant;

use crate::assignment::{CATALOG_VOTERS_MAX, COPIES};
use crate::bootstrap::Bootstrap;
use crate::broker::{Broker, REQUEST_TIMEOUT};
use crate::report::{self, ClusterReport};
use crate::{RouteError, leaders, placer};

/// Members that a cluster can have: each has the catalog and a link to each. Five for each of three zones.
const MEMBERS_MAX: usize = 15;
/// Times that the catalog's leader is looked for, each as long as a request may take: an operator waits longer
/// than a client, and an operation is often given just when a node has died.
const LOOKS_MAX: usize = 3;
/// For how long an operation waits for partitions that are between two leaders, and how often it looks.
const CALM_WAIT: Duration = Duration::from_secs(5);
const CALM_LOOK: Duration = Duration::from_millis(200);

/// An operation that was not carried out; each says why, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OperationError {
    /// It would do harm, or makes no sense now. Nothing was changed.
    #[error("{0}")]
    Refused(String),
    /// The members changed between the look and the change. Nothing was changed; it can be tried again at once.
    #[error(
        "the members were changed by somebody else in this moment; look at `levada cluster status` and try again"
    )]
    Raced,
    /// What it names does not exist.
    #[error("{0}")]
    Unknown(String),
    /// The catalog did not answer; it may yet be carried out.
    #[error(
        "{0}: the operation may or may not take effect; look at `levada cluster status` before you repeat it"
    )]
    Unavailable(#[from] RouteError),
}

type Outcome<T> = Result<T, OperationError>;

/// A way to operate the cluster, through one member; cheap to clone.
#[derive(Clone)]
pub struct Operator {
    pub(crate) broker: Broker,
    bootstrap: Arc<Bootstrap>,
}

impl Operator {
    pub(crate) fn new(broker: Broker, bootstrap: Arc<Bootstrap>) -> Self {
        Self { broker, bootstrap }
    }

    /// The cluster by the word of each member.
    pub async fn report(&self) -> ClusterReport {
        report::gather(&self.broker.core).await
    }

    /// Has a member lead a partition, from now on and until `rebalance`.
    pub async fn transfer(&self, partition: PartitionId, to: &str) -> Outcome<NodeId> {
        let core = &self.broker.core;
        let route = core.route(partition).ok_or_else(|| {
            OperationError::Unknown(format!(
                "there is no {partition}; this cluster has partitions 0 to {}",
                core.partition_count().saturating_sub(1)
            ))
        })?;
        let version = self.look().await?;
        let to = self.member(to)?;
        if core.passive().contains(&to) {
            return refused(format!(
                "{to} is drained or being taken out, and should lead nothing; `levada cluster undrain {to}` first, or choose another node"
            ));
        }
        let wish = SetLeader {
            partition: partition.0,
            node: to.0,
        };
        let set = core.set_of(partition);
        if !set.contains(&to) {
            let names: Vec<String> = set.iter().map(ToString::to_string).collect();
            return refused(format!(
                "{to} has no copy of {partition}; it can be led by {}",
                names.join(", ")
            ));
        }
        leaders::hand_over(core, &route, to)
            .await
            .map_err(OperationError::Refused)?;
        self.change(version, change_members::Kind::SetLeader(wish))
            .await?;
        Ok(to)
    }

    /// Takes back what `transfer` asked for: leaders move to those that should lead, a few each second.
    pub async fn rebalance(&self) -> Outcome<()> {
        let version = self.look().await?;
        self.change(version, change_members::Kind::ClearLeaders(Done {}))
            .await
    }

    /// Hands over whatever this node leads, as it is about to stop; answers how many partitions. One that does not
    /// stop gets them back within seconds.
    pub async fn step_down(&self) -> usize {
        leaders::hand_all_over(&self.broker.core).await
    }

    /// Has a node lead nothing, until it is undrained.
    pub async fn set_draining(&self, node: &str, draining: bool) -> Outcome<NodeId> {
        let version = self.look().await?;
        let node = self.member(node)?;
        let core = &self.broker.core;
        if draining {
            let passive = core.passive();
            let up = self.report().await.up();
            if !up.iter().any(|n| *n != node && !passive.contains(n)) {
                return refused(format!(
                    "no other member that is up may lead: drain {node} when another one is back, or undrain another one first"
                ));
            }
        }
        let change = SetDraining {
            node: node.0,
            draining,
        };
        self.change(version, change_members::Kind::SetDraining(change))
            .await?;
        Ok(node)
    }

    /// Expects a new member at an address: an empty node that starts there joins.
    pub async fn add(&self, address: &str) -> Outcome<()> {
        let version = self.look().await?;
        let core = &self.broker.core;
        let members = core.members.all();
        if core
            .members
            .address(core.node)
            .is_none_or(|own| own.is_empty())
        {
            return refused(
                "this node is alone and listens for no peers, so that nobody can join it. Back it up and restore it as the first node of a cluster: `levada backup`, then `levada restore --peers-address HOST:PORT`".into(),
            );
        }
        if let Some((node, _)) = members.iter().find(|(_, at)| *at == address) {
            return refused(format!(
                "{address} is the address of {node} already. If its directory was emptied, just start it: it joins in its old place"
            ));
        }
        if members.len() >= MEMBERS_MAX {
            return refused(format!(
                "the cluster has {} members, and {MEMBERS_MAX} is the most; remove one first",
                members.len()
            ));
        }
        if let Some(hello) = self.bootstrap.hello(address).await
            && hello.cluster != 0
        {
            let whose = if hello.cluster == core.members.cluster() {
                "this cluster under another address: start it with the address that its members know".to_owned()
            } else {
                format!(
                    "cluster {:016x}: stop it, and start it on an empty directory, with this cluster's members and its own address in peers.members",
                    hello.cluster
                )
            };
            return refused(format!("the node at {address} belongs to {whose}"));
        }
        self.expect_calm(&self.calm_report().await)?;
        self.change(version, change_members::Kind::Expect(address.to_owned()))
            .await
    }

    /// Begins to take a member out: its leaders are handed over, then its votes go, then its row.
    pub async fn remove(&self, node: &str) -> Outcome<NodeId> {
        let version = self.look().await?;
        let node = self.member(node)?;
        let report = self.calm_report().await;
        if report.members.len() == 1 {
            return refused(format!(
                "{node} is the only member, and holds the only copy of every message; to end the cluster, stop its process"
            ));
        }
        if node == self.broker.core.node {
            return refused(format!(
                "{node} is the node that was asked, and would end before it could say how it went; ask another member, by --endpoint"
            ));
        }
        expect_majority_without(&report, node)?;
        if !self.is_on_its_way_in(node) {
            self.expect_calm(&report)?;
        }
        self.change(version, change_members::Kind::TakeOut(node.0))
            .await?;
        Ok(node)
    }

    /// Notes that a member's directory is emptied, so that nothing else is changed until another has come
    /// in its place.
    pub async fn replace(&self, node: &str) -> Outcome<NodeId> {
        let version = self.look().await?;
        let node = self.member(node)?;
        let report = self.calm_report().await;
        if report.members.len() == 1 {
            return refused(format!(
                "{node} is the only member: without its directory every message is gone. Add a second node first, or make a backup"
            ));
        }
        expect_majority_without(&report, node)?;
        self.expect_calm(&report)?;
        self.change(version, change_members::Kind::Replace(node.0))
            .await?;
        Ok(node)
    }

    /// Gives the cluster more partitions, for the queues that are made from then on. `count` is without the
    /// catalog. Answers how many there were.
    pub async fn raise_partitions(&self, count: u32) -> Outcome<u32> {
        let version = self.look().await?;
        let core = &self.broker.core;
        let known = u32::try_from(core.partition_count()).unwrap_or(u32::MAX);
        let now = known.saturating_sub(1);
        if count <= now {
            return refused(format!(
                "the cluster has {now} partitions, and there can only be more: queues have their messages in those that there are"
            ));
        }
        if count >= PARTITIONS_MAX {
            return refused(format!(
                "{} is the most that a cluster can have",
                PARTITIONS_MAX - 1
            ));
        }
        self.expect_calm(&self.calm_report().await)?;
        self.change(version, placer::place_more(core, count + 1))
            .await?;
        Ok(now)
    }

    /// Calls the change that is under way off, if nobody has come or gone yet.
    pub async fn cancel(&self) -> Outcome<()> {
        let version = self.look().await?;
        self.change(version, change_members::Kind::Cancel(Done {}))
            .await
    }

    /// Brings this node's copy of the catalog up to date, and says which version of the members it holds.
    async fn look(&self) -> Outcome<u64> {
        let mut caught_up = self.broker.catch_up_catalog().await;
        for _ in 1..LOOKS_MAX {
            if caught_up.is_ok() {
                break;
            }
            caught_up = self.broker.catch_up_catalog().await;
        }
        caught_up.map_err(|e| {
            OperationError::Refused(format!(
                "the catalog cannot be read ({e}), and nothing was changed; `levada doctor` says what is in the way"
            ))
        })?;
        let directory = &self.broker.core.directory;
        Ok(directory.read(|catalog| catalog.members_version()))
    }

    /// A report of the whole cluster, or, if an election goes on for long, of what there is.
    async fn calm_report(&self) -> ClusterReport {
        let deadline = Instant::now() + CALM_WAIT;
        loop {
            let report = self.report().await;
            if report.unfinished().is_none() || Instant::now() > deadline {
                return report;
            }
            tokio::time::sleep(CALM_LOOK).await;
        }
    }

    fn current_change(&self) -> Option<MembersChange> {
        let directory = &self.broker.core.directory;
        directory.read(|catalog| catalog.members_change().cloned())
    }

    fn is_on_its_way_in(&self, node: NodeId) -> bool {
        self.current_change()
            .is_some_and(|c| c.kind() == MembersChangeKind::Add && c.node == node.0)
    }

    /// Refused while members change.
    fn expect_calm(&self, report: &ClusterReport) -> Outcome<()> {
        if let Some(change) = self.current_change() {
            return refused(under_way(&change));
        }
        let versions = &report.members;
        let mut answered = versions
            .iter()
            .filter_map(|(n, r)| Some((n, r.as_ref().ok()?)));
        let own = report::own_version();
        if let Some((node, other)) = answered.find(|(_, r)| r.version != own) {
            return refused(format!(
                "{node} runs version {} and this node {own}; finish the upgrade first",
                other.version
            ));
        }
        match report.unfinished() {
            None => Ok(()),
            Some(what) => refused(format!(
                "{what}; wait until `levada doctor` finds nothing to do, then try again"
            )),
        }
    }

    /// The member that an operator means: by number, as `n17` or `17`, or by its peer address.
    fn member(&self, text: &str) -> Outcome<NodeId> {
        let members = self.broker.core.members.all();
        let number = text.strip_prefix('n').unwrap_or(text).parse().ok();
        let found = members
            .iter()
            .find(|(node, address)| Some(node.0) == number || *address == text)
            .map(|(node, _)| *node);
        found.ok_or_else(|| {
            let known: Vec<String> = members.iter().map(|(n, a)| format!("{n} at {a}")).collect();
            OperationError::Unknown(format!(
                "no member is {text:?}; the members are {}",
                known.join(", ")
            ))
        })
    }

    async fn change(&self, version: u64, kind: change_members::Kind) -> Outcome<()> {
        let change = ChangeMembers {
            if_version: version,
            kind: Some(kind),
        };
        let command = command::Kind::Catalog(Catalog {
            kind: Some(catalog::Kind::ChangeMembers(change)),
        });
        let (outcome, applied) = self.broker.write(PartitionId::CATALOG, command).await?;
        // So that this node's next look sees what it just did.
        let catalog = self.broker.core.directory.group();
        catalog.wait_applied(applied, REQUEST_TIMEOUT).await;
        let Some(outcome::Kind::Catalog(CatalogOutcome { kind: Some(kind) })) = outcome.kind else {
            return Err(RouteError::Unavailable.into());
        };
        let catalog_outcome::Kind::Refusal(refusal) = kind else {
            return Ok(());
        };
        refused(match CatalogRefusal::try_from(refusal).unwrap_or_default() {
            CatalogRefusal::Changed => return Err(OperationError::Raced),
            CatalogRefusal::ChangeUnderWay => self.current_change().map_or_else(
                || "another change of members is under way; try again when it is over".into(),
                |change| under_way(&change),
            ),
            CatalogRefusal::NoSuchChange => self.current_change().map_or_else(
                || "no change of members is under way".into(),
                |change| format!("{}. It cannot be called off any more: who came has come, who went has gone", under_way(&change)),
            ),
            CatalogRefusal::NoSuchMember => "the node is not a member any more".into(),
            CatalogRefusal::AlreadyMember => "a member has this address already".into(),
            other => format!("the catalog refused the change: {other:?}"),
        })
    }
}

/// Refused if without the node some partition would have no majority that answers, or could not agree on the
/// change.
fn expect_majority_without(report: &ClusterReport, node: NodeId) -> Outcome<()> {
    let members: BTreeSet<NodeId> = report.members.keys().copied().collect();
    let up = report.up();
    // Beyond the first few members a copy that goes is replaced by one elsewhere.
    let is_replaced = |voters: &BTreeSet<NodeId>| {
        report.members.len() > COPIES && up.iter().any(|n| *n != node && !voters.contains(n))
    };
    let voters_of_all = report.partitions.values().map(|p| &p.voters);
    let all_of_few = Some(&members).filter(|m| m.len() <= CATALOG_VOTERS_MAX);
    for voters in voters_of_all
        .chain(all_of_few)
        .filter(|v| v.contains(&node))
    {
        let answering = voters.intersection(&up).count();
        let others = answering - usize::from(up.contains(&node));
        let remaining = voters.len() - 1 + usize::from(is_replaced(voters));
        let have = others + usize::from(is_replaced(voters));
        let needed = remaining / 2 + 1;
        // To agree on the change itself takes a majority as it is, which counts the node if it answers.
        if have >= needed && answering > voters.len() / 2 {
            continue;
        }
        let down: Vec<String> = voters
            .iter()
            .filter(|n| !up.contains(n) && **n != node)
            .map(ToString::to_string)
            .collect();
        return refused(format!(
            "without {node} only {have} of {remaining} members would answer, and {needed} are needed for a majority; bring {} back first, or take that one out instead",
            down.join(", ")
        ));
    }
    Ok(())
}

fn under_way(change: &MembersChange) -> String {
    let (node, address) = (NodeId(change.node), &change.address);
    match change.kind() {
        MembersChangeKind::Add if change.node == 0 => format!(
            "a new member is expected at {address}: start an empty node there, or call it off with `levada cluster cancel`"
        ),
        MembersChangeKind::Add => format!(
            "{node} at {address} is still getting its copies; wait for it (`levada cluster status`), or take it out again with `levada cluster remove {node}`"
        ),
        MembersChangeKind::Remove => {
            format!(
                "{node} at {address} is still being taken out; wait for it (`levada cluster status`)"
            )
        }
        MembersChangeKind::Replace | MembersChangeKind::Unspecified => format!(
            "{node} at {address} is being replaced: start an empty node there, or call it off with `levada cluster cancel` while {node} is still the member"
        ),
    }
}

fn refused<T>(why: String) -> Outcome<T> {
    Err(OperationError::Refused(why))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::NodeReport;

    fn report(up: &[u64], down: &[u64]) -> ClusterReport {
        let well = NodeReport {
            version: String::new(),
            clock_ahead_ms: 0,
            clock_error_ms: 0,
            disk_free_bytes: 0,
            disk_total_bytes: 0,
        };
        let up = up.iter().map(|n| (NodeId(*n), Ok(well.clone())));
        let down = down.iter().map(|n| (NodeId(*n), Err("down".to_owned())));
        ClusterReport {
            members: up.chain(down).collect(),
            ..ClusterReport::default()
        }
    }

    #[test]
    fn a_majority_must_remain() {
        let allowed = |up: &[u64], down: &[u64], node| {
            expect_majority_without(&report(up, down), NodeId(node)).is_ok()
        };
        assert!(allowed(&[1, 2, 3], &[], 3));
        assert!(allowed(&[1, 2], &[3], 3), "the dead one may be taken out");
        assert!(!allowed(&[1, 2], &[3], 2), "a living one not");
        assert!(allowed(&[1, 2], &[], 2));
        assert!(!allowed(&[1], &[2], 2), "nobody could agree on it");
        assert!(allowed(&[1, 2, 3, 4], &[5], 1));
        assert!(!allowed(&[1, 2, 3], &[4, 5], 1));
        let said = expect_majority_without(&report(&[1, 2], &[3]), NodeId(2)).unwrap_err();
        assert!(said.to_string().contains("bring n3 back first"), "{said}");
    }
}
