//! `Unsubscribe`.

subscription_request! {
    /// Ends a subscription. One that is not there is no error.
    UnsubscribeRequest, subscription_arn, "SubscriptionArn"
}
