//! Consumers with enhanced fan-out: registering, deregistering, describing, listing; and what an ARN names.

use levada_cluster::Stream;
use levada_engine::proto::{ConsumerRow, StreamRow};
use levada_types::Timestamp;
use levada_wire::AwsError;
use levada_wire::kinesis::{
    Consumer, ConsumerArn, ConsumerReference, ConsumerStatus, DeregisterStreamConsumerRequest,
    DescribeStreamConsumerRequest, DescribeStreamConsumerResponse, Empty, KinesisError,
    KinesisErrorKind, ListStreamConsumersRequest, ListStreamConsumersResponse,
    RegisterStreamConsumerRequest, RegisterStreamConsumerResponse, StreamArn, StreamQueueArn,
};

use super::context::{Context, arn_of, must_be_active, reference_of, reference_to};
use super::list_shards::{is_of, must_be};
use super::pages;
use super::queues::{self, must_have_room_for_reader};
use super::sealed::Kind;
use crate::front::Failure;

/// Consumers of a page where the caller gives no number.
const CONSUMERS_DEFAULT: usize = 100;

/// What an ARN names.
pub(super) enum Resource {
    Stream(StreamArn),
    Consumer(ConsumerArn),
    Queue(StreamQueueArn),
}

impl Resource {
    /// From an ARN that satisfies the model's pattern.
    pub(super) fn of(arn: Option<&str>) -> Result<Self, KinesisError> {
        let arn = arn.unwrap_or_default();
        if let Ok(stream) = arn.parse() {
            return Ok(Self::Stream(stream));
        }
        if let Ok(queue) = arn.parse() {
            return Ok(Self::Queue(queue));
        }
        let consumer = arn.parse().map(Self::Consumer);
        consumer.map_err(|_| {
            KinesisError::invalid_argument(format!("{arn} is not a valid ResourceARN."))
        })
    }

    /// The stream that it is, or that it reads.
    pub(super) async fn stream(&self, cx: &Context<'_>) -> Result<StreamArn, Failure> {
        Ok(match self {
            Self::Stream(arn) => arn.clone(),
            Self::Consumer(arn) => arn.stream.clone(),
            Self::Queue(arn) => arn_of(&queues::current(cx, arn).await?.stream),
        })
    }
}

pub(super) async fn register(
    cx: &Context<'_>,
    request: RegisterStreamConsumerRequest,
) -> Result<RegisterStreamConsumerResponse, Failure> {
    let name = request.consumer_name.clone().unwrap_or_default();
    let tags = request.tags.clone().unwrap_or_default();
    let edit = |stream: &Stream| {
        must_be_active(stream)?;
        let mut row = stream.row.clone();
        let (of, account) = (&stream.row.name, stream.account);
        let place = row.consumers.binary_search_by(|c| c.name.cmp(&name));
        let Err(place) = place else {
            return Err(KinesisError::new(
                KinesisErrorKind::ResourceInUse,
                format!("Consumer {name} under stream {of} already exists for account {account}."),
            ));
        };
        must_have_room_for_reader(stream)?;
        let consumer = ConsumerRow {
            name: name.clone(),
            tags: tags.clone(),
            ..ConsumerRow::default()
        };
        row.consumers.insert(place, consumer);
        Ok(row.into())
    };
    let (_, after) = cx.change(&reference_of(&request)?, edit).await?;
    let row = after.row.consumers.iter().find(|c| c.name == name);
    let row = row.ok_or_else(AwsError::internal_failure)?;
    Ok(RegisterStreamConsumerResponse {
        consumer: consumer(&after, row),
    })
}

pub(super) async fn deregister(
    cx: &Context<'_>,
    request: DeregisterStreamConsumerRequest,
) -> Result<Empty, Failure> {
    let reference = request.consumer()?;
    let arn = stream_of(&reference).clone();
    let edit = |stream: &Stream| {
        let found = find(stream, &reference)?.name.clone();
        let mut row = stream.row.clone();
        row.consumers.retain(|consumer| consumer.name != found);
        Ok(row.into())
    };
    cx.change(&reference_to(&arn), edit).await?;
    Ok(Empty {})
}

pub(super) async fn describe(
    cx: &Context<'_>,
    request: DescribeStreamConsumerRequest,
) -> Result<DescribeStreamConsumerResponse, Failure> {
    let reference = request.consumer()?;
    let stream = cx.current(&reference_to(stream_of(&reference))).await?;
    let row = find(&stream, &reference)?;
    Ok(DescribeStreamConsumerResponse {
        consumer_description: Consumer {
            stream_arn: Some(arn_of(&stream).to_string()),
            ..consumer(&stream, row)
        },
    })
}

pub(super) async fn list(
    cx: &Context<'_>,
    request: ListStreamConsumersRequest,
) -> Result<ListStreamConsumersResponse, Failure> {
    let seal = cx.seal();
    let stream = cx.current(&reference_of(&request)?).await?;
    let after = match &request.next_token {
        Some(token) => {
            let ([number], name) = pages::open(&seal, Kind::Consumers, token)?;
            must_be(&stream, stream.row.stream == number)?;
            Some(name)
        }
        None => {
            must_be(
                &stream,
                is_of(stream.created_at(), request.stream_creation_timestamp),
            )?;
            None
        }
    };
    let rows = stream.row.consumers.iter();
    let rows = rows.filter(|row| after.as_ref().is_none_or(|after| row.name > *after));
    let (page, has_more) = pages::cut(rows, pages::size(request.max_results, CONSUMERS_DEFAULT));
    let last = page.last().filter(|_| has_more);
    let next_token =
        last.map(|row| pages::token(&seal, Kind::Consumers, &[stream.row.stream], &row.name));
    Ok(ListStreamConsumersResponse {
        next_token,
        consumers: page.into_iter().map(|row| consumer(&stream, row)).collect(),
    })
}

fn stream_of<'a>(reference: &'a ConsumerReference<'_>) -> &'a StreamArn {
    match reference {
        ConsumerReference::Arn(arn) => &arn.stream,
        ConsumerReference::Name(stream, _) => stream,
    }
}

fn find<'a>(
    stream: &'a Stream,
    reference: &ConsumerReference<'_>,
) -> Result<&'a ConsumerRow, KinesisError> {
    match reference {
        ConsumerReference::Arn(arn) => by_arn(stream, arn),
        ConsumerReference::Name(_, name) => {
            let mut rows = stream.row.consumers.iter();
            rows.find(|row| row.name == *name)
                .ok_or_else(|| not_found(stream, name))
        }
    }
}

/// The consumer of an ARN, which tells it from an earlier one of its name.
pub(super) fn by_arn<'a>(
    stream: &'a Stream,
    arn: &ConsumerArn,
) -> Result<&'a ConsumerRow, KinesisError> {
    let mut rows = stream.row.consumers.iter();
    rows.find(|row| is_named(row, arn))
        .ok_or_else(|| not_found(stream, &arn.name))
}

/// The same, in a row that is to be changed.
pub(super) fn consumer_in<'a>(
    stream: &Stream,
    row: &'a mut StreamRow,
    arn: &ConsumerArn,
) -> Result<&'a mut ConsumerRow, KinesisError> {
    let mut rows = row.consumers.iter_mut();
    rows.find(|row| is_named(row, arn))
        .ok_or_else(|| not_found(stream, &arn.name))
}

fn is_named(row: &ConsumerRow, arn: &ConsumerArn) -> bool {
    *row.name == *arn.name && row.created_at / 1_000 == arn.created_secs
}

fn not_found(stream: &Stream, name: &str) -> KinesisError {
    let account = stream.account;
    KinesisError::new(
        KinesisErrorKind::ResourceNotFound,
        format!("Consumer {name}, account {account} not found."),
    )
}

fn consumer(stream: &Stream, row: &ConsumerRow) -> Consumer {
    let arn = ConsumerArn {
        stream: arn_of(stream),
        name: row.name.as_str().into(),
        created_secs: row.created_at / 1_000,
    };
    Consumer {
        consumer_name: row.name.clone(),
        consumer_arn: arn.to_string(),
        consumer_status: if row.active {
            ConsumerStatus::Active
        } else {
            ConsumerStatus::Creating
        },
        consumer_creation_timestamp: Timestamp::from_millis(row.created_at).into(),
        stream_arn: None,
    }
}
