//! What a node's own side answers to calls and streams of other nodes.

use bytes::Bytes;
use futures::future::BoxFuture;
use levada_types::ids::NodeId;

use crate::error::RemoteError;
use crate::identity::Class;
use crate::stream::{StreamReceiver, StreamSender};

/// Who opened the link that a call or stream came by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The node that dialled.
    pub node: NodeId,
    /// The cluster that it says it belongs to, 0 for none. The handler decides what that allows.
    pub cluster: u64,
    /// The link's class.
    pub class: Class,
}

/// Answers calls and streams. Called by [`crate::PeerServer`] in the order in which frames arrive
/// on a link.
pub trait PeerHandler: Send + Sync + 'static {
    /// Answers one call. The future is polled once where the frame was read, and calls of one link
    /// are polled in the order of their arrival; so what it does before its first wait happens in
    /// order, and an answer that is ready then costs no task. It must therefore not block.
    /// Dropped, at whatever it waits for, when the caller no longer waits or the link breaks: what
    /// must run to its end belongs in a task of its own.
    ///
    /// The body is a slice of the buffer that it was received in, up to
    /// [`crate::limits::MESSAGE_BYTES_MAX`]. Copy what is small and kept for long.
    fn call(
        &self,
        from: Caller,
        method: u32,
        partition: u32,
        body: Bytes,
    ) -> BoxFuture<'static, Result<Bytes, RemoteError>>;

    /// Serves one stream, in a task of its own that is not ended when the link breaks: `inbound`
    /// ends and `outbound` is closed then.
    fn stream(
        &self,
        from: Caller,
        method: u32,
        partition: u32,
        inbound: StreamReceiver,
        outbound: StreamSender,
    ) -> BoxFuture<'static, ()>;
}
