//! `ListSubscriptionsByTopic`.

use super::shape::{Members, Shape};
use super::{SnsError, paging};

/// Asks for a topic's subscriptions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListSubscriptionsByTopicRequest {
    /// The topic.
    pub topic_arn: String,
    /// Of the page before.
    pub next_token: Option<String>,
}

about_topic!(ListSubscriptionsByTopicRequest, topic_arn, "TopicArn");

impl Shape for ListSubscriptionsByTopicRequest {
    fn read(members: &mut Members<'_>) -> Self {
        Self {
            topic_arn: members.required("TopicArn"),
            next_token: members.text("NextToken"),
        }
    }

    fn check(&self) -> Result<(), SnsError> {
        self.topic()?;
        paging::decode_token(self.next_token.as_deref()).map(drop)
    }
}
