//! `SendMessageBatch`: entries fail one by one; those that do not are stored by one command.

use levada_wire::AwsError;
use levada_wire::sqs::{
    SendMessageBatchRequest, SendMessageBatchResponse, SendMessageBatchResultEntry,
};

use super::context::{Context, facts_of};
use super::outgoing;
use crate::front::Failure;

pub(super) async fn call(
    cx: &Context<'_>,
    request: SendMessageBatchRequest,
) -> Result<SendMessageBatchResponse, Failure> {
    let queue = cx.queue(&request.queue_url).await?;
    let sender_id = cx.caller.user_id();
    let (entries, failed) = request.triage(&facts_of(&queue))?;
    let mut answer = SendMessageBatchResponse {
        successful: Vec::new(),
        failed,
    };
    let mut messages = Vec::with_capacity(entries.len());
    let mut accepted = Vec::with_capacity(entries.len());
    for entry in entries {
        let delay_seconds = entry.delay_seconds;
        let system_attributes = entry.outgoing().system_attributes_md5();
        let (id, stored) = entry.into_stored(&sender_id);
        let (message, digests) =
            outgoing::new_message(&queue, stored, delay_seconds, system_attributes);
        messages.push(message);
        accepted.push((id, digests));
    }
    if messages.is_empty() {
        return Ok(answer);
    }
    let sent = cx.broker.send(&queue, messages).await?;
    if sent.len() != accepted.len() {
        return Err(AwsError::internal_failure().into());
    }
    let entry = |((id, digests), sent)| SendMessageBatchResultEntry {
        id,
        sent: outgoing::response(&queue, sent, digests),
    };
    answer.successful = accepted.into_iter().zip(&sent).map(entry).collect();
    Ok(answer)
}
