//! `GetSubscriptionAttributes` and `SetSubscriptionAttributes`.

use levada_cluster::Topic;
use levada_engine::Subscription;
use levada_wire::sns::{
    GetSubscriptionAttributesRequest, GetSubscriptionAttributesResponse, NoResult,
    SetSubscriptionAttributesRequest, SnsError, SubscriptionAttributes, SubscriptionFacts,
    SubscriptionProtocol,
};

use super::context::{Context, attributes_of};
use super::filters;
use super::subscribe::check_attributes_served;
use crate::front::Failure;

pub(super) async fn get(
    cx: &Context<'_>,
    request: GetSubscriptionAttributesRequest,
) -> Result<GetSubscriptionAttributesResponse, Failure> {
    let arn = request.subscription()?;
    let (topic, row) = cx.subscription(&arn, "GetSubscriptionAttributes").await?;
    let confirmed = row.is_confirmed().then_some(row.confirmed_by_owner);
    let policy = attributes_of(&topic.row).delivery_policy;
    let account = row.account.parse().unwrap_or(topic.account);
    Ok(GetSubscriptionAttributesResponse {
        attributes: stored(&row).describe(
            &arn,
            &facts(&topic, &row)?,
            confirmed,
            account,
            &policy.unwrap_or_default(),
        ),
    })
}

pub(super) async fn set(
    cx: &Context<'_>,
    request: SetSubscriptionAttributesRequest,
) -> Result<NoResult, Failure> {
    let arn = request.subscription()?;
    let (topic, row) = cx.subscription(&arn, "SetSubscriptionAttributes").await?;
    let changes = request.changes(&facts(&topic, &row)?)?;
    check_attributes_served(&changes)?;
    cx.change_subscription(row.number, |before, row| {
        let attributes = stored(before).with(&changes);
        // The policy and what it looks at must go together, whichever is set.
        filters::check(&attributes).map_err(SnsError::invalid_parameter)?;
        row.attributes = attributes.verbatim;
        Ok(())
    })
    .await?;
    Ok(NoResult {})
}

fn stored(row: &Subscription) -> SubscriptionAttributes {
    SubscriptionAttributes::from_stored(&row.to_row().attributes)
}

fn facts<'a>(topic: &Topic, row: &'a Subscription) -> Result<SubscriptionFacts<'a>, SnsError> {
    // Checked when it was made; a newer version may know more.
    let protocol = SubscriptionProtocol::from_name(&row.protocol);
    Ok(SubscriptionFacts {
        protocol: protocol.ok_or_else(|| SnsError::invalid_parameter("Protocol"))?,
        endpoint: &row.endpoint,
        fifo_topic: topic.is_fifo(),
    })
}
