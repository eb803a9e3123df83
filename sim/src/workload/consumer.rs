//! Receives, and then deletes, puts back, or forgets what it got.

use std::sync::Arc;
use std::time::Duration;

use levada_cluster::{Queue, ReceiveOptions, ReceivedMessage};
use levada_engine::proto::DeleteResult;

use super::{Plan, Shared};
use crate::event::{Copy, Event};
use crate::random::Random;
use crate::trace;

/// For how long what is received stays hidden.
const VISIBILITY_MS: u64 = 2_000;
const WAIT_MS_MAX: u64 = 400;
const THINKING_MS_MAX: u64 = 60;
/// Of a thousand answers so many are forgotten, and so many put back.
const FORGOTTEN_PER_MILLE: u64 = 150;
const PUT_BACK_PER_MILLE: u64 = 100;
/// Between two looks at whether the draining has begun.
const LOOK: Duration = Duration::from_millis(100);

/// Runs for ever.
pub(super) async fn run(shared: Arc<Shared>, plan: Plan, queue: Arc<Queue>, mut random: Random) {
    loop {
        if !plan.drunk && !shared.drains() {
            tokio::time::sleep(LOOK).await;
            continue;
        }
        let copies = receive(&shared, plan, &queue, &mut random).await;
        if copies.is_empty() {
            let pause = random.within(1..=THINKING_MS_MAX);
            tokio::time::sleep(Duration::from_millis(pause)).await;
            continue;
        }
        let thinking = random.within(0..=THINKING_MS_MAX);
        tokio::time::sleep(Duration::from_millis(thinking)).await;
        let draining = shared.drains();
        let (copies, until) = (copies.copies, copies.until_ms);
        if !draining && random.per_mille(FORGOTTEN_PER_MILLE) {
            continue;
        }
        if !draining && random.per_mille(PUT_BACK_PER_MILLE) {
            put_back(&shared, &queue, &mut random, &copies).await;
        } else {
            delete(&shared, plan, &queue, &mut random, copies, until).await;
        }
    }
}

/// What one receive gave.
#[derive(Default)]
struct Claims {
    copies: Vec<Copy>,
    /// Until then they are hidden for certain, if clocks are right.
    until_ms: u64,
}

impl Claims {
    fn is_empty(&self) -> bool {
        self.copies.is_empty()
    }
}

async fn receive(shared: &Shared, plan: Plan, queue: &Arc<Queue>, random: &mut Random) -> Claims {
    let begun_ms = trace::now_ms();
    let options = ReceiveOptions {
        messages_max: u32::try_from(random.within(1..=10)).unwrap_or(1),
        visibility_timeout_ms: Some(VISIBILITY_MS),
        attempt: None,
        wait_ms: random.within(0..=1) * random.within(0..=WAIT_MS_MAX),
    };
    let machine = random.index(shared.access.machines());
    let queue = queue.clone();
    let answer = shared
        .access
        .call(machine, move |broker| async move {
            broker.receive(&queue, options).await
        })
        .await;
    let Some(Ok(received)) = answer else {
        return Claims::default();
    };
    let copies: Vec<Copy> = received.messages.iter().filter_map(copy).collect();
    if !copies.is_empty() {
        shared.note(Event::Received {
            queue: plan.name,
            begun_ms,
            at_ms: trace::now_ms(),
            visibility_ms: VISIBILITY_MS,
            copies: copies.clone(),
        });
    }
    Claims {
        copies,
        until_ms: begun_ms + VISIBILITY_MS,
    }
}

fn copy(message: &ReceivedMessage) -> Option<Copy> {
    let (number, _) = message.record.payload.split_first_chunk::<8>()?;
    Some(Copy {
        number: u64::from_be_bytes(*number),
        group: message.record.group.parse().ok(),
        receipt: message.receipt,
    })
}

async fn delete(
    shared: &Shared,
    plan: Plan,
    queue: &Arc<Queue>,
    random: &mut Random,
    copies: Vec<Copy>,
    claimed_until_ms: u64,
) {
    for copy in &copies {
        shared.note(Event::DeleteBegun {
            queue: plan.name,
            copy: *copy,
        });
    }
    let receipts: Vec<_> = copies.iter().map(|copy| copy.receipt).collect();
    let machine = random.index(shared.access.machines());
    let queue = queue.clone();
    let answer = shared
        .access
        .call(machine, move |broker| async move {
            broker.delete(&queue, &receipts).await
        })
        .await;
    let Some(Ok(results)) = answer else {
        return;
    };
    for (copy, result) in copies.into_iter().zip(results) {
        if result == DeleteResult::Deleted {
            shared.note(Event::DeleteAcknowledged {
                copy,
                claimed_until_ms,
                at_ms: trace::now_ms(),
            });
        }
    }
}

async fn put_back(shared: &Shared, queue: &Arc<Queue>, random: &mut Random, copies: &[Copy]) {
    for copy in copies {
        shared.note(Event::PutBack { copy: *copy });
    }
    let changes: Vec<_> = copies.iter().map(|copy| (copy.receipt, 0)).collect();
    let machine = random.index(shared.access.machines());
    let queue = queue.clone();
    let answer = shared
        .access
        .call(machine, move |broker| async move {
            broker.change_visibility(&queue, &changes).await
        })
        .await;
    // Without one the change may yet come, however late.
    if let Some(Ok(_)) = answer {
        for copy in copies {
            shared.note(Event::PutBackAnswered { copy: *copy });
        }
    }
}
