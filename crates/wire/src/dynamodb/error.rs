//! What DynamoDB answers when it refuses: every exception that an action of ours gives, and the wordings that several
//! share.
//!
//! The names are those of the public model. Wordings are AWS's as clients quote them; a comment marks those written
//! from memory.

use std::borrow::Cow;

use levada_types::Item;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::value::JsonItem;
use crate::error::{AwsError, Fault};
use crate::protocol::{Encoded, Protocol, document};

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident, $space:literal, $name:literal;)*) => {
        /// An exception of DynamoDB.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum DynamoDbErrorKind {
            $($(#[$doc])* $kind,)*
        }

        impl DynamoDbErrorKind {
            /// The name of the shape.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)* }
            }

            /// `__type`, with its namespace.
            const fn json_type(self) -> &'static str {
                match self { $(Self::$kind => concat!($space, "#", $name),)* }
            }
        }
    };
}

kinds! {
    /// A condition does not hold.
    ConditionalCheckFailed, "com.amazonaws.dynamodb.v20120810", "ConditionalCheckFailedException";
    /// A transaction's token stands for another one.
    IdempotentParameterMismatch, "com.amazonaws.dynamodb.v20120810", "IdempotentParameterMismatchException";
    /// No memory is left for items.
    ItemCollectionSizeLimitExceeded, "com.amazonaws.dynamodb.v20120810", "ItemCollectionSizeLimitExceededException";
    /// A bound of the account.
    LimitExceeded, "com.amazonaws.dynamodb.v20120810", "LimitExceededException";
    /// Too much at one time.
    ProvisionedThroughputExceeded, "com.amazonaws.dynamodb.v20120810", "ProvisionedThroughputExceededException";
    /// It exists already, or is in a state in which it cannot be changed.
    ResourceInUse, "com.amazonaws.dynamodb.v20120810", "ResourceInUseException";
    /// No such table or index.
    ResourceNotFound, "com.amazonaws.dynamodb.v20120810", "ResourceNotFoundException";
    /// No such table, in the words of the actions on backups.
    TableNotFound, "com.amazonaws.dynamodb.v20120810", "TableNotFoundException";
    /// None of a transaction's writes was done.
    TransactionCanceled, "com.amazonaws.dynamodb.v20120810", "TransactionCanceledException";
    /// The request makes no sense.
    Validation, "com.amazon.coral.validate", "ValidationException";
}

/// Why one of a transaction's writes was not done; a code of `None` is that of one that would have been.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CancellationReason {
    /// AWS's code.
    pub code: &'static str,
    /// For people.
    pub message: Option<String>,
    /// The item, if it was asked for.
    pub item: Option<Item>,
}

impl Serialize for CancellationReason {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(None)?;
        map.serialize_entry("Code", self.code)?;
        if let Some(message) = &self.message {
            map.serialize_entry("Message", message)?;
        }
        if let Some(item) = &self.item {
            map.serialize_entry("Item", &JsonItem(item))?;
        }
        map.end()
    }
}

/// An answer of refusal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", kind.name())]
pub struct DynamoDbError {
    /// The exception.
    pub kind: DynamoDbErrorKind,
    /// For people.
    pub message: Cow<'static, str>,
    /// The item that did not meet a condition, if it was asked for.
    pub item: Option<Box<Item>>,
    /// Of each of a transaction's writes, in order.
    pub reasons: Vec<CancellationReason>,
}

impl DynamoDbError {
    /// An exception with its wording.
    pub fn new(kind: DynamoDbErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            message: message.into(),
            item: None,
            reasons: Vec::new(),
        }
    }

    /// `ValidationException`.
    pub fn validation(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(DynamoDbErrorKind::Validation, message)
    }

    /// `ValidationException` of a parameter.
    pub fn invalid(what: impl std::fmt::Display) -> Self {
        Self::validation(format!("One or more parameter values were invalid: {what}"))
    }

    /// No such table, for actions on items.
    pub fn no_such_table() -> Self {
        Self::new(
            DynamoDbErrorKind::ResourceNotFound,
            "Requested resource not found",
        )
    }

    /// No such table, for actions on tables.
    pub fn table_not_found(table: &str) -> Self {
        let message = format!("Requested resource not found: Table: {table} not found");
        Self::new(DynamoDbErrorKind::ResourceNotFound, message)
    }

    /// A condition does not hold.
    pub fn condition_failed(item: Option<Item>) -> Self {
        Self {
            item: item.map(Box::new),
            ..Self::new(
                DynamoDbErrorKind::ConditionalCheckFailed,
                "The conditional request failed",
            )
        }
    }

    /// None of a transaction's writes was done.
    pub fn canceled(reasons: Vec<CancellationReason>) -> Self {
        let codes: Vec<&str> = reasons.iter().map(|reason| reason.code).collect();
        let message = format!(
            "Transaction cancelled, please refer cancellation reasons for specific reasons [{}]",
            codes.join(", ")
        );
        Self {
            reasons,
            ..Self::new(DynamoDbErrorKind::TransactionCanceled, message)
        }
    }

    /// The answer, in JSON 1.0.
    pub fn encode(&self) -> Encoded {
        Encoded {
            status: 400,
            content_type: Protocol::Json10.content_type(),
            query_error: None,
            // Nothing in it that JSON cannot carry.
            body: document(self, 256, Protocol::Json10)
                .unwrap_or_default()
                .into(),
            rest: Vec::new(),
        }
    }
}

impl Serialize for DynamoDbError {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(None)?;
        map.serialize_entry("__type", self.kind.json_type())?;
        let has_capital = matches!(
            self.kind,
            DynamoDbErrorKind::TransactionCanceled | DynamoDbErrorKind::IdempotentParameterMismatch
        );
        map.serialize_entry(
            if has_capital { "Message" } else { "message" },
            &self.message,
        )?;
        if let Some(item) = &self.item {
            map.serialize_entry("Item", &JsonItem(item))?;
        }
        if !self.reasons.is_empty() {
            map.serialize_entry("CancellationReasons", &self.reasons)?;
        }
        map.end()
    }
}

impl From<DynamoDbError> for AwsError {
    fn from(e: DynamoDbError) -> Self {
        Self {
            json_type: e.kind.json_type(),
            query_code: e.kind.name(),
            status: 400,
            fault: Fault::Sender,
            message: e.message,
            query_message: None,
        }
    }
}
