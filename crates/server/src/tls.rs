//! TLS for clients: a pair of files that is made if it should be, and a certificate that follows its files.

use std::convert::Infallible;
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use levada_gateway::{TlsError, Validity};
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose};
use thiserror::Error;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};

use crate::config::Tls;

/// How often the files are read again. Platforms that renew a certificate do so days before the old one ends.
const LOOK_PERIOD: Duration = Duration::from_secs(30);
/// A self-signed certificate is good from this long before now, for clients whose clock is late.
const BEGUN_BEFORE: Duration = Duration::from_secs(86_400);
/// And for ten years from now: nobody renews it.
const GOOD_FOR: Duration = Duration::from_secs(10 * 365 * 86_400);

/// Why there is no TLS.
#[derive(Debug, Error)]
pub enum TlsStartError {
    /// The files cannot be used.
    #[error(transparent)]
    Files(#[from] TlsError),
    /// A self-signed certificate was wanted, and one of the files is there.
    #[error(
        "{there} is there and {missing} is not: a certificate is made when both are missing; put the other file back, or remove this one"
    )]
    HalfThere {
        /// The file that is there.
        there: PathBuf,
        /// The file that is not.
        missing: PathBuf,
    },
    /// A self-signed certificate cannot be written.
    #[error("cannot write the self-signed certificate to {path}: {error}")]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A self-signed certificate cannot be made.
    #[error("cannot make a self-signed certificate: {0}")]
    Unmade(#[from] rcgen::Error),
}

/// The certificate to serve with; it is made before, if it should be and is not there.
pub(crate) fn start(
    tls: &Tls,
    public_url: Option<&str>,
) -> Result<levada_gateway::Tls, TlsStartError> {
    if tls.self_signed {
        make_if_missing(tls, public_url)?;
    }
    let loaded = levada_gateway::Tls::load(&tls.certificate, &tls.key)?;
    match loaded.validity(SystemTime::now()) {
        Validity::Good => {}
        Validity::NotYet => {
            warn!(certificate = %tls.certificate.display(), "the certificate is not good yet: clients will refuse it");
        }
        Validity::Ended => {
            warn!(certificate = %tls.certificate.display(), "the certificate is no longer good: clients will refuse it");
        }
    }
    Ok(loaded)
}

/// Shows a new certificate when the files have changed: at once on SIGHUP, else within [`LOOK_PERIOD`]. Without TLS the signal
/// is left as it is: it ends a node whose terminal is closed.
pub(crate) fn follow(
    tls: Option<Arc<levada_gateway::Tls>>,
) -> io::Result<impl Future<Output = Infallible>> {
    let hangup = tls.is_some().then(|| signal(SignalKind::hangup()));
    let hangup = hangup.transpose()?;
    Ok(async move {
        match (tls, hangup) {
            (Some(tls), Some(hangup)) => look_again(tls, hangup).await,
            _ => std::future::pending().await,
        }
    })
}

async fn look_again(tls: Arc<levada_gateway::Tls>, mut hangup: Signal) -> Infallible {
    let mut ticks = tokio::time::interval(LOOK_PERIOD);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    ticks.tick().await;
    let mut told = String::new();
    loop {
        let is_asked = tokio::select! {
            _ = ticks.tick() => false,
            _ = hangup.recv() => true,
        };
        let tls = Arc::clone(&tls);
        // A file may be on a disk that takes its time.
        let reloaded = tokio::task::spawn_blocking(move || tls.reload()).await;
        let Ok(reloaded) = reloaded else { continue };
        match reloaded {
            Ok(true) => info!("clients are shown another certificate from now on"),
            Ok(false) if is_asked => info!("the certificate's files have not changed"),
            Ok(false) => {}
            // Said once, and not every half minute until somebody comes.
            Err(e) if is_asked || told != e.to_string() => {
                warn!(error = %e, "the old certificate stays");
                told = e.to_string();
                continue;
            }
            Err(_) => continue,
        }
        told.clear();
    }
}

fn make_if_missing(tls: &Tls, public_url: Option<&str>) -> Result<(), TlsStartError> {
    let (certificate, key) = (&tls.certificate, &tls.key);
    let half = |there: &Path, missing: &Path| TlsStartError::HalfThere {
        there: there.to_owned(),
        missing: missing.to_owned(),
    };
    match (certificate.exists(), key.exists()) {
        (true, true) => return Ok(()),
        (true, false) => return Err(half(certificate, key)),
        (false, true) => return Err(half(key, certificate)),
        (false, false) => {}
    }
    let names = names(tls.listen, public_url);
    let (certificate_pem, key_pem) = self_signed(names.clone())?;
    write(key, &key_pem, 0o600)?;
    write(certificate, &certificate_pem, 0o644)?;
    info!(certificate = %certificate.display(), names = names.join(","), "made a self-signed certificate; clients are to trust that file");
    Ok(())
}

/// By what this node may be called: what a client's certificate check compares.
fn names(listen: SocketAddr, public_url: Option<&str>) -> Vec<String> {
    let mut names = vec![
        "localhost".to_owned(),
        Ipv4Addr::LOCALHOST.to_string(),
        Ipv6Addr::LOCALHOST.to_string(),
    ];
    let mut add = |name: String| {
        let is_name = name.parse::<IpAddr>().is_ok()
            || name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-.*".contains(c));
        if is_name && !name.is_empty() && !names.contains(&name) {
            names.push(name);
        }
    };
    if !listen.ip().is_unspecified() {
        add(listen.ip().to_string());
    }
    add(rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned());
    if let Some(host) = public_url.and_then(|url| url.split_once("://")) {
        let host = host.1.rsplit_once(':').map_or(host.1, |(host, _)| host);
        add(host.trim_matches(['[', ']']).to_owned());
    }
    names
}

/// A certificate that vouches for itself and for nothing else, and its key, both in PEM form.
fn self_signed(names: Vec<String>) -> Result<(String, String), rcgen::Error> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(names)?;
    // The library's times come from another crate, and begin for us where the system's do.
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = rcgen::date_time_ymd(1970, 1, 1) + since.unwrap_or_default();
    params.not_before = now - BEGUN_BEFORE;
    params.not_after = now + GOOD_FOR;
    params
        .distinguished_name
        .push(DnType::CommonName, "Levada, self-signed");
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let certificate = params.self_signed(&key)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

fn write(path: &Path, text: &str, mode: u32) -> Result<(), TlsStartError> {
    let written = || {
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir)?;
        }
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(mode).open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    written().map_err(|error| TlsStartError::Unwritable {
        path: path.to_owned(),
        error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(dir: &Path) -> Tls {
        Tls {
            listen: "0.0.0.0:4443".parse().unwrap(),
            certificate: dir.join("tls/c.pem"),
            key: dir.join("tls/k.pem"),
            self_signed: true,
        }
    }

    #[test]
    fn a_certificate_is_made_once_and_fits_its_key() {
        let dir = tempfile::tempdir().unwrap();
        let tls = at(dir.path());
        let loaded = start(&tls, Some("https://queues.example.com:4443")).unwrap();
        let made = std::fs::read(&tls.certificate).unwrap();
        start(&tls, None).unwrap();
        assert_eq!(std::fs::read(&tls.certificate).unwrap(), made);
        let in_years = SystemTime::now() + GOOD_FOR;
        assert_eq!(loaded.validity(in_years - BEGUN_BEFORE), Validity::Good);
        assert_eq!(loaded.validity(in_years + BEGUN_BEFORE), Validity::Ended);
        let mode = std::os::unix::fs::PermissionsExt::mode(
            &std::fs::metadata(&tls.key).unwrap().permissions(),
        );
        assert_eq!(mode & 0o077, 0, "a key is its owner's");
    }

    #[test]
    fn half_a_pair_is_not_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let tls = at(dir.path());
        start(&tls, None).unwrap();
        std::fs::remove_file(&tls.key).unwrap();
        let said = start(&tls, None).unwrap_err().to_string();
        assert!(
            said.contains("c.pem is there and") && said.contains("k.pem is not"),
            "{said}"
        );
    }

    #[test]
    fn a_node_is_called_by_its_addresses_and_by_its_public_url() {
        let names = names("10.1.2.3:1".parse().unwrap(), Some("https://[fd00::1]:443"));
        for name in ["localhost", "127.0.0.1", "::1", "10.1.2.3", "fd00::1"] {
            assert!(names.iter().any(|n| n == name), "{name} of {names:?}");
        }
        let by_name = super::names("0.0.0.0:1".parse().unwrap(), Some("https://q.example"));
        assert!(
            by_name.contains(&"q.example".to_owned()) && !by_name.contains(&"0.0.0.0".to_owned())
        );
    }
}
