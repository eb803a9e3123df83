//! `GetSubscriptionAttributes` and `SetSubscriptionAttributes`.

use levada_cluster::Topic;
use levada_engine::Subscription;
use levada_wire::sns::{
    GetSubscriptionAttributesRequest, GetSubscriptionAttributesResponse, NoResult,
    SetSubscriptionAttributesRequest, SnsError, SubscriptionAttributeName, SubscriptionAttributes,
    SubscriptionFacts, SubscriptionProtocol,
};

use super::context::{Context, attributes_of};
use super::{filters, replay_policies};
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
    let replay_status = replay_policies::status(cx.broker, &topic, &row).await?;
    Ok(GetSubscriptionAttributesResponse {
        attributes: stored(&row).describe(
            &arn,
            &facts(&topic, &row)?,
            confirmed,
            account,
            &policy.unwrap_or_default(),
            replay_status,
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
    replay_policies::check(&topic, &changes).map_err(SnsError::invalid_parameter)?;
    let replay_policy = SubscriptionAttributeName::ReplayPolicy.as_str();
    let is_about_replays = changes.verbatim.contains_key(replay_policy);
    cx.change_subscription(row.number, |before, row| {
        let attributes = stored(before).with(&changes);
        // The policy and what it looks at must go together, whichever is set.
        filters::check(&attributes).map_err(SnsError::invalid_parameter)?;
        let had_one = row.attributes.contains_key(replay_policy);
        if is_about_replays && (had_one || attributes.replay_policy.is_some()) {
            // Another one begins, or the one that there is ends.
            row.replay += 1;
        }
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
