//! Brings a letter to its endpoint, and notes what a platform says of a phone.

use levada_cluster::Broker;
use levada_delivery::{Courier, Couriers, Fate, Outbound, Report, Standing};
use levada_gateway::{EndpointNote, PlatformEndpoint, note_platform_endpoint};
use tracing::warn;

use super::letter::Letter;
use super::signer::{NodeSigner, Signing};

/// This node's couriers, and the way to what they must look up.
#[derive(Clone)]
pub(super) struct NodeCourier {
    broker: Broker,
    couriers: Couriers,
    signing: Signing,
}

impl NodeCourier {
    pub(super) fn new(broker: Broker, couriers: Couriers, signer: NodeSigner) -> Self {
        Self {
            broker,
            couriers,
            signing: Signing::new(signer),
        }
    }
}

impl Courier for NodeCourier {
    type Message = Letter;

    async fn deliver(&self, letter: &Letter, standing: Standing) -> Report {
        match letter.ready(&self.broker, &self.signing).await {
            Ok((outbound, endpoint)) => {
                attempt(
                    &self.broker,
                    &self.couriers,
                    &outbound,
                    endpoint.as_ref(),
                    standing,
                )
                .await
            }
            Err(report) => report,
        }
    }
}

/// One attempt.
pub(super) async fn attempt(
    broker: &Broker,
    couriers: &Couriers,
    outbound: &Outbound,
    endpoint: Option<&PlatformEndpoint>,
    standing: Standing,
) -> Report {
    let report = couriers.deliver(outbound, standing).await;
    let note = match &report.fate {
        Fate::Keep => None,
        Fate::Disable => Some(EndpointNote::Disabled),
        Fate::Replace(token) => Some(EndpointNote::Token(token.clone())),
    };
    if let (Some(note), Some(endpoint)) = (note, endpoint)
        && let Err(error) = note_platform_endpoint(broker, endpoint, &note).await
    {
        // The next message is told the same.
        warn!(%error, endpoint = %endpoint.arn, "what a platform said of an endpoint could not be noted");
    }
    report
}
