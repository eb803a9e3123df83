//! Actions on text messages. None are sent: there are no settings, no phones that opted out and no sandbox, and what would
//! make one is refused. The words of refusals are ours.

use levada_wire::sns::{
    CheckIfPhoneNumberIsOptedOutRequest, CheckIfPhoneNumberIsOptedOutResponse,
    CreateSMSSandboxPhoneNumberRequest, DeleteSMSSandboxPhoneNumberRequest, Empty,
    GetSMSAttributesRequest, GetSMSAttributesResponse, GetSMSSandboxAccountStatusRequest,
    GetSMSSandboxAccountStatusResponse, ListOriginationNumbersRequest,
    ListOriginationNumbersResponse, ListPhoneNumbersOptedOutRequest,
    ListPhoneNumbersOptedOutResponse, ListSMSSandboxPhoneNumbersRequest,
    ListSMSSandboxPhoneNumbersResponse, OptInPhoneNumberRequest, SetSMSAttributesRequest, SnsError,
    VerifySMSSandboxPhoneNumberRequest,
};

use super::context::Context;
use crate::front::Failure;

fn not_served() -> Failure {
    SnsError::invalid_parameter("this broker sends no text messages").into()
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
    _: &Context<'_>,
    _: GetSMSAttributesRequest,
) -> Result<GetSMSAttributesResponse, Failure> {
    Ok(GetSMSAttributesResponse::default())
}

pub(super) async fn set_attributes(
    _: &Context<'_>,
    _: SetSMSAttributesRequest,
) -> Result<Empty, Failure> {
    Err(not_served())
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
    Err(not_served())
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
