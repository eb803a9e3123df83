//! Connections: the address that the guard admits, TLS, and the first words of HTTP.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{CertificateDer, InvalidDnsNameError, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::task::AbortOnDropHandle;

use super::Call;
use super::pool::{Open, Shared};
use crate::guard::{Guard, NoAddress};
use crate::limits::ANSWER_HEADERS_MAX;

/// Whom servers' certificates are trusted by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Roots {
    /// By whom the platform trusts.
    #[default]
    Platform,
    /// By these alone.
    Only(Vec<CertificateDer<'static>>),
    /// By both.
    PlatformAnd(Vec<CertificateDer<'static>>),
}

/// Why there is no TLS to others.
#[derive(Debug, Error)]
pub enum TlsSettingsError {
    /// A root that is no certificate.
    #[error("a certificate to trust by is none: {0}")]
    BadRoot(rustls::Error),
    /// A certificate and a key that are no pair, or are of a kind that is not known.
    #[error("the certificate and the key cannot be used: {0}")]
    BadIdentity(rustls::Error),
    /// No protocol is left. It does not happen with the versions that are compiled in.
    #[error("TLS cannot be set up: {0}")]
    Unusable(rustls::Error),
}

/// Why there is no connection.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// There is no address that may be connected to.
    #[error(transparent)]
    NoAddress(#[from] NoAddress),
    /// The host's name cannot be one of TLS.
    #[error("{host} cannot be a name in a certificate: {error}")]
    BadName {
        /// The name.
        host: String,
        /// What is wrong with it.
        error: InvalidDnsNameError,
    },
    /// Nobody answers at the address.
    #[error("cannot connect to {host} at {address}: {error}")]
    Unreachable {
        /// The host.
        host: String,
        /// The last address that was tried.
        address: SocketAddr,
        /// What the system said.
        error: io::Error,
    },
    /// TLS failed, as with a certificate that is not trusted.
    #[error("no TLS with {host}: {error}")]
    Tls {
        /// The host.
        host: String,
        /// What was wrong.
        error: io::Error,
    },
    /// HTTP/2 is needed, and the server does not speak it.
    #[error("{0} does not speak HTTP/2")]
    NoHttp2(String),
    /// HTTP did not begin.
    #[error("{host}: {error}")]
    Http {
        /// The host.
        host: String,
        /// What was wrong.
        error: hyper::Error,
    },
}

impl ConnectError {
    /// Whether it would be the same another time. A certificate may be renewed, and a name be corrected: those are not.
    pub fn is_final(&self) -> bool {
        matches!(
            self,
            Self::NoAddress(NoAddress::Refused { .. }) | Self::BadName { .. }
        )
    }
}

/// Makes connections.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    roots: Arc<RootCertStore>,
    http1: Arc<ClientConfig>,
    http2: Arc<ClientConfig>,
}

const ALPN_HTTP1: &[u8] = b"http/1.1";
const ALPN_HTTP2: &[u8] = b"h2";

impl Connector {
    pub(super) fn new(roots: &Roots) -> Result<Self, TlsSettingsError> {
        let roots = Arc::new(store(roots)?);
        Self::with(roots, None)
    }

    pub(super) fn with_identity(
        &self,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, TlsSettingsError> {
        Self::with(Arc::clone(&self.roots), Some((chain, key)))
    }

    fn with(
        roots: Arc<RootCertStore>,
        identity: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
    ) -> Result<Self, TlsSettingsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(TlsSettingsError::Unusable)?
            .with_root_certificates(Arc::clone(&roots));
        let mut http1 = match identity {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => builder
                .with_client_auth_cert(chain, key)
                .map_err(TlsSettingsError::BadIdentity)?,
        };
        let mut http2 = http1.clone();
        http1.alpn_protocols = vec![ALPN_HTTP1.to_vec()];
        http2.alpn_protocols = vec![ALPN_HTTP2.to_vec()];
        Ok(Self {
            roots,
            http1: Arc::new(http1),
            http2: Arc::new(http2),
        })
    }

    /// A connection of HTTP/1.1.
    pub(super) async fn http1(&self, call: &Call<'_>, guard: &Guard) -> Result<Open, ConnectError> {
        let stream = reach(call, guard).await?;
        if call.endpoint.is_tls() {
            return begin_http1(call, self.tls(call, &self.http1, stream).await?).await;
        }
        begin_http1(call, stream).await
    }

    /// A connection of HTTP/2. Without TLS it begins as if the server had agreed.
    pub(super) async fn http2(
        &self,
        call: &Call<'_>,
        guard: &Guard,
    ) -> Result<Shared, ConnectError> {
        let stream = reach(call, guard).await?;
        if !call.endpoint.is_tls() {
            return begin_http2(call, stream).await;
        }
        let stream = self.tls(call, &self.http2, stream).await?;
        if stream.get_ref().1.alpn_protocol() != Some(ALPN_HTTP2) {
            return Err(ConnectError::NoHttp2(call.endpoint.host().to_owned()));
        }
        begin_http2(call, stream).await
    }

    async fn tls(
        &self,
        call: &Call<'_>,
        config: &Arc<ClientConfig>,
        stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>, ConnectError> {
        let host = call.endpoint.host();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let name =
            ServerName::try_from(bare.to_owned()).map_err(|error| ConnectError::BadName {
                host: host.to_owned(),
                error,
            })?;
        let connecting = TlsConnector::from(Arc::clone(config)).connect(name, stream);
        connecting.await.map_err(|error| ConnectError::Tls {
            host: host.to_owned(),
            error,
        })
    }
}

fn store(roots: &Roots) -> Result<RootCertStore, TlsSettingsError> {
    let (platform, given) = match roots {
        Roots::Platform => (true, &[][..]),
        Roots::Only(given) => (false, &given[..]),
        Roots::PlatformAnd(given) => (true, &given[..]),
    };
    let mut store = RootCertStore::empty();
    if platform {
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::warn!(%error, "cannot read some of the platform's certificates");
        }
        // Platforms have some that rustls does not take; the others do.
        let (taken, _) = store.add_parsable_certificates(found.certs);
        if taken == 0 && given.is_empty() {
            tracing::warn!(
                "the platform has no certificates to trust by: https endpoints cannot be reached"
            );
        }
    }
    for root in given {
        store.add(root.clone()).map_err(TlsSettingsError::BadRoot)?;
    }
    Ok(store)
}

/// A connection to the first address that takes it. No address is tried that the guard has not admitted.
async fn reach(call: &Call<'_>, guard: &Guard) -> Result<TcpStream, ConnectError> {
    let (host, port) = (call.endpoint.host(), call.endpoint.port());
    let addresses = guard.resolve(host, port, call.origin).await?;
    let mut failed = None;
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                // A request is written at once; there is nothing to wait for. If it cannot be set, it is slower.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Err(error) => failed = Some((address, error)),
        }
    }
    let host = host.to_owned();
    Err(match failed {
        Some((address, error)) => ConnectError::Unreachable {
            host,
            address,
            error,
        },
        None => NoAddress::Empty(host).into(),
    })
}

async fn begin_http1(
    call: &Call<'_>,
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
) -> Result<Open, ConnectError> {
    let (sender, connection) = http1::Builder::new()
        .max_headers(ANSWER_HEADERS_MAX)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| unbegun(call, error))?;
    // Its end is seen by whoever uses the sender.
    let task = tokio::spawn(async move { drop(connection.await) });
    Ok(Open {
        sender,
        _task: AbortOnDropHandle::new(task),
    })
}

async fn begin_http2(
    call: &Call<'_>,
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
) -> Result<Shared, ConnectError> {
    let (sender, connection) = http2::Builder::new(TokioExecutor::new())
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| unbegun(call, error))?;
    let task = tokio::spawn(async move { drop(connection.await) });
    Ok(Shared {
        sender,
        _task: AbortOnDropHandle::new(task),
    })
}

fn unbegun(call: &Call<'_>, error: hyper::Error) -> ConnectError {
    ConnectError::Http {
        host: call.endpoint.host().to_owned(),
        error,
    }
}
