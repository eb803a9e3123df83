//! Amazon SQS, API version 2012-11-05: its 23 actions, errors, and what the gateway keeps in a payload.
//!
//! One file per action holds the request, the response and the validation that needs no queue.
//! Validation that needs one takes [`QueueFacts`].

mod add_permission;
mod attributes;
mod batch;
mod cancel_message_move_task;
mod change_message_visibility;
mod change_message_visibility_batch;
mod create_queue;
mod delete_message;
mod delete_message_batch;
mod delete_queue;
pub mod digest;
mod error;
mod get_queue_attributes;
mod get_queue_url;
mod grantable;
mod list_dead_letter_source_queues;
mod list_message_move_tasks;
mod list_queue_tags;
mod list_queues;
mod message_attribute;
mod outgoing;
pub mod paging;
mod permission;
mod purge_queue;
pub mod queue_url;
pub mod receipt;
mod receive_message;
mod redrive;
mod remove_permission;
mod send_message;
mod send_message_batch;
mod set_queue_attributes;
mod start_message_move_task;
mod stored;
mod tag_queue;
mod untag_queue;
mod validate;

pub use add_permission::AddPermissionRequest;
pub use attributes::{
    DeduplicationScope, FifoThroughputLimit, QueueAttributeName, QueueAttributes, QueueCounts,
    QueueFacts,
};
pub use batch::{BatchResultErrorEntry, IdEntry};
pub use cancel_message_move_task::{CancelMessageMoveTaskRequest, CancelMessageMoveTaskResponse};
pub use change_message_visibility::ChangeMessageVisibilityRequest;
pub use change_message_visibility_batch::{
    ChangeMessageVisibilityBatchRequest, ChangeMessageVisibilityBatchRequestEntry,
    ChangeMessageVisibilityBatchResponse,
};
pub use create_queue::{CreateQueueRequest, CreateQueueResponse};
pub use delete_message::DeleteMessageRequest;
pub use delete_message_batch::{
    DeleteMessageBatchRequest, DeleteMessageBatchRequestEntry, DeleteMessageBatchResponse,
};
pub use delete_queue::DeleteQueueRequest;
pub use digest::Md5;
pub use error::{SqsError, SqsErrorKind};
pub use get_queue_attributes::{GetQueueAttributesRequest, GetQueueAttributesResponse};
pub use get_queue_url::{GetQueueUrlRequest, GetQueueUrlResponse};
pub use list_dead_letter_source_queues::{
    ListDeadLetterSourceQueuesRequest, ListDeadLetterSourceQueuesResponse,
};
pub use list_message_move_tasks::{
    ListMessageMoveTasksRequest, ListMessageMoveTasksResponse, MessageMoveTask,
};
pub use list_queue_tags::{ListQueueTagsRequest, ListQueueTagsResponse};
pub use list_queues::{ListQueuesRequest, ListQueuesResponse};
pub use message_attribute::{MessageAttributeMap, MessageAttributeValue};
pub(crate) use message_attribute::{base_type, is_number};
pub use outgoing::Outgoing;
pub(crate) use outgoing::is_message_text;
pub use purge_queue::PurgeQueueRequest;
pub use receive_message::{
    MessageFacts, ReceiveMessageRequest, ReceiveMessageResponse, ReceivedMessage, Selection,
    SystemAttributeName,
};
pub use redrive::{RedriveAllowPolicy, RedrivePermission, RedrivePolicy};
pub use remove_permission::RemovePermissionRequest;
pub use send_message::{SendMessageRequest, SendMessageResponse};
pub use send_message_batch::{
    SendMessageBatchRequest, SendMessageBatchRequestEntry, SendMessageBatchResponse,
    SendMessageBatchResultEntry,
};
pub use set_queue_attributes::SetQueueAttributesRequest;
pub use start_message_move_task::{StartMessageMoveTaskRequest, StartMessageMoveTaskResponse};
pub use stored::{StoredAttribute, StoredMessage};
pub use tag_queue::TagQueueRequest;
pub use untag_queue::UntagQueueRequest;

use serde::Serialize;

use crate::error::AwsError;
use crate::protocol::form::Form;
use crate::protocol::xml::XmlWriter;
use crate::protocol::{Encoded, Output, Protocol, Service, encode_output, json};

/// What every request can do.
trait Shape: Sized {
    /// From a form.
    fn from_form(form: &Form) -> Result<Self, AwsError>;
    /// Everything that can be said without looking at the queue, in AWS's order.
    fn check(&self) -> Result<(), SqsError>;
    /// The queue that it is about.
    fn queue(&self) -> Option<&str> {
        None
    }
}

/// The answer of an action that has no result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Empty {}

impl Output for Empty {
    const EMPTY: bool = true;
    fn write_xml(&self, _: &mut XmlWriter) {}
}

macro_rules! actions {
    ($($name:ident, $request:ident, $response:ty;)*) => {
        action_names! { $($name,)* }

        /// A request.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Request {
            $(#[doc = concat!("`", stringify!($name), "`")] $name($request),)*
        }

        impl Request {
            /// From the body of a JSON request.
            pub fn from_json(action: Action, body: &[u8]) -> Result<Self, AwsError> {
                match action { $(Action::$name => json::from_slice(body).map(Self::$name),)* }
            }

            /// From a form.
            pub fn from_form(action: Action, form: &Form) -> Result<Self, AwsError> {
                match action { $(Action::$name => $request::from_form(form).map(Self::$name),)* }
            }

            /// The action that it asks for.
            pub const fn action(&self) -> Action {
                match self { $(Self::$name(_) => Action::$name,)* }
            }

            /// Everything that can be said against it without looking at the queue, in AWS's order.
            pub fn validate(&self) -> Result<(), SqsError> {
                match self { $(Self::$name(r) => r.check(),)* }
            }

            /// The `QueueUrl` of an action that is about a queue, as the client wrote it. Empty if it
            /// is missing.
            pub fn queue_url(&self) -> Option<&str> {
                match self { $(Self::$name(r) => r.queue(),)* }
            }
        }

        $(impl $request {
            /// Everything that can be said against it without looking at the queue, in AWS's order.
            pub fn validate(&self) -> Result<(), SqsError> {
                self.check()
            }
        })*

        /// An answer.
        #[derive(Clone, Debug)]
        pub enum Response {
            $(#[doc = concat!("To `", stringify!($name), "`")] $name($response),)*
        }

        impl Response {
            /// Encodes the answer in the protocol that the caller used.
            pub fn encode(&self, protocol: Protocol, request_id: &str) -> Encoded {
                match self {
                    $(Self::$name(r) => encode_output(r, protocol, Service::Sqs, stringify!($name), request_id),)*
                }
            }
        }
    };
}

actions! {
    AddPermission, AddPermissionRequest, Empty;
    CancelMessageMoveTask, CancelMessageMoveTaskRequest, CancelMessageMoveTaskResponse;
    ChangeMessageVisibility, ChangeMessageVisibilityRequest, Empty;
    ChangeMessageVisibilityBatch, ChangeMessageVisibilityBatchRequest, ChangeMessageVisibilityBatchResponse;
    CreateQueue, CreateQueueRequest, CreateQueueResponse;
    DeleteMessage, DeleteMessageRequest, Empty;
    DeleteMessageBatch, DeleteMessageBatchRequest, DeleteMessageBatchResponse;
    DeleteQueue, DeleteQueueRequest, Empty;
    GetQueueAttributes, GetQueueAttributesRequest, GetQueueAttributesResponse;
    GetQueueUrl, GetQueueUrlRequest, GetQueueUrlResponse;
    ListDeadLetterSourceQueues, ListDeadLetterSourceQueuesRequest, ListDeadLetterSourceQueuesResponse;
    ListMessageMoveTasks, ListMessageMoveTasksRequest, ListMessageMoveTasksResponse;
    ListQueueTags, ListQueueTagsRequest, ListQueueTagsResponse;
    ListQueues, ListQueuesRequest, ListQueuesResponse;
    PurgeQueue, PurgeQueueRequest, Empty;
    ReceiveMessage, ReceiveMessageRequest, ReceiveMessageResponse;
    RemovePermission, RemovePermissionRequest, Empty;
    SendMessage, SendMessageRequest, SendMessageResponse;
    SendMessageBatch, SendMessageBatchRequest, SendMessageBatchResponse;
    SetQueueAttributes, SetQueueAttributesRequest, Empty;
    StartMessageMoveTask, StartMessageMoveTaskRequest, StartMessageMoveTaskResponse;
    TagQueue, TagQueueRequest, Empty;
    UntagQueue, UntagQueueRequest, Empty;
}
