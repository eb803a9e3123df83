//! Sees deleted topics to their end, and deletes subscriptions that nobody confirms. It runs on every node and acts on the
//! one that leads the catalog; whoever is interrupted, the next leader goes on.

use std::time::Duration;

use levada_engine::proto::CatalogRefusal;
use levada_types::Timestamp;
use levada_types::limits::CONFIRMATION_TOKEN_MS;

use crate::RouteError;
use crate::broker::Broker;

/// Between two looks while nothing in the catalog changes: what is not confirmed grows old.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// Between two tries of what did not succeed.
const RETRY_PAUSE: Duration = Duration::from_millis(500);
/// Subscriptions that were never confirmed and are looked for at one time.
const PENDING_MAX: usize = 256;

/// Runs until the process ends.
pub(crate) async fn keep_topics(broker: Broker) {
    let core = broker.core.clone();
    let (mut changes, mut led) = (core.catalog.subscribe(), core.led.subscribe());
    loop {
        // Before the look, so that what comes during it is not missed.
        changes.mark_unchanged();
        led.mark_unchanged();
        let mut pause = LOOK_EVERY;
        if core.directory.group().leader() == Some(core.node)
            && let Err(error) = look(&broker).await
        {
            tracing::warn!(%error, "what is left of deleted topics and of subscriptions is tried again");
            pause = RETRY_PAUSE;
        }
        tokio::select! {
            _ = tokio::time::timeout(pause, changes.changed()) => {}
            _ = led.changed() => {}
        }
    }
}

async fn look(broker: &Broker) -> Result<(), RouteError> {
    let directory = &broker.core.directory;
    let next = || directory.read(|catalog| catalog.topics_being_dropped().next());
    while let Some(topic) = next() {
        match broker.drop_topic(topic).await? {
            // Refused: somebody else has.
            Ok(()) | Err(CatalogRefusal::NoSuchTopic) => {}
            Err(refusal) => {
                tracing::error!(?refusal, topic, "a deleted topic's subscriptions stay");
                return Ok(());
            }
        }
    }
    let now_ms = directory.group().now().as_millis();
    let before = Timestamp::from_millis(now_ms.saturating_sub(CONFIRMATION_TOKEN_MS));
    let old: Vec<(u64, u64, u64)> = directory.read(|catalog| {
        let old = catalog.subscriptions_pending_since(before, PENDING_MAX);
        old.into_iter()
            .map(|row| (row.topic, row.number, row.version))
            .collect()
    });
    for (topic, number, version) in old {
        // Refused: it was confirmed meanwhile, or is gone.
        let _ = broker.unsubscribe(topic, number, version).await?;
    }
    Ok(())
}
