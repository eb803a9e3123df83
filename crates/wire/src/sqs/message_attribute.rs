//! Message attributes: a name, a type and a value that travel with a body.

use std::collections::BTreeMap;

use bytes::Bytes;
use levada_types::limits::{MESSAGE_ATTRIBUTE_NAME_LEN_MAX, MESSAGE_ATTRIBUTES_MAX};
use serde::Deserialize;

use super::SqsError;
use super::outgoing::{VALID_CHARACTERS, is_message_text};
use crate::error::AwsError;
use crate::protocol::form::Form;
use crate::protocol::json::{self, JsonStructure};

/// Attributes by name. Sorted as the digest needs them.
pub type MessageAttributeMap = BTreeMap<String, MessageAttributeValue>;

/// One attribute's type and value, as sent.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct MessageAttributeValue {
    /// `String`, `Number` or `Binary`, each with an optional `.suffix` of the caller's.
    #[serde(default, deserialize_with = "json::text")]
    pub data_type: String,
    /// Of `String` and `Number`.
    #[serde(default, deserialize_with = "json::opt_text")]
    pub string_value: Option<String>,
    /// Of `Binary`.
    #[serde(default, deserialize_with = "json::opt_blob")]
    pub binary_value: Option<Bytes>,
    /// In the model, never allowed.
    #[serde(default, deserialize_with = "json::texts")]
    pub string_list_values: Vec<String>,
    /// In the model, never allowed.
    #[serde(default, deserialize_with = "json::texts")]
    pub binary_list_values: Vec<String>,
}

impl JsonStructure for MessageAttributeValue {}

impl MessageAttributeValue {
    /// A string attribute.
    pub fn string(value: impl Into<String>) -> Self {
        Self {
            data_type: "String".to_owned(),
            string_value: Some(value.into()),
            ..Self::default()
        }
    }

    /// Whether the type is `Binary` or `Binary.something`.
    pub fn is_binary(&self) -> bool {
        base_type(&self.data_type) == "Binary"
    }

    /// The value's bytes, whichever its type.
    pub(crate) fn value_bytes(&self) -> &[u8] {
        match (self.is_binary(), &self.binary_value, &self.string_value) {
            (true, Some(binary), _) => binary,
            (false, _, Some(string)) => string.as_bytes(),
            _ => &[],
        }
    }

    fn from_form(form: &Form) -> Result<Self, AwsError> {
        Ok(Self {
            data_type: form.text("DataType"),
            string_value: form.opt_text("StringValue"),
            binary_value: form.opt_blob("BinaryValue")?,
            string_list_values: form.texts("StringListValue"),
            binary_list_values: form.texts("BinaryListValue"),
        })
    }
}

pub(crate) fn base_type(data_type: &str) -> &str {
    data_type
        .split_once('.')
        .map_or(data_type, |(base, _)| base)
}

/// `MessageAttribute.1.Name`, `MessageAttribute.1.Value.StringValue`, ...
pub(super) fn map_from_form(form: &Form, key: &str) -> Result<MessageAttributeMap, AwsError> {
    let mut map = MessageAttributeMap::new();
    for entry in form.list(key) {
        let value = match entry.below("Value") {
            Some(value) => MessageAttributeValue::from_form(value)?,
            None => MessageAttributeValue::default(),
        };
        map.insert(entry.text("Name"), value);
    }
    Ok(map)
}

/// Whose attributes they are, in AWS's words.
#[derive(Clone, Copy)]
enum Owner {
    User,
    System,
}

impl Owner {
    const fn as_str(self) -> &'static str {
        match self {
            Self::User => "(user)",
            Self::System => "system",
        }
    }
}

/// Checks the attributes of one message.
pub(super) fn check_attributes(attributes: &MessageAttributeMap) -> Result<(), SqsError> {
    if attributes.len() > MESSAGE_ATTRIBUTES_MAX {
        let message = format!(
            "Number of message attributes [{}] exceeds the allowed maximum [{MESSAGE_ATTRIBUTES_MAX}].",
            attributes.len()
        );
        return Err(SqsError::invalid_parameter(message));
    }
    for (name, value) in attributes {
        check_name(name)?;
        check_value(Owner::User, name, value)?;
    }
    Ok(())
}

/// Checks the system attributes of one message: only `AWSTraceHeader`, and only a string.
pub(super) fn check_system_attributes(attributes: &MessageAttributeMap) -> Result<(), SqsError> {
    for (name, value) in attributes {
        if name != "AWSTraceHeader" {
            let message = format!("Message system attribute name '{name}' is invalid.");
            return Err(SqsError::invalid_parameter(message));
        }
        check_value(Owner::System, name, value)?;
        if value.data_type != "String" {
            // From memory.
            let message = format!("The type of message system attribute '{name}' must be String.");
            return Err(SqsError::invalid_parameter(message));
        }
    }
    Ok(())
}

fn check_name(name: &str) -> Result<(), SqsError> {
    let message = if name.is_empty() {
        "The request must contain non-empty message (user) attribute names."
    } else if name.len() > MESSAGE_ATTRIBUTE_NAME_LEN_MAX {
        "Message (user) attribute name must be shorter than 256 bytes."
    } else if has_reserved_prefix(name) {
        "You can't use message attribute names beginning with 'AWS.' or 'Amazon'. These strings are reserved for internal use."
    } else if name.starts_with('.') {
        "Message (user) attribute name must not begin with character '.'."
    } else if name.ends_with('.') {
        "Message (user) attribute name must not end with character '.'."
    } else if name.contains("..") {
        "Message (user) attribute name must not have successive '.' characters."
    } else if !name
        .chars()
        .all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'))
    {
        // Documented are A-Z, a-z and 0-9; AWS takes letters of other scripts too.
        "Message (user) attribute name can only contain upper and lower score characters, digits, periods, hyphens and underscores."
    } else {
        return Ok(());
    };
    Err(SqsError::invalid_parameter(message))
}

fn has_reserved_prefix(name: &str) -> bool {
    ["aws.", "amazon."].iter().any(|prefix| {
        name.get(..prefix.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(prefix))
    })
}

fn check_value(owner: Owner, name: &str, value: &MessageAttributeValue) -> Result<(), SqsError> {
    let refuse = |message: String| Err(SqsError::invalid_parameter(message));
    let owner = owner.as_str();
    let data_type = &value.data_type;
    if !value.string_list_values.is_empty() || !value.binary_list_values.is_empty() {
        return Err(SqsError::unsupported_operation(
            "Message attribute list values in SendMessage operation are not supported.",
        ));
    }
    let values =
        usize::from(value.string_value.is_some()) + usize::from(value.binary_value.is_some());
    if data_type.is_empty() {
        let what = if values == 0 { "value" } else { "type" };
        return refuse(format!(
            "The message {owner} attribute '{name}' must contain a non-empty message attribute {what}."
        ));
    }
    let base = base_type(data_type);
    if !matches!(base, "String" | "Number" | "Binary") {
        return refuse(format!(
            "The type of message {owner} attribute '{name}' is invalid. You must use only the following supported type prefixes: Binary, Number, String."
        ));
    }
    if data_type.len() > MESSAGE_ATTRIBUTE_NAME_LEN_MAX {
        return refuse(format!(
            "Message {owner} attribute type must be shorter than 256 bytes."
        ));
    }
    if values == 2 {
        return refuse(format!(
            "Message {owner} attribute '{name}' must have a single value."
        ));
    }
    let (field, is_set) = match base {
        "Binary" => ("Binary", value.binary_value.is_some()),
        _ => ("String", value.string_value.is_some()),
    };
    if values == 1 && !is_set {
        return refuse(format!(
            "Message {owner} attribute '{name}' with type '{data_type}' must use field '{field}'."
        ));
    }
    if value.value_bytes().is_empty() {
        return refuse(format!(
            "Message {owner} attribute '{name}' must contain a non-empty value of type '{data_type}'."
        ));
    }
    match (base, &value.string_value) {
        ("Number", Some(text)) if !is_number(text) => refuse(format!(
            "Can't cast the value of message {owner} attribute '{name}' to a number."
        )),
        // From memory.
        ("String", Some(text)) if !is_message_text(text) => refuse(format!(
            "Invalid characters found in message {owner} attribute '{name}'. Valid unicode characters are {VALID_CHARACTERS}"
        )),
        _ => Ok(()),
    }
}

/// A decimal number, with a sign, a fraction and an exponent if need be. Any number of digits.
pub(crate) fn is_number(text: &str) -> bool {
    let text = text.trim();
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E'))
        && text.parse::<f64>().is_ok()
}
