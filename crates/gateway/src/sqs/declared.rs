//! Queues that the node's configuration declares: they exist once the cluster is ready.

use std::collections::BTreeMap;

use levada_types::{AccountId, Region};
use levada_wire::sqs::{Action, CreateQueueRequest, Request, SqsErrorKind};
use thiserror::Error;

use super::context::Context;
use super::create_queue;
use crate::caller::Caller;
use crate::front::{Failure, Gateway};

/// A queue that should exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueDeclaration {
    /// The account that owns it.
    pub account: AccountId,
    /// Its region.
    pub region: Region,
    /// Its name.
    pub name: String,
    /// Attributes, in AWS's names and forms.
    pub attributes: BTreeMap<String, String>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
}

/// Why a declared queue does not exist as declared.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EnsureQueueError {
    /// It exists with other attributes, which are left as they are.
    #[error("it exists, and its attributes are left as they are: {0}")]
    Differs(String),
    /// SQS does not allow such a queue.
    #[error("{0}")]
    Refused(String),
    /// The cluster could not do it now; trying again later may help.
    #[error("{0}")]
    Unavailable(String),
}

impl Gateway {
    /// Creates a declared queue unless it exists.
    pub async fn ensure_queue(
        &self,
        declaration: &QueueDeclaration,
    ) -> Result<(), EnsureQueueError> {
        let caller = Caller::internal(declaration.account, declaration.region.clone());
        let request = CreateQueueRequest {
            queue_name: declaration.name.clone(),
            attributes: declaration.attributes.clone(),
            tags: declaration.tags.clone(),
        };
        let broker = self
            .broker()
            .map_err(|e| EnsureQueueError::Unavailable(e.to_string()))?;
        let cx = Context {
            gateway: self,
            broker,
            caller: &caller,
            action: Action::CreateQueue,
        };
        let checked = Request::CreateQueue(request.clone()).validate();
        checked.map_err(|e| EnsureQueueError::Refused(e.message.into_owned()))?;
        match create_queue::create(&cx, request).await {
            Ok(_) => Ok(()),
            Err(Failure::Route(e)) => Err(EnsureQueueError::Unavailable(e.to_string())),
            Err(Failure::Aws(e)) if e.query_code == SqsErrorKind::QueueNameExists.query_code() => {
                Err(EnsureQueueError::Differs(e.message.into_owned()))
            }
            Err(Failure::Aws(e)) => Err(EnsureQueueError::Refused(e.message.into_owned())),
            // Tables' own; no queue is refused so.
            Err(Failure::DynamoDb(e)) => Err(EnsureQueueError::Refused(e.message.into_owned())),
        }
    }
}
