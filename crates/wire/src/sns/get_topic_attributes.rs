//! `GetTopicAttributes`.

topic_request! {
    /// Asks for a topic's attributes.
    GetTopicAttributesRequest, topic_arn, "TopicArn"
}

attributes_answer! {
    /// A topic's attributes; see [`super::TopicAttributes::describe`].
    GetTopicAttributesResponse, "Attributes"
}
