//! `DeleteTopic`.

topic_request! {
    /// Deletes a topic and its subscriptions. A topic that is not there is no error.
    DeleteTopicRequest, topic_arn, "TopicArn"
}
