//! `[sns]` and `[delivery]`: what leaves the broker, by which ways, and where to it may go.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use levada_delivery::{Allowed, MailSecurity, PushAddresses};

use super::{ConfigError, file, parsed};

/// What leaves the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Messages that go to queues alone are signed, too.
    pub sign_for_queues: bool,
    /// Networks and hosts that endpoints may be in although they are not public.
    pub allow: Vec<Allowed>,
    /// Endpoints may be on this machine.
    pub allow_loopback: bool,
    /// Certificates that servers are trusted by besides the system's, in PEM form.
    pub trust: Option<PathBuf>,
    /// The mail server, if there is one.
    pub mail: Option<Mail>,
    /// The gateway for text messages, if there is one.
    pub sms: Option<Sms>,
    /// Where the platforms of apps are.
    pub push: PushAddresses,
    /// Where functions are invoked, if anywhere.
    pub lambda: Option<String>,
}

/// The mail server, and who mails are from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How it is spoken to.
    pub security: MailSecurity,
    /// Name and password, if it wants some.
    pub credentials: Option<(String, Secret)>,
    /// The address that mails are from.
    pub from: String,
}

/// The gateway for text messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sms {
    /// Where to. It may have a key in it.
    pub url: Secret,
    /// Such as POST.
    pub method: String,
    /// Such as a key of the gateway's.
    pub headers: BTreeMap<String, Secret>,
    /// What is sent.
    pub body: SmsBody,
}

/// What a gateway for text messages is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SmsBody {
    /// Nothing: all is in the URL.
    None,
    /// A form.
    Form(BTreeMap<String, String>),
    /// A JSON document.
    Json(serde_json::Value),
}

/// A text that is shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// `[sns]`
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct SnsTable {
    pub(super) sign_for_queues: Option<bool>,
}

/// `[delivery]`
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Table {
    #[serde(deserialize_with = "allowed")]
    allow: Vec<Allowed>,
    allow_loopback: Option<bool>,
    trust: Option<PathBuf>,
    mail: MailTable,
    sms: SmsTable,
    push: PushTable,
    lambda: LambdaTable,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
struct MailTable {
    server: Option<String>,
    security: Option<String>,
    user: Option<String>,
    password: Option<String>,
    from: Option<String>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
struct SmsTable {
    url: Option<String>,
    method: Option<String>,
    headers: BTreeMap<String, String>,
    form: Option<BTreeMap<String, String>>,
    json: Option<toml::Table>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
struct PushTable {
    fcm: Option<String>,
    google_tokens: Option<String>,
    apns: Option<String>,
    apns_sandbox: Option<String>,
    adm: Option<String>,
    amazon_tokens: Option<String>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
struct LambdaTable {
    endpoint: Option<String>,
}

fn allowed<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Vec<Allowed>, D::Error> {
    let texts = <Vec<String> as serde::Deserialize>::deserialize(d)?;
    let one = |text: &String| text.parse().map_err(serde::de::Error::custom);
    texts.iter().map(one).collect()
}

/// Sets what the environment says instead of the file.
pub(super) fn overlay(
    table: &mut Table,
    get: &impl Fn(&str) -> Option<String>,
) -> Result<(), ConfigError> {
    const ALLOW: &str = "LEVADA_DELIVERY_ALLOW";
    const LOOPBACK: &str = "LEVADA_DELIVERY_ALLOW_LOOPBACK";
    if let Some(value) = get(ALLOW) {
        let one = |text: &str| parsed(ALLOW, text.trim().to_owned(), ALLOWED_EXPECTED);
        table.allow = value.split(',').map(one).collect::<Result<_, _>>()?;
    }
    if let Some(value) = get(LOOPBACK) {
        table.allow_loopback = Some(parsed(LOOPBACK, value, "true or false")?);
    }
    if let Some(path) = get("LEVADA_DELIVERY_TRUST") {
        table.trust = Some(path.into());
    }
    let (mail, sms, push) = (&mut table.mail, &mut table.sms, &mut table.push);
    for (name, to) in [
        ("LEVADA_MAIL_SERVER", &mut mail.server),
        ("LEVADA_MAIL_SECURITY", &mut mail.security),
        ("LEVADA_MAIL_USER", &mut mail.user),
        ("LEVADA_MAIL_PASSWORD", &mut mail.password),
        ("LEVADA_MAIL_FROM", &mut mail.from),
        ("LEVADA_SMS_URL", &mut sms.url),
        ("LEVADA_SMS_METHOD", &mut sms.method),
        ("LEVADA_PUSH_FCM", &mut push.fcm),
        ("LEVADA_PUSH_GOOGLE_TOKENS", &mut push.google_tokens),
        ("LEVADA_PUSH_APNS", &mut push.apns),
        ("LEVADA_PUSH_APNS_SANDBOX", &mut push.apns_sandbox),
        ("LEVADA_PUSH_ADM", &mut push.adm),
        ("LEVADA_PUSH_AMAZON_TOKENS", &mut push.amazon_tokens),
        ("LEVADA_LAMBDA_ENDPOINT", &mut table.lambda.endpoint),
    ] {
        if let Some(value) = get(name) {
            *to = Some(value);
        }
    }
    Ok(())
}

const ALLOWED_EXPECTED: &str =
    "an address, a network such as 10.0.0.0/8 or a host's name, several separated by commas";

/// Fills in the defaults. `listens` are the addresses on which the node listens: if it can be reached from this machine alone,
/// its users are on it, and their endpoints may be.
pub(super) fn complete(
    sns: SnsTable,
    table: Table,
    listens: &[SocketAddr],
) -> Result<Delivery, ConfigError> {
    let is_laptop = listens.iter().all(|address| address.ip().is_loopback());
    if let Some(endpoint) = &table.lambda.endpoint {
        check_url("delivery.lambda.endpoint", endpoint)?;
    }
    Ok(Delivery {
        sign_for_queues: sns.sign_for_queues.unwrap_or(true),
        allow: table.allow,
        allow_loopback: table.allow_loopback.unwrap_or(is_laptop),
        trust: table.trust,
        mail: mail(table.mail)?,
        sms: sms(table.sms)?,
        push: push(table.push)?,
        lambda: table.lambda.endpoint,
    })
}

fn together(text: String) -> ConfigError {
    ConfigError::Together(text)
}

fn check_url(key: &str, url: &str) -> Result<(), ConfigError> {
    match levada_delivery::Endpoint::parse(url) {
        Ok(_) => Ok(()),
        Err(error) => Err(together(format!("{key} is {url:?}: {error}"))),
    }
}

fn mail(table: MailTable) -> Result<Option<Mail>, ConfigError> {
    let Some(server) = table.server else {
        if table.from.is_some() || table.user.is_some() || table.security.is_some() {
            return Err(together(
                "delivery.mail has settings, and delivery.mail.server is not set: name the mail server, such as mail.example.com:587".to_owned(),
            ));
        }
        return Ok(None);
    };
    let host_and_port = server
        .rsplit_once(':')
        .filter(|_| file::is_host_and_port(&server))
        .and_then(|(host, port)| Some((host.to_owned(), port.parse().ok()?)));
    let Some((host, port)) = host_and_port else {
        return Err(together(format!(
            "delivery.mail.server is {server:?}: expected a host and a port such as mail.example.com:587"
        )));
    };
    let security = match table.security.as_deref() {
        None | Some("starttls") => MailSecurity::StartTls,
        Some("tls") => MailSecurity::Tls,
        Some("none") => MailSecurity::None,
        Some(other) => {
            return Err(together(format!(
                "delivery.mail.security is {other:?}: expected \"starttls\", \"tls\" or \"none\""
            )));
        }
    };
    let from = table.from.ok_or_else(|| {
        together("delivery.mail.server is set and delivery.mail.from is not: name the address that mails are from".to_owned())
    })?;
    let credentials = match (table.user, table.password) {
        (Some(user), Some(password)) => Some((user, Secret(password))),
        (None, None) => None,
        _ => {
            return Err(together(
                "delivery.mail.user and delivery.mail.password go together: set both or neither"
                    .to_owned(),
            ));
        }
    };
    Ok(Some(Mail {
        host,
        port,
        security,
        credentials,
        from,
    }))
}

fn sms(table: SmsTable) -> Result<Option<Sms>, ConfigError> {
    let Some(url) = table.url else {
        return Ok(None);
    };
    let body = match (table.form, table.json) {
        (Some(form), None) => SmsBody::Form(form),
        (None, Some(json)) => SmsBody::Json(serde_json::to_value(json).unwrap_or_default()),
        (None, None) if url.contains("{message}") => SmsBody::None,
        (None, None) => SmsBody::Json(serde_json::json!({
            "to": "{to}", "message": "{message}", "sender": "{sender}",
        })),
        (Some(_), Some(_)) => {
            return Err(together(
                "delivery.sms has a form and a json: a request has one body".to_owned(),
            ));
        }
    };
    let default_method = if body == SmsBody::None { "GET" } else { "POST" };
    let headers = table.headers.into_iter();
    Ok(Some(Sms {
        url: Secret(url),
        method: table.method.unwrap_or_else(|| default_method.to_owned()),
        headers: headers.map(|(name, value)| (name, Secret(value))).collect(),
        body,
    }))
}

fn push(table: PushTable) -> Result<PushAddresses, ConfigError> {
    let own = PushAddresses::default();
    let one = |key: &str, set: Option<String>, default: String| match set {
        None => Ok(default),
        Some(url) => check_url(&format!("delivery.push.{key}"), &url).map(|()| url),
    };
    Ok(PushAddresses {
        fcm: one("fcm", table.fcm, own.fcm)?,
        google_tokens: one("google_tokens", table.google_tokens, own.google_tokens)?,
        apns: one("apns", table.apns, own.apns)?,
        apns_sandbox: one("apns_sandbox", table.apns_sandbox, own.apns_sandbox)?,
        adm: one("adm", table.adm, own.adm)?,
        amazon_tokens: one("amazon_tokens", table.amazon_tokens, own.amazon_tokens)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;

    fn load(text: &str) -> Result<Delivery, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node.toml");
        std::fs::write(&path, text).unwrap();
        let config = Config::load(Some(&path), |_| None);
        config.map(|c| c.delivery).map_err(|e| e.to_string())
    }

    #[test]
    fn a_laptop_may_be_delivered_to_and_a_server_may_not() {
        assert!(load("").unwrap().allow_loopback);
        let open = "[http]\nlisten = \"0.0.0.0:4566\"\n";
        assert!(!load(open).unwrap().allow_loopback);
        let said = format!("{open}[delivery]\nallow_loopback = true\nallow = [\"10.0.0.0/8\"]\n");
        let said = load(&said).unwrap();
        assert!(said.allow_loopback);
        assert_eq!(said.allow, ["10.0.0.0/8".parse().unwrap()]);
        assert!(
            !load("[delivery]\nallow_loopback = false\n")
                .unwrap()
                .allow_loopback
        );
    }

    #[test]
    fn ways_are_configured() {
        let all = load(
            r#"
[delivery.mail]
server = "mail:587"
user = "u"
password = "p"
from = "topics@example.com"
[delivery.sms]
url = "https://sms.example/send"
headers = { "X-Key" = "k" }
[delivery.push]
fcm = "http://127.0.0.1:1"
[delivery.lambda]
endpoint = "http://127.0.0.1:9001"
"#,
        )
        .unwrap();
        let mail = all.mail.unwrap();
        assert_eq!(
            (&*mail.host, mail.port, mail.security),
            ("mail", 587, MailSecurity::StartTls)
        );
        assert!(!format!("{:?}", mail.credentials).contains("\"p\""));
        let sms = all.sms.unwrap();
        assert_eq!(sms.method, "POST");
        assert!(matches!(sms.body, SmsBody::Json(_)));
        assert_eq!(all.push.fcm, "http://127.0.0.1:1");
        assert_eq!(all.push.adm, PushAddresses::default().adm);
        let get = load("[delivery.sms]\nurl = \"http://g/?t={to}&m={message}\"\n").unwrap();
        assert_eq!(get.sms.unwrap().method, "GET");
    }

    #[test]
    fn mistakes_are_told() {
        for (text, told) in [
            ("[delivery]\nallow = [\"10.0.0.0/40\"]", "10.0.0.0/40"),
            ("[delivery.mail]\nfrom = \"a@b\"", "delivery.mail.server"),
            ("[delivery.mail]\nserver = \"m:25\"", "delivery.mail.from"),
            (
                "[delivery.mail]\nserver = \"m\"\nfrom = \"a@b\"",
                "a host and a port",
            ),
            (
                "[delivery.mail]\nserver = \"m:25\"\nfrom = \"a@b\"\nsecurity = \"x\"",
                "starttls",
            ),
            (
                "[delivery.mail]\nserver = \"m:25\"\nfrom = \"a@b\"\nuser = \"u\"",
                "go together",
            ),
            (
                "[delivery.lambda]\nendpoint = \"x\"",
                "delivery.lambda.endpoint",
            ),
            ("[delivery.push]\nfcm = \"ftp://x\"", "delivery.push.fcm"),
        ] {
            let error = load(text).unwrap_err();
            assert!(error.contains(told), "{error}");
        }
    }
}
