//! The certificate that the port for clients shows, read from two PEM files, and read again when they change.
//!
//! rustls with ring. A file that cannot be used is told in words and with its name. A certificate that is in use stays until
//! the files make a whole one again, so that a change of both may be seen half done.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, RootCertStore, ServerConfig};
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Bytes of a file; chains of certificates have some thousands.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Why two files make no TLS.
#[derive(Debug, Error)]
pub enum TlsError {
    /// The system does not give the file.
    #[error("cannot read {path}: {error}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A file is far longer than any that would do.
    #[error("{0} is longer than 1 MiB, and so no certificate or key")]
    TooLong(PathBuf),
    /// No certificate in the file.
    #[error("{0} holds no certificate in PEM form, which begins with -----BEGIN CERTIFICATE-----")]
    NoCertificate(PathBuf),
    /// No key in the file.
    #[error(
        "{0} holds no private key in PEM form, which begins with -----BEGIN PRIVATE KEY-----, -----BEGIN EC PRIVATE KEY----- or -----BEGIN RSA PRIVATE KEY-----"
    )]
    NoKey(PathBuf),
    /// The key wants a password.
    #[error(
        "the private key in {0} is encrypted, and nobody can be asked for its password; decrypt it with `openssl pkey`"
    )]
    Encrypted(PathBuf),
    /// PEM that is broken.
    #[error("{path} is damaged: {error}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: String,
    },
    /// A key of a kind that TLS here does not use.
    #[error(
        "the private key in {path} cannot be used ({error}): RSA of 2048 bits or more, ECDSA on P-256 or P-384 and Ed25519 can"
    )]
    Unfit {
        /// The file.
        path: PathBuf,
        /// What the library said.
        error: String,
    },
    /// Each is right, and they are not a pair.
    #[error(
        "the private key in {key} is not that of the certificate in {certificate}; the server's own certificate comes first in its file"
    )]
    NotAPair {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// The library refuses the whole.
    #[error("TLS cannot be had: {0}")]
    Library(#[from] rustls::Error),
}

/// For how long a certificate is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// At the time that was asked for.
    Good,
    /// It begins later.
    NotYet,
    /// It has ended.
    Ended,
}

/// TLS with the certificate and the key of two files.
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    acceptor: TlsAcceptor,
    shown: Arc<Shown>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls")
            .field("certificate", &self.certificate)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// What is shown to clients whose handshake begins now.
#[derive(Debug)]
struct Shown(RwLock<Pair>);

/// A certificate with its key, and what both files were.
#[derive(Clone, Debug)]
struct Pair {
    certified: Arc<CertifiedKey>,
    digest: [u8; 32],
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.pair().certified)
    }
}

impl Shown {
    fn pair(&self) -> Pair {
        // Nothing panics while the pair is replaced.
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Tls {
    /// Reads both files, the certificate's with the chain behind it. Blocks on the disk.
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let shown = Arc::new(Shown(RwLock::new(read_pair(certificate, key)?)));
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::<Shown>::clone(&shown));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            acceptor: TlsAcceptor::from(Arc::new(config)),
            shown,
        })
    }

    /// Reads the files again; `true` if another certificate is shown from now on. On an error the old one stays. Blocks on the disk.
    pub fn reload(&self) -> Result<bool, TlsError> {
        let pair = read_pair(&self.certificate, &self.key)?;
        let mut shown = self.shown.0.write().unwrap_or_else(PoisonError::into_inner);
        let is_other = shown.digest != pair.digest;
        *shown = pair;
        Ok(is_other)
    }

    /// Whether the certificate is good at a time. What cannot be said without a time is not judged: who is named, who vouches.
    pub fn validity(&self, at: SystemTime) -> Validity {
        let pair = self.shown.pair();
        let since = at.duration_since(SystemTime::UNIX_EPOCH);
        let at = UnixTime::since_unix_epoch(since.unwrap_or(Duration::ZERO));
        match judge(&pair.certified.cert, at) {
            Err(rustls::Error::InvalidCertificate(
                CertificateError::Expired | CertificateError::ExpiredContext { .. },
            )) => Validity::Ended,
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
            )) => Validity::NotYet,
            _ => Validity::Good,
        }
    }

    /// A client's handshake. Nothing here bounds its time.
    pub(crate) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        self.acceptor.accept(stream).await
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// As a client that trusts the end of the chain would: the time of the first is looked at before all else.
fn judge(chain: &[CertificateDer<'_>], at: UnixTime) -> Result<(), rustls::Error> {
    let (Some(own), Some(last)) = (chain.first(), chain.last()) else {
        return Ok(());
    };
    let mut roots = RootCertStore::empty();
    roots.add(last.clone().into_owned())?;
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
        .build()
        .map_err(|e| rustls::Error::General(e.to_string()))?;
    let anybody =
        ServerName::try_from("localhost").map_err(|e| rustls::Error::General(e.to_string()))?;
    verifier
        .verify_server_cert(own, chain.get(1..).unwrap_or(&[]), &anybody, &[], at)
        .map(|_| ())
}

fn read_pair(certificate: &Path, key: &Path) -> Result<Pair, TlsError> {
    let (chain_pem, key_pem) = (read(certificate)?, read(key)?);
    let chain = CertificateDer::pem_slice_iter(&chain_pem).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|e| damaged(certificate, &e))?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate(certificate.to_owned()));
    }
    let private = PrivateKeyDer::from_pem_slice(&key_pem).map_err(|e| match e {
        pem::Error::NoItemsFound if is_encrypted(&key_pem) => TlsError::Encrypted(key.to_owned()),
        pem::Error::NoItemsFound => TlsError::NoKey(key.to_owned()),
        e => damaged(key, &e),
    })?;
    let signing = provider()
        .key_provider
        .load_private_key(private)
        .map_err(|e| TlsError::Unfit {
            path: key.to_owned(),
            error: e.to_string(),
        })?;
    let certified = CertifiedKey::new(chain, signing);
    match certified.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {}
        Err(rustls::Error::InconsistentKeys(_)) => {
            return Err(TlsError::NotAPair {
                certificate: certificate.to_owned(),
                key: key.to_owned(),
            });
        }
        Err(e) => return Err(damaged(certificate, &e)),
    }
    let mut digest = Sha256::new();
    digest.update(
        u64::try_from(chain_pem.len())
            .unwrap_or(u64::MAX)
            .to_be_bytes(),
    );
    digest.update(&chain_pem);
    digest.update(&key_pem);
    Ok(Pair {
        certified: Arc::new(certified),
        digest: digest.finalize().into(),
    })
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let unreadable = |error| TlsError::Unreadable {
        path: path.to_owned(),
        error,
    };
    if std::fs::metadata(path).map_err(unreadable)?.len() > FILE_BYTES_MAX {
        return Err(TlsError::TooLong(path.to_owned()));
    }
    std::fs::read(path).map_err(unreadable)
}

fn is_encrypted(pem: &[u8]) -> bool {
    String::from_utf8_lossy(pem).contains("ENCRYPTED")
}

fn damaged(path: &Path, error: &dyn std::fmt::Display) -> TlsError {
    TlsError::Damaged {
        path: path.to_owned(),
        error: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    /// A directory with a certificate `c` and its key `k`, good from an hour ago for so long.
    fn files(good: Duration) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), good);
        dir
    }

    fn write(dir: &Path, good: Duration) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let begun = rcgen::date_time_ymd(1970, 1, 1) + now.unwrap() - Duration::from_secs(3_600);
        params.not_before = begun;
        params.not_after = begun + good;
        let certificate = params.self_signed(&key).unwrap();
        std::fs::write(dir.join("c"), certificate.pem()).unwrap();
        std::fs::write(dir.join("k"), key.serialize_pem()).unwrap();
    }

    fn load(dir: &Path) -> Result<Tls, TlsError> {
        Tls::load(&dir.join("c"), &dir.join("k"))
    }

    fn said(dir: &Path) -> String {
        load(dir).unwrap_err().to_string()
    }

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn what_is_wrong_with_a_file_is_said_with_its_name() {
        let dir = files(DAY);
        let path = dir.path();
        let (c, k) = (path.join("c"), path.join("k"));
        let (good_c, good_k) = (std::fs::read(&c).unwrap(), std::fs::read(&k).unwrap());

        std::fs::write(&k, &good_c).unwrap();
        assert!(
            said(path).contains("k holds no private key"),
            "{}",
            said(path)
        );
        std::fs::write(
            &k,
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
        )
        .unwrap();
        assert!(said(path).contains("k is encrypted"), "{}", said(path));
        std::fs::write(&k, KeyPair::generate().unwrap().serialize_pem()).unwrap();
        assert!(
            said(path).contains("is not that of the certificate"),
            "{}",
            said(path)
        );
        std::fs::write(
            &k,
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        )
        .unwrap();
        assert!(said(path).contains("k cannot be used"), "{}", said(path));
        std::fs::write(&k, &good_k).unwrap();

        std::fs::write(&c, &good_k).unwrap();
        assert!(
            said(path).contains("c holds no certificate"),
            "{}",
            said(path)
        );
        std::fs::write(&c, &good_c[..good_c.len() / 2]).unwrap();
        assert!(said(path).contains("c is damaged"), "{}", said(path));
        std::fs::write(
            &c,
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        )
        .unwrap();
        assert!(said(path).contains("c is damaged"), "{}", said(path));
        std::fs::remove_file(&c).unwrap();
        assert!(said(path).starts_with("cannot read "), "{}", said(path));
        std::fs::write(&c, vec![b'x'; 2 * 1024 * 1024]).unwrap();
        assert!(said(path).contains("longer than 1 MiB"), "{}", said(path));
    }

    #[test]
    fn a_certificate_is_good_for_its_time() {
        let now = SystemTime::now();
        let tls = load(files(DAY).path()).unwrap();
        assert_eq!(tls.validity(now), Validity::Good);
        assert_eq!(tls.validity(now + 2 * DAY), Validity::Ended);
        assert_eq!(tls.validity(now - DAY), Validity::NotYet);
    }

    #[test]
    fn a_change_of_the_files_is_taken_when_it_is_whole() {
        let dir = files(DAY);
        let tls = load(dir.path()).unwrap();
        assert!(!tls.reload().unwrap(), "nothing has changed");
        let old = tls.shown.pair().digest;
        std::fs::write(
            dir.path().join("k"),
            KeyPair::generate().unwrap().serialize_pem(),
        )
        .unwrap();
        assert!(tls.reload().is_err());
        assert_eq!(tls.shown.pair().digest, old);
        write(dir.path(), DAY);
        assert!(tls.reload().unwrap());
        assert_ne!(tls.shown.pair().digest, old);
    }
}
