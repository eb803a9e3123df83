//! `GetQueueAttributes`.

use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};

use super::{QueueAttributeName, Shape, SqsError, validate};
use crate::error::AwsError;
use crate::protocol::form::Form;
use crate::protocol::xml::XmlWriter;
use crate::protocol::{Output, json};

/// Asks for attributes of a queue.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetQueueAttributesRequest {
    /// The queue.
    #[serde(default, deserialize_with = "json::text")]
    pub queue_url: String,
    /// As sent; [`Self::names`] reads them.
    #[serde(default, deserialize_with = "json::texts")]
    pub attribute_names: Vec<String>,
}

impl GetQueueAttributesRequest {
    /// The attributes that are asked for, `All` spelt out. None asked for gives none.
    pub fn names(&self) -> Result<Vec<QueueAttributeName>, SqsError> {
        let mut names = Vec::new();
        for name in &self.attribute_names {
            if name == "All" {
                return Ok(QueueAttributeName::ALL.to_vec());
            }
            let known = QueueAttributeName::from_name(name)
                .ok_or_else(|| SqsError::unknown_attribute(name))?;
            if !names.contains(&known) {
                names.push(known);
            }
        }
        Ok(names)
    }
}

impl Shape for GetQueueAttributesRequest {
    fn from_form(form: &Form) -> Result<Self, AwsError> {
        Ok(Self {
            queue_url: form.text("QueueUrl"),
            attribute_names: form.texts("AttributeName"),
        })
    }

    fn check(&self) -> Result<(), SqsError> {
        validate::queue_url(&self.queue_url)?;
        self.names().map(drop)
    }

    fn queue(&self) -> Option<&str> {
        Some(&self.queue_url)
    }
}

/// Attributes of a queue.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetQueueAttributesResponse {
    /// Names and values; left out of the answer if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "as_map")]
    pub attributes: Vec<(QueueAttributeName, String)>,
}

fn as_map<S: Serializer>(
    attributes: &[(QueueAttributeName, String)],
    s: S,
) -> Result<S::Ok, S::Error> {
    let mut map = s.serialize_map(Some(attributes.len()))?;
    for (name, value) in attributes {
        map.serialize_entry(name.as_str(), value)?;
    }
    map.end()
}

impl Output for GetQueueAttributesResponse {
    fn size_hint(&self) -> usize {
        64 + self
            .attributes
            .iter()
            .map(|(_, value)| value.len() + 96)
            .sum::<usize>()
    }

    fn write_xml(&self, xml: &mut XmlWriter) {
        for (name, value) in &self.attributes {
            xml.open("Attribute");
            xml.text_element("Name", name.as_str());
            xml.text_element("Value", value);
            xml.close("Attribute");
        }
    }
}
