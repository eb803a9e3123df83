//! Amazon's ADM.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::access::Grant;
use super::{Inner, PushMessage, plain_data, remembered};
use crate::client::{Answer, Call, Version};
use crate::guard::Origin;
use crate::report::{Fate, Report};
use crate::sockets::Standing;

const SCOPE: &str = "messaging:push";

pub(super) async fn send(
    push: &Inner,
    message: &PushMessage,
    standing: Standing,
) -> Result<Report, Report> {
    let (id, secret) = (
        &message.credentials.principal,
        &message.credentials.credential,
    );
    let mut document = message.text.document(plain_data)?;
    if let Some(ttl) = message.ttl_secs("ADM") {
        document
            .entry("expiresAfter")
            .or_insert_with(|| Value::from(ttl));
    }
    let token = utf8_percent_encode(&message.token, NON_ALPHANUMERIC);
    let endpoint = push
        .adm
        .with_path(format!("/messaging/registrations/{token}/messages"));
    let mut headers = HeaderMap::new();
    for (name, value) in [
        (header::CONTENT_TYPE.as_str(), "application/json"),
        (
            "x-amzn-type-version",
            "com.amazon.device.messaging.ADMMessage@1.0",
        ),
        (
            "x-amzn-accept-type",
            "com.amazon.device.messaging.ADMSendResult@1.0",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let call = Call {
        endpoint: &endpoint,
        origin: Origin::Operator,
        standing,
        version: Version::Http1,
        method: Method::POST,
        headers,
        body: Bytes::from(Value::Object(document).to_string()),
    };
    let form = || {
        Ok(vec![
            ("grant_type", "client_credentials".to_owned()),
            ("scope", SCOPE.to_owned()),
            ("client_id", id.clone()),
            ("client_secret", secret.clone()),
        ])
    };
    let grant = Grant {
        endpoint: &push.amazon_tokens,
        form: &form,
    };
    let key = remembered::key(&["ADM", id, secret]);
    let answer = push.access.call(key, &grant, &call, &push.client).await?;
    Ok(report(&answer, &message.token))
}

fn report(answer: &Answer, token: &str) -> Report {
    let report = answer.report();
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    match body["reason"].as_str() {
        Some("Unregistered" | "InvalidRegistrationId") => return report.with_fate(Fate::Disable),
        // A message too many for this device, which is not for good.
        Some("MaxRateExceeded") => return Report::retry(report.status, report.detail),
        _ => {}
    }
    match body["registrationID"].as_str() {
        Some(new) if answer.status.is_success() && new != token && !new.is_empty() => {
            report.with_fate(Fate::Replace(new.to_owned()))
        }
        _ => report,
    }
}
