//! `ListTopics`.

use super::shape::{Answer, write_list};
use crate::protocol::xml::XmlWriter;

page_request! {
    /// Asks for the account's topics.
    ListTopicsRequest, "NextToken"
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
