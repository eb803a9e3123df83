//! The life of the process: start, ready, stop.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use levada_cluster::{Broker, Node, NodeOptions, StartError};
use levada_gateway::{Admin as _, Gateway, GatewayOptions, Listening, RequestMetrics};
use thiserror::Error;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};

use crate::config::Config;
use crate::declare;
use crate::deliver::{self, Deliveries, NodeSigner, Ways, WaysError};
use crate::pages::Pages;
use crate::process;
use crate::tls::{self, TlsStartError};

/// Time for requests under way, once the process was told to stop.
const DRAIN_MAX: Duration = Duration::from_secs(4);
/// How often a node that has started asks whether it is ready.
const READY_POLL: Duration = Duration::from_millis(10);
/// Time for the whole stop: after that the process ends, as it could have been killed at any time.
const STOP_MAX: Duration = Duration::from_secs(10);

/// Why a node did not serve.
#[derive(Debug, Error)]
pub enum ServeError {
    /// The node did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The port for clients cannot be opened.
    #[error(
        "cannot listen for clients on {address}: {error}; is another process there? Set http.listen or LEVADA_HTTP_LISTEN"
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        error: io::Error,
    },
    /// The port for clients over TLS cannot be opened.
    #[error(
        "cannot listen for clients over TLS on {address}: {error}; is another process there? Set http.tls.listen or LEVADA_HTTP_TLS_LISTEN"
    )]
    ListenTls {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        error: io::Error,
    },
    /// The certificate cannot be used.
    #[error("no TLS for clients: {0}")]
    Tls(#[from] TlsStartError),
    /// What is to leave the broker cannot.
    #[error(transparent)]
    Ways(#[from] WaysError),
    /// There is no key for signatures.
    #[error("no signatures of what topics send: {0}")]
    Signing(#[from] levada_delivery::SigningError),
    /// The node was taken out of its cluster while it served.
    #[error("{0}")]
    Removed(String),
    /// The system gives no threads, or no signals.
    #[error("the system refuses what a node needs: {0}")]
    System(#[from] io::Error),
}

/// How a node came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// In good order.
    Graceful,
    /// Cut short, by a second signal or because it took too long.
    Forced,
}

/// Runs a node until a signal ends it.
///
/// The port is open before the node has found the others, so that it can say that it lives.
pub async fn serve(config: Config) -> Result<Ending, ServeError> {
    let begun = Instant::now();
    let mut signals = Signals::new()?;
    process::raise_file_limit();
    let requests = Arc::new(RequestMetrics::default());
    let pages = Arc::new(Pages::new(Arc::clone(&requests), config.account));
    let gateway = Arc::new(Gateway::new(
        gateway_options(&config),
        pages.clone(),
        requests,
    ));
    let certificate = certificate(&config)?;
    let ways = Ways::open(&config).await?;
    let listening = levada_gateway::listen(config.http_listen, Arc::clone(&gateway)).await;
    let mut listening = listening.map_err(|error| ServeError::Listen {
        address: config.http_listen,
        error,
    })?;
    if let (Some(certificate), Some(tls)) = (&certificate, &config.tls) {
        let address = tls.listen;
        let opened = listening.listen_tls(address, Arc::clone(certificate)).await;
        let opened = opened.map_err(|error| ServeError::ListenTls { address, error })?;
        info!(https = %opened, certificate = %tls.certificate.display(), "TLS");
    }
    let peers = config.peers.as_ref().map_or("none", |peers| &peers.address);
    info!(http = %listening.local_address(), peers, data_dir = %config.data_dir.display(), "started");
    let following = tls::follow(certificate)?;
    let name = tokio::select! {
        never = following => match never {},
        failed = run(&pages, &gateway, &config, &ways, begun) => {
            if matches!(failed, ServeError::Removed(_)) {
                stop(listening, &pages).await;
            }
            return Err(failed);
        }
        name = signals.next() => name,
    };
    info!(signal = name, "stopping");
    let ending = tokio::select! {
        ending = stop(listening, &pages) => ending,
        _ = signals.next() => Ending::Forced,
    };
    match ending {
        Ending::Graceful => info!("stopped"),
        Ending::Forced => warn!("stopped at once; what was acknowledged is on disk"),
    }
    Ok(ending)
}

/// What TLS is spoken with, if it is.
fn certificate(config: &Config) -> Result<Option<Arc<levada_gateway::Tls>>, TlsStartError> {
    let started = |tls| tls::start(tls, config.public_url.as_deref()).map(Arc::new);
    config.tls.as_ref().map(started).transpose()
}

/// Starts the node and serves. Ends only with the reason why the node did not start, or may not go on.
async fn run(
    pages: &Pages,
    gateway: &Arc<Gateway>,
    config: &Config,
    ways: &Ways,
    begun: Instant,
) -> ServeError {
    let node = match start(config).await {
        Ok(node) => node,
        Err(e) => return e.into(),
    };
    let broker = node.broker();
    let removed = node.removed();
    let signer = match NodeSigner::open(&config.data_dir).await {
        Ok(signer) => signer,
        Err(e) => return e.into(),
    };
    gateway.sign_with(Arc::new(signer.clone()));
    gateway.open(broker.clone());
    // Only now: whoever reads that this node is ready may ask it at once.
    pages.put_node(node);
    let statuses = pages.statuses();
    pages.put_deliveries(Deliveries::start(
        broker.clone(),
        ways,
        gateway,
        &signer,
        statuses,
    ));
    let serving = be_ready(pages, gateway, config, begun, broker, signer);
    tokio::select! {
        farewell = removed => ServeError::Removed(farewell),
        never = serving => match never {},
    }
}

/// Starts the node. One that was taken out and may come back does so with an empty directory.
async fn start(config: &Config) -> Result<Node, StartError> {
    let options = node_options(config);
    let may_come_back = config.peers.as_ref().is_some_and(|peers| peers.rejoin);
    match Node::start(options.clone()).await {
        Err(StartError::Removed(farewell)) if may_come_back => {
            warn!("{farewell}");
            warn!(
                "peers.rejoin is set: the directory is emptied, and this node asks to be let in again"
            );
            levada_cluster::empty_directory(&config.data_dir)?;
            Node::start(options).await
        }
        other => other,
    }
}

/// Waits until the node is ready, sees to what should exist then, and waits for ever.
async fn be_ready(
    pages: &Pages,
    gateway: &Arc<Gateway>,
    config: &Config,
    begun: Instant,
    broker: Broker,
    signer: NodeSigner,
) -> Infallible {
    while pages.ready().is_err() || broker.catch_up_catalog().await.is_err() {
        tokio::time::sleep(READY_POLL).await;
    }
    info!(
        after_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        "ready"
    );
    declare::declare(gateway, declare::declarations(config)).await;
    if config.peers.is_some() {
        deliver::share_certificate(&broker, &signer).await;
    }
    std::future::pending().await
}

/// Turns new clients away, answers those that are here, ends deliveries, hands the leaders over.
async fn stop(listening: Listening, pages: &Pages) -> Ending {
    pages.begin_stopping();
    let stopped = async {
        let deliveries = async {
            if let Some(deliveries) = pages.take_deliveries() {
                deliveries.stop().await;
            }
        };
        tokio::join!(listening.stop(DRAIN_MAX), deliveries);
        if let Some(node) = pages.take_node() {
            node.shutdown().await;
        }
    };
    match tokio::time::timeout(STOP_MAX, stopped).await {
        Ok(()) => Ending::Graceful,
        Err(_) => Ending::Forced,
    }
}

fn node_options(config: &Config) -> NodeOptions {
    let peers = config.peers.clone();
    NodeOptions {
        data_dir: config.data_dir.clone(),
        peers_listen: peers.as_ref().map(|peers| peers.listen),
        members: peers
            .as_ref()
            .map(|peers| peers.members.clone())
            .unwrap_or_default(),
        zone: peers
            .as_ref()
            .map(|peers| peers.zone.clone())
            .unwrap_or_default(),
        peers_address: peers.map(|peers| peers.address).unwrap_or_default(),
        http_address: config
            .public_url
            .clone()
            .unwrap_or_else(|| config.http_listen.to_string()),
        partitions: config.partitions,
        on_demand_window: Duration::from_secs(u64::from(config.on_demand_window_secs)),
    }
}

fn gateway_options(config: &Config) -> GatewayOptions {
    GatewayOptions {
        default_account: config.account,
        default_region: config.region.clone(),
        public_url: config.public_url.clone(),
        deleted_name_wait_ms: u64::from(config.deleted_name_wait_secs) * 1_000,
        admin_callers: config.admin_callers,
        kinesis_limits: config.kinesis_limits,
        topics: deliver::topic_options(&config.delivery),
    }
}

/// The signals that end the process.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
