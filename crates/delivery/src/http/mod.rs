//! Notifications and requests to confirm, posted to an HTTP endpoint with AWS's headers.

mod auth;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use crate::client::{Answer, Call, CallError, Client, Endpoint, Version};
use crate::guard::Origin;
use crate::report::Report;
use crate::sockets::Standing;

/// As AWS calls itself. Some firewalls let nothing else pass.
const USER_AGENT: &str = "Amazon Simple Notification Service Agent";

/// What a post is: `x-amz-sns-message-type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PostKind {
    /// A message of the topic.
    Notification,
    /// Whether it was the endpoint that subscribed.
    SubscriptionConfirmation,
    /// Whether it was the endpoint that unsubscribed.
    UnsubscribeConfirmation,
}

impl PostKind {
    /// As the header has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Notification => "Notification",
            Self::SubscriptionConfirmation => "SubscriptionConfirmation",
            Self::UnsubscribeConfirmation => "UnsubscribeConfirmation",
        }
    }
}

/// What is posted.
#[derive(Clone, PartialEq, Eq)]
pub struct Post {
    /// The subscription's endpoint, with the name and the password that it may have.
    pub url: String,
    /// What it is.
    pub kind: PostKind,
    /// The same in every attempt.
    pub message_id: String,
    /// The topic.
    pub topic_arn: String,
    /// The subscription, once there is one: what asks to confirm it has none.
    pub subscription_arn: Option<String>,
    /// Whether the body is the message alone.
    pub raw: bool,
    /// By the delivery policy.
    pub content_type: String,
    /// The document, or the message.
    pub body: Bytes,
}

impl std::fmt::Debug for Post {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Post")
            .field("url", &Endpoint::parse(&self.url))
            .field("kind", &self.kind)
            .field("message_id", &self.message_id)
            .finish_non_exhaustive()
    }
}

impl Post {
    fn headers(&self) -> Result<HeaderMap, http::Error> {
        let mut headers = HeaderMap::new();
        let mut set = |name: &'static str, value: &str| {
            let value = HeaderValue::from_str(value)?;
            headers.insert(HeaderName::from_static(name), value);
            Ok::<(), http::Error>(())
        };
        set("x-amz-sns-message-type", self.kind.as_str())?;
        set("x-amz-sns-message-id", &self.message_id)?;
        set("x-amz-sns-topic-arn", &self.topic_arn)?;
        if let Some(arn) = &self.subscription_arn {
            set("x-amz-sns-subscription-arn", arn)?;
        }
        if self.raw {
            set("x-amz-sns-rawdelivery", "true")?;
        }
        set("content-type", &self.content_type)?;
        set("user-agent", USER_AGENT)?;
        Ok(headers)
    }

    /// Posts it once; twice where the endpoint asks for a name and a password, which are sent to nobody who did not ask.
    pub async fn send(&self, client: &Client, standing: Standing) -> Report {
        let Ok(endpoint) = Endpoint::parse(&self.url) else {
            return Report::never(None, "the endpoint is no URL");
        };
        let sent = self.exchange(client, &endpoint, standing).await;
        sent.map_or_else(Report::from, |answer| answer.report())
    }

    async fn exchange(
        &self,
        client: &Client,
        endpoint: &Endpoint,
        standing: Standing,
    ) -> Result<Answer, CallError> {
        let mut call = Call {
            endpoint,
            origin: Origin::User,
            standing,
            version: Version::Http1,
            method: Method::POST,
            headers: self.headers()?,
            body: self.body.clone(),
        };
        let answer = client.call(call.clone()).await?;
        let (StatusCode::UNAUTHORIZED, Some(user)) = (answer.status, endpoint.user()) else {
            return Ok(answer);
        };
        let uri = endpoint.path_and_query();
        let Some(proof) = auth::answer(&answer.headers, user, uri, &auth::client_nonce()) else {
            return Ok(answer);
        };
        let mut proof = HeaderValue::from_str(&proof).map_err(http::Error::from)?;
        proof.set_sensitive(true);
        call.headers.insert(header::AUTHORIZATION, proof);
        client.call(call).await
    }
}

#[cfg(test)]
mod tests;
