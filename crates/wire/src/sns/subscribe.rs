//! `Subscribe`.

use std::collections::BTreeMap;

use super::attribute_error::AttributeError;
use super::shape::{Members, Shape};
use super::{SnsError, SubscriptionAttributes, SubscriptionFacts, SubscriptionProtocol};

/// What `Subscribe` answers for an ARN while the endpoint has not confirmed, unless the ARN was asked for.
pub const PENDING_CONFIRMATION: &str = "pending confirmation";

/// Subscribes an endpoint to a topic.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SubscribeRequest {
    /// The topic.
    pub topic_arn: String,
    /// As sent; [`Self::subscription_protocol`] reads it.
    pub protocol: String,
    /// Where messages go.
    pub endpoint: Option<String>,
    /// As sent; [`Self::subscription_attributes`] reads them.
    pub attributes: BTreeMap<String, String>,
    /// Whether the ARN is answered even of a subscription that is not confirmed.
    pub return_subscription_arn: bool,
}

about_topic!(SubscribeRequest, topic_arn, "TopicArn");

impl SubscribeRequest {
    /// How messages go.
    pub fn subscription_protocol(&self) -> Result<SubscriptionProtocol, SnsError> {
        SubscriptionProtocol::from_name(&self.protocol).ok_or_else(|| {
            SnsError::invalid_parameter(format_args!(
                "Amazon SNS does not support this protocol string: {}",
                self.protocol
            ))
        })
    }

    /// Where messages go; empty if it is missing.
    pub fn endpoint(&self) -> &str {
        self.endpoint.as_deref().unwrap_or("")
    }

    /// The attributes, read and checked against the protocol, the endpoint and the topic.
    pub fn subscription_attributes(&self) -> Result<SubscriptionAttributes, SnsError> {
        let facts = SubscriptionFacts {
            protocol: self.subscription_protocol()?,
            endpoint: self.endpoint(),
            fifo_topic: self.topic()?.name.is_fifo(),
        };
        SubscriptionAttributes::for_create(&self.attributes, &facts)
            .map_err(AttributeError::among_several)
    }
}

impl Shape for SubscribeRequest {
    fn read(members: &mut Members<'_>) -> Self {
        Self {
            topic_arn: members.required("TopicArn"),
            protocol: members.required("Protocol"),
            endpoint: members.text("Endpoint"),
            attributes: members.map("Attributes"),
            return_subscription_arn: members.flag("ReturnSubscriptionArn").unwrap_or(false),
        }
    }

    fn check(&self) -> Result<(), SnsError> {
        let topic = self.topic()?;
        let protocol = self.subscription_protocol()?;
        protocol.check_endpoint(self.endpoint(), topic.name.is_fifo())?;
        self.subscription_attributes().map(drop)
    }
}

arn_answer! {
    /// The subscription, or [`PENDING_CONFIRMATION`].
    SubscribeResponse, subscription_arn, "SubscriptionArn"
}
