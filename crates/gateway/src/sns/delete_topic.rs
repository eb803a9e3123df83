//! `DeleteTopic`. A topic that is not there is no error.

use levada_engine::proto::CatalogRefusal;
use levada_wire::AwsError;
use levada_wire::sns::{DeleteTopicRequest, NoResult};

use super::context::Context;
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
    match cx.broker.delete_topic(&topic).await? {
        Ok(()) | Err(CatalogRefusal::NoSuchTopic) => Ok(NoResult {}),
        Err(other) => Err(refusal::of_change(other, &topic.row.name)),
    }
}
