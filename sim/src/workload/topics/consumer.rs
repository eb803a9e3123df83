//! Takes what arrived in the topics' queues, one queue after the other, and deletes it.

use std::sync::Arc;
use std::time::Duration;

use levada_cluster::{Queue, ReceiveOptions};

use super::message::arrival;
use crate::event::Event;
use crate::random::Random;
use crate::topic_event::TopicEvent;
use crate::workload::Shared;

/// For how long what is received stays hidden.
const VISIBILITY_MS: u64 = 2_000;
/// Pauses between two receives, in milliseconds, when nothing was there.
const PAUSE_MS_MAX: u64 = 150;
/// Of a thousand answers so many are forgotten, until all is healed.
const FORGOTTEN_PER_MILLE: u64 = 100;

/// Runs for ever.
pub(super) async fn run(
    shared: Arc<Shared>,
    queues: Arc<Vec<(&'static str, Arc<Queue>)>>,
    mut random: Random,
) {
    loop {
        let (name, queue) = &queues[random.index(queues.len())];
        if !take(&shared, name, queue, &mut random).await {
            let pause = random.within(1..=PAUSE_MS_MAX);
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
    }
}

/// One receive, and the delete of what it gave. Whether it gave anything.
async fn take(
    shared: &Shared,
    name: &'static str,
    queue: &Arc<Queue>,
    random: &mut Random,
) -> bool {
    let options = ReceiveOptions {
        messages_max: 10,
        visibility_timeout_ms: Some(VISIBILITY_MS),
        attempt: None,
        wait_ms: 0,
    };
    let machine = random.index(shared.access.machines());
    let of = queue.clone();
    let received = shared.access.call(machine, move |broker| async move {
        broker.receive(&of, options).await
    });
    let Some(Ok(received)) = received.await else {
        return false;
    };
    if received.messages.is_empty() {
        return false;
    }
    shared.note(Event::Topic(TopicEvent::Arrived {
        queue: name,
        copies: received.messages.iter().map(arrival).collect(),
    }));
    if !shared.drains() && random.per_mille(FORGOTTEN_PER_MILLE) {
        return true;
    }
    let receipts: Vec<_> = received.messages.iter().map(|m| m.receipt).collect();
    let machine = random.index(shared.access.machines());
    let of = queue.clone();
    let deleted = shared.access.call(machine, move |broker| async move {
        broker.delete(&of, &receipts).await
    });
    // Without an answer they come again, or not.
    let _ = deleted.await;
    true
}
