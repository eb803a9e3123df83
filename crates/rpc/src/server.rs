//! The peer port: accepts connections and opens a link for each Link call that arrives.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use futures::{Stream, StreamExt as _, stream};
use levada_types::ids::NodeId;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tonic::metadata::MetadataMap;
use tonic::transport::Server;
use tonic::transport::server::Connected;
use tonic::{Request, Response, Status, Streaming};

use crate::dial::{CLASS_KEY, CLUSTER_KEY, NODE_KEY};
use crate::handler::{Caller, PeerHandler};
use crate::identity::Class;
use crate::limits::{
    ACCEPT_PAUSE, CONNECTION_WINDOW_BYTES, HTTP2_FRAME_BYTES_MAX, HTTP2_STREAMS_MAX,
    LINK_WINDOW_BYTES, LINKS_MAX, MESSAGE_BYTES_MAX, SERVER_KEEPALIVE, SHUTDOWN_GRACE,
};
use crate::proto::Frames;
use crate::proto::peer_server::{Peer, PeerServer as PeerService};
use crate::serve::{Replies, Served};
use crate::transport::{Accepted, Incoming, Transport};

/// A bound peer port that does not answer yet.
#[derive(Debug)]
pub struct PeerServer {
    listener: TcpListener,
    local_addr: SocketAddr,
}

impl PeerServer {
    /// Binds the peer port.
    ///
    /// # Errors
    /// What the system says of the address.
    pub async fn bind(listen: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let local_addr = listener.local_addr()?;
        Ok(Self {
            listener,
            local_addr,
        })
    }

    /// The address that was bound, with the port that the system chose if none was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Answers peers until `shutdown` ends, then closes the port, lets the answers leave that are
    /// ready, and ends the links; calls that the handler has not answered by then are dropped.
    pub async fn serve(
        self,
        handler: Arc<dyn PeerHandler>,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) {
        let incoming = stream::unfold(self.listener, |listener| async move {
            let accepted = accept(&listener).await;
            Some((accepted, listener))
        });
        serve(incoming, handler, shutdown).await;
    }
}

/// A port on another network than the system's; see [`Transport`].
pub struct TransportServer {
    incoming: Incoming,
}

impl TransportServer {
    /// Listens on the peer port.
    ///
    /// # Errors
    /// What the network says of the address.
    pub fn bind(transport: &dyn Transport, listen: SocketAddr) -> io::Result<Self> {
        let incoming = transport.listen(listen)?;
        Ok(Self { incoming })
    }

    /// As [`PeerServer::serve`].
    pub async fn serve(
        self,
        handler: Arc<dyn PeerHandler>,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) {
        let incoming = self.incoming.map(|accepted| accepted.map(Accepted));
        serve(incoming, handler, shutdown).await;
    }
}

async fn serve<C>(
    incoming: impl Stream<Item = io::Result<C>>,
    handler: Arc<dyn PeerHandler>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) where
    C: AsyncRead + AsyncWrite + Connected + Send + Unpin + 'static,
{
    let ending = CancellationToken::new();
    // Links end with this future, however it ends.
    let _guard = ending.clone().drop_guard();
    let service = PeerService::new(Service {
        handler,
        ending: ending.clone(),
        links: Arc::new(Semaphore::new(LINKS_MAX)),
    })
    .max_decoding_message_size(MESSAGE_BYTES_MAX)
    .max_encoding_message_size(MESSAGE_BYTES_MAX);
    let serving = Server::builder()
        .initial_stream_window_size(LINK_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(HTTP2_FRAME_BYTES_MAX)
        .max_concurrent_streams(HTTP2_STREAMS_MAX)
        .http2_keepalive_interval(Some(SERVER_KEEPALIVE))
        .http2_keepalive_timeout(Some(SERVER_KEEPALIVE))
        .serve_with_incoming_shutdown(service, incoming, ending.clone().cancelled_owned());
    let end = async {
        shutdown.await;
        ending.cancel();
        tokio::time::sleep(SHUTDOWN_GRACE).await;
    };
    tokio::select! {
        served = serving => if let Err(error) = served {
            tracing::error!(%error, "the peer port is closed");
        },
        () = end => tracing::warn!("links to peers did not end in time"),
    }
}

/// The next connection that is still there. Errors are those of a connection that went away while
/// it was accepted, or of a process that has no file descriptor left.
async fn accept(listener: &TcpListener) -> io::Result<TcpStream> {
    loop {
        let error = match listener.accept().await {
            Ok((connection, _from)) => match connection.set_nodelay(true) {
                Ok(()) => return Ok(connection),
                Err(error) => error,
            },
            Err(error) => error,
        };
        tracing::warn!(%error, "cannot accept a peer's connection");
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }
}

struct Service {
    handler: Arc<dyn PeerHandler>,
    ending: CancellationToken,
    links: Arc<Semaphore>,
}

#[tonic::async_trait]
impl Peer for Service {
    type LinkStream = Replies;

    async fn link(&self, request: Request<Streaming<Frames>>) -> Result<Response<Replies>, Status> {
        let from = caller(request.metadata())?;
        let Ok(permit) = Arc::clone(&self.links).try_acquire_owned() else {
            return Err(Status::resource_exhausted("too many links are open"));
        };
        let (served, replies) = Served::new(from, Arc::clone(&self.handler));
        let ending = self.ending.clone();
        let inbound = request.into_inner();
        tokio::spawn(async move {
            served.run(inbound, ending).await;
            drop(permit);
        });
        Ok(Response::new(replies))
    }
}

/// Reads the metadata of a link's request.
fn caller(metadata: &MetadataMap) -> Result<Caller, Status> {
    let text = |key: &str| {
        (metadata.get(key).and_then(|value| value.to_str().ok()))
            .ok_or_else(|| Status::invalid_argument(format!("the metadata lacks {key}")))
    };
    let number = |key: &str| {
        (text(key)?.parse::<u64>())
            .map_err(|_| Status::invalid_argument(format!("{key} is not a number")))
    };
    let class = Class::from_name(text(CLASS_KEY)?)
        .ok_or_else(|| Status::invalid_argument(format!("{CLASS_KEY} is not a class")))?;
    Ok(Caller {
        node: NodeId(number(NODE_KEY)?),
        cluster: number(CLUSTER_KEY)?,
        class,
    })
}

#[cfg(test)]
mod tests;
