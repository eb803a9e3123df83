//! A handler with a few methods, a server that can be killed, and a wire that can be held.

#![allow(dead_code)] // Each test file uses a part.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use levada_rpc::{
    Caller, Identity, PeerHandler, PeerOptions, PeerServer, PeerState, Peers, RemoteError,
    StreamReceiver, StreamSender,
};
use levada_types::NodeId;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};

/// Answers with the body, at once.
pub(crate) const ECHO: u32 = 1;
/// Answers with the body after the task was spawned.
pub(crate) const LATER: u32 = 2;
/// Never answers.
pub(crate) const STALL: u32 = 3;
/// Answers with error 7 and the body as its message.
pub(crate) const FAIL: u32 = 4;
/// Panics at the first poll.
pub(crate) const PANIC: u32 = 5;
/// Answers with as many bytes as the partition says.
pub(crate) const GROW: u32 = 6;
/// Answers with who called.
pub(crate) const WHO: u32 = 8;
/// Panics after the task was spawned.
pub(crate) const PANIC_LATER: u32 = 9;
/// Streams: sends back what comes.
pub(crate) const STREAM_ECHO: u32 = 20;
/// Streams: takes nothing and sends nothing.
pub(crate) const STREAM_HELD: u32 = 21;
/// Streams: takes one item, then drops its receiver and then its sender.
pub(crate) const STREAM_ONE: u32 = 22;
/// Streams: sends items as fast as it can until the peer stops it.
pub(crate) const STREAM_FLOOD: u32 = 23;

/// Long enough for anything that should happen, on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug)]
pub(crate) struct Handler {
    /// Calls of STALL that began and were not dropped.
    pub(crate) stalled: watch::Sender<usize>,
    pub(crate) stalled_max: AtomicUsize,
    pub(crate) streams_ended: watch::Sender<usize>,
}

impl Handler {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            stalled: watch::Sender::new(0),
            stalled_max: AtomicUsize::new(0),
            streams_ended: watch::Sender::new(0),
        })
    }

    pub(crate) async fn until_stalled(&self, count: usize) {
        until(self.stalled.subscribe(), |now| *now == count).await;
    }
}

/// Waits for a value of a watch.
pub(crate) async fn until<T: Clone + std::fmt::Debug>(
    mut watch: watch::Receiver<T>,
    wanted: impl FnMut(&T) -> bool,
) {
    let found = tokio::time::timeout(PATIENCE, watch.wait_for(wanted)).await;
    let found = found.is_ok_and(|found| found.is_ok());
    if !found {
        let last = watch.borrow().clone();
        panic!("waited in vain, last was {last:?}");
    }
}

struct Stalled(watch::Sender<usize>);

impl Drop for Stalled {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

impl PeerHandler for Handler {
    fn call(
        &self,
        from: Caller,
        method: u32,
        partition: u32,
        body: Bytes,
    ) -> BoxFuture<'static, Result<Bytes, RemoteError>> {
        match method {
            ECHO => std::future::ready(Ok(body)).boxed(),
            LATER => async move {
                tokio::task::yield_now().await;
                Ok(body)
            }
            .boxed(),
            STALL => {
                let stalled = self.stalled.clone();
                stalled.send_modify(|count| *count += 1);
                self.stalled_max
                    .fetch_max(*stalled.borrow(), Ordering::Relaxed);
                let stalled = Stalled(stalled);
                async move {
                    let _stalled = stalled;
                    std::future::pending().await
                }
                .boxed()
            }
            FAIL => {
                let message = String::from_utf8_lossy(&body).into_owned();
                std::future::ready(Err(RemoteError::new(7, message))).boxed()
            }
            PANIC => async { panic!("as the test asked") }.boxed(),
            PANIC_LATER => async {
                tokio::task::yield_now().await;
                panic!("as the test asked")
            }
            .boxed(),
            GROW => std::future::ready(Ok(Bytes::from(vec![7; partition as usize]))).boxed(),
            WHO => std::future::ready(Ok(Bytes::from(format!("{from:?}")))).boxed(),
            other => panic!("no method {other}"),
        }
    }

    fn stream(
        &self,
        _from: Caller,
        method: u32,
        _partition: u32,
        mut inbound: StreamReceiver,
        outbound: StreamSender,
    ) -> BoxFuture<'static, ()> {
        let ended = self.streams_ended.clone();
        async move {
            match method {
                STREAM_ECHO => {
                    while let Some(item) = inbound.next().await {
                        if outbound.send(item).await.is_err() {
                            break;
                        }
                    }
                }
                STREAM_HELD => std::future::pending().await,
                STREAM_ONE => {
                    let item = inbound.next().await;
                    drop(inbound);
                    if let Some(item) = item {
                        let _ = outbound.send(item).await;
                    }
                }
                STREAM_FLOOD => {
                    let mut number = 0_u64;
                    while outbound
                        .send(Bytes::copy_from_slice(&number.to_be_bytes()))
                        .await
                        .is_ok()
                    {
                        number += 1;
                    }
                }
                other => panic!("no stream {other}"),
            }
            ended.send_modify(|count| *count += 1);
        }
        .boxed()
    }
}

/// A server with a runtime of its own, so that it can be killed as a process would be.
pub(crate) struct Node {
    pub(crate) addr: SocketAddr,
    runtime: Option<tokio::runtime::Runtime>,
    shutdown: Option<oneshot::Sender<()>>,
    served: Option<oneshot::Receiver<()>>,
}

impl Node {
    pub(crate) async fn start(listen: SocketAddr, handler: Arc<Handler>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        let (shutdown, stop) = oneshot::channel();
        let (bound, addr) = oneshot::channel();
        let (done, served) = oneshot::channel();
        runtime.spawn(async move {
            let server = loop {
                // The port of a server that was killed is free when its last socket is gone.
                match PeerServer::bind(listen).await {
                    Ok(server) => break server,
                    Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse),
                }
                tokio::task::yield_now().await;
            };
            let _ = bound.send(server.local_addr());
            server
                .serve(handler, async {
                    let _ = stop.await;
                })
                .await;
            let _ = done.send(());
        });
        Self {
            addr: addr.await.expect("bound"),
            runtime: Some(runtime),
            shutdown: Some(shutdown),
            served: Some(served),
        }
    }

    pub(crate) async fn new(handler: Arc<Handler>) -> Self {
        Self::start(SocketAddr::from(([127, 0, 0, 1], 0)), handler).await
    }

    /// Drops every task and socket at once.
    pub(crate) fn kill(mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }

    /// Shuts down in good order; returns when the server has.
    pub(crate) async fn stop(mut self) {
        drop(self.shutdown.take());
        if let Some(served) = self.served.take() {
            served.await.expect("served to the end");
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

pub(crate) fn peers() -> Peers {
    let me = Identity {
        node: NodeId(41),
        cluster: Arc::new(AtomicU64::new(9)),
    };
    Peers::new(me, PeerOptions::default())
}

pub(crate) async fn until_state(peer: &levada_rpc::Peer, wanted: PeerState) {
    until(peer.state(), |state| *state == wanted).await;
}

/// A wire between a caller and a server that can be held: nothing passes, nothing breaks.
pub(crate) struct Wire {
    pub(crate) addr: SocketAddr,
    pub(crate) held: watch::Sender<bool>,
}

impl Wire {
    pub(crate) async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let addr = listener.local_addr().expect("addr");
        let held = watch::Sender::new(false);
        let watch = held.clone();
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let Ok(far) = TcpStream::connect(server).await else {
                    continue;
                };
                let (near_in, near_out) = near.into_split();
                let (far_in, far_out) = far.into_split();
                tokio::spawn(pass(near_in, far_out, watch.subscribe()));
                tokio::spawn(pass(far_in, near_out, watch.subscribe()));
            }
        });
        Self { addr, held }
    }
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut held: watch::Receiver<bool>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count) = from.read(&mut buffer).await {
        if count == 0 || held.wait_for(|held| !held).await.is_err() {
            return;
        }
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}
