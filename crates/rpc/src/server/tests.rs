//! A server against peers that don't keep to the protocol.

use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};
use tonic::Code;

use super::*;
use crate::error::{RemoteError, code};
use crate::limits::{BODY_BYTES_MAX, STREAM_WINDOW_UNITS};
use crate::link::frame;
use crate::proto::peer_client::PeerClient;
use crate::proto::{Frame, FrameKind};
use crate::stream::{StreamReceiver, StreamSender};

const PATIENCE: Duration = Duration::from_secs(20);

/// Echoes calls, holds streams.
struct Echo;

impl PeerHandler for Echo {
    fn call(
        &self,
        _from: Caller,
        _method: u32,
        _partition: u32,
        body: Bytes,
    ) -> BoxFuture<'static, Result<Bytes, RemoteError>> {
        std::future::ready(Ok(body)).boxed()
    }

    fn stream(
        &self,
        _from: Caller,
        _method: u32,
        _partition: u32,
        inbound: StreamReceiver,
        outbound: StreamSender,
    ) -> BoxFuture<'static, ()> {
        async move {
            let _held = (inbound, outbound);
            std::future::pending::<()>().await;
        }
        .boxed()
    }
}

/// Dropping the sender ends the server.
async fn serve() -> (SocketAddr, oneshot::Sender<()>) {
    let server = PeerServer::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await;
    let server = server.expect("bound");
    let addr = server.local_addr();
    let (running, ended) = oneshot::channel();
    tokio::spawn(server.serve(Arc::new(Echo), async {
        let _ = ended.await;
    }));
    (addr, running)
}

/// A link in the hands of a test.
struct Raw {
    out: mpsc::Sender<Frames>,
    inbound: Streaming<Frames>,
}

impl Raw {
    async fn open(addr: SocketAddr, metadata: &[(&'static str, &str)]) -> Result<Self, Status> {
        let client = PeerClient::connect(format!("http://{addr}")).await;
        let mut client = client
            .expect("connected")
            .max_encoding_message_size(usize::MAX);
        let (out, source) = mpsc::channel(8);
        let source = stream::unfold(source, |mut source: mpsc::Receiver<Frames>| async move {
            Some((source.recv().await?, source))
        });
        let mut request = Request::new(source);
        for (key, value) in metadata {
            let value = value.parse().expect("metadata");
            request.metadata_mut().insert(*key, value);
        }
        let inbound = client.link(request).await?.into_inner();
        Ok(Self { out, inbound })
    }

    async fn good(addr: SocketAddr) -> Self {
        let metadata = [(CLASS_KEY, "request"), (NODE_KEY, "1"), (CLUSTER_KEY, "2")];
        Self::open(addr, &metadata).await.expect("opened")
    }

    async fn send(&self, frames: Vec<Frame>) {
        self.out.send(Frames { frames }).await.expect("open");
    }

    async fn next(&mut self) -> Result<Vec<Frame>, Status> {
        let message = tokio::time::timeout(PATIENCE, self.inbound.message()).await;
        let frames = message.expect("in time")?;
        Ok(frames.map(|frames| frames.frames).unwrap_or_default())
    }

    async fn echoes(&mut self, call: u64) {
        self.send(vec![frame(call, FrameKind::Call)]).await;
        assert_eq!(
            self.next().await.expect("frames"),
            [frame(call, FrameKind::Reply)]
        );
    }
}

#[tokio::test]
async fn a_link_must_say_who_and_what_it_is() {
    let (addr, _running) = serve().await;
    let cases: [(&[(&'static str, &str)], &str); 4] = [
        (&[], "the metadata lacks levada-class"),
        (&[(CLASS_KEY, "urgent")], "levada-class is not a class"),
        (&[(CLASS_KEY, "raft")], "the metadata lacks levada-node"),
        (
            &[(CLASS_KEY, "raft"), (NODE_KEY, "1"), (CLUSTER_KEY, "-1")],
            "levada-cluster is not a number",
        ),
    ];
    for (metadata, words) in cases {
        let refused = Raw::open(addr, metadata).await.err().expect("refused");
        assert_eq!(
            (refused.code(), refused.message()),
            (Code::InvalidArgument, words)
        );
    }
}

#[tokio::test]
async fn frames_that_mean_nothing_are_dropped() {
    let (addr, _running) = serve().await;
    let mut raw = Raw::good(addr).await;
    let kinds = [0, 2, 3, 5, 6, 8, 9, 10, 11, 99, -1];
    let garbage = |call| {
        kinds.map(|kind| Frame {
            call,
            kind,
            method: u32::MAX,
            partition: u32::MAX,
            body: Bytes::from_static(b"\xff\xfe"),
        })
    };
    raw.send(garbage(0).into()).await;
    // To an open stream, and to one that is closed by then.
    raw.send(vec![
        frame(1, FrameKind::StreamOpen),
        frame(1, FrameKind::StreamOpen),
    ])
    .await;
    raw.send(garbage(1).into()).await;
    raw.send(garbage(1).into()).await;
    raw.echoes(2).await;
    raw.send(Vec::new()).await;
    raw.echoes(3).await;
}

#[tokio::test]
async fn a_ping_is_answered() {
    let (addr, _running) = serve().await;
    let mut raw = Raw::good(addr).await;
    raw.send(vec![frame(4, FrameKind::Ping)]).await;
    assert_eq!(
        raw.next().await.expect("frames"),
        [frame(4, FrameKind::Pong)]
    );
}

#[tokio::test]
async fn a_stream_that_overruns_its_window_is_stopped() {
    let (addr, _running) = serve().await;
    let mut raw = Raw::good(addr).await;
    raw.send(vec![frame(1, FrameKind::StreamOpen)]).await;
    let items = vec![frame(1, FrameKind::StreamItem); STREAM_WINDOW_UNITS as usize];
    raw.send(items).await;
    raw.echoes(2).await;
    raw.send(vec![frame(1, FrameKind::StreamItem)]).await;
    assert_eq!(
        raw.next().await.expect("frames"),
        [frame(1, FrameKind::StreamStop)]
    );
    raw.echoes(3).await;
}

#[tokio::test]
async fn too_large_a_body_is_an_error_and_too_large_a_message_ends_the_link() {
    let (addr, _running) = serve().await;
    let mut raw = Raw::good(addr).await;
    let large = |bytes: usize| Frame {
        body: vec![0; bytes].into(),
        ..frame(1, FrameKind::Call)
    };
    raw.send(vec![large(BODY_BYTES_MAX + 1)]).await;
    let answer = raw.next().await.expect("frames");
    assert_eq!(answer.len(), 1);
    assert_eq!(
        (answer[0].kind(), answer[0].method),
        (FrameKind::Error, code::TOO_LARGE)
    );
    assert_eq!(answer[0].body, "the body is larger than a frame may carry");
    raw.echoes(2).await;

    raw.send(vec![large(MESSAGE_BYTES_MAX + 1)]).await;
    let ended = raw.next().await;
    assert!(ended.is_ok_and(|frames| frames.is_empty()) || raw.inbound.message().await.is_err());
    Raw::good(addr).await.echoes(1).await;
}

#[tokio::test]
async fn bytes_that_are_no_http2_end_their_connection_only() {
    let (addr, _running) = serve().await;
    let mut good = Raw::good(addr).await;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    for bytes in [
        &[0xff; 4096][..],
        b"GET / HTTP/1.1\r\n\r\n",
        &[preface, &[0xff; 4096][..]].concat(),
    ] {
        let mut raw = TcpStream::connect(addr).await.expect("connected");
        // The server may hang up before it has read everything.
        let _ = raw.write_all(bytes).await;
        let _ = raw.shutdown().await;
        let mut answer = Vec::new();
        let ended = tokio::time::timeout(PATIENCE, raw.read_to_end(&mut answer)).await;
        assert!(ended.is_ok(), "the connection is still open");
    }
    good.echoes(1).await;
}
