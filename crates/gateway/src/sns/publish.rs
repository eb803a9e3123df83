//! `Publish`.

use levada_wire::AwsError;
use levada_wire::sns::{PublishRequest, PublishResponse, PublishTarget};

use super::context::{Context, attributes_for_publishing};
use super::direct;
use super::outgoing::{self, Message};
use crate::front::Failure;

pub(super) async fn call(
    cx: &Context<'_>,
    request: PublishRequest,
) -> Result<PublishResponse, Failure> {
    let arn = match request.target()? {
        PublishTarget::Topic(arn) => arn,
        PublishTarget::Endpoint(arn) => return direct::to_endpoint(cx, &request, &arn).await,
        PublishTarget::PhoneNumber(to) => return direct::to_number(cx, &request, to).await,
    };
    let topic = cx.topic(&arn, "Publish").await?;
    let facts = attributes_for_publishing(&topic.row).facts();
    request.check_against(&facts)?;
    let message = Message::new(request.outgoing(), &facts)?;
    let published = outgoing::publish(cx, &arn, topic.clone(), &[message]).await?;
    let published = published.first().ok_or_else(AwsError::internal_failure)?;
    let (message_id, sequence_number) = outgoing::answer(&topic, published);
    Ok(PublishResponse {
        message_id,
        sequence_number,
    })
}
