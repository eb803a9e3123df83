//! The ports, one of plain text and one of TLS: accept connections, bound their number together, run hyper on each, and drain
//! them at the end.

use std::convert::Infallible;
use std::future::{Future as _, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::server::TlsStream;
use tracing::{debug, warn};

use crate::connection::{Connection, Connections, Key};
use crate::front::Gateway;
use crate::handshakes::{Handshake, Handshakes};
use crate::limits::{
    ACCEPT_PAUSE, CONNECTIONS_MAX, H2_HEAD_BYTES_MAX, H2_STREAMS_MAX, HANDSHAKE_MAX,
    HANDSHAKES_MAX, HEAD_BYTES_MAX, SWEEP_PERIOD,
};
use crate::tls::Tls;
use crate::watched_io::WatchedIo;

/// What one connection too many is told. Best effort: its socket is closed at once.
const TOO_MANY: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// How often a draining listener looks whether its connections have ended.
const DRAIN_POLL: Duration = Duration::from_millis(10);

/// The open ports.
#[derive(Debug)]
pub struct Listening {
    local_address: SocketAddr,
    port: Arc<Port>,
    accepting: Vec<JoinHandle<()>>,
    sweeping: JoinHandle<()>,
}

/// What the accept loop and the connections share.
struct Port {
    gateway: Arc<Gateway>,
    connections: Connections,
    draining: AtomicBool,
    handshakes: Arc<Handshakes>,
    http: auto::Builder<TokioExecutor>,
}

impl std::fmt::Debug for Port {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Port")
            .field("connections", &self.connections.len())
            .finish_non_exhaustive()
    }
}

/// Opens the port of plain text and begins to answer.
pub async fn listen(address: SocketAddr, gateway: Arc<Gateway>) -> io::Result<Listening> {
    let listener = TcpListener::bind(address).await?;
    let local_address = listener.local_addr()?;
    let port = Arc::new(Port {
        gateway,
        connections: Connections::new(),
        draining: AtomicBool::new(false),
        handshakes: Handshakes::new(HANDSHAKES_MAX),
        http: http_builder(),
    });
    let accepting = tokio::spawn(accept(listener, Arc::clone(&port), None));
    let sweeping = tokio::spawn(sweep(Arc::clone(&port)));
    Ok(Listening {
        local_address,
        port,
        accepting: vec![accepting],
        sweeping,
    })
}

fn http_builder() -> auto::Builder<TokioExecutor> {
    let mut http = auto::Builder::new(TokioExecutor::new());
    // The sweep keeps the times of heads and idle connections. hyper's own timer for heads would run
    // on idle connections too.
    http.http1()
        .max_buf_size(HEAD_BYTES_MAX)
        .header_read_timeout(None)
        .keep_alive(true);
    http.http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(H2_STREAMS_MAX)
        .max_header_list_size(H2_HEAD_BYTES_MAX)
        .keep_alive_interval(Duration::from_secs(60))
        .keep_alive_timeout(Duration::from_secs(20));
    http
}

impl Listening {
    /// Opens a port of TLS beside it; says where. Both share the bounds, and end together.
    pub async fn listen_tls(
        &mut self,
        address: SocketAddr,
        tls: Arc<Tls>,
    ) -> io::Result<SocketAddr> {
        let listener = TcpListener::bind(address).await?;
        let local_address = listener.local_addr()?;
        let accepting = tokio::spawn(accept(listener, Arc::clone(&self.port), Some(tls)));
        self.accepting.push(accepting);
        Ok(local_address)
    }

    /// The address of the port of plain text; its port was chosen by the system if 0 was asked for.
    pub const fn local_address(&self) -> SocketAddr {
        self.local_address
    }

    /// Accepts no more, ends parked polls with an empty answer, and lets requests under way finish, for
    /// at most `drain_max`. What is still open then is cut off.
    pub async fn stop(self, drain_max: Duration) {
        self.accepting.iter().for_each(JoinHandle::abort);
        self.port.gateway.begin_draining();
        self.port.draining.store(true, Ordering::SeqCst);
        self.port.connections.wake_all();
        let drained = async {
            while self.port.connections.len() > 0 {
                tokio::time::sleep(DRAIN_POLL).await;
            }
        };
        if tokio::time::timeout(drain_max, drained).await.is_err() {
            warn!(
                connections = self.port.connections.len(),
                "connections are cut off"
            );
            self.port.connections.abort_all();
        }
        self.sweeping.abort();
    }
}

async fn accept(listener: TcpListener, port: Arc<Port>, tls: Option<Arc<Tls>>) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => port.admit(stream, peer, tls.as_ref()),
            // The peer gave up while it waited; the next one need not suffer.
            Err(e)
                if matches!(
                    e.kind(),
                    io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
                ) => {}
            Err(e) => {
                warn!(error = %e, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn sweep(port: Arc<Port>) {
    let mut ticks = tokio::time::interval(SWEEP_PERIOD);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let cut_off = port.connections.sweep();
        (0..cut_off).for_each(|_| port.gateway.metrics().connection_overdue());
    }
}

impl Port {
    fn admit(self: &Arc<Self>, stream: TcpStream, peer: SocketAddr, tls: Option<&Arc<Tls>>) {
        let has_room = self.connections.len() < CONNECTIONS_MAX;
        let handshake = tls.filter(|_| has_room).map(|tls| {
            let handshake = self.handshakes.begin(peer.ip());
            handshake.map(|handshake| (Arc::clone(tls), handshake))
        });
        if !has_room || matches!(handshake, Some(None)) {
            self.gateway.metrics().connection_refused();
            // What does not fit into the socket's empty buffer is not worth waiting for.
            if tls.is_none() {
                let _ = stream.try_write(TOO_MANY);
            }
            return;
        }
        if let Err(e) = stream.set_nodelay(true) {
            debug!(%peer, error = %e, "the connection ended before it began");
            return;
        }
        let (key, connection) = self.connections.enter(tls.is_some());
        self.gateway.metrics().connection_opened();
        let leave = Leave {
            port: Arc::clone(self),
            key,
        };
        let task = tokio::spawn(async move {
            match handshake {
                Some(Some((tls, handshake))) => {
                    if let Some(stream) = leave.shake_hands(&tls, handshake, stream, peer).await {
                        leave.serve(stream, connection, peer).await;
                    }
                }
                _ => leave.serve(stream, connection, peer).await,
            }
        });
        self.connections.set_task(key, task.abort_handle());
    }
}

/// Takes the connection out of the table, however its task ends.
struct Leave {
    port: Arc<Port>,
    key: Key,
}

impl Leave {
    /// The handshake, within its time, unless the listener drains or somebody else gets its place before it ends.
    async fn shake_hands(
        &self,
        tls: &Tls,
        mut under_way: Handshake,
        stream: TcpStream,
        peer: SocketAddr,
    ) -> Option<TlsStream<TcpStream>> {
        let mut handshake = pin!(tls.accept(stream));
        let (mut is_known, mut is_draining) = (false, false);
        let shaken = poll_fn(|cx| {
            if self.begins_to_drain(cx, &mut is_known, &mut is_draining) {
                return Poll::Ready(None);
            }
            if Pin::new(&mut under_way.displaced).poll(cx).is_ready() {
                let why = "its place went to one from an address that has fewer";
                return Poll::Ready(Some(Err(io::Error::other(why))));
            }
            handshake.as_mut().poll(cx).map(Some)
        });
        let why = match tokio::time::timeout(HANDSHAKE_MAX, shaken).await {
            Ok(Some(Ok(stream))) => return Some(stream),
            Ok(Some(Err(e))) => e.to_string(),
            Ok(None) => return None,
            Err(_) => "it took too long".to_owned(),
        };
        self.port.gateway.metrics().handshake_failed();
        debug!(%peer, error = %why, "a TLS handshake failed");
        None
    }

    /// Runs HTTP until the connection ends.
    async fn serve<S: AsyncRead + AsyncWrite + Unpin + 'static>(
        &self,
        stream: S,
        connection: Arc<Connection>,
        peer: SocketAddr,
    ) {
        let gateway = Arc::clone(&self.port.gateway);
        let io = WatchedIo::new(stream, Arc::clone(&connection));
        let service = service_fn(move |request| {
            let (gateway, connection) = (Arc::clone(&gateway), Arc::clone(&connection));
            async move { Ok::<_, Infallible>(gateway.handle(&connection, peer, request).await) }
        });
        let mut http = pin!(self.port.http.serve_connection(io, service));
        let (mut is_known, mut is_draining) = (false, false);
        let served = poll_fn(|cx| {
            if self.begins_to_drain(cx, &mut is_known, &mut is_draining) {
                http.as_mut().graceful_shutdown();
            }
            http.as_mut().poll(cx)
        });
        if let Err(e) = served.await {
            debug!(%peer, error = %e, "connection ended");
        }
    }

    /// Whether the listener drains, said once. Asking a flag at each poll costs less than a channel that every connection waits on.
    fn begins_to_drain(
        &self,
        cx: &Context<'_>,
        is_known: &mut bool,
        is_draining: &mut bool,
    ) -> bool {
        if !*is_known {
            self.port.connections.set_waker(self.key, cx.waker());
            *is_known = true;
        }
        !*is_draining && self.port.draining.load(Ordering::SeqCst) && {
            *is_draining = true;
            true
        }
    }
}

impl Drop for Leave {
    fn drop(&mut self) {
        self.port.connections.leave(self.key);
        self.port.gateway.metrics().connection_closed();
    }
}
