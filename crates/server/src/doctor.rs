//! What `levada doctor` finds on this machine: a configuration, a data directory. What it finds in a running
//! cluster is judged where the command asks it.

use std::net::ToSocketAddrs as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

pub use levada_cluster::{Finding, Severity, inspect, judge_space};
use levada_gateway::{AdminCallers, Validity};

use crate::config::{Config, Peers, Tls};

/// A certificate that ends sooner than this should have been renewed by now.
const RENEWED_BEFORE: Duration = Duration::from_secs(14 * 86_400);

/// Looks at a configuration file as `levada serve` would read it; also gives it, if it can be used.
pub fn check_config(
    path: Option<&Path>,
    variable: impl Fn(&str) -> Option<String>,
) -> (Vec<Finding>, Option<Config>) {
    let config = match Config::load(path, variable) {
        Ok(config) => config,
        Err(error) => return (vec![Finding::problem(error.to_string())], None),
    };
    let mut findings = vec![Finding::fine(format!(
        "the configuration is right: clients at {}, data in {}",
        config.http_listen,
        config.data_dir.display()
    ))];
    if !config.http_listen.ip().is_loopback() {
        findings.push(Finding::warning(format!(
            "http.listen is {}, and nobody who reaches it is authenticated; let strangers not reach it",
            config.http_listen
        )));
        if config.admin_callers == AdminCallers::All {
            findings.push(Finding::warning(
                "admin.callers is \"all\": whoever reaches http.listen can take nodes out of the cluster and read every message; prefer \"loopback\"",
            ));
        }
    }
    if let Some(tls) = &config.tls {
        findings.extend(check_tls(tls));
    }
    if let Some(peers) = &config.peers {
        findings.extend(check_peers(peers));
    }
    (findings, Some(config))
}

fn check_tls(tls: &Tls) -> Vec<Finding> {
    if tls.self_signed && !tls.certificate.exists() && !tls.key.exists() {
        return vec![Finding::fine(format!(
            "TLS at {}: a self-signed certificate will be made in {}",
            tls.listen,
            tls.certificate.display()
        ))];
    }
    let loaded = match levada_gateway::Tls::load(&tls.certificate, &tls.key) {
        Ok(loaded) => loaded,
        Err(error) => return vec![Finding::problem(error.to_string())],
    };
    let certificate = tls.certificate.display();
    let now = SystemTime::now();
    let mut findings = vec![
        match (loaded.validity(now), loaded.validity(now + RENEWED_BEFORE)) {
            (Validity::Ended, _) => Finding::problem(format!(
                "the certificate {certificate} is no longer good: clients refuse it; renew it"
            )),
            (Validity::NotYet, _) => Finding::problem(format!(
                "the certificate {certificate} is not good yet: clients refuse it; is this machine's clock right?"
            )),
            (Validity::Good, Validity::Ended) => Finding::warning(format!(
                "the certificate {certificate} is good for less than {} days: renew it; the node takes the new one without a restart",
                RENEWED_BEFORE.as_secs() / 86_400
            )),
            (Validity::Good, _) => Finding::fine(format!(
                "TLS at {}: the certificate {certificate} and its key fit",
                tls.listen
            )),
        },
    ];
    let mode = std::fs::metadata(&tls.key).map(|key| key.permissions().mode());
    if mode.is_ok_and(|mode| mode & 0o004 != 0) {
        findings.push(Finding::warning(format!(
            "everybody on this machine can read the private key {}: chmod o-r",
            tls.key.display()
        )));
    }
    findings
}

fn check_peers(peers: &Peers) -> Vec<Finding> {
    let mut findings = Vec::new();
    for member in &peers.members {
        let found = member
            .to_socket_addrs()
            .map(|mut addresses| addresses.next());
        if !matches!(found, Ok(Some(_))) {
            findings.push(Finding::problem(format!(
                "the member {member} has no address: its name is not known here; check the name and the DNS"
            )));
        }
    }
    let count = peers.members.len();
    if count.is_multiple_of(2) {
        findings.push(Finding::warning(format!(
            "{count} members survive no more failures than {}: use 3 or 5",
            count - 1
        )));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worst(text: &str) -> (Severity, String) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node.toml");
        std::fs::write(&path, text).unwrap();
        let (findings, _) = check_config(Some(&path), |_| None);
        let worst = findings.into_iter().max_by_key(|f| f.severity).unwrap();
        (worst.severity, worst.text)
    }

    #[test]
    fn a_configuration_is_judged_in_words() {
        assert_eq!(worst("").0, Severity::Fine);
        assert_eq!(worst("dta_dir = \"x\"").0, Severity::Problem);
        let (severity, said) = worst("[http]\nlisten = \"0.0.0.0:4566\"");
        assert_eq!(severity, Severity::Warning);
        assert!(said.contains("nobody who reaches it"), "{said}");
        let two = "[peers]\nlisten = \"127.0.0.1:1\"\nmembers = [\"127.0.0.1:1\", \"127.0.0.1:2\"]";
        assert!(worst(two).1.contains("use 3 or 5"));
        let none = "[http.tls]\ncertificate = \"/nowhere/c.pem\"\nkey = \"/nowhere/k.pem\"";
        let (severity, said) = worst(none);
        assert_eq!(severity, Severity::Problem);
        assert!(said.contains("cannot read /nowhere/c.pem"), "{said}");
        let made = "data_dir = \"/nowhere\"\n[http.tls]\nself_signed = true";
        assert_eq!(worst(made).0, Severity::Fine);
        let unknown = "[peers]\nlisten = \"127.0.0.1:1\"\nmembers = [\"127.0.0.1:1\", \"nowhere.invalid:2\", \"127.0.0.1:3\"]";
        assert_eq!(worst(unknown).0, Severity::Problem);
    }
}
