//! The certificates of signatures: each node's own, on the shelf where all nodes find them, and the page that answers one.
//!
//! What a node signed names the URL of its own certificate, at whichever node is asked, for as long as anybody checks it.

use http::StatusCode;
use levada_cluster::{Before, Broker, RouteError, ShelfPut};
use tracing::debug;

use crate::answer::{self, Answer};
use crate::front::Gateway;

const KIND: &str = "certificate";
const PREFIX: &str = "/SimpleNotificationService-";
const CONTENT_TYPE: &str = "application/x-pem-file";
/// Characters of the longest name that is looked for: the one of ours, and some.
const NAME_LEN_MAX: usize = 128;

/// Puts a node's certificate where the others find it.
pub async fn publish_certificate(
    broker: &Broker,
    name: &str,
    pem: String,
) -> Result<(), RouteError> {
    // It never changes, for its name is made of it.
    match broker
        .shelf_put(KIND, name, pem.into(), &Before::Nothing)
        .await?
    {
        ShelfPut::Done | ShelfPut::Changed => Ok(()),
        ShelfPut::Full => Err(RouteError::Overloaded),
    }
}

/// The certificate at a path, if it is one's.
pub(crate) async fn certificate_page(gateway: &Gateway, path: &str) -> Option<Answer> {
    let is_one = path.starts_with(PREFIX) && path.ends_with(".pem") && path.len() <= NAME_LEN_MAX;
    let name = path.strip_prefix('/').filter(|_| is_one)?;
    if let Some(own) = gateway
        .signer()
        .filter(|signer| signer.certificate_name() == name)
    {
        return Some(answer::page(
            StatusCode::OK,
            CONTENT_TYPE,
            own.certificate_pem(),
        ));
    }
    let found = match gateway.broker() {
        Ok(broker) => broker.shelf_get(KIND, name).await,
        Err(error) => Err(error),
    };
    Some(match found {
        Ok(Some(pem)) => answer::page(StatusCode::OK, CONTENT_TYPE, pem),
        Ok(None) => answer::page(StatusCode::NOT_FOUND, "text/plain", "no such certificate\n"),
        Err(error) => {
            debug!(%error, name, "a certificate cannot be looked up");
            let text = "the certificate cannot be looked up now\n";
            answer::page(StatusCode::SERVICE_UNAVAILABLE, "text/plain", text)
        }
    })
}
