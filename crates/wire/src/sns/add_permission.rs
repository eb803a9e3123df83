//! `AddPermission`.

use levada_types::AccountId;
use levada_types::limits::TOPIC_LABEL_LEN_MAX;

use super::shape::{Members, Shape};
use super::{SnsError, topic_policy};

/// Adds a statement to a topic's policy.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AddPermissionRequest {
    /// The topic.
    pub topic_arn: String,
    /// The statement's `Sid`.
    pub label: String,
    /// The accounts that are allowed.
    pub aws_account_ids: Vec<String>,
    /// What they are allowed to do, without `SNS:`.
    pub action_names: Vec<String>,
}

about_topic!(AddPermissionRequest, topic_arn, "TopicArn");

impl Shape for AddPermissionRequest {
    fn read(members: &mut Members<'_>) -> Self {
        members.required_member("AWSAccountId");
        members.required_member("ActionName");
        Self {
            topic_arn: members.required("TopicArn"),
            label: members.required("Label"),
            aws_account_ids: members.texts("AWSAccountId"),
            action_names: members.texts("ActionName"),
        }
    }

    fn check(&self) -> Result<(), SnsError> {
        self.topic()?;
        check_label(&self.label)?;
        // Empty lists: from memory.
        if self.aws_account_ids.is_empty() {
            return Err(SnsError::invalid_parameter("AWSAccountId"));
        }
        if self.action_names.is_empty() {
            return Err(SnsError::invalid_parameter("ActionName"));
        }
        for action in &self.action_names {
            topic_policy::check_grantable(action)?;
        }
        let is_account = |id: &String| id.parse::<AccountId>().is_ok();
        if !self.aws_account_ids.iter().all(is_account) {
            return Err(SnsError::invalid_parameter(
                "Policy Error: PrincipalNotFound",
            ));
        }
        Ok(())
    }
}

/// 1 to 80 letters, digits, dashes and underscores. From memory.
pub(super) fn check_label(label: &str) -> Result<(), SnsError> {
    let ok = (1..=TOPIC_LABEL_LEN_MAX).contains(&label.len())
        && label
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if ok {
        Ok(())
    } else {
        Err(SnsError::invalid_parameter("Label"))
    }
}
