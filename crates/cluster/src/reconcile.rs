//! Drives a partition that this node leads towards what the catalog says: its queues configured as
//! their rows say, none that was deleted, and the members that the cluster has.

use std::collections::BTreeSet;
use std::time::Duration;

use levada_engine::proto::{ConfigureQueue, DropQueue, command};
use levada_types::{NodeId, PartitionId, QueueId};

use crate::broker::Broker;
use crate::core::Route;
use crate::driver::catalog_members;
use crate::leaders;

/// Between two tries of a change that did not succeed.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Runs for one partition until the process ends.
pub(crate) async fn reconcile(broker: Broker, partition: PartitionId) {
    let core = broker.core.clone();
    let Some(route) = core.route(partition) else {
        return;
    };
    loop {
        let pending = route.changed.next().await;
        // As `leader_changed` sees it, which is what wakes this loop after an election.
        let leads = || route.group.leader() == Some(core.node);
        if !leads() {
            continue;
        }
        let queues = if pending.all {
            all_queues(&broker, route)
        } else {
            pending.queues
        };
        let mut done = true;
        for queue in queues {
            done &= reconcile_queue(&broker, route, queue).await;
        }
        if pending.all {
            done &= reconcile_members(&broker, route).await;
        }
        if !done && leads() {
            tokio::time::sleep(RETRY_PAUSE).await;
            route.changed.all();
        }
    }
}

/// Queues that have a part here by the catalog or by the partition itself.
fn all_queues(broker: &Broker, route: &Route) -> BTreeSet<QueueId> {
    let here: BTreeSet<QueueId> = route.group.read(|p| p.queues().collect());
    let mut queues = broker.core.directory.read(|catalog| -> BTreeSet<QueueId> {
        let id = route.group.id().0;
        catalog
            .queues()
            .filter(|row| row.partitions.contains(&id))
            .map(|row| QueueId(row.queue))
            .collect()
    });
    queues.extend(here);
    queues
}

async fn reconcile_queue(broker: &Broker, route: &Route, queue: QueueId) -> bool {
    let partition = route.group.id();
    let have = route
        .group
        .read(|p| p.queue(queue).map(|view| view.config_version));
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

/// Makes the group's voters the members that the catalog has, by one at a time: the group stays whole.
/// A change that another leader began and did not finish is finished here. False: look again.
async fn reconcile_members(broker: &Broker, route: &Route) -> bool {
    let Some(wanted) = catalog_members(&broker.core) else {
        return false;
    };
    let status = route.group.status();
    let partition = route.group.id();
    let is_leaving = |node: &NodeId| {
        let directory = &broker.core.directory;
        directory.read(|c| c.member(*node).is_some_and(|m| m.leaving))
    };
    // The catalog goes last: while it has a vote there, who leaves hears that it does.
    let is_out = |node: &NodeId| {
        let left = broker
            .core
            .directory
            .read(|c| c.former_member(*node).is_some());
        left || (partition != PartitionId::CATALOG && is_leaving(node))
    };
    // Gone is who was replaced: another member has the address. One that the catalog merely lacks may only
    // not be written there yet.
    let replaced = |voter: &NodeId| {
        let address = status.addresses.get(voter);
        wanted
            .iter()
            .any(|(node, at)| node != voter && Some(at) == address)
    };
    let gone = status
        .voters
        .iter()
        .find(|voter| is_out(voter) || (!wanted.contains_key(voter) && replaced(voter)));
    // Of two at one address the catalog is about to strike the old one out: until then the newcomer would only
    // add to the votes that are needed, with nobody behind the old one's.
    let is_alone = |node: &NodeId, address: &String| {
        !wanted
            .iter()
            .any(|(other, at)| other != node && at == address)
    };
    let new = wanted.iter().find(|(node, address)| {
        !status.voters.contains(node) && !is_leaving(node) && is_alone(node, address)
    });
    if gone.is_none() && new.is_none() && !status.changing {
        return true;
    }
    if gone == Some(&broker.core.node) {
        // Another leader takes this one out.
        if let Some(heir) = leaders::heirs(&broker.core, route).into_iter().next() {
            route.group.transfer_leader(heir).await;
        }
        return false;
    }
    let mut voters = status.voters.clone();
    if let Some(gone) = gone {
        voters.remove(gone);
    }
    let changed = async {
        if let Some((node, address)) = new {
            tracing::info!(%partition, %node, "a new member gets its copy");
            route.group.learn(*node, address).await?;
            voters.insert(*node);
        }
        route.group.set_voters(voters).await
    };
    match changed.await {
        Ok(()) => tracing::info!(%partition, ?gone, ?new, "the partition's members have changed"),
        Err(error) => tracing::warn!(%partition, %error, "the change of members is tried again"),
    }
    // Whatever came of it: only a look that finds nothing to change ends this.
    false
}
