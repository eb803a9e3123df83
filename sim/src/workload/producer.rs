//! Sends numbers, one after the other.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use levada_cluster::Queue;
use levada_engine::proto::NewMessage;

use super::{Plan, Shared};
use crate::event::Event;
use crate::random::Random;
use crate::trace;

/// Groups of a FIFO queue that one producer sends to.
const GROUPS: u64 = 2;
/// Pauses between sends, in milliseconds.
const PAUSE_MS_MAX: u64 = 120;
/// Of a thousand messages so many are large, so that some leave memory for blocks.
const LARGE_PER_MILLE: u64 = 150;
const LARGE_BYTES: usize = 24 * 1024;
/// A FIFO send that nobody answers is sent again with the same deduplication id, so often at most.
const ATTEMPTS_MAX: u32 = 8;
/// Of a thousand acknowledged FIFO sends so many are sent again all the same.
const AGAIN_PER_MILLE: u64 = 100;

/// Runs until the sending ends.
pub(super) async fn run(
    shared: Arc<Shared>,
    plan: Plan,
    queue: Arc<Queue>,
    mut random: Random,
    me: u64,
) {
    while shared.sends() {
        let number = shared.take_number();
        let group = plan
            .fifo
            .then(|| me * GROUPS + random.within(0..=GROUPS - 1));
        let large = random.per_mille(LARGE_PER_MILLE);
        let attempts = if plan.fifo { ATTEMPTS_MAX } else { 1 };
        let mut sent_again = false;
        for _ in 0..attempts {
            let message = message(&mut random, number, group, large);
            let acknowledged = send(&shared, plan, &queue, &mut random, message, number, group);
            if acknowledged.await {
                // As a producer does that did not hear of the answer.
                if !plan.fifo || sent_again || !random.per_mille(AGAIN_PER_MILLE) {
                    break;
                }
                sent_again = true;
            }
        }
        let pause = random.within(1..=PAUSE_MS_MAX);
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
}

async fn send(
    shared: &Shared,
    plan: Plan,
    queue: &Arc<Queue>,
    random: &mut Random,
    message: NewMessage,
    number: u64,
    group: Option<u64>,
) -> bool {
    shared.note(Event::SendBegun {
        queue: plan.name,
        number,
    });
    let machine = random.index(shared.access.machines());
    let queue = queue.clone();
    let sent = shared
        .access
        .call(machine, move |broker| async move {
            broker.send(&queue, vec![message]).await
        })
        .await;
    let Some(Ok(sent)) = sent else {
        return false;
    };
    let Some(sent) = sent.first() else {
        return false;
    };
    shared.note(Event::SendAcknowledged {
        queue: plan.name,
        number,
        group,
        position: sent.position,
        at_ms: trace::now_ms(),
    });
    true
}

fn message(random: &mut Random, number: u64, group: Option<u64>, large: bool) -> NewMessage {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&random.within(0..=u64::MAX).to_be_bytes());
    id[8..].copy_from_slice(&number.to_be_bytes());
    let mut deduplication = [0; 16];
    deduplication[8..].copy_from_slice(&number.to_be_bytes());
    let mut payload = number.to_be_bytes().to_vec();
    if large {
        payload.resize(LARGE_BYTES, number as u8);
    }
    NewMessage {
        message_id: Bytes::copy_from_slice(&id),
        payload: payload.into(),
        group: group.map(|group| group.to_string()).unwrap_or_default(),
        deduplication: group
            .map(|_| Bytes::copy_from_slice(&deduplication))
            .unwrap_or_default(),
        delay_ms: None,
    }
}
