//! What the management pages say. The server knows the node; the gateway only carries its words.

/// Implemented by the server, called by the front for `GET /health/*`, `/metrics` and `/_levada/status`.
pub trait Admin: Send + Sync + 'static {
    /// Whether clients can be served here, else why not.
    fn ready(&self) -> Result<(), String>;
    /// The page of `/metrics`, in Prometheus's text format.
    fn metrics(&self) -> String;
    /// The document of `/_levada/status`, in JSON.
    fn status(&self) -> String;
}
