//! `ListSubscriptions`.

use super::shape::{Answer, write_list};
use crate::protocol::xml::XmlWriter;

page_request! {
    /// Asks for the account's subscriptions.
    ListSubscriptionsRequest, "NextToken"
}

/// A subscription in a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subscription {
    /// Its ARN; [`Subscription::PENDING`] or [`Subscription::DELETED`] while it has none.
    pub subscription_arn: String,
    /// The account that owns it.
    pub owner: String,
    /// How messages go.
    pub protocol: String,
    /// Where they go.
    pub endpoint: String,
    /// The topic.
    pub topic_arn: String,
}

impl Subscription {
    /// Instead of the ARN of a subscription that is not confirmed.
    pub const PENDING: &str = "PendingConfirmation";
    /// Instead of the ARN of a subscription that was deleted a moment ago.
    pub const DELETED: &str = "Deleted";
}

/// Subscriptions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListSubscriptionsResponse {
    /// The subscriptions.
    pub subscriptions: Vec<Subscription>,
    /// If there are more.
    pub next_token: Option<String>,
}

impl Answer for ListSubscriptionsResponse {
    fn size_hint(&self) -> usize {
        let one = |s: &Subscription| {
            s.subscription_arn.len() + s.endpoint.len() + s.topic_arn.len() + 224
        };
        64 + self.subscriptions.iter().map(one).sum::<usize>()
    }

    fn write_xml(&self, xml: &mut XmlWriter<'_>) {
        write_list(xml, "Subscriptions", &self.subscriptions, |xml, one| {
            xml.text_element("SubscriptionArn", &one.subscription_arn);
            xml.text_element("Owner", &one.owner);
            xml.text_element("Protocol", &one.protocol);
            xml.text_element("Endpoint", &one.endpoint);
            xml.text_element("TopicArn", &one.topic_arn);
        });
        xml.optional_element("NextToken", self.next_token.as_deref());
    }
}
