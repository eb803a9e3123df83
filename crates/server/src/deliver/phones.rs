//! Brings to a phone what was published to it without a topic.

use std::pin::Pin;

use levada_cluster::Broker;
use levada_delivery::{Couriers, Fate, Outbound, Report, Standing, TextMessage, Verdict};
use levada_gateway::{PhoneCourier, PhoneMessage, PushOutcome};

use super::letter::push_message;
use super::node_courier::attempt;

/// The ways to phones.
#[derive(Clone)]
pub(super) struct Phones {
    broker: Broker,
    couriers: Couriers,
}

impl std::fmt::Debug for Phones {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Phones")
    }
}

impl Phones {
    pub(super) fn new(broker: Broker, couriers: Couriers) -> Self {
        Self { broker, couriers }
    }

    async fn attempt(self, message: PhoneMessage) -> PushOutcome {
        let (outbound, endpoint) = match message {
            PhoneMessage::Text {
                to,
                message,
                sender,
            } => {
                let text = TextMessage {
                    to,
                    message,
                    sender,
                };
                (Outbound::Sms(text), None)
            }
            PhoneMessage::App {
                endpoint,
                message,
                is_platforms,
                attributes,
                message_id,
                time,
            } => {
                let push = push_message(
                    &endpoint,
                    message,
                    is_platforms,
                    attributes,
                    message_id,
                    time,
                );
                (Outbound::Push(push), Some(endpoint))
            }
        };
        let (broker, couriers) = (&self.broker, &self.couriers);
        let report = attempt(
            broker,
            couriers,
            &outbound,
            endpoint.as_deref(),
            Standing::Healthy,
        );
        outcome(report.await)
    }
}

impl PhoneCourier for Phones {
    fn bring(&self, message: PhoneMessage) -> Pin<Box<dyn Future<Output = PushOutcome> + Send>> {
        Box::pin(self.clone().attempt(message))
    }
}

fn outcome(report: Report) -> PushOutcome {
    match (report.verdict, report.fate) {
        (Verdict::Delivered, _) => PushOutcome::Taken,
        (_, Fate::Disable) => PushOutcome::Disabled,
        (Verdict::Never, _) => PushOutcome::Refused(report.detail),
        (Verdict::Retry | Verdict::NotTried, _) => PushOutcome::NotNow(report.detail),
    }
}
