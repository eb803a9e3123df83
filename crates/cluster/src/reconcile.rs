//! Drives a partition that this node leads towards what the catalog says: its queues, shards, tables and topics configured
//! as their rows say, none that was deleted, and the members that the cluster has.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use levada_engine::proto::{
    ConfigureQueue, ConfigureShard, ConfigureTable, ConfigureTopic, DropQueue, command,
};
use levada_engine::{shard_config_of, table_config_of, topic_config_of};
use levada_replica::{Group, GroupStatus, ProposeError};
use levada_types::{LogId, NodeId, PartitionId, QueueId};

use crate::assignment::Vote;
use crate::broker::Broker;
use crate::core::{Core, Route};
use crate::driver::catalog_members;
use crate::leaders;

/// Between two tries of a change that did not succeed.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Runs as long as the node has its copy of the partition.
pub(crate) async fn reconcile(broker: Broker, route: Arc<Route>, group: Arc<Group>) {
    let core = broker.core.clone();
    loop {
        let pending = route.changed.next().await;
        // As `leader_changed` sees it, which is what wakes this loop after an election.
        let leads = || group.leader() == Some(core.node);
        if !leads() {
            continue;
        }
        let logs = if pending.all {
            all_logs(&broker, &group)
        } else {
            pending.queues
        };
        let mut done = true;
        for log in logs {
            done &= reconcile_log(&broker, &group, log).await;
        }
        if pending.all || pending.members {
            done &= reconcile_members(&broker, &group).await;
        }
        if !done && leads() {
            tokio::time::sleep(RETRY_PAUSE).await;
            route.changed.all();
        }
    }
}

/// Queues, shards, tables and topics that are here by the catalog or by the partition itself.
fn all_logs(broker: &Broker, group: &Group) -> BTreeSet<LogId> {
    let here: BTreeSet<LogId> = group.read(|p| {
        let logs = p.queues().chain(p.shards());
        logs.chain(p.tables()).chain(p.topics()).collect()
    });
    let mut logs = broker.core.directory.read(|catalog| -> BTreeSet<LogId> {
        let id = group.id().0;
        let queues = catalog
            .queues()
            .filter(|row| row.partitions.contains(&id))
            .map(|row| QueueId(row.queue));
        let shards = catalog.streams().flat_map(|row| &row.shards);
        let shards = shards.filter(|shard| shard.partition == id);
        let tables = catalog.tables().filter(|row| row.partition == id);
        let topics = catalog.topics().filter(|row| row.partitions.contains(&id));
        queues
            .chain(shards.map(|shard| QueueId(shard.log)))
            .chain(tables.map(|row| QueueId(row.table)))
            .chain(topics.map(|row| QueueId(row.topic)))
            .collect()
    });
    logs.extend(here);
    logs
}

async fn reconcile_log(broker: &Broker, group: &Group, log: LogId) -> bool {
    let is_shard = group.read(|p| p.shard(log).is_some());
    let wanted = broker.core.directory.read(|catalog| {
        let (stream, shard) = catalog.shard_of(log)?;
        (shard.partition == group.id().0).then(|| shard_config_of(stream, shard))
    });
    let kind = match wanted {
        Some(config) => {
            let have = group.read(|p| p.shard(log).map(|view| view.config_version));
            if have.is_some_and(|have| have >= config.version) {
                return true;
            }
            command::Kind::ConfigureShard(ConfigureShard {
                config: Some(config),
            })
        }
        None if is_shard && broker.core.directory.is_gone(log) => {
            command::Kind::DropQueue(DropQueue { queue: log.0 })
        }
        None if is_shard => return true,
        None => {
            if let Some(done) = reconcile_table(broker, group, log).await {
                return done;
            }
            return match reconcile_topic(broker, group, log).await {
                Some(done) => done,
                None => reconcile_queue(broker, group, log).await,
            };
        }
    };
    broker.write(group.id(), kind).await.is_ok()
}

/// None if it is no table, neither here nor in the catalog.
async fn reconcile_table(broker: &Broker, group: &Group, table: QueueId) -> Option<bool> {
    let have = group.read(|p| p.table_version(table));
    let wanted = broker.core.directory.read(|catalog| {
        let row = catalog.table(table.0)?;
        let config = (row.partition == group.id().0).then(|| table_config_of(row))?;
        let version = config.version;
        let config = Some(config);
        Some((
            version,
            command::Kind::ConfigureTable(ConfigureTable { config }),
        ))
    });
    reconcile_version(broker, group, table, have, wanted).await
}

/// None if it is no topic, neither here nor in the catalog.
async fn reconcile_topic(broker: &Broker, group: &Group, topic: QueueId) -> Option<bool> {
    let have = group.read(|p| p.topic_version(topic));
    let wanted = broker.core.directory.read(|catalog| {
        let row = catalog.topic(topic.0)?;
        let is_here = row.partitions.contains(&group.id().0);
        let config = is_here.then(|| topic_config_of(row))?;
        let version = config.version;
        let config = Some(config);
        Some((
            version,
            command::Kind::ConfigureTopic(ConfigureTopic { config }),
        ))
    });
    reconcile_version(broker, group, topic, have, wanted).await
}

/// Brings what a partition has from its version to the one that is wanted, by the command that is given with that.
/// None if it is neither here nor in the catalog.
async fn reconcile_version(
    broker: &Broker,
    group: &Group,
    log: QueueId,
    have: Option<u64>,
    wanted: Option<(u64, command::Kind)>,
) -> Option<bool> {
    let kind = match (wanted, have) {
        (Some((version, configure)), have) if have.is_none_or(|have| have < version) => configure,
        (None, Some(_)) if broker.core.directory.is_gone(log) => {
            command::Kind::DropQueue(DropQueue { queue: log.0 })
        }
        (None, None) => return None,
        _ => return Some(true),
    };
    Some(broker.write(group.id(), kind).await.is_ok())
}

async fn reconcile_queue(broker: &Broker, group: &Group, queue: QueueId) -> bool {
    let partition = group.id();
    let have = group.read(|p| p.queue(queue).map(|view| view.config_version));
    let directory = &broker.core.directory;
    let row = directory.read(|catalog| {
        catalog
            .queue(queue)
            .map(|row| (row.version, row.partitions.contains(&partition.0)))
    });
    let kind = match (row, have) {
        (Some((version, true)), have) if have.is_none_or(|have| have < version) => {
            let Some(config) = directory.config(queue) else {
                return true;
            };
            command::Kind::ConfigureQueue(ConfigureQueue {
                config: Some(config),
            })
        }
        // This copy of the catalog knew the queue once and does not now: it was deleted. One that it
        // has not heard of yet is newer than the copy.
        (None, Some(_)) if directory.is_gone(queue) => {
            command::Kind::DropQueue(DropQueue { queue: queue.0 })
        }
        _ => return true,
    };
    broker.write(partition, kind).await.is_ok()
}

/// Makes the group's voters those that the catalog has, by one at a time: the group stays whole. A change that
/// another leader began and did not finish is finished here. False: look again.
async fn reconcile_members(broker: &Broker, group: &Group) -> bool {
    let core = &broker.core;
    let status = group.status();
    let partition = group.id();
    match next_step(core, &status) {
        Some((_, step)) if step == Step::default() && !status.changing => return true,
        Some(_) => {}
        None => return false,
    }
    // After a loss of power, or behind a cut, this node's copy of the catalog may be older than who left and who came.
    if broker.catch_up_catalog().await.is_err() {
        return false;
    }
    let status = group.status();
    let Some((members, step)) = next_step(core, &status) else {
        return false;
    };
    if step == Step::default() && !status.changing {
        return true;
    }
    if !leaves_majority(core, &status.voters, &step) {
        let (goes, comes) = (step.goes, step.comes);
        tracing::debug!(%partition, ?goes, ?comes, "those who would be left to vote are no majority that lives");
        return false;
    }
    if step.goes == Some(core.node) {
        // Another leader takes this one out.
        if let Some(heir) = leaders::heirs(core, group).into_iter().next() {
            tracing::debug!(%partition, %heir, "another leader takes this node out");
            group.transfer_leader(heir).await;
        }
        return false;
    }
    match take(group, &status, &members, &step).await {
        Ok(()) => tracing::info!(%partition, ?step, "the partition's members have changed"),
        Err(error) => tracing::warn!(%partition, %error, "the change of members is tried again"),
    }
    // Whatever came of it: only a look that finds nothing to change ends this.
    false
}

/// The members by this node's copy of the catalog, and what is to be changed by it; `None` if it names none yet.
fn next_step(core: &Core, status: &GroupStatus) -> Option<(BTreeMap<NodeId, String>, Step)> {
    let members = catalog_members(core)?;
    let step = match core.should_vote(status.partition, &members) {
        Vote::All => step_to_all(core, status, &members),
        Vote::Only { nodes, copies } => step_to_set(core, status, &members, &nodes, copies),
        // Copies are not chosen yet; the catalog's are for all.
        Vote::Unsaid => Step {
            learns: learner(status, &members, status.partition),
            ..Step::default()
        },
    };
    Some((members, step))
}

/// Whether, of those who vote after the step, a majority lives as far as this node sees. Without one the change itself
/// could not be committed, and would keep the group from committing anything.
fn leaves_majority(core: &Core, voters: &BTreeSet<NodeId>, step: &Step) -> bool {
    let mut after = voters.clone();
    after.extend(step.comes);
    if let Some(goes) = step.goes {
        after.remove(&goes);
    }
    let lives = |node: &&NodeId| core.is_healthy(Some(**node));
    after == *voters || 2 * after.iter().filter(lives).count() > after.len()
}

/// One change of a group's members.
#[derive(Debug, Default, PartialEq, Eq)]
struct Step {
    /// Who loses its vote.
    goes: Option<NodeId>,
    /// Who gets one.
    comes: Option<NodeId>,
    /// Who gets a copy without a vote.
    learns: Option<NodeId>,
    /// Who learns no more.
    is_forgotten: Option<NodeId>,
}

/// Towards a vote for every member.
fn step_to_all(core: &Core, status: &GroupStatus, members: &BTreeMap<NodeId, String>) -> Step {
    let is_leaving = |node: &NodeId| {
        let directory = &core.directory;
        directory.read(|c| c.member(*node).is_some_and(|m| m.leaving))
    };
    // The catalog goes last: while it has a vote there, who leaves hears that it does.
    let is_out = |node: &NodeId| {
        let left = core.directory.read(|c| c.former_member(*node).is_some());
        left || (status.partition != PartitionId::CATALOG && is_leaving(node))
    };
    // Gone is who was replaced: another member has the address. One that the catalog merely lacks may only
    // not be written there yet.
    let replaced = |voter: &NodeId| {
        let address = status.addresses.get(voter);
        members
            .iter()
            .any(|(node, at)| node != voter && Some(at) == address)
    };
    let is_gone = |node: &&NodeId| is_out(node) || (!members.contains_key(node) && replaced(node));
    let goes = status.voters.iter().find(is_gone);
    // Of two at one address the catalog is about to strike the old one out: until then the newcomer would only
    // add to the votes that are needed, with nobody behind the old one's.
    let is_alone = |node: &NodeId, address: &String| {
        !members
            .iter()
            .any(|(other, at)| other != node && at == address)
    };
    let comes = members.iter().find(|(node, address)| {
        !status.voters.contains(node) && !is_leaving(node) && is_alone(node, address)
    });
    // Who died before it voted: a change of members would wait for it for ever.
    let is_forgotten = status.learners.iter().find(|n| !members.contains_key(n));
    Step {
        goes: goes.copied(),
        comes: comes.map(|(node, _)| *node),
        is_forgotten: is_forgotten.copied(),
        ..Step::default()
    }
}

/// Towards a vote for the nodes of a set. One that goes does so when another comes in its place: there are so many
/// copies at any time.
fn step_to_set(
    core: &Core,
    status: &GroupStatus,
    members: &BTreeMap<NodeId, String>,
    nodes: &BTreeSet<NodeId>,
    copies: usize,
) -> Step {
    if nodes.is_empty() {
        return Step::default();
    }
    let goes = status.voters.difference(nodes).copied();
    // Itself last, as it cannot go on then.
    let goes = goes.min_by_key(|node| *node == core.node);
    let comes = nodes.difference(&status.voters).next().copied();
    let goes = goes.filter(|_| comes.is_some() || status.voters.len() > copies);
    let is_catalog = status.partition == PartitionId::CATALOG;
    let may_learn =
        |node: &NodeId| nodes.contains(node) || (is_catalog && members.contains_key(node));
    let is_forgotten = status.learners.iter().find(|node| !may_learn(node));
    Step {
        goes,
        comes,
        learns: learner(status, members, status.partition).filter(|n| Some(*n) != comes),
        is_forgotten: is_forgotten.copied(),
    }
}

/// A member that has no copy of the catalog.
fn learner(
    status: &GroupStatus,
    members: &BTreeMap<NodeId, String>,
    partition: PartitionId,
) -> Option<NodeId> {
    let has_copy = |node: &NodeId| status.voters.contains(node) || status.learners.contains(node);
    let without = members.keys().find(|node| !has_copy(node)).copied();
    without.filter(|_| partition == PartitionId::CATALOG)
}

async fn take(
    group: &Group,
    status: &GroupStatus,
    members: &BTreeMap<NodeId, String>,
    step: &Step,
) -> Result<(), ProposeError> {
    let partition = group.id();
    for new in step.learns.iter().chain(&step.comes) {
        if let Some(address) = members.get(new) {
            tracing::info!(%partition, node = %new, "a member gets a copy");
            group.learn(*new, address).await?;
        }
    }
    if let Some(node) = step.is_forgotten {
        group.forget_learner(node).await?;
    }
    let mut voters = status.voters.clone();
    voters.extend(step.comes);
    if let Some(goes) = step.goes {
        voters.remove(&goes);
    }
    if voters == status.voters && !status.changing {
        return Ok(());
    }
    // Who votes on the catalog no more goes on reading it.
    let is_member = step.goes.is_some_and(|node| members.contains_key(&node));
    let others_learn = partition == PartitionId::CATALOG && is_member;
    group.set_voters(voters, others_learn).await
}
