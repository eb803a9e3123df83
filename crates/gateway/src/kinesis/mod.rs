//! The actions of Kinesis Data Streams: one file each, or a handful that are alike, thin. Each finds its stream, checks
//! what needs the stream, and asks the broker.

mod account;
mod consumers;
mod context;
mod create_stream;
mod delete_stream;
mod describe;
mod encryption;
mod get_records;
mod get_shard_iterator;
mod list_shards;
mod list_streams;
mod monitoring;
mod pages;
mod policies;
mod put_record;
mod put_records;
mod queue_records;
mod queues;
mod refusal;
mod reshard;
mod retention;
mod sealed;
mod settings;
mod shards;
mod start;
mod subscribe_to_shard;
mod tags;

use levada_cluster::RouteError;
use levada_wire::kinesis::{KinesisError, KinesisErrorKind, Request, Response};
use levada_wire::{AwsError, Protocol};

use crate::answer::Frames;
use crate::caller::Caller;
use crate::front::{Failure, Gateway};
use context::Context;

/// An answer.
#[derive(Debug)]
pub(crate) enum Answered {
    /// One that is whole when it is sent.
    Whole(Response),
    /// One that goes on.
    Stream(Frames),
}

/// The memory for answers with records is used up.
pub(crate) fn too_many_reads() -> Failure {
    KinesisError::new(
        KinesisErrorKind::ProvisionedThroughputExceeded,
        "Rate exceeded",
    )
    .into()
}

/// Answers a request.
pub(crate) async fn call(
    gateway: &Gateway,
    caller: &Caller,
    request: Request,
    protocol: Protocol,
) -> Result<Answered, Failure> {
    request.validate()?;
    let cx = Context {
        gateway,
        broker: gateway.broker()?,
        caller,
    };
    let answered = match request {
        Request::PutRecord(r) => put_record::call(&cx, r).await.map(Response::PutRecord),
        Request::PutRecords(r) => put_records::call(&cx, r).await.map(Response::PutRecords),
        Request::GetRecords(r) => get_records::call(&cx, r).await.map(Response::GetRecords),
        Request::SubscribeToShard(r) => {
            return Box::pin(subscribe_to_shard::call(&cx, r, protocol))
                .await
                .map(Answered::Stream)
                .map_err(of_account);
        }
        // What is called seldom is put aside, or every connection would hold room for the largest of it.
        other => Box::pin(seldom(&cx, other)).await,
    };
    answered.map(Answered::Whole).map_err(of_account)
}

/// Kinesis has no word for too much but these.
fn of_account(failure: Failure) -> Failure {
    match failure {
        Failure::Route(RouteError::Overloaded) => {
            KinesisError::new(KinesisErrorKind::LimitExceeded, "Rate exceeded").into()
        }
        other => other,
    }
}

/// Calls the function of an action and wraps what it answers.
macro_rules! answer {
    ($cx:ident, $request:ident, { $($action:ident => $function:path,)* }) => {
        match $request {
            $(Request::$action(r) => Response::$action($function($cx, r).await?),)*
            // Called above.
            _ => return Err(AwsError::unknown_operation().into()),
        }
    };
}

async fn seldom(cx: &Context<'_>, request: Request) -> Result<Response, Failure> {
    Ok(answer!(cx, request, {
        AcknowledgeDeadLetterQueueRecords => queue_records::acknowledge_dead,
        AcknowledgeQueueRecords => queue_records::acknowledge,
        AddTagsToStream => tags::add,
        CreateQueue => queues::create,
        CreateStream => create_stream::call,
        DecreaseStreamRetentionPeriod => retention::decrease,
        DeleteQueue => queues::delete,
        DeleteResourcePolicy => policies::delete,
        DeleteStream => delete_stream::call,
        DeregisterStreamConsumer => consumers::deregister,
        DescribeAccountSettings => account::describe_settings,
        DescribeLimits => account::describe_limits,
        DescribeQueue => queues::describe,
        DescribeStream => describe::stream,
        DescribeStreamConsumer => consumers::describe,
        DescribeStreamSummary => describe::summary,
        DisableEnhancedMonitoring => monitoring::disable,
        EnableEnhancedMonitoring => monitoring::enable,
        GetResourcePolicy => policies::get,
        GetShardIterator => get_shard_iterator::call,
        IncreaseStreamRetentionPeriod => retention::increase,
        ListQueues => queues::list,
        ListShards => list_shards::call,
        ListStreamConsumers => consumers::list,
        ListStreams => list_streams::call,
        ListTagsForResource => tags::list_of_resource,
        ListTagsForStream => tags::list,
        MergeShards => reshard::merge,
        PutResourcePolicy => policies::put,
        ReceiveDeadLetterQueueRecords => queue_records::receive_dead,
        ReceiveQueueRecords => queue_records::receive,
        RegisterStreamConsumer => consumers::register,
        RemoveTagsFromStream => tags::remove,
        RestoreDeadLetterQueueRecords => queue_records::restore,
        SplitShard => reshard::split,
        StartStreamEncryption => encryption::start,
        StopStreamEncryption => encryption::stop,
        TagResource => tags::tag,
        UntagResource => tags::untag,
        UpdateAccountSettings => account::update_settings,
        UpdateDeadLetterQueueRecordsVisibility => queue_records::change_visibility_of_dead,
        UpdateMaxRecordSize => settings::max_record_size,
        UpdateQueue => queues::update,
        UpdateQueueRecordsVisibility => queue_records::change_visibility,
        UpdateShardCount => reshard::update_shard_count,
        UpdateStreamMode => settings::mode,
        UpdateStreamRecordDistributionStrategy => settings::distribution,
        UpdateStreamWarmThroughput => settings::warm_throughput,
    }))
}
