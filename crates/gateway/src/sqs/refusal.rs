//! AWS's words for what the catalog refused.

use levada_engine::proto::CatalogRefusal;
use levada_types::QueueName;
use levada_wire::AwsError;
use levada_wire::sqs::paging::TaskHandle;
use levada_wire::sqs::{SqsError, StartMessageMoveTaskRequest};
use tracing::error;

use crate::front::Failure;

/// The refusal of a change of `queue`, where the action has no words of its own.
pub(super) fn of_queue(refusal: CatalogRefusal, queue: &QueueName) -> Failure {
    match refusal {
        CatalogRefusal::NoSuchQueue => SqsError::queue_does_not_exist().into(),
        CatalogRefusal::DeletedRecently => SqsError::queue_deleted_recently().into(),
        CatalogRefusal::PurgeInProgress => SqsError::purge_queue_in_progress(queue.as_str()).into(),
        CatalogRefusal::TooManyTags => {
            let message = format!("Too many tags added for queue {queue}.");
            SqsError::invalid_parameter(message).into()
        }
        CatalogRefusal::NoSuchTask | CatalogRefusal::TaskNotRunning => {
            TaskHandle::not_running().into()
        }
        CatalogRefusal::TaskActive => StartMessageMoveTaskRequest::already_running().into(),
        // Somebody else changed the queue at the same time, again and again.
        CatalogRefusal::Changed => AwsError::throttling().into(),
        CatalogRefusal::ExistsWithOtherAttributes => {
            SqsError::queue_name_exists("Attributes").into()
        }
        // Changes of members are not made by callers of SQS.
        CatalogRefusal::NoSuchMember
        | CatalogRefusal::AlreadyMember
        | CatalogRefusal::ChangeUnderWay
        | CatalogRefusal::NoSuchChange
        // Nor are streams, tables and topics.
        | CatalogRefusal::StreamExists
        | CatalogRefusal::NoSuchStream
        | CatalogRefusal::TableExists
        | CatalogRefusal::NoSuchTable
        | CatalogRefusal::StreamQueueExists
        | CatalogRefusal::TopicExists
        | CatalogRefusal::NoSuchTopic
        | CatalogRefusal::NoSuchSubscription
        | CatalogRefusal::Unspecified => {
            error!(%queue, "the catalog refused a change without a reason");
            AwsError::internal_failure().into()
        }
    }
}
