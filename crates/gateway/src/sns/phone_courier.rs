//! What brings a message that was published to one phone there. The server gives the front a courier; without one there are
//! no such messages.

use std::pin::Pin;

use levada_types::Timestamp;
use levada_wire::sns::MessageAttributeMap;

use super::platform_store::PlatformEndpoint;

/// Whom a message is for.
#[derive(Clone, Debug)]
pub enum PhoneMessage {
    /// A phone, as a text message.
    Text {
        /// The number, as E.164 has it.
        to: String,
        /// The text.
        message: String,
        /// The sender's name or number, if one was chosen.
        sender: Option<String>,
    },
    /// An app on a phone.
    App {
        /// Its endpoint.
        endpoint: Box<PlatformEndpoint>,
        /// The text.
        message: String,
        /// The text is the platform's own document.
        is_platforms: bool,
        /// The message's attributes.
        attributes: MessageAttributeMap,
        /// The message's id.
        message_id: String,
        /// When it was published.
        time: Timestamp,
    },
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PushOutcome {
    /// Whoever is next on the way has it.
    Taken,
    /// It may go better another time.
    NotNow(String),
    /// It will not.
    Refused(String),
    /// The app is gone from the phone; that was noted.
    Disabled,
}

/// Brings messages to phones.
pub trait PhoneCourier: std::fmt::Debug + Send + Sync {
    /// Makes one attempt.
    fn bring(&self, message: PhoneMessage) -> Pin<Box<dyn Future<Output = PushOutcome> + Send>>;
}
