//! A topic's access policy: the one that AWS gives a new topic, what one must be to be set, and how `AddPermission`
//! and `RemovePermission` change it.
//!
//! What a policy means is another crate's.

use levada_types::limits::{TOPIC_POLICY_BYTES_MAX, TOPIC_POLICY_STATEMENTS_MAX};
use serde_json::{Value, json};

use super::attribute_error::AttributeError;
use super::{AddPermissionRequest, RemovePermissionRequest, SnsError, TopicArn};
use crate::statements::Statements;

/// What a policy of a topic can allow, without `SNS:`. AWS takes no wildcards.
const ACTIONS: &[&str] = &[
    "GetTopicAttributes",
    "SetTopicAttributes",
    "AddPermission",
    "RemovePermission",
    "DeleteTopic",
    "Subscribe",
    "ListSubscriptionsByTopic",
    "Publish",
    "Receive",
    "GetDataProtectionPolicy",
    "PutDataProtectionPolicy",
    "ListTagsForResource",
    "TagResource",
    "UntagResource",
];
/// What the policy of a new topic allows its owner.
const OWNERS: usize = 8;
const OUT_OF_SCOPE: &str = "Policy statement action out of service scope!";

/// The policy of a topic that none was set for: its owner may do everything.
pub fn default_policy(arn: &TopicArn) -> String {
    let actions: Vec<String> = ACTIONS[..OWNERS]
        .iter()
        .map(|action| format!("SNS:{action}"))
        .collect();
    json!({
        "Version": "2008-10-17",
        "Id": "__default_policy_ID",
        "Statement": [{
            "Sid": "__default_statement_ID",
            "Effect": "Allow",
            "Principal": { "AWS": "*" },
            "Action": actions,
            "Resource": arn.to_string(),
            "Condition": { "StringEquals": { "AWS:SourceOwner": arn.account.to_string() } },
        }],
    })
    .to_string()
}

/// Whether a policy can open an action to other accounts: one that the policy of a new topic names. The other actions are the
/// owner's account's.
pub fn is_shared_action(action: &str) -> bool {
    ACTIONS[..OWNERS].contains(&action)
}

/// Whether an action is one that a topic's policy can name. Names have no case in policies.
fn is_action(name: &str) -> bool {
    ACTIONS
        .iter()
        .any(|action| action.eq_ignore_ascii_case(name))
}

/// A policy must be a JSON object with statements, whose actions are a topic's.
pub(super) fn check(text: &str) -> Result<(), AttributeError> {
    let refuse = |reason: &'static str| AttributeError::Invalid(reason.into());
    if text.len() > TOPIC_POLICY_BYTES_MAX {
        // From memory.
        return Err(refuse("Policy Error: the policy is too long"));
    }
    // AWS says no more of a policy that cannot be read.
    let statements = Statements::parse(text).ok_or_else(|| refuse("Policy Error: null"))?;
    if statements.len() == 0 || !statements.iter().all(Value::is_object) {
        return Err(refuse("Policy Error: null"));
    }
    if statements.len() > TOPIC_POLICY_STATEMENTS_MAX {
        // From memory.
        return Err(refuse("Policy Error: too many statements"));
    }
    let in_scope = |action: &Value| {
        let Some((service, name)) = action.as_str().and_then(|text| text.split_once(':')) else {
            return false;
        };
        service.eq_ignore_ascii_case("sns") && is_action(name)
    };
    for statement in statements.iter() {
        let all = match statement.get("Action") {
            None => true,
            Some(Value::Array(actions)) => actions.iter().all(in_scope),
            Some(action) => in_scope(action),
        };
        if !all {
            return Err(refuse(OUT_OF_SCOPE));
        }
    }
    Ok(())
}

/// What `AddPermission` can name.
pub(super) fn check_grantable(action: &str) -> Result<(), SnsError> {
    if is_action(action) {
        Ok(())
    } else {
        Err(SnsError::invalid_parameter(OUT_OF_SCOPE))
    }
}

impl AddPermissionRequest {
    /// The topic's policy with the new statement. `policy` is the one that it has, the default one counted.
    pub fn add_to(&self, policy: &str, arn: &TopicArn) -> Result<String, SnsError> {
        let mut statements = parse(policy)?;
        if statements.has(&self.label) {
            return Err(SnsError::invalid_parameter("Statement already exists"));
        }
        if statements.len() >= TOPIC_POLICY_STATEMENTS_MAX {
            // From memory.
            return Err(SnsError::invalid_parameter(
                "Policy Error: too many statements",
            ));
        }
        let actions = self.action_names.iter();
        let actions = actions.map(|action| format!("SNS:{action}")).collect();
        statements.allow(
            &self.label,
            &self.aws_account_ids,
            actions,
            &arn.to_string(),
        );
        Ok(statements.into_text())
    }
}

impl RemovePermissionRequest {
    /// The topic's policy without the statement. A label that it has not changes nothing.
    pub fn remove_from(&self, policy: &str) -> Result<String, SnsError> {
        let mut statements = parse(policy)?;
        statements.remove(&self.label);
        Ok(statements.into_text())
    }
}

fn parse(policy: &str) -> Result<Statements, SnsError> {
    Statements::parse(policy).ok_or_else(|| SnsError::invalid_parameter("Policy Error: null"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arn() -> TopicArn {
        TopicArn::parse("arn:aws:sns:us-east-1:000000000001:t", "TopicArn").unwrap()
    }

    fn add(label: &str, accounts: &[&str], actions: &[&str]) -> AddPermissionRequest {
        let texts = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect();
        AddPermissionRequest {
            topic_arn: arn().to_string(),
            label: label.into(),
            aws_account_ids: texts(accounts),
            action_names: texts(actions),
        }
    }

    #[test]
    fn the_default_policy_can_itself_be_set() {
        let policy = default_policy(&arn());
        assert_eq!(check(&policy), Ok(()));
        let value: Value = serde_json::from_str(&policy).unwrap();
        let statement = &value["Statement"][0];
        assert_eq!(statement["Action"].as_array().unwrap().len(), 8);
        assert_eq!(statement["Action"][7], "SNS:Publish");
        assert_eq!(
            statement["Condition"]["StringEquals"]["AWS:SourceOwner"],
            "000000000001"
        );
    }

    #[test]
    fn what_can_be_shared() {
        for (action, shared) in [
            ("Publish", true),
            ("DeleteTopic", true),
            ("TagResource", false),
            ("PutDataProtectionPolicy", false),
        ] {
            assert_eq!(is_shared_action(action), shared, "{action}");
        }
    }

    #[test]
    fn a_statement_comes_and_goes() {
        let first = default_policy(&arn());
        let second = add("one", &["000000000002"], &["Publish"])
            .add_to(&first, &arn())
            .unwrap();
        let third = add(
            "two",
            &["000000000002", "000000000003"],
            &["Publish", "Subscribe"],
        )
        .add_to(&second, &arn())
        .unwrap();
        let value: Value = serde_json::from_str(&third).unwrap();
        assert_eq!(
            value["Statement"][1],
            json!({
                "Sid": "one", "Effect": "Allow", "Action": "SNS:Publish",
                "Principal": {"AWS": "arn:aws:iam::000000000002:root"},
                "Resource": "arn:aws:sns:us-east-1:000000000001:t",
            })
        );
        assert_eq!(
            value["Statement"][2]["Action"],
            json!(["SNS:Publish", "SNS:Subscribe"])
        );
        let again = add("two", &["000000000002"], &["Publish"]).add_to(&third, &arn());
        assert_eq!(
            again.unwrap_err().message,
            "Invalid parameter: Statement already exists"
        );
        let remove = |label: &str, from: &str| {
            let request = RemovePermissionRequest {
                topic_arn: String::new(),
                label: label.into(),
            };
            request.remove_from(from).unwrap()
        };
        assert_eq!(remove("two", &third), second);
        assert_eq!(remove("nobody", &second), second);
    }

    #[test]
    fn what_is_no_policy_of_a_topic_is_refused() {
        let refused = |text: &str| match check(text).unwrap_err() {
            AttributeError::Invalid(reason) => reason.into_owned(),
            AttributeError::Unknown(name) => panic!("{name}"),
        };
        for bad in [
            "",
            "[]",
            "x",
            "{}",
            r#"{"Statement":[]}"#,
            r#"{"Statement":["a"]}"#,
        ] {
            assert_eq!(refused(bad), "Policy Error: null", "{bad}");
        }
        for bad in ["*", "SNS:*", "sqs:SendMessage", "SNS:CreateTopic"] {
            let policy = json!({"Statement": {"Effect": "Allow", "Action": bad}}).to_string();
            assert_eq!(refused(&policy), OUT_OF_SCOPE, "{bad}");
        }
        for good in ["sns:publish", "SNS:Subscribe"] {
            let policy = json!({"Statement": [{"Effect": "Allow", "Action": [good]}]}).to_string();
            assert_eq!(check(&policy), Ok(()), "{good}");
        }
        let statement = json!({"Effect": "Allow", "Action": "SNS:Publish"});
        let many = |n: usize| json!({"Statement": vec![statement.clone(); n]}).to_string();
        assert_eq!(check(&many(TOPIC_POLICY_STATEMENTS_MAX)), Ok(()));
        assert!(check(&many(TOPIC_POLICY_STATEMENTS_MAX + 1)).is_err());
    }
}
