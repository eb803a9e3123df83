//! Google's FCM, its HTTP v1.
//!
//! The older interface, with a key for a server, is no more: Google ended it. Messages in its form (`notification` and `data`
//! at the top) are put into the new one, as SNS does.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::access::Grant;
use super::jwt::JwtKey;
use super::{Inner, PushMessage, plain_data, remembered};
use crate::client::{Answer, Call, Version};
use crate::guard::Origin;
use crate::report::{Fate, Report};
use crate::sockets::Standing;

const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// For how long a signed claim is good; Google takes an hour at most.
const CLAIM_SECS: u64 = 3_600;

/// A service account. Its `token_uri` is not read: addresses are the operator's.
#[derive(Deserialize)]
struct ServiceAccount {
    client_email: String,
    private_key: String,
    #[serde(default)]
    private_key_id: String,
    project_id: String,
}

pub(super) async fn send(
    push: &Inner,
    message: &PushMessage,
    standing: Standing,
) -> Result<Report, Report> {
    let credential = &message.credentials.credential;
    let account: ServiceAccount = serde_json::from_str(credential).map_err(|_| {
        Report::never(
            None,
            "the PlatformCredential is not the JSON of a service account; Google ended the interface that took a server's key",
        )
    })?;
    let document = message.text.document(plain_data)?;
    let body = request_body(document, message)?;
    let project = utf8_percent_encode(&account.project_id, NON_ALPHANUMERIC);
    let endpoint = push
        .fcm
        .with_path(format!("/v1/projects/{project}/messages:send"));
    let mut headers = HeaderMap::new();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    let call = Call {
        endpoint: &endpoint,
        origin: Origin::Operator,
        standing,
        version: Version::Http1,
        method: Method::POST,
        headers,
        body: Bytes::from(body.to_string()),
    };
    let audience = push.google_tokens.without_user();
    let form = || grant_form(&account, &audience);
    let grant = Grant {
        endpoint: &push.google_tokens,
        form: &form,
    };
    let key = remembered::key(&["GCM", credential]);
    let answer = push.access.call(key, &grant, &call, &push.client).await?;
    Ok(report(&answer))
}

fn grant_form(
    account: &ServiceAccount,
    audience: &str,
) -> Result<Vec<(&'static str, String)>, Report> {
    let bad = || Report::never(None, "the key in the service account cannot sign");
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now_secs = now.map_or(0, |since| since.as_secs());
    let claims = json!({
        "iss": account.client_email,
        "scope": SCOPE,
        "aud": audience,
        "iat": now_secs,
        "exp": now_secs + CLAIM_SECS,
    });
    let key = JwtKey::rsa(&account.private_key).map_err(|_| bad())?;
    let assertion = key
        .sign(&account.private_key_id, &claims)
        .map_err(|_| bad())?;
    Ok(vec![
        ("grant_type", GRANT.to_owned()),
        ("assertion", assertion),
    ])
}

/// What is sent. The endpoint's token is put in, whatever the message says.
pub(super) fn request_body(
    mut document: Map<String, Value>,
    message: &PushMessage,
) -> Result<Value, Report> {
    let mut request = match document.remove("fcmV1Message") {
        Some(Value::Object(request)) => request,
        Some(_) => return Err(Report::never(None, "fcmV1Message is not a JSON object")),
        None => migrated(document),
    };
    let inner = request
        .entry("message")
        .or_insert_with(|| Value::Object(Map::new()));
    let Value::Object(inner) = inner else {
        return Err(Report::never(None, "message is not a JSON object"));
    };
    for other in ["topic", "condition"] {
        inner.remove(other);
    }
    inner.insert("token".to_owned(), Value::String(message.token.clone()));
    let ttl = message.ttl_secs("FCM").or_else(|| message.ttl_secs("GCM"));
    if let Some(ttl) = ttl {
        let android = inner
            .entry("android")
            .or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(android) = android {
            android
                .entry("ttl")
                .or_insert_with(|| Value::String(format!("{ttl}s")));
        }
    }
    Ok(Value::Object(request))
}

/// A message of the older form in the new one. Members of it that have no place there are left out.
fn migrated(mut old: Map<String, Value>) -> Map<String, Value> {
    let mut message = Map::new();
    let mut android = Map::new();
    let mut request = Map::new();
    if let Some(Value::Object(data)) = old.remove("data") {
        // The new form has texts alone.
        let texts = data.into_iter().map(|(name, value)| {
            let text = match value {
                Value::String(text) => text,
                other => other.to_string(),
            };
            (name, Value::String(text))
        });
        message.insert("data".to_owned(), Value::Object(texts.collect()));
    }
    if let Some(Value::Object(notification)) = old.remove("notification") {
        let (common, of_android) = split_notification(notification);
        message.insert("notification".to_owned(), Value::Object(common));
        if !of_android.is_empty() {
            android.insert("notification".to_owned(), Value::Object(of_android));
        }
    }
    for name in ["collapse_key", "restricted_package_name"] {
        if let Some(value) = old.remove(name) {
            android.insert(name.to_owned(), value);
        }
    }
    if let Some(Value::String(priority)) = old.remove("priority") {
        let priority = priority.to_ascii_uppercase();
        android.insert("priority".to_owned(), Value::String(priority));
    }
    let ttl = old.remove("time_to_live");
    let ttl = ttl.and_then(|ttl| ttl.as_u64().or_else(|| ttl.as_str()?.parse().ok()));
    if let Some(ttl) = ttl {
        android.insert("ttl".to_owned(), Value::String(format!("{ttl}s")));
    }
    if let Some(dry_run) = old.remove("dry_run") {
        request.insert("validate_only".to_owned(), dry_run);
    }
    if !android.is_empty() {
        message.insert("android".to_owned(), Value::Object(android));
    }
    request.insert("message".to_owned(), Value::Object(message));
    request
}

/// Title, text and image are for all; the rest of what Google's older form had is Android's, under a new name at times.
fn split_notification(
    notification: Map<String, Value>,
) -> (Map<String, Value>, Map<String, Value>) {
    let (mut common, mut of_android) = (Map::new(), Map::new());
    for (name, value) in notification {
        match name.as_str() {
            "title" | "body" | "image" => common.insert(name, value),
            "android_channel_id" => of_android.insert("channel_id".to_owned(), value),
            "icon" | "color" | "sound" | "tag" | "click_action" | "channel_id" | "body_loc_key"
            | "body_loc_args" | "title_loc_key" | "title_loc_args" => {
                of_android.insert(name, value)
            }
            _ => None,
        };
    }
    (common, of_android)
}

/// What an answer means: by its status, and by Google's own code in it.
fn report(answer: &Answer) -> Report {
    let report = answer.report();
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let details = body["error"]["details"].as_array();
    let code = details
        .into_iter()
        .flatten()
        .find_map(|detail| detail["errorCode"].as_str());
    match code {
        Some("UNREGISTERED" | "SENDER_ID_MISMATCH") => report.with_fate(Fate::Disable),
        _ => report,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn older_messages_are_put_into_the_new_form() {
        let old = json!({
            "notification": {"title": "t", "body": "b", "sound": "ding", "android_channel_id": "c", "badge": 1},
            "data": {"n": 1, "o": {"a": true}, "s": "x"},
            "collapse_key": "k", "priority": "high", "time_to_live": 60, "dry_run": true, "delay_while_idle": true,
        });
        let Value::Object(old) = old else { return };
        assert_eq!(
            Value::Object(migrated(old)),
            json!({
                "validate_only": true,
                "message": {
                    "notification": {"title": "t", "body": "b"},
                    "data": {"n": "1", "o": "{\"a\":true}", "s": "x"},
                    "android": {
                        "notification": {"sound": "ding", "channel_id": "c"},
                        "collapse_key": "k", "priority": "HIGH", "ttl": "60s",
                    },
                },
            })
        );
    }
}
