//! `GetQueueAttributes`.

use levada_wire::sqs::{
    GetQueueAttributesRequest, GetQueueAttributesResponse, QueueAttributeName as Name, QueueCounts,
};

use super::context::{Context, arn_of, attributes_of};
use crate::front::Failure;

/// Attributes that ask the partitions; the others are the catalog's.
const COUNTED: [Name; 3] = [
    Name::ApproximateNumberOfMessages,
    Name::ApproximateNumberOfMessagesNotVisible,
    Name::ApproximateNumberOfMessagesDelayed,
];

pub(super) async fn call(
    cx: &Context<'_>,
    request: GetQueueAttributesRequest,
) -> Result<GetQueueAttributesResponse, Failure> {
    let names = request.names()?;
    let queue = cx.current_queue(&request.queue_url).await?;
    let mut counts = QueueCounts::default();
    if names.iter().any(|name| COUNTED.contains(name)) {
        let of_parts = cx.broker.counts(&queue).await?;
        counts = QueueCounts {
            visible: of_parts.ready,
            not_visible: of_parts.in_flight,
            delayed: of_parts.delayed,
        };
    }
    let attributes = attributes_of(&queue).describe(
        &names,
        &arn_of(&queue),
        &counts,
        queue.created_at,
        queue.modified_at,
    );
    Ok(GetQueueAttributesResponse { attributes })
}
