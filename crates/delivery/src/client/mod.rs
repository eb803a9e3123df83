//! Requests over HTTP to somewhere else: to an address that the guard admits, within the bounds of sockets, time and length,
//! and never to where an answer redirects.
//!
//! hyper's connections are used without its client: that one looks names up by itself. A connection is kept for the next
//! request to the same origin; one that a user's endpoint may use is never one that was made to an operator's address.

mod connect;
mod endpoint;
mod pool;

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;

use self::connect::Connector;
pub use self::connect::{ConnectError, Roots, TlsSettingsError};
pub use self::endpoint::{BadUrl, Endpoint};
use self::pool::{Key, Pool};
use crate::guard::{Guard, Origin};
use crate::limits::{ANSWER_BYTES_MAX, ATTEMPT_TIME_MAX};
use crate::report::Report;
use crate::sockets::{NoSocket, Sockets, Standing};

/// Which HTTP is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// HTTP/1.1, a connection for each request that is under way.
    Http1,
    /// HTTP/2, one connection for all.
    Http2,
}

/// A request.
#[derive(Clone, Debug)]
pub struct Call<'a> {
    /// Where to.
    pub endpoint: &'a Endpoint,
    /// Whose address that is.
    pub origin: Origin,
    /// How the endpoint did before.
    pub standing: Standing,
    /// Which HTTP.
    pub version: Version,
    /// Such as POST.
    pub method: Method,
    /// All but `Host` and `Content-Length`.
    pub headers: HeaderMap,
    /// What is sent.
    pub body: Bytes,
}

/// What was answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, or its first [`ANSWER_BYTES_MAX`] bytes.
    pub body: Bytes,
}

impl Answer {
    /// The body, for people.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// What AWS's rules say to a status: 2xx is delivered; 429, 5xx and what is no final status are tried again; everything else
    /// (redirections, and errors of the request) would be answered again.
    pub fn report(&self) -> Report {
        let status = Some(self.status.as_u16());
        if self.status.is_success() {
            return Report::delivered(status, self.text());
        }
        if self.status.is_redirection() {
            let to = self.headers.get(header::LOCATION);
            let to = to.map_or("nowhere".into(), |to| {
                String::from_utf8_lossy(to.as_bytes())
            });
            return Report::never(status, format_args!("redirected to {to}: not followed"));
        }
        if self.status == StatusCode::TOO_MANY_REQUESTS
            || self.status.is_server_error()
            || self.status.is_informational()
        {
            return Report::retry(status, self.text());
        }
        Report::never(status, self.text())
    }
}

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum CallError {
    /// Too much is under way.
    #[error(transparent)]
    NoSocket(#[from] NoSocket),
    /// There is no connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// It took too long.
    #[error("{host} did not answer within {limit_secs} s")]
    TimedOut {
        /// The host.
        host: String,
        /// The limit, in seconds.
        limit_secs: f32,
    },
    /// The connection ended, or what came is no HTTP.
    #[error("{host}: {error}")]
    Broken {
        /// The host.
        host: String,
        /// What was wrong.
        error: hyper::Error,
    },
    /// A header or a path that cannot be sent.
    #[error("the request cannot be sent: {0}")]
    Unsendable(#[from] http::Error),
}

impl From<CallError> for Report {
    fn from(error: CallError) -> Self {
        match &error {
            CallError::NoSocket(_) => Report::not_tried(error),
            CallError::Connect(e) if e.is_final() => Report::never(None, error),
            CallError::Unsendable(_) => Report::never(None, error),
            _ => Report::retry(None, error),
        }
    }
}

/// How requests are made.
#[derive(Clone, Debug, Default)]
pub struct ClientSettings {
    /// Whom servers' certificates are trusted by.
    pub roots: Roots,
    /// An attempt's time; at most [`ATTEMPT_TIME_MAX`], which it is if it is not set.
    pub attempt_time: Option<Duration>,
}

/// Makes requests. Cloned freely.
#[derive(Clone, Debug)]
pub struct Client(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    connector: Connector,
    pool: Pool,
    guard: Arc<Guard>,
    sockets: Sockets,
    attempt_time: Duration,
}

impl Client {
    /// Reads the certificates that servers are trusted by: not for a thread that serves others.
    pub fn new(
        settings: &ClientSettings,
        guard: Arc<Guard>,
        sockets: Sockets,
    ) -> Result<Self, TlsSettingsError> {
        Ok(Self(Arc::new(Inner {
            connector: Connector::new(&settings.roots)?,
            pool: Pool::default(),
            guard,
            sockets,
            attempt_time: settings
                .attempt_time
                .unwrap_or(ATTEMPT_TIME_MAX)
                .min(ATTEMPT_TIME_MAX),
        })))
    }

    /// One that shows servers a certificate. It shares the bounds and none of the connections.
    pub fn with_identity(
        &self,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, TlsSettingsError> {
        Ok(Self(Arc::new(Inner {
            connector: self.0.connector.with_identity(chain, key)?,
            pool: Pool::default(),
            guard: Arc::clone(&self.0.guard),
            sockets: self.0.sockets.clone(),
            attempt_time: self.0.attempt_time,
        })))
    }

    /// The sockets that it uses.
    pub fn sockets(&self) -> &Sockets {
        &self.0.sockets
    }

    /// The time that one attempt has.
    pub fn attempt_time(&self) -> Duration {
        self.0.attempt_time
    }

    /// Sends a request and reads its answer. Dropping it closes the connection.
    pub async fn call(&self, call: Call<'_>) -> Result<Answer, CallError> {
        let host = call.endpoint.host();
        let _permit = self.0.sockets.acquire(host, call.standing).await?;
        let limit = self.0.attempt_time;
        match tokio::time::timeout(limit, self.exchange(&call)).await {
            Ok(answer) => answer,
            Err(_) => Err(CallError::TimedOut {
                host: host.to_owned(),
                limit_secs: limit.as_secs_f32(),
            }),
        }
    }

    async fn exchange(&self, call: &Call<'_>) -> Result<Answer, CallError> {
        match call.version {
            Version::Http1 => self.exchange_http1(call).await,
            Version::Http2 => self.exchange_http2(call).await,
        }
    }

    async fn exchange_http1(&self, call: &Call<'_>) -> Result<Answer, CallError> {
        let key = Key::of(call);
        // A kept connection may have been closed by its server just now. That is no failure of the endpoint: the request goes over
        // a new one. A server that had taken it and died gets it twice, which a subscriber must bear anyway.
        if let Some(mut kept) = self.0.pool.take(&key)
            && kept.sender.ready().await.is_ok()
            && let Ok(answer) = kept.sender.send_request(request(call)?).await
        {
            return self.read_http1(call, key, kept, answer).await;
        }
        let mut open = self.0.connector.http1(call, &self.0.guard).await?;
        let sent = open.sender.send_request(request(call)?).await;
        let answer = sent.map_err(|error| broken(call, error))?;
        self.read_http1(call, key, open, answer).await
    }

    async fn read_http1(
        &self,
        call: &Call<'_>,
        key: Key,
        open: pool::Open,
        answer: http::Response<Incoming>,
    ) -> Result<Answer, CallError> {
        let (answer, is_whole) = read(call, answer).await?;
        // What was not read to its end cannot be used again.
        if is_whole {
            self.0.pool.put(key, open);
        }
        Ok(answer)
    }

    async fn exchange_http2(&self, call: &Call<'_>) -> Result<Answer, CallError> {
        let key = Key::of(call);
        if let Some(shared) = self.0.pool.shared(&key) {
            let mut sender = shared.sender.clone();
            if sender.ready().await.is_ok()
                && let Ok(answer) = sender.send_request(request(call)?).await
            {
                return Ok(read(call, answer).await?.0);
            }
            self.0.pool.forget_shared(&key, &shared);
        }
        let opened = Arc::new(self.0.connector.http2(call, &self.0.guard).await?);
        self.0.pool.share(key, Arc::clone(&opened));
        let mut sender = opened.sender.clone();
        let sent = sender.send_request(request(call)?).await;
        let answer = sent.map_err(|error| broken(call, error))?;
        Ok(read(call, answer).await?.0)
    }
}

fn broken(call: &Call<'_>, error: hyper::Error) -> CallError {
    CallError::Broken {
        host: call.endpoint.host().to_owned(),
        error,
    }
}

fn request(call: &Call<'_>) -> Result<Request<Full<Bytes>>, http::Error> {
    let builder = Request::builder().method(call.method.clone());
    let mut request = match call.version {
        Version::Http1 => builder
            .uri(call.endpoint.path_and_query())
            .header(header::HOST, call.endpoint.authority()),
        Version::Http2 => builder.uri(call.endpoint.without_user()),
    }
    .body(Full::new(call.body.clone()))?;
    for (name, value) in &call.headers {
        request.headers_mut().append(name, value.clone());
    }
    if call.version == Version::Http1 {
        let keep = HeaderValue::from_static("Keep-Alive");
        request.headers_mut().insert(header::CONNECTION, keep);
    }
    Ok(request)
}

/// The answer, and whether its body was read to the end.
async fn read(
    call: &Call<'_>,
    answer: http::Response<Incoming>,
) -> Result<(Answer, bool), CallError> {
    let (parts, mut body) = answer.into_parts();
    let mut read = BytesMut::new();
    let mut is_whole = true;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| broken(call, error))?;
        let Some(data) = frame.data_ref() else {
            continue;
        };
        let room = ANSWER_BYTES_MAX - read.len();
        read.extend_from_slice(&data[..data.len().min(room)]);
        if data.len() > room {
            is_whole = false;
            break;
        }
    }
    let answer = Answer {
        status: parts.status,
        headers: parts.headers,
        body: read.freeze(),
    };
    Ok((answer, is_whole))
}
