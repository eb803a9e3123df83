//! The one question that a pod asks of its API server: how many replicas a StatefulSet should have.
//!
//! Over TLS by rustls with ring, with the authority and the token that Kubernetes gives every pod. HTTP/1.0, so that the answer
//! ends with the connection.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::client::Error;

/// Where Kubernetes puts a pod's account.
const ACCOUNT_DIR: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// One question.
const ASK_MAX: Duration = Duration::from_secs(5);
/// Bytes of an answer: a scale has some hundreds.
const ANSWER_BYTES_MAX: u64 = 1024 * 1024;
const HEADERS_MAX: usize = 64;

/// The API server, as this pod may ask it.
pub(super) struct Api {
    tls: TlsConnector,
    host: String,
    port: u16,
    token: String,
}

impl Api {
    /// By what Kubernetes gives every pod. Read anew for each use: a token is replaced every hour.
    pub(super) fn in_cluster() -> Result<Self, Error> {
        let variable = |name: &str| {
            std::env::var(name).map_err(|_| {
                Error::Answer(format!(
                    "{name} is not set: this command runs in a pod of a StatefulSet"
                ))
            })
        };
        let port = variable("KUBERNETES_SERVICE_PORT")?;
        let dir = Path::new(ACCOUNT_DIR);
        let read = |file: &str| {
            std::fs::read(dir.join(file)).map_err(|e| {
                Error::Answer(format!(
                    "{}: {e}; give the pod a service account, and mount its token",
                    dir.join(file).display()
                ))
            })
        };
        Ok(Self {
            tls: connector(&read("ca.crt")?)?,
            host: variable("KUBERNETES_SERVICE_HOST")?,
            port: port.parse().map_err(|_| {
                Error::Answer(format!("KUBERNETES_SERVICE_PORT is {port:?}, and no port"))
            })?,
            token: String::from_utf8_lossy(&read("token")?).trim().to_owned(),
        })
    }

    /// `spec.replicas` of a StatefulSet.
    pub(super) async fn replicas(&self, namespace: &str, name: &str) -> Result<u64, Error> {
        let path = format!("/apis/apps/v1/namespaces/{namespace}/statefulsets/{name}/scale");
        let answer = tokio::time::timeout(ASK_MAX, self.get(&path))
            .await
            .map_err(|_| {
                Error::Answer(format!(
                    "the API server at {} does not answer within {} s",
                    self.host,
                    ASK_MAX.as_secs()
                ))
            })??;
        let (status, body) = split(&answer)?;
        match status {
            200 => wanted(body),
            401 | 403 => Err(Error::Answer(format!(
                "the API server does not let this pod look at the StatefulSet {name}: its service account needs `get` on its scale"
            ))),
            other => Err(Error::Answer(format!(
                "the API server answered {other} for {path}"
            ))),
        }
    }

    /// The whole answer, head and body.
    async fn get(&self, path: &str) -> Result<Vec<u8>, Error> {
        let server = ServerName::try_from(self.host.clone()).map_err(|e| {
            Error::Answer(format!("KUBERNETES_SERVICE_HOST is {:?}: {e}", self.host))
        })?;
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        let mut stream = self.tls.connect(server, stream).await?;
        let request = format!(
            "GET {path} HTTP/1.0\r\nhost: {}\r\naccept: application/json\r\nauthorization: Bearer {}\r\n\r\n",
            self.host, self.token
        );
        stream.write_all(request.as_bytes()).await?;
        stream.flush().await?;
        let mut answer = Vec::new();
        let read = (&mut stream)
            .take(ANSWER_BYTES_MAX)
            .read_to_end(&mut answer)
            .await;
        match read {
            Ok(_) => Ok(answer),
            // A server that ends without a farewell: what came is a document, or it is not.
            Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => Ok(answer),
            Err(e) => Err(e.into()),
        }
    }
}

/// TLS with whom this authority vouches for, and with nobody else.
fn connector(authority: &[u8]) -> Result<TlsConnector, Error> {
    let unusable = |e: &dyn std::fmt::Display| {
        Error::Answer(format!("{ACCOUNT_DIR}/ca.crt cannot be used: {e}"))
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(authority) {
        let certificate = certificate.map_err(|e| unusable(&e))?;
        roots.add(certificate).map_err(|e| unusable(&e))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| unusable(&e))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Status and body.
fn split(answer: &[u8]) -> Result<(u16, &[u8]), Error> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    match response.parse(answer) {
        Ok(httparse::Status::Complete(head)) => Ok((
            response.code.unwrap_or(0),
            answer.get(head..).unwrap_or(&[]),
        )),
        Ok(httparse::Status::Partial) => Err(Error::Answer(
            "the API server's answer is cut off".to_owned(),
        )),
        Err(e) => Err(Error::Answer(format!(
            "the API server's answer is not HTTP: {e}"
        ))),
    }
}

/// What a Scale says. One that names no replicas wants none.
fn wanted(body: &[u8]) -> Result<u64, Error> {
    let document: Value = serde_json::from_slice(body)
        .map_err(|e| Error::Answer(format!("the API server's answer is no JSON: {e}")))?;
    let is_scale = document["kind"] == "Scale";
    let replicas = &document["spec"]["replicas"];
    match replicas.as_u64() {
        Some(count) if is_scale => Ok(count),
        None if is_scale && replicas.is_null() => Ok(0),
        _ => Err(Error::Answer(
            "the API server's answer is not the scale of a StatefulSet".to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_is_read_and_nothing_else_is() {
        let whole = b"HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n{\"kind\":\"Scale\",\"spec\":{\"replicas\":5}}";
        let (status, body) = split(whole).unwrap();
        assert_eq!((status, wanted(body).unwrap()), (200, 5));
        assert_eq!(wanted(b"{\"kind\":\"Scale\",\"spec\":{}}").unwrap(), 0);
        for other in [
            &b"{\"kind\":\"Status\"}"[..],
            b"{\"kind\":\"Scale\",\"spec\":{\"replicas\":\"5\"}}",
            b"",
        ] {
            assert!(wanted(other).is_err());
        }
        assert!(split(b"HTTP/1.0 200 OK\r\ncontent-").is_err());
        assert!(split(b"SSH-2.0\r\n").is_err());
    }

    #[test]
    fn an_authority_must_be_one() {
        assert!(
            connector(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").is_err()
        );
    }
}
