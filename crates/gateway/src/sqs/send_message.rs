//! `SendMessage`.

use levada_wire::AwsError;
use levada_wire::sqs::{SendMessageRequest, SendMessageResponse};

use super::context::{Context, facts_of};
use super::outgoing;
use crate::front::Failure;

pub(super) async fn call(
    cx: &Context<'_>,
    request: SendMessageRequest,
) -> Result<SendMessageResponse, Failure> {
    let queue = cx.queue(&request.queue_url).await?;
    request.check_against(&facts_of(&queue))?;
    let delay_seconds = request.delay_seconds;
    let system_attributes = request.outgoing().system_attributes_md5();
    let stored = request.into_stored(&cx.caller.user_id());
    let (message, digests) =
        outgoing::new_message(&queue, stored, delay_seconds, system_attributes);
    let sent = cx.broker.send(&queue, vec![message]).await?;
    let sent = sent.first().ok_or_else(AwsError::internal_failure)?;
    Ok(outgoing::response(&queue, sent, digests))
}
