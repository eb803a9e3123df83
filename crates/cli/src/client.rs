//! The least HTTP/1.1 client that can talk to a node: one connection, one request at a time, answers
//! with a length. For this binary's own commands; applications use an AWS SDK.

use std::io;

use serde_json::Value;
use thiserror::Error;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Headers of an answer; a node sends fewer than ten.
const HEADERS_MAX: usize = 64;
/// Bytes of an answer: the metrics page of ten thousand queues is 4 MiB, a batch of messages 8 MiB.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What went wrong with a request.
#[derive(Debug, Error)]
pub(crate) enum Error {
    /// The connection failed, or what was printed went nowhere.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The endpoint is not a URL that this client can use.
    #[error("the endpoint {0:?} is not a URL such as http://127.0.0.1:4566")]
    Endpoint(String),
    /// Nobody listens there.
    #[error("cannot reach {endpoint}: {error}")]
    Unreachable {
        /// The endpoint.
        endpoint: String,
        /// What the system said.
        error: io::Error,
    },
    /// What answers is not a node.
    #[error("{0}")]
    Answer(String),
}

/// A connection to a node.
pub(crate) struct Client {
    stream: TcpStream,
    host: String,
    buffer: Vec<u8>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The body.
    pub(crate) body: Vec<u8>,
}

impl Client {
    /// Connects to `http://host:port`.
    pub(crate) async fn connect(endpoint: &str) -> Result<Self, Error> {
        let host = host_of(endpoint).ok_or_else(|| Error::Endpoint(endpoint.to_owned()))?;
        let stream = TcpStream::connect(&host).await;
        let stream = stream.map_err(|error| Error::Unreachable {
            endpoint: endpoint.to_owned(),
            error,
        })?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            host,
            buffer: Vec::with_capacity(16 * 1024),
        })
    }

    /// `GET path`.
    pub(crate) async fn get(&mut self, path: &str) -> Result<Answer, Error> {
        let head = format!("GET {path} HTTP/1.1\r\nhost: {}\r\n\r\n", self.host);
        self.exchange(head.as_bytes()).await
    }

    /// `POST path` with a document; gives the answer's document if it succeeded, else what the node said.
    pub(crate) async fn operate(&mut self, path: &str, body: &Value) -> Result<Value, Error> {
        let answer = self.post(path, body).await?;
        let document = serde_json::from_slice::<Value>(&answer.body);
        match document {
            Ok(document) if answer.status == 200 => Ok(document),
            Ok(document) if document["error"].is_string() => Err(Error::Answer(
                document["error"].as_str().unwrap_or_default().to_owned(),
            )),
            _ => Err(Error::Answer(format!(
                "{path} was answered {}: is that a node of Levada, and of this version?",
                answer.status
            ))),
        }
    }

    /// `POST path` with a document.
    pub(crate) async fn post(&mut self, path: &str, body: &Value) -> Result<Answer, Error> {
        let body = body.to_string();
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.host,
            body.len(),
        );
        self.exchange(request.as_bytes()).await
    }

    /// `POST /` with these headers.
    pub(crate) async fn post_with(
        &mut self,
        headers: &[(&str, String)],
        body: &str,
    ) -> Result<Answer, Error> {
        let headers: String = headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        let request = format!(
            "POST / HTTP/1.1\r\nhost: {}\r\n{headers}content-length: {}\r\n\r\n{body}",
            self.host,
            body.len(),
        );
        self.exchange(request.as_bytes()).await
    }

    /// Calls an action of SQS; gives the body of the answer if it succeeded.
    pub(crate) async fn call(&mut self, action: &str, body: &str) -> Result<Vec<u8>, Error> {
        let headers = [
            ("x-amz-target", format!("AmazonSQS.{action}")),
            ("content-type", "application/x-amz-json-1.0".to_owned()),
        ];
        let answer = self.post_with(&headers, body).await?;
        if answer.status == 200 {
            return Ok(answer.body);
        }
        Err(Error::Answer(format!(
            "{action} was answered {}: {}",
            answer.status,
            String::from_utf8_lossy(&answer.body)
        )))
    }

    async fn exchange(&mut self, request: &[u8]) -> Result<Answer, Error> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        loop {
            if let Some((status, head_len, body_len)) = head(&self.buffer)? {
                let end = head_len + body_len;
                if end > ANSWER_BYTES_MAX {
                    return Err(Error::Answer("the answer is too long".to_owned()));
                }
                while self.buffer.len() < end {
                    self.fill().await?;
                }
                return Ok(Answer {
                    status,
                    body: self.buffer[head_len..end].to_vec(),
                });
            }
            if self.buffer.len() > ANSWER_BYTES_MAX {
                return Err(Error::Answer("the answer's head does not end".to_owned()));
            }
            self.fill().await?;
        }
    }

    async fn fill(&mut self) -> Result<(), Error> {
        if self.stream.read_buf(&mut self.buffer).await? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        Ok(())
    }
}

/// Host and port of an endpoint; the port is 80 if it has none.
fn host_of(endpoint: &str) -> Option<String> {
    let host = endpoint.strip_prefix("http://")?.trim_end_matches('/');
    if host.is_empty() || host.contains('/') {
        return None;
    }
    let has_port = host
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    Some(if has_port {
        host.to_owned()
    } else {
        format!("{host}:80")
    })
}

/// Status, length of the head and length of the body, once the head is complete.
fn head(bytes: &[u8]) -> Result<Option<(u16, usize, usize)>, Error> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    let parsed = response
        .parse(bytes)
        .map_err(|e| Error::Answer(format!("that is not HTTP: {e}")))?;
    let httparse::Status::Complete(head_len) = parsed else {
        return Ok(None);
    };
    let length = response
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let length = length.and_then(|header| std::str::from_utf8(header.value).ok()?.parse().ok());
    Ok(Some((
        response.code.unwrap_or(0),
        head_len,
        length.unwrap_or(0),
    )))
}

/// The status, as the node at the endpoint sees it.
pub(crate) async fn see(endpoint: &str) -> Result<Value, Error> {
    let answer = Client::connect(endpoint)
        .await?
        .get("/_levada/status")
        .await?;
    serde_json::from_slice(&answer.body).map_err(|_| {
        Error::Answer(format!(
            "what answers at {endpoint} is not a node of Levada"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_host() {
        assert_eq!(
            host_of("http://127.0.0.1:4566/").as_deref(),
            Some("127.0.0.1:4566")
        );
        assert_eq!(host_of("http://queues").as_deref(), Some("queues:80"));
        assert_eq!(
            (
                host_of("https://a"),
                host_of("http://a/b"),
                host_of("http://")
            ),
            (None, None, None)
        );
    }

    #[test]
    fn a_head_says_how_long_the_body_is() {
        assert!(head(b"HTTP/1.1 200 OK\r\ncontent-le").unwrap().is_none());
        let whole = b"HTTP/1.1 503 X\r\nContent-Length: 12\r\n\r\nabc";
        assert_eq!(head(whole).unwrap(), Some((503, whole.len() - 3, 12)));
        assert!(head(b"SSH-2.0\r\n").is_err());
    }
}
