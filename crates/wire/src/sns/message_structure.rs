//! `MessageStructure`: one message with a text for each protocol, or one for all.

use std::collections::BTreeMap;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::Value;

use super::{SnsError, SubscriptionProtocol};

/// The key of the text that goes where no other does.
const DEFAULT: &str = "default";

/// The texts of one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Messages<'a> {
    /// One for all.
    Same(&'a str),
    /// Those of `MessageStructure=json`, by protocol or platform.
    ByProtocol(BTreeMap<String, String>),
}

impl<'a> Messages<'a> {
    /// Reads a message. A message to one endpoint of a platform may do without `default`.
    pub(super) fn parse(
        message: &'a str,
        structure: Option<&str>,
        needs_default: bool,
    ) -> Result<Self, SnsError> {
        match structure {
            None | Some("") => return Ok(Self::Same(message)),
            Some("json") => {}
            // From memory.
            Some(_) => return Err(SnsError::invalid_parameter("MessageStructure")),
        }
        let refuse =
            |why: &str| SnsError::invalid_parameter(format_args!("Message Structure - {why}"));
        let Texts(texts) = serde_json::from_str(message)
            .map_err(|_| refuse("JSON message body failed to parse"))?;
        if needs_default && !texts.contains_key(DEFAULT) {
            return Err(refuse("No default entry in JSON message body"));
        }
        Ok(Self::ByProtocol(texts))
    }

    /// The text for a protocol.
    pub fn for_protocol(&self, protocol: SubscriptionProtocol) -> &str {
        self.for_key(protocol.as_str())
    }

    /// The text for an endpoint of a platform, such as `GCM`, and whether it is the platform's own.
    pub fn for_platform(&self, platform: &str) -> (&str, bool) {
        let is_own = match self {
            Self::Same(_) => false,
            Self::ByProtocol(texts) => texts.contains_key(platform),
        };
        (self.for_key(platform), is_own)
    }

    /// The text for a protocol or a platform, such as `GCM`; the default where it has none.
    pub fn for_key(&self, key: &str) -> &str {
        match self {
            Self::Same(message) => message,
            Self::ByProtocol(texts) => {
                let text = texts.get(key).or_else(|| texts.get(DEFAULT));
                text.map_or("", String::as_str)
            }
        }
    }
}

/// The members of a JSON object that are texts. The last of equal keys counts; what is no text is passed over.
struct Texts(BTreeMap<String, String>);

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct V;
        impl<'de> Visitor<'de> for V {
            type Value = Texts;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a JSON object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Texts, A::Error> {
                let mut texts = BTreeMap::new();
                while let Some(key) = map.next_key::<String>()? {
                    if let Value::String(text) = map.next_value()? {
                        texts.insert(key, text);
                    }
                }
                Ok(Texts(texts))
            }
            fn visit_unit<E: Error>(self) -> Result<Texts, E> {
                Err(E::custom("null is no object"))
            }
        }
        d.deserialize_map(V)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use SubscriptionProtocol as P;

    fn json(message: &str) -> Result<Messages<'_>, SnsError> {
        Messages::parse(message, Some("json"), true)
    }

    #[test]
    fn a_protocol_without_a_text_has_the_default() {
        let message = r#"{"default":"d","sqs":"q","https":"h","email":"","http":7,"nobody":"n"}"#;
        let texts = json(message).unwrap();
        for (protocol, text) in [
            (P::Sqs, "q"),
            (P::Https, "h"),
            (P::Email, ""),
            (P::Http, "d"),
            (P::Lambda, "d"),
        ] {
            assert_eq!(texts.for_protocol(protocol), text);
        }
        assert_eq!(texts.for_key("GCM"), "d");
        assert_eq!(texts.for_platform("sqs"), ("q", true));
        assert_eq!(texts.for_platform("GCM"), ("d", false));
        let plain = Messages::parse(message, None, true).unwrap();
        assert_eq!(plain.for_protocol(P::Sqs), message);
    }

    #[test]
    fn what_awss_recordings_refuse_and_take() {
        let no_default =
            "Invalid parameter: Message Structure - No default entry in JSON message body";
        let no_json = "Invalid parameter: Message Structure - JSON message body failed to parse";
        for (bad, message) in [
            ("{}", no_default),
            (r#"{"sqs":"x"}"#, no_default),
            (r#"{"default":{"a":1}}"#, no_default),
            (r#"{"default":1}"#, no_default),
            ("{'default': 'x'}", no_json),
            ("", no_json),
            ("[]", no_json),
            ("null", no_json),
            ("{} {}", no_json),
        ] {
            assert_eq!(json(bad).unwrap_err().message, message, "{bad}");
        }
        let twice = json(r#"{"default":"a","default":"b"}"#).unwrap();
        assert_eq!(twice.for_protocol(P::Sqs), "b");
        let to_endpoint = Messages::parse(r#"{"GCM":"g"}"#, Some("json"), false).unwrap();
        assert_eq!(
            (to_endpoint.for_key("GCM"), to_endpoint.for_key("APNS")),
            ("g", "")
        );
        let other = Messages::parse("x", Some("xml"), true).unwrap_err();
        assert_eq!(other.message, "Invalid parameter: MessageStructure");
    }
}
