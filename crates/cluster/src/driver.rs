//! What a node does for each partition beside answering requests: wake polls, let time take effect,
//! and pass the catalog's changes on.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{Fuse, FusedFuture as _, FutureExt as _};
use levada_replica::{Group, Lead, Pending};
use levada_types::{NodeId, PartitionId, Timestamp};
use tokio::time::Instant;

use crate::background::spawn;
use crate::core::{Core, Route};

/// Ticks of one partition are this far apart at least: claims that end within it are seen together.
const TICK_PAUSE: Duration = Duration::from_millis(10);
/// A time so far ahead that it is looked at again before.
const FAR: Duration = Duration::from_secs(3600);

/// Runs as long as the node has its copy of the partition.
pub(crate) async fn drive(core: Arc<Core>, route: Arc<Route>, group: Arc<Group>) {
    let partition = group.id();
    let mut known = Lead::default();
    let mut ticked = Instant::now();
    // Beside the rest: it takes a commit, and without a leader a second.
    let mut ticking = pin!(Fuse::terminated());
    loop {
        // By the same watch as `lead_changed`: the replica's own state may say so a moment later, and
        // nothing would bring this loop round again.
        let leading = group.leader() == Some(core.node);
        let due = leading.then(|| group.read(|p| p.next_due())).flatten();
        group.events().arm(due);
        tokio::select! {
            pending = group.events().next() => {
                for (queue, count) in &pending.wake {
                    core.waiters.wake(*queue, *count);
                    if leading {
                        core.deliveries.woken(&core.directory, *queue, partition);
                    }
                }
                if !pending.outbox.is_empty() {
                    route.ship.notify_one();
                }
                if partition == PartitionId::CATALOG {
                    catalog_changed(&core, &pending);
                }
                if pending.replaced {
                    core.waiters.wake_all();
                }
                if !pending.unreadable.is_empty() {
                    let (reader, group) = (core.reader.clone(), group.clone());
                    spawn(&core, async move { reader.mend(&group, pending.unreadable).await });
                }
            }
            () = until(&group, due, ticked), if ticking.is_terminated() => {
                ticked = Instant::now();
                // Without an answer it is tried again: what is due stays due.
                ticking.set(route.tick().fuse());
            }
            () = &mut ticking => {}
            lead = group.lead_changed(known) => {
                if [known.leader, lead.leader].contains(&Some(core.node)) {
                    core.led.send_modify(|led| *led = led.wrapping_add(1));
                }
                known = lead;
                if known.leader == Some(core.node) {
                    core.delivery_failures.forget(group.id());
                    core.deliveries.taken_over(&core.directory, &group);
                }
                route.changed.all();
                route.ship.notify_one();
                // The new leader may hold what a poll could not get from the old one.
                core.waiters.wake_all();
            }
        }
    }
}

/// Sleeps until the partition's time reaches `due`; for ever without one.
async fn until(group: &Group, due: Option<Timestamp>, ticked: Instant) {
    let Some(due) = due else {
        return std::future::pending().await;
    };
    let ahead = Duration::from_millis(due.millis_since(group.now())).min(FAR);
    tokio::time::sleep_until((Instant::now() + ahead).max(ticked + TICK_PAUSE)).await;
}

fn catalog_changed(core: &Core, pending: &Pending) {
    let all = pending.catalog_other || pending.replaced;
    if all {
        adopt_members(core);
    }
    if all || !pending.catalog_partitions.is_empty() {
        core.placement_changed.notify_one();
    }
    core.catalog
        .send_replace(core.directory.group().events().catalog_generation());
    let queues = &pending.catalog_queues;
    for route in core.routes() {
        if all {
            route.changed.all();
            continue;
        }
        if pending.catalog_partitions.contains(&route.partition()) {
            route.changed.members();
        }
        if !queues.is_empty() {
            route.changed.queues(queues);
        }
    }
    for queue in queues {
        // A poll on a queue that is gone should not wait for its end.
        if core.directory.is_gone(*queue) {
            core.waiters.wake(*queue, u32::MAX);
        }
    }
}

/// The members that the catalog names; none while it has no name for an address that this node knows. The
/// founder writes them one by one, and a member whose turn has not come must not be taken for gone.
pub(crate) fn catalog_members(core: &Core) -> Option<BTreeMap<NodeId, String>> {
    let rows: BTreeMap<_, _> = core.directory.read(|catalog| {
        catalog
            .members()
            .map(|m| (NodeId(m.node), m.peer_address.clone()))
            .collect()
    });
    let known = core.members.all();
    let left = |node: &NodeId| core.directory.read(|c| c.former_member(*node).is_some());
    let complete = known
        .iter()
        .all(|(node, address)| rows.values().any(|named| named == address) || left(node));
    (complete && !rows.is_empty()).then_some(rows)
}

/// Takes the members from the catalog, if it names them.
pub(crate) fn adopt_members(core: &Core) {
    let left = core
        .directory
        .read(|catalog| catalog.former_member(core.node).map(|me| me.removed_at));
    if let Some(at) = left {
        core.removed.send_replace(Some(at));
        return;
    }
    if let Some(rows) = catalog_members(core)
        && rows != core.members.all()
    {
        core.members.set(core.members.cluster(), rows);
        core.members_changed.notify_one();
    }
}
