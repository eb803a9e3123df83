//! Why a policy is refused.

use thiserror::Error;

/// Why a policy is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PolicyError {
    /// It is not JSON, or not such JSON as a policy is.
    #[error("the policy is no policy document: {0}")]
    Document(String),
    /// A statement, counted from 1, is not as the language has it.
    #[error("statement {number} of the policy: {reason}")]
    Statement {
        /// Which, counted from 1.
        number: usize,
        /// What is wrong.
        reason: String,
    },
    /// More bytes than any service takes.
    #[error("the policy is larger than {0} bytes")]
    TooLarge(usize),
}
