//! `RemovePermission`.

use super::SnsError;
use super::add_permission::check_label;
use super::shape::{Members, Shape};

/// Takes a statement away from a topic's policy.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RemovePermissionRequest {
    /// The topic.
    pub topic_arn: String,
    /// The statement's `Sid`.
    pub label: String,
}

about_topic!(RemovePermissionRequest, topic_arn, "TopicArn");

impl Shape for RemovePermissionRequest {
    fn read(members: &mut Members<'_>) -> Self {
        Self {
            topic_arn: members.required("TopicArn"),
            label: members.required("Label"),
        }
    }

    fn check(&self) -> Result<(), SnsError> {
        self.topic()?;
        check_label(&self.label)
    }
}
