//! `[http.tls]`: where clients are served over TLS, and by which files.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::{ConfigError, file, parsed};

/// The port of TLS, where only the files are named.
const PORT_DEFAULT: u16 = 4443;

/// How clients are served over TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Where.
    pub listen: SocketAddr,
    /// The certificate, and the chain behind it, in PEM form.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// A pair of files that is not there is made.
    pub self_signed: bool,
}

/// Sets what the environment says instead of the file.
pub(super) fn overlay(
    file: &mut file::Tls,
    get: &impl Fn(&str) -> Option<String>,
) -> Result<(), ConfigError> {
    const LISTEN: &str = "LEVADA_HTTP_TLS_LISTEN";
    const SELF_SIGNED: &str = "LEVADA_HTTP_TLS_SELF_SIGNED";
    if let Some(value) = get(LISTEN) {
        file.listen = Some(parsed(LISTEN, value, file::ADDRESS_EXPECTED)?);
    }
    if let Some(path) = get("LEVADA_HTTP_TLS_CERTIFICATE") {
        file.certificate = Some(path.into());
    }
    if let Some(path) = get("LEVADA_HTTP_TLS_KEY") {
        file.key = Some(path.into());
    }
    if let Some(value) = get(SELF_SIGNED) {
        file.self_signed = Some(parsed(SELF_SIGNED, value, "true or false")?);
    }
    Ok(())
}

/// Fills in the defaults. Nothing that is said means no TLS.
pub(super) fn complete(
    file: file::Tls,
    http_listen: SocketAddr,
    data_dir: &Path,
) -> Result<Option<Tls>, ConfigError> {
    let together = |text: &str| Err(ConfigError::Together(text.to_owned()));
    let self_signed = file.self_signed.unwrap_or(false);
    let (certificate, key) = match (file.certificate, file.key) {
        (Some(certificate), Some(key)) => (certificate, key),
        (None, None) if self_signed => {
            let dir = data_dir.join("tls");
            (dir.join("certificate.pem"), dir.join("key.pem"))
        }
        (None, None) if file.listen.is_none() => return Ok(None),
        (None, None) => {
            return together(
                "http.tls.listen is set, and by which certificate is not: set http.tls.certificate and http.tls.key, or http.tls.self_signed to have one made",
            );
        }
        (Some(_), None) => {
            return together(
                "http.tls.certificate is set and http.tls.key is not: name the file with the certificate's private key",
            );
        }
        (None, Some(_)) => {
            return together(
                "http.tls.key is set and http.tls.certificate is not: name the file with the certificate that the key belongs to",
            );
        }
    };
    let listen = file
        .listen
        .unwrap_or_else(|| SocketAddr::new(http_listen.ip(), PORT_DEFAULT));
    if listen == http_listen && listen.port() != 0 {
        return together(
            "http.listen and http.tls.listen are the same: plain text and TLS want a port each",
        );
    }
    Ok(Some(Tls {
        listen,
        certificate,
        key,
        self_signed,
    }))
}
