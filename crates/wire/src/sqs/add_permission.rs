//! `AddPermission`.

use serde::Deserialize;

use super::{Action, Shape, SqsError, validate};
use crate::error::AwsError;
use crate::protocol::form::Form;
use crate::protocol::json;

/// Characters in a permission's label.
const LABEL_LEN_MAX: usize = 80;
/// Actions that one statement of a queue's policy may name.
const ACTIONS_MAX: usize = 7;

/// Adds a statement to a queue's policy.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct AddPermissionRequest {
    /// The queue.
    #[serde(default, deserialize_with = "json::text")]
    pub queue_url: String,
    /// The statement's `Sid`.
    #[serde(default, deserialize_with = "json::text")]
    pub label: String,
    /// The accounts that are allowed.
    #[serde(default, rename = "AWSAccountIds", deserialize_with = "json::texts")]
    pub aws_account_ids: Vec<String>,
    /// What they are allowed to do, without `SQS:`; `*` is everything.
    #[serde(default, deserialize_with = "json::texts")]
    pub actions: Vec<String>,
}

impl Shape for AddPermissionRequest {
    fn from_form(form: &Form) -> Result<Self, AwsError> {
        Ok(Self {
            queue_url: form.text("QueueUrl"),
            label: form.text("Label"),
            aws_account_ids: form.texts("AWSAccountId"),
            actions: form.texts("ActionName"),
        })
    }

    fn check(&self) -> Result<(), SqsError> {
        validate::queue_url(&self.queue_url)?;
        check_label(&self.label)?;
        if self.aws_account_ids.is_empty() {
            return Err(SqsError::missing_parameter("AWSAccountIds"));
        }
        if self.actions.is_empty() {
            return Err(SqsError::missing_parameter("ActionName"));
        }
        if self.actions.len() > ACTIONS_MAX {
            let message = format!(
                "{} Actions were found, maximum allowed is {ACTIONS_MAX}.",
                self.actions.len()
            );
            return Err(SqsError::new(super::SqsErrorKind::OverLimit, message));
        }
        self.actions.iter().try_for_each(|a| check_action(a))?;
        for account in &self.aws_account_ids {
            if account.parse::<levada_types::AccountId>().is_err() {
                let message = format!(
                    "Value [{account}] for parameter PrincipalId is invalid. Reason: Unable to verify."
                );
                return Err(SqsError::invalid_parameter(message));
            }
        }
        Ok(())
    }

    fn queue(&self) -> Option<&str> {
        Some(&self.queue_url)
    }
}

fn check_action(name: &str) -> Result<(), SqsError> {
    if name == "*" {
        return Ok(());
    }
    let action = Action::from_name(name);
    let reason = match action.map(Action::permission) {
        Some(permission) if permission == action => return Ok(()),
        Some(None) => "Only the queue owner is allowed to invoke this action.",
        // A batch, for which its plain form stands.
        Some(Some(_)) | None => "Please refer to the appropriate WSDL for a list of valid actions.",
    };
    Err(SqsError::invalid_value(
        format_args!("SQS:{name}"),
        "ActionName",
        reason,
    ))
}

/// A permission's label: 1 to 80 of `[A-Za-z0-9_-]`.
pub(super) fn check_label(label: &str) -> Result<(), SqsError> {
    validate::required(label, "Label")?;
    let ok = label.len() <= LABEL_LEN_MAX
        && label
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if ok {
        return Ok(());
    }
    let reason =
        "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length.";
    Err(SqsError::invalid_value(label, "Label", reason))
}
