//! Which protocol and action a request is, and the bytes that answer it.
//!
//! All services answer on one URL; `X-Amz-Target`, `Action` and the signature's scope tell them apart.

pub mod cbor;
mod encode;
pub mod event_stream;
pub mod form;
mod gzip;
pub mod json;
pub mod member;
pub mod xml;

use bytes::Bytes;
use http::{HeaderMap, Method, Uri, header};

use crate::error::AwsError;
use crate::{cloudwatch, dynamodb, kinesis, sns, sqs, sts};
pub use encode::{Encoded, Output, encode_document, encode_error, encode_output};
pub(crate) use encode::{ServiceErrorBody, WriteResult, document, encode_xml};
use form::Form;

/// A wire protocol of AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// JSON with `X-Amz-Target`, content type `application/x-amz-json-1.0`.
    Json10,
    /// The same with 1.1.
    Json11,
    /// CBOR with `X-Amz-Target`, content type `application/x-amz-cbor-1.1`.
    Cbor11,
    /// CBOR with the action in the path: Smithy's `rpc-v2-cbor`.
    RpcCbor,
    /// A form or a query string with `Action`, answered in XML.
    Query,
}

impl Protocol {
    /// The content type of answers.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Json10 => "application/x-amz-json-1.0",
            Self::Json11 => "application/x-amz-json-1.1",
            Self::Cbor11 => "application/x-amz-cbor-1.1",
            Self::RpcCbor => "application/cbor",
            Self::Query => "text/xml",
        }
    }

    /// For metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Json10 => "json1.0",
            Self::Json11 => "json1.1",
            Self::Cbor11 => "cbor1.1",
            Self::RpcCbor => "rpc-v2-cbor",
            Self::Query => "query",
        }
    }
}

/// A service that this crate knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Queues.
    Sqs,
    /// Topics.
    Sns,
    /// Security tokens: who am I.
    Sts,
    /// Streams.
    Kinesis,
    /// Tables.
    DynamoDb,
    /// What client libraries report.
    CloudWatch,
}

impl Service {
    /// The service's name in a signature's scope.
    pub const fn signing_name(self) -> &'static str {
        match self {
            Self::Sqs => "sqs",
            Self::Sns => "sns",
            Self::Sts => "sts",
            Self::Kinesis => "kinesis",
            Self::DynamoDb => "dynamodb",
            Self::CloudWatch => "monitoring",
        }
    }

    /// The namespace of the service's XML.
    pub const fn xmlns(self) -> &'static str {
        match self {
            Self::Sqs => "http://queue.amazonaws.com/doc/2012-11-05/",
            Self::Sns => "http://sns.amazonaws.com/doc/2010-03-31/",
            Self::Sts => "https://sts.amazonaws.com/doc/2011-06-15/",
            Self::CloudWatch => "http://monitoring.amazonaws.com/doc/2010-08-01/",
            // These never spoke Query; an error must be in some namespace all the same.
            Self::Kinesis => "http://kinesis.amazonaws.com/doc/2013-12-02",
            Self::DynamoDb => "http://dynamodb.amazonaws.com/doc/2012-08-10",
        }
    }
}

/// A typed request of one of the services.
#[derive(Clone, Debug, PartialEq)]
pub enum Call {
    /// To SQS.
    Sqs(sqs::Request),
    /// To SNS.
    Sns(sns::Request),
    /// To STS.
    Sts(sts::Request),
    /// To Kinesis Data Streams.
    Kinesis(kinesis::Request),
    /// To DynamoDB.
    DynamoDb(Box<dynamodb::Request>),
    /// To CloudWatch.
    CloudWatch(cloudwatch::Request),
}

/// What a request turned out to be. The protocol is always known, so that an error can be answered
/// in the caller's own.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// How it was said, and how it must be answered.
    pub protocol: Protocol,
    /// Whom it is for.
    pub service: Service,
    /// The action's name; empty if it is none of ours.
    pub action: &'static str,
    /// The request, decoded but not validated.
    pub call: Result<Call, AwsError>,
}

/// The most bytes of a body that a service without larger ones is sent. A batch of 1 MiB whose every byte is written
/// as `\u00XX` is 6 MiB; a form's `%XX` makes it 3. The gateway refuses longer ones while it reads.
pub const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;
/// The same of a request to Kinesis: records of 10 MiB are 13.4 MiB in base64, and 500 keys and their names want room.
/// A batch of 25 items of 400 KiB in DynamoDB is as long.
pub const STREAM_BODY_BYTES_MAX: usize = 15 * 1024 * 1024;

/// The most bytes of the body of a request with this head.
pub fn body_bytes_max(headers: &HeaderMap) -> usize {
    let service = service_of_target(headers);
    if matches!(service, Some(Service::Kinesis | Service::DynamoDb)) {
        STREAM_BODY_BYTES_MAX
    } else {
        BODY_BYTES_MAX
    }
}

/// The protocol and the service of a request whose body was not read, as far as its head tells.
pub fn addressee(headers: &HeaderMap) -> (Protocol, Service) {
    match service_of_target(headers) {
        Some(service) => (protocol_of_content_type(headers), service),
        None => {
            let scope = service_of_scope(&Uri::default(), headers);
            (Protocol::Query, scope.unwrap_or(Service::Sqs))
        }
    }
}

/// The service that `X-Amz-Target` names; what is none of ours is taken for SQS.
fn service_of_target(headers: &HeaderMap) -> Option<Service> {
    let target = headers.get("x-amz-target")?.to_str().unwrap_or("");
    Some(service_of_prefix(
        target.split_once('.').map_or(target, |(prefix, _)| prefix),
    ))
}

fn service_of_prefix(prefix: &str) -> Service {
    match prefix {
        kinesis::TARGET_PREFIX => Service::Kinesis,
        dynamodb::TARGET_PREFIX => Service::DynamoDb,
        cloudwatch::TARGET_PREFIX => Service::CloudWatch,
        _ => Service::Sqs,
    }
}

/// Finds protocol, service and action, and decodes the request.
pub fn decode(method: &Method, uri: &Uri, headers: &HeaderMap, body: &Bytes) -> Incoming {
    let packed = headers
        .get(header::CONTENT_ENCODING)
        .is_some_and(|v| v == "gzip");
    let unpacked = match packed.then(|| gzip::unpack(body, BODY_BYTES_MAX)) {
        Some(Ok(unpacked)) => Some(unpacked),
        Some(Err(error)) => {
            let (protocol, service) = addressee(headers);
            return Incoming {
                protocol,
                service,
                action: "",
                call: Err(error),
            };
        }
        None => None,
    };
    let body = unpacked.as_ref().unwrap_or(body);
    if let Some(action) = rpc_action(uri.path()) {
        return decode_rpc(action, body);
    }
    if let Some(target) = headers.get("x-amz-target") {
        return decode_json(target.to_str().unwrap_or(""), headers, body);
    }
    decode_query(method, uri, headers, body)
}

/// The action of a path of `rpc-v2-cbor`, which CloudWatch alone speaks here.
fn rpc_action(path: &str) -> Option<&str> {
    let rest = path.strip_prefix("/service/")?;
    let rest = rest.strip_prefix(cloudwatch::TARGET_PREFIX)?;
    rest.strip_prefix("/operation/")
}

fn decode_rpc(name: &str, body: &[u8]) -> Incoming {
    let protocol = Protocol::RpcCbor;
    let mut incoming = Incoming {
        protocol,
        service: Service::CloudWatch,
        action: "",
        call: Err(AwsError::unknown_operation()),
    };
    if let Some(action) = cloudwatch::Action::from_name(name) {
        incoming.action = action.name();
        let request = cloudwatch::Request::decode(action, protocol, body);
        incoming.call = request.map(Call::CloudWatch);
    }
    incoming
}

fn decode_json(target: &str, headers: &HeaderMap, body: &[u8]) -> Incoming {
    let protocol = protocol_of_content_type(headers);
    let (prefix, name) = target.split_once('.').unwrap_or((target, ""));
    let service = service_of_prefix(prefix);
    let mut incoming = Incoming {
        protocol,
        service,
        action: "",
        call: Err(AwsError::unknown_operation()),
    };
    if service == Service::DynamoDb {
        if let Some(action) = dynamodb::Action::from_name(name) {
            incoming.action = action.name();
            let request = dynamodb::Request::decode(action, body).map(Box::new);
            incoming.call = request.map(Call::DynamoDb);
        }
    } else if service == Service::CloudWatch {
        if let Some(action) = cloudwatch::Action::from_name(name) {
            incoming.action = action.name();
            let request = cloudwatch::Request::decode(action, protocol, body);
            incoming.call = request.map(Call::CloudWatch);
        }
    } else if service == Service::Kinesis {
        if let Some(action) = kinesis::Action::from_name(name) {
            incoming.action = action.name();
            incoming.call = kinesis::Request::decode(action, protocol, body).map(Call::Kinesis);
        }
    } else if prefix == "AmazonSQS"
        && protocol != Protocol::Cbor11
        && let Some(action) = sqs::Action::from_name(name)
    {
        incoming.action = action.name();
        incoming.call = sqs::Request::from_json(action, body).map(Call::Sqs);
    }
    incoming
}

/// The protocol of a request with `X-Amz-Target`. What is none of ours is taken for JSON 1.0.
fn protocol_of_content_type(headers: &HeaderMap) -> Protocol {
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .unwrap_or("")
        .trim_start();
    [Protocol::Json11, Protocol::Cbor11]
        .into_iter()
        .find(|p| content_type.starts_with(p.content_type()))
        .unwrap_or(Protocol::Json10)
}

fn decode_query(method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Incoming {
    let scope = service_of_scope(uri, headers);
    let mut incoming = Incoming {
        protocol: Protocol::Query,
        service: scope.unwrap_or(Service::Sqs),
        action: "",
        call: Err(AwsError::missing_action()),
    };
    let body = if method == Method::POST { body } else { &[] };
    let mut form = match Form::parse(uri.query().unwrap_or("").as_bytes(), body) {
        Ok(form) => form,
        Err(e) => {
            incoming.call = Err(e);
            return incoming;
        }
    };
    let Some(name) = form
        .get("Action")
        .filter(|a| !a.is_empty())
        .map(str::to_owned)
    else {
        if method != Method::POST && form.is_empty() {
            incoming.call = Err(AwsError::no_operation());
        }
        return incoming;
    };
    if sns::is_meant(&form, &name, scope) {
        incoming.service = Service::Sns;
        match sns::Action::from_name(&name) {
            Some(action) => {
                incoming.action = action.name();
                incoming.call = sns::Request::from_form(action, &form).map(Call::Sns);
            }
            None => incoming.call = Err(AwsError::invalid_action(&name)),
        }
    } else if let Some(action) = sts::Action::from_name(&name) {
        incoming.service = Service::Sts;
        incoming.action = action.name();
        incoming.call = Ok(Call::Sts(sts::Request::from_form(action, &form)));
    } else if let Some(action) = cloudwatch::Action::from_name(&name) {
        incoming.service = Service::CloudWatch;
        incoming.action = action.name();
        incoming.call = cloudwatch::Request::from_form(action, &form).map(Call::CloudWatch);
    } else if let Some(action) = sqs::Action::from_name(&name) {
        incoming.service = Service::Sqs;
        incoming.action = action.name();
        let of_account = matches!(action, sqs::Action::CreateQueue | sqs::Action::ListQueues);
        if of_account && sqs::queue_url::parse(uri.path()).is_ok() {
            // A queue's own address makes and lists none.
            incoming.call = Err(AwsError::invalid_action(&name));
            return incoming;
        }
        if uri.path() != "/" {
            form.set_default("QueueUrl", uri.path());
        }
        incoming.call = sqs::Request::from_form(action, &form).map(Call::Sqs);
    } else {
        incoming.call = Err(AwsError::invalid_action(&name));
    }
    incoming
}

/// The service that a signature's scope names, if it is one of ours.
fn service_of_scope(uri: &Uri, headers: &HeaderMap) -> Option<Service> {
    let signature = crate::sigv4::parse(uri, headers).ok().flatten()?;
    [
        Service::Sqs,
        Service::Sns,
        Service::Sts,
        Service::CloudWatch,
    ]
    .into_iter()
    .find(|s| s.signing_name() == &*signature.service)
}
