//! `levada queues`: what users have stored, for a person who looks at it. Nothing is changed by looking.

pub(crate) mod queues;

use serde_json::Value;

use crate::api::Who;
use crate::client::{Client, Error};
use crate::cluster::{At, text};
use crate::words::in_words;

/// What stands where a partition's leader has not answered.
const UNKNOWN: &str = "?";
/// Said once below a table in which that stands.
const UNKNOWN_MEANS: &str = "\n? The leader of a partition does not answer; `levada cluster status` shows which.\n";

/// A question to a node about what somebody has.
async fn ask(at: &At, who: &Who, name: &str, more: Value) -> Result<Value, Error> {
    let mut question = who.question();
    if let (Some(question), Value::Object(more)) = (question.as_object_mut(), more) {
        question.extend(more.into_iter().filter(|(_, value)| !value.is_null()));
    }
    let mut client = Client::connect(&at.endpoint).await?;
    client.operate(&format!("/_levada/{name}"), &question).await
}

/// A figure, if it is known.
fn figure(value: &Value) -> String {
    if value.is_null() {
        UNKNOWN.to_owned()
    } else {
        text(value)
    }
}

/// A time in milliseconds, if there is one.
fn age(value: &Value) -> String {
    value.as_u64().map_or_else(|| "-".to_owned(), in_words)
}

/// How long before an answer something was, by the clocks of those that wrote it down.
fn ago(document: &Value, at_ms: &Value) -> Option<String> {
    let passed_ms = document["at_ms"].as_u64()?.saturating_sub(at_ms.as_u64()?);
    Some(format!("{} ago", in_words(passed_ms)))
}

/// The heads of a table.
fn heads<const N: usize>(of: [&str; N]) -> Vec<String> {
    of.map(str::to_owned).to_vec()
}
