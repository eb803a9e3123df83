//! Sees what was begun on a stream to its end: shards that are new, that are split or merged, or past their retention.
//! It also looks at what comes to streams in on-demand mode, and begins to split and merge their shards.
//! It runs on every node and acts on the one that leads the catalog; whoever is interrupted, the next leader goes on.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::future::try_join_all;
use levada_engine::proto::{ShardRow, StreamRow, StreamStatus};
use levada_engine::replaced_shards;

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
