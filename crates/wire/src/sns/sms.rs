//! Text messages to phones: who wants none (`CheckIfPhoneNumberIsOptedOut`, `ListPhoneNumbersOptedOut`,
//! `OptInPhoneNumber`), the account's settings (`GetSMSAttributes`, `SetSMSAttributes`) and its own numbers
//! (`ListOriginationNumbers`). The oldest of these have members with small first letters.

use std::collections::BTreeMap;

use levada_types::Timestamp;
use levada_types::limits::ORIGINATION_NUMBERS_MAX;

use super::attribute_error::AttributeError;
use super::endpoint::is_e164;
use super::shape::{Answer, Members, Shape, write_list, write_texts};
use super::topic_attributes::check_role;
use super::{SnsError, notification, paging};
use crate::protocol::xml::XmlWriter;

/// Characters in a sender's id.
const SENDER_ID_LEN_MAX: usize = 11;
/// Characters in the name of a bucket.
const BUCKET_LEN_MAX: usize = 63;

names! {
    /// The name of a setting of an account's text messages.
    SmsAttributeName {
        DefaultSMSType, DefaultSenderID, DeliveryStatusIAMRole, DeliveryStatusSuccessSamplingRate,
        MonthlySpendLimit, UsageReportS3Bucket,
    }
}

use SmsAttributeName as Name;

/// A number as these actions take it.
fn check_number(number: &str) -> Result<(), SnsError> {
    if is_e164(number) {
        Ok(())
    } else {
        Err(SnsError::invalid_because(
            "PhoneNumber",
            "input incorrectly formatted",
        ))
    }
}

/// Asks whether a phone's owner wants no messages.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CheckIfPhoneNumberIsOptedOutRequest {
    /// The number.
    pub phone_number: String,
}

impl Shape for CheckIfPhoneNumberIsOptedOutRequest {
    fn read(members: &mut Members<'_>) -> Self {
        Self {
            phone_number: members.required("phoneNumber"),
        }
    }

    fn check(&self) -> Result<(), SnsError> {
        check_number(&self.phone_number)
    }
}

/// Whether a phone's owner wants no messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CheckIfPhoneNumberIsOptedOutResponse {
    /// Whether.
    pub is_opted_out: bool,
}

impl Answer for CheckIfPhoneNumberIsOptedOutResponse {
    fn write_xml(&self, xml: &mut XmlWriter<'_>) {
        xml.plain_element("isOptedOut", self.is_opted_out);
    }
}

page_request! {
    /// Asks for the phones whose owners want no messages.
    ListPhoneNumbersOptedOutRequest, "nextToken"
}

/// Phones whose owners want no messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListPhoneNumbersOptedOutResponse {
    /// Their numbers.
    pub phone_numbers: Vec<String>,
    /// If there are more.
    pub next_token: Option<String>,
}

impl Answer for ListPhoneNumbersOptedOutResponse {
    fn write_xml(&self, xml: &mut XmlWriter<'_>) {
        write_texts(xml, "phoneNumbers", &self.phone_numbers);
        xml.optional_element("nextToken", self.next_token.as_deref());
    }
}

/// Says that a phone's owner wants messages again.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OptInPhoneNumberRequest {
    /// The number.
    pub phone_number: String,
}

impl Shape for OptInPhoneNumberRequest {
    fn read(members: &mut Members<'_>) -> Self {
        Self {
            phone_number: members.required("phoneNumber"),
        }
    }

    fn check(&self) -> Result<(), SnsError> {
        check_number(&self.phone_number)
    }
}

/// Asks for settings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GetSMSAttributesRequest {
    /// Which; all, if none is named.
    pub attributes: Vec<String>,
}

impl GetSMSAttributesRequest {
    /// Whether the setting was asked for.
    pub fn wants(&self, name: &str) -> bool {
        self.attributes.is_empty() || self.attributes.iter().any(|asked| asked == name)
    }
}

impl Shape for GetSMSAttributesRequest {
    fn read(members: &mut Members<'_>) -> Self {
        Self {
            attributes: members.texts("attributes"),
        }
    }
}

attributes_answer! {
    /// Settings.
    GetSMSAttributesResponse, "attributes"
}

/// Changes settings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SetSMSAttributesRequest {
    /// Names and values.
    pub attributes: BTreeMap<String, String>,
}

impl Shape for SetSMSAttributesRequest {
    fn read(members: &mut Members<'_>) -> Self {
        members.required_member("attributes");
        Self {
            attributes: members.map("attributes"),
        }
    }

    fn check(&self) -> Result<(), SnsError> {
        for (name, value) in &self.attributes {
            check_setting(name, value).map_err(AttributeError::among_several)?;
        }
        Ok(())
    }
}

/// Bounds are documented; wordings from memory.
fn check_setting(name: &str, value: &str) -> Result<(), AttributeError> {
    let known = Name::from_name(name).ok_or_else(|| AttributeError::Unknown(name.to_owned()))?;
    let none_of = |allowed: &str| Err(AttributeError::not_one_of(name, value, allowed));
    match known {
        Name::DefaultSMSType if !matches!(value, "Promotional" | "Transactional") => {
            none_of("Promotional or Transactional")
        }
        Name::DeliveryStatusSuccessSamplingRate if !matches!(value.parse::<u32>(), Ok(0..=100)) => {
            none_of("an integer from 0 to 100")
        }
        Name::MonthlySpendLimit if value.parse::<u32>().is_err() => none_of("a number of dollars"),
        // An empty value takes one of these away.
        _ if value.is_empty() => Ok(()),
        Name::DefaultSenderID if !is_sender_id(value) => {
            none_of("1 to 11 letters and digits, at least one a letter")
        }
        Name::DeliveryStatusIAMRole => check_role(name, value),
        Name::UsageReportS3Bucket if !is_bucket(value) => none_of("the name of an S3 bucket"),
        _ => Ok(()),
    }
}

fn is_sender_id(value: &str) -> bool {
    value.len() <= SENDER_ID_LEN_MAX
        && value.bytes().all(|b| b.is_ascii_alphanumeric())
        && value.bytes().any(|b| b.is_ascii_alphabetic())
}

fn is_bucket(value: &str) -> bool {
    (3..=BUCKET_LEN_MAX).contains(&value.len())
        && value
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'.' || b == b'-')
}

/// Asks for the account's own numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListOriginationNumbersRequest {
    /// Of the page before.
    pub next_token: Option<String>,
    /// 1 to 30.
    pub max_results: Option<u32>,
}

impl Shape for ListOriginationNumbersRequest {
    fn read(members: &mut Members<'_>) -> Self {
        Self {
            next_token: members.text("NextToken"),
            max_results: members.int("MaxResults", 1..=ORIGINATION_NUMBERS_MAX),
        }
    }

    fn check(&self) -> Result<(), SnsError> {
        paging::decode_token(self.next_token.as_deref()).map(drop)
    }
}

/// A number of the account's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PhoneNumberInformation {
    /// Since when.
    pub created_at: Timestamp,
    /// The number.
    pub phone_number: String,
    /// What state it is in.
    pub status: String,
    /// Its country, two letters.
    pub iso2_country_code: String,
    /// `Transactional`, `Promotional` or `Premium`.
    pub route_type: String,
    /// `SMS`, `MMS`, `VOICE`.
    pub number_capabilities: Vec<String>,
}

/// Numbers of the account's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListOriginationNumbersResponse {
    /// The numbers.
    pub phone_numbers: Vec<PhoneNumberInformation>,
    /// If there are more.
    pub next_token: Option<String>,
}

impl Answer for ListOriginationNumbersResponse {
    fn write_xml(&self, xml: &mut XmlWriter<'_>) {
        xml.optional_element("NextToken", self.next_token.as_deref());
        write_list(xml, "PhoneNumbers", &self.phone_numbers, |xml, one| {
            xml.plain_element("CreatedAt", notification::timestamp(one.created_at));
            xml.text_element("PhoneNumber", &one.phone_number);
            xml.text_element("Status", &one.status);
            xml.text_element("Iso2CountryCode", &one.iso2_country_code);
            xml.text_element("RouteType", &one.route_type);
            write_texts(xml, "NumberCapabilities", &one.number_capabilities);
        });
    }
}
