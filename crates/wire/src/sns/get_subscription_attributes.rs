//! `GetSubscriptionAttributes`.

subscription_request! {
    /// Asks for a subscription's attributes.
    GetSubscriptionAttributesRequest, subscription_arn, "SubscriptionArn"
}

attributes_answer! {
    /// A subscription's attributes; see [`super::SubscriptionAttributes::describe`].
    GetSubscriptionAttributesResponse, "Attributes"
}
