//! Actions on text messages. An account's settings are kept on the shelf. Who wants no messages is the gateway's to know, and there
//! is no sandbox: no phone has opted out here, and no phone is put into one.

use std::collections::BTreeMap;

use levada_cluster::{Before, Broker, RouteError};
use levada_types::{AccountId, Region};
use levada_wire::sns::{
    CheckIfPhoneNumberIsOptedOutRequest, CheckIfPhoneNumberIsOptedOutResponse,
    CreateSMSSandboxPhoneNumberRequest, DeleteSMSSandboxPhoneNumberRequest, Empty,
    GetSMSAttributesRequest, GetSMSAttributesResponse, GetSMSSandboxAccountStatusRequest,
    GetSMSSandboxAccountStatusResponse, ListOriginationNumbersRequest,
    ListOriginationNumbersResponse, ListPhoneNumbersOptedOutRequest,
    ListPhoneNumbersOptedOutResponse, ListSMSSandboxPhoneNumbersRequest,
    ListSMSSandboxPhoneNumbersResponse, MessageAttributeMap, OptInPhoneNumberRequest,
    SetSMSAttributesRequest, SnsError, VerifySMSSandboxPhoneNumberRequest,
};

use super::context::Context;
use super::platform_store::{self, Attributes, Changed};
use crate::front::Failure;
use crate::limits::CHANGE_ATTEMPTS_MAX;

/// Settings, by account and region.
const KIND: &str = "sms";
/// The attribute of a message that names its sender.
const SENDER_ATTRIBUTE: &str = "AWS.SNS.SMS.SenderID";
/// The setting that does where no message does.
const SENDER_SETTING: &str = "DefaultSenderID";

fn name_of(account: AccountId, region: &Region) -> String {
    format!("{account}/{region}")
}

async fn settings(
    broker: &Broker,
    account: AccountId,
    region: &Region,
) -> Result<Attributes, RouteError> {
    let found = broker.shelf_get(KIND, &name_of(account, region)).await?;
    found.map_or(Ok(BTreeMap::new()), |value| platform_store::read(&value))
}

/// Whom a text message says that it is from: what it chose itself, else what its account did.
pub async fn text_sender(
    broker: &Broker,
    account: AccountId,
    region: &Region,
    attributes: &MessageAttributeMap,
) -> Result<Option<String>, RouteError> {
    let own = attributes.get(SENDER_ATTRIBUTE);
    if let Some(own) = own.and_then(|value| value.string_value.clone()) {
        return Ok(Some(own));
    }
    Ok(settings(broker, account, region)
        .await?
        .remove(SENDER_SETTING))
}

fn no_sandbox() -> Failure {
    // The words are ours.
    SnsError::invalid_parameter("this broker has no sandbox for text messages").into()
}

pub(super) async fn check_opted_out(
    _: &Context<'_>,
    _: CheckIfPhoneNumberIsOptedOutRequest,
) -> Result<CheckIfPhoneNumberIsOptedOutResponse, Failure> {
    Ok(CheckIfPhoneNumberIsOptedOutResponse {
        is_opted_out: false,
    })
}

pub(super) async fn list_opted_out(
    _: &Context<'_>,
    _: ListPhoneNumbersOptedOutRequest,
) -> Result<ListPhoneNumbersOptedOutResponse, Failure> {
    Ok(ListPhoneNumbersOptedOutResponse::default())
}

/// No phone has opted out, so each is in.
pub(super) async fn opt_in(_: &Context<'_>, _: OptInPhoneNumberRequest) -> Result<Empty, Failure> {
    Ok(Empty {})
}

pub(super) async fn get_attributes(
    cx: &Context<'_>,
    request: GetSMSAttributesRequest,
) -> Result<GetSMSAttributesResponse, Failure> {
    let mut found = settings(cx.broker, cx.caller.account, &cx.caller.region).await?;
    found.retain(|name, _| request.wants(name));
    Ok(GetSMSAttributesResponse {
        attributes: found.into_iter().collect(),
    })
}

pub(super) async fn set_attributes(
    cx: &Context<'_>,
    request: SetSMSAttributesRequest,
) -> Result<Empty, Failure> {
    let name = name_of(cx.caller.account, &cx.caller.region);
    let edit = |settings: &mut Attributes| {
        for (name, value) in &request.attributes {
            settings.insert(name.clone(), value.clone());
        }
        settings.retain(|_, value| !value.is_empty());
    };
    for _ in 0..CHANGE_ATTEMPTS_MAX {
        match platform_store::change(cx.broker, KIND, &name, edit).await? {
            Changed::Done | Changed::Same => return Ok(Empty {}),
            Changed::Full => break,
            Changed::NotThere => {
                let none = platform_store::written(&Attributes::new());
                cx.broker
                    .shelf_put(KIND, &name, none, &Before::Nothing)
                    .await?;
            }
        }
    }
    Err(SnsError::throttled().into())
}

pub(super) async fn sandbox_status(
    _: &Context<'_>,
    _: GetSMSSandboxAccountStatusRequest,
) -> Result<GetSMSSandboxAccountStatusResponse, Failure> {
    Ok(GetSMSSandboxAccountStatusResponse {
        is_in_sandbox: false,
    })
}

pub(super) async fn list_sandbox(
    _: &Context<'_>,
    _: ListSMSSandboxPhoneNumbersRequest,
) -> Result<ListSMSSandboxPhoneNumbersResponse, Failure> {
    Ok(ListSMSSandboxPhoneNumbersResponse::default())
}

pub(super) async fn create_in_sandbox(
    _: &Context<'_>,
    _: CreateSMSSandboxPhoneNumberRequest,
) -> Result<Empty, Failure> {
    Err(no_sandbox())
}

pub(super) async fn verify_in_sandbox(
    _: &Context<'_>,
    _: VerifySMSSandboxPhoneNumberRequest,
) -> Result<Empty, Failure> {
    Err(SnsError::resource_does_not_exist().into())
}

pub(super) async fn delete_in_sandbox(
    _: &Context<'_>,
    _: DeleteSMSSandboxPhoneNumberRequest,
) -> Result<Empty, Failure> {
    Err(SnsError::resource_does_not_exist().into())
}

pub(super) async fn list_origination_numbers(
    _: &Context<'_>,
    _: ListOriginationNumbersRequest,
) -> Result<ListOriginationNumbersResponse, Failure> {
    Ok(ListOriginationNumbersResponse::default())
}
