//! openraft's types as Levada fills them in, and its timing.

use std::fmt;

use bytes::Bytes;
use levada_engine::proto::Outcome;
use levada_types::Timestamp;
use openraft::impls::BasicNode;

use crate::host::Host;

openraft::declare_raft_types!(
    /// The types of every group: an entry carries stamped proposals, and answers the outcomes of each.
    pub TypeConfig:
        D = Command,
        R = Vec<Vec<Outcome>>,
        NodeId = u64,
        Node = BasicNode,
);

/// One entry's body: encoded proposals, each of its own lane, with the leader's stamp.
#[derive(Clone, PartialEq, Eq)]
pub struct Command {
    /// The leader's time at proposing.
    pub at: Timestamp,
    /// Each an encoded `levada_engine::proto::Proposal`, applied in this order.
    pub proposals: Vec<Bytes>,
}

impl Command {
    /// Bytes of its proposals.
    pub(crate) fn len(&self) -> usize {
        self.proposals.iter().map(Bytes::len).sum()
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Command({}, {} bytes)", self.at, self.len())
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Timing and bounds of a node's groups.
#[derive(Clone, Debug)]
pub struct ReplicaOptions {
    /// Leaders show that they live this often, all groups of a node at one time; see [`Replicas::beat`].
    ///
    /// [`Replicas::beat`]: crate::Replicas::beat
    pub heartbeat_ms: u64,
    /// A follower waits for at least this long beyond its leader's lease before it stands.
    pub election_timeout_min_ms: u64,
    /// And at most this long; also the length of the leader's lease.
    pub election_timeout_max_ms: u64,
    /// Entries that one AppendEntries carries at most. Of their bytes the log gives 1 MiB at one time, or one entry
    /// that is longer: a record of a stream may have 10 MiB.
    pub entries_per_append_max: u64,
    /// The machine that the groups run on.
    pub host: Host,
}

impl Default for ReplicaOptions {
    fn default() -> Self {
        // A killed leader is replaced at once, by the broken connection (`Replicas::peer_died`); a frozen
        // one when the lease has run out and its peers have noticed the silence, or else after the lease
        // and one time-out: at most 1.4 s. Of three heartbeats in a lease one may be lost.
        Self {
            heartbeat_ms: 230,
            election_timeout_min_ms: 500,
            election_timeout_max_ms: 700,
            entries_per_append_max: 64,
            host: Host::default(),
        }
    }
}

/// How long a heartbeat may take, in milliseconds. openraft also derives its tick from it, 13/64: time-outs are
/// looked at every 81 ms, in each group.
const CALL_TIMEOUT_MS: u64 = 400;

impl ReplicaOptions {
    pub(crate) fn raft_config(&self) -> openraft::Config {
        openraft::Config {
            cluster_name: "levada".into(),
            // Each group's own would leave at a time of its own: a packet and a wake-up for each.
            enable_heartbeat: false,
            heartbeat_interval: CALL_TIMEOUT_MS,
            election_timeout_min: self.election_timeout_min_ms,
            election_timeout_max: self.election_timeout_max_ms,
            max_payload_entries: self.entries_per_append_max,
            // Checkpoints and purges are made by `Group::checkpoint`, by bytes and not by entries.
            snapshot_policy: openraft::SnapshotPolicy::Never,
            max_in_snapshot_log_to_keep: u64::MAX,
            replication_lag_threshold: u64::MAX,
            // A snapshot is sent in parts that each have their own time-out.
            install_snapshot_timeout: 600_000,
            enable_pre_vote: Some(true),
            // The machine's memory is behind the log after a restart, and what was committed is not
            // written down; a restarted leader must win an election to learn it.
            enable_leader_restore: Some(false),
            // A peer that cannot be reached is refused by the link at once, so asking often costs little; a
            // growing pause would leave one that is back behind for a second.
            backoff: "100ms 100ms 100ms".into(),
            ..Default::default()
        }
    }
}
