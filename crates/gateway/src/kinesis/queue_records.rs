//! Records of queues on streams: receiving, acknowledging, hiding; the same of dead letters, and restoring these.
//!
//! A receipt handle is sealed, and good for the side of the queue that gave it: of records, or of dead letters.

use levada_cluster::{
    Letters, ReceiveOptions, Received, ReceivedMessage, RouteError, StreamQueue, StreamReceipt,
};
use levada_engine::proto::{DeleteResult, VisibilityResult};
use levada_types::Timestamp;
use levada_types::limits::{QUEUE_RECORDS_MAX, RECORDS_BYTES_MAX, STREAM_QUEUE_WAIT_SECS_DEFAULT};
use levada_wire::kinesis::{
    AcknowledgeDeadLetterQueueRecordsRequest, AcknowledgeQueueRecordsRequest, BatchErrorEntry,
    BatchResultEntry, KinesisError, KinesisErrorKind, QueueRecord, QueueRecordsBatchResponse,
    ReceiptEntry, ReceiveDeadLetterQueueRecordsRequest, ReceiveQueueRecordsRequest,
    ReceiveQueueRecordsResponse, RestoreDeadLetterQueueRecordsRequest, StreamQueueArn,
    UpdateDeadLetterQueueRecordsVisibilityRequest, UpdateQueueRecordsVisibilityRequest,
    VisibilityEntry,
};
use levada_wire::protocol::member::Blob;

use super::context::Context;
use super::sealed::{Fields, Kind, Seal};
use super::{queues, shards};
use crate::front::Failure;

type Receiving = Result<ReceiveQueueRecordsResponse, Failure>;
type Batch = Result<QueueRecordsBatchResponse, Failure>;

pub(super) async fn receive(cx: &Context<'_>, request: ReceiveQueueRecordsRequest) -> Receiving {
    let arn = request.queue()?;
    let times = (
        request.wait_time_seconds,
        request.visibility_timeout_seconds,
    );
    receive_from(cx, &arn, Letters::Live, request.limit, times).await
}

pub(super) async fn receive_dead(
    cx: &Context<'_>,
    request: ReceiveDeadLetterQueueRecordsRequest,
) -> Receiving {
    let arn = request.queue()?;
    let times = (
        request.wait_time_seconds,
        request.visibility_timeout_seconds,
    );
    receive_from(cx, &arn, Letters::Dead, request.limit, times).await
}

/// `times`: how long to wait, and how long to hide, in seconds.
async fn receive_from(
    cx: &Context<'_>,
    arn: &StreamQueueArn,
    letters: Letters,
    limit: Option<i64>,
    times: (Option<i64>, Option<i64>),
) -> Receiving {
    let queue = queues::in_use(cx, arn).await?;
    let limit = limit.and_then(|n| u32::try_from(n).ok());
    let ms = |secs: i64| u64::try_from(secs).unwrap_or(0) * 1_000;
    let options = ReceiveOptions {
        messages_max: limit.unwrap_or(QUEUE_RECORDS_MAX).min(fitting(&queue)),
        visibility_timeout_ms: times.1.map(ms),
        attempt: None,
        wait_ms: ms(times.0.unwrap_or(i64::from(STREAM_QUEUE_WAIT_SECS_DEFAULT))),
    };
    let received = wait(cx, &queue, letters, options).await;
    let received = received.map_err(|error| of_route(error, arn))?;
    if received.over_limit {
        return Err(KinesisError::new(
            KinesisErrorKind::Throttling,
            "Too many records of the queue are in flight.",
        )
        .into());
    }
    let (seal, messages) = (cx.seal(), received.messages.into_iter());
    // One whose shard has expired meanwhile can't be told of.
    let records = messages.filter_map(|message| record(cx, &seal, &queue, letters, message));
    Ok(ReceiveQueueRecordsResponse {
        queue_records: records.collect(),
    })
}

/// So many of the largest records that the stream takes fit into one answer.
fn fitting(queue: &StreamQueue) -> u32 {
    let kib_max = RECORDS_BYTES_MAX as u32 / 1_024;
    (kib_max / queue.stream.row.record_kib_max.max(1)).max(1)
}

/// Waits until there is something, the time is over, or the process stops.
async fn wait(
    cx: &Context<'_>,
    queue: &StreamQueue,
    letters: Letters,
    mut options: ReceiveOptions,
) -> Result<Received, RouteError> {
    if cx.gateway.is_draining() {
        options.wait_ms = 0;
    }
    tokio::select! {
        biased;
        received = cx.broker.receive_from_stream(queue, letters, options) => received,
        () = cx.gateway.drained(), if !cx.gateway.is_draining() => Ok(Received::default()),
    }
}

fn record(
    cx: &Context<'_>,
    seal: &Seal,
    queue: &StreamQueue,
    letters: Letters,
    message: ReceivedMessage,
) -> Option<QueueRecord> {
    let log = message.receipt.queue;
    let find = |queue: &StreamQueue| {
        let mut shards = queue.stream.row.shards.iter();
        let shard = shards.find(|shard| shard.log == log.0)?;
        Some((shard.number, shard.opened_at))
    };
    // One that came while this waited is in the row as it is now.
    let now = || find(&cx.broker.stream_queue(queue.row().queue)?);
    let (shard, opened_at) = find(queue)
        .filter(|(_, opened)| *opened != 0)
        .or_else(now)?;
    let stored = message.record;
    let receipt = StreamReceipt {
        shard,
        position: stored.position,
        generation: message.receipt.generation,
    };
    Some(QueueRecord {
        receipt_handle: handle(seal, queue, letters, &receipt),
        // Digits: the same on every queue, and no other record of any stream has them.
        record_id: shards::number_of(shard, opened_at, stored.position).to_string(),
        partition_key: Some(stored.group),
        data: Blob(stored.payload),
        approximate_arrival_timestamp: Timestamp::from_millis(stored.sent_at).into(),
        first_receive_timestamp: message.first_received_at.into(),
        receive_count: message.receive_count,
    })
}

fn kind_of(letters: Letters) -> Kind {
    match letters {
        Letters::Live => Kind::QueueRecord,
        Letters::Dead => Kind::DeadLetter,
    }
}

fn handle(seal: &Seal, queue: &StreamQueue, letters: Letters, receipt: &StreamReceipt) -> String {
    let numbers = [
        queue.row().queue,
        u64::from(receipt.shard),
        receipt.position,
        u64::from(receipt.generation),
    ];
    let fields = numbers.map(u64::to_be_bytes).concat();
    seal.seal(kind_of(letters), &fields)
}

/// The receive of a handle, if this side of the queue gave it.
fn receipt_of(
    seal: &Seal,
    queue: &StreamQueue,
    letters: Letters,
    handle: &str,
) -> Option<StreamReceipt> {
    let fields = seal.open(kind_of(letters), handle)?;
    let mut fields = Fields(&fields);
    let is_of_queue = fields.u64()? == queue.row().queue;
    let receipt = StreamReceipt {
        shard: u32::try_from(fields.u64()?).ok()?,
        position: fields.u64()?,
        generation: u32::try_from(fields.u64()?).ok()?,
    };
    is_of_queue.then_some(receipt)
}

pub(super) async fn acknowledge(
    cx: &Context<'_>,
    request: AcknowledgeQueueRecordsRequest,
) -> Batch {
    let arn = request.queue()?;
    acknowledge_in(cx, &arn, Letters::Live, request.entries).await
}

pub(super) async fn acknowledge_dead(
    cx: &Context<'_>,
    request: AcknowledgeDeadLetterQueueRecordsRequest,
) -> Batch {
    let arn = request.queue()?;
    acknowledge_in(cx, &arn, Letters::Dead, request.entries).await
}

async fn acknowledge_in(
    cx: &Context<'_>,
    arn: &StreamQueueArn,
    letters: Letters,
    entries: Option<Vec<ReceiptEntry>>,
) -> Batch {
    let queue = queues::in_use(cx, arn).await?;
    let batch = Entries::of(cx, &queue, letters, handles(entries));
    let results = cx
        .broker
        .acknowledge_in_stream(&queue, letters, &batch.receipts)
        .await
        .map_err(|error| of_route(error, arn))?;
    Ok(batch.answer(results.into_iter().map(ended)))
}

pub(super) async fn restore(
    cx: &Context<'_>,
    request: RestoreDeadLetterQueueRecordsRequest,
) -> Batch {
    let arn = request.queue()?;
    let queue = queues::in_use(cx, &arn).await?;
    let batch = Entries::of(cx, &queue, Letters::Dead, handles(request.entries));
    let results = cx
        .broker
        .restore_in_stream(&queue, &batch.receipts)
        .await
        .map_err(|error| of_route(error, &arn))?;
    Ok(batch.answer(results.into_iter().map(ended)))
}

pub(super) async fn change_visibility(
    cx: &Context<'_>,
    request: UpdateQueueRecordsVisibilityRequest,
) -> Batch {
    let arn = request.queue()?;
    change_in(cx, &arn, Letters::Live, request.entries).await
}

pub(super) async fn change_visibility_of_dead(
    cx: &Context<'_>,
    request: UpdateDeadLetterQueueRecordsVisibilityRequest,
) -> Batch {
    let arn = request.queue()?;
    change_in(cx, &arn, Letters::Dead, request.entries).await
}

async fn change_in(
    cx: &Context<'_>,
    arn: &StreamQueueArn,
    letters: Letters,
    entries: Option<Vec<VisibilityEntry>>,
) -> Batch {
    let queue = queues::in_use(cx, arn).await?;
    let entries = entries.unwrap_or_default();
    let timeouts: Vec<u64> = entries
        .iter()
        .map(|entry| u64::try_from(entry.visibility_timeout_seconds.unwrap_or(0)).unwrap_or(0))
        .collect();
    let handles = entries.into_iter().map(|entry| entry.receipt_handle);
    let batch = Entries::of(cx, &queue, letters, handles);
    let changes = batch.receipts.iter().zip(&batch.places);
    let changes: Vec<(StreamReceipt, u64)> = changes
        .map(|(receipt, place)| (*receipt, timeouts[*place] * 1_000))
        .collect();
    let results = cx
        .broker
        .change_in_stream(&queue, letters, &changes)
        .await
        .map_err(|error| of_route(error, arn))?;
    Ok(batch.answer(results.into_iter().map(changed)))
}

fn handles(entries: Option<Vec<ReceiptEntry>>) -> impl Iterator<Item = Option<String>> {
    let entries = entries.unwrap_or_default().into_iter();
    entries.map(|entry| entry.receipt_handle)
}

/// The entries of a request: handles, and the receipts of those that are handles of the queue.
struct Entries {
    handles: Vec<String>,
    receipts: Vec<StreamReceipt>,
    /// Where in the request each receipt stands.
    places: Vec<usize>,
}

impl Entries {
    fn of(
        cx: &Context<'_>,
        queue: &StreamQueue,
        letters: Letters,
        handles: impl Iterator<Item = Option<String>>,
    ) -> Self {
        let seal = cx.seal();
        let mut entries = Self {
            handles: Vec::new(),
            receipts: Vec::new(),
            places: Vec::new(),
        };
        for handle in handles {
            let handle = handle.unwrap_or_default();
            if let Some(receipt) = receipt_of(&seal, queue, letters, &handle) {
                entries.places.push(entries.handles.len());
                entries.receipts.push(receipt);
            }
            entries.handles.push(handle);
        }
        entries
    }

    /// What became of each, given what became of the receipts.
    fn answer(
        self,
        results: impl Iterator<Item = Result<(), KinesisError>>,
    ) -> QueueRecordsBatchResponse {
        let invalid = "The receipt handle is not valid for this queue and operation.";
        let mut became: Vec<Result<(), KinesisError>> =
            vec![Err(KinesisError::invalid_argument(invalid)); self.handles.len()];
        for (place, result) in self.places.iter().zip(results) {
            became[*place] = result;
        }
        let mut answer = QueueRecordsBatchResponse::default();
        for (receipt_handle, result) in self.handles.into_iter().zip(became) {
            match result {
                Ok(()) => answer.successful.push(BatchResultEntry { receipt_handle }),
                Err(error) => answer.failed.push(BatchErrorEntry {
                    receipt_handle,
                    error_code: error.kind.name(),
                    error_message: Some(error.message.into_owned()),
                }),
            }
        }
        answer
    }
}

fn gone() -> KinesisError {
    KinesisError::new(
        KinesisErrorKind::ResourceNotFound,
        "The record is not in the queue any more, or has become a dead-letter record or been restored since the receipt \
         handle was issued.",
    )
}

fn ended(result: DeleteResult) -> Result<(), KinesisError> {
    match result {
        DeleteResult::Deleted => Ok(()),
        DeleteResult::NotFound | DeleteResult::Expired => Err(gone()),
    }
}

fn changed(result: VisibilityResult) -> Result<(), KinesisError> {
    match result {
        VisibilityResult::Changed => Ok(()),
        VisibilityResult::Gone => Err(gone()),
        VisibilityResult::NotInFlight | VisibilityResult::TooLong => {
            Err(KinesisError::invalid_argument(
                "The record's visibility timeout has expired, so it is not in flight by this receipt handle.",
            ))
        }
    }
}

/// Why nothing was done. These actions have a word for too much.
fn of_route(error: RouteError, arn: &StreamQueueArn) -> Failure {
    match error {
        RouteError::NoSuchQueue | RouteError::NoSuchStream => queues::not_found(arn).into(),
        RouteError::Overloaded => {
            KinesisError::new(KinesisErrorKind::Throttling, "Rate exceeded").into()
        }
        other => other.into(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use levada_cluster::Stream;
    use levada_engine::proto::{StreamQueueRow, StreamRow};

    use super::*;

    fn queue(number: u64) -> StreamQueue {
        let row = StreamRow {
            account: "000000000000".into(),
            region: "eu-west-3".into(),
            queues: vec![StreamQueueRow {
                queue: number,
                ..StreamQueueRow::default()
            }],
            ..StreamRow::default()
        };
        let stream = Stream::from_row(row).expect("good names");
        StreamQueue::find(Arc::new(stream), |_| true).expect("a queue")
    }

    #[test]
    fn a_handle_is_good_for_its_queue_and_side() {
        let seal = Seal::of_cluster(1);
        let receipt = StreamReceipt {
            shard: 3,
            position: 1 << 40,
            generation: 7,
        };
        let text = handle(&seal, &queue(4), Letters::Live, &receipt);
        assert!(text.len() <= levada_types::limits::STREAM_RECEIPT_LEN_MAX);
        let open =
            |queue: &StreamQueue, letters, text: &str| receipt_of(&seal, queue, letters, text);
        assert_eq!(open(&queue(4), Letters::Live, &text), Some(receipt));
        assert_eq!(open(&queue(4), Letters::Dead, &text), None);
        assert_eq!(open(&queue(6), Letters::Live, &text), None);
        assert_eq!(open(&queue(4), Letters::Live, &text[1..]), None);
        let of_another = handle(&Seal::of_cluster(2), &queue(4), Letters::Live, &receipt);
        assert_eq!(open(&queue(4), Letters::Live, &of_another), None);
    }
}
