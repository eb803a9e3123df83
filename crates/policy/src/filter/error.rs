//! Why a filter policy is refused, in AWS's words.

use levada_types::limits::{FILTER_KEYS_MAX, FILTER_POLICY_BYTES_MAX};
use thiserror::Error;

/// Why a filter policy is refused.
///
/// Its text goes behind "Invalid parameter: " in the answer of SetSubscriptionAttributes and behind "Invalid parameter:
/// Attributes Reason: " in that of Subscribe; both have the code InvalidParameter.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FilterError {
    /// It is not JSON.
    #[error("FilterPolicy: failed to parse JSON. {0}")]
    Json(String),
    /// It breaks a rule of the language; where, is in the text.
    #[error("FilterPolicy: {0}")]
    Rule(String),
    /// More keys than may have conditions.
    #[error("FilterPolicy: Filter policy can not have more than {FILTER_KEYS_MAX} keys")]
    TooManyKeys,
    /// More combinations of values, or points of wildcards, than may be.
    #[error("FilterPolicy: Filter policy is too complex")]
    TooComplex,
    /// More bytes than may be. The words are ours: AWS's were not found.
    #[error("FilterPolicy: Filter policy is larger than {FILTER_POLICY_BYTES_MAX} bytes")]
    TooLarge,
    /// Objects in objects, and it is for attributes.
    #[error("Filter policy scope MessageAttributes does not support nested filter policy")]
    Nested,
}

/// A filter policy scope that there is not. Its text goes behind "Invalid parameter: " as that of [`FilterError`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "FilterPolicyScope: Invalid value [{0}]. Please use either MessageBody or MessageAttributes"
)]
pub struct FilterScopeError(pub String);
