//! Who has a shard pushed, and at which node. Of one consumer and shard the later subscription takes over, wherever it
//! comes in, but not within seconds of the one before.
//!
//! Each node knows its own, in memory. Who subscribes is entered there, and then every other member is asked: one that
//! has a young subscription refuses, one that has an older ends it. Of two that begin at the same moment each finds the
//! other's entry, and the one of the lower node wins. A member that does not answer is not waited for for long: what it
//! pushes goes on until it ends by itself.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use levada_rpc::{Class, RemoteError};
use levada_types::NodeId;
use prost::Message as _;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::broker::Broker;
use crate::core::Core;
use crate::handler::malformed;
use crate::{method, proto as peer};

/// For how long after a subscription another one is refused.
const REFUSED_FOR: Duration = Duration::from_secs(5);
/// Subscriptions that one node serves. Each may hold a few frames.
const SUBSCRIPTIONS_MAX: usize = 4_096;
/// How long a member may take to answer who subscribes.
const ASK_TIMEOUT: Duration = Duration::from_secs(1);

/// A consumer and a shard.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SubscriptionKey {
    /// The stream's number.
    pub stream: u64,
    /// When the consumer was registered, in milliseconds since the epoch: one of its name may have been there before.
    pub registered_at: u64,
    /// The consumer's name.
    pub consumer: String,
    /// The shard's number.
    pub shard: u32,
}

/// Why there is no subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubscriptionRefused {
    /// The one before is too young.
    TooSoon,
    /// The node serves as many as it can.
    TooMany,
}

/// All subscriptions of this node.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    entries: HashMap<SubscriptionKey, Entry>,
    next_number: u64,
}

#[derive(Debug)]
struct Entry {
    number: u64,
    begun: Instant,
    /// The other members have not all answered yet.
    is_asking: bool,
    /// The last one to come has it; dropping it ends the subscription.
    ending: watch::Sender<()>,
}

/// A subscription that was entered.
#[derive(Debug)]
struct Begun {
    number: u64,
    ended: watch::Receiver<()>,
}

impl Subscriptions {
    /// Enters a subscription in the place of the one before.
    fn begin(&self, key: SubscriptionKey) -> Result<Begun, SubscriptionRefused> {
        let mut table = self.lock();
        let now = Instant::now();
        if table.entries.get(&key).is_some_and(|e| e.is_young(now)) {
            return Err(SubscriptionRefused::TooSoon);
        }
        table
            .entries
            .retain(|_, entry| !entry.ending.is_closed() || entry.is_young(now));
        if table.entries.len() >= SUBSCRIPTIONS_MAX && !table.entries.contains_key(&key) {
            return Err(SubscriptionRefused::TooMany);
        }
        table.next_number += 1;
        let (number, (ending, ended)) = (table.next_number, watch::channel(()));
        let entry = Entry {
            number,
            begun: now,
            is_asking: true,
            ending,
        };
        table.entries.insert(key, entry);
        Ok(Begun { number, ended })
    }

    /// All members have answered: it stays, unless it had to yield to another one meanwhile.
    fn stays(&self, key: &SubscriptionKey, number: u64) -> bool {
        let mut table = self.lock();
        let entry = table.entries.get_mut(key);
        let entry = entry.filter(|entry| entry.number == number);
        entry.map(|entry| entry.is_asking = false).is_some()
    }

    /// Takes an entry out again: another member has a young one.
    fn withdraw(&self, key: &SubscriptionKey, number: u64) {
        let mut table = self.lock();
        if table.entries.get(key).is_some_and(|e| e.number == number) {
            table.entries.remove(key);
        }
    }

    /// Somebody subscribes at another node: whether this one, `own`, has a young subscription. An older one ends.
    fn refuses(&self, key: &SubscriptionKey, own: NodeId, from: NodeId) -> bool {
        let mut table = self.lock();
        let Some(entry) = table.entries.get(key) else {
            return false;
        };
        let yields = entry.is_asking && from < own;
        if entry.is_young(Instant::now()) && !yields {
            return true;
        }
        table.entries.remove(key);
        false
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl Entry {
    fn is_young(&self, now: Instant) -> bool {
        now.duration_since(self.begun) < REFUSED_FOR
    }
}

impl Broker {
    /// A subscription in the place of the one before, wherever that is. What this answers resolves to an error when the
    /// next one comes.
    pub async fn begin_subscription(
        &self,
        key: SubscriptionKey,
    ) -> Result<watch::Receiver<()>, SubscriptionRefused> {
        let core = &self.core;
        let begun = core.subscriptions.begin(key.clone())?;
        let request = peer::SubscribeRequest {
            stream: key.stream,
            registered_at: key.registered_at,
            consumer: key.consumer.clone(),
            shard: key.shard,
        };
        let body: Bytes = request.encode_to_vec().into();
        let others = core.members.all().into_keys();
        let asked = others.filter(|node| *node != core.node).map(|node| {
            let body = body.clone();
            async move { refused_by(core, node, body).await }
        });
        if futures::future::join_all(asked).await.contains(&true) {
            core.subscriptions.withdraw(&key, begun.number);
            return Err(SubscriptionRefused::TooSoon);
        }
        if core.subscriptions.stays(&key, begun.number) {
            Ok(begun.ended)
        } else {
            Err(SubscriptionRefused::TooSoon)
        }
    }
}

async fn refused_by(core: &Core, node: NodeId, body: Bytes) -> bool {
    let Some(peer) = core.members.peer(node) else {
        return false;
    };
    let reply = peer
        .call(Class::Request, method::SUBSCRIBE, 0, body, ASK_TIMEOUT)
        .await;
    match reply.map(peer::SubscribeReply::decode) {
        Ok(Ok(reply)) => reply.too_soon,
        // Down, or of a version that does not know the question.
        other => {
            tracing::debug!(%node, ?other, "a member does not say whether it pushes a shard");
            false
        }
    }
}

/// A member asks for somebody who subscribes there.
pub(crate) fn answer_subscribe(
    core: &Core,
    from: NodeId,
    body: Bytes,
) -> Result<Bytes, RemoteError> {
    let request = peer::SubscribeRequest::decode(body).map_err(malformed)?;
    let key = SubscriptionKey {
        stream: request.stream,
        registered_at: request.registered_at,
        consumer: request.consumer,
        shard: request.shard,
    };
    let too_soon = core.subscriptions.refuses(&key, core.node, from);
    Ok(peer::SubscribeReply { too_soon }.encode_to_vec().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: NodeId = NodeId(2);
    const LOWER: NodeId = NodeId(1);
    const HIGHER: NodeId = NodeId(3);

    fn key(shard: u32) -> SubscriptionKey {
        SubscriptionKey {
            stream: 1,
            registered_at: 2,
            consumer: "c".into(),
            shard,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_later_one_takes_over_and_a_sooner_one_is_refused() {
        let subscriptions = Subscriptions::default();
        let mut first = subscriptions.begin(key(0)).unwrap().ended;
        let refused = subscriptions.begin(key(0)).unwrap_err();
        assert_eq!(refused, SubscriptionRefused::TooSoon);
        subscriptions.begin(key(1)).unwrap();
        tokio::time::advance(REFUSED_FOR).await;
        let second = subscriptions.begin(key(0)).unwrap().ended;
        assert!(first.changed().await.is_err(), "the first one has ended");
        assert!(second.has_changed().is_ok(), "the second one has not");
    }

    #[tokio::test(start_paused = true)]
    async fn one_at_another_node_takes_over_when_this_one_is_not_young() {
        let subscriptions = Subscriptions::default();
        let mut begun = subscriptions.begin(key(0)).unwrap();
        assert!(subscriptions.stays(&key(0), begun.number));
        assert!(subscriptions.refuses(&key(0), OWN, LOWER));
        assert!(!subscriptions.refuses(&key(1), OWN, LOWER));
        assert!(begun.ended.has_changed().is_ok());
        tokio::time::advance(REFUSED_FOR).await;
        assert!(!subscriptions.refuses(&key(0), OWN, LOWER));
        assert!(begun.ended.changed().await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn of_two_at_the_same_moment_one_stays() {
        let subscriptions = Subscriptions::default();
        let begun = subscriptions.begin(key(0)).unwrap();
        assert!(subscriptions.refuses(&key(0), OWN, HIGHER));
        assert!(!subscriptions.refuses(&key(0), OWN, LOWER), "it yields");
        assert!(!subscriptions.stays(&key(0), begun.number));
        // One that was refused is not in the way of the next.
        let begun = subscriptions.begin(key(0)).unwrap();
        subscriptions.withdraw(&key(0), begun.number);
        assert!(subscriptions.begin(key(0)).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn what_has_ended_makes_room() {
        let subscriptions = Subscriptions::default();
        let held: Vec<_> = (0..SUBSCRIPTIONS_MAX as u32)
            .map(|n| subscriptions.begin(key(n)).unwrap())
            .collect();
        let refused = subscriptions.begin(key(u32::MAX)).unwrap_err();
        assert_eq!(refused, SubscriptionRefused::TooMany);
        drop(held);
        tokio::time::advance(REFUSED_FOR).await;
        assert!(subscriptions.begin(key(u32::MAX)).is_ok());
    }
}
