//! Message attributes, as SNS takes them: those of SQS with one type more, `String.Array`, and other words for what
//! is wrong with them. There may be any number of them.

use levada_types::limits::MESSAGE_ATTRIBUTE_NAME_LEN_MAX;
use serde_json::Value;

use super::SnsError;
use super::shape::Members;
pub use crate::sqs::{MessageAttributeMap, MessageAttributeValue};
use crate::sqs::{base_type, is_message_text, is_number};

/// Reads `MessageAttributes`.
pub(super) fn read(members: &mut Members<'_>) -> MessageAttributeMap {
    members.structure_map("MessageAttributes", |value| MessageAttributeValue {
        data_type: value.required("DataType"),
        string_value: value.text("StringValue"),
        binary_value: value.blob("BinaryValue"),
        ..MessageAttributeValue::default()
    })
}

/// Checks the attributes of one message.
pub(super) fn check(attributes: &MessageAttributeMap) -> Result<(), SnsError> {
    for (name, value) in attributes {
        check_name(name)?;
        check_value(name, value)?;
    }
    Ok(())
}

fn check_name(name: &str) -> Result<(), SnsError> {
    let refuse = |message: &'static str| Err(SnsError::invalid_value(message));
    if name.is_empty() {
        // From memory.
        return refuse("The request must contain non-empty message attribute names.");
    }
    if name.len() > MESSAGE_ATTRIBUTE_NAME_LEN_MAX {
        return refuse("Length of message attribute name must be less than 256 bytes.");
    }
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if let Some(other) = name.chars().find(|&c| !is_allowed(c)) {
        return Err(SnsError::invalid_value(format!(
            "Invalid non-alphanumeric character '#x{:X}' was found in the message attribute name. Can only include alphanumeric characters, hyphens, underscores, or dots.",
            u32::from(other)
        )));
    }
    if name.starts_with('.') {
        return refuse("Invalid message attribute name starting with character '.' was found.");
    }
    if name.ends_with('.') {
        return refuse("Invalid message attribute name ending with character '.' was found.");
    }
    if name.contains("..") {
        return refuse("Message attribute name can not have successive '.' character.");
    }
    Ok(())
}

fn check_value(name: &str, value: &MessageAttributeValue) -> Result<(), SnsError> {
    let refuse = |message: String| Err(SnsError::invalid_value(message));
    let data_type = &value.data_type;
    let base = base_type(data_type);
    if !matches!(base, "String" | "Number" | "Binary") {
        return refuse(format!(
            "The message attribute '{name}' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String."
        ));
    }
    if data_type.len() > MESSAGE_ATTRIBUTE_NAME_LEN_MAX {
        // From memory.
        return refuse("Length of message attribute type must be less than 256 bytes.".to_owned());
    }
    let (field, other_is_set) = match base {
        "Binary" => ("Binary", value.string_value.is_some()),
        _ => ("String", value.binary_value.is_some()),
    };
    if other_is_set {
        return refuse(format!(
            "The message attribute '{name}' with type '{data_type}' must use field '{field}'."
        ));
    }
    if value.value_bytes().is_empty() {
        return refuse(format!(
            "The message attribute '{name}' must contain non-empty message attribute value for message attribute type '{data_type}'."
        ));
    }
    // From memory, all three.
    match &value.string_value {
        Some(text) if base == "Number" && !is_number(text) => refuse(format!(
            "Could not cast message attribute '{name}' value to number."
        )),
        Some(text) if base == "String" && !is_message_text(text) => refuse(format!(
            "Invalid characters found in the message attribute '{name}'."
        )),
        Some(text) if data_type == "String.Array" && !is_array(text) => refuse(format!(
            "The message attribute '{name}' with type 'String.Array' must be a JSON array of strings, numbers, booleans and null."
        )),
        _ => Ok(()),
    }
}

/// A JSON array without arrays or objects in it.
fn is_array(text: &str) -> bool {
    let is_plain = |value: &Value| !value.is_array() && !value.is_object();
    matches!(serde_json::from_str(text), Ok(Value::Array(list)) if list.iter().all(is_plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn string(data_type: &str, value: &str) -> MessageAttributeValue {
        MessageAttributeValue {
            data_type: data_type.into(),
            string_value: Some(value.into()),
            ..MessageAttributeValue::default()
        }
    }

    fn binary(data_type: &str, value: &[u8]) -> MessageAttributeValue {
        MessageAttributeValue {
            data_type: data_type.into(),
            binary_value: Some(value.to_vec().into()),
            ..MessageAttributeValue::default()
        }
    }

    fn refusal(name: &str, value: MessageAttributeValue) -> String {
        let map = MessageAttributeMap::from([(name.to_owned(), value)]);
        check(&map).unwrap_err().to_string()
    }

    #[test]
    fn names_keep_their_bounds() {
        let s = || string("String", "x");
        for good in ["a", "A-b_c.9", "AWS.SNS.SMS.SMSType", &"a".repeat(256)] {
            let map = MessageAttributeMap::from([(good.to_owned(), s())]);
            assert_eq!(check(&map), Ok(()), "{good}");
        }
        for (bad, message) in [
            (
                "",
                "The request must contain non-empty message attribute names.",
            ),
            (
                &*"a".repeat(257),
                "Length of message attribute name must be less than 256 bytes.",
            ),
            (
                "a^b",
                "Invalid non-alphanumeric character '#x5E' was found in the message attribute name. Can only include alphanumeric characters, hyphens, underscores, or dots.",
            ),
            (
                ".a",
                "Invalid message attribute name starting with character '.' was found.",
            ),
            (
                "a.",
                "Invalid message attribute name ending with character '.' was found.",
            ),
            (
                "a..b",
                "Message attribute name can not have successive '.' character.",
            ),
        ] {
            assert_eq!(
                refusal(bad, s()),
                format!("ParameterValueInvalid: {message}")
            );
        }
    }

    #[test]
    fn values_of_each_type() {
        for good in [
            string("String", "x"),
            string("String.custom", "x"),
            string("String.", "x"),
            string("Number", "-1.5e3"),
            string("Number.int", "7"),
            binary("Binary", b"\0"),
            binary("Binary.gif", b"\0"),
            string("String.Array", r#"["a", 1, true, null]"#),
            string("String.Array", "[]"),
        ] {
            let map = MessageAttributeMap::from([("attr1".to_owned(), good.clone())]);
            assert_eq!(check(&map), Ok(()), "{good:?}");
        }
        let of_type = |t: &str| MessageAttributeValue {
            data_type: t.into(),
            ..MessageAttributeValue::default()
        };
        let unsupported = "The message attribute 'attr1' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String.";
        let empty = |t: &str| {
            format!(
                "The message attribute 'attr1' must contain non-empty message attribute value for message attribute type '{t}'."
            )
        };
        let field = |t: &str, field: &str| {
            format!("The message attribute 'attr1' with type '{t}' must use field '{field}'.")
        };
        for (bad, message) in [
            (string("string", "x"), unsupported.to_owned()),
            (string("Numberx", "1"), unsupported.to_owned()),
            (string("", "1"), unsupported.to_owned()),
            (string("String", ""), empty("String")),
            (of_type("String"), empty("String")),
            (of_type("Number"), empty("Number")),
            (binary("Binary", b""), empty("Binary")),
            (binary("String", b"x"), field("String", "String")),
            (binary("Number", b"1"), field("Number", "String")),
            (string("Binary", "x"), field("Binary", "Binary")),
            (
                string("Number", "one"),
                "Could not cast message attribute 'attr1' value to number.".to_owned(),
            ),
        ] {
            let refused = refusal("attr1", bad.clone());
            assert_eq!(
                refused,
                format!("ParameterValueInvalid: {message}"),
                "{bad:?}"
            );
        }
        for bad in ["x", "{}", "[[1]]", r#"[{"a":1}]"#, "[1,]"] {
            assert!(refusal("attr1", string("String.Array", bad)).contains("JSON array"));
        }
        assert!(refusal("attr1", string("String", "\u{1}")).contains("Invalid characters"));
    }
}
