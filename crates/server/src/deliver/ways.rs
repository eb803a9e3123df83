//! The ways out of the broker as they are configured.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use levada_delivery::{
    BadUrl, Client, ClientSettings, Couriers, Endpoint, Guard, GuardSettings, MailSettings,
    MailSettingsError, Mailer, Push, Roots, SmsBody, SmsGateway, SmsSettings, SmsSettingsError,
    Sockets, TlsSettingsError,
};
use levada_gateway::TopicOptions;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use thiserror::Error;

use crate::config::{self, Config};

/// Why there are no ways out.
#[derive(Debug, Error)]
pub enum WaysError {
    /// The certificates to trust by cannot be read.
    #[error("delivery.trust: {path}: {error}")]
    Trust {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: String,
    },
    /// TLS cannot be set up.
    #[error("deliveries over TLS: {0}")]
    Tls(#[from] TlsSettingsError),
    /// The mail server cannot be used.
    #[error("delivery.mail: {0}")]
    Mail(#[from] MailSettingsError),
    /// The gateway for text messages cannot be used.
    #[error("delivery.sms: {0}")]
    Sms(#[from] SmsSettingsError),
    /// An address is none. The configuration was checked for that.
    #[error("delivery: {0}")]
    Url(#[from] BadUrl),
}

/// All ways out.
#[derive(Clone, Debug)]
pub(crate) struct Ways(Couriers);

impl Ways {
    /// As configured. Names of other nodes are looked up, once, so that nothing is delivered to their ports.
    pub(crate) async fn open(config: &Config) -> Result<Self, WaysError> {
        let delivery = &config.delivery;
        let guard = Arc::new(Guard::new(GuardSettings {
            allow_loopback: delivery.allow_loopback,
            allow: delivery.allow.clone(),
            own_ports: own_ports(config),
            own_addresses: own_addresses(config).await,
        }));
        let roots = roots(delivery.trust.clone())?;
        let sockets = Sockets::default();
        let settings = ClientSettings {
            roots: roots.clone(),
            attempt_time: None,
        };
        let client = Client::new(&settings, guard, sockets.clone())?;
        let mail = delivery.mail.as_ref();
        let mailer = mail.map(|mail| Mailer::new(&mail_settings(mail, roots), sockets));
        let sms = delivery.sms.as_ref();
        let lambda = delivery.lambda.as_deref();
        Ok(Self(Couriers {
            mailer: mailer.transpose()?,
            sms: sms
                .map(|sms| SmsGateway::new(&sms_settings(sms)))
                .transpose()?,
            push: Push::new(client.clone(), &delivery.push)?,
            lambda: lambda.map(Endpoint::parse).transpose()?,
            client,
        }))
    }

    /// A handle on them; all share their bounds.
    pub(super) fn couriers(&self) -> Couriers {
        self.0.clone()
    }
}

/// What topics may be asked for.
pub(crate) fn topic_options(delivery: &config::Delivery) -> TopicOptions {
    TopicOptions {
        queues_unsigned: !delivery.sign_for_queues,
        has_mail: delivery.mail.is_some(),
        has_sms: delivery.sms.is_some(),
        has_functions: delivery.lambda.is_some(),
    }
}

/// Ports on which nodes of this cluster listen: those of this one, and of the peers that it was told.
fn own_ports(config: &Config) -> BTreeSet<u16> {
    let peers = config.peers.as_ref();
    let members = peers.into_iter().flat_map(|peers| &peers.members);
    let ports = members.filter_map(|member| member.rsplit_once(':')?.1.parse().ok());
    [config.http_listen.port()]
        .into_iter()
        .chain(config.tls.as_ref().map(|tls| tls.listen.port()))
        .chain(peers.map(|peers| peers.listen.port()))
        .chain(ports)
        .collect()
}

async fn own_addresses(config: &Config) -> BTreeSet<IpAddr> {
    let mut addresses = BTreeSet::new();
    let members = config.peers.iter().flat_map(|peers| &peers.members);
    for member in members {
        // One that has no address now may have one later; private addresses are refused anyway unless they are allowed.
        if let Ok(found) = tokio::net::lookup_host(member.as_str()).await {
            addresses.extend(found.map(|address| address.ip()));
        }
    }
    addresses
}

fn roots(trust: Option<PathBuf>) -> Result<Roots, WaysError> {
    let Some(path) = trust else {
        return Ok(Roots::Platform);
    };
    let bad = |error: String| WaysError::Trust {
        path: path.clone(),
        error,
    };
    let pem = std::fs::read(&path).map_err(|error| bad(error.to_string()))?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(Roots::PlatformAnd(certificates)),
        Ok(_) => Err(bad("there is no certificate in it".to_owned())),
        Err(error) => Err(bad(error.to_string())),
    }
}

fn mail_settings(mail: &config::Mail, roots: Roots) -> MailSettings {
    let credentials = mail.credentials.as_ref();
    MailSettings {
        host: mail.host.clone(),
        port: mail.port,
        security: mail.security,
        credentials: credentials.map(|(user, password)| (user.clone(), password.0.clone())),
        from: mail.from.clone(),
        roots,
        attempt_time: None,
    }
}

fn sms_settings(sms: &config::Sms) -> SmsSettings {
    let headers = sms.headers.iter();
    SmsSettings {
        url: sms.url.0.clone(),
        method: sms.method.clone(),
        headers: headers
            .map(|(name, value)| (name.clone(), value.0.clone()))
            .collect(),
        body: match &sms.body {
            config::SmsBody::None => SmsBody::None,
            config::SmsBody::Form(form) => {
                SmsBody::Form(form.iter().map(|(n, v)| (n.clone(), v.clone())).collect())
            }
            config::SmsBody::Json(json) => SmsBody::Json(json.clone()),
        },
    }
}
