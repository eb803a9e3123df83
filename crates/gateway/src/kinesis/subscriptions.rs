//! Who has a shard pushed at this node. Of one consumer and shard the later subscription takes over, but not within
//! seconds of the one before. Subscriptions by way of other nodes are not known here.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use tokio::sync::watch;
use tokio::time::{Duration, Instant};

/// For how long after a subscription another one is refused.
const REFUSED_FOR: Duration = Duration::from_secs(5);
/// Subscriptions that one node serves. Each may hold a few frames.
const SUBSCRIPTIONS_MAX: usize = 4_096;

/// A consumer and a shard: the stream's number, when the consumer was registered, its name, and the shard's number.
pub(super) type Key = (u64, u64, String, u32);

/// All subscriptions of this node.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions(Mutex<HashMap<Key, Entry>>);

#[derive(Debug)]
struct Entry {
    begun: Instant,
    /// The last one to come has it; dropping it ends the subscription.
    ending: watch::Sender<()>,
}

/// Why there is no subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// The one before is too young.
    TooSoon,
    /// The node serves as many as it can.
    TooMany,
}

impl Subscriptions {
    /// A subscription in the place of the one before. What it answers resolves to an error when the next one comes.
    pub(super) fn begin(&self, key: Key) -> Result<watch::Receiver<()>, Refused> {
        let mut entries = self.lock();
        let now = Instant::now();
        if let Some(entry) = entries.get(&key)
            && now.duration_since(entry.begun) < REFUSED_FOR
        {
            return Err(Refused::TooSoon);
        }
        entries.retain(|_, entry| {
            !entry.ending.is_closed() || now.duration_since(entry.begun) < REFUSED_FOR
        });
        if entries.len() >= SUBSCRIPTIONS_MAX && !entries.contains_key(&key) {
            return Err(Refused::TooMany);
        }
        let (ending, ended) = watch::channel(());
        entries.insert(key, Entry { begun: now, ending });
        Ok(ended)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Entry>> {
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(shard: u32) -> Key {
        (1, 2, "c".into(), shard)
    }

    #[tokio::test(start_paused = true)]
    async fn a_later_one_takes_over_and_a_sooner_one_is_refused() {
        let subscriptions = Subscriptions::default();
        let mut first = subscriptions.begin(key(0)).unwrap();
        assert_eq!(subscriptions.begin(key(0)).unwrap_err(), Refused::TooSoon);
        subscriptions.begin(key(1)).unwrap();
        tokio::time::advance(REFUSED_FOR).await;
        let second = subscriptions.begin(key(0)).unwrap();
        assert!(first.changed().await.is_err(), "the first one has ended");
        assert!(second.has_changed().is_ok(), "the second one has not");
    }

    #[tokio::test(start_paused = true)]
    async fn what_has_ended_makes_room() {
        let subscriptions = Subscriptions::default();
        let held: Vec<_> = (0..SUBSCRIPTIONS_MAX as u32)
            .map(|n| subscriptions.begin(key(n)).unwrap())
            .collect();
        assert_eq!(
            subscriptions.begin(key(u32::MAX)).unwrap_err(),
            Refused::TooMany
        );
        drop(held);
        tokio::time::advance(REFUSED_FOR).await;
        assert!(subscriptions.begin(key(u32::MAX)).is_ok());
    }
}
