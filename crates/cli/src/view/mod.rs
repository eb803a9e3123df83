//! `levada queues`, `levada streams` and `levada topics`: what users have stored, for a person who looks at it. Nothing is changed by looking.

pub(crate) mod queues;
pub(crate) mod streams;
pub(crate) mod topics;

use serde_json::Value;

use crate::api::{PAGES_MAX, Who};
use crate::client::{Client, Error};
use crate::cluster::{At, align, list, text};
use crate::words::{in_words, one_line};

/// Characters of an attribute, a tag or a filter that people are shown.
const VALUE_CHARS_MAX: usize = 200;
/// What stands where a partition's leader has not answered.
const UNKNOWN: &str = "?";
/// Said once below a table in which that stands.
const UNKNOWN_MEANS: &str =
    "\n? The leader of a partition does not answer; `levada cluster status` shows which.\n";

/// A question to a node about what somebody has.
async fn ask(at: &At, who: &Who, name: &str, more: Value) -> Result<Value, Error> {
    let mut question = who.question();
    if let (Some(question), Value::Object(more)) = (question.as_object_mut(), more) {
        question.extend(more.into_iter().filter(|(_, value)| !value.is_null()));
    }
    let mut client = Client::connect(&at.endpoint).await?;
    client.operate(&format!("/_levada/{name}"), &question).await
}

/// An answer with all of a list, which the document has by the name `key` and is asked for page by page.
async fn pages(at: &At, who: &Who, name: &str, key: &str, more: &Value) -> Result<Value, Error> {
    let mut document = Value::Null;
    let mut all = Vec::new();
    let mut question = more.clone();
    for _ in 0..PAGES_MAX {
        document = ask(at, who, name, question.clone()).await?;
        all.extend(list(&document[key]).cloned());
        question["after"] = document["after"].clone();
        if question["after"].is_null() {
            break;
        }
    }
    document[key] = Value::Array(all);
    if let Some(document) = document.as_object_mut() {
        document.remove("after");
    }
    Ok(document)
}

/// A document as it is wanted.
fn shown(at: &At, document: &Value, in_words: impl Fn(&Value) -> String) -> String {
    if at.json {
        format!("{document:#}\n")
    } else {
        in_words(document)
    }
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

/// What kind of queue or topic a document tells of.
fn kind(document: &Value) -> &'static str {
    if document["fifo"] == true {
        "FIFO"
    } else {
        "standard"
    }
}

/// A table of the attributes that a document has, and one of its tags.
fn write_values(out: &mut String, document: &Value) {
    for (head, key) in [("attribute", "attributes"), ("tag", "tags")] {
        let values: Vec<(&String, &Value)> =
            document[key].as_object().into_iter().flatten().collect();
        if values.is_empty() {
            continue;
        }
        let mut rows = vec![heads([head, "value"])];
        rows.extend(values.into_iter().map(|(name, value)| {
            vec![
                one_line(name, VALUE_CHARS_MAX),
                one_line(&text(value), VALUE_CHARS_MAX),
            ]
        }));
        out.push('\n');
        align(out, &rows);
    }
}

/// Says below a table what is not known in it, if anything is not.
fn explain_unknown(out: &mut String, rows: &[Vec<String>]) {
    if rows.iter().flatten().any(|cell| cell == UNKNOWN) {
        out.push_str(UNKNOWN_MEANS);
    }
}

/// The heads of a table.
fn heads<const N: usize>(of: [&str; N]) -> Vec<String> {
    of.map(str::to_owned).to_vec()
}
