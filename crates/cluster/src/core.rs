//! What the parts of a node's cluster layer share.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use levada_engine::proto::{Command, Tick, command};
use levada_replica::{Group, Replicas};
use levada_rpc::PeerState;
use levada_types::{NodeId, PartitionId, QueueId};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::backup::Sessions;
use crate::directory::Directory;
use crate::environment::AskSpace;
use crate::lane::Lane;
use crate::loads::Loads;
use crate::members::Members;
use crate::place::Place;
use crate::placement;
use crate::proposer::Proposer;
use crate::reader::Reader;
use crate::stream::{ReadBudgets, Subscriptions};
use crate::topic::{Deliveries, Failures};
use crate::waiters::Waiters;

/// How long a tick may take.
const TICK_TIMEOUT: Duration = Duration::from_secs(1);

/// The cluster layer of one node.
pub(crate) struct Core {
    pub(crate) node: NodeId,
    pub(crate) members: Arc<Members>,
    pub(crate) replicas: Arc<Replicas>,
    pub(crate) reader: Arc<Reader>,
    pub(crate) waiters: Waiters,
    pub(crate) directory: Directory,
    /// Every partition, hosted here or not. None ever goes.
    pub(crate) partitions: RwLock<BTreeMap<PartitionId, Arc<Route>>>,
    /// The disk is nearly full: what would make it fuller is refused.
    pub(crate) disk_full: AtomicBool,
    /// Ends the node's tasks.
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: TaskTracker,
    /// The node is going down: it takes no leadership back.
    pub(crate) leaving: AtomicBool,
    /// Since its start this node has caught up with the leader of every partition.
    pub(crate) caught_up: AtomicBool,
    /// The members are others than before: they are written down, and their links watched.
    pub(crate) members_changed: Notify,
    /// When this node was taken out of the cluster, in milliseconds since the epoch.
    pub(crate) removed: watch::Sender<Option<u64>>,
    /// The node was taken out, and has written that down.
    pub(crate) gone: CancellationToken,
    /// Partitions that are being backed up.
    pub(crate) backups: Sessions,
    /// Where the node keeps what it must not forget.
    pub(crate) data_dir: PathBuf,
    /// Asks how much room it has.
    pub(crate) space: Arc<AskSpace>,
    /// The catalog's generation, for those who look for work in it.
    pub(crate) catalog: watch::Sender<u64>,
    /// Where copies should be has changed.
    pub(crate) placement_changed: Notify,
    /// Some partition has no copy here, or should not have one: its leader is known from hearsay.
    pub(crate) partial: watch::Sender<bool>,
    /// Changes whenever this node begins or ceases to lead a partition.
    pub(crate) led: watch::Sender<u64>,
    /// How much each partition is written to.
    pub(crate) loads: Loads,
    /// What was read of shards whose limits are kept.
    pub(crate) read_budgets: ReadBudgets,
    /// Who has shards pushed here.
    pub(crate) subscriptions: Subscriptions,
    /// What is to be pushed to subscriptions' endpoints.
    pub(crate) deliveries: Deliveries,
    /// Why that was not possible the last time.
    pub(crate) delivery_failures: Failures,
    /// Parts of queues that are watched elsewhere for polls that are parked here.
    pub(crate) far: Mutex<BTreeSet<(QueueId, PartitionId)>>,
    /// Chooses where a receive begins to look.
    pub(crate) turn: AtomicU64,
}

/// The ways to one partition.
pub(crate) struct Route {
    pub(crate) place: Arc<Place>,
    /// Ends what runs for this node's copy, if it has one.
    pub(crate) hosting: Mutex<CancellationToken>,
    /// For what changes something.
    pub(crate) writes: Lane,
    /// For claims, which need not go through Raft when there is nothing.
    pub(crate) claims: Lane,
    /// Whether a leader is known and, as far as this node sees, alive. [`crate::health`] alone says so.
    pub(crate) healthy: watch::Sender<bool>,
    /// The state of some member has changed.
    pub(crate) look: Notify,
    /// What in the catalog changed since this partition was last compared with it.
    pub(crate) changed: Changed,
    /// The outbox may hold something to ship.
    pub(crate) ship: Notify,
}

/// Changes of the catalog that a partition's leader has not looked at yet.
#[derive(Default)]
pub(crate) struct Changed {
    pending: Mutex<Pending>,
    notify: Notify,
}

/// What to look at.
#[derive(Default)]
pub(crate) struct Pending {
    /// Everything: leadership or the whole catalog is new.
    pub(crate) all: bool,
    /// The members, or where copies should be.
    pub(crate) members: bool,
    /// Else these queues.
    pub(crate) queues: BTreeSet<QueueId>,
}

impl Changed {
    pub(crate) fn queues(&self, queues: &BTreeSet<QueueId>) {
        self.lock().queues.extend(queues);
        self.notify.notify_one();
    }

    pub(crate) fn all(&self) {
        self.lock().all = true;
        self.notify.notify_one();
    }

    pub(crate) fn members(&self) {
        self.lock().members = true;
        self.notify.notify_one();
    }

    /// Waits until there is something, and takes it. For one caller.
    pub(crate) async fn next(&self) -> Pending {
        self.notify.notified().await;
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl Route {
    pub(crate) fn new(proposer: Proposer) -> Self {
        let place = proposer.place.clone();
        let proposer = Arc::new(proposer);
        Self {
            place,
            hosting: Mutex::default(),
            writes: Lane::start(proposer.clone(), true),
            // Few poll at one time, and each claim is for up to ten messages: there is little to gather, and
            // every message would wait for it.
            claims: Lane::start(proposer, false),
            healthy: watch::Sender::new(false),
            look: Notify::new(),
            changed: Changed::default(),
            ship: Notify::new(),
        }
    }

    pub(crate) fn partition(&self) -> PartitionId {
        self.place.partition()
    }

    /// This node's copy, if it has one.
    pub(crate) fn group(&self) -> Option<Arc<Group>> {
        self.place.group()
    }

    /// This node's copy, if it leads by it.
    pub(crate) fn led_group(&self) -> Option<Arc<Group>> {
        self.group().filter(|group| group.is_leader())
    }

    /// The leader, as far as is known.
    pub(crate) fn leader(&self) -> Option<NodeId> {
        self.place.leader()
    }

    /// Lets the partition's time take effect, if its leader answers in time.
    pub(crate) async fn tick(&self) {
        let tick = Command {
            kind: Some(command::Kind::Tick(Tick {})),
        };
        // What is due stays due, and the next tick does it.
        let _ = self.writes.submit(tick, 0, TICK_TIMEOUT).await;
    }
}

impl Core {
    pub(crate) fn route(&self, partition: PartitionId) -> Option<Arc<Route>> {
        self.all_routes().get(&partition).cloned()
    }

    /// Every partition's, in order.
    pub(crate) fn routes(&self) -> Vec<Arc<Route>> {
        self.all_routes().values().cloned().collect()
    }

    /// This node's copies.
    pub(crate) fn hosted(&self) -> Vec<Arc<Group>> {
        self.all_routes()
            .values()
            .filter_map(|route| route.group())
            .collect()
    }

    /// How many partitions there are, the catalog among them.
    pub(crate) fn partition_count(&self) -> usize {
        self.all_routes().len()
    }

    fn all_routes(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<PartitionId, Arc<Route>>> {
        self.partitions.read().unwrap_or_else(|e| e.into_inner())
    }

    /// Resolves when the catalog is of another generation than `than`.
    pub(crate) async fn tasks_changed(&self, than: u64) {
        let mut catalog = self.catalog.subscribe();
        // The sender lives in `self`.
        let _ = catalog.wait_for(|generation| *generation != than).await;
    }

    /// Whether the leader that this node knows of lives, as far as it sees.
    pub(crate) fn is_healthy(&self, leader: Option<NodeId>) -> bool {
        match leader {
            None => false,
            Some(leader) if leader == self.node => true,
            Some(leader) => self.members.state(leader) == Some(PeerState::Up),
        }
    }

    /// A member has come, gone, or changed its state: which partitions have a leader that lives?
    pub(crate) fn look_at_health(&self) {
        for route in self.routes() {
            route.look.notify_one();
        }
    }

    /// Where clients reach a member; empty if it has not said.
    pub(crate) fn http_address_of(&self, node: NodeId) -> String {
        self.directory.read(|c| {
            c.member(node)
                .map(|m| m.http_address.clone())
                .unwrap_or_default()
        })
    }

    /// What a member fails together with.
    pub(crate) fn zone_of(&self, node: NodeId) -> String {
        self.directory
            .read(|c| c.member(node).map(|m| m.zone.clone()).unwrap_or_default())
    }

    /// The members that should have a copy of the partition.
    pub(crate) fn set_of(&self, partition: PartitionId) -> Vec<NodeId> {
        let row = self
            .directory
            .read(|c| c.placed(partition).map(|row| row.nodes.clone()));
        match row {
            Some(nodes) => nodes.into_iter().map(NodeId).collect(),
            None => self.members.all().into_keys().collect(),
        }
    }

    /// The node that should lead the partition when all is well.
    pub(crate) fn preferred_leader(&self, partition: PartitionId) -> Option<NodeId> {
        let wish = self.directory.read(|c| c.wanted_leader(partition));
        self.leader_by(wish, partition)
    }

    /// The same without an operator's wish.
    pub(crate) fn leader_in_turn(&self, partition: PartitionId) -> Option<NodeId> {
        self.leader_by(None, partition)
    }

    fn leader_by(&self, wish: Option<NodeId>, partition: PartitionId) -> Option<NodeId> {
        if let Some(row) = self.directory.read(|c| c.placed(partition).cloned()) {
            let nodes: Vec<NodeId> = row.nodes.into_iter().map(NodeId).collect();
            let first = NodeId(row.leader);
            return placement::leader_of_set(&nodes, first, &self.passive(), wish, partition);
        }
        let members: Vec<NodeId> = self.members.all().into_keys().collect();
        placement::preferred_leader(&members, &self.passive(), wish, partition)
    }

    /// Members that should lead nothing: an operator drains them or takes them out.
    pub(crate) fn passive(&self) -> BTreeSet<NodeId> {
        self.directory.read(|catalog| {
            let passive = catalog.members().filter(|m| m.draining || m.leaving);
            passive.map(|m| NodeId(m.node)).collect()
        })
    }
}
