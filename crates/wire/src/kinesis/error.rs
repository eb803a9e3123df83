//! What Kinesis answers when it refuses: every exception, its status, and the wordings that several
//! actions share.
//!
//! The names are those of the public model, which gives no statuses: AWS answers 400 for all but its own
//! failure. Wordings are AWS's as clients quote them; a comment marks those written from memory.

use std::borrow::Cow;

use levada_types::AccountId;

use super::ShardId;
use crate::error::{AwsError, Fault};

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident, $name:literal, $status:literal;)*) => {
        /// An exception of Kinesis.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum KinesisErrorKind {
            $($(#[$doc])* $kind,)*
        }

        impl KinesisErrorKind {
            /// Every exception.
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            /// The name of the shape: `__type`, the code of a failed record, `:exception-type`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)* }
            }

            /// The HTTP status.
            pub const fn status(self) -> u16 {
                match self { $(Self::$kind => $status,)* }
            }
        }
    };
}

kinds! {
    /// A policy forbids it.
    AccessDenied, "AccessDeniedException", 400;
    /// It would have been done, had it not been a rehearsal.
    DryRunOperation, "DryRunOperationException", 400;
    /// The iterator is older than 5 minutes.
    ExpiredIterator, "ExpiredIteratorException", 400;
    /// The page token is older than 5 minutes.
    ExpiredNextToken, "ExpiredNextTokenException", 400;
    /// A fault of ours.
    InternalFailure, "InternalFailureException", 500;
    /// A value is of the right form and makes no sense all the same.
    InvalidArgument, "InvalidArgumentException", 400;
    /// KMS: not allowed.
    KmsAccessDenied, "KMSAccessDeniedException", 400;
    /// KMS: the key is disabled.
    KmsDisabled, "KMSDisabledException", 400;
    /// KMS: the key's state forbids it.
    KmsInvalidState, "KMSInvalidStateException", 400;
    /// KMS: no such key.
    KmsNotFound, "KMSNotFoundException", 400;
    /// KMS: the account has not subscribed to it.
    KmsOptInRequired, "KMSOptInRequired", 400;
    /// KMS: too many requests.
    KmsThrottling, "KMSThrottlingException", 400;
    /// A bound of the account, or of calls a second.
    LimitExceeded, "LimitExceededException", 400;
    /// More than the shard may take or give in a second.
    ProvisionedThroughputExceeded, "ProvisionedThroughputExceededException", 400;
    /// It exists already, or is in a state in which it cannot be changed.
    ResourceInUse, "ResourceInUseException", 400;
    /// No such stream, shard or consumer.
    ResourceNotFound, "ResourceNotFoundException", 400;
    /// Too many requests.
    Throttling, "ThrottlingException", 400;
    /// A constraint of the model is violated.
    Validation, "ValidationException", 400;
}

/// An answer of refusal: an exception and its wording.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", kind.name())]
pub struct KinesisError {
    /// The exception.
    pub kind: KinesisErrorKind,
    /// For people.
    pub message: Cow<'static, str>,
}

impl KinesisError {
    /// An exception with its wording.
    pub fn new(kind: KinesisErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    /// `InvalidArgumentException` with a wording of its own.
    pub fn invalid_argument(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(KinesisErrorKind::InvalidArgument, message)
    }

    /// No stream of that name.
    pub fn stream_not_found(stream: &str, account: AccountId) -> Self {
        let message = format!("Stream {stream} under account {account} not found.");
        Self::new(KinesisErrorKind::ResourceNotFound, message)
    }

    /// A stream of that name exists.
    pub fn stream_exists(stream: &str, account: AccountId) -> Self {
        let message = format!("Stream {stream} under account {account} already exists.");
        Self::new(KinesisErrorKind::ResourceInUse, message)
    }

    /// The stream or its shard does not exist.
    pub fn shard_does_not_exist(shard: ShardId, stream: &str, account: AccountId) -> Self {
        let message =
            format!("Shard {shard} in stream {stream} under account {account} does not exist");
        Self::new(KinesisErrorKind::ResourceNotFound, message)
    }

    /// What is given as a shard's id can be none.
    pub fn could_not_find_shard(text: &str, stream: &str, account: AccountId) -> Self {
        let message =
            format!("Could not find shard {text} in stream {stream} under account {account}.");
        Self::new(KinesisErrorKind::ResourceNotFound, message)
    }

    /// The text is no shard iterator.
    pub fn invalid_shard_iterator() -> Self {
        Self::invalid_argument("Invalid ShardIterator.")
    }

    /// A hash key above 2^128-1.
    pub(super) fn hash_key_out_of_range(member: &str, value: &str) -> Self {
        Self::invalid_argument(format!(
            "Invalid {member}. {member} must be in the range: [0, 2^128-1]. Specified value was {value}"
        ))
    }
}

impl From<KinesisError> for AwsError {
    fn from(e: KinesisError) -> Self {
        let fault = if e.kind.status() < 500 {
            Fault::Sender
        } else {
            Fault::Receiver
        };
        Self {
            json_type: e.kind.name(),
            query_code: e.kind.name(),
            status: e.kind.status(),
            fault,
            message: e.message,
            query_message: None,
        }
    }
}
