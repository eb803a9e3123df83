//! openraft's types to and from `proto/levada/v1/raft.proto`, for the log and for the peers.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use bytes::Bytes;
use levada_types::Timestamp;
use openraft::impls::BasicNode;
use openraft::{EntryPayload, Membership, StoredMembership};
use prost::Message as _;

use crate::config::{Command, TypeConfig};
use crate::proto;

pub(crate) type LogId = openraft::type_config::alias::LogIdOf<TypeConfig>;
pub(crate) type Vote = openraft::type_config::alias::VoteOf<TypeConfig>;
pub(crate) type Entry = openraft::type_config::alias::EntryOf<TypeConfig>;
pub(crate) type Stored = openraft::type_config::alias::StoredMembershipOf<TypeConfig>;
type LeaderId = openraft::type_config::alias::LeaderIdOf<TypeConfig>;

/// What came from the disk or a peer is not a message of ours.
pub(crate) fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("malformed {what}"))
}

pub(crate) fn decode<M: prost::Message + Default>(bytes: Bytes, what: &str) -> io::Result<M> {
    M::decode(bytes)
        .map_err(|e| io::Error::new(io::ErrorKind::InvalidData, format!("malformed {what}: {e}")))
}

pub(crate) fn log_id_to(id: &LogId) -> proto::LogId {
    proto::LogId {
        term: id.leader_id.term,
        node: id.leader_id.node_id,
        index: id.index,
    }
}

pub(crate) fn log_id_from(id: &proto::LogId) -> LogId {
    LogId::new(
        LeaderId {
            term: id.term,
            node_id: id.node,
        },
        id.index,
    )
}

pub(crate) fn vote_to(vote: &Vote) -> proto::Vote {
    proto::Vote {
        term: vote.leader_id.term,
        node: vote.leader_id.node_id,
        committed: vote.committed,
    }
}

pub(crate) fn vote_from(vote: &proto::Vote) -> Vote {
    if vote.committed {
        Vote::new_committed(vote.term, vote.node)
    } else {
        Vote::new(vote.term, vote.node)
    }
}

pub(crate) fn required_vote(vote: Option<proto::Vote>) -> io::Result<Vote> {
    vote.as_ref()
        .map(vote_from)
        .ok_or_else(|| malformed("message: no vote"))
}

pub(crate) fn membership_to(m: &Membership<u64, BasicNode>) -> proto::Membership {
    proto::Membership {
        configs: m
            .get_joint_config()
            .iter()
            .map(|c| proto::Voters {
                nodes: c.iter().copied().collect(),
            })
            .collect(),
        addresses: m
            .nodes()
            .map(|(id, node)| (*id, node.addr.clone()))
            .collect(),
    }
}

pub(crate) fn membership_from(m: proto::Membership) -> io::Result<Membership<u64, BasicNode>> {
    let configs: Vec<BTreeSet<u64>> = m
        .configs
        .into_iter()
        .map(|c| c.nodes.into_iter().collect())
        .collect();
    let nodes: BTreeMap<u64, BasicNode> = m
        .addresses
        .into_iter()
        .map(|(id, addr)| (id, BasicNode { addr }))
        .collect();
    if configs.is_empty() && nodes.is_empty() {
        return Ok(Membership::default());
    }
    Membership::new(configs, nodes).map_err(|e| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("malformed membership: {e}"),
        )
    })
}

pub(crate) fn stored_to(m: &Stored) -> proto::StoredMembership {
    proto::StoredMembership {
        log_id: m.log_id().as_ref().map(log_id_to),
        membership: Some(membership_to(m.membership())),
    }
}

pub(crate) fn stored_from(m: Option<proto::StoredMembership>) -> io::Result<Stored> {
    let Some(m) = m else {
        return Ok(Stored::default());
    };
    let membership = membership_from(m.membership.unwrap_or_default())?;
    Ok(StoredMembership::new(
        m.log_id.as_ref().map(log_id_from),
        membership,
    ))
}

pub(crate) fn entry_to(entry: &Entry) -> proto::Entry {
    use proto::entry::Payload;
    let payload = match &entry.payload {
        EntryPayload::Blank => None,
        EntryPayload::Normal(c) => Some(Payload::Command(proto::Command {
            at: c.at.as_millis(),
            proposals: c.proposals.clone(),
        })),
        EntryPayload::Membership(m) => Some(Payload::Membership(membership_to(m))),
    };
    proto::Entry {
        log_id: Some(log_id_to(&entry.log_id)),
        payload,
    }
}

pub(crate) fn entry_from(entry: proto::Entry) -> io::Result<Entry> {
    use proto::entry::Payload;
    let log_id = entry
        .log_id
        .as_ref()
        .map(log_id_from)
        .ok_or_else(|| malformed("entry: no log id"))?;
    let payload = match entry.payload {
        None => EntryPayload::Blank,
        Some(Payload::Command(c)) => EntryPayload::Normal(Command {
            at: Timestamp::from_millis(c.at),
            proposals: c.proposals,
        }),
        Some(Payload::Membership(m)) => EntryPayload::Membership(membership_from(m)?),
    };
    Ok(Entry { log_id, payload })
}

pub(crate) fn entry_bytes(entry: &Entry) -> Bytes {
    entry_to(entry).encode_to_vec().into()
}

pub(crate) fn entry_from_bytes(bytes: Bytes) -> io::Result<Entry> {
    entry_from(decode(bytes, "log entry")?)
}
