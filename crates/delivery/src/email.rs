//! Mail: requests to confirm, messages as text, and messages as the JSON that other protocols get.

mod mime;

use std::time::{Duration, SystemTime};

use lettre::address::{AddressError, Envelope};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::{Address, AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use thiserror::Error;

use crate::client::Roots;
use crate::limits::ATTEMPT_TIME_MAX;
use crate::report::Report;
use crate::sockets::{Sockets, Standing};

/// Of messages that were published without one.
const SUBJECT_DEFAULT: &str = "AWS Notification Message";
const CONFIRMATION_SUBJECT: &str = "AWS Notification - Subscription Confirmation";

/// How the mail server is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailSecurity {
    /// In plain text until both agree on TLS, which they must.
    StartTls,
    /// Over TLS from the first byte.
    Tls,
    /// In plain text: for a server on this machine.
    None,
}

/// The mail server, and who mails are from.
#[derive(Clone)]
pub struct MailSettings {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How it is spoken to.
    pub security: MailSecurity,
    /// Name and password, if it wants some.
    pub credentials: Option<(String, String)>,
    /// The address that mails are from.
    pub from: String,
    /// Whom its certificate is trusted by.
    pub roots: Roots,
    /// A mail's time; at most [`ATTEMPT_TIME_MAX`].
    pub attempt_time: Option<Duration>,
}

/// Why no mail can be sent.
#[derive(Debug, Error)]
pub enum MailSettingsError {
    /// `from` is no address.
    #[error("{from} is no mail address: {error}")]
    From {
        /// What it is.
        from: String,
        /// What is wrong.
        error: AddressError,
    },
    /// The server's name or a certificate cannot be used.
    #[error("TLS with the mail server cannot be set up: {0}")]
    Tls(lettre::transport::smtp::Error),
}

/// A mail to one subscriber.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// The subscription's endpoint.
    pub to: String,
    /// The topic's display name, which stands before the sender's address.
    pub from_name: Option<String>,
    /// The subject.
    pub subject: String,
    /// The text.
    pub text: String,
}

impl Mail {
    /// Asks whether it was the address that subscribed.
    pub fn confirmation(
        to: &str,
        from_name: Option<&str>,
        topic_arn: &str,
        subscribe_url: &str,
    ) -> Self {
        Self {
            to: to.to_owned(),
            from_name: from_name.map(str::to_owned),
            subject: CONFIRMATION_SUBJECT.to_owned(),
            text: format!(
                "You have chosen to subscribe to the topic:\n{topic_arn}\n\nTo confirm this subscription, visit the link below. If this was in error, no action is necessary.\n{subscribe_url}\n\nPlease do not reply directly to this email.\n"
            ),
        }
    }

    /// A message, and how to get no more of them.
    pub fn notification(
        to: &str,
        from_name: Option<&str>,
        subject: Option<&str>,
        message: &str,
        unsubscribe_url: &str,
    ) -> Self {
        Self {
            to: to.to_owned(),
            from_name: from_name.map(str::to_owned),
            subject: subject.unwrap_or(SUBJECT_DEFAULT).to_owned(),
            text: format!(
                "{message}\n\n--\nIf you wish to stop receiving notifications from this topic, please visit the link below to unsubscribe:\n{unsubscribe_url}\n\nPlease do not reply directly to this email.\n"
            ),
        }
    }

    /// The document of a message, and nothing else: programs read it.
    pub fn json(to: &str, from_name: Option<&str>, subject: Option<&str>, document: &str) -> Self {
        Self {
            to: to.to_owned(),
            from_name: from_name.map(str::to_owned),
            subject: subject.unwrap_or(SUBJECT_DEFAULT).to_owned(),
            text: document.to_owned(),
        }
    }
}

/// Sends mails.
#[derive(Clone)]
pub struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Address,
    host: String,
    sockets: Sockets,
    attempt_time: Duration,
}

impl std::fmt::Debug for Mailer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mailer")
            .field("host", &self.host)
            .field("from", &self.from)
            .finish_non_exhaustive()
    }
}

impl Mailer {
    /// Reads the certificates that the server is trusted by: not for a thread that serves others.
    pub fn new(settings: &MailSettings, sockets: Sockets) -> Result<Self, MailSettingsError> {
        let from: Address = settings
            .from
            .parse()
            .map_err(|error| MailSettingsError::From {
                from: settings.from.clone(),
                error,
            })?;
        let tls = match settings.security {
            MailSecurity::None => Tls::None,
            MailSecurity::StartTls => Tls::Required(parameters(settings)?),
            MailSecurity::Tls => Tls::Wrapper(parameters(settings)?),
        };
        let attempt_time = settings
            .attempt_time
            .unwrap_or(ATTEMPT_TIME_MAX)
            .min(ATTEMPT_TIME_MAX);
        // "Dangerous" is what it begins with, plain text; the line after it says otherwise.
        let mut builder =
            AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(settings.host.clone())
                .port(settings.port)
                .tls(tls)
                .timeout(Some(attempt_time));
        if let Some((name, password)) = &settings.credentials {
            builder = builder.credentials(Credentials::new(name.clone(), password.clone()));
        }
        Ok(Self {
            transport: builder.build(),
            from,
            host: settings.host.to_ascii_lowercase(),
            sockets,
            attempt_time,
        })
    }

    /// Sends one mail, over a connection of its own.
    pub async fn send(&self, mail: &Mail, standing: Standing) -> Report {
        let to: Address = match mail.to.parse() {
            Ok(to) => to,
            Err(error) => {
                let why = format!("{} is no mail address: {error}", mail.to);
                return Report::never(None, why);
            }
        };
        let envelope = match Envelope::new(Some(self.from.clone()), vec![to]) {
            Ok(envelope) => envelope,
            Err(error) => return Report::never(None, error),
        };
        let text = mime::message(mail, &self.from, SystemTime::now());
        let _permit = match self.sockets.acquire(&self.host, standing).await {
            Ok(permit) => permit,
            Err(busy) => return Report::not_tried(busy),
        };
        let sending = self.transport.send_raw(&envelope, &text);
        match tokio::time::timeout(self.attempt_time, sending).await {
            Ok(Ok(answer)) => Report::delivered(
                Some(answer.code().into()),
                answer.first_line().unwrap_or_default(),
            ),
            Ok(Err(error)) => refused(&error),
            Err(_) => Report::retry(None, "the mail server did not answer in time"),
        }
    }
}

fn parameters(settings: &MailSettings) -> Result<TlsParameters, MailSettingsError> {
    let mut builder = TlsParameters::builder(settings.host.clone());
    let given = match &settings.roots {
        Roots::Platform => &[][..],
        Roots::Only(given) => {
            builder = builder.certificate_store(CertificateStore::None);
            given
        }
        Roots::PlatformAnd(given) => given,
    };
    for root in given {
        let root = Certificate::from_der(root.to_vec()).map_err(MailSettingsError::Tls)?;
        builder = builder.add_root_certificate(root);
    }
    builder.build().map_err(MailSettingsError::Tls)
}

/// What a mail server's refusal means. A 5xx to a recipient is for good; one to the broker's own name and password, or to a
/// connection, is something that the operator mends.
fn refused(error: &lettre::transport::smtp::Error) -> Report {
    let status = error.status().map(u16::from);
    match status {
        Some(501 | 510..=515 | 523 | 541 | 550..=556) => Report::never(status, error),
        _ => Report::retry(status, error),
    }
}

#[cfg(test)]
mod tests;
