//! What a node does by itself: watch its peers, spread leaders, write checkpoints, watch the disk, and
//! finish making a cluster that it founded.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use levada_engine::proto::{Catalog, MemberRow, SetMember, catalog, command};
use levada_rpc::PeerState;
use levada_storage::space::SpaceWatch;
use levada_storage::{BlockStore, LogStore};
use levada_types::{NodeId, PartitionId, QueueId};

use crate::bootstrap::{Bootstrap, Membership};
use crate::broker::Broker;
use crate::core::Core;
use crate::driver::{adopt_members, drive};
use crate::environment::{AskSpace, Environment};
use crate::node::NodeOptions;
use crate::{NodeStats, QueueCounts, moves, reconcile, ship};

/// While a peer is missing, an election of what it led is pressed for this often: the first to stand may
/// lack an entry, or the lease of a silent leader may still hold. Afterwards the time-outs do the rest.
const PRESSES_MAX: usize = 12;
const PRESS_PAUSE: Duration = Duration::from_millis(100);
/// Bytes of proposals after the checkpoints of all partitions together: about what a restart replays.
const UNCHECKPOINTED_BYTES: u64 = 64 * 1024 * 1024;
/// A partition with anything to replay is checkpointed this often, so that the log can be purged.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(600);
/// How often checkpoints, balance and free space are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A preferred leader gets its partition back when it has been up for so many looks.
const LOOKS_BEFORE_HANDING_BACK: u32 = 3;
/// Partitions handed back at one look: each costs its clients a moment.
const HANDED_BACK_AT_ONCE: usize = 4;
/// Entries by which a preferred leader may lag when it gets its partition back.
const HANDING_BACK_LAG_MAX: u64 = 64;
/// Below this much free space, in bytes, sends are refused, so that receives and deletes, which make
/// room, still work.
const FREE_SPACE_RESERVE_BYTES: u64 = 256 * 1024 * 1024;

pub(crate) fn start(
    environment: &Environment,
    core: &Arc<Core>,
    bootstrap: &Arc<Bootstrap>,
    cluster: u64,
    membership: Membership,
    options: &NodeOptions,
) {
    let broker = Broker::new(core.clone());
    for partition in core.partitions.keys().copied() {
        spawn(core, drive(core.clone(), partition));
        spawn(core, reconcile::reconcile(broker.clone(), partition));
        spawn(core, ship::ship(broker.clone(), partition));
        spawn(core, moves::run_moves(broker.clone(), partition));
    }
    spawn(
        core,
        watch_members(core.clone(), bootstrap.clone(), membership.clone()),
    );
    spawn(core, checkpoint(core.clone()));
    spawn(core, balance(core.clone()));
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
            options.http_address.clone(),
        ),
    );
}

/// A task that ends with the node.
fn spawn(core: &Core, task: impl Future<Output = ()> + Send + 'static) {
    let stop = core.stop.clone();
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
    http: String,
) {
    let core = &broker.core;
    if membership.founder {
        if membership.members.len() > 1 {
            bootstrap.adopt_others(cluster, &membership).await;
        }
        let members = membership.members();
        for route in core.partitions.values() {
            if let Err(error) = route.group.initialize(&members).await {
                tracing::error!(partition = %route.group.id(), %error, "the partition could not be begun");
            }
        }
    }
    if membership.members.len() == 1 {
        // Alone, there is nobody to wait for.
        for route in core.partitions.values() {
            route.group.elect().await;
        }
    }
    adopt_members(core);
    while !say_who_is_here(&broker, &membership, &http).await {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn say_who_is_here(broker: &Broker, membership: &Membership, http: &str) -> bool {
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
                    http_address: String::new(),
                });
            }
        }
    }
    let me = core.node.0;
    if let Some(address) = core.members.address(core.node) {
        let row = MemberRow {
            node: me,
            peer_address: address,
            http_address: http.to_owned(),
        };
        let listed = known.get(&me);
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
    let mut watched: BTreeSet<String> = BTreeSet::new();
    loop {
        let members = core.members.all();
        for (node, address) in &members {
            if *node != core.node && watched.insert(address.clone()) {
                spawn(&core, watch_peer(core.clone(), address.clone()));
            }
        }
        let now: BTreeMap<u64, String> = members.into_iter().map(|(n, a)| (n.0, a)).collect();
        if now != membership.members {
            membership.members = now;
            if let Err(error) = bootstrap.store(core.members.cluster(), &membership) {
                tracing::error!(error, "the members could not be written down");
            }
        }
        core.refresh_health();
        core.members_changed.notified().await;
    }
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
        core.refresh_health();
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

/// Writes checkpoints when a restart would have much to replay.
async fn checkpoint(core: Arc<Core>) {
    let mut last = tokio::time::Instant::now();
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
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
            if let Err(error) = group.checkpoint().await {
                tracing::error!(partition = %group.id(), %error, "the checkpoint was not written");
            }
        }
        if all {
            last = tokio::time::Instant::now();
        }
    }
}

/// Hands partitions to the nodes that should lead them, a few at a time, when those are well.
async fn balance(core: Arc<Core>) {
    let mut looks_up: BTreeMap<NodeId, u32> = BTreeMap::new();
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        for node in core.members.all().into_keys().filter(|n| *n != core.node) {
            let up = core.members.state(node) == Some(PeerState::Up);
            let looks = looks_up.entry(node).or_default();
            *looks = if up { looks.saturating_add(1) } else { 0 };
        }
        if core.leaving.load(Ordering::Relaxed) {
            return;
        }
        let mut handed = 0;
        for (partition, route) in &core.partitions {
            let Some(preferred) = core.preferred_leader(*partition) else {
                continue;
            };
            let well = looks_up
                .get(&preferred)
                .is_some_and(|looks| *looks >= LOOKS_BEFORE_HANDING_BACK);
            if preferred == core.node || !well || !route.group.is_leader() {
                continue;
            }
            let status = route.group.status();
            let matched = status.matched.get(&preferred).copied().unwrap_or(0);
            let lags = status.last_log_index.saturating_sub(matched) > HANDING_BACK_LAG_MAX;
            if lags || !status.voters.contains(&preferred) {
                continue;
            }
            route.group.transfer_leader(preferred).await;
            handed += 1;
            if handed == HANDED_BACK_AT_ONCE {
                break;
            }
        }
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
        .partitions
        .values()
        .map(|r| r.group.commits())
        .fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
    NodeStats {
        queues: queues
            .into_iter()
            .map(|(id, (counts, age))| (id, counts, age))
            .collect(),
        log_disk_bytes: log.disk_bytes.load(Ordering::Relaxed),
        segment_disk_bytes: blocks.disk_bytes.load(Ordering::Relaxed),
        fsyncs: log.syncs.load(Ordering::Relaxed) + blocks.syncs.load(Ordering::Relaxed),
        fsync_micros_sum: log.sync_us_sum.load(Ordering::Relaxed),
        commits: commits.0,
        commit_micros_sum: commits.1,
    }
}
