//! Handing a partition's leadership over, at its leader and on the way to it.

use std::time::Duration;

use bytes::Bytes;
use levada_replica::Group;
use levada_rpc::{Class, PeerState, RemoteError};
use levada_types::{NodeId, PartitionId};
use prost::Message as _;

use crate::core::{Core, Route};
use crate::handler::malformed;
use crate::{method, proto};

/// Entries by which a node may lag when it is to lead.
const LAG_MAX: u64 = 64;
/// How long the leader may take to answer that it has begun.
const ASK_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a leader that goes down waits for another to take a partition over.
const HEIR_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a hand-over may take until this node knows the new leader.
const HAND_OVER_TIMEOUT: Duration = Duration::from_secs(5);

/// At the leader: whether a member could lead the partition now, else why not.
pub(crate) fn can_lead(core: &Core, group: &Group, node: NodeId) -> Result<(), String> {
    let status = group.status();
    if !status.voters.contains(&node) {
        return Err(format!("{node} has no vote in it yet"));
    }
    if core.members.state(node) != Some(PeerState::Up) {
        return Err(format!("{node} does not answer {}", core.node));
    }
    let matched = status.matched.get(&node).copied().unwrap_or(0);
    let lag = status.last_log_index.saturating_sub(matched);
    if lag > LAG_MAX {
        return Err(format!(
            "{node} lags {lag} entries behind; wait until `levada cluster status` shows less than {LAG_MAX}"
        ));
    }
    Ok(())
}

/// At the leader: the other voters that are up, those that should lead first, then those that lag least.
pub(crate) fn heirs(core: &Core, group: &Group) -> Vec<NodeId> {
    let status = group.status();
    let passive = core.passive();
    let mut heirs: Vec<NodeId> = status
        .voters
        .iter()
        .copied()
        .filter(|n| *n != core.node && core.members.state(*n) == Some(PeerState::Up))
        .collect();
    // One that is about to lose its vote would hand over again.
    let set = core.set_of(group.id());
    heirs.sort_by_key(|n| {
        let matched = status.matched.get(n).copied().unwrap_or(0);
        (
            !set.contains(n),
            passive.contains(n),
            std::cmp::Reverse(matched),
        )
    });
    heirs
}

/// Hands over whatever this node leads, to whoever is up; answers how many partitions another leads by now.
pub(crate) async fn hand_all_over(core: &Core) -> usize {
    let hosted = core.hosted();
    let led = hosted.iter().filter(|group| group.is_leader());
    let handed = led.map(|group| async move {
        let Some(heir) = heirs(core, group).into_iter().next() else {
            return false;
        };
        group.transfer_leader(heir).await;
        // At the time-out the others find out by themselves.
        let changed = group.leader_changed(Some(core.node));
        tokio::time::timeout(HEIR_TIMEOUT, changed).await.is_ok()
    });
    let handed = futures::future::join_all(handed).await;
    handed.into_iter().filter(|taken| *taken).count()
}

/// Hands a partition over, wherever it is led now; answers when this node knows the new leader.
pub(crate) async fn hand_over(core: &Core, route: &Route, to: NodeId) -> Result<(), String> {
    let partition = route.partition();
    match (route.leader(), route.group()) {
        (Some(leader), _) if leader == to => return Ok(()),
        (Some(leader), Some(group)) if leader == core.node => begin(core, &group, to).await?,
        (Some(leader), _) => ask(core, leader, partition, to).await?,
        (None, _) => {
            return Err(format!(
                "{partition} has no leader now; are most of its nodes up?"
            ));
        }
    }
    let taken = async {
        let mut leader = route.leader();
        while leader != Some(to) {
            leader = route.place.leader_changed(leader).await;
        }
    };
    tokio::time::timeout(HAND_OVER_TIMEOUT, taken)
        .await
        .map_err(|_| {
            format!(
                "{to} did not take {partition} over within {} s; `levada cluster status` shows who leads it",
                HAND_OVER_TIMEOUT.as_secs()
            )
        })
}

async fn begin(core: &Core, group: &Group, to: NodeId) -> Result<(), String> {
    can_lead(core, group, to)?;
    group.transfer_leader(to).await;
    Ok(())
}

async fn ask(
    core: &Core,
    leader: NodeId,
    partition: PartitionId,
    to: NodeId,
) -> Result<(), String> {
    let peer = core
        .members
        .peer(leader)
        .ok_or_else(|| format!("the leader {leader} is not a member any more"))?;
    let body = proto::HandOverRequest { to: to.0 }.encode_to_vec().into();
    let reply = peer
        .call(
            Class::Request,
            method::HAND_OVER,
            partition.0,
            body,
            ASK_TIMEOUT,
        )
        .await
        .map_err(|e| format!("the leader {leader} could not be asked: {e}"))?;
    let reply = proto::HandOverReply::decode(reply)
        .map_err(|e| format!("the answer of {leader} cannot be read: {e}"))?;
    if reply.refusal.is_empty() {
        Ok(())
    } else {
        Err(reply.refusal)
    }
}

/// A member asks this node to hand a partition over.
pub(crate) async fn answer_hand_over(
    core: &Core,
    partition: PartitionId,
    body: Bytes,
) -> Result<Bytes, RemoteError> {
    let request = proto::HandOverRequest::decode(body).map_err(malformed)?;
    let refusal = match core.route(partition).and_then(|r| r.led_group()) {
        Some(group) => begin(core, &group, NodeId(request.to)).await.err(),
        None => Some(format!(
            "{} does not lead {partition} any more; try again",
            core.node
        )),
    };
    let reply = proto::HandOverReply {
        refusal: refusal.unwrap_or_default(),
    };
    Ok(reply.encode_to_vec().into())
}
