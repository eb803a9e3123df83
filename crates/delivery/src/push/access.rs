//! Access tokens (OAuth 2.0): fetched when they are first needed, one request for all who wait, and remembered to their end.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use form_urlencoded::Serializer;
use http::{HeaderMap, HeaderValue, Method, header};
use serde_json::Value;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::remembered::Remembered;
use crate::client::{Answer, Call, Client, Endpoint, Version};
use crate::guard::Origin;
use crate::limits::{ACCESS_TOKEN_AGE_DEFAULT, ACCESS_TOKEN_MARGIN};
use crate::report::Report;
use crate::sockets::Standing;

/// A token, and until when it is used.
#[derive(Debug)]
struct Token {
    bearer: HeaderValue,
    until: Instant,
}

/// The place of a token, empty until one was fetched.
#[derive(Debug, Default)]
pub(super) struct Place(OnceCell<Token>);

impl Place {
    fn is_good(&self) -> bool {
        let token = self.0.get();
        token.is_none_or(|token| Instant::now() < token.until)
    }
}

/// The tokens of all credentials.
#[derive(Debug, Default)]
pub(super) struct AccessTokens(Remembered<Place>);

impl AccessTokens {
    /// Makes a request with a credential's token; once more with a new one, if the first is no longer taken.
    pub(super) async fn call(
        &self,
        key: [u8; 32],
        grant: &Grant<'_>,
        request: &Call<'_>,
        client: &Client,
    ) -> Result<Answer, Report> {
        let mut answer = None;
        for _ in 0..2 {
            let place = self.place(key);
            let bearer = place
                .0
                .get_or_try_init(|| grant.fetch(client, request.standing))
                .await?
                .bearer
                .clone();
            let mut call = request.clone();
            call.headers.insert(header::AUTHORIZATION, bearer);
            let answered = client.call(call).await.map_err(Report::from)?;
            if answered.status != http::StatusCode::UNAUTHORIZED {
                return Ok(answered);
            }
            self.0.forget(key, &place);
            answer = Some(answered);
        }
        // Both times the token was refused: the credential is no longer good.
        answer.ok_or_else(|| Report::retry(None, "no access token"))
    }

    fn place(&self, key: [u8; 32]) -> Arc<Place> {
        let made = self.0.get(key, Place::is_good, || {
            Ok::<_, std::convert::Infallible>(Place::default())
        });
        made.unwrap_or_else(|never| match never {})
    }
}

/// What a token is asked for with.
pub(super) struct Grant<'a> {
    /// Where.
    pub(super) endpoint: &'a Endpoint,
    /// The form. It is made when it is needed: it may have to be signed.
    pub(super) form: &'a (dyn Fn() -> Result<Vec<(&'static str, String)>, Report> + Sync),
}

impl Grant<'_> {
    async fn fetch(&self, client: &Client, standing: Standing) -> Result<Token, Report> {
        let body = encoded((self.form)()?);
        let mut headers = HeaderMap::new();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/x-www-form-urlencoded"),
        );
        let call = Call {
            endpoint: self.endpoint,
            origin: Origin::Operator,
            standing,
            version: Version::Http1,
            method: Method::POST,
            headers,
            body,
        };
        let answer = client.call(call).await.map_err(Report::from)?;
        if !answer.status.is_success() {
            let report = answer.report();
            let detail = format!("no access token: {}", report.detail);
            return Err(Report::new(report.verdict, report.status, detail));
        }
        token(&answer.body).ok_or_else(|| Report::retry(None, "an access token that is none"))
    }
}

fn encoded(form: Vec<(&'static str, String)>) -> Bytes {
    let mut body = Serializer::new(String::new());
    body.extend_pairs(form);
    Bytes::from(body.finish())
}

fn token(body: &[u8]) -> Option<Token> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let text = format!("Bearer {}", body.get("access_token")?.as_str()?);
    let mut bearer = HeaderValue::from_str(&text).ok()?;
    bearer.set_sensitive(true);
    let age = body
        .get("expires_in")
        .and_then(Value::as_u64)
        .map_or(ACCESS_TOKEN_AGE_DEFAULT, |secs| {
            Duration::from_secs(secs.min(86_400))
        });
    Some(Token {
        bearer,
        until: Instant::now() + age.saturating_sub(ACCESS_TOKEN_MARGIN),
    })
}
