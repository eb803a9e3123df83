//! What is published to one phone or one app, without a topic. It is brought there before it is answered: whoever gets an error
//! may try again, and what was answered with an id is at the gateway or at the platform.

use levada_types::Timestamp;
use levada_wire::sns::{
    PlatformEndpointArn, PublishRequest, PublishResponse, SnsError, SnsErrorKind,
};

use super::context::Context;
use super::phone_courier::{PhoneMessage, PushOutcome};
use super::phones;
use super::platform_events::{Event, PushFailure, tell};
use super::platform_store::find_platform_endpoint;
use crate::clock;
use crate::front::Failure;
use crate::random::Uuid;

/// Publishes to a phone, as a text message.
pub(super) async fn to_number(
    cx: &Context<'_>,
    request: &PublishRequest,
    number: &str,
) -> Result<PublishResponse, Failure> {
    if !cx.gateway.options.topics.has_sms {
        // The words are ours.
        let reason = "this broker has no gateway for text messages: see [delivery.sms]";
        return Err(SnsError::invalid_because("PhoneNumber", reason).into());
    }
    let outgoing = request.outgoing();
    let texts = outgoing.messages()?;
    let (account, region) = (cx.caller.account, &cx.caller.region);
    let sender = phones::text_sender(cx.broker, account, region, outgoing.attributes);
    let message = PhoneMessage::Text {
        to: number.to_owned(),
        message: texts.for_key("sms").to_owned(),
        sender: sender.await?,
    };
    answer(bring(cx, message).await?, Uuid::random(), "PhoneNumber")
}

/// Publishes to an app on a phone.
pub(super) async fn to_endpoint(
    cx: &Context<'_>,
    request: &PublishRequest,
    arn: &PlatformEndpointArn,
) -> Result<PublishResponse, Failure> {
    let of = &arn.application;
    if of.account != cx.caller.account || of.region != cx.caller.region {
        return Err(SnsError::no_endpoint_for_target().into());
    }
    let found = find_platform_endpoint(cx.broker, arn).await?;
    let endpoint = found.ok_or_else(SnsError::no_endpoint_for_target)?;
    let application = endpoint.application.clone();
    let id = Uuid::random();
    let id_text = id.text().to_string();
    let failed = |why| Event::Failed {
        message_id: &id_text,
        why,
    };
    if !endpoint.is_enabled {
        tell(cx, &application, arn, failed(PushFailure::Disabled)).await;
        return Err(SnsError::endpoint_disabled().into());
    }
    let outgoing = request.outgoing();
    let texts = outgoing.messages()?;
    let (message, is_platforms) = texts.for_platform(&of.platform);
    let message = PhoneMessage::App {
        message: message.to_owned(),
        is_platforms,
        attributes: outgoing.attributes.clone(),
        message_id: id_text.clone(),
        time: Timestamp::from_millis(clock::now_ms()),
        endpoint: Box::new(endpoint),
    };
    let outcome = bring(cx, message).await?;
    match &outcome {
        PushOutcome::Disabled => {
            // It was switched off for that.
            tell(cx, &application, arn, failed(PushFailure::Gone)).await;
            tell(cx, &application, arn, Event::Updated).await;
        }
        PushOutcome::Refused(why) => {
            tell(cx, &application, arn, failed(PushFailure::Refused(why))).await;
        }
        PushOutcome::Taken | PushOutcome::NotNow(_) => {}
    }
    answer(outcome, id, "TargetArn")
}

async fn bring(cx: &Context<'_>, message: PhoneMessage) -> Result<PushOutcome, Failure> {
    let courier = cx.gateway.phones();
    let courier = courier.ok_or(levada_cluster::RouteError::Unavailable)?;
    Ok(courier.bring(message).await)
}

fn answer(outcome: PushOutcome, id: Uuid, parameter: &str) -> Result<PublishResponse, Failure> {
    match outcome {
        PushOutcome::Taken => Ok(PublishResponse {
            message_id: id.text().to_string(),
            sequence_number: None,
        }),
        PushOutcome::Disabled => Err(SnsError::endpoint_disabled().into()),
        PushOutcome::Refused(why) => Err(SnsError::invalid_because(parameter, &why).into()),
        PushOutcome::NotNow(why) => {
            let why = format!("It cannot be delivered now: {why}");
            Err(SnsError::new(SnsErrorKind::InternalError, why).into())
        }
    }
}
