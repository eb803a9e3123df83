//! Keys, certificates and signatures, each signature checked with the certificate by another implementation than made it.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ring::signature::{
    RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey,
};

use super::*;

const TEXT: &str = "Message\nгрüße\nMessageId\n1\nType\nNotification\n";

/// The key in a certificate: webpki finds it, and ring takes what is in the bit string.
fn public_key(pem: &str) -> Vec<u8> {
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    let parsed = webpki::EndEntityCert::try_from(&der).unwrap();
    let info = parsed.subject_public_key_info().as_ref().to_vec();
    // SEQUENCE { SEQUENCE { rsaEncryption, NULL }, BIT STRING { no unused bits, SEQUENCE { ...
    let at = info
        .windows(3)
        .rposition(|window| window == [0x00, 0x30, 0x82])
        .unwrap();
    info[at + 1..].to_vec()
}

#[test]
fn files_are_made_once_and_the_key_is_private() {
    let directory = tempfile::tempdir().unwrap();
    let within = directory.path().join("new");
    let first = Signer::open(&within).unwrap();
    let mode = |name: &str| {
        let metadata = std::fs::metadata(within.join(name)).unwrap();
        metadata.permissions().mode() & 0o777
    };
    assert_eq!(mode(KEY_FILE), 0o600);
    assert_eq!(mode(CERTIFICATE_FILE), 0o644);
    assert_eq!(std::fs::read_dir(&within).unwrap().count(), 2);
    let again = Signer::open(&within).unwrap();
    assert_eq!(again.certificate_pem(), first.certificate_pem());
    assert_eq!(again.id(), first.id());
    assert_eq!(first.id().len(), 32);
    assert!(first.certificate_name().ends_with(".pem"));
    assert_eq!(
        again.sign(TEXT, SignatureVersion::V2),
        first.sign(TEXT, SignatureVersion::V2)
    );

    // A certificate that was lost is made anew, for the same key.
    std::fs::remove_file(within.join(CERTIFICATE_FILE)).unwrap();
    let renewed = Signer::open(&within).unwrap();
    assert_eq!(
        public_key(renewed.certificate_pem()),
        public_key(first.certificate_pem())
    );

    // What is there and is no key is not replaced.
    std::fs::write(within.join(KEY_FILE), "no key").unwrap();
    assert!(matches!(
        Signer::open(&within),
        Err(SigningError::NotAKey(_))
    ));
    std::fs::write(within.join(KEY_FILE), [0xff]).unwrap();
    assert!(matches!(Signer::open(&within), Err(SigningError::File(_))));

    signatures_fit_the_certificate(&first);
    openssl_agrees(&first);
}

/// In the same test, for a key takes some seconds where nothing is optimised.
fn signatures_fit_the_certificate(signer: &Signer) {
    let key = public_key(signer.certificate_pem());
    for (version, algorithm) in [
        (
            SignatureVersion::V1,
            &RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
        ),
        (SignatureVersion::V2, &RSA_PKCS1_2048_8192_SHA256),
    ] {
        let signed = signer.sign(TEXT, version).unwrap();
        let signed = BASE64_STANDARD.decode(signed).unwrap();
        assert_eq!(signed.len(), SIGNING_KEY_BITS / 8);
        let key = UnparsedPublicKey::new(algorithm, &key);
        assert!(key.verify(TEXT.as_bytes(), &signed).is_ok(), "{version:?}");
        assert!(key.verify(b"another", &signed).is_err(), "{version:?}");
    }
    // And the other implementation for SHA-256, which ring signed.
    let signed = signer.sign(TEXT, SignatureVersion::V2).unwrap();
    let signed = BASE64_STANDARD.decode(signed).unwrap();
    let public = signer.sha1.to_public_key();
    assert!(
        public
            .pkcs1v15_verify::<rsa::sha2::Sha256>(TEXT.as_bytes(), &signed)
            .is_ok()
    );
}

/// OpenSSL is what most validators verify with. Where the command is not there, the checks above stand alone.
fn openssl_agrees(signer: &Signer) {
    if Command::new("openssl").arg("version").output().is_err() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    std::fs::write(path("c.pem"), signer.certificate_pem()).unwrap();
    std::fs::write(path("text"), TEXT).unwrap();
    let openssl = |arguments: &[&str]| {
        let mut command = Command::new("openssl");
        command.current_dir(directory.path()).args(arguments);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let erred = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {said}{erred}");
        said
    };
    let key = openssl(&["x509", "-in", "c.pem", "-pubkey", "-noout"]);
    std::fs::write(path("key.pem"), key).unwrap();
    for (version, digest) in [
        (SignatureVersion::V1, "-sha1"),
        (SignatureVersion::V2, "-sha256"),
    ] {
        let signed = signer.sign(TEXT, version).unwrap();
        std::fs::write(path("signed"), BASE64_STANDARD.decode(signed).unwrap()).unwrap();
        openssl(&[
            "dgst",
            digest,
            "-verify",
            "key.pem",
            "-signature",
            "signed",
            "text",
        ]);
    }
    let told = openssl(&["x509", "-in", "c.pem", "-noout", "-subject", "-text"]);
    assert!(
        told.contains("CN = levada") || told.contains("CN=levada"),
        "{told}"
    );
    assert!(told.contains("Version: 3"), "{told}");
    assert!(told.contains("2048 bit"), "{told}");
}
