//! A queue's policy as `AddPermission` and `RemovePermission` change it: one statement a label.
//!
//! What a policy means is another crate's; here it is JSON with a list of statements.

use levada_types::{AccountId, QueueArn};
use serde_json::{Map, Value, json};

use super::attributes::POLICY_STATEMENTS_MAX;
use super::{AddPermissionRequest, RemovePermissionRequest, SqsError, SqsErrorKind};

impl AddPermissionRequest {
    /// The queue's policy with the new statement. `policy` is the one that it has.
    pub fn add_to(&self, policy: Option<&str>, arn: &QueueArn) -> Result<String, SqsError> {
        let (mut document, mut statements) = match policy {
            Some(text) => parse(text)?,
            None => (new_document(arn), Vec::new()),
        };
        if statements.iter().any(|s| has_label(s, &self.label)) {
            return Err(SqsError::invalid_value(
                &self.label,
                "Label",
                "Already exists.",
            ));
        }
        statements.push(self.statement(arn));
        if statements.len() > POLICY_STATEMENTS_MAX {
            let message = format!(
                "{} Statements were found, maximum allowed is {POLICY_STATEMENTS_MAX}.",
                statements.len()
            );
            return Err(SqsError::new(SqsErrorKind::OverLimit, message));
        }
        document.insert("Statement".to_owned(), Value::Array(statements));
        Ok(Value::Object(document).to_string())
    }

    fn statement(&self, arn: &QueueArn) -> Value {
        let principals = self
            .aws_account_ids
            .iter()
            .filter_map(|id| id.parse::<AccountId>().ok());
        let principals = principals
            .map(|account| format!("arn:aws:iam::{account}:root"))
            .collect();
        let actions = self
            .actions
            .iter()
            .map(|action| format!("SQS:{action}"))
            .collect();
        json!({
            "Sid": self.label,
            "Effect": "Allow",
            "Principal": { "AWS": one_or_many(principals) },
            "Action": one_or_many(actions),
            "Resource": arn.to_string(),
        })
    }
}

impl RemovePermissionRequest {
    /// The queue's policy without the statement; empty if none is left, which removes the attribute.
    pub fn remove_from(&self, policy: Option<&str>) -> Result<String, SqsError> {
        let (mut document, mut statements) = match policy {
            Some(text) => parse(text)?,
            None => (Map::new(), Vec::new()),
        };
        let before = statements.len();
        statements.retain(|s| !has_label(s, &self.label));
        if statements.len() == before {
            return Err(SqsError::invalid_value(
                &self.label,
                "Label",
                "can't find label.",
            ));
        }
        if statements.is_empty() {
            return Ok(String::new());
        }
        document.insert("Statement".to_owned(), Value::Array(statements));
        Ok(Value::Object(document).to_string())
    }
}

fn new_document(arn: &QueueArn) -> Map<String, Value> {
    let mut document = Map::new();
    document.insert("Version".to_owned(), json!("2008-10-17"));
    document.insert("Id".to_owned(), json!(format!("{arn}/SQSDefaultPolicy")));
    document
}

fn parse(text: &str) -> Result<(Map<String, Value>, Vec<Value>), SqsError> {
    let Ok(Value::Object(mut document)) = serde_json::from_str(text) else {
        return Err(SqsError::invalid_attribute_value("Policy"));
    };
    let statements = match document.remove("Statement") {
        Some(Value::Array(list)) => list,
        Some(one) => vec![one],
        None => Vec::new(),
    };
    Ok((document, statements))
}

fn has_label(statement: &Value, label: &str) -> bool {
    statement.get("Sid").and_then(Value::as_str) == Some(label)
}

/// AWS writes a list of one as its element.
fn one_or_many(mut texts: Vec<String>) -> Value {
    match texts.len() {
        1 => Value::String(texts.remove(0)),
        _ => json!(texts),
    }
}

#[cfg(test)]
mod tests {
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
