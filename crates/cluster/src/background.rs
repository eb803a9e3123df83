//! What a node does by itself: watch its peers, write checkpoints, watch the disk, and finish making a
//! cluster that it founded.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::FutureExt as _;
use levada_engine::proto::{Catalog, MemberRow, SetMember, catalog, command};
use levada_replica::Group;
use levada_rpc::PeerState;
use levada_storage::space::SpaceWatch;
use levada_storage::{BlockStore, LogStore};
use levada_types::{PartitionId, QueueId};
use tokio_util::sync::CancellationToken;

use crate::balance::balance;
use crate::bootstrap::{Bootstrap, Membership};
use crate::broker::Broker;
use crate::core::Core;
use crate::driver::adopt_members;
use crate::environment::{AskSpace, Environment};
use crate::node::NodeOptions;
use crate::steward::steward;
use crate::stream::keep_streams;
use crate::topic::keep_topics;
use crate::{NodeStats, QueueCounts, health, hearsay, hosting, loads, standing};

/// While a peer is missing, an election of what it led is pressed for this often: the first to stand may
/// lack an entry, or the lease of a silent leader may still hold. Afterwards the time-outs do the rest.
const PRESSES_MAX: usize = 12;
const PRESS_PAUSE: Duration = Duration::from_millis(100);
/// Bytes of proposals after the checkpoints of all partitions together: about what a restart replays.
const UNCHECKPOINTED_BYTES: u64 = 64 * 1024 * 1024;
/// A partition with anything to replay is checkpointed this often, so that the log can be purged.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(600);
/// How often checkpoints and free space are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often a node that has started looks whether it can ask what it lacks.
const CATCH_UP_PAUSE: Duration = Duration::from_millis(100);
/// Below this much free space, in bytes, sends are refused, so that receives and deletes, which make
/// room, still work.
pub(crate) const FREE_SPACE_RESERVE_BYTES: u64 = 256 * 1024 * 1024;

pub(crate) fn start(
    environment: &Environment,
    core: &Arc<Core>,
    bootstrap: &Arc<Bootstrap>,
    cluster: u64,
    membership: Membership,
    options: &NodeOptions,
) {
    let broker = Broker::new(core.clone());
    for route in core.routes() {
        spawn(core, health::watch(core.clone(), route.clone()));
        if let Some(group) = route.group() {
            hosting::begin(core, &route, &group);
        }
    }
    spawn(core, hosting::watch(core.clone()));
    spawn(core, loads::measure(core.clone()));
    spawn(
        core,
        watch_members(core.clone(), bootstrap.clone(), membership.clone()),
    );
    spawn(core, beat(core.clone()));
    spawn(core, checkpoint(core.clone()));
    spawn(core, balance(core.clone()));
    spawn(core, catch_up(broker.clone()));
    spawn(core, steward(broker.clone()));
    spawn(core, keep_streams(broker.clone(), options.on_demand_window));
    spawn(core, keep_topics(broker.clone()));
    spawn(
        core,
        standing::watch(
            core.clone(),
            bootstrap.clone(),
            options.members.clone(),
            membership.clone(),
        ),
    );
    spawn(
        core,
        watch_space(
            core.clone(),
            options.data_dir.clone(),
            environment.space.clone(),
        ),
    );
    spawn(
        core,
        settle(
            broker,
            bootstrap.clone(),
            cluster,
            membership,
            Own {
                http_address: options.http_address.clone(),
                zone: options.zone.clone(),
            },
        ),
    );
}

/// A task that ends with the node.
pub(crate) fn spawn(core: &Core, task: impl Future<Output = ()> + Send + 'static) {
    spawn_until(core, &core.stop, task);
}

/// A task that ends with something else, and with the node.
pub(crate) fn spawn_until(
    core: &Core,
    stop: &CancellationToken,
    task: impl Future<Output = ()> + Send + 'static,
) {
    let stop = stop.clone();
    core.tasks.spawn(async move {
        tokio::select! {
            () = stop.cancelled() => {}
            () = task => {}
        }
    });
}

/// Begins the groups of a cluster that this node founded, and has each member's addresses written in
/// the catalog.
async fn settle(
    broker: Broker,
    bootstrap: Arc<Bootstrap>,
    cluster: u64,
    membership: Membership,
    own: Own,
) {
    let core = &broker.core;
    if membership.founder {
        if membership.members.len() > 1 {
            bootstrap.adopt_others(cluster, &membership).await;
        }
        let members = membership.members();
        for group in core.hosted() {
            // A copy that came back is part of a group that there is.
            if core.replicas.was_given_away(group.id()) || is_added(core, group.id()) {
                continue;
            }
            if let Err(error) = group.initialize(&members).await {
                tracing::error!(partition = %group.id(), %error, "the partition could not be begun");
            }
        }
    }
    if membership.members.len() == 1 {
        // Alone, there is nobody to wait for.
        for group in core.hosted() {
            group.elect().await;
        }
    }
    adopt_members(core);
    while !say_who_is_here(&broker, &membership, &own).await {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// What a node says of itself in the catalog, beside where its peers reach it.
struct Own {
    http_address: String,
    zone: String,
}

/// Whether the partition is none of those that the cluster was made with.
fn is_added(core: &Core, partition: PartitionId) -> bool {
    core.directory
        .read(|catalog| catalog.placed(partition).is_some())
}

async fn say_who_is_here(broker: &Broker, membership: &Membership, own: &Own) -> bool {
    if broker.catch_up_catalog().await.is_err() {
        return false;
    }
    let core = &broker.core;
    let known: BTreeMap<u64, MemberRow> = core
        .directory
        .read(|c| c.members().map(|m| (m.node, m.clone())).collect());
    // By address: a founder that ended half-way goes on, and one that was replaced stays replaced.
    let named = |address: &str| known.values().any(|row| row.peer_address == address);
    let mut missing = Vec::new();
    if membership.founder {
        for (node, address) in &membership.members {
            if !named(address) {
                missing.push(MemberRow {
                    node: *node,
                    peer_address: address.clone(),
                    ..MemberRow::default()
                });
            }
        }
    }
    let me = core.node.0;
    if let Some(address) = core.members.address(core.node) {
        let listed = known.get(&me);
        let row = MemberRow {
            peer_address: address,
            http_address: own.http_address.clone(),
            zone: own.zone.clone(),
            ..listed.cloned().unwrap_or(MemberRow {
                node: me,
                ..MemberRow::default()
            })
        };
        let unnamed = membership.founder && !named(&row.peer_address);
        if listed.is_some_and(|listed| *listed != row) || unnamed {
            missing.retain(|m| m.node != me);
            missing.push(row);
        } else if listed.is_none() {
            // The founder has not written the members yet, or this node was replaced by another.
            return false;
        }
    }
    for row in missing {
        let change = Catalog {
            kind: Some(catalog::Kind::SetMember(SetMember { member: Some(row) })),
        };
        if broker
            .write(PartitionId::CATALOG, command::Kind::Catalog(change))
            .await
            .is_err()
        {
            return false;
        }
    }
    true
}

/// Watches the link to every member, and writes down who the members are when that changes.
async fn watch_members(core: Arc<Core>, bootstrap: Arc<Bootstrap>, mut membership: Membership) {
    let mut watched: BTreeMap<String, CancellationToken> = BTreeMap::new();
    loop {
        let members = core.members.all();
        for (node, address) in &members {
            if *node != core.node && !watched.contains_key(address) {
                let left = CancellationToken::new();
                let watching = left
                    .clone()
                    .run_until_cancelled_owned(watch_peer(core.clone(), address.clone()));
                spawn(&core, watching.map(|_| ()));
                let listening = left
                    .clone()
                    .run_until_cancelled_owned(hearsay::listen(core.clone(), address.clone()));
                spawn(&core, listening.map(|_| ()));
                watched.insert(address.clone(), left);
            }
        }
        watched.retain(|address, left| {
            // Who was taken out may have to agree to that in some groups yet.
            let stays = members.values().any(|at| at == address) || is_in_a_group(&core, address);
            if !stays {
                left.cancel();
                core.members.peers().forget(address);
            }
            stays
        });
        let now: BTreeMap<u64, String> = members.iter().map(|(n, a)| (n.0, a.clone())).collect();
        let partitions = u32::try_from(core.partition_count()).unwrap_or(u32::MAX);
        if now != membership.members || partitions != membership.partitions {
            membership.members = now;
            membership.partitions = partitions;
            if let Err(error) = bootstrap.store(core.members.cluster(), &membership) {
                tracing::error!(error, "the members could not be written down");
            }
        }
        core.look_at_health();
        if watched
            .keys()
            .all(|address| membership.members.values().any(|at| at == address))
        {
            core.members_changed.notified().await;
        } else {
            // At the time-out it is looked again whether the groups have let go of who left.
            let _ = tokio::time::timeout(LOOK_EVERY, core.members_changed.notified()).await;
        }
    }
}

fn is_in_a_group(core: &Core, address: &str) -> bool {
    core.hosted()
        .iter()
        .any(|group| group.status().addresses.values().any(|at| at == address))
}

async fn watch_peer(core: Arc<Core>, address: String) {
    let mut state = core.members.peers().get(&address).state();
    let mut presses = 0;
    loop {
        let now = *state.borrow_and_update();
        tracing::debug!(%address, state = ?now, "a peer");
        let members = core.members.all();
        for node in members
            .into_iter()
            .filter(|(_, a)| *a == address)
            .map(|(n, _)| n)
        {
            match now {
                PeerState::Refused => core.replicas.peer_died(node, presses).await,
                PeerState::Silent => core.replicas.peer_fell_silent(node, presses).await,
                PeerState::Up => core.replicas.peer_lives(node).await,
                PeerState::Connecting | PeerState::Unreachable => {}
            }
        }
        core.look_at_health();
        let missing = matches!(now, PeerState::Refused | PeerState::Silent);
        presses = if missing { presses + 1 } else { 0 };
        let changed = if missing && presses < PRESSES_MAX {
            tokio::time::timeout(PRESS_PAUSE, state.changed())
                .await
                .unwrap_or(Ok(()))
        } else {
            state.changed().await
        };
        if changed.is_err() {
            return;
        }
    }
}

async fn beat(core: Arc<Core>) {
    core.replicas.beat().await;
}

/// Finds out when this node holds what the others had acknowledged when it started: until then another one
/// should not be stopped for an upgrade.
async fn catch_up(broker: Broker) {
    let core = &broker.core;
    // One after the other: each question costs its leader a round to the others, which may have enough to do. Who has
    // no copy yet gets that first, and whoever leads knows when it is there.
    for route in core.routes() {
        while let Some(group) = route.group() {
            let status = group.status();
            let has_copy =
                status.voters.contains(&core.node) || status.learners.contains(&core.node);
            let is_healthy = *route.healthy.borrow();
            if has_copy && is_healthy && broker.catch_up(&group).await.is_ok() {
                break;
            }
            tokio::time::sleep(CATCH_UP_PAUSE).await;
        }
    }
    core.caught_up.store(true, Ordering::Relaxed);
}

/// Writes checkpoints when a restart would have much to replay, or when old entries keep the log's files.
async fn checkpoint(core: Arc<Core>) {
    let mut last = tokio::time::Instant::now();
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        for group in core.replicas.take_checkpoint_wishes() {
            write_checkpoint(&group).await;
        }
        let mut groups: Vec<_> = core.replicas.groups();
        groups.retain(|g| g.bytes_since_checkpoint() > 0);
        groups.sort_by_key(|g| std::cmp::Reverse(g.bytes_since_checkpoint()));
        let mut total: u64 = groups.iter().map(|g| g.bytes_since_checkpoint()).sum();
        let all = last.elapsed() >= CHECKPOINT_EVERY;
        for group in groups {
            if total < UNCHECKPOINTED_BYTES && !all {
                break;
            }
            total = total.saturating_sub(group.bytes_since_checkpoint());
            write_checkpoint(&group).await;
        }
        if all {
            last = tokio::time::Instant::now();
        }
    }
}

async fn write_checkpoint(group: &Group) {
    if let Err(error) = group.checkpoint().await {
        tracing::error!(partition = %group.id(), %error, "the checkpoint was not written");
    }
}

async fn watch_space(core: Arc<Core>, dir: PathBuf, ask: Arc<AskSpace>) {
    let mut space = SpaceWatch::new(FREE_SPACE_RESERVE_BYTES);
    loop {
        match ask(&dir).map(|found| space.judge(found)) {
            Ok(room) => {
                let was = core.disk_full.swap(!room, Ordering::Relaxed);
                if was == room {
                    if room {
                        tracing::info!("there is room on the disk again: sends are taken");
                    } else {
                        tracing::error!(
                            "the disk is nearly full: sends are refused until there is room"
                        );
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "the disk's free space cannot be read"),
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Gathers the storage's figures.
pub(crate) fn stats(
    core: &Core,
    log: &LogStore,
    blocks: &BlockStore,
    queues: BTreeMap<QueueId, (QueueCounts, u64)>,
) -> NodeStats {
    let (log, blocks) = (log.stats(), blocks.stats());
    let commits = core
        .hosted()
        .iter()
        .map(|group| group.commits())
        .fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
    NodeStats {
        queues: queues
            .into_iter()
            .map(|(id, (counts, age))| (id, counts, age))
            .collect(),
        expired_in_stream_queues: BTreeMap::new(),
        log_disk_bytes: log.disk_bytes.load(Ordering::Relaxed),
        segment_disk_bytes: blocks.disk_bytes.load(Ordering::Relaxed),
        fsyncs: log.syncs.load(Ordering::Relaxed) + blocks.syncs.load(Ordering::Relaxed),
        fsync_micros_sum: log.sync_us_sum.load(Ordering::Relaxed),
        commits: commits.0,
        commit_micros_sum: commits.1,
    }
}
