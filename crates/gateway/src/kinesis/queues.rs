//! Queues on streams: `CreateQueue`, `DeleteQueue`, `DescribeQueue`, `ListQueues`, `UpdateQueue`.
//!
//! A queue is a part of its stream's row. Its ARN holds its number and not its name, as the model has it.

use levada_cluster::{Stream, StreamQueue};
use levada_engine::proto::{self, StreamQueueRow, StreamQueueStart, StreamRow};
use levada_types::Timestamp;
use levada_types::limits::{
    STREAM_CONSUMERS_MAX, STREAM_QUEUE_RECEIVE_COUNT_DEFAULT, TAGS_OF_STREAM_MAX,
    VISIBILITY_TIMEOUT_SECS_DEFAULT,
};
use levada_wire::AwsError;
use levada_wire::kinesis::{
    CreateQueueRequest, DeadLetterConfiguration, DeadLetterTargetType, DeleteQueueRequest,
    DescribeQueueRequest, Empty, KinesisError, KinesisErrorKind, ListQueuesRequest,
    ListQueuesResponse, QueueAttributes, QueueAttributesInput, QueueDescription,
    QueueDescriptionResponse, QueueStartingPosition, QueueStartingPositionInput,
    QueueStartingPositionType, QueueStatus, QueueStreamConfiguration, QueueStreamFilter,
    QueueStreamIdentifier, QueueSummary, StreamArn, StreamQueueArn, UpdateQueueRequest,
    Values as _,
};
use levada_wire::protocol::member::EpochTime;

use super::context::{Context, arn_of, must_be_active, reference_to};
use super::list_shards::is_of;
use super::pages;
use super::sealed::Kind;
use crate::clock;
use crate::front::Failure;

/// Queues of a page where the caller gives no number.
const QUEUES_DEFAULT: usize = 100;

pub(super) async fn create(
    cx: &Context<'_>,
    request: CreateQueueRequest,
) -> Result<QueueDescriptionResponse, Failure> {
    let name = request.queue_name.clone().unwrap_or_default();
    let streams = request.stream_configuration_list.unwrap_or_default();
    let [on] = &streams[..] else {
        return Err(invalid(
            "StreamConfigurationList must contain exactly one entry, because a queue delivers records from a single data \
             stream.",
        )
        .into());
    };
    let (start, start_at) = start_of(on.starting_position.as_ref())?;
    let mut queue = StreamQueueRow {
        name: name.clone(),
        start: start.into(),
        start_at,
        visibility_timeout_ms: u64::from(VISIBILITY_TIMEOUT_SECS_DEFAULT) * 1_000,
        receive_count_max: STREAM_QUEUE_RECEIVE_COUNT_DEFAULT,
        tags: request.tags.unwrap_or_default(),
        ..StreamQueueRow::default()
    };
    set(&mut queue, request.queue_attributes.as_ref())?;
    if queue.tags.len() > TAGS_OF_STREAM_MAX {
        return Err(too_many_tags(&name).into());
    }
    let arn: StreamArn = stream_arn(on.stream_arn.as_deref())?;
    let edit = |stream: &Stream| {
        must_be_active(stream)?;
        if !stream.row.on_demand {
            return Err(invalid(
                "Queues are supported only on data streams in on-demand capacity mode.",
            ));
        }
        must_have_room_for_reader(stream)?;
        let mut row = stream.row.clone();
        if row.queues.iter().any(|queue| queue.name == name) {
            return Err(exists(&name, cx));
        }
        row.queues.push(queue.clone());
        Ok(row.into())
    };
    let (_, after) = cx.change(&reference_to(&arn), edit).await?;
    let made = StreamQueue::find(after, |queue| queue.name == name);
    Ok(answer(&made.ok_or_else(AwsError::internal_failure)?))
}

pub(super) async fn delete(
    cx: &Context<'_>,
    request: DeleteQueueRequest,
) -> Result<Empty, Failure> {
    let arn = request.queue()?;
    change(cx, &arn, |queue| {
        queue.set_status(proto::StreamStatus::Deleting);
        Ok(())
    })
    .await?;
    Ok(Empty {})
}

pub(super) async fn describe(
    cx: &Context<'_>,
    request: DescribeQueueRequest,
) -> Result<QueueDescriptionResponse, Failure> {
    Ok(answer(&current(cx, &request.queue()?).await?))
}

pub(super) async fn update(
    cx: &Context<'_>,
    request: UpdateQueueRequest,
) -> Result<QueueDescriptionResponse, Failure> {
    let arn = request.queue()?;
    let queue = change(cx, &arn, |queue| {
        if queue.status() != proto::StreamStatus::Active {
            let status = status_of(queue).as_str();
            return Err(KinesisError::new(
                KinesisErrorKind::ResourceInUse,
                format!("Queue {arn} not ACTIVE, instead in state {status}"),
            ));
        }
        set(queue, request.queue_attributes.as_ref())?;
        queue.set_status(proto::StreamStatus::Updating);
        Ok(())
    })
    .await?;
    Ok(answer(&queue))
}

pub(super) async fn list(
    cx: &Context<'_>,
    request: ListQueuesRequest,
) -> Result<ListQueuesResponse, Failure> {
    let seal = cx.seal();
    let after = match &request.next_token {
        Some(token) => {
            let ([], name) = pages::open(&seal, Kind::Queues, token)?;
            Some(name)
        }
        None => None,
    };
    cx.broker.catch_up_catalog().await?;
    let (account, region) = (cx.caller.account, &cx.caller.region);
    let filter = match &request.stream_filter {
        Some(filter) => Some(filtered(cx, filter)?),
        None => None,
    };
    let wanted = |row: &StreamRow| {
        filter.as_ref().is_none_or(|filter| {
            let mut streams = filter.iter();
            streams.any(|(name, created_at)| {
                *row.name == **name && is_of(created_at_of(row), *created_at)
            })
        })
    };
    let max = pages::size(request.max_results, QUEUES_DEFAULT);
    let found = cx
        .broker
        .stream_queues(account, region, after.as_deref(), max + 1, wanted);
    let (page, has_more) = pages::cut(found.into_iter(), max);
    let last = page.last().filter(|_| has_more);
    Ok(ListQueuesResponse {
        next_token: last.map(|last| pages::token(&seal, Kind::Queues, &[], &last.row().name)),
        queue_summaries: page.iter().map(summary).collect(),
    })
}

fn created_at_of(row: &StreamRow) -> Timestamp {
    Timestamp::from_millis(row.created_at)
}

/// The name of a stream whose queues are listed, and when it was made, if that is said.
type Filtered = (Box<str>, Option<EpochTime>);

/// Those of the streams that are the caller's.
fn filtered(cx: &Context<'_>, filter: &[QueueStreamFilter]) -> Result<Vec<Filtered>, KinesisError> {
    let mut streams = Vec::with_capacity(filter.len());
    for stream in filter {
        let arn = stream_arn(stream.stream_arn.as_deref())?;
        if arn.account == cx.caller.account && arn.region == cx.caller.region {
            streams.push((arn.name, stream.stream_creation_timestamp));
        }
    }
    Ok(streams)
}

/// The queue of an ARN as the catalog's leader has it.
pub(super) async fn current(
    cx: &Context<'_>,
    arn: &StreamQueueArn,
) -> Result<StreamQueue, Failure> {
    let number = number_of(cx, arn)?;
    cx.broker.catch_up_catalog().await?;
    let found = cx.broker.stream_queue(number);
    let found = found.filter(|queue| queue_arn(queue) == *arn);
    Ok(found.ok_or_else(|| not_found(arn))?)
}

/// A queue that gives records. One that is being made or deleted does not.
pub(super) async fn in_use(cx: &Context<'_>, arn: &StreamQueueArn) -> Result<StreamQueue, Failure> {
    let number = number_of(cx, arn)?;
    let found = cx.broker.find_stream_queue(number).await?;
    let found = found.filter(|queue| {
        let status = queue.row().status();
        let gives = matches!(
            status,
            proto::StreamStatus::Active | proto::StreamStatus::Updating
        );
        gives && queue_arn(queue) == *arn
    });
    Ok(found.ok_or_else(|| not_found(arn))?)
}

/// Changes a queue in its stream's row.
pub(super) async fn change(
    cx: &Context<'_>,
    arn: &StreamQueueArn,
    edit: impl Fn(&mut StreamQueueRow) -> Result<(), KinesisError> + Send + Sync,
) -> Result<StreamQueue, Failure> {
    let stream = arn_of(&current(cx, arn).await?.stream);
    let number = number_of(cx, arn)?;
    let (_, after) = cx
        .change(&reference_to(&stream), |stream: &Stream| {
            let mut row = stream.row.clone();
            edit(queue_in(&mut row, arn)?)?;
            Ok(row.into())
        })
        .await?;
    let found = StreamQueue::find(after, |row| row.queue == number);
    Ok(found.ok_or_else(|| not_found(arn))?)
}

/// The queue of an ARN in a row that is to be changed.
pub(super) fn queue_in<'a>(
    row: &'a mut StreamRow,
    arn: &StreamQueueArn,
) -> Result<&'a mut StreamQueueRow, KinesisError> {
    let mut queues = row.queues.iter_mut();
    queues
        .find(|queue| id_of(queue) == *arn.name)
        .ok_or_else(|| not_found(arn))
}

/// The number in an ARN of the caller's.
fn number_of(cx: &Context<'_>, arn: &StreamQueueArn) -> Result<u64, KinesisError> {
    if arn.account != cx.caller.account {
        return Err(super::context::access_denied(cx.caller.account, arn));
    }
    let is_here = arn.region == cx.caller.region;
    let number = u64::from_str_radix(&arn.name, 16).ok().filter(|_| is_here);
    number.ok_or_else(|| not_found(arn))
}

/// The part of an ARN that is given to a queue.
fn id_of(queue: &StreamQueueRow) -> String {
    format!("{:016x}", queue.queue)
}

/// A queue's ARN.
pub(super) fn queue_arn(queue: &StreamQueue) -> StreamQueueArn {
    StreamQueueArn {
        region: queue.stream.region.clone(),
        account: queue.stream.account,
        name: id_of(queue.row()).into(),
    }
}

/// Refuses one reader more than a stream may have: consumers with enhanced fan-out and queues count together.
pub(super) fn must_have_room_for_reader(stream: &Stream) -> Result<(), KinesisError> {
    let readers = stream.row.consumers.len() + stream.row.queues.len();
    if readers < STREAM_CONSUMERS_MAX {
        return Ok(());
    }
    let (name, account) = (&stream.row.name, stream.account);
    Err(KinesisError::new(
        KinesisErrorKind::LimitExceeded,
        format!(
            "Stream {name} under account {account} has {STREAM_CONSUMERS_MAX} registered consumers, which is the limit."
        ),
    ))
}

/// Refuses what must not be done to a stream with queues. The wording is ours.
pub(super) fn must_have_no_queues(stream: &Stream) -> Result<(), KinesisError> {
    if stream.row.queues.is_empty() {
        return Ok(());
    }
    let (name, account) = (&stream.row.name, stream.account);
    Err(KinesisError::new(
        KinesisErrorKind::ResourceInUse,
        format!(
            "Stream {name} under account {account} has queues. Delete every queue on the stream with DeleteQueue first."
        ),
    ))
}

fn stream_arn(arn: Option<&str>) -> Result<StreamArn, KinesisError> {
    let arn = arn.unwrap_or_default();
    // As of other actions.
    arn.parse()
        .map_err(|_| KinesisError::invalid_argument(format!("{arn} is not a valid StreamARN.")))
}

/// Wordings of queues are ours: the model says which exception, and no more.
fn invalid(message: &'static str) -> KinesisError {
    KinesisError::new(KinesisErrorKind::Validation, message)
}

pub(super) fn not_found(arn: &StreamQueueArn) -> KinesisError {
    KinesisError::new(
        KinesisErrorKind::ResourceNotFound,
        format!("Queue {arn} not found."),
    )
}

pub(super) fn too_many_tags(queue: &str) -> KinesisError {
    KinesisError::invalid_argument(format!(
        "Failed to add tags to queue {queue} because a given queue cannot have more than {TAGS_OF_STREAM_MAX} tags \
         associated with it."
    ))
}

fn exists(name: &str, cx: &Context<'_>) -> KinesisError {
    let account = cx.caller.account;
    KinesisError::new(
        KinesisErrorKind::ResourceInUse,
        format!("Queue {name} under account {account} already exists."),
    )
}

fn start_of(
    start: Option<&QueueStartingPositionInput>,
) -> Result<(StreamQueueStart, u64), KinesisError> {
    let kind = start.and_then(|start| start.kind.as_deref());
    let kind = kind.and_then(QueueStartingPositionType::from_name);
    let timestamp = start.and_then(|start| start.timestamp);
    let kind = match kind.unwrap_or_default() {
        QueueStartingPositionType::AtTimestamp => {
            let Some(at) = timestamp.map(Timestamp::from) else {
                return Err(invalid(
                    "Timestamp is required when the starting position's Type is AT_TIMESTAMP.",
                ));
            };
            super::start::must_not_be_ahead(at, clock::now_ms())?;
            return Ok((StreamQueueStart::AtTimestamp, at.as_millis()));
        }
        QueueStartingPositionType::TrimHorizon => StreamQueueStart::TrimHorizon,
        QueueStartingPositionType::Latest => StreamQueueStart::Latest,
    };
    if timestamp.is_some() {
        return Err(invalid(
            "Timestamp can be specified only when the starting position's Type is AT_TIMESTAMP.",
        ));
    }
    Ok((kind, 0))
}

/// Takes the settings that are given.
fn set(
    queue: &mut StreamQueueRow,
    attributes: Option<&QueueAttributesInput>,
) -> Result<(), KinesisError> {
    let Some(attributes) = attributes else {
        return Ok(());
    };
    if let Some(secs) = attributes.visibility_timeout_seconds {
        queue.visibility_timeout_ms = u64::try_from(secs).unwrap_or(0) * 1_000;
    }
    if let Some(dead) = &attributes.dead_letter_configuration {
        let kind = dead.target_type.as_deref();
        let kind = kind.and_then(DeadLetterTargetType::from_name);
        let count = dead.max_receive_count.and_then(|n| u32::try_from(n).ok());
        queue.receive_count_max = match (kind.unwrap_or_default(), count) {
            (DeadLetterTargetType::None, _) => 0,
            (DeadLetterTargetType::BuiltIn, Some(count)) => count,
            (DeadLetterTargetType::BuiltIn, None) => {
                return Err(invalid(
                    "MaxReceiveCount is required when TargetType is BUILT_IN.",
                ));
            }
        };
    }
    Ok(())
}

fn answer(queue: &StreamQueue) -> QueueDescriptionResponse {
    let row = queue.row();
    QueueDescriptionResponse {
        queue_description: QueueDescription {
            queue_name: row.name.clone(),
            queue_arn: queue_arn(queue).to_string(),
            queue_status: status_of(row),
            queue_creation_timestamp: Timestamp::from_millis(row.created_at).into(),
            stream_configuration_list: vec![QueueStreamConfiguration {
                stream_arn: arn_of(&queue.stream).to_string(),
                starting_position: Some(starting_position(row)),
            }],
            queue_attributes: Some(attributes_of(row)),
        },
    }
}

/// Until it is settled, the time is told only as it was given.
fn starting_position(row: &StreamQueueRow) -> QueueStartingPosition {
    let kind = match row.start() {
        StreamQueueStart::Latest => QueueStartingPositionType::Latest,
        StreamQueueStart::TrimHorizon => QueueStartingPositionType::TrimHorizon,
        StreamQueueStart::AtTimestamp => QueueStartingPositionType::AtTimestamp,
    };
    let is_being_made = row.status() == proto::StreamStatus::Creating;
    let at_ms = match row.start() {
        _ if !is_being_made && row.started_at != 0 => Some(row.started_at),
        StreamQueueStart::AtTimestamp => Some(row.start_at),
        _ => None,
    };
    QueueStartingPosition {
        kind,
        timestamp: at_ms.map(|ms| Timestamp::from_millis(ms).into()),
    }
}

fn attributes_of(row: &StreamQueueRow) -> QueueAttributes {
    let count = row.receive_count_max;
    let target_type = if count == 0 {
        DeadLetterTargetType::None
    } else {
        DeadLetterTargetType::BuiltIn
    };
    QueueAttributes {
        visibility_timeout_seconds: u32::try_from(row.visibility_timeout_ms / 1_000).ok(),
        dead_letter_configuration: Some(DeadLetterConfiguration {
            target_type,
            max_receive_count: (count != 0).then_some(count),
        }),
    }
}

fn status_of(row: &StreamQueueRow) -> QueueStatus {
    match row.status() {
        proto::StreamStatus::Creating => QueueStatus::Creating,
        proto::StreamStatus::Active => QueueStatus::Active,
        proto::StreamStatus::Updating => QueueStatus::Updating,
        proto::StreamStatus::Deleting => QueueStatus::Deleting,
    }
}

fn summary(queue: &StreamQueue) -> QueueSummary {
    QueueSummary {
        queue_name: queue.row().name.clone(),
        queue_arn: queue_arn(queue).to_string(),
        queue_status: status_of(queue.row()),
        queue_creation_timestamp: Timestamp::from_millis(queue.row().created_at).into(),
        streams: vec![QueueStreamIdentifier {
            stream_arn: arn_of(&queue.stream).to_string(),
            stream_creation_timestamp: queue.stream.created_at().into(),
        }],
    }
}
