//! Sees what was begun on a stream to its end: shards that are new, that are split or merged, or past their retention;
//! queues that are made, changed or deleted.
//! It also looks at what comes to streams in on-demand mode, and begins to split and merge their shards.
//! It runs on every node and acts on the one that leads the catalog; whoever is interrupted, the next leader goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::future::try_join_all;
use levada_engine::proto::{ShardRow, StreamQueueRow, StreamQueueStart, StreamRow, StreamStatus};
use levada_engine::replaced_shards;
use levada_types::Timestamp;

use super::on_demand::Watch;
use super::reshard::{steps_towards, with_children};
use crate::RouteError;
use crate::broker::Broker;
use crate::core::Core;

/// Between two looks while nothing in the catalog changes: closed shards expire.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// Between two tries of what did not succeed.
const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// Runs until the process ends.
/// Streams in on-demand mode are looked at once in a window.
pub(crate) async fn keep_streams(broker: Broker, on_demand_window: Duration) {
    let core = broker.core.clone();
    let (mut changes, mut led) = (core.catalog.subscribe(), core.led.subscribe());
    let mut watch = Watch::new(on_demand_window);
    loop {
        // Before the look, so that what comes during it is not missed.
        changes.mark_unchanged();
        led.mark_unchanged();
        let mut pause = LOOK_EVERY;
        if core.directory.group().leader() == Some(core.node) {
            for row in unfinished(&core) {
                if let Err(error) = step(&broker, row).await {
                    tracing::warn!(%error, "a step of a stream's change is tried again");
                    pause = RETRY_PAUSE;
                }
            }
            for row in watch.look(&broker).await {
                // Refused: somebody else was faster, and it is looked at again.
                if let Err(error) = broker.change_stream(row).await {
                    tracing::warn!(%error, "what is to be scaled is looked at again");
                }
            }
            pause = pause.min(watch.due_in());
        } else {
            watch.forget();
        }
        tokio::select! {
            _ = tokio::time::timeout(pause, changes.changed()) => {}
            _ = led.changed() => {}
        }
    }
}

/// Streams with something to be done.
fn unfinished(core: &Core) -> Vec<StreamRow> {
    let now_ms = core.directory.group().now().as_millis();
    core.directory.read(|catalog| {
        let rows = catalog.streams().filter(|row| {
            row.status() != StreamStatus::Active
                || row.consumers.iter().any(|consumer| !consumer.active)
                || row.queues.iter().any(is_unsettled)
                || row
                    .shards
                    .iter()
                    .any(|shard| has_expired(row.retention_hours, shard, now_ms))
        });
        rows.cloned().collect()
    })
}

/// Whether nothing of a closed shard can be left.
fn has_expired(retention_hours: u32, shard: &ShardRow, now_ms: u64) -> bool {
    let retention_ms = u64::from(retention_hours) * 3_600_000;
    shard.closed_at != 0 && shard.closed_at.saturating_add(retention_ms) < now_ms
}

async fn step(broker: &Broker, mut row: StreamRow) -> Result<(), RouteError> {
    if row.status() == StreamStatus::Deleting {
        // Refused: somebody else has.
        return broker.drop_stream(row.stream).await.map(|_| ());
    }
    let now_ms = broker.core.directory.group().now().as_millis();
    let retention_hours = row.retention_hours;
    row.shards
        .retain(|shard| !has_expired(retention_hours, shard, now_ms));
    if begin_queues(broker, &mut row, now_ms).await? {
        // The shards are told by the row as the catalog will have it.
        return broker.change_stream(row).await.map(|_| ());
    }
    settle_queues(broker, &mut row).await?;
    match row.status() {
        StreamStatus::Creating => {
            let shards = row.shards.iter().map(|s| broker.configure_shard(&row, s));
            try_join_all(shards).await?;
            row.set_status(StreamStatus::Active);
        }
        StreamStatus::Updating => row = update(broker, row).await?,
        StreamStatus::Active | StreamStatus::Deleting => {}
    }
    row.consumers.iter_mut().for_each(|c| c.active = true);
    // Refused: its row is another by now, and is looked at again.
    broker.change_stream(row).await.map(|_| ())
}

fn is_unsettled(queue: &StreamQueueRow) -> bool {
    queue.status() != StreamStatus::Active
}

/// Settles where new queues begin in the shards that there are. Whether there were any.
async fn begin_queues(
    broker: &Broker,
    row: &mut StreamRow,
    now_ms: u64,
) -> Result<bool, RouteError> {
    let mut queues = std::mem::take(&mut row.queues);
    let is_new = |queue: &&mut StreamQueueRow| {
        queue.status() == StreamStatus::Creating && queue.started_at == 0
    };
    let mut any = false;
    for queue in queues.iter_mut().filter(is_new) {
        let oldest_ms = now_ms.saturating_sub(u64::from(row.retention_hours) * 3_600_000);
        let oldest_ms = oldest_ms.max(row.created_at).max(1);
        let (at, from) = match queue.start() {
            StreamQueueStart::Latest => (now_ms, None),
            StreamQueueStart::TrimHorizon => (oldest_ms, Some(0)),
            StreamQueueStart::AtTimestamp => (oldest_ms.max(queue.start_at), Some(queue.start_at)),
        };
        queue.starts = starts(broker, row, from).await?;
        queue.started_at = at.max(1);
        any = true;
    }
    row.queues = queues;
    Ok(any)
}

/// The positions of the first records of shards that came at a time or later; without one, of those that will come.
async fn starts(
    broker: &Broker,
    row: &StreamRow,
    from: Option<u64>,
) -> Result<BTreeMap<u32, u64>, RouteError> {
    if from == Some(0) {
        return Ok(BTreeMap::new());
    }
    let shards = row.shards.iter().filter(|shard| !shard.pending);
    let ends = shards.map(|shard| async move {
        let at = from.map(Timestamp::from_millis);
        let ends = broker.shard_ends(shard, at).await?;
        let first = if from.is_some() {
            ends.since
        } else {
            ends.next
        };
        Ok::<_, RouteError>((shard.number, first))
    });
    Ok(try_join_all(ends).await?.into_iter().collect())
}

/// Has every shard know the queues as they are now; then they are ready, or gone.
async fn settle_queues(broker: &Broker, row: &mut StreamRow) -> Result<(), RouteError> {
    if !row.queues.iter().any(is_unsettled) {
        return Ok(());
    }
    let shards = row.shards.iter();
    try_join_all(shards.map(|shard| broker.configure_shard(row, shard))).await?;
    row.queues
        .retain(|queue| queue.status() != StreamStatus::Deleting);
    let numbers: BTreeSet<u32> = row.shards.iter().map(|shard| shard.number).collect();
    for queue in &mut row.queues {
        queue.set_status(StreamStatus::Active);
        queue.starts.retain(|shard, _| numbers.contains(shard));
    }
    Ok(())
}

/// Closes parents, opens their children, and adds the next ones if that is not all.
async fn update(broker: &Broker, mut row: StreamRow) -> Result<StreamRow, RouteError> {
    let parents: BTreeSet<u32> = replaced_shards(&row).collect();
    let places = (0..row.shards.len()).filter(|p| parents.contains(&row.shards[*p].number));
    let closed = places.map(|place| {
        let row = &row;
        async move {
            let end = broker.configure_shard(row, &row.shards[place]).await?;
            Ok::<_, RouteError>((place, end))
        }
    });
    let ends = try_join_all(closed).await?;
    let children = row.shards.iter().filter(|shard| shard.pending);
    try_join_all(children.map(|child| broker.configure_shard(&row, child))).await?;
    for (place, end) in ends {
        row.shards[place].end = end;
    }
    row.shards
        .iter_mut()
        .for_each(|shard| shard.pending = false);
    let steps = match row.shards_wanted {
        0 => Vec::new(),
        wanted => steps_towards(&row, wanted),
    };
    if steps.is_empty() {
        row.shards_wanted = 0;
        row.set_status(StreamStatus::Active);
        return Ok(row);
    }
    Ok(with_children(
        &row,
        &steps,
        &broker.place_shards(steps.len()),
    ))
}
