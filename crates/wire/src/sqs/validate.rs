//! Checks that several actions share, in AWS's wording.

use levada_types::limits::{
    GROUP_ID_LEN_MAX, LIST_RESULTS_MAX, TAG_KEY_LEN_MAX, TAG_VALUE_LEN_MAX,
    VISIBILITY_TIMEOUT_SECS_MAX,
};

use super::SqsError;

/// The queue that a request is about. AWS says of a missing one what it says of an unknown one.
pub(super) fn queue_url(url: &str) -> Result<(), SqsError> {
    if url.is_empty() {
        Err(SqsError::queue_does_not_exist())
    } else {
        Ok(())
    }
}

/// A parameter that must not be missing. AWS treats an empty text as missing.
pub(super) fn required(value: &str, name: &str) -> Result<(), SqsError> {
    if value.is_empty() {
        Err(SqsError::missing_parameter(name))
    } else {
        Ok(())
    }
}

/// A visibility timeout in seconds, of a receive.
pub(super) fn receive_visibility_timeout(seconds: i64) -> Result<(), SqsError> {
    visibility_timeout(seconds, "Must be >= 0 and <= 43200, if provided.")
}

/// A visibility timeout in seconds, of a change.
pub(super) fn changed_visibility_timeout(seconds: i64) -> Result<(), SqsError> {
    visibility_timeout(
        seconds,
        "VisibilityTimeout must be an integer between 0 and 43200.",
    )
}

fn visibility_timeout(seconds: i64, reason: &str) -> Result<(), SqsError> {
    if (0..=i64::from(VISIBILITY_TIMEOUT_SECS_MAX)).contains(&seconds) {
        return Ok(());
    }
    Err(SqsError::invalid_value(
        seconds,
        "VisibilityTimeout",
        reason,
    ))
}

/// A group, deduplication or attempt id: 1 to 128 alphanumeric and punctuation characters of ASCII.
pub(super) fn fifo_id(value: &str, name: &str) -> Result<(), SqsError> {
    let ok = (1..=GROUP_ID_LEN_MAX).contains(&value.len())
        && value.bytes().all(|b| b.is_ascii_graphic());
    if ok {
        return Ok(());
    }
    let reason = format!(
        "{name} can only include alphanumeric and punctuation characters. 1 to 128 in length."
    );
    Err(SqsError::invalid_value(value, name, &reason))
}

/// A page's size. Zero is as good as none.
pub(super) fn max_results(value: Option<i64>) -> Result<(), SqsError> {
    match value {
        Some(n) if !(0..=i64::from(LIST_RESULTS_MAX)).contains(&n) => {
            Err(SqsError::invalid_parameter(
                "Value for parameter MaxResults is invalid. Reason: MaxResults must be an integer between 1 and 1000.",
            ))
        }
        _ => Ok(()),
    }
}

/// A tag's key.
pub(super) fn tag_key(key: &str) -> Result<(), SqsError> {
    if key.is_empty() {
        return Err(SqsError::invalid_parameter(
            "Tag keys must be between 1 and 128 characters in length.",
        ));
    }
    if key.chars().count() > TAG_KEY_LEN_MAX {
        return Err(SqsError::invalid_parameter(
            "Tag keys must be between 1 and 128 characters in length.",
        ));
    }
    if key
        .get(..4)
        .is_some_and(|head| head.eq_ignore_ascii_case("aws:"))
    {
        return Err(SqsError::invalid_parameter(
            "Tag keys cannot start with \"aws:\".",
        ));
    }
    characters_of_tag(key)
}

/// A tag's value.
pub(super) fn tag_value(value: &str) -> Result<(), SqsError> {
    if value.chars().count() > TAG_VALUE_LEN_MAX {
        return Err(SqsError::invalid_parameter(
            "Tag values must be between 0 and 256 characters in length.",
        ));
    }
    characters_of_tag(value)
}

/// Letters, digits, spaces and `_.:/=+-@`, in any script. Wording from memory.
fn characters_of_tag(text: &str) -> Result<(), SqsError> {
    if text
        .chars()
        .all(|c| c.is_alphanumeric() || c == ' ' || "_.:/=+-@".contains(c))
    {
        return Ok(());
    }
    Err(SqsError::invalid_parameter(
        "Tag keys and values can only include letters, numbers, spaces and _.:/=+-@.",
    ))
}
