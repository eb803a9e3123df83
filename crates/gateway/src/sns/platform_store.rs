//! Applications of platforms and their endpoints, as they are kept: attributes by ARN, on the shelf that all nodes share.
//!
//! An endpoint's id follows from its token, so that making it twice finds it. Pushing reads from here, and notes here what
//! a platform said of a phone.

use std::collections::BTreeMap;

use bytes::Bytes;
use levada_cluster::{Before, Broker, RouteError, ShelfPut};
use levada_wire::sns::{PlatformApplicationArn, PlatformEndpointArn};
use sha2::{Digest as _, Sha256};

use crate::limits::CHANGE_ATTEMPTS_MAX;
use crate::random::Uuid;

/// Attributes as they were set.
pub(super) type Attributes = BTreeMap<String, String>;

pub(super) const ENABLED: &str = "Enabled";
pub(super) const TOKEN: &str = "Token";

/// An endpoint with all that pushing must know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlatformEndpoint {
    /// Its ARN.
    pub arn: PlatformEndpointArn,
    /// What the platform knows the phone by.
    pub token: String,
    /// Neither it nor its application was switched off.
    pub is_enabled: bool,
    /// Its application's attributes, credentials among them.
    pub application: BTreeMap<String, String>,
}

/// What a platform said of a phone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndpointNote {
    /// The app is gone from it.
    Disabled,
    /// It has another token now.
    Token(String),
}

/// The kind of an account's applications.
pub(super) fn applications_of(
    account: impl std::fmt::Display,
    region: impl std::fmt::Display,
) -> String {
    format!("application/{account}/{region}")
}

/// An application's name among them.
pub(super) fn application_name(arn: &PlatformApplicationArn) -> String {
    format!("{}/{}", arn.platform, arn.name)
}

/// The kind of an application's endpoints.
pub(super) fn endpoints_of(arn: &PlatformApplicationArn) -> String {
    format!(
        "endpoint/{}/{}/{}",
        arn.account,
        arn.region,
        application_name(arn)
    )
}

/// Attributes from what is kept.
pub(super) fn read(value: &[u8]) -> Result<Attributes, RouteError> {
    serde_json::from_slice(value).map_err(|error| RouteError::Unreadable(error.to_string()))
}

/// What is kept of attributes.
pub(super) fn written(attributes: &Attributes) -> Bytes {
    serde_json::to_vec(attributes).unwrap_or_default().into()
}

/// An application's attributes.
pub(super) async fn application(
    broker: &Broker,
    arn: &PlatformApplicationArn,
) -> Result<Option<Attributes>, RouteError> {
    let kind = applications_of(arn.account, &arn.region);
    get(broker, &kind, &application_name(arn)).await
}

/// An endpoint's attributes.
pub(super) async fn endpoint(
    broker: &Broker,
    arn: &PlatformEndpointArn,
) -> Result<Option<Attributes>, RouteError> {
    get(broker, &endpoints_of(&arn.application), &arn.id).await
}

async fn get(broker: &Broker, kind: &str, name: &str) -> Result<Option<Attributes>, RouteError> {
    let found = broker.shelf_get(kind, name).await?;
    found.map(|value| read(&value)).transpose()
}

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Changed {
    Done,
    /// It was so already.
    Same,
    /// There is nothing of that name.
    NotThere,
    /// There is no more room, or it is too large.
    Full,
}

/// Changes what is there, anew when somebody else was faster. Nothing is written that is as it was.
pub(super) async fn change(
    broker: &Broker,
    kind: &str,
    name: &str,
    edit: impl Fn(&mut Attributes) + Send + Sync,
) -> Result<Changed, RouteError> {
    for _ in 0..CHANGE_ATTEMPTS_MAX {
        let Some(before) = broker.shelf_get(kind, name).await? else {
            return Ok(Changed::NotThere);
        };
        let mut attributes = read(&before)?;
        edit(&mut attributes);
        let after = written(&attributes);
        if after == before {
            return Ok(Changed::Same);
        }
        let put = broker
            .shelf_put(kind, name, after, &Before::Value(before))
            .await?;
        match put {
            ShelfPut::Done => return Ok(Changed::Done),
            ShelfPut::Full => return Ok(Changed::Full),
            ShelfPut::Changed => {}
        }
    }
    Err(RouteError::Overloaded)
}

/// The id of an application's endpoint for a token. `turn` tells those apart that had one token at different times.
pub(super) fn endpoint_id(application: &PlatformApplicationArn, token: &str, turn: u32) -> String {
    let mut hash = Sha256::new();
    hash.update(application.to_string().as_bytes());
    hash.update(turn.to_be_bytes());
    hash.update(token.as_bytes());
    let hash: [u8; 32] = hash.finalize().into();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    Uuid(bytes).text().to_string()
}

/// Whether a flag is on; one that is not set is.
pub(super) fn is_on(attributes: &Attributes) -> bool {
    attributes
        .get(ENABLED)
        .is_none_or(|value| !value.eq_ignore_ascii_case("false"))
}

/// The endpoint of an ARN with its application; none if either is not there.
pub async fn find_platform_endpoint(
    broker: &Broker,
    arn: &PlatformEndpointArn,
) -> Result<Option<PlatformEndpoint>, RouteError> {
    let Some(mut own) = endpoint(broker, arn).await? else {
        return Ok(None);
    };
    let Some(application) = application(broker, &arn.application).await? else {
        return Ok(None);
    };
    Ok(Some(PlatformEndpoint {
        arn: arn.clone(),
        is_enabled: is_on(&own) && is_on(&application),
        token: own.remove(TOKEN).unwrap_or_default(),
        application,
    }))
}

/// Notes what a platform said of a phone, if it still has the token that it was said of.
pub async fn note_platform_endpoint(
    broker: &Broker,
    endpoint: &PlatformEndpoint,
    note: &EndpointNote,
) -> Result<(), RouteError> {
    let kind = endpoints_of(&endpoint.arn.application);
    let edit = |attributes: &mut Attributes| {
        if attributes.get(TOKEN) != Some(&endpoint.token) {
            return;
        }
        let (name, value) = match note {
            EndpointNote::Disabled => (ENABLED, "false"),
            EndpointNote::Token(token) => (TOKEN, token.as_str()),
        };
        attributes.insert(name.to_owned(), value.to_owned());
    };
    change(broker, &kind, &endpoint.arn.id, edit)
        .await
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoints_id_follows_from_its_token() {
        let arn = "arn:aws:sns:us-east-1:000000000001:app/GCM/shop";
        let shop = PlatformApplicationArn::parse(arn).unwrap();
        let bank = PlatformApplicationArn::parse(&arn.replace("shop", "bank")).unwrap();
        let id = endpoint_id(&shop, "t", 0);
        assert_eq!(id, endpoint_id(&shop, "t", 0));
        for other in [
            endpoint_id(&shop, "u", 0),
            endpoint_id(&shop, "t", 1),
            endpoint_id(&bank, "t", 0),
        ] {
            assert_ne!(id, other);
        }
        let whole = format!("arn:aws:sns:us-east-1:000000000001:endpoint/GCM/shop/{id}");
        let parsed = PlatformEndpointArn::parse(&whole, "EndpointArn").unwrap();
        assert_eq!((&*parsed.id, parsed.to_string()), (&*id, whole));
    }

    #[test]
    fn what_is_not_set_is_on() {
        let with = |value: &str| Attributes::from([(ENABLED.to_owned(), value.to_owned())]);
        assert!(is_on(&Attributes::new()) && is_on(&with("true")));
        assert!(!is_on(&with("false")) && !is_on(&with("False")));
        let attributes = with("true");
        assert_eq!(read(&written(&attributes)).unwrap(), attributes);
    }
}
