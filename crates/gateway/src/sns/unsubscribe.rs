//! `Unsubscribe`. One that is not there is no error. A link without a signature ends a subscription, unless whoever
//! confirmed it wanted it otherwise.

use levada_engine::proto::{CatalogRefusal, Replay};
use levada_wire::sns::{NoResult, UnsubscribeRequest};

use super::context::Context;
use super::refusal;
use crate::front::Failure;

const ACTION: &str = "Unsubscribe";

pub(super) async fn call(
    cx: &Context<'_>,
    request: UnsubscribeRequest,
) -> Result<NoResult, Failure> {
    let arn = request.subscription()?;
    let Some((topic, row)) = cx.find_subscription(&arn).await? else {
        return Ok(NoResult {});
    };
    let may = if cx.caller.is_signed {
        cx.owns(&topic, &row)
    } else {
        !row.confirmed_by_owner
    };
    if !may {
        return Err(cx.not_authorized(ACTION, &arn).into());
    }
    let gone = cx.broker.unsubscribe(row.topic, row.number, 0).await;
    match gone.map_err(refusal::of_route)? {
        Ok(()) if row.replay != 0 => {
            let forget = Replay {
                subscription: row.number,
                replay: row.replay,
                forget: true,
                ..Replay::default()
            };
            // Without an answer the part remembers a few bytes as long as the topic is there.
            let _ = cx.broker.replay(&topic, forget).await;
            Ok(NoResult {})
        }
        Ok(()) | Err(CatalogRefusal::NoSuchSubscription | CatalogRefusal::NoSuchTopic) => {
            Ok(NoResult {})
        }
        Err(other) => Err(refusal::of_change(other, "a subscription")),
    }
}
