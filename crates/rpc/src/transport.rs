//! How bytes travel between two nodes, where it is not TCP.
//!
//! Without a [`Transport`] the pool and the server use the system's sockets and never come here. The simulator
//! gives its own network. Called by `dial` and `server`.

use std::fmt;
use std::future::ready;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use futures::stream::BoxStream;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tonic::codegen::Service;
use tonic::codegen::http::Uri;
use tonic::transport::server::Connected;

/// Bytes in both directions, in order, until one side drops its end.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> ByteStream for T {}

/// One end of a connection between two nodes.
pub type Connection = Box<dyn ByteStream>;

/// Connections as they are accepted.
pub type Incoming = BoxStream<'static, io::Result<Connection>>;

/// A network.
pub trait Transport: fmt::Debug + Send + Sync + 'static {
    /// Connects to `address` (`host:port`). [`io::ErrorKind::ConnectionRefused`] says that the machine is there
    /// and no process listens: its peers elect at once then. The caller gives up when it has waited enough.
    fn connect(&self, address: &str) -> BoxFuture<'static, io::Result<Connection>>;

    /// Listens on `address` until the stream is dropped.
    ///
    /// # Errors
    /// What the network says of the address.
    fn listen(&self, address: SocketAddr) -> io::Result<Incoming>;
}

/// A transport as tonic's client wants it.
pub(crate) struct Connector(pub(crate) Arc<dyn Transport>);

impl Service<Uri> for Connector {
    type Response = TokioIo<Connection>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Self::Response>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let Some(authority) = uri.authority() else {
            return Box::pin(ready(Err(io::ErrorKind::InvalidInput.into())));
        };
        let connecting = self.0.connect(authority.as_str());
        Box::pin(async move { connecting.await.map(TokioIo::new) })
    }
}

/// An accepted connection as tonic's server wants it.
pub(crate) struct Accepted(pub(crate) Connection);

impl Connected for Accepted {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl AsyncRead for Accepted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Accepted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
