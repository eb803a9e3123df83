//! A question to a partition's leader that changes nothing: answered here if this node leads, else there; asked again
//! while an election goes on, and not when the leader has said why it cannot answer.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use levada_replica::Group;
use levada_rpc::{CallError, Class, RemoteError};
use levada_types::PartitionId;
use tokio::time::Instant;

use crate::broker::{Broker, REQUEST_TIMEOUT};
use crate::core::Core;
use crate::proposer::{NO_REPLICA, NOT_LEADER, UNKNOWN};
use crate::{RouteError, peek, stream, table};

/// For how long one attempt may go unanswered before the leader is looked up again.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);
/// Between two attempts while the same leader is known.
const RETRY_PAUSE: Duration = Duration::from_millis(20);
/// The longest wait for a leader before it is looked for again.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Remote refusal: what was asked for cannot be read there.
pub(crate) const UNREADABLE: u32 = 205;

/// Whose questions these are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// A shard of a stream.
    Shard,
    /// A table.
    Table,
    /// A queue.
    Queue,
}

impl Asked {
    /// The answer of this node, if it leads the partition.
    fn here(
        self,
        core: &Core,
        method: u32,
        partition: PartitionId,
        body: Bytes,
    ) -> BoxFuture<'_, Result<Bytes, RemoteError>> {
        match self {
            Self::Shard => Box::pin(stream::answer(core, method, partition, body)),
            Self::Table => Box::pin(table::answer(core, method, partition, body)),
            Self::Queue => Box::pin(peek::answer(core, method, partition, body)),
        }
    }
}

impl Broker {
    /// As [`Self::ask_leader`], and reads the answer.
    pub(crate) async fn ask_leader_for<T: prost::Message + Default>(
        &self,
        asked: Asked,
        partition: PartitionId,
        method: u32,
        request: &impl prost::Message,
    ) -> Result<T, RouteError> {
        let answer = self.ask_leader(asked, partition, method, request).await?;
        T::decode(answer).map_err(|error| RouteError::Unreadable(error.to_string()))
    }

    /// Has the partition's leader answer, whoever that is by the end of the request.
    ///
    /// # Errors
    /// At once when a leader has said that it cannot, or has too much to do.
    pub(crate) async fn ask_leader(
        &self,
        asked: Asked,
        partition: PartitionId,
        method: u32,
        request: &impl prost::Message,
    ) -> Result<Bytes, RouteError> {
        let body: Bytes = request.encode_to_vec().into();
        let deadline = Instant::now() + REQUEST_TIMEOUT;
        let route = self.core.route(partition).ok_or(RouteError::Unavailable)?;
        loop {
            let leader = route.leader();
            let refusal = match leader {
                Some(node) if node == self.core.node => {
                    match asked
                        .here(&self.core, method, partition, body.clone())
                        .await
                    {
                        Ok(answer) => return Ok(answer),
                        Err(refusal) => Some(CallError::Remote(refusal)),
                    }
                }
                Some(node) => match self.core.members.peer(node) {
                    Some(peer) => {
                        let left = deadline.saturating_duration_since(Instant::now());
                        let timeout = ATTEMPT_TIMEOUT.min(left);
                        let call =
                            peer.call(Class::Bulk, method, partition.0, body.clone(), timeout);
                        tokio::select! {
                            answer = call => match answer {
                                Ok(answer) => return Ok(answer),
                                Err(error) => Some(error),
                            },
                            // An answer from a leader that has been replaced may never come.
                            _ = route.place.leader_changed(leader) => None,
                        }
                    }
                    None => None,
                },
                None => None,
            };
            if let Some(error) = refusal.and_then(final_error) {
                return Err(error);
            }
            let pause = if leader.is_none() {
                LOOK_AGAIN
            } else {
                RETRY_PAUSE
            };
            let until = deadline.min(Instant::now() + pause);
            // At the time-out it is looked again, whatever was learned.
            let _ = tokio::time::timeout_at(until, route.place.leader_changed(leader)).await;
            if Instant::now() >= deadline {
                return Err(RouteError::Unavailable);
            }
        }
    }
}

/// What to tell the caller now; none if another try may do better.
fn final_error(error: CallError) -> Option<RouteError> {
    match error {
        CallError::Remote(refusal) => match refusal.code {
            NOT_LEADER | UNKNOWN | NO_REPLICA => None,
            UNREADABLE => Some(RouteError::Unreadable(refusal.message)),
            _ => {
                // Starting, of another version, or wrong: another leader may be right.
                tracing::debug!(%refusal, "a leader refused a question");
                None
            }
        },
        CallError::Overloaded => Some(RouteError::Overloaded),
        CallError::TooLarge { .. } => Some(RouteError::Unreadable(error.to_string())),
        _ => None,
    }
}

/// The group, if this node leads it, with all applied that was acknowledged anywhere before.
pub(crate) async fn led_and_current(
    core: &Core,
    partition: PartitionId,
) -> Result<Arc<Group>, RemoteError> {
    let not_leader = || RemoteError::new(NOT_LEADER, "this node does not lead the partition");
    let group = core.route(partition).and_then(|route| route.led_group());
    let group = group.ok_or_else(not_leader)?;
    let index = group.read_index().await.map_err(|_| not_leader())?;
    if group.wait_applied(index, ATTEMPT_TIMEOUT).await {
        return Ok(group);
    }
    Err(not_leader())
}
