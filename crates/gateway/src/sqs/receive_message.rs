//! `ReceiveMessage`. A poll that waits keeps nothing of its request but what the answer needs.

use levada_cluster::{Queue, ReceiveOptions, Received, ReceivedMessage as Claimed};
use levada_types::QueueId;
use levada_wire::sqs::{
    MessageFacts, ReceiveMessageRequest, ReceiveMessageResponse, ReceivedMessage, Selection,
    SqsError, StoredMessage, receipt,
};

use super::context::{Context, arn_of};
use crate::deduplication::hash;
use crate::front::Failure;
use crate::random::Uuid;
use crate::sns::sign_delivered;

pub(super) async fn call(
    cx: &Context<'_>,
    request: ReceiveMessageRequest,
) -> Result<ReceiveMessageResponse, Failure> {
    let queue = cx.queue(&request.queue_url).await?;
    request.check_against(queue.settings.fifo)?;
    let wait_secs = request
        .wait_time_secs()
        .unwrap_or(queue.settings.wait_time_secs);
    let options = ReceiveOptions {
        messages_max: request.messages_max(),
        visibility_timeout_ms: request
            .visibility_timeout_secs()
            .map(|secs| u64::from(secs) * 1_000),
        attempt: request
            .receive_request_attempt_id
            .as_ref()
            .map(|id| hash(id.as_bytes())),
        wait_ms: u64::from(wait_secs) * 1_000,
    };
    let selection = request.selection();
    drop(request);
    let received = receive(cx, &queue, options).await?;
    if received.over_limit {
        return Err(SqsError::over_limit_in_flight(queue.name.as_str()).into());
    }
    let messages = received
        .messages
        .into_iter()
        .map(|claimed| message(cx, &queue, claimed, &selection));
    Ok(ReceiveMessageResponse {
        messages: messages.collect::<Result<_, _>>()?,
    })
}

/// Waits until there is something, the time is over, or the process stops.
async fn receive(
    cx: &Context<'_>,
    queue: &std::sync::Arc<Queue>,
    mut options: ReceiveOptions,
) -> Result<Received, Failure> {
    if options.wait_ms == 0 || cx.gateway.is_draining() {
        options.wait_ms = 0;
        return Ok(cx.broker.receive(queue, options).await?);
    }
    tokio::select! {
        biased;
        received = cx.broker.receive(queue, options) => Ok(received?),
        () = cx.gateway.drained() => Ok(Received::default()),
    }
}

fn message(
    cx: &Context<'_>,
    queue: &Queue,
    claimed: Claimed,
    selection: &Selection,
) -> Result<ReceivedMessage, Failure> {
    let record = claimed.record;
    let mut stored = StoredMessage::from_payload(record.payload).map_err(|e| {
        let what = format!(
            "queue {}, position {}: {e}",
            queue.id, claimed.receipt.position
        );
        levada_cluster::RouteError::Unreadable(what)
    })?;
    // A dead letter of an endpoint that was never reached, or what was published when nobody could sign.
    if let Some(signer) = cx.gateway.signer()
        && !cx.gateway.options.topics.queues_unsigned
    {
        sign_delivered(&**signer, &mut stored);
    }
    let dead_letter_source = match record.dead_letter_source {
        0 => None,
        source => cx
            .broker
            .queue(QueueId(source))
            .map(|source| arn_of(&source).to_string()),
    };
    let facts = MessageFacts {
        message_id: Uuid::from_stored(&record.message_id).text().to_string(),
        receipt_handle: receipt::encode(&claimed.receipt),
        sent_at: levada_types::Timestamp::from_millis(record.sent_at),
        receive_count: claimed.receive_count,
        first_received_at: claimed.first_received_at,
        sequence: queue.settings.fifo.then_some(claimed.receipt.position),
        dead_letter_source,
    };
    Ok(ReceivedMessage::new(
        stored.into_delivered(),
        facts,
        selection,
    ))
}
