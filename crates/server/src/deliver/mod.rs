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
use levada_gateway::{Gateway, publish_certificate};
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
}

impl Deliveries {
    /// Begins to deliver, and to bring to phones what is published to them.
    pub(crate) fn start(
        broker: Broker,
        ways: &Ways,
        gateway: &Gateway,
        statuses: Arc<Statuses>,
    ) -> Self {
        let courier = Arc::new(NodeCourier::new(broker.clone(), ways.couriers()));
        gateway.reach_phones_by(Arc::new(Phones::new(broker.clone(), ways.couriers())));
        let stop = CancellationToken::new();
        let workers = workers::run(broker, courier, statuses, stop.clone());
        Self {
            workers: tokio::spawn(workers),
            stop,
        }
    }

    /// Claims nothing more, gives what is under way a moment, and puts the rest back for whoever leads next.
    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        if let Err(error) = (&mut self.workers).await {
            error!(%error, "deliveries did not stop cleanly");
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
