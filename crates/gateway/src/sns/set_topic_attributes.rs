//! `SetTopicAttributes`.

use levada_wire::sns::{NoResult, SetTopicAttributesRequest, SnsError};

use super::context::{Context, DATA_PROTECTION, attributes_of};
use super::policy;
use crate::front::Failure;

pub(super) async fn call(
    cx: &Context<'_>,
    request: SetTopicAttributesRequest,
) -> Result<NoResult, Failure> {
    let changes = request.changes()?;
    policy::check(changes.policy()).map_err(SnsError::invalid_parameter)?;
    cx.change_topic(&request.topic()?, "SetTopicAttributes", |topic, row| {
        let mut attributes = attributes_of(&topic.row).with(&changes).verbatim;
        attributes.extend(row.attributes.remove_entry(DATA_PROTECTION));
        row.attributes = attributes;
        Ok(())
    })
    .await?;
    Ok(NoResult {})
}
