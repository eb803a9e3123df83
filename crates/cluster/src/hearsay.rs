//! Who leads the partitions of which this node has no copy: each member says which it leads, and again whenever
//! that changes. Nothing is asked by a node that has a copy of everything.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use levada_rpc::{Class, RemoteError};
use levada_types::NodeId;
use prost::Message as _;

use crate::core::Core;
use crate::handler::malformed;
use crate::{method, proto};

/// For how long a member keeps a question that it has no news for.
const ANSWER_AFTER: Duration = Duration::from_secs(5);
/// For how long an answer is waited for.
const ASK_TIMEOUT: Duration = Duration::from_secs(7);
/// Between two questions after one that was not answered, and at least between two changes.
const PAUSE: Duration = Duration::from_millis(20);
const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// Listens to the member at an address, until the node goes down or the member leaves.
pub(crate) async fn listen(core: Arc<Core>, address: String) {
    let mut partial = core.partial.subscribe();
    let mut known = 0;
    loop {
        // The sender lives in `core`.
        let _ = partial.wait_for(|partial| *partial).await;
        let body = proto::LedRequest { known }.encode_to_vec().into();
        let peer = core.members.peers().get(&address);
        let reply = peer
            .call(Class::Request, method::LED, 0, body, ASK_TIMEOUT)
            .await;
        match reply.map(proto::LedReply::decode) {
            Ok(Ok(reply)) => {
                known = reply.now;
                take(&core, &reply);
                tokio::time::sleep(PAUSE).await;
            }
            _ => {
                known = 0;
                tokio::time::sleep(RETRY_PAUSE).await;
            }
        }
    }
}

fn take(core: &Core, reply: &proto::LedReply) {
    let node = NodeId(reply.node);
    let led: BTreeMap<u32, &proto::Led> = reply.led.iter().map(|l| (l.partition, l)).collect();
    for route in core.routes() {
        match led.get(&route.partition().0) {
            Some(led) => route.place.heard(node, led.term),
            None => route.place.heard_not(node),
        };
        if let Some(led) = led
            .get(&route.partition().0)
            .filter(|_| route.group().is_none())
        {
            core.loads.heard(route.partition(), led.bytes_per_s);
        }
    }
}

/// A member asks what this node leads.
pub(crate) async fn answer(core: &Core, body: Bytes) -> Result<Bytes, RemoteError> {
    let request = proto::LedRequest::decode(body).map_err(malformed)?;
    let mut led = core.led.subscribe();
    let changed = led.wait_for(|now| *now != request.known);
    // At the time-out it hears the same again.
    let _ = tokio::time::timeout(ANSWER_AFTER, changed).await;
    let now = *core.led.borrow();
    let hosted = core.hosted();
    let led = hosted
        .iter()
        .filter(|group| group.leader() == Some(core.node))
        .map(|group| proto::Led {
            partition: group.id().0,
            term: group.status().term,
            bytes_per_s: core.loads.of(group.id()),
        });
    let reply = proto::LedReply {
        node: core.node.0,
        now,
        led: led.collect(),
    };
    Ok(reply.encode_to_vec().into())
}
