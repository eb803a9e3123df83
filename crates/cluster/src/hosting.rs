//! Which copies this node has: opens those that the catalog gives it, and gives those away that it takes from it.
//!
//! A copy goes when the partition's leader says that the group has committed to do without it, and not before: until
//! then it may be needed. What it leaves is a mark (`levada_replica`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use levada_replica::Group;
use levada_rpc::{Class, RemoteError};
use levada_types::{NodeId, PartitionId};
use prost::Message as _;

use crate::background::{spawn, spawn_until};
use crate::broker::Broker;
use crate::core::{Core, Route};
use crate::driver::drive;
use crate::proposer::Proposer;
use crate::{health, method, moves, place::Place, proto, reconcile, ship};

/// How often it is looked whether a copy may go.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long a leader may take to say so.
const ASK_TIMEOUT: Duration = Duration::from_secs(2);

/// The ways to a partition that this node knows of, with its copy if it has one.
pub(crate) fn add_route(core: &Core, partition: PartitionId) -> Arc<Route> {
    let proposer = Proposer {
        node: core.node,
        place: Arc::new(Place::new(partition, core.replicas.group(partition))),
        members: core.members.clone(),
        reader: core.reader.clone(),
    };
    let mut routes = core.partitions.write().unwrap_or_else(|e| e.into_inner());
    routes
        .entry(partition)
        .or_insert_with(|| Arc::new(Route::new(proposer)))
        .clone()
}

/// Starts what runs for a copy that is open.
pub(crate) fn begin(core: &Arc<Core>, route: &Arc<Route>, group: &Arc<Group>) {
    let stop = core.stop.child_token();
    *route.hosting.lock().unwrap_or_else(|e| e.into_inner()) = stop.clone();
    route.place.set_group(Some(group.clone()));
    let broker = Broker::new(core.clone());
    let (route, group) = (|| route.clone(), || group.clone());
    spawn_until(core, &stop, drive(core.clone(), route(), group()));
    spawn_until(
        core,
        &stop,
        reconcile::reconcile(broker.clone(), route(), group()),
    );
    spawn_until(core, &stop, ship::ship(broker.clone(), route(), group()));
    spawn_until(core, &stop, moves::run_moves(broker, group()));
}

/// Runs until the node goes down.
pub(crate) async fn watch(core: Arc<Core>) {
    loop {
        let settled = look(&core).await;
        let changed = core.placement_changed.notified();
        if settled {
            changed.await;
        } else {
            // At the time-out it is tried again.
            let _ = tokio::time::timeout(LOOK_EVERY, changed).await;
        }
    }
}

/// Compares what there is with what should be; false if something is left to do.
async fn look(core: &Arc<Core>) -> bool {
    let placed: Vec<PartitionId> = core.directory.read(|catalog| {
        let rows = catalog.all_placed();
        rows.map(|row| PartitionId(row.partition)).collect()
    });
    let known = core.partition_count();
    for partition in placed {
        if core.route(partition).is_none() {
            let route = add_route(core, partition);
            spawn(core, health::watch(core.clone(), route));
        }
    }
    if core.partition_count() != known {
        // They are counted in the node's file.
        core.members_changed.notify_one();
    }
    core.partial.send_if_modified(|partial| {
        let was = std::mem::replace(partial, !core.has_all());
        was != *partial
    });
    let mut settled = true;
    for route in core.routes() {
        let partition = route.partition();
        settled &= match (core.is_assigned(partition), route.group()) {
            (Some(true), None) => open(core, &route).await,
            (Some(true), Some(group)) => make(core, &group).await,
            (Some(false), Some(_)) => give_away(core, &route).await,
            _ => true,
        };
    }
    core.partial.send_if_modified(|partial| {
        let was = std::mem::replace(partial, !core.has_all());
        was != *partial
    });
    settled
}

async fn open(core: &Arc<Core>, route: &Arc<Route>) -> bool {
    let partition = route.partition();
    match core.replicas.open(partition).await {
        Ok(group) => {
            tracing::info!(%partition, "this node gets a copy");
            begin(core, route, &group);
            make(core, &group).await
        }
        Err(error) => {
            tracing::error!(%partition, %error, "a copy cannot be opened; it is tried again");
            false
        }
    }
}

/// Begins the group of a partition that was added, on one of its nodes.
async fn make(core: &Core, group: &Group) -> bool {
    let partition = group.id();
    let row = core
        .directory
        .read(|catalog| catalog.placed(partition).filter(|row| !row.begun).cloned());
    let Some(row) = row else {
        return true;
    };
    let is_first = row.nodes.iter().min() == Some(&core.node.0);
    if !is_first || core.replicas.was_given_away(partition) || group.is_initialized().await {
        return true;
    }
    let members = core.members.all();
    let nodes = row.nodes.iter().map(|node| NodeId(*node));
    let first: BTreeMap<NodeId, String> = nodes
        .filter_map(|node| Some((node, members.get(&node)?.clone())))
        .collect();
    match group.initialize(&first).await {
        Ok(()) => true,
        Err(error) => {
            tracing::error!(%partition, %error, "the partition could not be begun");
            false
        }
    }
}

async fn give_away(core: &Arc<Core>, route: &Arc<Route>) -> bool {
    let partition = route.partition();
    if !is_released(core, route).await {
        return false;
    }
    // The catalog may have thought better of it meanwhile.
    if core.is_assigned(partition) != Some(false) {
        return false;
    }
    route
        .hosting
        .lock()
        .unwrap_or_else(|e| e.into_inner())
        .cancel();
    route.place.set_group(None);
    // Polls that were woken by what was applied here look elsewhere now.
    core.waiters.wake_all();
    match core.replicas.give_away(partition).await {
        Ok(()) => {
            tracing::info!(%partition, "this node's copy is given away");
            true
        }
        Err(error) => {
            tracing::error!(%partition, %error, "a copy that was given away could not be deleted");
            true
        }
    }
}

async fn is_released(core: &Core, route: &Route) -> bool {
    let Some(peer) = route.leader().and_then(|leader| core.members.peer(leader)) else {
        return false;
    };
    let body = proto::ReleaseRequest {}.encode_to_vec().into();
    let partition = route.partition().0;
    let reply = peer
        .call(
            Class::Request,
            method::RELEASE,
            partition,
            body,
            ASK_TIMEOUT,
        )
        .await;
    matches!(
        reply.map(proto::ReleaseReply::decode),
        Ok(Ok(proto::ReleaseReply { released: true }))
    )
}

/// A member asks whether its copy may go.
pub(crate) async fn answer_release(
    core: &Core,
    partition: PartitionId,
    from: NodeId,
) -> Result<Bytes, RemoteError> {
    let released = match core.route(partition).and_then(|route| route.led_group()) {
        // A leader that was replaced and does not know it must not say so.
        Some(group) if group.read_index().await.is_ok() => {
            let status = group.status();
            status.settled && !status.voters.contains(&from) && !status.learners.contains(&from)
        }
        _ => false,
    };
    Ok(proto::ReleaseReply { released }.encode_to_vec().into())
}
