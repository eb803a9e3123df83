//! Answers as bytes: outputs and errors, in each protocol.

use bytes::Bytes;
use serde::Serialize;

use super::cbor::{self, CannotEncode};
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

impl Encoded {
    /// A success with this body.
    pub(crate) fn ok(protocol: Protocol, body: Vec<u8>) -> Self {
        Self {
            status: 200,
            content_type: protocol.content_type(),
            query_error: None,
            body: body.into(),
        }
    }
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
    if protocol == Protocol::Query {
        let write = |xml: &mut XmlWriter<'_>| output.write_xml(xml);
        let result: Option<WriteResult<'_>> = if T::EMPTY { None } else { Some(&write) };
        encode_xml(result, output.size_hint(), service, action, request_id)
    } else if T::EMPTY {
        Encoded::ok(protocol, Vec::new())
    } else {
        encode_document(output, output.size_hint(), protocol, service)
    }
}

/// What writes the members of a result, without the element around them.
pub(crate) type WriteResult<'a> = &'a dyn Fn(&mut XmlWriter<'_>);

/// Encodes what `action` of `service` answered in XML, without a result element if it has no result. `size_hint`
/// is a guess at the bytes of the result.
pub(crate) fn encode_xml(
    write_result: Option<WriteResult<'_>>,
    size_hint: usize,
    service: Service,
    action: &str,
    request_id: &str,
) -> Encoded {
    let mut buffer = Vec::with_capacity(size_hint + 384);
    let mut xml = XmlWriter::new(&mut buffer);
    let response = format!("{action}Response");
    xml.declaration();
    xml.open_with_namespace(&response, service.xmlns());
    if let Some(write) = write_result {
        let result = format!("{action}Result");
        xml.open(&result);
        write(&mut xml);
        xml.close(&result);
    }
    xml.open("ResponseMetadata");
    xml.text_element("RequestId", request_id);
    xml.close("ResponseMetadata");
    xml.close(&response);
    Encoded::ok(Protocol::Query, buffer)
}

/// Encodes an answer in JSON or CBOR. `size_hint` is a guess at the size of the body, in bytes.
pub fn encode_document<T: Serialize>(
    output: &T,
    size_hint: usize,
    protocol: Protocol,
    service: Service,
) -> Encoded {
    match document(output, size_hint, protocol) {
        Ok(body) => Encoded::ok(protocol, body),
        // Only a shape that the protocol cannot carry gets here, and none of ours is one.
        Err(_) => encode_error(&AwsError::internal_failure(), protocol, service, ""),
    }
}

/// A document in JSON or CBOR: a whole body, or the payload of an event.
pub(crate) fn document<T: Serialize>(
    value: &T,
    size_hint: usize,
    protocol: Protocol,
) -> Result<Vec<u8>, CannotEncode> {
    let mut buffer = Vec::with_capacity(size_hint);
    if matches!(protocol, Protocol::Cbor11 | Protocol::RpcCbor) {
        cbor::write(value, &mut buffer)?;
    } else {
        serde_json::to_writer(&mut buffer, value).map_err(|_| CannotEncode)?;
    }
    Ok(buffer)
}

#[derive(Serialize)]
pub(crate) struct ServiceErrorBody<'a> {
    pub(crate) __type: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) message: &'a str,
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
        // SNS has no such element.
        if service != Service::Sns {
            xml.open("Detail");
            xml.close("Detail");
        }
        xml.close("Error");
        xml.text_element("RequestId", request_id);
        xml.close("ErrorResponse");
    } else {
        let message = &*error.message;
        let __type = match service {
            // JSON 1.1 gives the bare name. Queues speak 1.0, whatever a client calls it.
            Service::Kinesis => match error.bare_type() {
                // Its model has the name with the ending.
                "InternalFailure" => "InternalFailureException",
                bare => bare,
            },
            Service::DynamoDb if error.bare_type() == "InternalFailure" => {
                "com.amazonaws.dynamodb.v20120810#InternalServerError"
            }
            Service::Sqs
            | Service::Sns
            | Service::Sts
            | Service::DynamoDb
            | Service::CloudWatch => error.json_type,
        };
        let body = if error.bare_type() == "SerializationException" {
            document(&SerializationErrorBody { __type, message }, 384, protocol)
        } else {
            document(&ServiceErrorBody { __type, message }, 384, protocol)
        };
        buffer = body.unwrap_or_default();
        query_error = error.query_error_header(service);
    }
    Encoded {
        status: error.status,
        content_type: protocol.content_type(),
        query_error,
        body: buffer.into(),
    }
}
