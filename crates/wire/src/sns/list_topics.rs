//! `ListTopics`.

use super::shape::{Answer, Members, Shape, write_list};
use super::{SnsError, paging};
use crate::protocol::xml::XmlWriter;

/// Asks for the account's topics.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListTopicsRequest {
    /// Of the page before.
    pub next_token: Option<String>,
}

impl Shape for ListTopicsRequest {
    fn read(members: &mut Members<'_>) -> Self {
        Self {
            next_token: members.text("NextToken"),
        }
    }

    fn check(&self) -> Result<(), SnsError> {
        paging::decode_token(self.next_token.as_deref()).map(drop)
    }
}

/// Topics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListTopicsResponse {
    /// Their ARNs.
    pub topic_arns: Vec<String>,
    /// If there are more.
    pub next_token: Option<String>,
}

impl Answer for ListTopicsResponse {
    fn size_hint(&self) -> usize {
        64 + self.topic_arns.iter().map(|a| a.len() + 48).sum::<usize>()
    }

    fn write_xml(&self, xml: &mut XmlWriter<'_>) {
        write_list(xml, "Topics", &self.topic_arns, |xml, arn| {
            xml.text_element("TopicArn", arn);
        });
        xml.optional_element("NextToken", self.next_token.as_deref());
    }
}
