//! Apple's APNs, over HTTP/2: with a token that is signed by a key of the developer's, or with a certificate.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::jwt::JwtKey;
use super::remembered::{self, Remembered};
use super::{PushCredentials, PushMessage};
use crate::client::{Answer, Call, Client, Endpoint, Version};
use crate::guard::Origin;
use crate::limits::APNS_TOKEN_AGE_MAX;
use crate::report::{Fate, Report};
use crate::sockets::Standing;

#[derive(Debug)]
pub(super) struct Apns {
    /// Shows no certificate: for tokens.
    client: Client,
    production: Endpoint,
    sandbox: Endpoint,
    identities: Remembered<Identity>,
}

/// How an application proves who it is.
#[derive(Debug)]
enum Identity {
    Token { bearer: HeaderValue, made: Instant },
    Certificate(Client),
}

impl Identity {
    fn is_good(&self) -> bool {
        match self {
            Self::Token { made, .. } => made.elapsed() < APNS_TOKEN_AGE_MAX,
            Self::Certificate(_) => true,
        }
    }
}

impl Apns {
    pub(super) fn new(client: Client, production: Endpoint, sandbox: Endpoint) -> Self {
        Self {
            client,
            production,
            sandbox,
            identities: Remembered::default(),
        }
    }

    pub(super) async fn send(
        &self,
        message: &PushMessage,
        standing: Standing,
    ) -> Result<Report, Report> {
        let document = message.text.document(plain)?;
        let base = if message.platform.ends_with("SANDBOX") {
            &self.sandbox
        } else {
            &self.production
        };
        let device = utf8_percent_encode(&message.token, NON_ALPHANUMERIC);
        let endpoint = base.with_path(format!("/3/device/{device}"));
        let headers = headers(message, &document)?;
        let body = Bytes::from(Value::Object(document).to_string());
        let credentials = &message.credentials;
        let key = remembered::key(&[
            "APNS",
            &credentials.principal,
            &credentials.credential,
            &credentials.team_id,
        ]);
        let mut answer = None;
        for _ in 0..2 {
            let identity = self.identities.get(key, Identity::is_good, || {
                identity(credentials, &self.client)
            })?;
            let mut call = Call {
                endpoint: &endpoint,
                origin: Origin::Operator,
                standing,
                version: Version::Http2,
                method: Method::POST,
                headers: headers.clone(),
                body: body.clone(),
            };
            let client = match &*identity {
                Identity::Token { bearer, .. } => {
                    call.headers.insert(header::AUTHORIZATION, bearer.clone());
                    &self.client
                }
                Identity::Certificate(client) => client,
            };
            let answered = client.call(call).await.map_err(Report::from)?;
            let is_stale = answered.status == StatusCode::FORBIDDEN
                && reason(&answered).as_deref() == Some("ExpiredProviderToken");
            if !is_stale {
                return Ok(report(&answered));
            }
            self.identities.forget(key, &identity);
            answer = Some(answered);
        }
        answer
            .map(|answer| report(&answer))
            .ok_or_else(|| Report::retry(None, "no token for APNs"))
    }
}

/// A certificate is a certificate; the id of a key is ten characters.
fn identity(credentials: &PushCredentials, client: &Client) -> Result<Identity, Report> {
    let bad = |what: &str| Report::never(None, what);
    if !credentials.principal.contains("-----BEGIN") {
        let key = JwtKey::ecdsa(&credentials.credential)
            .map_err(|_| bad("the PlatformCredential is not a signing key of Apple's (.p8)"))?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let claims = json!({
            "iss": credentials.team_id,
            "iat": now.map_or(0, |since| since.as_secs()),
        });
        let token = key
            .sign(&credentials.principal, &claims)
            .map_err(|_| bad("the signing key does not sign"))?;
        let mut bearer = HeaderValue::from_str(&format!("bearer {token}"))
            .map_err(|_| bad("the signing key does not sign"))?;
        bearer.set_sensitive(true);
        return Ok(Identity::Token {
            bearer,
            made: Instant::now(),
        });
    }
    let chain: Result<Vec<_>, _> =
        CertificateDer::pem_slice_iter(credentials.principal.as_bytes()).collect();
    let chain = chain.map_err(|_| bad("the PlatformPrincipal is not a certificate"))?;
    let key = PrivateKeyDer::from_pem_slice(credentials.credential.as_bytes())
        .map_err(|_| bad("the PlatformCredential is not a private key"))?;
    let client = client
        .with_identity(chain, key)
        .map_err(|error| Report::never(None, error))?;
    Ok(Identity::Certificate(client))
}

fn plain(text: &str) -> Value {
    json!({"aps": {"alert": text}})
}

fn headers(message: &PushMessage, document: &Map<String, Value>) -> Result<HeaderMap, Report> {
    let platform = message.platform.as_str();
    let is_voip = platform.contains("VOIP");
    // Attributes may name the platform as it is, or its family.
    let reserved = |name: &str| {
        let own = message.reserved(platform, name);
        own.or_else(|| message.reserved("APNS", name))
    };
    let kind = reserved("PUSH_TYPE").unwrap_or(match is_voip {
        true => "voip",
        false if is_background(document) => "background",
        false => "alert",
    });
    // Apple refuses silent messages of the highest priority.
    let priority = reserved("PRIORITY").unwrap_or(if kind == "background" { "5" } else { "10" });
    let bundle = &message.credentials.bundle_id;
    let topic = match reserved("TOPIC") {
        Some(topic) => Some(topic.to_owned()),
        None if bundle.is_empty() => None,
        None if kind == "voip" => Some(format!("{bundle}.voip")),
        None => Some(bundle.clone()),
    };
    let ttl = message
        .ttl_secs(platform)
        .or_else(|| message.ttl_secs("APNS"));
    // No time to live is one attempt, which Apple writes as 0.
    let expiration = ttl.map(|secs| match secs {
        0 => "0".to_owned(),
        secs => message.time.as_secs().saturating_add(secs).to_string(),
    });
    let mut headers = HeaderMap::new();
    let mut set = |name: &'static str, value: Option<&str>| {
        let Some(value) = value else {
            return Ok::<(), Report>(());
        };
        let value = HeaderValue::from_str(value)
            .map_err(|_| Report::never(None, format_args!("{name} cannot be sent")))?;
        headers.insert(HeaderName::from_static(name), value);
        Ok(())
    };
    set("apns-push-type", Some(kind))?;
    set("apns-priority", Some(priority))?;
    set("apns-topic", topic.as_deref())?;
    set("apns-expiration", expiration.as_deref())?;
    set("apns-collapse-id", reserved("COLLAPSE_ID"))?;
    // The same in each attempt, so that Apple's log shows which message it was.
    let is_uuid = message.message_id.len() == 36;
    set("apns-id", is_uuid.then_some(&*message.message_id))?;
    Ok(headers)
}

/// Whether a message shows nothing and is for the app alone.
fn is_background(document: &Map<String, Value>) -> bool {
    let Some(aps) = document.get("aps") else {
        return false;
    };
    let shows = ["alert", "badge", "sound"];
    aps["content-available"] == 1 && shows.iter().all(|name| aps.get(name).is_none())
}

fn reason(answer: &Answer) -> Option<String> {
    let body: Value = serde_json::from_slice(&answer.body).ok()?;
    body["reason"].as_str().map(str::to_owned)
}

fn report(answer: &Answer) -> Report {
    let report = answer.report();
    match reason(answer).as_deref() {
        Some("Unregistered" | "BadDeviceToken" | "DeviceTokenNotForTopic" | "ExpiredToken") => {
            report.with_fate(Fate::Disable)
        }
        _ => report,
    }
}
