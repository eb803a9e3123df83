//! Answers as bytes: outputs and errors, in each protocol.

use std::io;
use std::mem::MaybeUninit;

use base64_simd::AsOut as _;
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
    /// The body, or its first piece.
    pub body: Bytes,
    /// What follows of a long one, in pieces.
    pub rest: Vec<Bytes>,
}

/// A long body is made in pieces of so many bytes. One allocation of all of it would be of those that the allocator gives
/// back at once, and each of its pages would come anew from the kernel: a third of what it costs to read and send 10 MiB.
pub(super) const PIECE_BYTES: usize = 1 << 20;

impl Encoded {
    /// A success with this body.
    pub(crate) fn ok(protocol: Protocol, body: Vec<u8>) -> Self {
        Self {
            status: 200,
            content_type: protocol.content_type(),
            query_error: None,
            body: body.into(),
            rest: Vec::new(),
        }
    }

    /// Bytes of the whole body.
    #[must_use]
    pub fn len(&self) -> usize {
        self.body.len() + self.rest.iter().map(Bytes::len).sum::<usize>()
    }

    /// Whether there is no body.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.body.is_empty()
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
    let encoded = if size_hint > PIECE_BYTES {
        let mut pieces = Pieces::default();
        write_document(output, &mut pieces, protocol).map(|()| pieces.finish(protocol))
    } else {
        document(output, size_hint, protocol).map(|body| Encoded::ok(protocol, body))
    };
    match encoded {
        Ok(encoded) => encoded,
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
    write_document(value, &mut buffer, protocol)?;
    Ok(buffer)
}

fn write_document<T: Serialize>(
    value: &T,
    mut out: impl io::Write,
    protocol: Protocol,
) -> Result<(), CannotEncode> {
    if matches!(protocol, Protocol::Cbor11 | Protocol::RpcCbor) {
        return cbor::write(value, out);
    }
    let mut json = serde_json::Serializer::with_formatter(&mut out, Json);
    value.serialize(&mut json).map_err(|_| CannotEncode)
}

/// A body that is written piece by piece.
#[derive(Default)]
struct Pieces {
    whole: Vec<Bytes>,
    /// The last one, which is not full yet.
    last: Vec<u8>,
}

impl Pieces {
    fn finish(mut self, protocol: Protocol) -> Encoded {
        self.whole.push(self.last.into());
        let mut pieces = self.whole.into_iter();
        Encoded {
            body: pieces.next().unwrap_or_default(),
            rest: pieces.collect(),
            ..Encoded::ok(protocol, Vec::new())
        }
    }
}

impl io::Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.last.len() == PIECE_BYTES {
            self.whole.push(std::mem::take(&mut self.last).into());
        }
        if self.last.capacity() == 0 {
            self.last.reserve_exact(PIECE_BYTES);
        }
        let taken = bytes.len().min(PIECE_BYTES - self.last.len());
        self.last.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// JSON without spaces, in which bytes are base64. A text would be looked through for what must be escaped, and in base64
/// nothing must.
struct Json;

/// Bytes that are encoded at once: a multiple of three, so that only the last piece is filled up.
const BASE64_PIECE_BYTES: usize = 3 * 1_024;

impl serde_json::ser::Formatter for Json {
    fn write_byte_array<W>(&mut self, writer: &mut W, bytes: &[u8]) -> io::Result<()>
    where
        W: ?Sized + io::Write,
    {
        let mut text = [MaybeUninit::uninit(); BASE64_PIECE_BYTES / 3 * 4];
        writer.write_all(b"\"")?;
        for piece in bytes.chunks(BASE64_PIECE_BYTES) {
            writer.write_all(base64_simd::STANDARD.encode(piece, text[..].as_out()))?;
        }
        writer.write_all(b"\"")
    }
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
        rest: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;

    use super::*;
    use crate::protocol::member::Blob;

    #[test]
    fn bytes_of_any_length_are_base64_in_json() {
        let piece = BASE64_PIECE_BYTES;
        for length in [
            0,
            1,
            2,
            3,
            1_024,
            piece - 1,
            piece,
            piece + 1,
            3 * piece + 2,
        ] {
            let bytes: Vec<u8> = (0..length).map(|n| (n % 251) as u8).collect();
            let text = BASE64_STANDARD.encode(&bytes);
            let written = document(&Blob(bytes.into()), 0, Protocol::Json11).unwrap();
            assert_eq!(written, format!("\"{text}\"").into_bytes(), "{length}");
        }
    }

    #[test]
    fn a_long_document_in_pieces_is_what_it_is_in_one() {
        let blobs: Vec<Blob> = (0..5_000)
            .map(|n| Blob(vec![n as u8; 500].into()))
            .collect();
        for protocol in [Protocol::Json11, Protocol::Cbor11] {
            let one = document(&blobs, 0, protocol).unwrap();
            let encoded = encode_document(&blobs, one.len(), protocol, Service::Kinesis);
            let pieces = std::iter::once(&encoded.body).chain(&encoded.rest);
            let sizes: Vec<usize> = pieces.clone().map(Bytes::len).collect();
            assert!(sizes.len() > 2 && sizes[..sizes.len() - 1].iter().all(|n| *n == PIECE_BYTES));
            let whole: Vec<u8> = pieces.flatten().copied().collect();
            assert_eq!(whole, one);
            assert_eq!(encoded.len(), one.len());
        }
    }
}
