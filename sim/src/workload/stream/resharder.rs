//! Has shards split, merged and counted anew, one change after the other, as the gateway lets users do it.

use std::sync::Arc;
use std::time::Duration;

use levada_cluster::{Broker, Resharding, Stream, hash_of};
use levada_engine::proto::{ShardRow, StreamStatus};

use super::find;
use crate::random::Random;
use crate::trace::event;
use crate::workload::Shared;

/// Between two changes, in milliseconds.
const PAUSE_MS_MIN: u64 = 500;
const PAUSE_MS_MAX: u64 = 6_000;
/// Open shards. More would only be idle.
const OPEN_MAX: usize = 6;
/// A shard is cut at a multiple of this part of it.
const PARTS: u128 = 1_000;

/// What was drawn, before the stream was looked at.
#[derive(Clone, Copy)]
struct Draw {
    kind: u64,
    which: u64,
    cut: u64,
}

#[derive(Debug)]
enum Step {
    Reshard(Resharding),
    Count(u32),
}

/// Runs until the sending ends.
pub(super) async fn run(shared: Arc<Shared>, mut random: Random) {
    loop {
        let pause = random.within(PAUSE_MS_MIN..=PAUSE_MS_MAX);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        if !shared.sends() {
            return;
        }
        let machine = random.index(shared.access.machines());
        let draw = Draw {
            kind: random.within(0..=3),
            which: random.within(0..=u64::MAX),
            cut: random.within(1..=998),
        };
        let change =
            shared.access.call(
                machine,
                move |broker| async move { change(&broker, draw).await },
            );
        let changed = change.await.flatten();
        event!(shared.trace, "shards are changed: {changed:?}");
    }
}

/// What was asked for, and whether it was begun.
async fn change(broker: &Broker, draw: Draw) -> Option<(Step, bool)> {
    let stream = find(broker).await?;
    if stream.row.status() != StreamStatus::Active {
        return None;
    }
    let step = choose(&stream, draw)?;
    let begun = match &step {
        Step::Reshard(step) => broker.reshard(&stream, step.clone()).await,
        Step::Count(count) => broker.update_shard_count(&stream, *count).await,
    };
    Some((step, matches!(begun, Ok(Ok(_)))))
}

fn choose(stream: &Stream, draw: Draw) -> Option<Step> {
    let open: Vec<&ShardRow> = stream.open_shards().collect();
    let pick = |count: usize| usize::try_from(draw.which).unwrap_or(0) % count.max(1);
    match draw.kind {
        0 => {
            let count = 1 + pick(OPEN_MAX);
            let fits = count <= 2 * open.len() && 2 * count >= open.len();
            fits.then_some(Step::Count(count as u32))
        }
        1 if open.len() > 1 => {
            let low = pick(open.len() - 1);
            // Either may be named first.
            let (a, b) = if draw.cut.is_multiple_of(2) {
                (low, low + 1)
            } else {
                (low + 1, low)
            };
            let merge = Resharding::Merge(open[a].number, open[b].number);
            Some(Step::Reshard(merge))
        }
        _ if open.len() < OPEN_MAX => {
            let shard = open[pick(open.len())];
            let (first, last) = (hash_of(&shard.first_hash), hash_of(&shard.last_hash));
            let part = (last - first) / PARTS;
            let at = first + part * u128::from(draw.cut);
            (part > 1).then_some(Step::Reshard(Resharding::Split(shard.number, at)))
        }
        _ => None,
    }
}
