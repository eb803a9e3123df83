//! `PutDataProtectionPolicy` and `GetDataProtectionPolicy`: kept and told, and not obeyed.

use levada_wire::sns::{
    GetDataProtectionPolicyRequest, GetDataProtectionPolicyResponse, NoResult,
    PutDataProtectionPolicyRequest,
};

use super::context::{Context, DATA_PROTECTION};
use crate::front::Failure;

pub(super) async fn put(
    cx: &Context<'_>,
    request: PutDataProtectionPolicyRequest,
) -> Result<NoResult, Failure> {
    let policy = &request.data_protection_policy;
    cx.change_topic(&request.topic()?, "PutDataProtectionPolicy", |_, row| {
        row.attributes.remove(DATA_PROTECTION);
        if !policy.is_empty() {
            row.attributes
                .insert(DATA_PROTECTION.to_owned(), policy.clone());
        }
        Ok(())
    })
    .await?;
    Ok(NoResult {})
}

pub(super) async fn get(
    cx: &Context<'_>,
    request: GetDataProtectionPolicyRequest,
) -> Result<GetDataProtectionPolicyResponse, Failure> {
    let topic = cx
        .current_topic(&request.topic()?, "GetDataProtectionPolicy")
        .await?;
    Ok(GetDataProtectionPolicyResponse {
        data_protection_policy: topic.row.attributes.get(DATA_PROTECTION).cloned(),
    })
}
