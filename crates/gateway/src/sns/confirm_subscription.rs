//! `ConfirmSubscription`. The token is what allows it: whoever was sent it may follow the link, and is nobody's account.

use levada_types::limits::CONFIRMATION_TOKEN_MS;
use levada_wire::sns::{ConfirmSubscriptionRequest, ConfirmSubscriptionResponse, SnsError};

use super::confirmation::token_of;
use super::context::Context;
use super::subscription_arn;
use crate::clock;
use crate::front::Failure;

pub(super) async fn call(
    cx: &Context<'_>,
    request: ConfirmSubscriptionRequest,
) -> Result<ConfirmSubscriptionResponse, Failure> {
    cx.broker.catch_up_catalog().await?;
    let topic = cx.topic_of(&request.topic()?).await?;
    let token = token_of(&request.token).ok_or_else(SnsError::invalid_token)?;
    let found = cx.broker.find_subscription_by_token(&token).await?;
    let is_good = |row: &levada_engine::Subscription| {
        row.topic == topic.row.topic && row.created_at + CONFIRMATION_TOKEN_MS > clock::now_ms()
    };
    let row = found.filter(|row| is_good(row));
    let row = row.ok_or_else(SnsError::invalid_token)?;
    // The answer to a request without a signature must not bind its end to one.
    let by_owner = cx.caller.is_signed && request.authenticate_on_unsubscribe;
    let confirmed = cx.change_subscription(row.number, |before, row| {
        if before.token() != Some(token) {
            return Err(SnsError::invalid_token());
        }
        row.token = Vec::new().into();
        row.confirmed_by_owner = by_owner;
        Ok(())
    });
    let confirmed = confirmed.await?;
    Ok(ConfirmSubscriptionResponse {
        subscription_arn: subscription_arn::written(
            &topic,
            confirmed.subscription,
            confirmed.created_at,
        ),
    })
}
