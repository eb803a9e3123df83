//! Actions on applications of platforms and their endpoints. There are none, and making one is refused. The words of
//! refusals are ours.

use levada_wire::sns::{
    CreatePlatformApplicationRequest, CreatePlatformApplicationResponse,
    CreatePlatformEndpointRequest, CreatePlatformEndpointResponse, DeleteEndpointRequest,
    DeletePlatformApplicationRequest, GetEndpointAttributesRequest, GetEndpointAttributesResponse,
    GetPlatformApplicationAttributesRequest, GetPlatformApplicationAttributesResponse,
    ListEndpointsByPlatformApplicationRequest, ListEndpointsByPlatformApplicationResponse,
    ListPlatformApplicationsRequest, ListPlatformApplicationsResponse, NoResult,
    SetEndpointAttributesRequest, SetPlatformApplicationAttributesRequest, SnsError,
};

use super::context::Context;
use crate::front::Failure;

fn no_application() -> Failure {
    SnsError::platform_application_does_not_exist().into()
}

fn no_endpoint() -> Failure {
    SnsError::endpoint_does_not_exist().into()
}

pub(super) async fn create(
    _: &Context<'_>,
    _: CreatePlatformApplicationRequest,
) -> Result<CreatePlatformApplicationResponse, Failure> {
    let reason = "this broker delivers to no platforms";
    Err(SnsError::invalid_because("Platform", reason).into())
}

/// One that is not there is no error.
pub(super) async fn delete(
    _: &Context<'_>,
    _: DeletePlatformApplicationRequest,
) -> Result<NoResult, Failure> {
    Ok(NoResult {})
}

pub(super) async fn get(
    _: &Context<'_>,
    _: GetPlatformApplicationAttributesRequest,
) -> Result<GetPlatformApplicationAttributesResponse, Failure> {
    Err(no_application())
}

pub(super) async fn set(
    _: &Context<'_>,
    _: SetPlatformApplicationAttributesRequest,
) -> Result<NoResult, Failure> {
    Err(no_application())
}

pub(super) async fn list(
    _: &Context<'_>,
    _: ListPlatformApplicationsRequest,
) -> Result<ListPlatformApplicationsResponse, Failure> {
    Ok(ListPlatformApplicationsResponse::default())
}

pub(super) async fn create_endpoint(
    _: &Context<'_>,
    _: CreatePlatformEndpointRequest,
) -> Result<CreatePlatformEndpointResponse, Failure> {
    Err(no_application())
}

/// One that is not there is no error.
pub(super) async fn delete_endpoint(
    _: &Context<'_>,
    _: DeleteEndpointRequest,
) -> Result<NoResult, Failure> {
    Ok(NoResult {})
}

pub(super) async fn get_endpoint(
    _: &Context<'_>,
    _: GetEndpointAttributesRequest,
) -> Result<GetEndpointAttributesResponse, Failure> {
    Err(no_endpoint())
}

pub(super) async fn set_endpoint(
    _: &Context<'_>,
    _: SetEndpointAttributesRequest,
) -> Result<NoResult, Failure> {
    Err(no_endpoint())
}

pub(super) async fn list_endpoints(
    _: &Context<'_>,
    _: ListEndpointsByPlatformApplicationRequest,
) -> Result<ListEndpointsByPlatformApplicationResponse, Failure> {
    Err(no_application())
}
