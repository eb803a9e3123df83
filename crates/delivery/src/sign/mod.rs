//! A node's signing key and certificate, with which subscribers tell that a message is from here.
//!
//! A key of RSA, since SNS's signatures are RSA's and validators know no others. The files are made when they are first wanted
//! and are the same after a restart: a validator that has fetched a certificate keeps it. Two nodes have two keys: what a node
//! signs names the URL of its own certificate, which any node must be able to answer, or the certificates be shared.
//!
//! Two implementations sign, for the same key: ring what it can (SHA-256), and the `rsa` crate what ring does not (SHA-1).

mod files;

use std::path::Path;
use std::time::SystemTime;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rsa::PrivateKey;
use rsa::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, LineEnding};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use thiserror::Error;

use self::files::FileError;
use crate::limits::{CERTIFICATE_BEGUN_BEFORE, CERTIFICATE_GOOD_FOR, SIGNING_KEY_BITS};

/// The key's file, readable by its owner alone.
const KEY_FILE: &str = "sns-signing-key.pem";
/// The certificate's file.
const CERTIFICATE_FILE: &str = "sns-signing-certificate.pem";
/// Who the certificate says it is. It claims no name of AWS's.
const COMMON_NAME: &str = "levada";

/// Why there is no signing key.
#[derive(Debug, Error)]
pub enum SigningError {
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A key cannot be made.
    #[error("cannot make a signing key: {0}")]
    Unmade(String),
    /// The key's file holds something else.
    #[error(
        "{0} is not an RSA key in PKCS#8 form; remove it, and the certificate beside it, and new ones are made"
    )]
    NotAKey(String),
    /// The certificate's file holds something else.
    #[error("{0} is not a certificate; remove it, and a new one is made for the key")]
    NotACertificate(String),
    /// The certificate cannot be made.
    #[error("cannot make the certificate of the signing key: {0}")]
    Uncertified(#[from] rcgen::Error),
}

/// A string that could not be signed. A key that was read signs, unless the system gives no random bytes.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("cannot sign a message")]
pub struct Unsigned;

/// How a message is signed: a topic's `SignatureVersion`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SignatureVersion {
    /// SHA1withRSA, AWS's default.
    #[default]
    V1,
    /// SHA256withRSA.
    V2,
}

impl SignatureVersion {
    /// As a message says it.
    pub const fn number(self) -> u8 {
        match self {
            Self::V1 => 1,
            Self::V2 => 2,
        }
    }
}

/// A key and its certificate.
pub struct Signer {
    sha256: RsaKeyPair,
    sha1: PrivateKey,
    certificate_pem: String,
    id: String,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl Signer {
    /// The key and the certificate in a directory. What is not there is made, which takes a processor up to some seconds: not
    /// for a thread that serves others.
    pub fn open(directory: &Path) -> Result<Self, SigningError> {
        let key_path = directory.join(KEY_FILE);
        let key_pem = match files::read(&key_path)? {
            Some(pem) => pem,
            None => files::make(&key_path, &new_key()?, 0o600)?,
        };
        let no_key = || SigningError::NotAKey(key_path.display().to_string());
        let key = PrivateKey::from_pkcs8_pem(&key_pem).map_err(|_| no_key())?;
        let der = PrivatePkcs8KeyDer::from_pem_slice(key_pem.as_bytes()).map_err(|_| no_key())?;
        let sha256 = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).map_err(|_| no_key())?;

        let certificate_path = directory.join(CERTIFICATE_FILE);
        let certificate_pem = match files::read(&certificate_path)? {
            Some(pem) => pem,
            None => files::make(&certificate_path, &new_certificate(&key_pem)?, 0o644)?,
        };
        let certificate = CertificateDer::from_pem_slice(certificate_pem.as_bytes())
            .map_err(|_| SigningError::NotACertificate(certificate_path.display().to_string()))?;
        Ok(Self {
            id: id_of(&certificate),
            sha256,
            sha1: key,
            certificate_pem,
        })
    }

    /// The signature of a string, in base64. It takes a processor about a millisecond; [ADR 32] has the figures.
    ///
    /// [ADR 32]: https://github.com/levada-mq/levada/blob/main/docs/adr/0032-delivery.md
    pub fn sign(&self, text: &str, version: SignatureVersion) -> Result<String, Unsigned> {
        let signature = match version {
            SignatureVersion::V1 => self
                .sha1
                .pkcs1v15_sign::<sha1::Sha1>(text.as_bytes())
                .map_err(|_| Unsigned)?,
            SignatureVersion::V2 => {
                let mut out = vec![0; self.sha256.public().modulus_len()];
                self.sha256
                    .sign(
                        &RSA_PKCS1_SHA256,
                        &SystemRandom::new(),
                        text.as_bytes(),
                        &mut out,
                    )
                    .map_err(|_| Unsigned)?;
                out
            }
        };
        Ok(BASE64_STANDARD.encode(signature))
    }

    /// The certificate, as `SigningCertURL` answers it.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// What tells this certificate from others: 32 hexadecimal digits of its SHA-256.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The last part of the certificate's URL, with AWS's beginning and end: validators want `.pem`, and the id lets a node say
    /// whose it is.
    pub fn certificate_name(&self) -> String {
        format!("SimpleNotificationService-{}.pem", self.id)
    }
}

fn id_of(certificate: &CertificateDer<'_>) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, certificate);
    digest.as_ref()[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn new_key() -> Result<String, SigningError> {
    let unmade = |error: &dyn std::fmt::Display| SigningError::Unmade(error.to_string());
    let key = PrivateKey::new(&mut rand::rng(), SIGNING_KEY_BITS).map_err(|e| unmade(&e))?;
    let pem = key.to_pkcs8_pem(LineEnding::LF).map_err(|e| unmade(&e))?;
    Ok((*pem).clone())
}

/// A certificate that vouches for itself and for nothing else.
fn new_certificate(key_pem: &str) -> Result<String, rcgen::Error> {
    let key = rcgen::KeyPair::from_pkcs8_pem_and_sign_algo(key_pem, &rcgen::PKCS_RSA_SHA256)?;
    let mut params = rcgen::CertificateParams::new(Vec::new())?;
    // The library's times come from another crate, and begin for us where the system's do.
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = rcgen::date_time_ymd(1970, 1, 1) + since.unwrap_or_default();
    params.not_before = now - CERTIFICATE_BEGUN_BEFORE;
    params.not_after = now + CERTIFICATE_GOOD_FOR;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, COMMON_NAME);
    params.is_ca = rcgen::IsCa::ExplicitNoCa;
    params.key_usages = vec![rcgen::KeyUsagePurpose::DigitalSignature];
    Ok(params.self_signed(&key)?.pem())
}

#[cfg(test)]
mod tests;
