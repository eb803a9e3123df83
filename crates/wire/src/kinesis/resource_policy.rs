//! The policy of a stream or a consumer: putting, getting, deleting.

use super::constraint::RESOURCE_ARN;
use super::shape::{Answer, input, output};
use super::{Shape, Violations};

input! {
    /// Gives a stream or a consumer a policy.
    pub struct PutResourcePolicyRequest {
        /// The ARN.
        #[serde(rename = "ResourceARN")]
        pub resource_arn: Option<String>,
        /// The policy, in JSON.
        pub policy: Option<String>,
    }
}

impl Shape for PutResourcePolicyRequest {
    fn violations(&self, violations: &mut Violations) {
        violations.required("policy", &self.policy);
        violations.text("resourceARN", &self.resource_arn, &RESOURCE_ARN.required());
    }
}

input! {
    /// Asks for the policy.
    pub struct GetResourcePolicyRequest {
        /// The ARN.
        #[serde(rename = "ResourceARN")]
        pub resource_arn: Option<String>,
    }
}

impl Shape for GetResourcePolicyRequest {
    fn violations(&self, violations: &mut Violations) {
        violations.text("resourceARN", &self.resource_arn, &RESOURCE_ARN.required());
    }
}

output! {
    /// The policy.
    pub struct GetResourcePolicyResponse {
        /// It, in JSON.
        pub policy: String,
    }
}

impl Answer for GetResourcePolicyResponse {
    fn size_hint(&self) -> usize {
        64 + self.policy.len() * 2
    }
}

input! {
    /// Takes the policy away.
    pub struct DeleteResourcePolicyRequest {
        /// The ARN.
        #[serde(rename = "ResourceARN")]
        pub resource_arn: Option<String>,
    }
}

impl Shape for DeleteResourcePolicyRequest {
    fn violations(&self, violations: &mut Violations) {
        violations.text("resourceARN", &self.resource_arn, &RESOURCE_ARN.required());
    }
}
