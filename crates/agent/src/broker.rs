//! Calls to the broker: AWS's JSON protocols over HTTP or HTTPS, signed. The certificates trusted are the system's, or those
//! in `SSL_CERT_FILE`, as for backups in a bucket.

use std::time::SystemTime;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use thiserror::Error;

use crate::config::Config;
use crate::limits;
use crate::sign::{self, Credentials, Request, Scope};

/// A service, and how it is spoken to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Service {
    /// In the scope of a signature.
    name: &'static str,
    target_prefix: &'static str,
    content_type: &'static str,
}

/// Streams: JSON 1.1.
pub(crate) const KINESIS: Service = Service {
    name: "kinesis",
    target_prefix: "Kinesis_20131202",
    content_type: "application/x-amz-json-1.1",
};

/// Queues: JSON 1.0.
pub(crate) const SQS: Service = Service {
    name: "sqs",
    target_prefix: "AmazonSQS",
    content_type: "application/x-amz-json-1.0",
};

/// Why a call failed. All of these are tried again: what is wrong can be put right while the agent waits.
#[derive(Debug, Error)]
pub(crate) enum CallError {
    /// No answer. What was asked may have been done.
    #[error("{endpoint} could not be asked: {why}")]
    Unanswered {
        /// Who was asked.
        endpoint: String,
        /// The innermost cause.
        why: String,
    },
    /// An error of the service.
    #[error("{action} was answered {status} {code}: {message}")]
    Refused {
        action: &'static str,
        status: u16,
        code: String,
        message: String,
    },
    /// Not an answer of the service.
    #[error("{action} was answered {status} with what is no answer of {service}; look at endpoint")]
    Odd {
        action: &'static str,
        status: u16,
        service: &'static str,
    },
    /// A key or a token that cannot stand in a header.
    #[error("the credentials cannot be sent: they hold a line's end or the like")]
    Credentials,
}

/// A client cannot be made.
#[derive(Debug, Error)]
#[error("calls to {endpoint} cannot be made: {why}")]
pub struct ClientError {
    endpoint: String,
    why: String,
}

/// The broker.
pub(crate) struct Broker {
    client: reqwest::Client,
    endpoint: String,
    host: String,
    region: String,
    credentials: Credentials,
}

impl Broker {
    /// Connects to nothing yet.
    pub(crate) fn new(config: &Config) -> Result<Self, ClientError> {
        // The client takes what is installed for the process; a second time finds it there.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .http1_only()
            .user_agent(concat!("levada-agent/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(limits::CONNECT_MAX)
            .timeout(limits::CALL_MAX)
            .redirect(reqwest::redirect::Policy::none())
            .build();
        let client = client.map_err(|e| ClientError {
            endpoint: config.endpoint.clone(),
            why: root(&e),
        })?;
        let (scheme, host) = config.endpoint.split_once("://").unwrap_or_default();
        // As it is sent: without the port that the scheme has by itself.
        let port = if scheme == "https" { ":443" } else { ":80" };
        Ok(Self {
            client,
            host: host.strip_suffix(port).unwrap_or(host).to_ascii_lowercase(),
            endpoint: config.endpoint.clone(),
            region: config.region.clone(),
            credentials: config.credentials.clone(),
        })
    }

    /// One call.
    pub(crate) async fn call(
        &self,
        service: Service,
        action: &'static str,
        body: Vec<u8>,
    ) -> Result<Value, CallError> {
        let headers = self.headers(service, action, &body)?;
        let unanswered = |e: reqwest::Error| CallError::Unanswered {
            endpoint: self.endpoint.clone(),
            why: root(&e),
        };
        let request = self.client.post(format!("{}/", self.endpoint));
        let sent = request.headers(headers).body(body).send().await;
        let mut response = sent.map_err(unanswered)?;
        let status = response.status();
        let mut answer = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unanswered)? {
            if answer.len() + chunk.len() > limits::ANSWER_BYTES_MAX {
                answer.clear();
                break;
            }
            answer.extend_from_slice(&chunk);
        }
        let answer = serde_json::from_slice::<Value>(&answer).ok();
        let status_code = status.as_u16();
        match answer {
            Some(answer) if status.is_success() => Ok(answer),
            Some(answer) if answer.get("__type").is_some() => Err(CallError::Refused {
                action,
                status: status_code,
                code: code(&answer),
                message: message(&answer),
            }),
            _ => Err(CallError::Odd {
                action,
                status: status_code,
                service: service.name,
            }),
        }
    }

    fn headers(
        &self,
        service: Service,
        action: &'static str,
        body: &[u8],
    ) -> Result<HeaderMap, CallError> {
        let time = sign::amz_date(SystemTime::now());
        let target = format!("{}.{action}", service.target_prefix);
        let mut signed = vec![
            ("content-type", service.content_type),
            ("host", &self.host),
            ("x-amz-date", &time),
        ];
        if let Some(token) = &self.credentials.session_token {
            signed.push(("x-amz-security-token", token));
        }
        signed.push(("x-amz-target", &target));
        let request = Request {
            method: "POST",
            path: "/",
            headers: &signed,
            body,
        };
        let scope = Scope {
            time: &time,
            region: &self.region,
            service: service.name,
        };
        let authorization = sign::authorization(&request, scope, &self.credentials);
        let mut headers = HeaderMap::new();
        for (name, value) in signed.iter().filter(|(name, _)| *name != "host") {
            let value = HeaderValue::from_str(value).map_err(|_| CallError::Credentials)?;
            headers.insert(HeaderName::from_static(name), value);
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(service.content_type));
        let value = HeaderValue::from_str(&authorization).map_err(|_| CallError::Credentials)?;
        headers.insert(AUTHORIZATION, value);
        Ok(headers)
    }
}

/// The code of an error: what stands behind a namespace.
fn code(answer: &Value) -> String {
    let code = answer["__type"].as_str().unwrap_or_default();
    let code = code.rsplit(['#', ':']).next().unwrap_or_default();
    shortened(code)
}

fn message(answer: &Value) -> String {
    let message = answer["message"].as_str().or(answer["Message"].as_str());
    shortened(message.unwrap_or("without a message"))
}

/// So much of a text as is told.
pub(crate) fn shortened(text: &str) -> String {
    text.chars().take(limits::CAUSE_CHARS_MAX).collect()
}

/// The innermost cause.
fn root(error: &dyn std::error::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    shortened(&innermost.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_code_is_without_its_namespace() {
        let answer = json!({"__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "no"});
        assert_eq!(
            (code(&answer), message(&answer)),
            ("QueueDoesNotExist".into(), "no".into())
        );
        let answer = json!({"__type": "ResourceNotFoundException"});
        assert_eq!(code(&answer), "ResourceNotFoundException");
        assert_eq!(message(&answer), "without a message");
    }
}
