//! Where signatures come from: the server gives the front a signer, or what topics send is not signed.

use levada_wire::sns::Signature;

use crate::front::Gateway;

/// Signs what subscribers are sent.
pub trait MessageSigner: std::fmt::Debug + Send + Sync {
    /// The signature of a text in base64, by version 1 (SHA1withRSA) or 2 (SHA256withRSA); none if it could not be made.
    fn sign(&self, text: &str, version: u8) -> Option<String>;

    /// The file's name in the certificate's URL: `SimpleNotificationService-<id>.pem`.
    fn certificate_name(&self) -> String;

    /// The certificate, in PEM form.
    fn certificate_pem(&self) -> String;
}

/// A signature.
#[derive(Clone, Debug)]
pub(super) struct Signed {
    pub(super) version: u8,
    pub(super) signature: String,
    pub(super) certificate_url: String,
}

impl Signed {
    pub(super) fn signature(&self) -> Signature<'_> {
        Signature {
            version: self.version,
            signature: &self.signature,
            signing_cert_url: &self.certificate_url,
        }
    }
}

/// Signs a text; none where nobody signs.
pub(super) fn sign(gateway: &Gateway, base_url: &str, text: &str, version: u8) -> Option<Signed> {
    let signer = gateway.signer()?;
    Some(Signed {
        version,
        signature: signer.sign(text, version)?,
        certificate_url: format!("{base_url}/{}", signer.certificate_name()),
    })
}
