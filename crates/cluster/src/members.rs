//! The members of the cluster as this node knows them: who they are, where, and whether they live.

use std::collections::BTreeMap;
use std::sync::RwLock;
use std::sync::atomic::{AtomicU64, Ordering};

use levada_rpc::{Peer, PeerState, Peers};
use levada_types::NodeId;

/// The members, by node.
pub(crate) struct Members {
    node: NodeId,
    peers: Peers,
    cluster: AtomicU64,
    rows: RwLock<BTreeMap<NodeId, String>>,
}

impl Members {
    pub(crate) fn new(node: NodeId, peers: Peers) -> Self {
        Self {
            node,
            peers,
            cluster: AtomicU64::new(0),
            rows: RwLock::default(),
        }
    }

    pub(crate) fn peers(&self) -> &Peers {
        &self.peers
    }

    /// The cluster's number; 0 while this node belongs to none.
    pub(crate) fn cluster(&self) -> u64 {
        self.cluster.load(Ordering::Acquire)
    }

    /// Takes the cluster and its members, all of them.
    pub(crate) fn set(&self, cluster: u64, rows: BTreeMap<NodeId, String>) {
        *self.rows.write().unwrap_or_else(|e| e.into_inner()) = rows;
        self.cluster.store(cluster, Ordering::Release);
    }

    /// All members and their addresses, this node among them.
    pub(crate) fn all(&self) -> BTreeMap<NodeId, String> {
        self.rows.read().unwrap_or_else(|e| e.into_inner()).clone()
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.rows.read().unwrap_or_else(|e| e.into_inner()).len()
    }

    /// The address of a member.
    pub(crate) fn address(&self, node: NodeId) -> Option<String> {
        self.rows
            .read()
            .unwrap_or_else(|e| e.into_inner())
            .get(&node)
            .cloned()
    }

    /// The link to another member.
    pub(crate) fn peer(&self, node: NodeId) -> Option<Peer> {
        (node != self.node)
            .then(|| self.address(node))
            .flatten()
            .map(|address| self.peers.get(&address))
    }

    /// What is known of the link to another member.
    pub(crate) fn state(&self, node: NodeId) -> Option<PeerState> {
        self.peer(node).map(|peer| *peer.state().borrow())
    }
}
