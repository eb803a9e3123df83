//! `TagResource`, `UntagResource` and `ListTagsForResource`: a topic's tags.

use std::collections::BTreeMap;

use levada_types::limits::{
    TAG_KEY_LEN_MAX, TAG_VALUE_LEN_MAX, TAGGED_ARN_LEN_MAX, TOPIC_TAGS_MAX,
};

use super::SnsError;
use super::shape::{Answer, Members, Shape, write_list};
use crate::kinesis::constraint::Text;
use crate::protocol::xml::XmlWriter;

/// `AmazonResourceName`.
const RESOURCE_ARN: Text = Text::new(None, 1, TAGGED_ARN_LEN_MAX);
/// `TagKey`.
const KEY: Text = Text::new(None, 1, TAG_KEY_LEN_MAX);
/// `TagValue`.
const VALUE: Text = Text::new(None, 0, TAG_VALUE_LEN_MAX);

/// A tag.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tag {
    /// 1 to 128 characters.
    pub key: String,
    /// Up to 256 characters.
    pub value: String,
}

/// Reads `Tags`.
pub(super) fn read_tags(members: &mut Members<'_>) -> Vec<Tag> {
    members.structures("Tags", |tag| Tag {
        key: tag.required_bounded("Key", &KEY),
        value: tag.required_bounded("Value", &VALUE),
    })
}

/// That there are no more tags than a topic may have, each once, with keys and values of the allowed characters.
pub(super) fn check_tags(tags: &[Tag]) -> Result<(), SnsError> {
    let keys: BTreeMap<&str, ()> = tags.iter().map(|tag| (&*tag.key, ())).collect();
    if keys.len() != tags.len() {
        return Err(SnsError::invalid_parameter(
            "Duplicated keys are not allowed.",
        ));
    }
    if tags.len() > TOPIC_TAGS_MAX {
        return Err(SnsError::too_many_tags());
    }
    let allowed = |text: &str| {
        text.chars()
            .all(|c| c.is_alphanumeric() || c == ' ' || "_.:/=+-@".contains(c))
    };
    for tag in tags {
        // From memory, both.
        if is_reserved(&tag.key) {
            return Err(SnsError::invalid_because(
                "Tags",
                "Tag keys cannot start with \"aws:\"",
            ));
        }
        if !allowed(&tag.key) || !allowed(&tag.value) {
            let reason =
                "Tag keys and values can only include letters, numbers, spaces and _.:/=+-@";
            return Err(SnsError::invalid_because("Tags", reason));
        }
    }
    Ok(())
}

fn is_reserved(key: &str) -> bool {
    key.get(..4)
        .is_some_and(|head| head.eq_ignore_ascii_case("aws:"))
}

/// Adds tags to a topic, over those of the same keys.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TagResourceRequest {
    /// The topic.
    pub resource_arn: String,
    /// Tags.
    pub tags: Vec<Tag>,
}

about_topic!(TagResourceRequest, resource_arn, "ResourceArn");

impl Shape for TagResourceRequest {
    fn read(members: &mut Members<'_>) -> Self {
        members.required_member("Tags");
        Self {
            resource_arn: members.required_bounded("ResourceArn", &RESOURCE_ARN),
            tags: read_tags(members),
        }
    }

    fn check(&self) -> Result<(), SnsError> {
        self.topic()?;
        check_tags(&self.tags)
    }
}

/// Takes tags away from a topic.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UntagResourceRequest {
    /// The topic.
    pub resource_arn: String,
    /// The tags' keys.
    pub tag_keys: Vec<String>,
}

about_topic!(UntagResourceRequest, resource_arn, "ResourceArn");

impl Shape for UntagResourceRequest {
    fn read(members: &mut Members<'_>) -> Self {
        members.required_member("TagKeys");
        let tag_keys = members.texts("TagKeys");
        members.check_texts("TagKeys", &tag_keys, &KEY);
        Self {
            resource_arn: members.required_bounded("ResourceArn", &RESOURCE_ARN),
            tag_keys,
        }
    }

    fn check(&self) -> Result<(), SnsError> {
        self.topic().map(drop)
    }
}

/// Asks for a topic's tags.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListTagsForResourceRequest {
    /// The topic.
    pub resource_arn: String,
}

about_topic!(ListTagsForResourceRequest, resource_arn, "ResourceArn");

impl Shape for ListTagsForResourceRequest {
    fn read(members: &mut Members<'_>) -> Self {
        Self {
            resource_arn: members.required_bounded("ResourceArn", &RESOURCE_ARN),
        }
    }

    fn check(&self) -> Result<(), SnsError> {
        self.topic().map(drop)
    }
}

/// A topic's tags.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListTagsForResourceResponse {
    /// Tags.
    pub tags: Vec<Tag>,
}

impl Answer for ListTagsForResourceResponse {
    fn write_xml(&self, xml: &mut XmlWriter<'_>) {
        write_list(xml, "Tags", &self.tags, |xml, tag| {
            xml.text_element("Key", &tag.key);
            xml.text_element("Value", &tag.value);
        });
    }
}
