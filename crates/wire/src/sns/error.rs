//! What SNS answers when it refuses: every code, its status, and the wordings that several actions share.
//!
//! Codes and statuses are those of the public model; `ValidationError` is what the framework answers before SNS
//! looks at a request. Wordings are AWS's as clients quote them; a comment marks those written from memory.

use std::borrow::Cow;

use crate::error::{AwsError, Fault};

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident, $code:literal, $status:literal;)*) => {
        /// A code of SNS.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum SnsErrorKind {
            $($(#[$doc])* $kind,)*
        }

        impl SnsErrorKind {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            /// The code on the wire, also of a batch's failed entries.
            pub const fn code(self) -> &'static str {
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
    /// A policy forbids it.
    AuthorizationError, "AuthorizationError", 403;
    /// Two entries of a batch have the same id.
    BatchEntryIdsNotDistinct, "BatchEntryIdsNotDistinct", 400;
    /// The messages of a batch are too long together.
    BatchRequestTooLong, "BatchRequestTooLong", 400;
    /// Two changes of tags at one time.
    ConcurrentAccess, "ConcurrentAccess", 400;
    /// A batch without entries.
    EmptyBatchRequest, "EmptyBatchRequest", 400;
    /// The endpoint of a platform is switched off.
    EndpointDisabled, "EndpointDisabled", 400;
    /// Too many filter policies.
    FilterPolicyLimitExceeded, "FilterPolicyLimitExceeded", 403;
    /// A fault of ours.
    InternalError, "InternalError", 500;
    /// An entry's id is none.
    InvalidBatchEntryId, "InvalidBatchEntryId", 400;
    /// A parameter is not what it should be.
    InvalidParameter, "InvalidParameter", 400;
    /// A message attribute is not what it should be.
    ParameterValueInvalid, "ParameterValueInvalid", 400;
    /// Not over TLS where a policy asks for it, or no signature.
    InvalidSecurity, "InvalidSecurity", 403;
    /// It is in a state in which that cannot be done.
    InvalidState, "InvalidState", 400;
    /// KMS: not allowed.
    KmsAccessDenied, "KMSAccessDenied", 400;
    /// KMS: the key is disabled.
    KmsDisabled, "KMSDisabled", 400;
    /// KMS: the key's state forbids it.
    KmsInvalidState, "KMSInvalidState", 400;
    /// KMS: no such key.
    KmsNotFound, "KMSNotFound", 400;
    /// KMS: the account has not subscribed to it.
    KmsOptInRequired, "KMSOptInRequired", 403;
    /// KMS: too many requests.
    KmsThrottling, "KMSThrottling", 400;
    /// No such topic, subscription, application or endpoint.
    NotFound, "NotFound", 404;
    /// The phone's owner wants no messages.
    OptedOut, "OptedOut", 400;
    /// The application of a platform is switched off.
    PlatformApplicationDisabled, "PlatformApplicationDisabled", 400;
    /// Too many replays at one time.
    ReplayLimitExceeded, "ReplayLimitExceeded", 403;
    /// No such resource, of tags and of the sandbox.
    ResourceNotFound, "ResourceNotFound", 404;
    /// A topic of this name was deleted a moment ago, and its tags are still there.
    StaleTag, "StaleTag", 400;
    /// Too many subscriptions.
    SubscriptionLimitExceeded, "SubscriptionLimitExceeded", 403;
    /// Too many tags.
    TagLimitExceeded, "TagLimitExceeded", 400;
    /// A policy about tags forbids it.
    TagPolicy, "TagPolicy", 400;
    /// Too many requests.
    Throttled, "Throttled", 429;
    /// A batch with too many entries.
    TooManyEntriesInBatchRequest, "TooManyEntriesInBatchRequest", 400;
    /// Too many topics.
    TopicLimitExceeded, "TopicLimitExceeded", 403;
    /// A parameter of the sandbox is not what it should be.
    UserError, "UserError", 400;
    /// A parameter is invalid, where the model says so.
    ValidationException, "ValidationException", 400;
    /// A constraint of the model is violated.
    ValidationError, "ValidationError", 400;
    /// The one-time password is wrong. The model gives no status.
    Verification, "VerificationException", 400;
}

/// An answer of refusal: a code and its wording.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", kind.code())]
pub struct SnsError {
    /// The code.
    pub kind: SnsErrorKind,
    /// For people.
    pub message: Cow<'static, str>,
}

impl SnsError {
    /// A code with its wording.
    pub fn new(kind: SnsErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    /// `Invalid parameter: W`
    pub fn invalid_parameter(what: impl std::fmt::Display) -> Self {
        Self::new(
            SnsErrorKind::InvalidParameter,
            format!("Invalid parameter: {what}"),
        )
    }

    /// `Invalid parameter: P Reason: R`
    pub fn invalid_because(parameter: &str, reason: impl std::fmt::Display) -> Self {
        Self::invalid_parameter(format_args!("{parameter} Reason: {reason}"))
    }

    /// Of a message attribute.
    pub fn invalid_value(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(SnsErrorKind::ParameterValueInvalid, message)
    }

    /// No such topic.
    pub fn topic_does_not_exist() -> Self {
        Self::new(SnsErrorKind::NotFound, "Topic does not exist")
    }

    /// No such subscription.
    pub fn subscription_does_not_exist() -> Self {
        Self::new(SnsErrorKind::NotFound, "Subscription does not exist")
    }

    /// No such application of a platform.
    pub fn platform_application_does_not_exist() -> Self {
        Self::new(SnsErrorKind::NotFound, "PlatformApplication does not exist")
    }

    /// No such endpoint of a platform, where it is asked about.
    pub fn endpoint_does_not_exist() -> Self {
        Self::new(SnsErrorKind::NotFound, "Endpoint does not exist")
    }

    /// No such endpoint of a platform, where a message is to go to it.
    pub fn no_endpoint_for_target() -> Self {
        Self::invalid_because(
            "TargetArn",
            "No endpoint found for the target arn specified",
        )
    }

    /// The endpoint of a platform is switched off.
    pub fn endpoint_disabled() -> Self {
        Self::new(SnsErrorKind::EndpointDisabled, "Endpoint is disabled")
    }

    /// An endpoint of this token exists and has other attributes.
    pub fn endpoint_exists(arn: &str) -> Self {
        let reason =
            format!("Endpoint {arn} already exists with the same Token, but different attributes.");
        Self::invalid_because("Token", reason)
    }

    /// No topic of this ARN, of actions on tags.
    pub fn resource_does_not_exist() -> Self {
        Self::new(SnsErrorKind::ResourceNotFound, "Resource does not exist")
    }

    /// More tags than a topic may have.
    pub fn too_many_tags() -> Self {
        Self::new(
            SnsErrorKind::TagLimitExceeded,
            "Could not complete request: tag quota of per resource exceeded",
        )
    }

    /// A topic of that name exists and has other attributes.
    pub fn topic_has_other_attributes() -> Self {
        Self::invalid_because(
            "Attributes",
            "Topic already exists with different attributes",
        )
    }

    /// A topic of that name exists and has other tags.
    pub fn topic_has_other_tags() -> Self {
        Self::invalid_because("Tags", "Topic already exists with different tags")
    }

    /// The endpoint is subscribed and has other attributes.
    pub fn subscription_has_other_attributes() -> Self {
        Self::invalid_because(
            "Attributes",
            "Subscription already exists with different attributes",
        )
    }

    /// The confirmation token is none of the topic's, or has expired.
    pub fn invalid_token() -> Self {
        Self::invalid_parameter("Token")
    }

    /// The policy of `resource` does not let another account do `action`, or denies it.
    pub fn not_authorized(
        user: &str,
        action: &str,
        resource: impl std::fmt::Display,
        is_denied: bool,
    ) -> Self {
        let why = if is_denied {
            "with an explicit deny in a resource-based policy".to_owned()
        } else {
            format!("because no resource-based policy allows the SNS:{action} action")
        };
        let message = format!(
            "User: {user} is not authorized to perform: SNS:{action} on resource: {resource} {why}"
        );
        Self::new(SnsErrorKind::AuthorizationError, message)
    }

    /// Too many requests. From memory.
    pub fn throttled() -> Self {
        Self::new(SnsErrorKind::Throttled, "Rate exceeded")
    }
}

impl From<SnsError> for AwsError {
    fn from(e: SnsError) -> Self {
        let fault = if e.kind.status() < 500 {
            Fault::Sender
        } else {
            Fault::Receiver
        };
        Self {
            json_type: e.kind.code(),
            query_code: e.kind.code(),
            status: e.kind.status(),
            fault,
            message: e.message,
            query_message: None,
        }
    }
}
