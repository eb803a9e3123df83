//! Functions: `Invoke` at the endpoint that is configured for them, and what SNS makes of a message for them.
//!
//! The request is not signed: emulators and self-hosted runtimes of functions do not ask for it.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use levada_wire::sns::{MessageAttributeMap, Signature, timestamp};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use crate::client::{Answer, Call, Client, Endpoint, Version};
use crate::guard::Origin;
use crate::report::Report;
use crate::sockets::Standing;

/// A message for a function.
#[derive(Clone, Copy, Debug)]
pub struct FunctionEvent<'a> {
    /// The subscription.
    pub subscription_arn: &'a str,
    /// The message's id.
    pub message_id: &'a str,
    /// The topic.
    pub topic_arn: &'a str,
    /// The subject, if it has one.
    pub subject: Option<&'a str>,
    /// The text for functions.
    pub message: &'a str,
    /// When it was published.
    pub time: levada_types::Timestamp,
    /// As other protocols have it.
    pub signature: Signature<'a>,
    /// The link that ends the subscription.
    pub unsubscribe_url: &'a str,
    /// Its attributes.
    pub attributes: &'a MessageAttributeMap,
}

impl FunctionEvent<'_> {
    /// The event. Two names in it end otherwise than in a notification, as AWS has them.
    pub fn payload(&self) -> Vec<u8> {
        let attributes: Map<String, Value> = self
            .attributes
            .iter()
            .map(|(name, value)| {
                let text = match &value.binary_value {
                    Some(binary) if value.is_binary() => {
                        use base64::Engine as _;
                        base64::prelude::BASE64_STANDARD.encode(binary)
                    }
                    _ => value.string_value.clone().unwrap_or_default(),
                };
                let attribute = json!({"Type": value.data_type, "Value": text});
                (name.clone(), attribute)
            })
            .collect();
        let event = json!({"Records": [{
            "EventSource": "aws:sns",
            "EventVersion": "1.0",
            "EventSubscriptionArn": self.subscription_arn,
            "Sns": {
                "Type": "Notification",
                "MessageId": self.message_id,
                "TopicArn": self.topic_arn,
                "Subject": self.subject,
                "Message": self.message,
                "Timestamp": timestamp(self.time).to_string(),
                "SignatureVersion": self.signature.version.to_string(),
                "Signature": self.signature.signature,
                "SigningCertUrl": self.signature.signing_cert_url,
                "UnsubscribeUrl": self.unsubscribe_url,
                "MessageAttributes": attributes,
            },
        }]});
        event.to_string().into_bytes()
    }
}

/// A function to be invoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invocation {
    /// The subscription's endpoint: `arn:aws:lambda:<region>:<account>:function:<name>[:<qualifier>]`.
    pub function_arn: String,
    /// The event.
    pub payload: Bytes,
}

impl Invocation {
    /// Invokes it once, without waiting for its end.
    pub async fn send(&self, client: &Client, base: &Endpoint, standing: Standing) -> Report {
        let Some(path) = path(&self.function_arn) else {
            return Report::never(None, "the endpoint is not the ARN of a function");
        };
        let endpoint =
            base.with_path(base.path_and_query().trim_end_matches('/').to_owned() + &path);
        let mut headers = HeaderMap::new();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        headers.insert("x-amz-invocation-type", HeaderValue::from_static("Event"));
        let called = client.call(Call {
            endpoint: &endpoint,
            origin: Origin::Operator,
            standing,
            version: Version::Http1,
            method: Method::POST,
            headers,
            body: self.payload.clone(),
        });
        called
            .await
            .map_or_else(Report::from, |answer: Answer| answer.report())
    }
}

fn path(arn: &str) -> Option<String> {
    let mut parts = arn.splitn(6, ':');
    let (_, _, service) = (parts.next()?, parts.next()?, parts.next()?);
    let function = parts.nth(2)?.strip_prefix("function:")?;
    if service != "lambda" {
        return None;
    }
    let (name, qualifier) = match function.split_once(':') {
        Some((name, qualifier)) => (name, Some(qualifier)),
        None => (function, None),
    };
    // What is left as it is: the characters of names.
    const NAME: percent_encoding::AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'_');
    let escaped = |text| utf8_percent_encode(text, &NAME).to_string();
    let query = qualifier.map_or(String::new(), |q| format!("?Qualifier={}", escaped(q)));
    (!name.is_empty())
        .then(|| format!("/2015-03-31/functions/{}/invocations{query}", escaped(name)))
}

#[cfg(test)]
mod tests {
    use levada_types::Timestamp;
    use levada_wire::sns::MessageAttributeValue;

    use super::*;

    #[test]
    fn arns_become_paths() {
        let arn = "arn:aws:lambda:eu-west-1:123456789012:function:my-fun_1";
        let plain = "/2015-03-31/functions/my-fun_1/invocations";
        assert_eq!(path(arn).as_deref(), Some(plain));
        let qualified = format!("{plain}?Qualifier=%24LATEST");
        assert_eq!(path(&format!("{arn}:$LATEST")), Some(qualified));
        for bad in [
            "",
            "my-fun",
            "arn:aws:sqs:r:1:function:x",
            "arn:aws:lambda:r:1:function:",
        ] {
            assert_eq!(path(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_event_has_the_names_that_functions_know() {
        let mut attributes = MessageAttributeMap::new();
        attributes.insert("a".to_owned(), MessageAttributeValue::string("x"));
        attributes.insert(
            "b".to_owned(),
            MessageAttributeValue {
                data_type: "Binary".to_owned(),
                binary_value: Some(Bytes::from_static(b"\0\x01")),
                ..MessageAttributeValue::default()
            },
        );
        let event = FunctionEvent {
            subscription_arn: "arn:s",
            message_id: "id",
            topic_arn: "arn:t",
            subject: None,
            message: "hello",
            time: Timestamp::from_millis(1_335_920_046_655),
            signature: Signature {
                version: 1,
                signature: "sig",
                signing_cert_url: "https://c",
            },
            unsubscribe_url: "https://u",
            attributes: &attributes,
        };
        let expected = json!({"Records": [{
            "EventSource": "aws:sns", "EventVersion": "1.0", "EventSubscriptionArn": "arn:s",
            "Sns": {
                "Type": "Notification", "MessageId": "id", "TopicArn": "arn:t", "Subject": null,
                "Message": "hello", "Timestamp": "2012-05-02T00:54:06.655Z", "SignatureVersion": "1",
                "Signature": "sig", "SigningCertUrl": "https://c", "UnsubscribeUrl": "https://u",
                "MessageAttributes": {
                    "a": {"Type": "String", "Value": "x"},
                    "b": {"Type": "Binary", "Value": "AAE="},
                },
            },
        }]});
        let payload: Value = serde_json::from_slice(&event.payload()).unwrap();
        assert_eq!(payload, expected);
    }
}
