//! The sandbox of text messages, in which only verified phones are sent any: `CreateSMSSandboxPhoneNumber`,
//! `VerifySMSSandboxPhoneNumber`, `DeleteSMSSandboxPhoneNumber`, `ListSMSSandboxPhoneNumbers`,
//! `GetSMSSandboxAccountStatus`.

use levada_types::limits::{
    ONE_TIME_PASSWORD_LEN_MAX, ONE_TIME_PASSWORD_LEN_MIN, SANDBOX_NUMBER_LEN_MAX,
    SANDBOX_NUMBERS_MAX,
};

use super::shape::{Answer, Members, Shape, write_list};
use super::{SnsError, paging};
use crate::kinesis::Values;
use crate::kinesis::constraint::Text;
use crate::kinesis::pattern::Pattern;
use crate::protocol::xml::XmlWriter;

static PHONE_NUMBER_PATTERN: Pattern = Pattern::new(r"^(\+[0-9]{8,}|[0-9]{0,9})$", |text| {
    let is_digits = |digits: &str| digits.bytes().all(|b| b.is_ascii_digit());
    match text.strip_prefix('+') {
        Some(digits) => digits.len() >= 8 && is_digits(digits),
        None => text.len() <= 9 && is_digits(text),
    }
});
static ONE_TIME_PASSWORD_PATTERN: Pattern = Pattern::new("^[0-9]+$", |text| {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
});

/// `PhoneNumberString`.
const PHONE_NUMBER: Text = Text::new(Some(&PHONE_NUMBER_PATTERN), 0, SANDBOX_NUMBER_LEN_MAX);
/// `OTPCode`.
const ONE_TIME_PASSWORD: Text = Text::new(
    Some(&ONE_TIME_PASSWORD_PATTERN),
    ONE_TIME_PASSWORD_LEN_MIN,
    ONE_TIME_PASSWORD_LEN_MAX,
);

/// A language that a one-time password can be sent in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LanguageCode(&'static str);

impl Values for LanguageCode {
    const ALL: &'static [Self] = &[
        Self("en-US"),
        Self("en-GB"),
        Self("es-419"),
        Self("es-ES"),
        Self("de-DE"),
        Self("fr-CA"),
        Self("fr-FR"),
        Self("it-IT"),
        Self("ja-JP"),
        Self("pt-BR"),
        Self("kr-KR"),
        Self("zh-CN"),
        Self("zh-TW"),
    ];

    fn as_str(self) -> &'static str {
        self.0
    }
}

/// Adds a phone, which is sent a one-time password.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CreateSMSSandboxPhoneNumberRequest {
    /// The number.
    pub phone_number: String,
    /// Of the message with the password.
    pub language_code: Option<LanguageCode>,
}

impl Shape for CreateSMSSandboxPhoneNumberRequest {
    fn read(members: &mut Members<'_>) -> Self {
        Self {
            phone_number: members.required_bounded("PhoneNumber", &PHONE_NUMBER),
            language_code: members.one_of("LanguageCode"),
        }
    }
}

/// Verifies a phone with the password that it was sent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VerifySMSSandboxPhoneNumberRequest {
    /// The number.
    pub phone_number: String,
    /// The password.
    pub one_time_password: String,
}

impl Shape for VerifySMSSandboxPhoneNumberRequest {
    fn read(members: &mut Members<'_>) -> Self {
        Self {
            phone_number: members.required_bounded("PhoneNumber", &PHONE_NUMBER),
            one_time_password: members.required_bounded("OneTimePassword", &ONE_TIME_PASSWORD),
        }
    }
}

/// Takes a phone away.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeleteSMSSandboxPhoneNumberRequest {
    /// The number.
    pub phone_number: String,
}

impl Shape for DeleteSMSSandboxPhoneNumberRequest {
    fn read(members: &mut Members<'_>) -> Self {
        Self {
            phone_number: members.required_bounded("PhoneNumber", &PHONE_NUMBER),
        }
    }
}

/// Asks for the phones.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListSMSSandboxPhoneNumbersRequest {
    /// Of the page before.
    pub next_token: Option<String>,
    /// 1 to 100.
    pub max_results: Option<u32>,
}

impl Shape for ListSMSSandboxPhoneNumbersRequest {
    fn read(members: &mut Members<'_>) -> Self {
        Self {
            next_token: members.text("NextToken"),
            max_results: members.int("MaxResults", 1..=SANDBOX_NUMBERS_MAX),
        }
    }

    fn check(&self) -> Result<(), SnsError> {
        paging::decode_token(self.next_token.as_deref()).map(drop)
    }
}

/// A phone in the sandbox.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SMSSandboxPhoneNumber {
    /// The number.
    pub phone_number: String,
    /// Whether it was verified.
    pub verified: bool,
}

/// Phones in the sandbox.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListSMSSandboxPhoneNumbersResponse {
    /// The phones.
    pub phone_numbers: Vec<SMSSandboxPhoneNumber>,
    /// If there are more.
    pub next_token: Option<String>,
}

impl Answer for ListSMSSandboxPhoneNumbersResponse {
    fn write_xml(&self, xml: &mut XmlWriter<'_>) {
        write_list(xml, "PhoneNumbers", &self.phone_numbers, |xml, one| {
            xml.text_element("PhoneNumber", &one.phone_number);
            let status = if one.verified { "Verified" } else { "Pending" };
            xml.text_element("Status", status);
        });
        xml.optional_element("NextToken", self.next_token.as_deref());
    }
}

/// Asks whether the account is in the sandbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GetSMSSandboxAccountStatusRequest {}

impl Shape for GetSMSSandboxAccountStatusRequest {
    fn read(_: &mut Members<'_>) -> Self {
        Self {}
    }
}

/// Whether the account is in the sandbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GetSMSSandboxAccountStatusResponse {
    /// Whether.
    pub is_in_sandbox: bool,
}

impl Answer for GetSMSSandboxAccountStatusResponse {
    fn write_xml(&self, xml: &mut XmlWriter<'_>) {
        xml.plain_element("IsInSandbox", self.is_in_sandbox);
    }
}
