//! `POST /_levada/queues/...`, `/_levada/streams/...`, `/_levada/topics/...`: what a person sees of them. It changes
//! nothing, and is asked for like an operation, by those who may operate: what it shows is what users have stored.

mod queues;
mod streams;
mod topics;

use bytes::Bytes;
use levada_cluster::{Broker, RouteError};
use levada_gateway::Operation;
use levada_types::{AccountId, Region};
use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

use crate::operations::{answer, failed};

/// What the names of views begin with.
const KINDS: [&str; 3] = ["queues/", "streams/", "topics/"];
/// Queues, streams, topics or subscriptions of one answer; the next request goes on behind the last.
const PAGE: usize = 500;

/// Why there is nothing to see.
#[derive(Debug, Error)]
enum ViewError {
    /// The question makes no sense.
    #[error("{0}")]
    Malformed(String),
    /// What it names does not exist.
    #[error("{0}")]
    Unknown(String),
    /// A leader does not answer, or what is stored cannot be read.
    #[error("{0}; `levada cluster status` shows which partitions have no leader")]
    Unavailable(#[from] RouteError),
}

impl ViewError {
    fn status(&self) -> u16 {
        match self {
            Self::Malformed(_) => 400,
            Self::Unknown(_) => 404,
            Self::Unavailable(_) => 503,
        }
    }
}

/// Everything that may be asked.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Request {
    /// Decides the account, as it does in AWS's API.
    access_key: String,
    region: String,
    name: Option<String>,
    prefix: Option<String>,
    /// Where an earlier answer ended.
    after: Option<String>,
    count: Option<usize>,
}

/// One question's surroundings.
struct Scope {
    broker: Broker,
    account: AccountId,
    region: Region,
}

impl Scope {
    fn missing(&self, kind: &str, name: &str) -> ViewError {
        ViewError::Unknown(format!(
            "there is no {kind} {name} in account {}, region {}",
            self.account, self.region
        ))
    }
}

impl Request {
    fn name(&self) -> Result<&str, ViewError> {
        let missing = || ViewError::Malformed("a name is missing".to_owned());
        self.name.as_deref().ok_or_else(missing)
    }
}

/// Whether an operation is one of these.
pub(crate) fn is_view(name: &str) -> bool {
    KINDS.iter().any(|kind| name.starts_with(kind))
}

/// What is to be seen, once there is a node. `default_account` is that of access keys that are none themselves.
pub(crate) fn look(
    broker: Option<Broker>,
    default_account: AccountId,
    name: &str,
    body: Bytes,
) -> Operation {
    let name = name.to_owned();
    Box::pin(async move {
        let Some(broker) = broker else {
            return failed(
                503,
                "the node is waiting for the other nodes of its cluster",
            );
        };
        match see(broker, default_account, &name, &body).await {
            Ok(Some(document)) => answer(200, &document),
            Ok(None) => failed(404, &format!("there is no operation {name}")),
            Err(error) => failed(error.status(), &error.to_string()),
        }
    })
}

async fn see(
    broker: Broker,
    default_account: AccountId,
    name: &str,
    body: &[u8],
) -> Result<Option<Value>, ViewError> {
    let malformed = |why: String| ViewError::Malformed(format!("{name}: {why}"));
    let request: Request = serde_json::from_slice(body).map_err(|e| malformed(e.to_string()))?;
    let region = request.region.parse();
    let scope = Scope {
        account: request.access_key.parse().unwrap_or(default_account),
        region: region.map_err(|_| malformed(format!("{:?} is no region", request.region)))?,
        broker,
    };
    // So that what was made through another node is seen.
    scope.broker.catch_up_catalog().await?;
    Ok(Some(match name {
        "queues/list" => queues::list(&scope, &request).await,
        "queues/show" => queues::show(&scope, request.name()?).await?,
        "queues/peek" => queues::peek(&scope, &request).await?,
        "streams/list" => streams::list(&scope, &request),
        "streams/show" => streams::show(&scope, request.name()?).await?,
        "topics/list" => topics::list(&scope, &request),
        "topics/show" => topics::show(&scope, &request).await?,
        _ => return Ok(None),
    }))
}

/// Now, in milliseconds since the epoch, so that who reads times can tell ages.
fn now_ms() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(u64::MAX))
}
