//! What is said of an attribute that is not what it should be. `CreateTopic` and `Subscribe`, which set several,
//! say it otherwise than the actions that set one.

use std::borrow::Cow;

use super::SnsError;

/// Why an attribute is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum AttributeError {
    /// No attribute of this name can be set here.
    Unknown(String),
    /// Its value is not what it should be.
    Invalid(Cow<'static, str>),
}

impl AttributeError {
    /// `NAME: REASON`
    pub(super) fn new(name: &str, reason: impl std::fmt::Display) -> Self {
        Self::Invalid(format!("{name}: {reason}").into())
    }

    /// A value that is none of a few.
    pub(super) fn not_one_of(name: &str, value: &str, allowed: &str) -> Self {
        Self::new(
            name,
            format_args!("Invalid value [{value}]. Must be {allowed}."),
        )
    }

    /// As an action says it that sets several attributes.
    pub(super) fn among_several(self) -> SnsError {
        match self {
            Self::Unknown(name) => {
                SnsError::invalid_because("Attributes", format_args!("Unknown attribute {name}"))
            }
            Self::Invalid(reason) => SnsError::invalid_because("Attributes", reason),
        }
    }

    /// As an action says it that sets one.
    pub(super) fn alone(self) -> SnsError {
        match self {
            Self::Unknown(_) => SnsError::invalid_parameter("AttributeName"),
            Self::Invalid(reason) => SnsError::invalid_parameter(reason),
        }
    }
}

/// `true` or `false`.
pub(super) fn flag(name: &str, value: &str) -> Result<bool, AttributeError> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(AttributeError::not_one_of(name, value, "true or false")),
    }
}

/// JSON that must be an object.
pub(super) fn object(
    name: &str,
    value: &str,
) -> Result<serde_json::Map<String, serde_json::Value>, AttributeError> {
    match serde_json::from_str(value) {
        Ok(serde_json::Value::Object(map)) => Ok(map),
        // AWS has its parser's words here, and we have ours.
        Ok(_) => Err(AttributeError::new(
            name,
            "failed to parse JSON. Expected an object.",
        )),
        Err(e) => Err(AttributeError::new(
            name,
            format_args!("failed to parse JSON. {e}"),
        )),
    }
}
