//! Parked long polls of this node, by queue. A parked poll holds a place in a list and nothing else.
//!
//! Wakes come from what this node's replicas apply, so a poll is woken by a message that another node
//! took. A wake that reaches a poll that has gone away, or that got its messages otherwise, is passed
//! on to the next.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use levada_types::QueueId;
use tokio::sync::Notify;

#[derive(Default)]
pub(crate) struct Waiters {
    queues: Mutex<HashMap<QueueId, Parked>>,
}

#[derive(Default)]
struct Parked {
    notify: Arc<Notify>,
    count: u32,
    /// Members that wait here for polls of theirs; each hears of everything.
    heard: Arc<Notify>,
    listeners: u32,
}

/// A member's ear on a queue; gives it up when dropped.
pub(crate) struct Listener<'a> {
    waiters: &'a Waiters,
    queue: QueueId,
    pub(crate) heard: Arc<Notify>,
}

/// A poll's place; gives it up when dropped.
pub(crate) struct Place<'a> {
    waiters: &'a Waiters,
    queue: QueueId,
    pub(crate) notify: Arc<Notify>,
}

impl Waiters {
    pub(crate) fn park(&self, queue: QueueId) -> Place<'_> {
        let mut queues = self.lock();
        let parked = queues.entry(queue).or_default();
        parked.count += 1;
        Place {
            waiters: self,
            queue,
            notify: parked.notify.clone(),
        }
    }

    /// Hears whenever messages of the queue become claimable, and takes no poll's turn.
    pub(crate) fn listen(&self, queue: QueueId) -> Listener<'_> {
        let mut queues = self.lock();
        let parked = queues.entry(queue).or_default();
        parked.listeners += 1;
        Listener {
            waiters: self,
            queue,
            heard: parked.heard.clone(),
        }
    }

    /// Wakes as many polls as there are messages for, the longest parked first.
    pub(crate) fn wake(&self, queue: QueueId, messages: u32) {
        let queues = self.lock();
        let Some(parked) = queues.get(&queue) else {
            return;
        };
        parked.heard.notify_waiters();
        for _ in 0..messages.min(parked.count) {
            parked.notify.notify_one();
        }
    }

    /// Wakes every poll: what they wait on may be anywhere now.
    pub(crate) fn wake_all(&self) {
        for parked in self.lock().values() {
            parked.heard.notify_waiters();
            parked.notify.notify_waiters();
        }
    }

    /// Whether any poll is parked on the queue beside the caller's own.
    pub(crate) fn others(&self, queue: QueueId) -> bool {
        self.lock().get(&queue).is_some_and(|p| p.count > 1)
    }

    /// Whether any poll is parked on the queue.
    pub(crate) fn any(&self, queue: QueueId) -> bool {
        self.lock().get(&queue).is_some_and(|p| p.count > 0)
    }

    fn leave(&self, queue: QueueId, leave: impl FnOnce(&mut Parked)) {
        let mut queues = self.lock();
        if let Some(parked) = queues.get_mut(&queue) {
            leave(parked);
            if parked.count == 0 && parked.listeners == 0 {
                queues.remove(&queue);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<QueueId, Parked>> {
        self.queues.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.waiters.leave(self.queue, |parked| parked.count -= 1);
    }
}

impl Drop for Listener<'_> {
    fn drop(&mut self) {
        self.waiters
            .leave(self.queue, |parked| parked.listeners -= 1);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn one_message_wakes_one_poll_and_a_lost_wake_is_passed_on() {
        let waiters = Waiters::default();
        let queue = QueueId(1);
        let (a, b) = (waiters.park(queue), waiters.park(queue));
        let mut first = Box::pin(a.notify.notified());
        let mut second = Box::pin(b.notify.notified());
        assert!((&mut first).now_or_never().is_none() && (&mut second).now_or_never().is_none());
        waiters.wake(queue, 1);
        // The first is woken, but goes away before it looks: the second gets the wake.
        drop(first);
        assert!(second.now_or_never().is_some());
        drop((a, b));
        assert!(waiters.lock().is_empty());
    }

    #[tokio::test]
    async fn a_listener_hears_and_takes_no_turn() {
        let waiters = Waiters::default();
        let queue = QueueId(1);
        let (poll, ear) = (waiters.park(queue), waiters.listen(queue));
        let mut woken = Box::pin(poll.notify.notified());
        let mut heard = Box::pin(ear.heard.notified());
        assert!((&mut woken).now_or_never().is_none() && (&mut heard).now_or_never().is_none());
        waiters.wake(queue, 1);
        assert!(woken.now_or_never().is_some() && heard.now_or_never().is_some());
        drop(poll);
        assert!(!waiters.any(queue) && !waiters.lock().is_empty());
        drop(ear);
        assert!(waiters.lock().is_empty());
    }
}
