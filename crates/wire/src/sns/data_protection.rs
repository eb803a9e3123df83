//! `GetDataProtectionPolicy` and `PutDataProtectionPolicy`: what may not be in a topic's messages.

use levada_types::limits::DATA_PROTECTION_POLICY_LEN_MAX;

use super::SnsError;
use super::shape::{Answer, Members, Shape};
use crate::protocol::xml::XmlWriter;

topic_request! {
    /// Asks for a topic's data protection policy.
    GetDataProtectionPolicyRequest, resource_arn, "ResourceArn"
}

/// A topic's data protection policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GetDataProtectionPolicyResponse {
    /// Its JSON, if it has one.
    pub data_protection_policy: Option<String>,
}

impl Answer for GetDataProtectionPolicyResponse {
    fn size_hint(&self) -> usize {
        64 + self.data_protection_policy.as_ref().map_or(0, String::len)
    }

    fn write_xml(&self, xml: &mut XmlWriter<'_>) {
        xml.optional_element(
            "DataProtectionPolicy",
            self.data_protection_policy.as_deref(),
        );
    }
}

/// Sets a topic's data protection policy.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PutDataProtectionPolicyRequest {
    /// The topic.
    pub resource_arn: String,
    /// The policy's JSON; empty takes it away.
    pub data_protection_policy: String,
}

about_topic!(PutDataProtectionPolicyRequest, resource_arn, "ResourceArn");

impl Shape for PutDataProtectionPolicyRequest {
    fn read(members: &mut Members<'_>) -> Self {
        Self {
            resource_arn: members.required("ResourceArn"),
            data_protection_policy: members.required("DataProtectionPolicy"),
        }
    }

    fn check(&self) -> Result<(), SnsError> {
        self.topic()?;
        check_policy(&self.data_protection_policy)
    }
}

/// A JSON object of bounded length, or nothing. Wordings from memory.
pub(super) fn check_policy(policy: &str) -> Result<(), SnsError> {
    const PARAMETER: &str = "DataProtectionPolicy";
    if policy.is_empty() {
        return Ok(());
    }
    if policy.chars().count() > DATA_PROTECTION_POLICY_LEN_MAX {
        let reason = format!(
            "Length of the policy must be less than or equal to {DATA_PROTECTION_POLICY_LEN_MAX}"
        );
        return Err(SnsError::invalid_because(PARAMETER, reason));
    }
    match serde_json::from_str(policy) {
        Ok(serde_json::Value::Object(_)) => Ok(()),
        _ => Err(SnsError::invalid_because(
            PARAMETER,
            "The policy is not a valid JSON document",
        )),
    }
}
