//! Answers as bytes: outputs and errors, in each protocol.

use bytes::Bytes;
use serde::Serialize;

use super::xml::XmlWriter;
use super::{Protocol, Service};
use crate::error::AwsError;

/// An answer, ready to send. The gateway adds `x-amzn-RequestId` and the date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// HTTP status.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: &'static str,
    /// `x-amzn-query-error`, if the answer is an error in JSON of a service that once spoke Query.
    pub query_error: Option<String>,
    /// The body.
    pub body: Bytes,
}

/// What an action answers.
pub trait Output: Serialize {
    /// Whether the action has no result: an empty body in JSON, no result element in XML.
    const EMPTY: bool = false;
    /// A guess at the size of the encoded body, so that the buffer need not grow.
    fn size_hint(&self) -> usize {
        256
    }
    /// Writes the members, without the element around them.
    fn write_xml(&self, xml: &mut XmlWriter);
}

/// Encodes what `action` of `service` answered.
pub fn encode_output<T: Output>(
    output: &T,
    protocol: Protocol,
    service: Service,
    action: &str,
    request_id: &str,
) -> Encoded {
    let mut buffer = Vec::new();
    if protocol == Protocol::Query {
        buffer.reserve(output.size_hint() + 384);
        let mut xml = XmlWriter::new(&mut buffer);
        let response = format!("{action}Response");
        xml.declaration();
        xml.open_with_namespace(&response, service.xmlns());
        if !T::EMPTY {
            let result = format!("{action}Result");
            xml.open(&result);
            output.write_xml(&mut xml);
            xml.close(&result);
        }
        xml.open("ResponseMetadata");
        xml.text_element("RequestId", request_id);
        xml.close("ResponseMetadata");
        xml.close(&response);
    } else if !T::EMPTY {
        buffer.reserve(output.size_hint());
        if serde_json::to_writer(&mut buffer, output).is_err() {
            // Only a shape that cannot be JSON gets here, and none of ours is one.
            return encode_error(&AwsError::internal_failure(), protocol, service, request_id);
        }
    }
    Encoded {
        status: 200,
        content_type: protocol.content_type(),
        query_error: None,
        body: buffer.into(),
    }
}

#[derive(Serialize)]
struct ServiceErrorBody<'a> {
    __type: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    message: &'a str,
}

/// The one error whose member AWS spells with a capital.
#[derive(Serialize)]
struct SerializationErrorBody<'a> {
    __type: &'a str,
    #[serde(rename = "Message", skip_serializing_if = "str::is_empty")]
    message: &'a str,
}

/// Encodes an error.
pub fn encode_error(
    error: &AwsError,
    protocol: Protocol,
    service: Service,
    request_id: &str,
) -> Encoded {
    let mut buffer = Vec::with_capacity(384);
    let mut query_error = None;
    if protocol == Protocol::Query && *error == AwsError::no_operation() {
        // The one error that AWS does not put into an `ErrorResponse`.
        buffer.extend_from_slice(b"<UnknownOperationException/>\n");
    } else if protocol == Protocol::Query {
        let mut xml = XmlWriter::new(&mut buffer);
        xml.declaration();
        xml.open_with_namespace("ErrorResponse", service.xmlns());
        xml.open("Error");
        xml.text_element("Type", error.fault.as_str());
        xml.text_element("Code", error.query_code);
        xml.text_element("Message", error.query_message.unwrap_or(&error.message));
        xml.open("Detail");
        xml.close("Detail");
        xml.close("Error");
        xml.text_element("RequestId", request_id);
        xml.close("ErrorResponse");
    } else {
        let (kind, message) = (error.json_type, &*error.message);
        let json = if kind == "com.amazon.coral.service#SerializationException" {
            serde_json::to_vec(&SerializationErrorBody {
                __type: kind,
                message,
            })
        } else {
            serde_json::to_vec(&ServiceErrorBody {
                __type: kind,
                message,
            })
        };
        buffer = json.unwrap_or_default();
        query_error = error.query_error_header(service);
    }
    Encoded {
        status: error.status,
        content_type: protocol.content_type(),
        query_error,
        body: buffer.into(),
    }
}
