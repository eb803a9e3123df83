//! `DeleteStream`.

use super::shape::{stream_input, stream_shape};

stream_input! {
    /// Deletes a stream and all that it holds.
    pub struct DeleteStreamRequest {
        /// Whether its consumers are deregistered, where it would be refused if it has any.
        pub enforce_consumer_deletion: Option<bool>,
    }
}

stream_shape!(DeleteStreamRequest, |_request, _violations| {});
