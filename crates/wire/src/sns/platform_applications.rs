//! Applications of push platforms: `CreatePlatformApplication`, `DeletePlatformApplication`,
//! `GetPlatformApplicationAttributes`, `SetPlatformApplicationAttributes`, `ListPlatformApplications`.

use std::collections::BTreeMap;

use levada_types::limits::PLATFORM_APPLICATION_NAME_LEN_MAX;

use super::attribute_error::AttributeError;
use super::shape::{Answer, Members, Shape, map_size, write_list, write_map};
use super::topic_attributes::check_role;
use super::{Attribute, PlatformApplicationArn, SnsError, TopicArn};
use crate::protocol::xml::XmlWriter;

/// Platforms that an application can be of. The documentation no longer tells all of them.
const PLATFORMS: &[&str] = &[
    "ADM",
    "APNS",
    "APNS_SANDBOX",
    "APNS_VOIP",
    "APNS_VOIP_SANDBOX",
    "BAIDU",
    "GCM",
    "MACOS",
    "MACOS_SANDBOX",
    "MPNS",
    "WNS",
];

names! {
    /// The name of an attribute of a platform's application that can be set.
    PlatformApplicationAttributeName {
        ApplePlatformBundleID, ApplePlatformTeamID, Enabled, EventDeliveryFailure, EventEndpointCreated,
        EventEndpointDeleted, EventEndpointUpdated, FailureFeedbackRoleArn, PlatformCredential,
        PlatformPrincipal, SuccessFeedbackRoleArn, SuccessFeedbackSampleRate,
    }
}

use PlatformApplicationAttributeName as Name;

impl PlatformApplicationAttributeName {
    /// Whether it is a secret, which is never answered.
    pub const fn is_secret(self) -> bool {
        matches!(self, Self::PlatformCredential | Self::PlatformPrincipal)
    }
}

/// Gives a request the ARN of the application that it is about.
macro_rules! about_application {
    ($request:ident, $field:ident, $member:literal) => {
        impl $request {
            /// The application's ARN, taken apart.
            pub fn application(&self) -> Result<PlatformApplicationArn, SnsError> {
                PlatformApplicationArn::parse(&self.$field)
            }
        }
    };
}
pub(super) use about_application;

/// Makes an application, or finds the one of this name and platform.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CreatePlatformApplicationRequest {
    /// The name.
    pub name: String,
    /// Such as `GCM`.
    pub platform: String,
    /// Names and values, credentials among them.
    pub attributes: BTreeMap<String, String>,
}

impl Shape for CreatePlatformApplicationRequest {
    fn read(members: &mut Members<'_>) -> Self {
        members.required_member("Attributes");
        Self {
            name: members.required("Name"),
            platform: members.required("Platform"),
            attributes: members.map("Attributes"),
        }
    }

    fn check(&self) -> Result<(), SnsError> {
        let is_name = (1..=PLATFORM_APPLICATION_NAME_LEN_MAX).contains(&self.name.len())
            && self
                .name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
        // Wordings from memory.
        if !is_name {
            let reason = "must be at least one and at most 256 characters long, and contain only the characters 'a'-'z', 'A'-'Z', '0'-'9', '_', '-', and '.'.";
            return Err(SnsError::invalid_parameter(format_args!(
                "{} Reason: {reason}",
                self.name
            )));
        }
        if !PLATFORMS.contains(&&*self.platform) {
            return Err(SnsError::invalid_because(
                "Platform",
                format_args!("{} is not supported", self.platform),
            ));
        }
        check_attributes(&self.attributes)?;
        if self
            .attributes
            .get(Name::PlatformCredential.as_str())
            .is_none_or(String::is_empty)
        {
            let reason = "Platform credentials are invalid";
            return Err(SnsError::invalid_because("Attributes", reason));
        }
        Ok(())
    }
}

fn check_attributes(attributes: &BTreeMap<String, String>) -> Result<(), SnsError> {
    for (name, value) in attributes {
        check_attribute(name, value).map_err(AttributeError::among_several)?;
    }
    Ok(())
}

fn check_attribute(name: &str, value: &str) -> Result<(), AttributeError> {
    let known = Name::from_name(name).ok_or_else(|| AttributeError::Unknown(name.to_owned()))?;
    match known {
        Name::Enabled => super::attribute_error::flag(name, value).map(drop),
        // An empty value takes one of these away.
        _ if value.is_empty() => Ok(()),
        Name::SuccessFeedbackRoleArn | Name::FailureFeedbackRoleArn => check_role(name, value),
        Name::EventDeliveryFailure
        | Name::EventEndpointCreated
        | Name::EventEndpointDeleted
        | Name::EventEndpointUpdated => match TopicArn::parse(value, name) {
            Ok(_) => Ok(()),
            Err(_) => Err(AttributeError::not_one_of(
                name,
                value,
                "the ARN of a topic",
            )),
        },
        Name::SuccessFeedbackSampleRate => match value.parse::<u32>() {
            Ok(0..=100) => Ok(()),
            _ => Err(AttributeError::not_one_of(
                name,
                value,
                "an integer from 0 to 100",
            )),
        },
        Name::ApplePlatformBundleID
        | Name::ApplePlatformTeamID
        | Name::PlatformCredential
        | Name::PlatformPrincipal => Ok(()),
    }
}

arn_answer! {
    /// The application.
    CreatePlatformApplicationResponse, platform_application_arn, "PlatformApplicationArn"
}

/// A request that has nothing but an application.
macro_rules! application_request {
    ($(#[$doc:meta])* $name:ident) => {
        arn_request! {
            $(#[$doc])*
            $name, platform_application_arn, "PlatformApplicationArn", about_application, application
        }
    };
}

application_request! {
    /// Deletes an application. One that is not there is no error.
    DeletePlatformApplicationRequest
}

application_request! {
    /// Asks for an application's attributes.
    GetPlatformApplicationAttributesRequest
}

attributes_answer! {
    /// An application's attributes, without its secrets.
    GetPlatformApplicationAttributesResponse, "Attributes"
}

/// Sets attributes of an application.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SetPlatformApplicationAttributesRequest {
    /// The application.
    pub platform_application_arn: String,
    /// Names and values.
    pub attributes: BTreeMap<String, String>,
}

about_application!(
    SetPlatformApplicationAttributesRequest,
    platform_application_arn,
    "PlatformApplicationArn"
);

impl Shape for SetPlatformApplicationAttributesRequest {
    fn read(members: &mut Members<'_>) -> Self {
        members.required_member("Attributes");
        Self {
            platform_application_arn: members.required("PlatformApplicationArn"),
            attributes: members.map("Attributes"),
        }
    }

    fn check(&self) -> Result<(), SnsError> {
        self.application()?;
        check_attributes(&self.attributes)
    }
}

page_request! {
    /// Asks for the account's applications.
    ListPlatformApplicationsRequest, "NextToken"
}

/// An application in a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlatformApplication {
    /// Its ARN.
    pub platform_application_arn: String,
    /// Its attributes, without its secrets.
    pub attributes: Vec<Attribute>,
}

/// Applications.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListPlatformApplicationsResponse {
    /// The applications.
    pub platform_applications: Vec<PlatformApplication>,
    /// If there are more.
    pub next_token: Option<String>,
}

impl Answer for ListPlatformApplicationsResponse {
    fn size_hint(&self) -> usize {
        let one = |a: &PlatformApplication| 128 + map_size(&a.attributes);
        64 + self.platform_applications.iter().map(one).sum::<usize>()
    }

    fn write_xml(&self, xml: &mut XmlWriter<'_>) {
        let all = &self.platform_applications;
        write_list(xml, "PlatformApplications", all, |xml, one| {
            xml.text_element("PlatformApplicationArn", &one.platform_application_arn);
            write_map(xml, "Attributes", &one.attributes);
        });
        xml.optional_element("NextToken", self.next_token.as_deref());
    }
}
