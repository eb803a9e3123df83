//! Servers that stand in for endpoints, in tests: they keep what they were asked, and answer as they are told.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::task::AbortOnDropHandle;

use crate::client::{Client, ClientSettings, Roots};
use crate::guard::{Guard, GuardSettings};
use crate::sockets::Sockets;

/// A request that came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) uri: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// What is answered.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// A status, headers and a body.
    Whole(u16, Vec<(&'static str, String)>, String),
    /// Nothing, ever.
    Hang,
    /// A 200 whose body has no end.
    Endless,
    /// A 200 whose body has a beginning and then nothing.
    Stalled,
}

impl Reply {
    pub(crate) fn status(status: u16) -> Self {
        Self::Whole(status, Vec::new(), String::new())
    }

    pub(crate) fn text(status: u16, text: impl Into<String>) -> Self {
        Self::Whole(status, Vec::new(), text.into())
    }
}

pub(crate) struct StandIn {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    connections: Arc<AtomicUsize>,
    _task: AbortOnDropHandle<()>,
}

type Answer = Arc<dyn Fn(&Seen) -> Reply + Send + Sync>;

/// How a stand-in speaks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speaks {
    Http1,
    Http2,
}

impl StandIn {
    pub(crate) async fn plain(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::start(Speaks::Http1, None, Arc::new(answer)).await
    }

    pub(crate) async fn tls(
        speaks: Speaks,
        identity: &Identity,
        client_root: Option<&CertificateDer<'static>>,
        answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let acceptor = identity.acceptor(speaks, client_root);
        Self::start(speaks, Some(acceptor), Arc::new(answer)).await
    }

    async fn start(speaks: Speaks, tls: Option<TlsAcceptor>, answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let connections = Arc::new(AtomicUsize::new(0));
        let (seen_too, count) = (Arc::clone(&seen), Arc::clone(&connections));
        let task = tokio::spawn(async move {
            let mut serving = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                let (answer, seen, tls) = (Arc::clone(&answer), Arc::clone(&seen_too), tls.clone());
                serving.spawn(async move {
                    match tls {
                        None => serve(speaks, stream, seen, answer).await,
                        Some(tls) => {
                            // A client that does not trust us goes away here.
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(speaks, stream, seen, answer).await;
                            }
                        }
                    }
                });
            }
        });
        Self {
            address,
            seen,
            connections,
            _task: AbortOnDropHandle::new(task),
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// By a name that certificates have.
    pub(crate) fn tls_url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.address.port())
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn serve(
    speaks: Speaks,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    seen: Arc<Mutex<Vec<Seen>>>,
    answer: Answer,
) {
    let service = service_fn(move |request| {
        let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
        async move { Ok::<_, Infallible>(respond(request, &seen, &answer).await) }
    });
    let io = TokioIo::new(stream);
    // How a client leaves is not the server's affair.
    match speaks {
        Speaks::Http1 => {
            let builder = hyper::server::conn::http1::Builder::new();
            let _ = builder.serve_connection(io, service).await;
        }
        Speaks::Http2 => {
            let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            let _ = builder.serve_connection(io, service).await;
        }
    }
}

async fn respond(
    request: Request<Incoming>,
    seen: &Mutex<Vec<Seen>>,
    answer: &Answer,
) -> Response<Outflow> {
    let (parts, body) = request.into_parts();
    let Ok(body) = body.collect().await else {
        return Response::new(Outflow::Whole(None));
    };
    let request = Seen {
        method: parts.method.to_string(),
        uri: parts.uri.to_string(),
        headers: parts.headers,
        body: body.to_bytes(),
    };
    seen.lock().unwrap().push(request.clone());
    match answer(&request) {
        Reply::Hang => std::future::pending().await,
        Reply::Endless => Response::new(Outflow::Endless),
        Reply::Stalled => Response::new(Outflow::Stalled(Some(Bytes::from_static(b"x")))),
        Reply::Whole(status, headers, body) => {
            let mut response = Response::new(Outflow::Whole(Some(Bytes::from(body))));
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            for (name, value) in headers {
                response.headers_mut().append(name, value.parse().unwrap());
            }
            response
        }
    }
}

enum Outflow {
    Whole(Option<Bytes>),
    Stalled(Option<Bytes>),
    Endless,
}

impl Body for Outflow {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let data = match &mut *self {
            Self::Whole(data) => return Poll::Ready(data.take().map(|d| Ok(Frame::data(d)))),
            Self::Stalled(data) => match data.take() {
                Some(data) => data,
                None => return Poll::Pending,
            },
            Self::Endless => Bytes::from_static(&[b'x'; 4096]),
        };
        Poll::Ready(Some(Ok(Frame::data(data))))
    }
}

/// A self-signed certificate for `localhost`, and its key.
pub(crate) struct Identity {
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) certificate_pem: String,
    pub(crate) key_pem: String,
    key: Vec<u8>,
}

impl Identity {
    pub(crate) fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        Self {
            certificate: made.cert.der().clone(),
            certificate_pem: made.cert.pem(),
            key_pem: made.signing_key.serialize_pem(),
            key: made.signing_key.serialize_der(),
        }
    }

    pub(crate) fn acceptor(
        &self,
        speaks: Speaks,
        client_root: Option<&CertificateDer<'static>>,
    ) -> TlsAcceptor {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = match client_root {
            None => builder.with_no_client_auth(),
            Some(root) => {
                let mut roots = rustls::RootCertStore::empty();
                roots.add(root.clone()).unwrap();
                let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(
                    Arc::new(roots),
                    provider,
                );
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.clone()));
        let mut config = builder
            .with_single_cert(vec![self.certificate.clone()], key)
            .unwrap();
        config.alpn_protocols = match speaks {
            Speaks::Http1 => vec![b"http/1.1".to_vec()],
            Speaks::Http2 => vec![b"h2".to_vec()],
        };
        TlsAcceptor::from(Arc::new(config))
    }
}

/// A client of a laptop, that trusts these certificates and nobody else.
pub(crate) fn client(trusted: &[&Identity]) -> Client {
    let settings = GuardSettings {
        allow_loopback: true,
        ..GuardSettings::default()
    };
    guarded(trusted, settings, Duration::from_secs(10))
}

/// One whose attempts are given up soon.
pub(crate) fn hasty_client() -> Client {
    let settings = GuardSettings {
        allow_loopback: true,
        ..GuardSettings::default()
    };
    guarded(&[], settings, Duration::from_millis(300))
}

pub(crate) fn guarded(
    trusted: &[&Identity],
    guard: GuardSettings,
    attempt_time: Duration,
) -> Client {
    let roots = trusted.iter().map(|identity| identity.certificate.clone());
    let settings = ClientSettings {
        roots: Roots::Only(roots.collect()),
        attempt_time: Some(attempt_time),
    };
    Client::new(&settings, Arc::new(Guard::new(guard)), Sockets::default()).unwrap()
}
