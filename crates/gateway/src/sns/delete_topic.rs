//! `DeleteTopic`. A topic that is not there is no error. One with an archive is not deleted, so that no messages are lost by
//! mistake: the archive is to be ended first.

use levada_engine::proto::CatalogRefusal;
use levada_wire::AwsError;
use levada_wire::sns::{DeleteTopicRequest, NoResult, SnsError, SnsErrorKind};

use super::context::{Context, attributes_for_publishing};
use super::refusal;
use crate::front::Failure;

pub(super) async fn call(
    cx: &Context<'_>,
    request: DeleteTopicRequest,
) -> Result<NoResult, Failure> {
    let topic = match cx.current_topic(&request.topic()?, "DeleteTopic").await {
        Ok(topic) => topic,
        Err(Failure::Aws(AwsError { status: 404, .. })) => return Ok(NoResult {}),
        Err(failure) => return Err(failure),
    };
    let attributes = attributes_for_publishing(&topic.row);
    if attributes.archive_retention_days.is_some() {
        let message = "Invalid state: Cannot delete a topic with an ArchivePolicy";
        return Err(SnsError::new(SnsErrorKind::InvalidState, message).into());
    }
    match cx.broker.delete_topic(&topic).await? {
        Ok(()) | Err(CatalogRefusal::NoSuchTopic) => Ok(NoResult {}),
        Err(other) => Err(refusal::of_change(other, &topic.row.name)),
    }
}
