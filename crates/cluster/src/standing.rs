//! Whether this node still belongs to its cluster.
//!
//! A member that is taken out hears so from the catalog while it still has a vote there. One that was down
//! meanwhile remembers a leader that sends it nothing any more. Either asks the others, who say so when the
//! catalog's group, too, has agreed to do without it: until then its vote may be needed for just that. Then it
//! writes it down and never speaks again: its copy is history.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use levada_rpc::Class;
use levada_storage::DataDir;
use levada_types::NodeId;
use prost::Message as _;
use tokio::time::Instant;

use crate::bootstrap::{Bootstrap, Membership};
use crate::core::Core;
use crate::node::StartError;
use crate::{method, proto};

/// How often a node asks that has no leader of the catalog, or has heard that it was taken out.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// How often a node asks that has no reason to: after a restart, a leader that it remembers looks alive.
const ASK_ANYWAY_EVERY: Duration = Duration::from_secs(10);
/// One question to one node.
const ASK_TIMEOUT: Duration = Duration::from_secs(2);

/// What is said of a node that was taken out.
pub(crate) fn farewell(node: NodeId, removed_at: u64) -> String {
    format!(
        "{node} was taken out of its cluster (at {removed_at} ms since 1970) and serves no more. Its directory is \
         of no use to the cluster: keep it or delete it. To let this machine join again, give it an empty \
         directory and run `levada cluster add ADDRESS` at a member"
    )
}

/// Empties the directory of a node that was taken out of its cluster; any other is left alone. The directory itself
/// stays, as it may be where a volume is mounted. Interrupted, it can be repeated: who the node was goes last.
///
/// # Errors
/// The directory is in use, cannot be read or written, or is not that of a node that was taken out.
pub fn empty_directory(path: &Path) -> Result<(), StartError> {
    let failed = |e: &dyn std::fmt::Display| StartError::DataDir(e.to_string());
    let dir = DataDir::open(path).map_err(|e| failed(&e))?;
    let taken_out = serde_json::from_str::<Membership>(&dir.node().members)
        .is_ok_and(|membership| membership.removed_at.is_some());
    if !taken_out {
        return Err(StartError::DataDir(format!(
            "{} is not the directory of a node that was taken out of its cluster, and stays as it is",
            path.display()
        )));
    }
    dir.empty().map_err(|e| failed(&e))
}

/// Answers a node that asks.
pub(crate) fn answer(
    request: &proto::StandingRequest,
    core: Option<&Core>,
) -> proto::StandingReply {
    let Some(core) = core else {
        return proto::StandingReply::default();
    };
    let cluster = core.members.cluster();
    let left = core.directory.read(|catalog| {
        let former = catalog.former_member(NodeId(request.node));
        former.map(|former| former.removed_at)
    });
    let catalog = core.directory.group().status();
    let who = NodeId(request.node);
    let is_out =
        catalog.settled && !catalog.voters.contains(&who) && !catalog.learners.contains(&who);
    let left = left.filter(|_| request.cluster == cluster && is_out);
    proto::StandingReply {
        cluster,
        removed: left.is_some(),
        removed_at: left.unwrap_or(0),
    }
}

/// Writes down that the node was taken out, once it is so, and asks while it finds no leader.
pub(crate) async fn watch(
    core: Arc<Core>,
    bootstrap: Arc<Bootstrap>,
    configured: Vec<String>,
    membership: Membership,
) {
    let at = ask_until_told(&core, &configured).await;
    core.removed.send_replace(Some(at));
    tracing::warn!("{}", farewell(core.node, at));
    let gone = Membership {
        removed_at: Some(at),
        members: core
            .members
            .all()
            .into_iter()
            .map(|(n, a)| (n.0, a))
            .collect(),
        ..membership
    };
    if let Err(error) = bootstrap.store(core.members.cluster(), &gone) {
        tracing::error!(
            error,
            "that this node was taken out could not be written down"
        );
    }
    core.gone.cancel();
}

async fn ask_until_told(core: &Core, configured: &[String]) -> u64 {
    let mut asked_at: Option<Instant> = None;
    loop {
        tokio::time::sleep(ASK_EVERY).await;
        let heard = core.removed.borrow().is_some();
        let is_well = !heard && core.is_healthy(core.directory.group().leader());
        if is_well && asked_at.is_some_and(|at| at.elapsed() < ASK_ANYWAY_EVERY) {
            continue;
        }
        asked_at = Some(Instant::now());
        let mut addresses: BTreeSet<String> = configured.iter().cloned().collect();
        let members = core.members.all();
        let own = members.get(&core.node).cloned();
        addresses.extend(members.into_values());
        let asked = addresses
            .iter()
            .filter(|address| Some(*address) != own.as_ref())
            .map(|address| ask(core, address));
        for reply in futures::future::join_all(asked).await.into_iter().flatten() {
            if reply.cluster != 0 && reply.cluster != core.members.cluster() {
                tracing::error!(
                    "a node that this one is configured with is of cluster {:016x}, and this directory of {:016x}: give each node the directory of its own cluster, or an empty one",
                    reply.cluster,
                    core.members.cluster()
                );
            } else if reply.removed {
                return reply.removed_at;
            }
        }
    }
}

async fn ask(core: &Core, address: &str) -> Option<proto::StandingReply> {
    let request = proto::StandingRequest {
        node: core.node.0,
        cluster: core.members.cluster(),
    };
    let body = request.encode_to_vec().into();
    let peer = core.members.peers().get(address);
    let reply = peer
        .call(Class::Request, method::STANDING, 0, body, ASK_TIMEOUT)
        .await
        .ok()?;
    proto::StandingReply::decode(reply).ok()
}
