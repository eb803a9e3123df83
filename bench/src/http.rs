//! A keep-alive HTTP/1.1 client that costs little: bytes made beforehand go out, and of the answer only the
//! status, the length and the body are looked at.
//!
//! On two cores the load runs beside the servers that it measures, so what it saves, they show.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The head of an answer has fewer headers than this.
const HEADERS_MAX: usize = 64;

/// No answer to the requests of this program is longer: ten messages of 1 MiB, or 10,000 records of 1 KiB in base64, and
/// their names.
const RESPONSE_BYTES_MAX: usize = 32 << 20;

/// Room for the usual answer, so that most calls are one read.
const BUFFER_BYTES: usize = 32 << 10;

/// What can go wrong with one call.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// The connection broke or could not be made; the call may have been carried out.
    #[error("connection: {0}")]
    Io(#[from] std::io::Error),
    /// An answer that is not HTTP/1.1 with a length.
    #[error("not an answer that this client reads: {0}")]
    Malformed(&'static str),
    /// An entry of a batch failed, in an answer that is otherwise good.
    #[error("an entry of a batch failed")]
    FailedEntry,
    /// The server said no.
    #[error("status {status}: {body}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The body, as text.
        body: String,
    },
}

/// One connection, with one call at a time.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// Where the body of the last answer stands in the buffer.
    body: std::ops::Range<usize>,
}

impl Connection {
    /// Connects to `host:port`.
    pub(crate) async fn open(address: &str) -> Result<Self, CallError> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: vec![0; BUFFER_BYTES],
            body: 0..0,
        })
    }

    /// Sends one request and gives the body of a 200; anything else is an error. After an error other than
    /// `Refused` the connection is of no more use.
    pub(crate) async fn call(&mut self, request: &[u8]) -> Result<&[u8], CallError> {
        self.stream.write_all(request).await?;
        let mut filled = 0;
        let head = loop {
            filled += self.read_more(filled).await?;
            if let Some(head) = Head::parse(&self.buffer[..filled])? {
                break head;
            }
        };
        let end = head.bytes + head.content_length;
        if end > RESPONSE_BYTES_MAX {
            return Err(CallError::Malformed("the body is too long"));
        }
        while filled < end {
            filled += self.read_more(filled).await?;
        }
        self.body = head.bytes..end;
        if head.status == 200 {
            Ok(self.body())
        } else {
            let body = String::from_utf8_lossy(self.body()).into_owned();
            Err(CallError::Refused {
                status: head.status,
                body,
            })
        }
    }

    /// The body of the last answer.
    pub(crate) fn body(&self) -> &[u8] {
        &self.buffer[self.body.clone()]
    }

    async fn read_more(&mut self, filled: usize) -> Result<usize, CallError> {
        if filled == self.buffer.len() {
            if filled >= RESPONSE_BYTES_MAX {
                return Err(CallError::Malformed("the answer is too long"));
            }
            self.buffer.resize(filled * 2, 0);
        }
        match self.stream.read(&mut self.buffer[filled..]).await? {
            0 => Err(CallError::Io(std::io::ErrorKind::UnexpectedEof.into())),
            read => Ok(read),
        }
    }
}

/// What is needed of the head of an answer.
struct Head {
    status: u16,
    bytes: usize,
    content_length: usize,
}

impl Head {
    /// `None` while the head is not complete.
    fn parse(buffer: &[u8]) -> Result<Option<Self>, CallError> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut response = httparse::Response::new(&mut headers);
        let parsed = response
            .parse(buffer)
            .map_err(|_| CallError::Malformed("the head"))?;
        let httparse::Status::Complete(bytes) = parsed else {
            return Ok(None);
        };
        let status = response.code.ok_or(CallError::Malformed("no status"))?;
        let length = response
            .headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case("content-length"))
            .and_then(|header| std::str::from_utf8(header.value).ok()?.parse().ok());
        let content_length = length.ok_or(CallError::Malformed("no content-length"))?;
        Ok(Some(Self {
            status,
            bytes,
            content_length,
        }))
    }
}

/// Which of AWS's services a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Api {
    /// Queues.
    Sqs,
    /// Topics.
    Sns,
    /// Streams.
    Kinesis,
}

impl Api {
    /// All.
    pub(crate) const ALL: [Self; 3] = [Self::Sqs, Self::Sns, Self::Kinesis];

    /// What `X-Amz-Target` begins with, up to the action; none where the action is a field of a form.
    pub(crate) const fn target_prefix(self) -> Option<&'static str> {
        match self {
            Self::Sqs => Some("AmazonSQS."),
            Self::Sns => None,
            Self::Kinesis => Some("Kinesis_20131202."),
        }
    }

    const fn scope(self) -> &'static str {
        match self {
            Self::Sqs => "sqs",
            Self::Sns => "sns",
            Self::Kinesis => "kinesis",
        }
    }

    /// The content type of its requests.
    pub(crate) const fn content_type(self) -> &'static str {
        match self {
            Self::Sqs => "application/x-amz-json-1.0",
            Self::Sns => "application/x-www-form-urlencoded",
            Self::Kinesis => "application/x-amz-json-1.1",
        }
    }
}

/// The version that a form for SNS names.
const SNS_VERSION: &str = "2010-03-31";

/// What stays as it is in a form: also the sign that stands for a field of a template.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'@');

/// The content type of the CBOR that Kinesis takes beside its JSON.
const CBOR: &str = "application/x-amz-cbor-1.1";

/// The headers of a request for an action, but for those that say where it goes and how long it is: complete with a
/// signature's scope (which is parsed for the account and the region) and no signature.
pub(crate) fn headers(
    api: Api,
    action: &str,
    content_type: &'static str,
) -> impl Iterator<Item = (&'static str, String)> {
    let (target, scope) = (api.target_prefix(), api.scope());
    let target = target.map(|target| ("X-Amz-Target", format!("{target}{action}")));
    let others = [
        ("Content-Type", content_type.to_owned()),
        ("X-Amz-Date", "20260101T000000Z".to_owned()),
        (
            "Authorization",
            format!(
                "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/{scope}/aws4_request, \
                 SignedHeaders=host;x-amz-date, Signature=0000"
            ),
        ),
    ];
    others.into_iter().chain(target)
}

/// A request for an action with a body of JSON.
pub(crate) fn request(host: &str, api: Api, action: &str, body: &str) -> Vec<u8> {
    encode(host, api, action, api.content_type(), body.as_bytes())
}

/// A request for an action of SNS: a form of these fields.
pub(crate) fn form(host: &str, action: &str, fields: &[(&str, &str)]) -> Vec<u8> {
    let mut body = format!("Action={action}&Version={SNS_VERSION}");
    for (name, value) in fields {
        body.extend(["&", name, "="]);
        body.extend(utf8_percent_encode(value, PLAIN));
    }
    encode(
        host,
        Api::Sns,
        action,
        Api::Sns.content_type(),
        body.as_bytes(),
    )
}

/// A request for an action of Kinesis with a body of CBOR.
pub(crate) fn request_cbor(host: &str, action: &str, body: &[u8]) -> Vec<u8> {
    encode(host, Api::Kinesis, action, CBOR, body)
}

fn encode(host: &str, api: Api, action: &str, content_type: &'static str, body: &[u8]) -> Vec<u8> {
    let mut request = format!("POST / HTTP/1.1\r\nHost: {host}\r\n").into_bytes();
    for (name, value) in headers(api, action, content_type) {
        request.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    request.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
    request.extend_from_slice(body);
    request
}

/// True if the answer to a batch holds an entry that failed: only those say whose fault it was, and only those have a
/// code.
pub(crate) fn has_failed_entry(api: Api, answer: &[u8]) -> bool {
    let sign: &[u8] = match api {
        Api::Sqs => b"\"SenderFault\"",
        Api::Sns => b"<SenderFault>",
        Api::Kinesis => b"\"ErrorCode\":\"",
    };
    memchr::memmem::find(answer, sign).is_some()
}

/// One call on a connection of its own, for what is not measured.
pub(crate) async fn once(
    host: &str,
    api: Api,
    action: &str,
    body: &serde_json::Value,
) -> Result<serde_json::Value, CallError> {
    let mut connection = Connection::open(host).await?;
    let answer = connection
        .call(&request(host, api, action, &body.to_string()))
        .await?;
    if answer.is_empty() {
        return Ok(serde_json::Value::Null);
    }
    serde_json::from_slice(answer).map_err(|_| CallError::Malformed("the body is not JSON"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_when_it_is_complete() {
        let whole = b"HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 5\r\n\r\nhello";
        let head = Head::parse(whole).unwrap().unwrap();
        assert_eq!((head.status, head.content_length), (200, 5));
        assert_eq!(&whole[head.bytes..], b"hello");
        assert!(Head::parse(&whole[..20]).unwrap().is_none());
        assert!(Head::parse(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
        assert!(Head::parse(b"SSH-2.0-x\r\n").is_err());
    }

    #[test]
    fn a_failed_entry_is_seen() {
        let good = br#"{"Successful":[{"Id":"0"}],"Failed":[]}"#;
        assert!(!has_failed_entry(Api::Sqs, good));
        let failed = br#"{"Failed":[{"Id":"0","Code":"InternalError","SenderFault":false}]}"#;
        assert!(has_failed_entry(Api::Sqs, failed));
        // Some servers write down what is absent.
        let good = br#"{"FailedRecordCount":0,"Records":[{"ShardId":"s","ErrorCode":null}]}"#;
        assert!(!has_failed_entry(Api::Kinesis, good));
        let failed = br#"{"FailedRecordCount":1,"Records":[{"ErrorCode":"InternalFailure"}]}"#;
        assert!(has_failed_entry(Api::Kinesis, failed));
    }

    #[test]
    fn a_form_is_encoded_and_names_its_action() {
        let text = String::from_utf8(form("h:1", "Publish", &[("Message", "a b&@")])).unwrap();
        assert!(text.ends_with("\r\n\r\nAction=Publish&Version=2010-03-31&Message=a%20b%26@"));
        assert!(!text.contains("X-Amz-Target"));
    }

    #[test]
    fn a_request_says_its_length() {
        let text = String::from_utf8(request("h:1", Api::Sqs, "SendMessage", "{}")).unwrap();
        assert!(text.contains("X-Amz-Target: AmazonSQS.SendMessage\r\n"));
        assert!(text.ends_with("Content-Length: 2\r\n\r\n{}"));
    }
}
