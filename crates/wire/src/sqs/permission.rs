//! A queue's policy as `AddPermission` and `RemovePermission` change it.

use levada_types::QueueArn;

use super::attributes::POLICY_STATEMENTS_MAX;
use super::{AddPermissionRequest, RemovePermissionRequest, SqsError, SqsErrorKind};
use crate::statements::Statements;

impl AddPermissionRequest {
    /// The queue's policy with the new statement. `policy` is the one that it has.
    pub fn add_to(&self, policy: Option<&str>, arn: &QueueArn) -> Result<String, SqsError> {
        let mut statements = match policy {
            Some(text) => parse(text)?,
            None => Statements::new(format!("{arn}/SQSDefaultPolicy")),
        };
        if statements.has(&self.label) {
            return Err(SqsError::invalid_value(
                &self.label,
                "Label",
                "Already exists.",
            ));
        }
        let actions = self.actions.iter().map(|a| format!("SQS:{a}")).collect();
        statements.allow(
            &self.label,
            &self.aws_account_ids,
            actions,
            &arn.to_string(),
        );
        if statements.len() > POLICY_STATEMENTS_MAX {
            let message = format!(
                "{} Statements were found, maximum allowed is {POLICY_STATEMENTS_MAX}.",
                statements.len()
            );
            return Err(SqsError::new(SqsErrorKind::OverLimit, message));
        }
        Ok(statements.into_text())
    }
}

impl RemovePermissionRequest {
    /// The queue's policy without the statement; empty if none is left, which removes the attribute.
    pub fn remove_from(&self, policy: Option<&str>) -> Result<String, SqsError> {
        let mut statements = policy.map(parse).transpose()?.unwrap_or_default();
        if !statements.remove(&self.label) {
            return Err(SqsError::invalid_value(
                &self.label,
                "Label",
                "can't find label.",
            ));
        }
        if statements.len() == 0 {
            return Ok(String::new());
        }
        Ok(statements.into_text())
    }
}

fn parse(text: &str) -> Result<Statements, SqsError> {
    Statements::parse(text).ok_or_else(|| SqsError::invalid_attribute_value("Policy"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn arn() -> QueueArn {
        "arn:aws:sqs:us-east-1:000000000001:q".parse().unwrap()
    }

    fn add(label: &str) -> AddPermissionRequest {
        AddPermissionRequest {
            queue_url: "/000000000001/q".into(),
            label: label.into(),
            aws_account_ids: vec!["000000000002".into()],
            actions: vec!["SendMessage".into(), "DeleteMessage".into()],
        }
    }

    #[test]
    fn a_statement_comes_and_goes() {
        let policy = add("a").add_to(None, &arn()).unwrap();
        let expected = json!({
            "Version": "2008-10-17",
            "Id": "arn:aws:sqs:us-east-1:000000000001:q/SQSDefaultPolicy",
            "Statement": [{
                "Sid": "a",
                "Effect": "Allow",
                "Principal": {"AWS": "arn:aws:iam::000000000002:root"},
                "Action": ["SQS:SendMessage", "SQS:DeleteMessage"],
                "Resource": "arn:aws:sqs:us-east-1:000000000001:q",
            }],
        });
        assert_eq!(serde_json::from_str::<Value>(&policy).unwrap(), expected);
        let again = add("a").add_to(Some(&policy), &arn()).unwrap_err();
        assert_eq!(
            again.message,
            "Value a for parameter Label is invalid. Reason: Already exists."
        );

        let remove = |label: &str| RemovePermissionRequest {
            queue_url: String::new(),
            label: label.into(),
        };
        let gone = remove("b").remove_from(Some(&policy)).unwrap_err();
        assert_eq!(
            gone.message,
            "Value b for parameter Label is invalid. Reason: can't find label."
        );
        assert_eq!(remove("a").remove_from(Some(&policy)).unwrap(), "");
        assert!(remove("a").remove_from(None).is_err());
    }

    #[test]
    fn a_policy_holds_twenty_statements() {
        let mut policy = add("l0").add_to(None, &arn()).unwrap();
        for n in 1..POLICY_STATEMENTS_MAX {
            policy = add(&format!("l{n}")).add_to(Some(&policy), &arn()).unwrap();
        }
        let over = add("over").add_to(Some(&policy), &arn()).unwrap_err();
        assert_eq!(over.kind, SqsErrorKind::OverLimit);
        assert_eq!(
            over.message,
            "21 Statements were found, maximum allowed is 20."
        );
    }
}
