//! Signed claims (RFC 7515, compact form): Google's by RSA, Apple's by ECDSA.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};

/// A key that is none, or of a kind that does not sign such claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BadKey;

/// A key that claims are signed with.
pub(super) enum JwtKey {
    Rsa(Box<RsaKeyPair>),
    Ecdsa(Box<EcdsaKeyPair>),
}

impl std::fmt::Debug for JwtKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JwtKey")
    }
}

impl JwtKey {
    /// For RS256.
    pub(super) fn rsa(pem: &str) -> Result<Self, BadKey> {
        let der = pkcs8(pem)?;
        let key = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).map_err(|_| BadKey)?;
        Ok(Self::Rsa(Box::new(key)))
    }

    /// For ES256.
    pub(super) fn ecdsa(pem: &str) -> Result<Self, BadKey> {
        let der = pkcs8(pem)?;
        let key = EcdsaKeyPair::from_pkcs8(
            &ECDSA_P256_SHA256_FIXED_SIGNING,
            der.secret_pkcs8_der(),
            &SystemRandom::new(),
        );
        Ok(Self::Ecdsa(Box::new(key.map_err(|_| BadKey)?)))
    }

    /// Claims, signed.
    pub(super) fn sign(&self, key_id: &str, claims: &Value) -> Result<String, BadKey> {
        let algorithm = match self {
            Self::Rsa(_) => "RS256",
            Self::Ecdsa(_) => "ES256",
        };
        let header = json!({"alg": algorithm, "typ": "JWT", "kid": key_id});
        let encode = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}", encode(&header), encode(claims));
        let random = SystemRandom::new();
        let signature = match self {
            Self::Rsa(key) => {
                let mut out = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, text.as_bytes(), &mut out)
                    .map_err(|_| BadKey)?;
                out
            }
            Self::Ecdsa(key) => {
                let signed = key.sign(&random, text.as_bytes());
                signed.map_err(|_| BadKey)?.as_ref().to_vec()
            }
        };
        Ok(format!(
            "{text}.{}",
            BASE64_URL_SAFE_NO_PAD.encode(signature)
        ))
    }
}

fn pkcs8(pem: &str) -> Result<PrivatePkcs8KeyDer<'static>, BadKey> {
    PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| BadKey)
}
