//! Long polls on an empty queue: connections that wait and should cost nothing.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::Plan;
use crate::http::{CallError, Connection};
use crate::template::Template;

/// The longest that SQS lets a receive wait.
const WAIT_S: u64 = 20;

/// Connections are made a few at a time, so that the server's queue of new ones does not overflow.
const CONNECTING_MAX: usize = 32;

/// Parks `plan.connections` polls; they are asked again when they end, until the set is dropped. Returns when
/// every connection is made.
pub(crate) async fn park(plan: &Plan) -> Result<JoinSet<Result<(), CallError>>, CallError> {
    let mut connections = JoinSet::new();
    let gate = Arc::new(Semaphore::new(CONNECTING_MAX));
    for index in 0..plan.connections {
        let (endpoint, gate) = (plan.endpoint(index).to_owned(), Arc::clone(&gate));
        connections.spawn(async move {
            let _permit = gate.acquire().await;
            Connection::open(&endpoint)
                .await
                .map(|connection| (connection, endpoint))
        });
    }
    let mut parked = JoinSet::new();
    while let Some(connection) = connections.join_next().await {
        let (mut connection, endpoint) =
            connection.map_err(|_| CallError::Malformed("a task of the load ended early"))??;
        let receive = Template::receive(&endpoint, &plan.queue, 1, WAIT_S);
        parked.spawn(async move {
            loop {
                connection.call(receive.bytes()).await?;
            }
        });
    }
    Ok(parked)
}
