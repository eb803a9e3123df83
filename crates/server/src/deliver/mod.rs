//! What leaves this node for subscriptions: the ways out as configured, a worker for each part of a delivery queue that this
//! node leads and in which something waits, and the node's signature.
//!
//! The workers themselves, and all that speaks to the outside, are `levada-delivery`; the queues are `levada-cluster`'s. Here the
//! two are brought together.

mod inbox;
mod letter;
mod limits;
mod node_courier;
mod phones;
mod settings;
mod signer;
mod statuses;
mod ways;
mod workers;

use std::sync::Arc;
use std::time::Duration;

use levada_cluster::Broker;
use levada_gateway::{Gateway, carry_out_replays, publish_certificate};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error};

use self::node_courier::NodeCourier;
use self::phones::Phones;
pub(crate) use self::signer::NodeSigner;
pub(crate) use self::statuses::Statuses;
pub use self::ways::WaysError;
pub(crate) use self::ways::{Ways, topic_options};

/// Between two tries to put the certificate where the other nodes find it.
const CERTIFICATE_PAUSE: Duration = Duration::from_secs(1);

/// Deliveries under way. Dropping it ends them without grace.
#[derive(Debug)]
pub(crate) struct Deliveries {
    stop: CancellationToken,
    workers: JoinHandle<()>,
    replays: JoinHandle<Option<()>>,
}

impl Deliveries {
    /// Begins to deliver, to bring to phones what is published to them, and to carry out replays of archives.
    pub(crate) fn start(
        broker: Broker,
        ways: &Ways,
        gateway: &Gateway,
        signer: &NodeSigner,
        statuses: Arc<Statuses>,
    ) -> Self {
        let courier = Arc::new(NodeCourier::new(
            broker.clone(),
            ways.couriers(),
            signer.clone(),
        ));
        gateway.reach_phones_by(Arc::new(Phones::new(broker.clone(), ways.couriers())));
        let stop = CancellationToken::new();
        let replays = stop
            .clone()
            .run_until_cancelled_owned(carry_out_replays(broker.clone()));
        let workers = workers::run(broker, courier, statuses, stop.clone());
        Self {
            workers: tokio::spawn(workers),
            replays: tokio::spawn(replays),
            stop,
        }
    }

    /// Claims nothing more, gives what is under way a moment, and puts the rest back for whoever leads next.
    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        if let Err(error) = (&mut self.workers).await {
            error!(%error, "deliveries did not stop cleanly");
        }
        if let Err(error) = (&mut self.replays).await {
            error!(%error, "replays did not stop cleanly");
        }
    }
}

impl Drop for Deliveries {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// An endpoint as it is shown and written to logs: without the name and the password that it may have.
pub(crate) fn endpoint_shown(endpoint: &str) -> String {
    match levada_delivery::Endpoint::parse(endpoint) {
        Ok(url) if url.user().is_some() => url.without_user(),
        _ => endpoint.to_owned(),
    }
}

/// Puts this node's certificate where all nodes find it. Until it is there, what it signs can be checked only by who asks this node.
pub(crate) async fn share_certificate(broker: &Broker, signer: &NodeSigner) {
    let name = signer.name();
    loop {
        let published = publish_certificate(broker, &name, signer.pem());
        match published.await {
            Ok(()) => return,
            Err(error) => {
                debug!(%error, "the certificate is not where the other nodes find it yet")
            }
        }
        tokio::time::sleep(CERTIFICATE_PAUSE).await;
    }
}
