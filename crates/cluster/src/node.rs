//! One node of a cluster, from its data directory to the broker that it offers.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use levada_engine::proto::{MemberRow, MembersChange, MembersChangeKind};
use levada_replica::{GroupStatus, Replicas};
use levada_rpc::PeerState;
use levada_storage::{BlockStore, LogStore};
use levada_types::{NodeId, PartitionId, QueueId};
use thiserror::Error;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::bootstrap::Bootstrap;
use crate::core::{Core, Route};
use crate::environment::Environment;
use crate::{Broker, Operator, QueueCounts, background, leaders, standing, start};

/// What a node is started with.
#[derive(Clone, Debug)]
pub struct NodeOptions {
    /// Where it keeps what it must not forget.
    pub data_dir: PathBuf,
    /// Where it listens for its peers; None for a node that is alone.
    pub peers_listen: Option<SocketAddr>,
    /// The addresses of all first members, this node's among them; empty for a node that is alone.
    pub members: Vec<String>,
    /// Its own address as it stands in `members`.
    pub peers_address: String,
    /// Its HTTP address, for people who look at the cluster's status.
    pub http_address: String,
    /// What fails together with other nodes of the same zone, such as a rack or a site; empty if not said.
    pub zone: String,
    /// Partitions of a cluster that is made anew.
    pub partitions: u32,
    /// For how long what comes to a stream in on-demand mode is counted before its shards are split or merged.
    pub on_demand_window: Duration,
}

/// The window of [`NodeOptions::on_demand_window`], where nothing is said.
pub const ON_DEMAND_WINDOW_DEFAULT: Duration = Duration::from_secs(60);

/// Why a node did not start; each says what to do.
#[derive(Debug, Error)]
pub enum StartError {
    /// The data directory cannot be used.
    #[error("{0}")]
    DataDir(String),
    /// The peers' address cannot be listened on.
    #[error("cannot listen for peers on {address}: {error}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        error: std::io::Error,
    },
    /// What the disk holds cannot be read.
    #[error(
        "{0}. In a cluster, move the data directory aside and start again: the node comes back as a new member and gets its copy from the others. A single node is restored from a backup"
    )]
    Damaged(String),
    /// The node was taken out of its cluster.
    #[error("{0}")]
    Removed(String),
    /// The node could not be put together.
    #[error("{0}")]
    Failed(String),
}

/// What an operator sees of the cluster from one node.
#[derive(Clone, Debug)]
pub struct ClusterStatus {
    /// The cluster's number; 0 while it is being made.
    pub cluster: u64,
    /// The node that answers.
    pub node: NodeId,
    /// All members.
    pub members: Vec<MemberStatus>,
    /// All partitions, as this node's replicas see them.
    pub partitions: Vec<PartitionStatus>,
    /// Rises with each change of the members.
    pub members_version: u64,
    /// The change of members that is under way.
    pub change: Option<ChangeStatus>,
}

/// A change of members.
#[derive(Clone, Debug)]
pub struct ChangeStatus {
    /// `add`, `remove` or `replace`.
    pub kind: &'static str,
    /// Where the member is, was or will be.
    pub address: String,
    /// Who goes; of `add` who came, once somebody has.
    pub node: Option<NodeId>,
    /// Since when, in milliseconds since the epoch.
    pub since_ms: u64,
}

/// One member.
#[derive(Clone, Debug)]
pub struct MemberStatus {
    /// Its number.
    pub node: NodeId,
    /// Where its peers reach it.
    pub peer_address: String,
    /// Where clients reach it.
    pub http_address: String,
    /// `up`, `refused`, `silent`, `unreachable`, or `self`.
    pub state: &'static str,
    /// Partitions that it leads.
    pub leads: u32,
    /// What it fails together with; empty if it has not said.
    pub zone: String,
    /// Partitions of which it should have a copy.
    pub copies: u32,
    /// It should lead nothing.
    pub draining: bool,
    /// It is being taken out.
    pub leaving: bool,
}

/// One partition.
#[derive(Clone, Debug)]
pub struct PartitionStatus {
    /// Its number.
    pub partition: PartitionId,
    /// Its leader, if known.
    pub leader: Option<NodeId>,
    /// Who should lead it when all is well: by an operator's wish, or in turn.
    pub preferred: Option<NodeId>,
    /// Who should lead it in turn, whatever an operator wished.
    pub spread: Option<NodeId>,
    /// Members that should have a copy.
    pub set: Vec<NodeId>,
    /// They are its own; else every member has a copy.
    pub placed: bool,
    /// This node's copy, if it has one.
    pub copy: Option<CopyStatus>,
    /// At the leader: by how many entries each member lags.
    pub lag: BTreeMap<NodeId, u64>,
}

/// A node's copy of a partition.
#[derive(Clone, Debug)]
pub struct CopyStatus {
    /// Its term.
    pub term: u64,
    /// The last entry in its log.
    pub last_log_index: u64,
    /// The last entry that it has applied.
    pub applied_index: u64,
    /// Members that vote, as far as it knows.
    pub voters: Vec<NodeId>,
    /// All that its Raft knows of itself, in words, for who has to find out why it stands still.
    pub raft: String,
}

/// Figures for the metrics page.
#[derive(Clone, Debug, Default)]
pub struct NodeStats {
    /// Queues with parts that this node leads: counts of those parts and the age in milliseconds of
    /// the oldest message that can be received.
    pub queues: Vec<(QueueId, QueueCounts, u64)>,
    /// Queues on streams with shards that this node leads: how many records of those expired before they were
    /// acknowledged.
    pub expired_in_stream_queues: BTreeMap<QueueId, u64>,
    /// Bytes of the Raft log's files.
    pub log_disk_bytes: u64,
    /// Bytes of the segment files.
    pub segment_disk_bytes: u64,
    /// Writes synced to disk since the start.
    pub fsyncs: u64,
    /// Microseconds spent in those syncs.
    pub fsync_micros_sum: u64,
    /// Proposals that were committed here since the start, and the sum of their latencies in
    /// microseconds.
    pub commits: u64,
    /// See `commits`.
    pub commit_micros_sum: u64,
}

/// A running node.
pub struct Node {
    pub(crate) core: Arc<Core>,
    pub(crate) bootstrap: Arc<Bootstrap>,
    pub(crate) storage: Storage,
    pub(crate) stop: CancellationToken,
    pub(crate) server: JoinHandle<()>,
}

/// What the node keeps on its disk.
pub(crate) struct Storage {
    pub(crate) log: Arc<LogStore>,
    pub(crate) blocks: Arc<BlockStore>,
}

impl Node {
    /// Opens the data directory, waits until this node belongs to a cluster, and starts every replica.
    /// [`Node::wait_ready`] then waits for the leaders.
    pub async fn start(options: NodeOptions) -> Result<Self, StartError> {
        Self::start_in(Environment::default(), options).await
    }

    /// As [`Node::start`], somewhere else than on the machine of this process.
    pub async fn start_in(
        environment: Environment,
        options: NodeOptions,
    ) -> Result<Self, StartError> {
        start::start(&environment, options).await
    }

    /// This node's replicas, for who watches them.
    pub fn replicas(&self) -> &Replicas {
        &self.core.replicas
    }

    /// The way into the cluster.
    pub fn broker(&self) -> Broker {
        Broker::new(self.core.clone())
    }

    /// The way to operate the cluster.
    pub fn operator(&self) -> Operator {
        Operator::new(self.broker(), self.bootstrap.clone())
    }

    /// Resolves when the node was taken out of its cluster, with what to say of it. It has written that
    /// down and should be shut down.
    pub fn removed(&self) -> impl Future<Output = String> + Send + 'static {
        let core = self.core.clone();
        async move {
            core.gone.cancelled().await;
            standing::farewell(core.node, core.removed.borrow().unwrap_or(0))
        }
    }

    /// What an operator sees.
    pub fn status(&self) -> ClusterStatus {
        let mut leads: BTreeMap<NodeId, u32> = BTreeMap::new();
        let mut copies: BTreeMap<NodeId, u32> = BTreeMap::new();
        let routes = self.core.routes();
        let partitions: Vec<PartitionStatus> = routes
            .iter()
            .map(|r| partition_status(&self.core, r))
            .collect();
        for partition in &partitions {
            if let Some(leader) = partition.leader {
                *leads.entry(leader).or_default() += 1;
            }
            let is_catalog = partition.partition == PartitionId::CATALOG;
            for node in partition.set.iter().filter(|_| !is_catalog) {
                *copies.entry(*node).or_default() += 1;
            }
        }
        let is = |node, asked: fn(&MemberRow) -> bool| {
            let directory = &self.core.directory;
            directory.read(|catalog| catalog.member(node).is_some_and(asked))
        };
        let members = self
            .core
            .members
            .all()
            .into_iter()
            .map(|(node, peer_address)| MemberStatus {
                node,
                peer_address,
                http_address: self.core.http_address_of(node),
                state: if node == self.core.node {
                    "self"
                } else {
                    state_name(self.core.members.state(node))
                },
                leads: leads.get(&node).copied().unwrap_or(0),
                zone: self.core.zone_of(node),
                // And the catalog.
                copies: copies.get(&node).copied().unwrap_or(0) + 1,
                draining: is(node, |m| m.draining),
                leaving: is(node, |m| m.leaving),
            })
            .collect();
        let (members_version, change) = self.core.directory.read(|catalog| {
            let change = catalog.members_change().map(change_status);
            (catalog.members_version(), change)
        });
        ClusterStatus {
            members_version,
            change,
            cluster: self.core.members.cluster(),
            node: self.core.node,
            members,
            partitions,
        }
    }

    /// Whether clients can be served and another node could be spared, its disk included: every partition has a
    /// leader that lives, this node has caught up since its start and votes in each by a change that is committed,
    /// and none of them counts a voter that was replaced or is no member. Else why not.
    pub fn ready(&self) -> Result<(), String> {
        let routes = self.core.routes();
        let leaderless = routes.iter().filter(|r| !*r.healthy.borrow());
        let leaderless: Vec<PartitionId> = leaderless.map(|r| r.partition()).collect();
        if self.core.leaving.load(Ordering::Relaxed) {
            return Err("this node is going down".into());
        }
        if !leaderless.is_empty() {
            return Err(format!(
                "{} of {} partitions have no leader that answers: {}",
                leaderless.len(),
                routes.len(),
                names(&leaderless)
            ));
        }
        if !self.core.caught_up.load(Ordering::Relaxed) {
            return Err("this node has yet to catch up with the others since its start".into());
        }
        let voteless = routes.iter().filter(|r| self.waits_for(r)).count();
        if voteless > 0 {
            return Err(format!(
                "this node is a new member, and has yet to get its copy of {voteless} partitions"
            ));
        }
        let hosted = self.core.hosted();
        let groups: Vec<GroupStatus> = hosted.iter().map(|group| group.status()).collect();
        let members: BTreeSet<NodeId> = self
            .core
            .directory
            .read(|catalog| catalog.members().map(|m| NodeId(m.node)).collect());
        // What is not committed may be gone after an election, and half a change of members still needs the
        // majority of those before it; so does one in which somebody counts whom nobody answers for any more.
        let changing = |s: &&GroupStatus| {
            !s.settled || s.has_replaced_voter() || !s.voters.is_subset(&members)
        };
        let changing = groups.iter().filter(changing);
        let changing: Vec<PartitionId> = changing.map(|s| s.partition).collect();
        if !changing.is_empty() {
            return Err(format!(
                "the members of {} partitions are changing: {}",
                changing.len(),
                names(&changing)
            ));
        }
        Ok(())
    }

    /// Whether this node should have a copy that counts, and has not yet.
    fn waits_for(&self, route: &Route) -> bool {
        let me = self.core.node;
        if self.core.is_assigned(route.partition()) == Some(false) {
            return false;
        }
        let Some(status) = route.group().map(|group| group.status()) else {
            return true;
        };
        let learns = route.partition() == PartitionId::CATALOG && status.learners.contains(&me);
        !(learns || status.voters.contains(&me))
    }

    /// Resolves when every partition has had a leader, and this node's catalog is current.
    pub async fn wait_ready(&self) {
        for route in self.core.routes() {
            // The sender lives as long as the node.
            let _ = route.healthy.subscribe().wait_for(|healthy| *healthy).await;
        }
        while self.broker().catch_up_catalog().await.is_err() {
            tracing::info!("waiting for the catalog's leader");
        }
    }

    /// Figures for the metrics page.
    pub fn stats(&self) -> NodeStats {
        let mut queues = BTreeMap::new();
        let mut expired_in_stream_queues = BTreeMap::new();
        let hosted = self.core.hosted();
        for group in hosted.iter().filter(|group| group.is_leader()) {
            let now = group.now();
            group.read(|p| {
                for id in p.queues() {
                    let Some(view) = p.queue(id) else { continue };
                    let (counts, age): &mut (QueueCounts, u64) = queues.entry(id).or_default();
                    counts.ready += view.counts.ready;
                    counts.in_flight += view.counts.in_flight;
                    counts.delayed += view.counts.delayed;
                    *age = (*age).max(view.oldest_ready_at.map_or(0, |at| now.millis_since(at)));
                }
                for (id, expired) in p.expired_in_stream_queues() {
                    *expired_in_stream_queues.entry(id).or_default() += expired;
                }
            });
        }
        NodeStats {
            expired_in_stream_queues,
            ..background::stats(&self.core, &self.storage.log, &self.storage.blocks, queues)
        }
    }

    /// Hands its leaders over, then stops. What was acknowledged is on disk already.
    pub async fn shutdown(self) {
        self.core.leaving.store(true, Ordering::Relaxed);
        self.core.waiters.wake_all();
        leaders::hand_all_over(&self.core).await;
        self.core.replicas.shutdown().await;
        self.stop.cancel();
        self.core.tasks.close();
        self.core.tasks.wait().await;
        if self.server.await.is_err() {
            tracing::warn!("the peers' listener did not stop cleanly");
        }
    }
}

fn partition_status(core: &Core, route: &Route) -> PartitionStatus {
    let partition = route.partition();
    let status = route.group().map(|group| group.status());
    let lag = status.iter().flat_map(|status| {
        let lag = |matched: &u64| status.last_log_index.saturating_sub(*matched);
        status.matched.iter().map(move |(n, m)| (*n, lag(m)))
    });
    PartitionStatus {
        partition,
        leader: route.leader(),
        preferred: core.preferred_leader(partition),
        spread: core.leader_in_turn(partition),
        set: core.set_of(partition),
        placed: core.directory.read(|c| c.placed(partition).is_some()),
        lag: lag.collect(),
        copy: status.map(|status| CopyStatus {
            term: status.term,
            last_log_index: status.last_log_index,
            applied_index: status.applied_index,
            voters: status.voters.into_iter().collect(),
            raft: route
                .group()
                .map_or_else(String::new, |group| group.detail().to_string()),
        }),
    }
}

/// The first few, for a line of text.
fn names(partitions: &[PartitionId]) -> String {
    const NAMED_MAX: usize = 8;
    let named = partitions.iter().take(NAMED_MAX).map(ToString::to_string);
    let mut text = named.collect::<Vec<_>>().join(", ");
    if partitions.len() > NAMED_MAX {
        text += ", ...";
    }
    text
}

fn change_status(change: &MembersChange) -> ChangeStatus {
    ChangeStatus {
        kind: match change.kind() {
            MembersChangeKind::Add => "add",
            MembersChangeKind::Remove => "remove",
            MembersChangeKind::Replace => "replace",
            MembersChangeKind::Unspecified => "unknown",
        },
        address: change.address.clone(),
        node: (change.node != 0).then_some(NodeId(change.node)),
        since_ms: change.since,
    }
}

fn state_name(state: Option<PeerState>) -> &'static str {
    match state {
        Some(PeerState::Up) => "up",
        Some(PeerState::Refused) => "refused",
        Some(PeerState::Silent) => "silent",
        Some(PeerState::Connecting) => "connecting",
        Some(PeerState::Unreachable) | None => "unreachable",
    }
}
