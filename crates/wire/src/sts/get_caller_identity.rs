//! `GetCallerIdentity`.

use serde::Serialize;

use crate::protocol::Output;
use crate::protocol::xml::XmlWriter;

/// Who the caller is.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetCallerIdentityResponse {
    /// `arn:aws:iam::<account>:user/<name>` or `:root`.
    pub arn: String,
    /// The user's unique id; of the root user the account.
    pub user_id: String,
    /// The account.
    pub account: String,
}

impl Output for GetCallerIdentityResponse {
    fn write_xml(&self, xml: &mut XmlWriter) {
        xml.text_element("Arn", &self.arn);
        xml.text_element("UserId", &self.user_id);
        xml.text_element("Account", &self.account);
    }
}
