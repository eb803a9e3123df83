//! Platforms that stand in for Google's, Apple's and Amazon's, and check what they are asked.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use levada_wire::sns::MessageAttributeValue;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair,
    UnparsedPublicKey, VerificationAlgorithm,
};
use rsa::pkcs8::EncodePrivateKey as _;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;

use super::*;
use crate::report::{Fate, Verdict};
use crate::stand_in::{Identity, Reply, Seen, Speaks, StandIn, client};

fn message(platform: &str, credentials: PushCredentials, text: PushText) -> PushMessage {
    PushMessage {
        platform: platform.to_owned(),
        credentials: Arc::new(credentials),
        token: "device/1".to_owned(),
        text,
        attributes: Arc::default(),
        message_id: "165545c9-2a5c-472c-8df2-7ff2be2b3b1b".to_owned(),
        time: Timestamp::from_millis(1_700_000_000_000),
    }
}

fn reserved(pairs: &[(&str, &str)]) -> Arc<MessageAttributeMap> {
    let attribute = |(name, value): &(&str, &str)| {
        let name = format!("AWS.SNS.MOBILE.{name}");
        (name, MessageAttributeValue::string(*value))
    };
    Arc::new(pairs.iter().map(attribute).collect())
}

fn at(addresses: &PushAddresses, trusted: &[&Identity]) -> Push {
    Push::new(client(trusted), addresses).unwrap()
}

async fn send(push: &Push, message: &PushMessage) -> Report {
    push.send(message, Standing::Healthy).await
}

/// Header and claims of a token, whose signature is checked.
fn claims(
    token: &str,
    algorithm: &'static dyn VerificationAlgorithm,
    key: &[u8],
) -> (Value, Value) {
    let (text, signature) = token.rsplit_once('.').unwrap();
    let decode = |part: &str| BASE64_URL_SAFE_NO_PAD.decode(part).unwrap();
    UnparsedPublicKey::new(algorithm, key)
        .verify(text.as_bytes(), &decode(signature))
        .unwrap();
    let (header, claims) = text.split_once('.').unwrap();
    let json = |part| serde_json::from_slice(&decode(part)).unwrap();
    (json(header), json(claims))
}

fn plain(text: &str) -> PushText {
    PushText::Plain(text.to_owned())
}

fn structured(value: Value) -> PushText {
    PushText::Structured(value.to_string())
}

/// Hands out a token each time that it is asked: `t1`, `t2`.
async fn token_server() -> StandIn {
    let count = std::sync::atomic::AtomicUsize::new(1);
    StandIn::plain(move |_| {
        let n = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Reply::text(
            200,
            json!({"access_token": format!("t{n}"), "expires_in": 3600}).to_string(),
        )
    })
    .await
}

fn google_answer(seen: &Seen) -> Reply {
    let coded = |status: u16, code: &str| {
        let body =
            json!({"error": {"code": status, "details": [{"@type": "x"}, {"errorCode": code}]}});
        Reply::text(status, body.to_string())
    };
    // The first token is no longer taken once a message says so.
    let body = seen.json();
    let said = body["message"]["data"]["default"].as_str().unwrap_or("");
    match said {
        "stale" if seen.header("authorization") == Some("Bearer t1") => {
            coded(401, "UNAUTHENTICATED")
        }
        "gone" => coded(404, "UNREGISTERED"),
        "bad" => coded(400, "INVALID_ARGUMENT"),
        "many" => coded(429, "QUOTA_EXCEEDED"),
        "down" => coded(503, "UNAVAILABLE"),
        _ => Reply::text(200, "{\"name\":\"projects/p/messages/1\"}"),
    }
}

#[tokio::test]
async fn google_gets_signed_claims_and_messages_in_its_newer_form() {
    let key = rsa::PrivateKey::new(&mut rand::rng(), 2048).unwrap();
    let pem = key.to_pkcs8_pem(rsa::pkcs8::LineEnding::LF).unwrap();
    let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).unwrap();
    let key = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).unwrap();
    let (tokens, fcm) = (token_server().await, StandIn::plain(google_answer).await);
    let addresses = PushAddresses {
        fcm: fcm.url(""),
        google_tokens: tokens.url("/token"),
        ..PushAddresses::default()
    };
    let push = at(&addresses, &[]);
    let account = json!({
        "client_email": "a@p.iam", "private_key": &*pem, "private_key_id": "k", "project_id": "my-p",
        "token_uri": "http://169.254.169.254/",
    });
    let credentials = PushCredentials {
        credential: account.to_string(),
        ..PushCredentials::default()
    };
    let with = |text| message("GCM", credentials.clone(), text);

    let (first, second) = tokio::join!(async { send(&push, &with(plain("hello"))).await }, async {
        send(&push, &with(plain("again"))).await
    },);
    assert_eq!(
        (first.verdict, second.verdict),
        (Verdict::Delivered, Verdict::Delivered)
    );
    // One request for a token, though two messages waited for it.
    assert_eq!(tokens.seen().len(), 1);
    let asked: Vec<(String, String)> = form_urlencoded::parse(&tokens.seen()[0].body)
        .into_owned()
        .collect();
    assert_eq!(asked[0].1, "urn:ietf:params:oauth:grant-type:jwt-bearer");
    let (header, claims) = claims(
        &asked[1].1,
        &RSA_PKCS1_2048_8192_SHA256,
        key.public().as_ref(),
    );
    assert_eq!(header, json!({"alg": "RS256", "typ": "JWT", "kid": "k"}));
    assert_eq!(claims["iss"], "a@p.iam");
    assert_eq!(claims["aud"], tokens.url("/token"));
    assert_eq!(
        claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(),
        3600
    );
    let seen = &fcm.seen()[0];
    assert_eq!(seen.uri, "/v1/projects/my%2Dp/messages:send");
    assert_eq!(seen.header("authorization"), Some("Bearer t1"));
    assert_eq!(seen.json()["message"]["token"], "device/1");

    let newer = json!({"fcmV1Message": {"validate_only": true, "message": {
        "topic": "all", "token": "another", "notification": {"title": "t"}, "android": {"priority": "high"},
    }}});
    let mut newer = with(structured(newer));
    newer.attributes = reserved(&[("GCM.TTL", "1"), ("FCM.TTL", "60")]);
    assert_eq!(send(&push, &newer).await.verdict, Verdict::Delivered);
    assert_eq!(
        fcm.seen()[2].json(),
        json!({"validate_only": true, "message": {
            "token": "device/1", "notification": {"title": "t"}, "android": {"priority": "high", "ttl": "60s"},
        }})
    );

    for (said, verdict, fate) in [
        ("stale", Verdict::Delivered, Fate::Keep),
        ("gone", Verdict::Never, Fate::Disable),
        ("bad", Verdict::Never, Fate::Keep),
        ("many", Verdict::Retry, Fate::Keep),
        ("down", Verdict::Retry, Fate::Keep),
    ] {
        let report = send(&push, &with(plain(said))).await;
        assert_eq!((report.verdict, report.fate), (verdict, fate), "{said}");
    }
    assert_eq!(tokens.seen().len(), 2);
    assert_eq!(
        fcm.seen().last().unwrap().header("authorization"),
        Some("Bearer t2")
    );

    for (bad, told) in [
        (PushText::Structured("{".to_owned()), "is not JSON"),
        (structured(json!([1])), "is not a JSON object"),
        (structured(json!({"fcmV1Message": 1})), "fcmV1Message"),
        (plain(&"x".repeat(PUSH_PAYLOAD_BYTES_MAX + 1)), "at most"),
    ] {
        let report = send(&push, &with(bad)).await;
        assert_eq!(report.verdict, Verdict::Never);
        assert!(report.detail.contains(told), "{report:?}");
    }
    let older = PushCredentials {
        credential: "AIzaSyServerKey".to_owned(),
        ..PushCredentials::default()
    };
    let report = send(&push, &message("GCM", older, plain("x"))).await;
    assert!(report.detail.contains("service account"), "{report:?}");
    assert_eq!(report.verdict, Verdict::Never);
}

#[tokio::test]
async fn a_credential_that_is_refused_is_for_good_and_a_server_that_fails_is_not() {
    for (status, verdict) in [
        (401, Verdict::Never),
        (400, Verdict::Never),
        (500, Verdict::Retry),
    ] {
        let tokens = StandIn::plain(move |_| Reply::text(status, "invalid_client")).await;
        let adm = StandIn::plain(|_| Reply::status(200)).await;
        let addresses = PushAddresses {
            adm: adm.url(""),
            amazon_tokens: tokens.url("/token"),
            ..PushAddresses::default()
        };
        let message = message("ADM", PushCredentials::default(), plain("x"));
        let report = send(&at(&addresses, &[]), &message).await;
        assert_eq!((report.verdict, report.status), (verdict, Some(status)));
        assert!(report.detail.contains("no access token"), "{report:?}");
        assert!(adm.seen().is_empty());
    }
}

#[tokio::test]
async fn amazon_gets_its_headers_and_may_rename_a_device() {
    let tokens = token_server().await;
    let adm = StandIn::plain(|seen| {
        let body = seen.json();
        match body["data"]["default"].as_str() {
            Some("gone") => Reply::text(400, "{\"reason\":\"Unregistered\"}"),
            Some("bad") => Reply::text(400, "{\"reason\":\"InvalidData\"}"),
            Some("many") => Reply::text(429, "{\"reason\":\"MaxRateExceeded\"}"),
            Some("moved") => Reply::text(200, "{\"registrationID\":\"new\"}"),
            _ => Reply::text(200, "{\"registrationID\":\"device/1\"}"),
        }
    })
    .await;
    let addresses = PushAddresses {
        adm: adm.url(""),
        amazon_tokens: tokens.url("/token"),
        ..PushAddresses::default()
    };
    let push = at(&addresses, &[]);
    let credentials = PushCredentials {
        principal: "id".to_owned(),
        credential: "secret".to_owned(),
        ..PushCredentials::default()
    };
    for (said, verdict, fate) in [
        ("hello", Verdict::Delivered, Fate::Keep),
        ("moved", Verdict::Delivered, Fate::Replace("new".to_owned())),
        ("gone", Verdict::Never, Fate::Disable),
        ("bad", Verdict::Never, Fate::Keep),
        ("many", Verdict::Retry, Fate::Keep),
    ] {
        let mut message = message("ADM", credentials.clone(), plain(said));
        message.attributes = reserved(&[("ADM.TTL", "60")]);
        let report = send(&push, &message).await;
        assert_eq!((report.verdict, report.fate), (verdict, fate), "{said}");
    }
    assert_eq!(
        tokens.seen()[0].body,
        "grant_type=client_credentials&scope=messaging%3Apush&client_id=id&client_secret=secret"
    );
    let seen = &adm.seen()[0];
    assert_eq!(seen.uri, "/messaging/registrations/device%2F1/messages");
    assert_eq!(seen.header("authorization"), Some("Bearer t1"));
    assert_eq!(
        seen.header("x-amzn-type-version"),
        Some("com.amazon.device.messaging.ADMMessage@1.0")
    );
    assert_eq!(
        seen.json(),
        json!({"data": {"default": "hello"}, "expiresAfter": 60})
    );
}

fn apple_answer(seen: &Seen) -> Reply {
    let body = seen.json();
    let refuse = |status, reason: &str| Reply::text(status, json!({"reason": reason}).to_string());
    match body["aps"]["alert"].as_str() {
        Some("gone") => refuse(410, "Unregistered"),
        Some("bad device") => refuse(400, "BadDeviceToken"),
        Some("other app") => refuse(400, "DeviceTokenNotForTopic"),
        Some("bad") => refuse(400, "BadTopic"),
        Some("many") => refuse(429, "TooManyRequests"),
        Some("down") => refuse(503, "ServiceUnavailable"),
        Some("stale") => refuse(403, "ExpiredProviderToken"),
        _ => Reply::status(200),
    }
}

#[tokio::test]
async fn apple_gets_a_signed_token_over_one_connection() {
    let server_identity = Identity::new();
    let apns = StandIn::tls(Speaks::Http2, &server_identity, None, apple_answer).await;
    let addresses = PushAddresses {
        apns: apns.tls_url(""),
        apns_sandbox: "http://127.0.0.1:1".to_owned(),
        ..PushAddresses::default()
    };
    let push = at(&addresses, &[&server_identity]);
    let p8 = Identity::new().key_pem;
    let der = PrivatePkcs8KeyDer::from_pem_slice(p8.as_bytes()).unwrap();
    let key = EcdsaKeyPair::from_pkcs8(
        &ring::signature::ECDSA_P256_SHA256_FIXED_SIGNING,
        der.secret_pkcs8_der(),
        &ring::rand::SystemRandom::new(),
    )
    .unwrap();
    let credentials = PushCredentials {
        principal: "ABC123DEFG".to_owned(),
        credential: p8.clone(),
        team_id: "TEAM".to_owned(),
        bundle_id: "com.example.app".to_owned(),
    };
    let with = |text| message("APNS", credentials.clone(), text);
    for (said, verdict, fate) in [
        ("hello", Verdict::Delivered, Fate::Keep),
        ("gone", Verdict::Never, Fate::Disable),
        ("bad device", Verdict::Never, Fate::Disable),
        ("other app", Verdict::Never, Fate::Disable),
        ("bad", Verdict::Never, Fate::Keep),
        ("many", Verdict::Retry, Fate::Keep),
        ("down", Verdict::Retry, Fate::Keep),
        ("stale", Verdict::Never, Fate::Keep),
    ] {
        let report = send(&push, &with(plain(said))).await;
        assert_eq!((report.verdict, report.fate), (verdict, fate), "{said}");
    }
    let seen = apns.seen();
    // A token that is no longer taken is made anew, once.
    assert_eq!((apns.connections(), seen.len()), (1, 9));
    let first = &seen[0];
    let told: Vec<_> = [
        "apns-push-type",
        "apns-priority",
        "apns-topic",
        "apns-id",
        "apns-expiration",
    ]
    .iter()
    .map(|name| first.header(name))
    .collect();
    let id = Some("165545c9-2a5c-472c-8df2-7ff2be2b3b1b");
    assert_eq!(
        told,
        [Some("alert"), Some("10"), Some("com.example.app"), id, None]
    );
    assert!(first.uri.ends_with("/3/device/device%2F1"), "{}", first.uri);
    assert_eq!(first.json(), json!({"aps": {"alert": "hello"}}));
    let bearer = first
        .header("authorization")
        .unwrap()
        .strip_prefix("bearer ")
        .unwrap();
    let (header, claims) = claims(bearer, &ECDSA_P256_SHA256_FIXED, key.public_key().as_ref());
    assert_eq!(
        header,
        json!({"alg": "ES256", "typ": "JWT", "kid": "ABC123DEFG"})
    );
    assert_eq!(claims["iss"], "TEAM");
    // Apple refuses tokens that are renewed too often: the same is used again.
    assert_eq!(
        first.header("authorization"),
        seen[6].header("authorization")
    );

    let mut chosen = with(structured(json!({"aps": {"content-available": 1}, "x": 1})));
    assert_eq!(send(&push, &chosen).await.verdict, Verdict::Delivered);
    chosen.attributes = reserved(&[
        ("APNS.TOPIC", "com.example.other"),
        ("APNS.PUSH_TYPE", "liveactivity"),
        ("APNS.PRIORITY", "1"),
        ("APNS.TTL", "60"),
        ("APNS.COLLAPSE_ID", "c"),
    ]);
    send(&push, &chosen).await;
    chosen.attributes = reserved(&[("APNS.TTL", "0")]);
    send(&push, &chosen).await;
    let seen = apns.seen();
    let silent = &seen[9];
    assert_eq!(silent.header("apns-push-type"), Some("background"));
    assert_eq!(silent.header("apns-priority"), Some("5"));
    for (name, value) in [
        ("apns-push-type", "liveactivity"),
        ("apns-priority", "1"),
        ("apns-topic", "com.example.other"),
        ("apns-expiration", "1700000060"),
        ("apns-collapse-id", "c"),
    ] {
        assert_eq!(seen[10].header(name), Some(value), "{name}");
    }
    assert_eq!(seen[11].header("apns-expiration"), Some("0"));

    let sandbox = send(&push, &message("APNS_SANDBOX", credentials, plain("x"))).await;
    assert_eq!(sandbox.verdict, Verdict::Retry);
}

#[tokio::test]
async fn apple_is_shown_a_certificate_where_there_is_one() {
    let (server_identity, app) = (Identity::new(), Identity::new());
    let apns = StandIn::tls(
        Speaks::Http2,
        &server_identity,
        Some(&app.certificate),
        apple_answer,
    )
    .await;
    let addresses = PushAddresses {
        apns_sandbox: apns.tls_url(""),
        ..PushAddresses::default()
    };
    let push = at(&addresses, &[&server_identity]);
    let credentials = PushCredentials {
        principal: app.certificate_pem.clone(),
        credential: app.key_pem.clone(),
        ..PushCredentials::default()
    };
    for _ in 0..2 {
        let message = message("APNS_VOIP_SANDBOX", credentials.clone(), plain("ring"));
        let report = send(&push, &message).await;
        assert_eq!(report.verdict, Verdict::Delivered, "{report:?}");
    }
    let seen = apns.seen();
    assert_eq!((seen.len(), apns.connections()), (2, 1));
    assert_eq!(seen[0].header("authorization"), None);
    assert_eq!(seen[0].header("apns-push-type"), Some("voip"));
    assert_eq!(seen[0].header("apns-topic"), None);

    let stranger = Identity::new();
    let other = PushCredentials {
        principal: stranger.certificate_pem.clone(),
        credential: stranger.key_pem.clone(),
        ..PushCredentials::default()
    };
    let report = send(&push, &message("APNS_SANDBOX", other, plain("x"))).await;
    assert_eq!(report.verdict, Verdict::Retry, "{report:?}");
    let mixed = PushCredentials {
        principal: stranger.certificate_pem,
        credential: app.key_pem,
        ..PushCredentials::default()
    };
    let report = send(&push, &message("APNS_SANDBOX", mixed, plain("x"))).await;
    assert_eq!(report.verdict, Verdict::Never, "{report:?}");
    assert_eq!(apns.seen().len(), 2);
}

#[tokio::test]
async fn other_platforms_are_not_served() {
    let push = at(&PushAddresses::default(), &[]);
    let report = send(
        &push,
        &message("BAIDU", PushCredentials::default(), plain("x")),
    )
    .await;
    assert_eq!(report.verdict, Verdict::Never);
    let keyless = message("APNS", PushCredentials::default(), plain("x"));
    assert_eq!(send(&push, &keyless).await.verdict, Verdict::Never);
}
