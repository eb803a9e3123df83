//! Makes the queues that the configuration declares, once the cluster is ready.

use std::time::Duration;

use levada_gateway::{EnsureQueueError, Gateway, QueueDeclaration};
use tracing::{error, info, warn};

use crate::config::Config;

/// Pause before a queue that the cluster could not make is tried anew.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// Tries of one queue before the node says so and goes on.
const ATTEMPTS_MAX: usize = 30;

/// The declared queues with the defaults filled in, in the order of the file.
pub(crate) fn declarations(config: &Config) -> Vec<QueueDeclaration> {
    let declaration = |queue: &crate::config::Queue| QueueDeclaration {
        account: queue.account.unwrap_or(config.account),
        region: queue
            .region
            .clone()
            .unwrap_or_else(|| config.region.clone()),
        name: queue.name.clone(),
        attributes: queue.attributes.clone(),
        tags: queue.tags.clone(),
    };
    config.queues.iter().map(declaration).collect()
}

/// Makes those that do not exist. All nodes may do so at once: it is the same as doing it once.
pub(crate) async fn declare(gateway: &Gateway, declarations: Vec<QueueDeclaration>) {
    for declaration in &declarations {
        ensure(gateway, declaration).await;
    }
    if !declarations.is_empty() {
        info!(
            queues = declarations.len(),
            "declared queues were looked after"
        );
    }
}

async fn ensure(gateway: &Gateway, declaration: &QueueDeclaration) {
    let queue = &declaration.name;
    for _ in 0..ATTEMPTS_MAX {
        match gateway.ensure_queue(declaration).await {
            Ok(()) => return,
            Err(EnsureQueueError::Unavailable(_)) => tokio::time::sleep(RETRY_PAUSE).await,
            Err(e @ EnsureQueueError::Differs(_)) => {
                warn!(queue, "a declared queue differs: {e}");
                return;
            }
            Err(e @ EnsureQueueError::Refused(_)) => {
                error!(queue, "a declared queue cannot be made: {e}");
                return;
            }
        }
    }
    error!(
        queue,
        "a declared queue could not be made: the cluster did not answer"
    );
}
