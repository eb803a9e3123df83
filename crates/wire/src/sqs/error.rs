//! What SQS answers when it refuses: every code, its status, and the wordings that several actions share.
//!
//! Codes and statuses are those of the public model. Wordings are AWS's as clients quote them; a
//! comment marks those written from memory.

use std::borrow::Cow;

use levada_types::QueueArn;

use crate::error::{AwsError, Fault};

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident, $shape:literal, $code:literal, $status:literal;)*) => {
        /// A code of SQS.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum SqsErrorKind {
            $($(#[$doc])* $kind,)*
        }

        impl SqsErrorKind {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            /// The name of the shape with its namespace: `__type` in JSON.
            pub const fn json_type(self) -> &'static str {
                match self { $(Self::$kind => $shape,)* }
            }

            /// The code of the Query protocol, of `x-amzn-query-error`, and of a batch's failed entries.
            pub const fn query_code(self) -> &'static str {
                match self { $(Self::$kind => $code,)* }
            }

            /// The HTTP status.
            pub const fn status(self) -> u16 {
                match self { $(Self::$kind => $status,)* }
            }
        }
    };
}

kinds! {
    /// Two entries of a batch have one id.
    BatchEntryIdsNotDistinct, "com.amazonaws.sqs#BatchEntryIdsNotDistinct", "AWS.SimpleQueueService.BatchEntryIdsNotDistinct", 400;
    /// The messages of a batch are too long together.
    BatchRequestTooLong, "com.amazonaws.sqs#BatchRequestTooLong", "AWS.SimpleQueueService.BatchRequestTooLong", 400;
    /// A batch without entries.
    EmptyBatchRequest, "com.amazonaws.sqs#EmptyBatchRequest", "AWS.SimpleQueueService.EmptyBatchRequest", 400;
    /// An entry's id has bad characters, or is too long.
    InvalidBatchEntryId, "com.amazonaws.sqs#InvalidBatchEntryId", "AWS.SimpleQueueService.InvalidBatchEntryId", 400;
    /// The message is not claimed now.
    MessageNotInflight, "com.amazonaws.sqs#MessageNotInflight", "AWS.SimpleQueueService.MessageNotInflight", 400;
    /// The name was deleted within the last 60 s.
    QueueDeletedRecently, "com.amazonaws.sqs#QueueDeletedRecently", "AWS.SimpleQueueService.QueueDeletedRecently", 400;
    /// More than 10 entries.
    TooManyEntriesInBatchRequest, "com.amazonaws.sqs#TooManyEntriesInBatchRequest", "AWS.SimpleQueueService.TooManyEntriesInBatchRequest", 400;
    /// The queue or the endpoint cannot do that.
    UnsupportedOperation, "com.amazonaws.sqs#UnsupportedOperation", "AWS.SimpleQueueService.UnsupportedOperation", 400;
    /// The queue was purged within the last 60 s.
    PurgeQueueInProgress, "com.amazonaws.sqs#PurgeQueueInProgress", "AWS.SimpleQueueService.PurgeQueueInProgress", 403;
    /// No such queue.
    QueueDoesNotExist, "com.amazonaws.sqs#QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", 400;
    /// The name is taken by a queue with other attributes.
    QueueNameExists, "com.amazonaws.sqs#QueueNameExists", "QueueAlreadyExists", 400;
    /// A bound of the service, such as the claims of a queue.
    OverLimit, "com.amazonaws.sqs#OverLimit", "OverLimit", 403;
    /// Too many requests.
    RequestThrottled, "com.amazonaws.sqs#RequestThrottled", "RequestThrottled", 403;
    /// Not over TLS where a policy asks for it, or no signature.
    InvalidSecurity, "com.amazonaws.sqs#InvalidSecurity", "InvalidSecurity", 403;
    /// The queue's URL is not one of this endpoint.
    InvalidAddress, "com.amazonaws.sqs#InvalidAddress", "InvalidAddress", 404;
    /// Not a receipt handle of ours, or of another queue.
    ReceiptHandleIsInvalid, "com.amazonaws.sqs#ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid", 404;
    /// No such resource, of a move task.
    ResourceNotFound, "com.amazonaws.sqs#ResourceNotFoundException", "ResourceNotFoundException", 404;
    /// No attribute of that name.
    InvalidAttributeName, "com.amazonaws.sqs#InvalidAttributeName", "InvalidAttributeName", 400;
    /// An attribute's value is out of its bounds.
    InvalidAttributeValue, "com.amazonaws.sqs#InvalidAttributeValue", "InvalidAttributeValue", 400;
    /// Deprecated form of [`Self::ReceiptHandleIsInvalid`].
    InvalidIdFormat, "com.amazonaws.sqs#InvalidIdFormat", "InvalidIdFormat", 400;
    /// The body has characters that a message must not have.
    InvalidMessageContents, "com.amazonaws.sqs#InvalidMessageContents", "InvalidMessageContents", 400;
    /// A parameter's value is out of its bounds.
    InvalidParameterValue, "com.amazon.coral.service#InvalidParameterValueException", "InvalidParameterValue", 400;
    /// A parameter is not there.
    MissingParameter, "com.amazon.coral.service#MissingRequiredParameterException", "MissingParameter", 400;
    /// A policy forbids it.
    AccessDenied, "com.amazon.coral.service#AccessDeniedException", "AccessDenied", 403;
    /// KMS: not allowed.
    KmsAccessDenied, "com.amazonaws.sqs#KmsAccessDenied", "KMS.AccessDeniedException", 400;
    /// KMS: the key is disabled.
    KmsDisabled, "com.amazonaws.sqs#KmsDisabled", "KMS.DisabledException", 400;
    /// KMS: the key is not for this use.
    KmsInvalidKeyUsage, "com.amazonaws.sqs#KmsInvalidKeyUsage", "KMS.InvalidKeyUsageException", 400;
    /// KMS: the key's state forbids it.
    KmsInvalidState, "com.amazonaws.sqs#KmsInvalidState", "KMS.InvalidStateException", 400;
    /// KMS: no such key.
    KmsNotFound, "com.amazonaws.sqs#KmsNotFound", "KMS.NotFoundException", 400;
    /// KMS: the account has not subscribed to it.
    KmsOptInRequired, "com.amazonaws.sqs#KmsOptInRequired", "KMS.OptInRequired", 403;
    /// KMS: too many requests.
    KmsThrottled, "com.amazonaws.sqs#KmsThrottled", "KMS.ThrottlingException", 400;
}

/// An answer of refusal: a code and its wording. All of them are the caller's fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", kind.query_code())]
pub struct SqsError {
    /// The code.
    pub kind: SqsErrorKind,
    /// For people.
    pub message: Cow<'static, str>,
}

impl SqsError {
    /// A code with its wording.
    pub fn new(kind: SqsErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    /// A parameter that must be there is not.
    pub fn missing_parameter(name: &str) -> Self {
        Self::new(
            SqsErrorKind::MissingParameter,
            format!("The request must contain the parameter {name}."),
        )
    }

    /// `InvalidParameterValue` with a wording of its own.
    pub fn invalid_parameter(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(SqsErrorKind::InvalidParameterValue, message)
    }

    /// `Value V for parameter P is invalid. Reason: R`
    pub fn invalid_value(value: impl std::fmt::Display, parameter: &str, reason: &str) -> Self {
        Self::invalid_parameter(format!(
            "Value {value} for parameter {parameter} is invalid. Reason: {reason}"
        ))
    }

    /// No such queue.
    pub fn queue_does_not_exist() -> Self {
        Self::new(
            SqsErrorKind::QueueDoesNotExist,
            "The specified queue does not exist.",
        )
    }

    /// A queue of that name exists and has other attributes.
    pub fn queue_name_exists(attribute: &str) -> Self {
        let message = format!(
            "A queue already exists with the same name and a different value for attribute {attribute}"
        );
        Self::new(SqsErrorKind::QueueNameExists, message)
    }

    /// A queue of that name was deleted within the last 60 s.
    pub fn queue_deleted_recently() -> Self {
        let message = "You must wait 60 seconds after deleting a queue before you can create another with the same name.";
        Self::new(SqsErrorKind::QueueDeletedRecently, message)
    }

    /// The queue was purged within the last 60 s.
    pub fn purge_queue_in_progress(queue: &str) -> Self {
        let message =
            format!("Only one PurgeQueue operation on {queue} is allowed every 60 seconds.");
        Self::new(SqsErrorKind::PurgeQueueInProgress, message)
    }

    /// The text is not a receipt handle.
    pub fn receipt_handle_is_invalid(handle: &str) -> Self {
        let message =
            format!("The input receipt handle \"{handle}\" is not a valid receipt handle.");
        Self::new(SqsErrorKind::ReceiptHandleIsInvalid, message)
    }

    /// FIFO: the claim has ended, so the handle no longer deletes.
    pub fn receipt_handle_expired(handle: &str) -> Self {
        Self::invalid_value(handle, "ReceiptHandle", "The receipt handle has expired.")
    }

    /// The message is visible again, or another has claimed it.
    pub fn message_not_inflight(handle: &str) -> Self {
        Self::invalid_value(
            handle,
            "ReceiptHandle",
            "Message does not exist or is not available for visibility timeout change.",
        )
    }

    /// The message would be hidden for more than 12 hours from its receive.
    pub fn total_visibility_timeout(value: i64) -> Self {
        Self::invalid_value(
            value,
            "VisibilityTimeout",
            "Total VisibilityTimeout for the message is beyond the limit [43200 seconds]",
        )
    }

    /// A standard queue holds as many claims as it may.
    pub fn over_limit_in_flight(queue: &str) -> Self {
        // From memory.
        Self::new(
            SqsErrorKind::OverLimit,
            format!("Too many messages in flight for the queue {queue}."),
        )
    }

    /// No statement of a queue's policy allows an action to a principal of another account, or one denies it. The words are
    /// those that AWS was seen to use, the action in lower case.
    pub fn access_denied(
        principal: &str,
        action: super::Action,
        queue: &QueueArn,
        is_denied: bool,
    ) -> Self {
        // A batch is called by what it is many of.
        let action = action.permission().unwrap_or(action);
        let action = action.name().to_ascii_lowercase();
        let why = if is_denied {
            "with an explicit deny in a resource-based policy".to_owned()
        } else {
            format!("because no resource-based policy allows the sqs:{action} action")
        };
        let message = format!(
            "User: {principal} is not authorized to perform: sqs:{action} on resource: {queue} {why}"
        );
        Self::new(SqsErrorKind::AccessDenied, message)
    }

    /// No attribute of that name.
    pub fn unknown_attribute(name: &str) -> Self {
        Self::new(
            SqsErrorKind::InvalidAttributeName,
            format!("Unknown Attribute {name}."),
        )
    }

    /// An attribute's value is out of its bounds.
    pub fn invalid_attribute_value(name: &str) -> Self {
        Self::new(
            SqsErrorKind::InvalidAttributeValue,
            format!("Invalid value for the parameter {name}."),
        )
    }

    /// No queue of the ARN in `parameter`, of a move task.
    pub fn resource_not_found(parameter: &str) -> Self {
        let message =
            format!("The resource that you specified for the {parameter} parameter doesn't exist.");
        Self::new(SqsErrorKind::ResourceNotFound, message)
    }

    /// An attribute's value is refused for a reason of its own.
    pub fn invalid_attribute_value_because(name: &str, reason: &str) -> Self {
        let message = format!("Invalid value for the parameter {name}. Reason: {reason}");
        Self::new(SqsErrorKind::InvalidAttributeValue, message)
    }

    /// The queue cannot do that.
    pub fn unsupported_operation(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(SqsErrorKind::UnsupportedOperation, message)
    }
}

impl From<SqsError> for AwsError {
    fn from(e: SqsError) -> Self {
        Self {
            json_type: e.kind.json_type(),
            query_code: e.kind.query_code(),
            status: e.kind.status(),
            fault: Fault::Sender,
            message: e.message,
            query_message: (e.kind == SqsErrorKind::QueueDoesNotExist)
                .then_some("The specified queue does not exist for this wsdl version."),
        }
    }
}
