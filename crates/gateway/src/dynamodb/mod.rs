//! The actions of DynamoDB, as far as lease and checkpoint tables need them: a file for a handful that are alike, thin.
//! Each finds its tables, checks what needs their keys, and asks the broker.

mod batches;
mod context;
mod convert;
mod create_table;
mod describe;
mod items;
mod keys;
mod pages;
mod refusal;
mod settings;
mod tables;
mod transactions;
mod update_table;

use levada_cluster::RouteError;
use levada_wire::Encoded;
use levada_wire::dynamodb::{Request, Response};

use crate::caller::Caller;
use crate::front::{Failure, Gateway};
use context::Context;

/// The memory for answers with items is used up.
pub(crate) fn too_many_reads() -> Failure {
    refusal::of_account(RouteError::Overloaded.into())
}

/// Calls the function of an action and wraps what it answers.
macro_rules! answer {
    ($cx:ident, $request:ident, { $($action:ident => $function:path,)* }) => {
        match $request {
            $(Request::$action(r) => Response::$action($function($cx, r).await?),)*
        }
    };
}

/// Answers a request.
pub(crate) async fn call(
    gateway: &Gateway,
    caller: &Caller,
    request: Request,
) -> Result<Encoded, Failure> {
    request.validate()?;
    let cx = &Context {
        broker: gateway.broker()?,
        caller,
    };
    // Put aside, or every connection would hold room for the largest of them.
    let answered = Box::pin(async move {
        let again = request.clone();
        match attempt(cx, request).await {
            // Nothing was done. This node's copy of the catalog may be behind: the table was deleted, and another one of
            // its name made, through another node.
            Err(Failure::Route(RouteError::NoSuchTable)) => {
                cx.broker.catch_up_catalog().await?;
                attempt(cx, again).await
            }
            answered => answered,
        }
    });
    answered
        .await
        .map(|response| response.encode())
        .map_err(refusal::of_account)
}

async fn attempt(cx: &Context<'_>, request: Request) -> Result<Response, Failure> {
    Ok(answer!(cx, request, {
        BatchGetItem => batches::get,
        BatchWriteItem => batches::write,
        CreateTable => create_table::call,
        DeleteItem => items::delete,
        DeleteTable => tables::delete,
        DescribeContinuousBackups => settings::describe_backups,
        DescribeTable => tables::describe_table,
        DescribeTimeToLive => settings::describe_time_to_live,
        GetItem => items::get,
        ListTables => tables::list,
        ListTagsOfResource => settings::list_tags,
        PutItem => items::put,
        Query => pages::query,
        Scan => pages::scan,
        TagResource => settings::tag,
        TransactGetItems => transactions::get,
        TransactWriteItems => transactions::write,
        UntagResource => settings::untag,
        UpdateContinuousBackups => settings::update_backups,
        UpdateItem => items::update,
        UpdateTable => update_table::call,
        UpdateTimeToLive => settings::update_time_to_live,
    }))
}
