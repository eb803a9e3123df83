//! Apps on phones: Google's FCM, Apple's APNs, Amazon's ADM.
//!
//! A platform's addresses are the operator's (the defaults are the platforms' own); its credentials are a user's. Nothing in a
//! credential chooses an address, or whoever may make an application could have the broker send requests where he likes.

mod access;
mod adm;
mod apns;
mod fcm;
mod jwt;
mod remembered;

use std::sync::Arc;

use levada_types::Timestamp;
use levada_wire::sns::MessageAttributeMap;
use serde_json::{Map, Value, json};

use self::access::AccessTokens;
use self::apns::Apns;
use crate::client::{BadUrl, Client, Endpoint};
use crate::limits::PUSH_PAYLOAD_BYTES_MAX;
use crate::report::Report;
use crate::sockets::Standing;

/// Where the platforms are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushAddresses {
    /// FCM's messages.
    pub fcm: String,
    /// Google's access tokens.
    pub google_tokens: String,
    /// APNs for apps from the store.
    pub apns: String,
    /// APNs for apps under development.
    pub apns_sandbox: String,
    /// ADM's messages.
    pub adm: String,
    /// Amazon's access tokens.
    pub amazon_tokens: String,
}

impl Default for PushAddresses {
    fn default() -> Self {
        let own = |text: &str| text.to_owned();
        Self {
            fcm: own("https://fcm.googleapis.com"),
            google_tokens: own("https://oauth2.googleapis.com/token"),
            apns: own("https://api.push.apple.com"),
            apns_sandbox: own("https://api.sandbox.push.apple.com"),
            adm: own("https://api.amazon.com"),
            amazon_tokens: own("https://api.amazon.com/auth/O2/token"),
        }
    }
}

/// A platform application's credentials: its attributes.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct PushCredentials {
    /// `PlatformPrincipal`: a certificate of Apple's or the id of a key of theirs; Amazon's client id.
    pub principal: String,
    /// `PlatformCredential`: a key of Apple's; Google's service account in JSON; Amazon's client secret.
    pub credential: String,
    /// `ApplePlatformTeamID`.
    pub team_id: String,
    /// `ApplePlatformBundleID`.
    pub bundle_id: String,
}

impl std::fmt::Debug for PushCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PushCredentials")
    }
}

/// The text for a platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PushText {
    /// The default text, for any protocol.
    Plain(String),
    /// The entry of the platform, such as `GCM`, in a message of several: a JSON document of the platform's.
    Structured(String),
}

impl PushText {
    /// The document, or the plain text in the document that `plain` makes.
    fn document(&self, plain: fn(&str) -> Value) -> Result<Map<String, Value>, Report> {
        let bad =
            |why: &str| Report::never(None, format_args!("the message for the platform {why}"));
        let document = match self {
            Self::Plain(text) => plain(text),
            Self::Structured(text) => serde_json::from_str(text).map_err(|_| bad("is not JSON"))?,
        };
        match document {
            Value::Object(map) => Ok(map),
            _ => Err(bad("is not a JSON object")),
        }
    }
}

/// A message for one endpoint of a platform.
#[derive(Clone, Debug)]
pub struct PushMessage {
    /// Such as `GCM`.
    pub platform: String,
    /// Of its application.
    pub credentials: Arc<PushCredentials>,
    /// The endpoint's `Token`.
    pub token: String,
    /// The text.
    pub text: PushText,
    /// The message's attributes, of which `AWS.SNS.MOBILE.*` are for platforms.
    pub attributes: Arc<MessageAttributeMap>,
    /// The message's id.
    pub message_id: String,
    /// When it was published, from which its time to live counts.
    pub time: Timestamp,
}

impl PushMessage {
    /// `AWS.SNS.MOBILE.<platform>.<name>`.
    fn reserved(&self, platform: &str, name: &str) -> Option<&str> {
        let attribute = self
            .attributes
            .get(&format!("AWS.SNS.MOBILE.{platform}.{name}"))?;
        attribute.string_value.as_deref()
    }

    /// `AWS.SNS.MOBILE.<platform>.TTL`, in seconds.
    fn ttl_secs(&self, platform: &str) -> Option<u64> {
        self.reserved(platform, "TTL")?.trim().parse().ok()
    }
}

/// Sends to platforms. Cloned freely.
#[derive(Clone, Debug)]
pub struct Push(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    client: Client,
    fcm: Endpoint,
    google_tokens: Endpoint,
    adm: Endpoint,
    amazon_tokens: Endpoint,
    access: AccessTokens,
    apns: Apns,
}

impl Push {
    /// At these addresses.
    pub fn new(client: Client, addresses: &PushAddresses) -> Result<Self, BadUrl> {
        Ok(Self(Arc::new(Inner {
            fcm: Endpoint::parse(&addresses.fcm)?,
            google_tokens: Endpoint::parse(&addresses.google_tokens)?,
            adm: Endpoint::parse(&addresses.adm)?,
            amazon_tokens: Endpoint::parse(&addresses.amazon_tokens)?,
            apns: Apns::new(
                client.clone(),
                Endpoint::parse(&addresses.apns)?,
                Endpoint::parse(&addresses.apns_sandbox)?,
            ),
            access: AccessTokens::default(),
            client,
        })))
    }

    /// Sends one message.
    pub async fn send(&self, message: &PushMessage, standing: Standing) -> Report {
        let (PushText::Plain(text) | PushText::Structured(text)) = &message.text;
        if text.len() > PUSH_PAYLOAD_BYTES_MAX {
            return Report::never(
                None,
                format_args!("a message for a platform has at most {PUSH_PAYLOAD_BYTES_MAX} bytes"),
            );
        }
        let inner = &*self.0;
        let sent = match message.platform.as_str() {
            "GCM" | "FCM" => fcm::send(inner, message, standing).await,
            "ADM" => adm::send(inner, message, standing).await,
            "APNS" | "APNS_SANDBOX" | "APNS_VOIP" | "APNS_VOIP_SANDBOX" | "MACOS"
            | "MACOS_SANDBOX" => inner.apns.send(message, standing).await,
            other => Err(Report::never(
                None,
                format_args!("the platform {other} is not served"),
            )),
        };
        sent.unwrap_or_else(|report| report)
    }
}

/// What apps of Google's and Amazon's get of a plain text.
fn plain_data(text: &str) -> Value {
    json!({"data": {"default": text}})
}

#[cfg(test)]
mod tests;
