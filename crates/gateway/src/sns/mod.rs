//! The actions of SNS: one file each, or a handful that are alike, thin. Each finds its topic or its subscription, checks
//! what needs it, and asks the broker. Who gets what is published is decided here, once, on the node that takes it.

mod certificates;
mod confirm_subscription;
mod confirmation;
mod context;
mod create_topic;
mod crossing;
mod data_protection;
mod delete_topic;
mod direct;
mod filters;
mod forms;
mod get_topic_attributes;
mod list_subscriptions;
mod list_topics;
mod options;
mod outgoing;
mod phone_courier;
mod phones;
mod platform_events;
mod platform_store;
mod platforms;
mod policy;
mod publish;
mod publish_batch;
mod recipients;
mod refusal;
mod replay_policies;
mod replays;
mod set_topic_attributes;
mod signer;
mod subscribe;
mod subscription_arn;
mod subscription_attributes;
mod tags;
mod unsubscribe;

pub(crate) use certificates::certificate_page;
pub use certificates::publish_certificate;
pub use crossing::topic_may_send;
pub use options::TopicOptions;
pub use phone_courier::{PhoneCourier, PhoneMessage, PushOutcome};
pub use phones::text_sender;
pub use platform_store::{
    EndpointNote, PlatformEndpoint, find_platform_endpoint, note_platform_endpoint,
};
pub use replays::carry_out_replays;
pub use signer::{MessageSigner, sign_delivered};
pub use subscription_arn::of as subscription_arn;

use levada_cluster::RouteError;
use levada_wire::AwsError;
use levada_wire::sns::{Request, Response, SnsError};

use crate::caller::Caller;
use crate::front::{Failure, Gateway};
use context::Context;

/// `SenderId` of what topics send to queues. AWS has one for each region, of a user of its own; this is one of them.
const SENDER_ID: &str = "AIDAIT2UOQQY3AUEKVGXU";

/// Answers a request.
pub(crate) async fn call(
    gateway: &Gateway,
    caller: &Caller,
    request: Request,
) -> Result<Response, Failure> {
    request.validate()?;
    let cx = Context {
        gateway,
        broker: gateway.broker()?,
        caller,
    };
    let answered = match request {
        Request::Publish(r) => publish::call(&cx, r).await.map(Response::Publish),
        Request::PublishBatch(r) => publish_batch::call(&cx, r)
            .await
            .map(Response::PublishBatch),
        // What is called seldom is put aside, or every connection would hold room for the largest of it.
        other => Box::pin(seldom(&cx, other)).await,
    };
    answered.map_err(|failure| match failure {
        // SNS has a word of its own for too much.
        Failure::Route(RouteError::Overloaded) => SnsError::throttled().into(),
        other => other,
    })
}

/// Calls the function of an action and wraps what it answers.
macro_rules! answer {
    ($cx:ident, $request:ident, { $($action:ident => $function:path,)* }) => {
        match $request {
            $(Request::$action(r) => Response::$action($function($cx, r).await?),)*
            // Called above.
            Request::Publish(_) | Request::PublishBatch(_) => {
                return Err(AwsError::unknown_operation().into());
            }
        }
    };
}

async fn seldom(cx: &Context<'_>, request: Request) -> Result<Response, Failure> {
    Ok(answer!(cx, request, {
        AddPermission => policy::add,
        CheckIfPhoneNumberIsOptedOut => phones::check_opted_out,
        ConfirmSubscription => confirm_subscription::call,
        CreatePlatformApplication => platforms::create,
        CreatePlatformEndpoint => platforms::create_endpoint,
        CreateSMSSandboxPhoneNumber => phones::create_in_sandbox,
        CreateTopic => create_topic::call,
        DeleteEndpoint => platforms::delete_endpoint,
        DeletePlatformApplication => platforms::delete,
        DeleteSMSSandboxPhoneNumber => phones::delete_in_sandbox,
        DeleteTopic => delete_topic::call,
        GetDataProtectionPolicy => data_protection::get,
        GetEndpointAttributes => platforms::get_endpoint,
        GetPlatformApplicationAttributes => platforms::get,
        GetSMSAttributes => phones::get_attributes,
        GetSMSSandboxAccountStatus => phones::sandbox_status,
        GetSubscriptionAttributes => subscription_attributes::get,
        GetTopicAttributes => get_topic_attributes::call,
        ListEndpointsByPlatformApplication => platforms::list_endpoints,
        ListOriginationNumbers => phones::list_origination_numbers,
        ListPhoneNumbersOptedOut => phones::list_opted_out,
        ListPlatformApplications => platforms::list,
        ListSMSSandboxPhoneNumbers => phones::list_sandbox,
        ListSubscriptions => list_subscriptions::call,
        ListSubscriptionsByTopic => list_subscriptions::by_topic,
        ListTagsForResource => tags::list,
        ListTopics => list_topics::call,
        OptInPhoneNumber => phones::opt_in,
        PutDataProtectionPolicy => data_protection::put,
        RemovePermission => policy::remove,
        SetEndpointAttributes => platforms::set_endpoint,
        SetPlatformApplicationAttributes => platforms::set,
        SetSMSAttributes => phones::set_attributes,
        SetSubscriptionAttributes => subscription_attributes::set,
        SetTopicAttributes => set_topic_attributes::call,
        Subscribe => subscribe::call,
        TagResource => tags::tag,
        Unsubscribe => unsubscribe::call,
        UntagResource => tags::untag,
        VerifySMSSandboxPhoneNumber => phones::verify_in_sandbox,
    }))
}
