//! Connects to a peer and opens the three links. Called by `keeper` only.
//!
//! [`connect`] is the only place that builds a channel: TLS between nodes goes there.

use std::error::Error as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use futures::{Stream, future};
use tonic::metadata::MetadataValue;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Streaming};

use crate::identity::{Class, Identity};
use crate::limits::{
    CONNECTION_WINDOW_BYTES, HTTP2_FRAME_BYTES_MAX, LINK_WINDOW_BYTES, MESSAGE_BYTES_MAX,
};
use crate::link::Link;
use crate::outbox::Source;
use crate::peer::PeerOptions;
use crate::proto::Frames;
use crate::proto::peer_client::PeerClient;
use crate::transport::Connector;

/// Metadata of a link's request.
pub(crate) const CLASS_KEY: &str = "levada-class";
pub(crate) const NODE_KEY: &str = "levada-node";
pub(crate) const CLUSTER_KEY: &str = "levada-cluster";

#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    #[error("the port refuses")]
    Refused,
    #[error("cannot connect: {0}")]
    Connect(String),
    #[error("no connection in time")]
    TimedOut,
    #[error("connected, but the peer says nothing")]
    Silent,
    #[error("connected, but the link was not opened: {0}")]
    Link(tonic::Status),
}

/// The links that were opened and what arrives on each, in the order of [`Class::ALL`].
pub(crate) type Opened = [(Arc<Link>, Streaming<Frames>); 3];

/// Connects within the dial timeout. The links are opened by [`open`], without a limit of time.
pub(crate) async fn connect(address: &str, options: &PeerOptions) -> Result<Channel, DialError> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))
        .map_err(|error| DialError::Connect(describe(&error)))?
        .tcp_nodelay(true)
        .initial_stream_window_size(LINK_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(HTTP2_FRAME_BYTES_MAX);
    let connecting = async {
        match &options.transport {
            None => endpoint.connect().await,
            Some(transport) => {
                let connector = Connector(Arc::clone(transport));
                endpoint.connect_with_connector(connector).await
            }
        }
    };
    match tokio::time::timeout(options.dial_timeout, connecting).await {
        Ok(Ok(channel)) => Ok(channel),
        Ok(Err(error)) if refused(&error) => Err(DialError::Refused),
        Ok(Err(error)) => Err(DialError::Connect(describe(&error))),
        Err(_elapsed) => Err(DialError::TimedOut),
    }
}

pub(crate) async fn open(channel: Channel, me: &Identity) -> Result<Opened, DialError> {
    let client = PeerClient::new(channel)
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX);
    let links = Class::ALL.map(|class| open_link(client.clone(), me, class));
    let [raft, request, bulk] = links;
    let (raft, request, bulk) = future::try_join3(raft, request, bulk).await?;
    Ok([raft, request, bulk])
}

async fn open_link(
    mut client: PeerClient<Channel>,
    me: &Identity,
    class: Class,
) -> Result<(Arc<Link>, Streaming<Frames>), DialError> {
    let link = Link::new();
    let mut request = Request::new(Outgoing(Source(Arc::clone(&link))));
    let metadata = request.metadata_mut();
    metadata.insert(CLASS_KEY, MetadataValue::from_static(class.name()));
    metadata.insert(NODE_KEY, me.node.0.into());
    metadata.insert(CLUSTER_KEY, me.cluster.load(Ordering::Acquire).into());
    let response = client.link(request).await.map_err(DialError::Link)?;
    Ok((link, response.into_inner()))
}

struct Outgoing(Source<Link>);

impl Stream for Outgoing {
    type Item = Frames;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Frames>> {
        self.0.poll_frames(cx)
    }
}

fn refused(error: &tonic::transport::Error) -> bool {
    let mut source = error.source();
    while let Some(error) = source {
        let io = error.downcast_ref::<io::Error>();
        if io.is_some_and(|io| io.kind() == io::ErrorKind::ConnectionRefused) {
            return true;
        }
        source = error.source();
    }
    false
}

fn describe(error: &tonic::transport::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
