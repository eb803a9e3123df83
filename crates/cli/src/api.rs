//! AWS's API as the commands call it that look at what users have: unsigned, and for an account and a region.

use clap::Args;
use serde_json::{Value, json};

use crate::client::{Client, Error};
use crate::cluster::{At, list, text};

/// Pages of an answer that are asked for: a million leases at AWS's size of a page.
pub(crate) const PAGES_MAX: u32 = 1_000;

/// What a service's actions are called by, and its version of awsJson.
pub(crate) type Service = (&'static str, &'static str);
pub(crate) const DYNAMODB: Service = ("DynamoDB_20120810", "1.0");
pub(crate) const KINESIS: Service = ("Kinesis_20131202", "1.1");
pub(crate) const SQS: Service = ("AmazonSQS", "1.0");

/// Whose queues, streams and tables, and where.
#[derive(Args)]
pub(crate) struct Who {
    /// The region that the application uses.
    #[arg(
        long,
        env = "AWS_REGION",
        value_name = "REGION",
        default_value = "us-east-1"
    )]
    region: String,
    /// The access key that the application uses; it decides the account.
    #[arg(
        long,
        env = "AWS_ACCESS_KEY_ID",
        value_name = "KEY",
        default_value = "any"
    )]
    access_key: String,
}

impl Who {
    /// The beginning of a question about what this one has.
    pub(crate) fn question(&self) -> Value {
        json!({ "access_key": self.access_key, "region": self.region })
    }
}

/// One of the APIs of a node, as the application calls it.
pub(crate) struct Api {
    client: Client,
    target: &'static str,
    content_type: String,
    authorization: String,
}

impl Api {
    pub(crate) async fn connect(
        at: &At,
        who: &Who,
        (target, version): Service,
    ) -> Result<Self, Error> {
        Ok(Self {
            client: Client::connect(&at.endpoint).await?,
            target,
            content_type: format!("application/x-amz-json-{version}"),
            // The account and the region are read from it; nothing is signed.
            authorization: format!(
                "AWS4-HMAC-SHA256 Credential={}/20260101/{}/any/aws4_request, SignedHeaders=host, Signature=0",
                who.access_key, who.region
            ),
        })
    }

    pub(crate) async fn call(&mut self, action: &str, body: &Value) -> Result<Value, Error> {
        let headers = [
            ("x-amz-target", format!("{}.{action}", self.target)),
            ("content-type", self.content_type.clone()),
            ("authorization", self.authorization.clone()),
        ];
        let answer = self.client.post_with(&headers, &body.to_string()).await?;
        let document: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        if answer.status == 200 {
            return Ok(document);
        }
        let said = ["message", "Message"]
            .iter()
            .find_map(|key| document[*key].as_str());
        Err(Error::Answer(format!(
            "{action} was answered {}: {} {}",
            answer.status,
            text(&document["__type"]),
            said.unwrap_or_default()
        )))
    }

    /// All of a list, page by page.
    pub(crate) async fn pages(
        &mut self,
        action: &str,
        mut request: Value,
        items: &str,
        last: &str,
        start: &str,
    ) -> Result<Vec<Value>, Error> {
        let mut all = Vec::new();
        for _ in 0..PAGES_MAX {
            let answer = self.call(action, &request).await?;
            all.extend(list(&answer[items]).cloned());
            if answer[last].is_null() {
                break;
            }
            request[start] = answer[last].clone();
        }
        Ok(all)
    }
}
