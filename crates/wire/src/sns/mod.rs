//! Amazon SNS, API version 2010-03-31: its 42 actions, errors, what subscribers are sent, and how often a delivery
//! is tried again.
//!
//! One file per action, or per handful of actions that are alike, holds the request, the answer and the validation
//! that needs no topic. Validation that needs one takes [`TopicFacts`]. SNS speaks only the Query protocol.

#[macro_use]
mod shape;

mod add_permission;
pub mod arn;
mod attribute_error;
mod backoff;
mod confirm_subscription;
mod create_topic;
mod data_protection;
mod delete_topic;
mod delivery_policy;
mod delivery_sections;
mod endpoint;
mod error;
mod get_subscription_attributes;
mod get_topic_attributes;
mod list_subscriptions;
mod list_subscriptions_by_topic;
mod list_topics;
mod message_attribute;
mod message_structure;
mod notification;
mod outgoing;
pub mod paging;
mod platform_applications;
mod platform_endpoints;
mod publish;
mod publish_batch;
mod remove_permission;
mod replay_policy;
mod set_subscription_attributes;
mod set_topic_attributes;
mod sms;
mod sms_sandbox;
mod stored;
mod subscribe;
mod subscription_attributes;
mod tags;
mod topic_attributes;
mod topic_policy;
mod unsubscribe;

pub use add_permission::AddPermissionRequest;
pub use arn::{PlatformApplicationArn, PlatformEndpointArn, SubscriptionArn, TopicArn, TopicName};
pub use backoff::{BackoffFunction, RetryPolicy};
pub use confirm_subscription::{ConfirmSubscriptionRequest, ConfirmSubscriptionResponse};
pub use create_topic::{CreateTopicRequest, CreateTopicResponse};
pub use data_protection::{
    GetDataProtectionPolicyRequest, GetDataProtectionPolicyResponse, PutDataProtectionPolicyRequest,
};
pub use delete_topic::DeleteTopicRequest;
pub use delivery_policy::{DeliveryPolicy, EffectiveDeliveryPolicy, TopicDeliveryPolicy};
pub use delivery_sections::{RequestPolicy, RetryPolicyInput, ThrottlePolicy};
pub use endpoint::{SubscriptionProtocol, phone_number};
pub use error::{SnsError, SnsErrorKind};
pub use get_subscription_attributes::{
    GetSubscriptionAttributesRequest, GetSubscriptionAttributesResponse,
};
pub use get_topic_attributes::{GetTopicAttributesRequest, GetTopicAttributesResponse};
pub use list_subscriptions::{ListSubscriptionsRequest, ListSubscriptionsResponse, Subscription};
pub use list_subscriptions_by_topic::ListSubscriptionsByTopicRequest;
pub use list_topics::{ListTopicsRequest, ListTopicsResponse};
pub use message_attribute::{MessageAttributeMap, MessageAttributeValue};
pub use message_structure::Messages;
pub use notification::{
    Confirmation, ConfirmationKind, Envelope, Notification, Signature, timestamp, unsubscribe_url,
};
pub use outgoing::{Outgoing, TopicFacts};
pub use platform_applications::*;
pub use platform_endpoints::*;
pub use publish::{PublishRequest, PublishResponse, PublishTarget};
pub use publish_batch::{
    PublishBatchRequest, PublishBatchRequestEntry, PublishBatchResponse, PublishBatchResultEntry,
};
pub use remove_permission::RemovePermissionRequest;
pub use replay_policy::ReplayPolicy;
pub use set_subscription_attributes::SetSubscriptionAttributesRequest;
pub use set_topic_attributes::SetTopicAttributesRequest;
pub use shape::{Attribute, Empty, NoResult};
pub use sms::*;
pub use sms_sandbox::*;
pub use stored::StoredNotification;
pub use subscribe::{PENDING_CONFIRMATION, SubscribeRequest, SubscribeResponse};
pub use subscription_attributes::{
    FilterPolicyScope, RedrivePolicy, SubscriptionAttributeName, SubscriptionAttributes,
    SubscriptionFacts,
};
pub use tags::{
    ListTagsForResourceRequest, ListTagsForResourceResponse, Tag, TagResourceRequest,
    UntagResourceRequest,
};
pub use topic_attributes::{
    FifoThroughputScope, SubscriptionCounts, TopicAttributeName, TopicAttributes, TracingMode,
};
pub use topic_policy::{default_policy, is_shared_action};
pub use unsubscribe::UnsubscribeRequest;

use crate::error::AwsError;
use crate::protocol::form::Form;
use crate::protocol::{Encoded, Service, encode_xml};
use shape::{Answer, Shape};

/// What a request to SNS has as its `Version`.
pub const API_VERSION: &str = "2010-03-31";

macro_rules! actions {
    ($($name:ident, $request:ident, $response:ty;)*) => {
        action_names! { $($name,)* }

        /// A request.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Request {
            $(#[doc = concat!("`", stringify!($name), "`")] $name($request),)*
        }

        impl Request {
            /// From a form. What violates the model's own constraints is refused here.
            pub fn from_form(action: Action, form: &Form) -> Result<Self, AwsError> {
                match action { $(Action::$name => shape::from_form(form).map(Self::$name),)* }
            }

            /// The action that it asks for.
            pub const fn action(&self) -> Action {
                match self { $(Self::$name(_) => Action::$name,)* }
            }

            /// Everything else that can be said against it without looking at a topic, in AWS's order.
            pub fn validate(&self) -> Result<(), SnsError> {
                match self { $(Self::$name(r) => r.check(),)* }
            }
        }

        /// An answer.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Response {
            $(#[doc = concat!("To `", stringify!($name), "`")] $name($response),)*
        }

        impl Response {
            /// Encodes the answer.
            pub fn encode(&self, request_id: &str) -> Encoded {
                match self { $(Self::$name(r) => encode(r, stringify!($name), request_id),)* }
            }
        }
    };
}

actions! {
    AddPermission, AddPermissionRequest, NoResult;
    CheckIfPhoneNumberIsOptedOut, CheckIfPhoneNumberIsOptedOutRequest, CheckIfPhoneNumberIsOptedOutResponse;
    ConfirmSubscription, ConfirmSubscriptionRequest, ConfirmSubscriptionResponse;
    CreatePlatformApplication, CreatePlatformApplicationRequest, CreatePlatformApplicationResponse;
    CreatePlatformEndpoint, CreatePlatformEndpointRequest, CreatePlatformEndpointResponse;
    CreateSMSSandboxPhoneNumber, CreateSMSSandboxPhoneNumberRequest, Empty;
    CreateTopic, CreateTopicRequest, CreateTopicResponse;
    DeleteEndpoint, DeleteEndpointRequest, NoResult;
    DeletePlatformApplication, DeletePlatformApplicationRequest, NoResult;
    DeleteSMSSandboxPhoneNumber, DeleteSMSSandboxPhoneNumberRequest, Empty;
    DeleteTopic, DeleteTopicRequest, NoResult;
    GetDataProtectionPolicy, GetDataProtectionPolicyRequest, GetDataProtectionPolicyResponse;
    GetEndpointAttributes, GetEndpointAttributesRequest, GetEndpointAttributesResponse;
    GetPlatformApplicationAttributes, GetPlatformApplicationAttributesRequest, GetPlatformApplicationAttributesResponse;
    GetSMSAttributes, GetSMSAttributesRequest, GetSMSAttributesResponse;
    GetSMSSandboxAccountStatus, GetSMSSandboxAccountStatusRequest, GetSMSSandboxAccountStatusResponse;
    GetSubscriptionAttributes, GetSubscriptionAttributesRequest, GetSubscriptionAttributesResponse;
    GetTopicAttributes, GetTopicAttributesRequest, GetTopicAttributesResponse;
    ListEndpointsByPlatformApplication, ListEndpointsByPlatformApplicationRequest, ListEndpointsByPlatformApplicationResponse;
    ListOriginationNumbers, ListOriginationNumbersRequest, ListOriginationNumbersResponse;
    ListPhoneNumbersOptedOut, ListPhoneNumbersOptedOutRequest, ListPhoneNumbersOptedOutResponse;
    ListPlatformApplications, ListPlatformApplicationsRequest, ListPlatformApplicationsResponse;
    ListSMSSandboxPhoneNumbers, ListSMSSandboxPhoneNumbersRequest, ListSMSSandboxPhoneNumbersResponse;
    ListSubscriptions, ListSubscriptionsRequest, ListSubscriptionsResponse;
    ListSubscriptionsByTopic, ListSubscriptionsByTopicRequest, ListSubscriptionsResponse;
    ListTagsForResource, ListTagsForResourceRequest, ListTagsForResourceResponse;
    ListTopics, ListTopicsRequest, ListTopicsResponse;
    OptInPhoneNumber, OptInPhoneNumberRequest, Empty;
    Publish, PublishRequest, PublishResponse;
    PublishBatch, PublishBatchRequest, PublishBatchResponse;
    PutDataProtectionPolicy, PutDataProtectionPolicyRequest, NoResult;
    RemovePermission, RemovePermissionRequest, NoResult;
    SetEndpointAttributes, SetEndpointAttributesRequest, NoResult;
    SetPlatformApplicationAttributes, SetPlatformApplicationAttributesRequest, NoResult;
    SetSMSAttributes, SetSMSAttributesRequest, Empty;
    SetSubscriptionAttributes, SetSubscriptionAttributesRequest, NoResult;
    SetTopicAttributes, SetTopicAttributesRequest, NoResult;
    Subscribe, SubscribeRequest, SubscribeResponse;
    TagResource, TagResourceRequest, Empty;
    Unsubscribe, UnsubscribeRequest, NoResult;
    UntagResource, UntagResourceRequest, Empty;
    VerifySMSSandboxPhoneNumber, VerifySMSSandboxPhoneNumberRequest, Empty;
}

fn encode<T: Answer>(answer: &T, action: &str, request_id: &str) -> Encoded {
    let write = |xml: &mut crate::protocol::xml::XmlWriter<'_>| answer.write_xml(xml);
    let result: Option<crate::protocol::WriteResult<'_>> =
        if T::HAS_RESULT { Some(&write) } else { None };
    encode_xml(result, answer.size_hint(), Service::Sns, action, request_id)
}

/// Whether a request of the Query protocol is for SNS. Its `Version` says so, else the scope of its signature. The
/// links that SNS sends to subscribers have neither: there the action's name decides, and where SQS has one of that
/// name, whether it speaks of a topic.
pub(crate) fn is_meant(form: &Form, action: &str, scope: Option<Service>) -> bool {
    match (form.get("Version"), scope) {
        (Some(API_VERSION), _) => true,
        // Another service's; or none's, and then SQS answers as ever.
        (Some(version), _) if !version.is_empty() => false,
        (_, Some(scope)) => scope == Service::Sns,
        (_, None) => {
            Action::from_name(action).is_some()
                && (crate::sqs::Action::from_name(action).is_none()
                    || form.get("TopicArn").is_some())
        }
    }
}
