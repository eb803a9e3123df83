//! Text messages, through whatever gateway the operator has: an HTTP request by a template.
//!
//! `{to}`, `{message}` and `{sender}` stand for what is sent. In the URL and in a form they are escaped; in JSON they stand in
//! texts. Who has opted out is the caller's affair.

use bytes::Bytes;
use form_urlencoded::Serializer;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use levada_types::limits::SMS_LEN_MAX;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use thiserror::Error;

use crate::client::{Answer, Call, Client, Endpoint, Version};
use crate::guard::Origin;
use crate::report::Report;
use crate::sockets::Standing;

/// The body of a gateway's requests.
#[derive(Clone, Debug, PartialEq)]
pub enum SmsBody {
    /// None: all is in the URL.
    None,
    /// Names and values of a form.
    Form(Vec<(String, String)>),
    /// A JSON document.
    Json(Value),
}

/// A gateway, as configured.
#[derive(Clone, PartialEq)]
pub struct SmsSettings {
    /// Where to. A name and a password in it are sent as basic authentication.
    pub url: String,
    /// Such as POST.
    pub method: String,
    /// Such as a key of the gateway's.
    pub headers: Vec<(String, String)>,
    /// What is sent.
    pub body: SmsBody,
}

/// Why a gateway cannot be used.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum SmsSettingsError {
    /// The URL is none.
    #[error("the URL of the SMS gateway is no URL of http or https")]
    Url,
    /// There is no such method.
    #[error("{0} is no method of HTTP")]
    Method(String),
    /// There is no such header.
    #[error("{0} cannot be a header, or its value cannot be sent")]
    Header(String),
    /// The message is not in it.
    #[error("neither the URL nor the body of the SMS gateway has {{to}} and {{message}}")]
    Incomplete,
}

/// A text message to one phone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextMessage {
    /// The number, as E.164 has it.
    pub to: String,
    /// The text.
    pub message: String,
    /// The sender's name or number, if one was chosen.
    pub sender: Option<String>,
}

/// How a text is sent over the air.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmsEncoding {
    /// 7 bits a character.
    Gsm,
    /// 16 bits a unit, for texts with any other character.
    Ucs2,
}

/// How many messages a text takes over the air.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segments {
    /// Its encoding.
    pub encoding: SmsEncoding,
    /// How many.
    pub count: usize,
}

/// The alphabet of GSM 03.38 without its control characters other than line breaks.
const GSM: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
/// Those that take two places.
const GSM_EXTENDED: &str = "^{}\\[~]|€\u{c}";
const GSM_ALONE: usize = 160;
const GSM_AMONG: usize = 153;
const UCS2_ALONE: usize = 70;
const UCS2_AMONG: usize = 67;

impl Segments {
    /// Of a text.
    pub fn of(text: &str) -> Self {
        let place = |c: char| {
            let is_extended = GSM_EXTENDED.contains(c);
            (is_extended || GSM.contains(c)).then_some(1 + usize::from(is_extended))
        };
        let places: Option<Vec<usize>> = text.chars().map(place).collect();
        if let Some(places) = places {
            return Self::fill(SmsEncoding::Gsm, &places, GSM_ALONE, GSM_AMONG);
        }
        let units: Vec<usize> = text.chars().map(char::len_utf16).collect();
        Self::fill(SmsEncoding::Ucs2, &units, UCS2_ALONE, UCS2_AMONG)
    }

    /// No character is cut in two.
    fn fill(encoding: SmsEncoding, places: &[usize], alone: usize, among: usize) -> Self {
        let sum: usize = places.iter().sum();
        if sum <= alone {
            return Self { encoding, count: 1 };
        }
        let (mut count, mut used) = (1, 0);
        for place in places {
            if used + place > among {
                count += 1;
                used = 0;
            }
            used += place;
        }
        Self { encoding, count }
    }
}

/// Sends text messages.
#[derive(Clone)]
pub struct SmsGateway {
    url: String,
    method: Method,
    headers: HeaderMap,
    body: SmsBody,
}

impl std::fmt::Debug for SmsGateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SmsGateway").finish_non_exhaustive()
    }
}

impl SmsGateway {
    /// Checks the settings.
    pub fn new(settings: &SmsSettings) -> Result<Self, SmsSettingsError> {
        let url = fill_url(&settings.url, &|_| "0".to_owned());
        let endpoint = Endpoint::parse(&url).map_err(|_| SmsSettingsError::Url)?;
        let method = Method::from_bytes(settings.method.as_bytes())
            .map_err(|_| SmsSettingsError::Method(settings.method.clone()))?;
        let mut headers = HeaderMap::new();
        for (name, value) in &settings.headers {
            let bad = || SmsSettingsError::Header(name.clone());
            let value = HeaderValue::from_str(value).map_err(|_| bad())?;
            headers.append(HeaderName::try_from(name).map_err(|_| bad())?, value);
        }
        if let Some((name, password)) = endpoint.user() {
            use base64::Engine as _;
            let pair = base64::prelude::BASE64_STANDARD.encode(format!("{name}:{password}"));
            let value = HeaderValue::from_str(&format!("Basic {pair}"));
            headers.insert(
                header::AUTHORIZATION,
                value.map_err(|_| SmsSettingsError::Url)?,
            );
        }
        let gateway = Self {
            url: settings.url.clone(),
            method,
            headers,
            body: settings.body.clone(),
        };
        let all = format!("{}{:?}", gateway.url, gateway.body);
        if all.contains("{to}") && all.contains("{message}") {
            Ok(gateway)
        } else {
            Err(SmsSettingsError::Incomplete)
        }
    }

    /// Sends one message.
    pub async fn send(&self, client: &Client, message: &TextMessage, standing: Standing) -> Report {
        if message.message.chars().count() > SMS_LEN_MAX {
            return Report::never(
                None,
                format_args!("a text message has at most {SMS_LEN_MAX} characters"),
            );
        }
        let value = |name: &str| match name {
            "to" => message.to.clone(),
            "message" => message.message.clone(),
            _ => message.sender.clone().unwrap_or_default(),
        };
        let Ok(endpoint) = Endpoint::parse(&fill_url(&self.url, &value)) else {
            return Report::never(None, "the URL of the SMS gateway is none with this number");
        };
        let (body, content_type) = self.filled_body(&value);
        let mut headers = self.headers.clone();
        if let Some(content_type) = content_type
            && !headers.contains_key(header::CONTENT_TYPE)
        {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        let called = client.call(Call {
            endpoint: &endpoint,
            origin: Origin::Operator,
            standing,
            version: Version::Http1,
            method: self.method.clone(),
            headers,
            body,
        });
        called
            .await
            .map_or_else(Report::from, |answer: Answer| answer.report())
    }

    fn filled_body(&self, value: &dyn Fn(&str) -> String) -> (Bytes, Option<&'static str>) {
        match &self.body {
            SmsBody::None => (Bytes::new(), None),
            SmsBody::Form(pairs) => {
                let mut form = Serializer::new(String::new());
                for (name, template) in pairs {
                    form.append_pair(name, &fill(template, value));
                }
                let body = form.finish().into_bytes().into();
                (body, Some("application/x-www-form-urlencoded"))
            }
            SmsBody::Json(template) => {
                let body = fill_json(template, value).to_string().into_bytes().into();
                (body, Some("application/json"))
            }
        }
    }
}

const NAMES: &[&str] = &["to", "message", "sender"];

/// Fills a template in one pass: what was filled in is not looked at again.
fn fill(template: &str, value: &dyn Fn(&str) -> String) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some(at) = rest.find('{') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let named = NAMES.iter().find(|name| {
            rest[1..]
                .strip_prefix(**name)
                .is_some_and(|after| after.starts_with('}'))
        });
        match named {
            Some(name) => {
                out.push_str(&value(name));
                rest = &rest[name.len() + 2..];
            }
            None => {
                out.push('{');
                rest = &rest[1..];
            }
        }
    }
    out + rest
}

fn fill_url(template: &str, value: &dyn Fn(&str) -> String) -> String {
    let escaped = |name: &str| utf8_percent_encode(&value(name), NON_ALPHANUMERIC).to_string();
    fill(template, &escaped)
}

fn fill_json(template: &Value, value: &dyn Fn(&str) -> String) -> Value {
    match template {
        Value::String(text) => Value::String(fill(text, value)),
        Value::Array(list) => list.iter().map(|one| fill_json(one, value)).collect(),
        Value::Object(map) => {
            let pair = |(name, one): (&String, &Value)| (name.clone(), fill_json(one, value));
            Value::Object(map.iter().map(pair).collect())
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests;
