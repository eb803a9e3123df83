//! `StartStreamEncryption` and `StopStreamEncryption`, whose requests are alike.

use super::EncryptionType;
use super::constraint::KEY_ID;
use super::shape::{stream_input, stream_shape};

macro_rules! encryption {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        $(
            stream_input! {
                $(#[$doc])*
                pub struct $name {
                    /// An [`EncryptionType`]; `KMS`.
                    pub encryption_type: Option<String>,
                    /// The key: its id, its ARN, its alias, or the alias's ARN.
                    pub key_id: Option<String>,
                }
            }

            stream_shape!($name, |request, violations| {
                violations.required("encryptionType", &request.encryption_type);
                violations.one_of::<EncryptionType>("encryptionType", &request.encryption_type);
                violations.text("keyId", &request.key_id, &KEY_ID.required());
            });
        )*
    };
}

encryption! {
    /// Encrypts the records that come from now on.
    StartStreamEncryptionRequest;
    /// No longer encrypts them.
    StopStreamEncryptionRequest;
}
