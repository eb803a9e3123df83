//! Actions on applications of platforms and their endpoints. They are kept on the shelf; whoever pushes reads them there.

use levada_cluster::{Before, ShelfPut};
use levada_types::limits::SNS_LIST_RESULTS;
use levada_wire::sns::paging::{decode_token, encode_token};
use levada_wire::sns::{
    Attribute, CreatePlatformApplicationRequest, CreatePlatformApplicationResponse,
    CreatePlatformEndpointRequest, CreatePlatformEndpointResponse, DeleteEndpointRequest,
    DeletePlatformApplicationRequest, GetEndpointAttributesRequest, GetEndpointAttributesResponse,
    GetPlatformApplicationAttributesRequest, GetPlatformApplicationAttributesResponse,
    ListEndpointsByPlatformApplicationRequest, ListEndpointsByPlatformApplicationResponse,
    ListPlatformApplicationsRequest, ListPlatformApplicationsResponse, NoResult,
    PlatformApplication, PlatformApplicationArn, PlatformApplicationAttributeName,
    PlatformEndpoint as ListedEndpoint, PlatformEndpointArn, SetEndpointAttributesRequest,
    SetPlatformApplicationAttributesRequest, SnsError,
};

use super::context::Context;
use super::platform_events::{self, Event};
use super::platform_store::{
    self as store, Attributes, Changed, application_name, applications_of, endpoint_id,
    endpoints_of, written,
};
use crate::front::Failure;

/// Platforms that this broker does not push to.
const NOT_SERVED: &[&str] = &["BAIDU", "MPNS", "WNS"];
/// Endpoints that may have had one token, one after the other: what had it before has another one now.
const TURNS_MAX: u32 = 16;

fn no_application() -> Failure {
    SnsError::platform_application_does_not_exist().into()
}

fn no_endpoint() -> Failure {
    SnsError::endpoint_does_not_exist().into()
}

/// What was asked to be kept and cannot be.
fn no_room() -> Failure {
    SnsError::throttled().into()
}

fn own_application(
    cx: &Context<'_>,
    arn: PlatformApplicationArn,
) -> Result<PlatformApplicationArn, Failure> {
    let is_own = arn.account == cx.caller.account && arn.region == cx.caller.region;
    is_own.then_some(arn).ok_or_else(no_application)
}

fn own_endpoint(
    cx: &Context<'_>,
    arn: PlatformEndpointArn,
) -> Result<PlatformEndpointArn, Failure> {
    let of = &arn.application;
    let is_own = of.account == cx.caller.account && of.region == cx.caller.region;
    is_own.then_some(arn).ok_or_else(no_endpoint)
}

/// That an endpoint is there which is to be subscribed.
pub(super) async fn check_endpoint(cx: &Context<'_>, endpoint: &str) -> Result<(), Failure> {
    let arn = PlatformEndpointArn::parse(endpoint, "Endpoint")?;
    match store::endpoint(cx.broker, &arn).await? {
        Some(_) => Ok(()),
        None => Err(SnsError::invalid_because("Endpoint", "no such endpoint of a platform").into()),
    }
}

/// Makes an application, or finds the one of its name, whose attributes become those that are given.
pub(super) async fn create(
    cx: &Context<'_>,
    request: CreatePlatformApplicationRequest,
) -> Result<CreatePlatformApplicationResponse, Failure> {
    if NOT_SERVED.contains(&&*request.platform) {
        // The words are ours.
        let reason = format!("this broker does not push to {}", request.platform);
        return Err(SnsError::invalid_because("Platform", &reason).into());
    }
    let arn = PlatformApplicationArn {
        region: cx.caller.region.clone(),
        account: cx.caller.account,
        platform: request.platform.as_str().into(),
        name: request.name.as_str().into(),
    };
    let kind = applications_of(arn.account, &arn.region);
    let mut attributes = request.attributes.clone();
    attributes.retain(|_, value| !value.is_empty());
    let value = written(&attributes);
    let name = application_name(&arn);
    let put = cx.broker.shelf_put(&kind, &name, value, &Before::Anything);
    match put.await? {
        ShelfPut::Full => Err(no_room()),
        ShelfPut::Done | ShelfPut::Changed => Ok(CreatePlatformApplicationResponse {
            platform_application_arn: arn.to_string(),
        }),
    }
}

/// With its endpoints. One that is not there is no error.
pub(super) async fn delete(
    cx: &Context<'_>,
    request: DeletePlatformApplicationRequest,
) -> Result<NoResult, Failure> {
    let Ok(arn) = own_application(cx, request.application()?) else {
        return Ok(NoResult {});
    };
    let kind = applications_of(arn.account, &arn.region);
    cx.broker
        .shelf_remove(&kind, &application_name(&arn))
        .await?;
    let kind = endpoints_of(&arn);
    loop {
        let page = cx.broker.shelf_page(&kind, None, SNS_LIST_RESULTS).await?;
        if page.is_empty() {
            return Ok(NoResult {});
        }
        for (id, _) in page {
            cx.broker.shelf_remove(&kind, &id).await?;
        }
    }
}

pub(super) async fn get(
    cx: &Context<'_>,
    request: GetPlatformApplicationAttributesRequest,
) -> Result<GetPlatformApplicationAttributesResponse, Failure> {
    let arn = own_application(cx, request.application()?)?;
    let found = store::application(cx.broker, &arn).await?;
    Ok(GetPlatformApplicationAttributesResponse {
        attributes: shown(found.ok_or_else(no_application)?),
    })
}

/// Attributes of an application without its secrets.
fn shown(mut attributes: Attributes) -> Vec<Attribute> {
    let is_secret = |name: &str| {
        let known = PlatformApplicationAttributeName::from_name(name);
        known.is_none_or(PlatformApplicationAttributeName::is_secret)
    };
    attributes.retain(|name, _| !is_secret(name));
    attributes
        .entry(store::ENABLED.to_owned())
        .or_insert_with(|| "true".to_owned());
    attributes.into_iter().collect()
}

pub(super) async fn set(
    cx: &Context<'_>,
    request: SetPlatformApplicationAttributesRequest,
) -> Result<NoResult, Failure> {
    let arn = own_application(cx, request.application()?)?;
    let kind = applications_of(arn.account, &arn.region);
    let (name, changes) = (application_name(&arn), &request.attributes);
    let changed = store::change(cx.broker, &kind, &name, |attributes| {
        merge(attributes, changes);
    });
    told(changed.await?, no_application)
}

fn merge(attributes: &mut Attributes, changes: &Attributes) {
    for (name, value) in changes {
        attributes.insert(name.clone(), value.clone());
    }
    attributes.retain(|_, value| !value.is_empty());
}

fn told(changed: Changed, not_there: fn() -> Failure) -> Result<NoResult, Failure> {
    match changed {
        Changed::Done | Changed::Same => Ok(NoResult {}),
        Changed::NotThere => Err(not_there()),
        Changed::Full => Err(no_room()),
    }
}

pub(super) async fn list(
    cx: &Context<'_>,
    request: ListPlatformApplicationsRequest,
) -> Result<ListPlatformApplicationsResponse, Failure> {
    let (account, region) = (cx.caller.account, &cx.caller.region);
    let kind = applications_of(account, region);
    let (page, next_token) = page(cx, &kind, request.next_token.as_deref()).await?;
    let one = |(name, value): (String, bytes::Bytes)| {
        Ok::<_, Failure>(PlatformApplication {
            platform_application_arn: format!("arn:aws:sns:{region}:{account}:app/{name}"),
            attributes: shown(store::read(&value)?),
        })
    };
    Ok(ListPlatformApplicationsResponse {
        platform_applications: page.into_iter().map(one).collect::<Result<_, _>>()?,
        next_token,
    })
}

/// A page of the shelf, and the token of the next one.
async fn page(
    cx: &Context<'_>,
    kind: &str,
    token: Option<&str>,
) -> Result<(Vec<(String, bytes::Bytes)>, Option<String>), Failure> {
    let after = decode_token(token)?;
    // One more tells whether there is another page.
    let mut page = cx
        .broker
        .shelf_page(kind, after.as_deref(), SNS_LIST_RESULTS + 1)
        .await?;
    let has_more = page.len() > SNS_LIST_RESULTS;
    page.truncate(SNS_LIST_RESULTS);
    let last = page.last().filter(|_| has_more);
    let next_token = last.map(|(name, _)| encode_token(name));
    Ok((page, next_token))
}

/// Makes an endpoint, or finds the one of its token, which must have the same attributes.
pub(super) async fn create_endpoint(
    cx: &Context<'_>,
    request: CreatePlatformEndpointRequest,
) -> Result<CreatePlatformEndpointResponse, Failure> {
    let application = own_application(cx, request.application()?)?;
    let found = store::application(cx.broker, &application).await?;
    let of_application = found.ok_or_else(no_application)?;
    let attributes = request.endpoint_attributes();
    for turn in 0..TURNS_MAX {
        let arn = PlatformEndpointArn {
            id: endpoint_id(&application, &request.token, turn).into(),
            application: application.clone(),
        };
        let kind = endpoints_of(&application);
        let value = written(&attributes);
        let put = cx.broker.shelf_put(&kind, &arn.id, value, &Before::Nothing);
        let found = match put.await? {
            ShelfPut::Done => None,
            ShelfPut::Full => return Err(no_room()),
            ShelfPut::Changed => store::endpoint(cx.broker, &arn).await?,
        };
        let endpoint_arn = arn.to_string();
        match found {
            None => {
                platform_events::tell(cx, &of_application, &arn, Event::Created).await;
                return Ok(CreatePlatformEndpointResponse { endpoint_arn });
            }
            // It was made with this token and has another one by now.
            Some(found) if found.get(store::TOKEN) != Some(&request.token) => {}
            Some(found) if found == attributes => {
                return Ok(CreatePlatformEndpointResponse { endpoint_arn });
            }
            Some(_) => return Err(SnsError::endpoint_exists(&endpoint_arn).into()),
        }
    }
    Err(SnsError::invalid_because("Token", "it was changed too often").into())
}

/// One that is not there is no error.
pub(super) async fn delete_endpoint(
    cx: &Context<'_>,
    request: DeleteEndpointRequest,
) -> Result<NoResult, Failure> {
    if let Ok(arn) = own_endpoint(cx, request.endpoint()?) {
        let was_there = store::endpoint(cx.broker, &arn).await?.is_some();
        let kind = endpoints_of(&arn.application);
        cx.broker.shelf_remove(&kind, &arn.id).await?;
        if was_there {
            tell(cx, &arn, Event::Deleted).await?;
        }
    }
    Ok(NoResult {})
}

pub(super) async fn get_endpoint(
    cx: &Context<'_>,
    request: GetEndpointAttributesRequest,
) -> Result<GetEndpointAttributesResponse, Failure> {
    let arn = own_endpoint(cx, request.endpoint()?)?;
    let found = store::endpoint(cx.broker, &arn).await?;
    Ok(GetEndpointAttributesResponse {
        attributes: found.ok_or_else(no_endpoint)?.into_iter().collect(),
    })
}

pub(super) async fn set_endpoint(
    cx: &Context<'_>,
    request: SetEndpointAttributesRequest,
) -> Result<NoResult, Failure> {
    let arn = own_endpoint(cx, request.endpoint()?)?;
    let kind = endpoints_of(&arn.application);
    let changes = &request.attributes;
    let changed = store::change(cx.broker, &kind, &arn.id, |attributes| {
        merge(attributes, changes);
    });
    let changed = changed.await?;
    if changed == Changed::Done {
        tell(cx, &arn, Event::Updated).await?;
    }
    told(changed, no_endpoint)
}

/// Tells an event by the attributes that its application has now.
async fn tell(
    cx: &Context<'_>,
    arn: &PlatformEndpointArn,
    event: Event<'_>,
) -> Result<(), Failure> {
    if let Some(application) = store::application(cx.broker, &arn.application).await? {
        platform_events::tell(cx, &application, arn, event).await;
    }
    Ok(())
}

pub(super) async fn list_endpoints(
    cx: &Context<'_>,
    request: ListEndpointsByPlatformApplicationRequest,
) -> Result<ListEndpointsByPlatformApplicationResponse, Failure> {
    let application = own_application(cx, request.application()?)?;
    if store::application(cx.broker, &application).await?.is_none() {
        return Err(no_application());
    }
    let kind = endpoints_of(&application);
    let (page, next_token) = page(cx, &kind, request.next_token.as_deref()).await?;
    let one = |(id, value): (String, bytes::Bytes)| {
        let arn = PlatformEndpointArn {
            application: application.clone(),
            id: id.into(),
        };
        Ok::<_, Failure>(ListedEndpoint {
            endpoint_arn: arn.to_string(),
            attributes: store::read(&value)?.into_iter().collect(),
        })
    };
    Ok(ListEndpointsByPlatformApplicationResponse {
        endpoints: page.into_iter().map(one).collect::<Result<_, _>>()?,
        next_token,
    })
}
