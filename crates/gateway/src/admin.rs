//! What the management pages say and operations do. The server knows the node; the gateway only carries the
//! words.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;

/// What becomes of an operation.
pub type Operation = Pin<Box<dyn Future<Output = AdminAnswer> + Send>>;

/// The answer to an operation.
#[derive(Debug)]
pub struct AdminAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The body's media type.
    pub content_type: &'static str,
    /// The body.
    pub body: Bytes,
}

/// Implemented by the server, called by the front for `GET /health/*`, `/metrics` and `/_levada/status`, and
/// for `POST /_levada/...`.
pub trait Admin: Send + Sync + 'static {
    /// Whether clients can be served here, else why not.
    fn ready(&self) -> Result<(), String>;
    /// The page of `/metrics`, in Prometheus's text format.
    fn metrics(&self) -> String;
    /// The document of `/_levada/status`, in JSON.
    fn status(&self) -> String;
    /// Carries out the operation of `POST /_levada/<name>`; `body` is JSON. Called only for those who may.
    fn operate(&self, name: &str, body: Bytes) -> Operation;
}
