//! Brings a proposal to the leader of its partition, wherever that is, until it is applied.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use levada_engine::proto::{Outcome, ReceiveOutcome, outcome};
use levada_replica::{Group, ProposeError};
use levada_rpc::Class;
use levada_types::{NodeId, QueueId};
use prost::Message as _;
use tokio::time::Instant;

use crate::RouteError;
use crate::lane::Answered;
use crate::members::Members;
use crate::method;
use crate::place::Place;
use crate::proto;
use crate::reader::Reader;

/// For how long one attempt may go unanswered before the leader is looked up again. A frozen leader
/// is replaced in less; a busy one keeps the attempt, which is not repeated at the same leader.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);
/// Between two attempts while nothing is known to have changed.
const RETRY_PAUSE: Duration = Duration::from_millis(20);
/// Bytes of records of streams that are put into an answer from disk; who asked reads the rest. A record may be as large
/// as that alone.
const ATTACHED_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Remote refusal: the node does not lead the partition.
pub(crate) const NOT_LEADER: u32 = 200;
/// Remote refusal: leadership was lost under way.
pub(crate) const UNKNOWN: u32 = 201;
/// Remote refusal: the partition has no replica there.
pub(crate) const NO_REPLICA: u32 = 202;

/// One partition's way to its leader.
pub(crate) struct Proposer {
    pub(crate) node: NodeId,
    pub(crate) place: Arc<Place>,
    pub(crate) members: Arc<Members>,
    pub(crate) reader: Arc<Reader>,
}

/// A proposal as it travels.
pub(crate) struct Sealed {
    /// An encoded `proto::Proposal`.
    pub(crate) proposal: Bytes,
    /// If it only claims: from these queues. It is not proposed while they have nothing.
    pub(crate) claims_from: Vec<u64>,
    /// Its commands.
    pub(crate) count: usize,
    /// It may wait a moment for those of other lanes.
    pub(crate) joins: bool,
}

/// One attempt did not answer; it may have been taken all the same. The leader is looked up again, and asked with
/// the same bytes.
struct NoAnswer;

impl Proposer {
    /// Whether this node is all of its cluster.
    pub(crate) fn is_alone(&self) -> bool {
        self.members.count() == 1
    }

    /// Sees a proposal through, until `deadline`, or until it has failed once
    /// and is `abandoned`.
    pub(crate) async fn see_through(
        &self,
        sealed: &Sealed,
        deadline: Instant,
        abandoned: &(dyn Fn() -> bool + Sync),
    ) -> Result<Answered, RouteError> {
        loop {
            let leader = self.place.leader();
            let attempt = match leader {
                Some(node) if node == self.node => self.propose_here(sealed).await,
                Some(node) => self.propose_there(node, sealed, deadline).await,
                None => Err(NoAnswer),
            };
            match attempt {
                Ok((outcomes, applied_index)) => {
                    return Ok(Answered {
                        outcomes,
                        applied_index,
                    });
                }
                // Not at once, even if it named another: while a leader hands over it refuses, names its heir, and
                // is the one that this node knows. Once it knows another this is no wait at all.
                Err(NoAnswer) => self.wait_for_change(leader, deadline).await,
            }
            if Instant::now() >= deadline || abandoned() {
                return Err(RouteError::Unavailable);
            }
        }
    }

    /// Until another leader is known, but not for long: the same leader may have recovered.
    async fn wait_for_change(&self, leader: Option<NodeId>, deadline: Instant) {
        let pause = if leader.is_none() {
            Duration::from_secs(1)
        } else {
            RETRY_PAUSE
        };
        let until = deadline.min(Instant::now() + pause);
        // At the time-out the caller looks again, whatever was learned.
        let _ = tokio::time::timeout_at(until, self.place.leader_changed(leader)).await;
    }

    /// Proposes to this node's own replica.
    async fn propose_here(&self, sealed: &Sealed) -> Result<(Vec<Outcome>, u64), NoAnswer> {
        let group = self.place.group().ok_or(NoAnswer)?;
        propose_at_leader(&group, &self.reader, sealed)
            .await
            .map_err(|_| NoAnswer)
    }

    async fn propose_there(
        &self,
        leader: NodeId,
        sealed: &Sealed,
        deadline: Instant,
    ) -> Result<(Vec<Outcome>, u64), NoAnswer> {
        let peer = self.members.peer(leader).ok_or(NoAnswer)?;
        let request = proto::ProposeRequest {
            proposal: sealed.proposal.clone(),
            claims_from: sealed.claims_from.clone(),
            commands: sealed.count as u32,
        };
        let timeout = ATTEMPT_TIMEOUT.min(deadline.saturating_duration_since(Instant::now()));
        let body = request.encode_to_vec().into();
        let call = peer.call(
            Class::Request,
            method::PROPOSE,
            self.place.partition().0,
            body,
            timeout,
        );
        // An answer from a leader that has been replaced meanwhile may never come.
        let reply = tokio::select! {
            reply = call => reply,
            _ = self.place.leader_changed(Some(leader)) => return Err(NoAnswer),
        };
        match reply {
            Ok(body) => match proto::ProposeReply::decode(body) {
                Ok(reply) => Ok((reply.outcomes, reply.applied_index)),
                Err(error) => {
                    tracing::error!(%error, %leader, "a peer's answer cannot be read");
                    Err(NoAnswer)
                }
            },
            Err(_) => Err(NoAnswer),
        }
    }
}

/// At the leader: proposes, and puts the payloads of claimed messages into the outcomes. Answers also
/// the entry that a replica must have applied to see the effect.
pub(crate) async fn propose_at_leader(
    group: &Arc<Group>,
    reader: &Reader,
    sealed: &Sealed,
) -> Result<(Vec<Outcome>, u64), ProposeError> {
    if !sealed.claims_from.is_empty()
        && group.leads_with_all_applied()
        // A poll that was woken on a follower would be told that there is nothing, and not woken again.
        && group.has_applied_its_log()
        && !any_claimable(group, &sealed.claims_from)
    {
        return Ok((vec![nothing(); sealed.count], 0));
    }
    let mut outcomes = group.propose(sealed.proposal.clone(), sealed.joins).await?;
    attach_records(group, reader, &mut outcomes).await;
    Ok((outcomes, group.applied_index()))
}

/// A queue that this replica does not know must go through Raft, to be answered `Misconfigured`.
fn any_claimable(group: &Group, queues: &[u64]) -> bool {
    let now = group.now();
    group.read(|partition| {
        partition.next_due().is_some_and(|due| due <= now)
            || queues.iter().any(|q| {
                partition
                    .claims_of(QueueId(*q))
                    .is_none_or(|view| view.claimable_now() || view.in_flight_full)
            })
    })
}

fn nothing() -> Outcome {
    Outcome {
        kind: Some(outcome::Kind::Receive(ReceiveOutcome::default())),
    }
}

/// Fills in the payloads that had left memory.
async fn attach_records(group: &Arc<Group>, reader: &Reader, outcomes: &mut [Outcome]) {
    let mut bytes = 0;
    for outcome in outcomes {
        let Some(outcome::Kind::Receive(received)) = &mut outcome.kind else {
            continue;
        };
        for claimed in received.claimed.iter_mut().filter(|c| c.record.is_none()) {
            let is_of_stream = claimed.log != 0;
            let log = if is_of_stream {
                claimed.log
            } else {
                received.queue
            };
            if is_of_stream && bytes >= ATTACHED_BYTES_MAX {
                continue;
            }
            let record = reader.record(group, QueueId(log), claimed.position).await;
            if is_of_stream {
                bytes += record.as_ref().map_or(0, |record| record.payload.len());
            }
            claimed.record = record.filter(|_| !is_of_stream || bytes <= ATTACHED_BYTES_MAX);
        }
    }
}
