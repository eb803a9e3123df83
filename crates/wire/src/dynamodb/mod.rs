//! Amazon DynamoDB, API version 2012-08-10: tables of items, as far as lease and checkpoint tables need them.
//!
//! One file per handful of actions that are alike holds requests, answers and the validation that needs no table;
//! `expression` reads the language of conditions and updates. JSON 1.0 only, as the service has it.

mod error;
pub mod expression;
mod items;
mod pages;
mod settings;
mod several;
mod shape;
mod tables;
mod value;

pub use error::{CancellationReason, DynamoDbError, DynamoDbErrorKind};
pub use expression::{AttributeValueUpdate, Condition, ExpectedAttributeValue};
pub use items::*;
pub use pages::*;
pub use settings::*;
pub use several::*;
pub use shape::{
    ConditionalOperator, ReturnCapacity, ReturnOnFailure, ReturnValues, Select, Shape,
    check_table_name, table_name,
};
pub use tables::*;

use crate::error::AwsError;
use crate::protocol::{Encoded, Protocol, Service, encode_document};

/// What `X-Amz-Target` begins with, before the dot and the action.
pub const TARGET_PREFIX: &str = "DynamoDB_20120810";

/// The answer of an action that has no result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Empty {}

macro_rules! actions {
    ($($name:ident, $request:ident, $response:ident;)*) => {
        action_names! { $($name,)* }

        /// A request.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Request {
            $(#[doc = concat!("`", stringify!($name), "`")] $name($request),)*
        }

        impl Request {
            /// From the body of a request.
            pub fn decode(action: Action, body: &[u8]) -> Result<Self, AwsError> {
                match action { $(Action::$name => value::from_slice(body).map(Self::$name),)* }
            }

            /// The action that it asks for.
            pub const fn action(&self) -> Action {
                match self { $(Self::$name(_) => Action::$name,)* }
            }

            /// Everything that can be said against it without looking at the table.
            pub fn validate(&self) -> Result<(), DynamoDbError> {
                match self { $(Self::$name(request) => request.validate(),)* }
            }
        }

        /// An answer.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Response {
            $(#[doc = concat!("To `", stringify!($name), "`")] $name($response),)*
        }

        impl Response {
            /// Encodes the answer.
            pub fn encode(&self) -> Encoded {
                match self {
                    $(Self::$name(answer) => {
                        encode_document(answer, 512, Protocol::Json10, Service::DynamoDb)
                    })*
                }
            }
        }
    };
}

actions! {
    BatchGetItem, BatchGetItemRequest, BatchGetItemResponse;
    BatchWriteItem, BatchWriteItemRequest, BatchWriteItemResponse;
    CreateTable, CreateTableRequest, TableDescriptionResponse;
    DeleteItem, DeleteItemRequest, WriteItemResponse;
    DeleteTable, DeleteTableRequest, TableDescriptionResponse;
    DescribeContinuousBackups, DescribeContinuousBackupsRequest, ContinuousBackupsResponse;
    DescribeTable, DescribeTableRequest, DescribeTableResponse;
    DescribeTimeToLive, DescribeTimeToLiveRequest, DescribeTimeToLiveResponse;
    GetItem, GetItemRequest, GetItemResponse;
    ListTables, ListTablesRequest, ListTablesResponse;
    ListTagsOfResource, ListTagsOfResourceRequest, ListTagsOfResourceResponse;
    PutItem, PutItemRequest, WriteItemResponse;
    Query, QueryRequest, PageResponse;
    Scan, ScanRequest, PageResponse;
    TagResource, TagResourceRequest, Empty;
    TransactGetItems, TransactGetItemsRequest, TransactGetItemsResponse;
    TransactWriteItems, TransactWriteItemsRequest, TransactWriteItemsResponse;
    UntagResource, UntagResourceRequest, Empty;
    UpdateContinuousBackups, UpdateContinuousBackupsRequest, ContinuousBackupsResponse;
    UpdateItem, UpdateItemRequest, WriteItemResponse;
    UpdateTable, UpdateTableRequest, TableDescriptionResponse;
    UpdateTimeToLive, UpdateTimeToLiveRequest, UpdateTimeToLiveResponse;
}
