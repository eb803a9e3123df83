//! Where signatures come from: the server gives the front a signer, or what topics send is not signed.

use levada_wire::sns::{Signature, StoredNotification};
use levada_wire::sqs::StoredMessage;

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

/// Signs a published message for whom it is delivered to, if he gets a document that has no signature yet. It takes a processor up
/// to some milliseconds.
pub fn sign_delivered(signer: &dyn MessageSigner, message: &mut StoredMessage) {
    if message.lacks_signature()
        && let Some(notification) = &mut message.notification
    {
        let text = std::str::from_utf8(&message.body).unwrap_or_default();
        sign_notification(signer, notification, text);
    }
}

/// Signs what the document around a text says, if it is yet to be signed.
pub(super) fn sign_notification(
    signer: &dyn MessageSigner,
    notification: &mut StoredNotification,
    text: &str,
) {
    let Some(version) = notification.unsigned_version() else {
        return;
    };
    let to_sign = notification.string_to_sign(text);
    if let Some(signed) = sign_by(signer, &notification.base_url, &to_sign, version) {
        notification.signature = signed.signature;
        notification.signing_cert_url = signed.certificate_url;
    }
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
    sign_by(&**gateway.signer()?, base_url, text, version)
}

fn sign_by(signer: &dyn MessageSigner, base_url: &str, text: &str, version: u8) -> Option<Signed> {
    Some(Signed {
        version,
        signature: signer.sign(text, version)?,
        certificate_url: format!("{base_url}/{}", signer.certificate_name()),
    })
}
