//! How calls and streams fail.

use crate::limits::BODY_BYTES_MAX;

/// Codes of [`RemoteError`] that this crate gives itself. Handlers choose theirs below
/// [`code::RESERVED_MIN`].
pub mod code {
    /// The first of the codes that belong to this crate.
    pub const RESERVED_MIN: u32 = 0xffff_ff00;
    /// The handler panicked, or ended without an answer.
    pub const HANDLER_FAILED: u32 = 0xffff_ff01;
    /// A body was larger than [`crate::limits::BODY_BYTES_MAX`].
    pub const TOO_LARGE: u32 = 0xffff_ff02;
    /// The peer has as many calls of this link in its hands as it takes. Callers see
    /// [`super::CallError::Overloaded`] in its place.
    pub const OVERLOADED: u32 = 0xffff_ff03;
}

/// An answer that is an error, given by the peer's handler or by the peer's side of the link.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the peer answered with error {code}: {message}")]
pub struct RemoteError {
    /// What the handler chose, or one of [`code`].
    pub code: u32,
    /// In words.
    pub message: String,
}

impl RemoteError {
    /// An error of the given code.
    pub fn new(code: u32, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}

/// Why a call has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// There is no link to the peer, or it broke before the answer came.
    #[error("the peer cannot be reached (request {})", if *.sent { "may have arrived" } else { "not sent" })]
    Unreachable {
        /// Whether the call had left. If not, the peer has surely not received it.
        sent: bool,
    },
    /// No answer came in the time that was given. The peer may still have received the call.
    #[error("the peer did not answer in time")]
    TimedOut,
    /// This side's queue, or the peer, is full. The peer has surely not begun the call.
    #[error("too many calls to this peer are waiting")]
    Overloaded,
    /// The body is larger than a frame may be. Nothing was sent.
    #[error(
        "a body of {bytes} bytes is larger than the {BODY_BYTES_MAX} bytes that a frame may carry"
    )]
    TooLarge {
        /// The body's size.
        bytes: usize,
    },
    /// The peer answered with an error.
    #[error(transparent)]
    Remote(#[from] RemoteError),
}

/// Why an item could not be sent on a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Closed {
    /// The peer takes no more items, or the link broke.
    #[error("the stream has ended")]
    Ended,
    /// The item is larger than a frame may be. It was not sent; the stream goes on.
    #[error(
        "an item of {bytes} bytes is larger than the {BODY_BYTES_MAX} bytes that a frame may carry"
    )]
    TooLarge {
        /// The item's size.
        bytes: usize,
    },
}
