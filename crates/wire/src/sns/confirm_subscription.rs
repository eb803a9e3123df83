//! `ConfirmSubscription`.

use super::shape::{Members, Shape};
use super::{SnsError, TopicArn};

/// Confirms a subscription with the token that its endpoint was sent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConfirmSubscriptionRequest {
    /// The topic.
    pub topic_arn: String,
    /// The token.
    pub token: String,
    /// Whether only a signed request shall end the subscription. Counts in a signed request only.
    pub authenticate_on_unsubscribe: bool,
}

impl ConfirmSubscriptionRequest {
    /// The topic's ARN, taken apart.
    pub fn topic(&self) -> Result<TopicArn, SnsError> {
        TopicArn::parse(&self.topic_arn, "TopicArn")
            // Recorded of AWS: it says so of an ARN that has enough elements.
            .map_err(|e| match &*e.message {
                "Invalid parameter: TopicArn" => SnsError::invalid_parameter("Topic"),
                _ => e,
            })
    }
}

impl Shape for ConfirmSubscriptionRequest {
    fn read(members: &mut Members<'_>) -> Self {
        let authenticate = members.text("AuthenticateOnUnsubscribe");
        Self {
            topic_arn: members.required("TopicArn"),
            token: members.required("Token"),
            authenticate_on_unsubscribe: authenticate
                .is_some_and(|text| text.eq_ignore_ascii_case("true")),
        }
    }

    fn check(&self) -> Result<(), SnsError> {
        self.topic()?;
        if self.token.is_empty() {
            return Err(SnsError::invalid_token());
        }
        Ok(())
    }
}

arn_answer! {
    /// The subscription.
    ConfirmSubscriptionResponse, subscription_arn, "SubscriptionArn"
}
