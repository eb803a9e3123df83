//! TLS on a port of its own: the protocol that is agreed on, and clients that say nothing.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use levada_gateway::Tls;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::support::Front;

/// A front that also listens for TLS, and a certificate to trust.
struct Secured {
    front: Front,
    address: SocketAddr,
    certificate: CertificateDer<'static>,
    _dir: tempfile::TempDir,
}

impl Secured {
    async fn open() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (certificate, key) = (dir.path().join("c"), dir.path().join("k"));
        std::fs::write(&certificate, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        let tls = Arc::new(Tls::load(&certificate, &key).unwrap());
        let mut front = Front::alone().await;
        let address = "127.0.0.1:0".parse().unwrap();
        let address = front.listening.listen_tls(address, tls).await.unwrap();
        Self {
            front,
            address,
            certificate: made.cert.der().clone(),
            _dir: dir,
        }
    }

    async fn connect(&self, alpn: &[&[u8]]) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        let stream = TcpStream::connect(self.address).await.unwrap();
        TlsConnector::from(Arc::new(config))
            .connect(ServerName::try_from("localhost").unwrap(), stream)
            .await
    }
}

/// The body of a refusal, by HTTP/2 over what is connected already.
async fn ask_by_http2(stream: TlsStream<TcpStream>) -> String {
    let (mut sender, connection) = hyper::client::conn::http2::handshake::<_, _, Full<Bytes>>(
        TokioExecutor::new(),
        TokioIo::new(stream),
    )
    .await
    .unwrap();
    let connection = tokio::spawn(connection);
    let request = http::Request::post("https://localhost/")
        .header("x-amz-target", "AmazonSQS.Nothing")
        .body(Full::new(Bytes::from_static(b"{}")))
        .unwrap();
    let answer = sender.send_request(request).await.unwrap();
    assert_eq!(answer.version(), http::Version::HTTP_2);
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    connection.abort();
    String::from_utf8_lossy(&body).into_owned()
}

#[tokio::test]
async fn the_protocol_is_agreed_on_or_found_out() {
    let secured = Secured::open().await;
    for (offered, agreed) in [
        (&[b"h2".as_slice(), b"http/1.1"][..], Some(b"h2".as_slice())),
        (&[b"http/1.1".as_slice()], Some(b"http/1.1")),
        (&[], None),
    ] {
        let stream = secured.connect(offered).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), agreed);
        // Older clients speak HTTP/2 over TLS without having asked for it.
        if agreed != Some(b"http/1.1") {
            let said = ask_by_http2(stream).await;
            assert!(said.contains("UnknownOperationException"), "{said}");
        }
    }
    assert!(secured.connect(&[b"spdy/1"]).await.is_err());
}

#[tokio::test]
async fn plain_text_on_the_port_of_tls_is_a_failed_handshake() {
    let secured = Secured::open().await;
    let mut stream = TcpStream::connect(secured.address).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(
        &mut stream,
        b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n",
    )
    .await
    .unwrap();
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    assert!(!rest.starts_with(b"HTTP"), "{rest:?}");
    assert_eq!(secured.front.metrics.handshakes_failed(), 1);
}

#[tokio::test]
async fn who_says_nothing_holds_up_nobody_and_is_let_go() {
    let secured = Secured::open().await;
    let mut silent = Vec::new();
    for _ in 0..200 {
        silent.push(TcpStream::connect(secured.address).await.unwrap());
    }
    let asked = async { ask_by_http2(secured.connect(&[b"h2"]).await.unwrap()).await };
    let said = tokio::time::timeout(Duration::from_secs(5), asked).await;
    assert!(said.unwrap().contains("UnknownOperationException"));
    // They end within the time of a handshake.
    for mut stream in silent {
        assert_eq!(stream.read(&mut [0]).await.unwrap_or(0), 0);
    }
    assert_eq!(secured.front.metrics.handshakes_failed(), 200);
}

#[tokio::test]
async fn the_end_does_not_wait_for_who_says_nothing() {
    let secured = Secured::open().await;
    let mut silent = TcpStream::connect(secured.address).await.unwrap();
    // Accepted before it, in the order of the queue.
    secured.connect(&[b"h2"]).await.unwrap();
    let begun = std::time::Instant::now();
    secured.front.listening.stop(Duration::from_secs(60)).await;
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert_eq!(silent.read(&mut [0]).await.unwrap_or(0), 0);
}
