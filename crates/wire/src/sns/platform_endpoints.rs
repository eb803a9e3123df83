//! Endpoints of push platforms: `CreatePlatformEndpoint`, `DeleteEndpoint`, `GetEndpointAttributes`,
//! `SetEndpointAttributes`, `ListEndpointsByPlatformApplication`.

use std::collections::BTreeMap;

use levada_types::limits::CUSTOM_USER_DATA_BYTES_MAX;

use super::attribute_error::{AttributeError, flag};
use super::platform_applications::about_application;
use super::shape::{Answer, Members, Shape, map_size, write_list, write_map};
use super::{Attribute, PlatformApplicationArn, PlatformEndpointArn, SnsError, paging};
use crate::protocol::xml::XmlWriter;

names! {
    /// The name of an attribute of an endpoint.
    EndpointAttributeName { CustomUserData, Enabled, Token }
}

use EndpointAttributeName as Name;

/// Gives a request the ARN of the endpoint that it is about.
macro_rules! about_endpoint {
    ($request:ident, $field:ident, $member:literal) => {
        impl $request {
            /// The endpoint's ARN, taken apart.
            pub fn endpoint(&self) -> Result<PlatformEndpointArn, SnsError> {
                PlatformEndpointArn::parse(&self.$field, $member)
            }
        }
    };
}

/// Makes an endpoint of an application, or finds the one that has this token and these attributes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CreatePlatformEndpointRequest {
    /// The application.
    pub platform_application_arn: String,
    /// What the platform knows the device by.
    pub token: String,
    /// The caller's own; goes before the attribute of that name.
    pub custom_user_data: Option<String>,
    /// As sent; [`Self::endpoint_attributes`] has all of them.
    pub attributes: BTreeMap<String, String>,
}

about_application!(
    CreatePlatformEndpointRequest,
    platform_application_arn,
    "PlatformApplicationArn"
);

impl CreatePlatformEndpointRequest {
    /// All attributes of the endpoint: enabled, unless the request says otherwise.
    pub fn endpoint_attributes(&self) -> BTreeMap<String, String> {
        let mut all = self.attributes.clone();
        all.insert(Name::Token.as_str().to_owned(), self.token.clone());
        if let Some(data) = &self.custom_user_data {
            all.insert(Name::CustomUserData.as_str().to_owned(), data.clone());
        }
        all.entry(Name::Enabled.as_str().to_owned())
            .or_insert_with(|| "true".to_owned());
        all
    }
}

impl Shape for CreatePlatformEndpointRequest {
    fn read(members: &mut Members<'_>) -> Self {
        Self {
            platform_application_arn: members.required("PlatformApplicationArn"),
            token: members.required("Token"),
            custom_user_data: members.text("CustomUserData"),
            attributes: members.map("Attributes"),
        }
    }

    fn check(&self) -> Result<(), SnsError> {
        self.application()?;
        if self.token.is_empty() {
            return Err(SnsError::invalid_because("Token", "must not be empty"));
        }
        check_attributes(&self.endpoint_attributes())
    }
}

fn check_attributes(attributes: &BTreeMap<String, String>) -> Result<(), SnsError> {
    for (name, value) in attributes {
        check_attribute(name, value).map_err(AttributeError::among_several)?;
    }
    Ok(())
}

/// Wordings from memory.
fn check_attribute(name: &str, value: &str) -> Result<(), AttributeError> {
    let known = Name::from_name(name).ok_or_else(|| AttributeError::Unknown(name.to_owned()))?;
    match known {
        Name::Enabled => flag(name, &value.to_ascii_lowercase()).map(drop),
        Name::CustomUserData if value.len() > CUSTOM_USER_DATA_BYTES_MAX => {
            let reason = format!(
                "must be at most {CUSTOM_USER_DATA_BYTES_MAX} bytes long in UTF-8 encoding"
            );
            Err(AttributeError::new(name, reason))
        }
        Name::Token if value.is_empty() => Err(AttributeError::new(name, "must not be empty")),
        Name::CustomUserData | Name::Token => Ok(()),
    }
}

arn_answer! {
    /// The endpoint.
    CreatePlatformEndpointResponse, endpoint_arn, "EndpointArn"
}

arn_request! {
    /// Deletes an endpoint. One that is not there is no error.
    DeleteEndpointRequest, endpoint_arn, "EndpointArn", about_endpoint, endpoint
}

arn_request! {
    /// Asks for an endpoint's attributes.
    GetEndpointAttributesRequest, endpoint_arn, "EndpointArn", about_endpoint, endpoint
}

attributes_answer! {
    /// An endpoint's attributes.
    GetEndpointAttributesResponse, "Attributes"
}

/// Sets attributes of an endpoint.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SetEndpointAttributesRequest {
    /// The endpoint.
    pub endpoint_arn: String,
    /// Names and values.
    pub attributes: BTreeMap<String, String>,
}

about_endpoint!(SetEndpointAttributesRequest, endpoint_arn, "EndpointArn");

impl Shape for SetEndpointAttributesRequest {
    fn read(members: &mut Members<'_>) -> Self {
        members.required_member("Attributes");
        Self {
            endpoint_arn: members.required("EndpointArn"),
            attributes: members.map("Attributes"),
        }
    }

    fn check(&self) -> Result<(), SnsError> {
        self.endpoint()?;
        check_attributes(&self.attributes)
    }
}

/// Asks for an application's endpoints.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListEndpointsByPlatformApplicationRequest {
    /// The application.
    pub platform_application_arn: String,
    /// Of the page before.
    pub next_token: Option<String>,
}

about_application!(
    ListEndpointsByPlatformApplicationRequest,
    platform_application_arn,
    "PlatformApplicationArn"
);

impl Shape for ListEndpointsByPlatformApplicationRequest {
    fn read(members: &mut Members<'_>) -> Self {
        Self {
            platform_application_arn: members.required("PlatformApplicationArn"),
            next_token: members.text("NextToken"),
        }
    }

    fn check(&self) -> Result<(), SnsError> {
        self.application()?;
        paging::decode_token(self.next_token.as_deref()).map(drop)
    }
}

/// An endpoint in a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlatformEndpoint {
    /// Its ARN.
    pub endpoint_arn: String,
    /// Its attributes.
    pub attributes: Vec<Attribute>,
}

/// Endpoints.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListEndpointsByPlatformApplicationResponse {
    /// The endpoints.
    pub endpoints: Vec<PlatformEndpoint>,
    /// If there are more.
    pub next_token: Option<String>,
}

impl Answer for ListEndpointsByPlatformApplicationResponse {
    fn size_hint(&self) -> usize {
        let one = |e: &PlatformEndpoint| 160 + map_size(&e.attributes);
        64 + self.endpoints.iter().map(one).sum::<usize>()
    }

    fn write_xml(&self, xml: &mut XmlWriter<'_>) {
        write_list(xml, "Endpoints", &self.endpoints, |xml, one| {
            xml.text_element("EndpointArn", &one.endpoint_arn);
            write_map(xml, "Attributes", &one.attributes);
        });
        xml.optional_element("NextToken", self.next_token.as_deref());
    }
}
