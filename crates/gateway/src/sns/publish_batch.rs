//! `PublishBatch`: the messages are published by one command, all or none.

use levada_wire::sns::{PublishBatchRequest, PublishBatchResponse, PublishBatchResultEntry};

use super::context::{Context, attributes_for_publishing};
use super::outgoing::{self, Message};
use crate::front::Failure;

pub(super) async fn call(
    cx: &Context<'_>,
    request: PublishBatchRequest,
) -> Result<PublishBatchResponse, Failure> {
    let arn = request.topic()?;
    let topic = cx.topic(&arn, "Publish").await?;
    let facts = attributes_for_publishing(&topic.row).facts();
    request.check_against(&facts)?;
    let mut messages = Vec::with_capacity(request.entries.len());
    for entry in &request.entries {
        messages.push(Message::new(entry.outgoing(), &facts)?);
    }
    let published = outgoing::publish(cx, &arn, topic.clone(), &messages).await?;
    let entries = request.entries.iter().zip(&published);
    let successful = entries.map(|(entry, published)| {
        let (message_id, sequence_number) = outgoing::answer(&topic, published);
        PublishBatchResultEntry {
            id: entry.id.clone(),
            message_id,
            sequence_number,
        }
    });
    Ok(PublishBatchResponse {
        successful: successful.collect(),
        failed: Vec::new(),
    })
}
