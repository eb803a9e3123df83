//! Tags, by a stream's name or by the ARN of anything that has tags: the six actions.

use std::collections::BTreeMap;

use levada_types::limits::STREAM_TAG_KEYS_MAX;

use super::constraint::{RESOURCE_ARN, TAG_KEY};
use super::shape::{Answer, input, output, stream_input, stream_shape};
use super::{KinesisError, Shape, Violations};

stream_input! {
    /// Sets tags of a stream.
    pub struct AddTagsToStreamRequest {
        /// They.
        pub tags: Option<BTreeMap<String, String>>,
    }
}

stream_shape!(
    AddTagsToStreamRequest,
    |request, violations| {
        violations.required("tags", &request.tags);
        violations.tags(&request.tags);
    },
    fn refusal(&self) -> Result<(), KinesisError> {
        check(&self.tags)
    }
);

stream_input! {
    /// Takes tags from a stream.
    pub struct RemoveTagsFromStreamRequest {
        /// Their keys, 1 to 50. One that the stream does not have is ignored.
        pub tag_keys: Option<Vec<String>>,
    }
}

stream_shape!(RemoveTagsFromStreamRequest, |request, violations| {
    violations.tag_keys(&request.tag_keys);
});

stream_input! {
    /// Asks for a page of a stream's tags.
    pub struct ListTagsForStreamRequest {
        /// The last key of the page before.
        pub exclusive_start_tag_key: Option<String>,
        /// Tags of the page, 1 to 50.
        pub limit: Option<i64>,
    }
}

/// Tags of one page.
const PAGE_MAX: u32 = STREAM_TAG_KEYS_MAX as u32;

stream_shape!(ListTagsForStreamRequest, |request, violations| {
    violations.int("limit", request.limit, 1..=PAGE_MAX);
    violations.text(
        "exclusiveStartTagKey",
        &request.exclusive_start_tag_key,
        &TAG_KEY,
    );
});

output! {
    /// A page of tags.
    pub struct ListTagsForStreamResponse {
        /// They, by key.
        pub tags: Vec<Tag>,
        /// Whether there are more.
        pub has_more_tags: bool,
    }
}

output! {
    /// A tag.
    pub struct Tag {
        /// Its key.
        pub key: String,
        /// Its value.
        pub value: Option<String>,
    }
}

input! {
    /// Sets tags of a stream or a consumer.
    pub struct TagResourceRequest {
        /// They.
        pub tags: Option<BTreeMap<String, String>>,
        /// The ARN.
        #[serde(rename = "ResourceARN")]
        pub resource_arn: Option<String>,
    }
}

impl Shape for TagResourceRequest {
    fn violations(&self, violations: &mut Violations) {
        violations.required("tags", &self.tags);
        violations.tags(&self.tags);
        violations.text("resourceARN", &self.resource_arn, &RESOURCE_ARN.required());
    }

    fn refusal(&self) -> Result<(), KinesisError> {
        check(&self.tags)
    }
}

input! {
    /// Takes tags from a stream or a consumer.
    pub struct UntagResourceRequest {
        /// Their keys, 1 to 50.
        pub tag_keys: Option<Vec<String>>,
        /// The ARN.
        #[serde(rename = "ResourceARN")]
        pub resource_arn: Option<String>,
    }
}

impl Shape for UntagResourceRequest {
    fn violations(&self, violations: &mut Violations) {
        violations.tag_keys(&self.tag_keys);
        violations.text("resourceARN", &self.resource_arn, &RESOURCE_ARN.required());
    }
}

input! {
    /// Asks for all tags of a stream or a consumer.
    pub struct ListTagsForResourceRequest {
        /// The ARN.
        #[serde(rename = "ResourceARN")]
        pub resource_arn: Option<String>,
    }
}

impl Shape for ListTagsForResourceRequest {
    fn violations(&self, violations: &mut Violations) {
        violations.text("resourceARN", &self.resource_arn, &RESOURCE_ARN.required());
    }
}

output! {
    /// All tags.
    pub struct ListTagsForResourceResponse {
        /// They, by key.
        pub tags: Vec<Tag>,
    }
}

/// Bytes of one tag in JSON.
const TAG_BYTES: usize = 96;

impl Answer for ListTagsForStreamResponse {
    fn size_hint(&self) -> usize {
        64 + self.tags.len() * TAG_BYTES
    }
}

impl Answer for ListTagsForResourceResponse {
    fn size_hint(&self) -> usize {
        64 + self.tags.len() * TAG_BYTES
    }
}

/// Letters, digits and white space of any script, and `_./=+-%@:`.
pub(super) fn check(tags: &Option<BTreeMap<String, String>>) -> Result<(), KinesisError> {
    let ok = |text: &String| {
        text.chars()
            .all(|c| c.is_alphanumeric() || c.is_whitespace() || "_./=+-%@:".contains(c))
    };
    let tags = tags.iter().flatten();
    if tags.clone().all(|(key, value)| ok(key) && ok(value)) {
        return Ok(());
    }
    Err(KinesisError::invalid_argument(
        "Some tags contain invalid characters. Valid characters: Unicode letters, digits, white space, _ . / = + - % @ :.",
    ))
}
