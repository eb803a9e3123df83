//! What topics do and do not, as the operator configured it.

/// Settings of topics. What is not configured is refused when it is subscribed, not when it is published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TopicOptions {
    /// Messages that no endpoint but queues get are not signed: a signature takes a processor a millisecond.
    pub queues_unsigned: bool,
    /// There is a mail server.
    pub has_mail: bool,
    /// There is a gateway for text messages.
    pub has_sms: bool,
    /// There is an endpoint for functions.
    pub has_functions: bool,
}
