//! The error that every service's errors become before they are encoded, and the errors that belong
//! to no service: protocol, authentication, load and faults of our own.
//!
//! A service keeps its own vocabulary (`sqs::SqsError`) and converts into [`AwsError`].

use std::borrow::Cow;

use thiserror::Error;

use crate::protocol::Service;

/// Whose fault an error is. Clients retry a receiver's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The caller's: sending the same again gives the same error.
    Sender,
    /// Ours.
    Receiver,
}

impl Fault {
    /// The word that Query XML and `x-amzn-query-error` use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sender => "Sender",
            Self::Receiver => "Receiver",
        }
    }
}

/// An error as the wire carries it, in any protocol.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{query_code}: {message}")]
pub struct AwsError {
    /// `__type` of the JSON protocols, with its namespace.
    pub json_type: &'static str,
    /// `Code` of the Query protocol, and of `x-amzn-query-error`.
    pub query_code: &'static str,
    /// HTTP status.
    pub status: u16,
    /// Whose fault it is.
    pub fault: Fault,
    /// For people. Empty where AWS sends none.
    pub message: Cow<'static, str>,
    /// What the Query protocol says instead, where AWS words it otherwise there.
    pub query_message: Option<&'static str>,
}

impl AwsError {
    const fn sender(
        json_type: &'static str,
        query_code: &'static str,
        status: u16,
        message: Cow<'static, str>,
    ) -> Self {
        Self {
            json_type,
            query_code,
            status,
            fault: Fault::Sender,
            message,
            query_message: None,
        }
    }

    /// `X-Amz-Target` names no action that we have.
    pub fn unknown_operation() -> Self {
        Self::sender(
            "com.amazon.coral.service#UnknownOperationException",
            "InvalidAction",
            400,
            "".into(),
        )
    }

    /// A request that asks for nothing, such as a browser's at a queue's URL.
    pub fn no_operation() -> Self {
        Self {
            status: 404,
            ..Self::unknown_operation()
        }
    }

    /// `Action` names no action that we have, or none that the address can do.
    pub fn invalid_action(action: &str) -> Self {
        let message = format!("The action {action} is not valid for this endpoint.");
        Self::sender(
            "com.amazon.coral.service#UnknownOperationException",
            "InvalidAction",
            400,
            message.into(),
        )
    }

    /// Neither an `Action` nor an `X-Amz-Target`.
    pub fn missing_action() -> Self {
        let message = "The request must contain the parameter Action.";
        Self::sender(
            "com.amazon.coral.service#MissingActionException",
            "MissingAction",
            400,
            message.into(),
        )
    }

    /// The body is not what the protocol says: broken JSON, or a value of the wrong type.
    pub fn serialization(message: impl Into<Cow<'static, str>>) -> Self {
        Self::sender(
            "com.amazon.coral.service#SerializationException",
            "MalformedInput",
            400,
            message.into(),
        )
    }

    /// The body or the header is longer than we read. What SQS answers is not documented.
    pub fn request_entity_too_large(limit_bytes: usize) -> Self {
        let message = format!("Request size exceeds the limit of {limit_bytes} bytes.");
        Self::sender(
            "com.amazon.coral.service#RequestEntityTooLargeException",
            "RequestEntityTooLarge",
            413,
            message.into(),
        )
    }

    /// The body did not arrive in time.
    pub fn request_timeout() -> Self {
        let message = "Your socket connection to the server was not read from or written to within the timeout period.";
        Self::sender(
            "com.amazon.coral.service#RequestTimeoutException",
            "RequestTimeout",
            400,
            message.into(),
        )
    }

    /// The signature's header lacks a part.
    pub fn incomplete_signature(message: impl Into<Cow<'static, str>>) -> Self {
        Self::sender(
            "com.amazon.coral.service#IncompleteSignatureException",
            "IncompleteSignature",
            400,
            message.into(),
        )
    }

    /// There is no signature where one is needed.
    pub fn missing_authentication_token() -> Self {
        let message = "Request is missing Authentication Token";
        Self::sender(
            "com.amazon.coral.service#MissingAuthenticationTokenException",
            "MissingAuthenticationToken",
            403,
            message.into(),
        )
    }

    /// The signature does not match.
    pub fn signature_does_not_match() -> Self {
        let message = "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.";
        Self::sender(
            "com.amazon.coral.service#InvalidSignatureException",
            "SignatureDoesNotMatch",
            403,
            message.into(),
        )
    }

    /// No such access key.
    pub fn invalid_client_token_id() -> Self {
        let message = "The security token included in the request is invalid.";
        Self::sender(
            "com.amazon.coral.service#UnrecognizedClientException",
            "InvalidClientTokenId",
            403,
            message.into(),
        )
    }

    /// A policy forbids it.
    pub fn access_denied(message: impl Into<Cow<'static, str>>) -> Self {
        Self::sender(
            "com.amazon.coral.service#AccessDeniedException",
            "AccessDenied",
            403,
            message.into(),
        )
    }

    /// A bound of this server was reached; the caller should slow down.
    pub fn throttling() -> Self {
        Self::sender(
            "com.amazon.coral.service#ThrottlingException",
            "Throttling",
            400,
            "Rate exceeded".into(),
        )
    }

    /// The partition has no leader, or this server is stopping.
    pub fn service_unavailable() -> Self {
        Self {
            json_type: "com.amazon.coral.service#ServiceUnavailableException",
            query_code: "ServiceUnavailable",
            status: 503,
            fault: Fault::Receiver,
            message: "The request has failed due to a temporary failure of the server.".into(),
            query_message: None,
        }
    }

    /// A fault of ours; the log has the request id.
    pub fn internal_failure() -> Self {
        Self {
            json_type: "com.amazon.coral.service#InternalFailure",
            query_code: "InternalFailure",
            status: 500,
            fault: Fault::Receiver,
            message: "The request processing has failed because of an unknown error, exception or failure.".into(),
            query_message: None,
        }
    }

    /// [`Self::json_type`] without its namespace.
    pub fn bare_type(&self) -> &'static str {
        self.json_type
            .rsplit_once('#')
            .map_or(self.json_type, |(_, bare)| bare)
    }

    /// The value of `x-amzn-query-error`, by which clients that were written for the Query protocol
    /// find the code that they know. Only services that once spoke Query send it.
    pub fn query_error_header(&self, service: Service) -> Option<String> {
        matches!(service, Service::Sqs | Service::CloudWatch)
            .then(|| format!("{};{}", self.query_code, self.fault.as_str()))
    }
}
