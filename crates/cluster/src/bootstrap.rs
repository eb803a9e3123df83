//! How a node comes to belong to a cluster, exactly once.
//!
//! - Alone: it makes a cluster of itself.
//! - All the configured nodes are empty: the first of them by address founds the cluster, writes that
//!   down, and adopts the others. Only when every one of them has answered that it is empty, so that an
//!   emptied founder never makes a second cluster.
//! - Some node belongs to a cluster already: this one, whose directory is empty, joins in the place of
//!   the member that had its address, or at an address where an operator expects a new member, under its
//!   own new id. It never speaks as the one that it was.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use levada_engine::proto::{
    Catalog, MemberRow, MembersChangeKind, RemoveMember, SetMember, catalog, command,
};
use levada_rpc::{Class, Peers, RemoteError};
use levada_storage::DataDir;
use levada_types::{NodeId, PartitionId};
use prost::Message as _;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::broker::Broker;
use crate::core::Core;
use crate::handler::malformed;
use crate::{method, proto, standing};

/// One question to one node.
const ASK_TIMEOUT: Duration = Duration::from_secs(2);
/// Between two rounds of asking. Nothing announces that a process has started to listen.
const ASK_PAUSE: Duration = Duration::from_millis(100);

/// What a node's directory says of its cluster, in `node.json`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Membership {
    pub(crate) partitions: u32,
    /// Peer addresses by node number.
    pub(crate) members: BTreeMap<u64, String>,
    /// This node made the cluster, and begins each group that was not begun.
    pub(crate) founder: bool,
    /// This node came to a cluster that there was: it has copies of those partitions only that it is given.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) joined: bool,
    /// When the node was taken out of the cluster, in milliseconds since the epoch: it never speaks again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) removed_at: Option<u64>,
}

impl Membership {
    pub(crate) fn members(&self) -> BTreeMap<NodeId, String> {
        self.members
            .iter()
            .map(|(id, address)| (NodeId(*id), address.clone()))
            .collect()
    }
}

/// The node's membership as its directory has it.
pub(crate) struct Bootstrap {
    node: NodeId,
    address: String,
    peers: Peers,
    dir: Mutex<DataDir>,
    adopted: Notify,
    /// What was said last of a node at another's address, so that it is logged once.
    stranger: Mutex<String>,
    identity: Arc<std::sync::atomic::AtomicU64>,
}

impl Bootstrap {
    pub(crate) fn new(
        address: String,
        peers: Peers,
        dir: DataDir,
        identity: Arc<std::sync::atomic::AtomicU64>,
    ) -> Self {
        Self {
            node: dir.node_id(),
            address,
            peers,
            dir: Mutex::new(dir),
            adopted: Notify::new(),
            stranger: Mutex::default(),
            identity,
        }
    }

    pub(crate) fn node(&self) -> NodeId {
        self.node
    }

    fn dir(&self) -> std::sync::MutexGuard<'_, DataDir> {
        self.dir.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// The cluster and what is known of it, if this node belongs to one.
    pub(crate) fn membership(&self) -> Result<Option<(u64, Membership)>, String> {
        let dir = self.dir();
        let file = dir.node();
        let Some(cluster) = file.cluster_id else {
            return Ok(None);
        };
        let membership = serde_json::from_str(&file.members).map_err(|e| {
            format!(
                "{}: the members in node.json cannot be read: {e}",
                dir.path().display()
            )
        })?;
        Ok(Some((cluster, membership)))
    }

    /// Writes the membership down, durably.
    pub(crate) fn store(&self, cluster: u64, membership: &Membership) -> Result<(), String> {
        let text = serde_json::to_string(membership).map_err(|e| e.to_string())?;
        self.dir()
            .set_cluster(cluster, &text)
            .map_err(|e| e.to_string())?;
        self.identity
            .store(cluster, std::sync::atomic::Ordering::Release);
        Ok(())
    }

    /// Waits until this node belongs to a cluster, making one or joining one if that is its part.
    pub(crate) async fn belong(
        &self,
        first_members: &[String],
        partitions: u32,
    ) -> Result<(u64, Membership), String> {
        if let Some(found) = self.membership()? {
            return Ok(found);
        }
        if first_members.is_empty() {
            let members = BTreeMap::from([(self.node.0, self.address.clone())]);
            return self.found(members, partitions);
        }
        if !first_members.contains(&self.address) {
            tracing::info!(
                address = self.address,
                "not among the first members: this node asks them to be let in"
            );
        }
        let mut refusal = String::new();
        loop {
            match self.survey(first_members).await {
                Survey::Belongs => {}
                Survey::Named(reply) => {
                    self.adopt(proto::AdoptRequest {
                        cluster: reply.cluster,
                        members: reply.members,
                        partitions: reply.partitions,
                    })?;
                }
                Survey::Cluster(address) => self.join(&address, &mut refusal).await?,
                Survey::AllEmpty(members) if first_members.iter().min() == Some(&self.address) => {
                    return self.found(members, partitions);
                }
                Survey::AllEmpty(_) | Survey::Incomplete => {}
            }
            if let Some(found) = self.membership()? {
                return Ok(found);
            }
            // Woken early when the founder adopts this node.
            let _ = tokio::time::timeout(ASK_PAUSE, self.adopted.notified()).await;
        }
    }

    fn found(
        &self,
        members: BTreeMap<u64, String>,
        partitions: u32,
    ) -> Result<(u64, Membership), String> {
        let cluster = rand::random::<u64>().max(1);
        let membership = Membership {
            partitions,
            members,
            founder: true,
            joined: false,
            removed_at: None,
        };
        self.store(cluster, &membership)?;
        tracing::info!(
            cluster = format!("{cluster:016x}"),
            members = membership.members.len(),
            "made a cluster"
        );
        Ok((cluster, membership))
    }

    async fn survey(&self, first_members: &[String]) -> Survey {
        let mut members = BTreeMap::from([(self.node.0, self.address.clone())]);
        let others = first_members
            .iter()
            .filter(|address| **address != self.address);
        let asked = others.map(|address| async move { (address, self.hello(address).await) });
        let mut complete = true;
        for (address, reply) in futures::future::join_all(asked).await {
            match reply {
                // The founder has this node among its members and is about to say so.
                Some(reply) if alone_at(&reply.members, &self.address) == Some(self.node.0) => {
                    return Survey::Named(reply);
                }
                Some(reply) if reply.cluster != 0 => return Survey::Cluster(address.clone()),
                Some(reply) => {
                    members.insert(reply.node, address.clone());
                }
                None => complete = false,
            }
        }
        match self.membership() {
            Ok(Some(_)) => Survey::Belongs,
            _ if complete => Survey::AllEmpty(members),
            _ => Survey::Incomplete,
        }
    }

    pub(crate) async fn hello(&self, address: &str) -> Option<proto::HelloReply> {
        let hello = proto::HelloRequest {
            node: self.node.0,
            address: self.address.clone(),
            cluster: 0,
        };
        let body = hello.encode_to_vec().into();
        let reply = self
            .peers
            .get(address)
            .call(Class::Request, method::HELLO, 0, body, ASK_TIMEOUT)
            .await
            .ok()?;
        let reply = proto::HelloReply::decode(reply).ok()?;
        // A host's name may still lead to where the host was, and another node be there by now.
        if reply.address.is_empty() || reply.address == address {
            return Some(reply);
        }
        let stranger = format!("{} answers at {address}", reply.address);
        let mut said = self.stranger.lock().unwrap_or_else(|e| e.into_inner());
        if *said != stranger {
            tracing::warn!(
                "{stranger}: its name leads to another node, or the nodes are not configured with the same addresses"
            );
            *said = stranger;
        }
        None
    }

    /// Asks the member at `address`. `refusal` is what was said last, so that it is logged once.
    async fn join(&self, address: &str, refusal: &mut String) -> Result<(), String> {
        let join = proto::JoinRequest {
            node: self.node.0,
            address: self.address.clone(),
        };
        let body = join.encode_to_vec().into();
        let peer = self.peers.get(address);
        let Ok(reply) = peer
            .call(
                Class::Request,
                method::JOIN,
                0,
                body,
                Duration::from_secs(15),
            )
            .await
        else {
            return Ok(());
        };
        let Ok(reply) = proto::JoinReply::decode(reply) else {
            return Ok(());
        };
        if !reply.refusal.is_empty() {
            if *refusal != reply.refusal {
                tracing::info!(%address, refusal = reply.refusal, "not taken into the cluster yet");
                *refusal = reply.refusal;
            }
            return Ok(());
        }
        let members = reply
            .members
            .into_iter()
            .map(|m| (m.node, m.address))
            .collect();
        let membership = Membership {
            partitions: reply.partitions,
            members,
            founder: false,
            joined: true,
            removed_at: None,
        };
        self.store(reply.cluster, &membership)?;
        tracing::info!(
            cluster = format!("{:016x}", reply.cluster),
            "joined the cluster as a new member"
        );
        Ok(())
    }

    /// The founder tells the other first members, until each knows.
    pub(crate) async fn adopt_others(&self, cluster: u64, membership: &Membership) {
        let request = proto::AdoptRequest {
            cluster,
            members: members_to(&membership.members),
            partitions: membership.partitions,
        };
        let body: Bytes = request.encode_to_vec().into();
        let others = membership
            .members
            .iter()
            .filter(|(node, _)| **node != self.node.0);
        let told = others.map(|(_, address)| {
            let (peer, body) = (self.peers.get(address), body.clone());
            async move {
                while peer
                    .call(Class::Request, method::ADOPT, 0, body.clone(), ASK_TIMEOUT)
                    .await
                    .is_err()
                {
                    tokio::time::sleep(ASK_PAUSE).await;
                }
            }
        });
        futures::future::join_all(told).await;
    }

    /// Answers the questions above.
    pub(crate) async fn answer(
        &self,
        method: u32,
        body: Bytes,
        core: Option<Arc<Core>>,
    ) -> Result<Bytes, RemoteError> {
        match method {
            method::HELLO => {
                let known = self.membership().map_err(malformed)?;
                let (cluster, membership) = known.unwrap_or_default();
                let reply = proto::HelloReply {
                    node: self.node.0,
                    cluster,
                    members: members_to(&membership.members),
                    partitions: membership.partitions,
                    address: self.address.clone(),
                };
                Ok(reply.encode_to_vec().into())
            }
            method::ADOPT => {
                let request = proto::AdoptRequest::decode(body).map_err(malformed)?;
                let reply = self.adopt(request).map_err(malformed)?;
                Ok(reply.encode_to_vec().into())
            }
            method::STANDING => {
                let request = proto::StandingRequest::decode(body).map_err(malformed)?;
                let reply = standing::answer(&request, core.as_deref());
                Ok(reply.encode_to_vec().into())
            }
            _ => {
                let request = proto::JoinRequest::decode(body).map_err(malformed)?;
                let reply = match core {
                    Some(core) => self.admit(request, core).await,
                    None => refused("this member is starting"),
                };
                Ok(reply.encode_to_vec().into())
            }
        }
    }

    fn adopt(&self, request: proto::AdoptRequest) -> Result<proto::AdoptReply, String> {
        if let Some((cluster, _)) = self.membership()? {
            return Ok(proto::AdoptReply {
                adopted: cluster == request.cluster,
                cluster,
            });
        }
        let members: BTreeMap<u64, String> = request
            .members
            .into_iter()
            .map(|m| (m.node, m.address))
            .collect();
        if !members.contains_key(&self.node.0) {
            return Err("this node is not among the members".into());
        }
        let membership = Membership {
            partitions: request.partitions,
            members,
            founder: false,
            joined: false,
            removed_at: None,
        };
        self.store(request.cluster, &membership)?;
        self.adopted.notify_one();
        Ok(proto::AdoptReply {
            adopted: true,
            cluster: request.cluster,
        })
    }

    /// Takes a node with an empty directory in the place of the member that had its address, or as the
    /// member that an operator expects there.
    async fn admit(&self, request: proto::JoinRequest, core: Arc<Core>) -> proto::JoinReply {
        // The address must really be the newcomer's now: then nobody else can be the old member.
        match self.hello(&request.address).await {
            Some(hello) if hello.node == request.node && hello.cluster == 0 => {}
            Some(hello) if hello.node == request.node => {
                return refused("the node belongs to a cluster already");
            }
            _ => return refused("the node does not answer at the address that it gives"),
        }
        let broker = Broker::new(core.clone());
        if broker.catch_up_catalog().await.is_err() {
            return refused("the cluster has no leader for its catalog; are most of its nodes up?");
        }
        if core
            .directory
            .read(|catalog| catalog.members().next().is_none())
        {
            return refused("the cluster is being made");
        }
        let members = core.members.all();
        let new = NodeId(request.node);
        let old: Vec<NodeId> = members
            .iter()
            .filter(|(node, address)| **address == request.address && **node != new)
            .map(|(n, _)| *n)
            .collect();
        if old.is_empty() && !members.contains_key(&new) && !is_expected(&core, &request.address) {
            return refused(&format!(
                "no member has this address, and none is expected there; run `levada cluster add {}` at a member",
                request.address
            ));
        }
        let member = MemberRow {
            node: new.0,
            peer_address: request.address,
            ..MemberRow::default()
        };
        let mut changes = vec![catalog::Kind::SetMember(SetMember {
            member: Some(member),
        })];
        changes.extend(
            old.iter()
                .map(|node| catalog::Kind::RemoveMember(RemoveMember { node: node.0 })),
        );
        for change in changes {
            let command = command::Kind::Catalog(Catalog { kind: Some(change) });
            if broker.write(PartitionId::CATALOG, command).await.is_err() {
                return refused("the change of members did not reach a majority");
            }
        }
        if broker.catch_up_catalog().await.is_err() {
            return refused("the change of members is not visible yet");
        }
        let rows: BTreeMap<u64, String> = core.directory.read(|c| {
            c.members()
                .map(|m| (m.node, m.peer_address.clone()))
                .collect()
        });
        proto::JoinReply {
            cluster: core.members.cluster(),
            members: members_to(&rows),
            partitions: core.partition_count() as u32,
            refusal: String::new(),
        }
    }
}

enum Survey {
    /// This node was adopted meanwhile.
    Belongs,
    /// A node of a cluster says that this one belongs to it.
    Named(proto::HelloReply),
    /// The node at this address belongs to a cluster.
    Cluster(String),
    /// Every configured node answered, and none belongs to a cluster.
    AllEmpty(BTreeMap<u64, String>),
    /// Some did not answer.
    Incomplete,
}

/// The member at an address, if there is one only. Of two, the newer asked to be let in, and whoever let it in has not
/// come to strike the old one out: it is to ask again.
fn alone_at(members: &[proto::Member], address: &str) -> Option<u64> {
    let mut here = members.iter().filter(|member| member.address == address);
    let first = here.next()?.node;
    here.next().is_none().then_some(first)
}

/// Whether an operator has said that a new member will start at this address.
fn is_expected(core: &Core, address: &str) -> bool {
    core.directory.read(|catalog| {
        catalog.members_change().is_some_and(|change| {
            change.kind() == MembersChangeKind::Add && change.address == address
        })
    })
}

fn members_to(members: &BTreeMap<u64, String>) -> Vec<proto::Member> {
    members
        .iter()
        .map(|(node, address)| proto::Member {
            node: *node,
            address: address.clone(),
        })
        .collect()
}

fn refused(why: &str) -> proto::JoinReply {
    proto::JoinReply {
        refusal: why.into(),
        ..proto::JoinReply::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_whose_place_is_not_free_yet_has_not_joined() {
        let member = |node, address: &str| proto::Member {
            node,
            address: address.into(),
        };
        let mut members = vec![member(1, "a:7100"), member(2, "b:7100")];
        assert_eq!(alone_at(&members, "b:7100"), Some(2));
        assert_eq!(alone_at(&members, "c:7100"), None);
        // Found by the simulator: SetMember of 3 was committed, RemoveMember of 2 was not.
        members.push(member(3, "b:7100"));
        assert_eq!(alone_at(&members, "b:7100"), None);
    }
}
