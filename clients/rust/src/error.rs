//! A call that failed, in one form for both services: what was said, and whether it may be otherwise next time.

use std::fmt::Debug;
use std::future::Future;
use std::time::Duration;

use aws_sdk_kinesis::config::http::HttpResponse;
use aws_sdk_kinesis::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};

/// A call that was not answered with success.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{action}: {code}: {message}")]
pub struct CallError {
    /// Which call.
    pub action: &'static str,
    /// The service's code, or `Timeout`, `NoAnswer`.
    pub code: String,
    /// What was said.
    pub message: String,
    /// False if the same call would be refused again.
    pub may_pass: bool,
}

impl CallError {
    /// Whether the service gave this code.
    pub fn is(&self, code: &str) -> bool {
        self.code == code
    }

    /// What the SDK says of a failed call.
    pub(crate) fn of<E>(action: &'static str, error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let status = error.raw_response().map(|answer| answer.status().as_u16());
        Self::with_status(action, error, status.unwrap_or(0))
    }

    /// The same of an error within a stream of events, which has no status.
    pub(crate) fn of_event<E, R>(action: &'static str, error: &SdkError<E, R>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        R: Debug + 'static,
    {
        Self::with_status(action, error, 0)
    }

    fn with_status<E, R>(action: &'static str, error: &SdkError<E, R>, status: u16) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        R: Debug + 'static,
    {
        let (code, may_pass) = match error {
            SdkError::ServiceError(told) => {
                let code = told.err().code().unwrap_or("Unknown");
                (code, may_pass(code, status))
            }
            SdkError::ConstructionFailure(_) => ("NotSent", false),
            SdkError::TimeoutError(_) => ("Timeout", true),
            _ => ("NoAnswer", true),
        };
        let message = match error {
            SdkError::ServiceError(told) if told.err().message().is_some() => {
                told.err().message().unwrap_or_default().to_owned()
            }
            other => DisplayErrorContext(other).to_string(),
        };
        Self {
            action,
            code: code.to_owned(),
            message,
            may_pass,
        }
    }

    /// An answer that lacks what it must have.
    pub(crate) fn malformed(action: &'static str, what: &str) -> Self {
        Self {
            action,
            code: "Malformed".to_owned(),
            message: format!("the answer has no {what}"),
            may_pass: true,
        }
    }
}

/// Codes that say `later`; every failure of a server does.
fn may_pass(code: &str, status: u16) -> bool {
    status >= 500
        || status == 429
        || matches!(
            code,
            "ProvisionedThroughputExceededException"
                | "LimitExceededException"
                | "ResourceInUseException"
                | "InternalFailure"
                | "InternalFailureException"
                | "KMSThrottlingException"
                | "RequestLimitExceeded"
                | "ServiceUnavailable"
                | "ThrottlingException"
        )
}

/// Waits for a call's answer, so long and no longer.
pub(crate) async fn within<T, E>(
    action: &'static str,
    timeout: Duration,
    call: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
) -> Result<T, CallError>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match tokio::time::timeout(timeout, call).await {
        Ok(answer) => answer.map_err(|error| CallError::of(action, &error)),
        Err(_) => Err(CallError {
            action,
            code: "Timeout".to_owned(),
            message: format!("no answer within {timeout:?}"),
            may_pass: true,
        }),
    }
}
