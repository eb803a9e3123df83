//! A resource's policy as `AddPermission` and `RemovePermission` change it: one statement a label.
//!
//! What a policy means is another crate's; here it is JSON with a list of statements. Queues and topics both have
//! one.

use levada_types::AccountId;
use serde_json::{Map, Value, json};

/// A policy: its statements, and what else its document holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Statements {
    document: Map<String, Value>,
    list: Vec<Value>,
}

impl Statements {
    /// An empty policy with this `Id`.
    pub(crate) fn new(id: String) -> Self {
        let mut document = Map::new();
        document.insert("Version".to_owned(), json!("2008-10-17"));
        document.insert("Id".to_owned(), Value::String(id));
        Self {
            document,
            list: Vec::new(),
        }
    }

    /// The policy that the text is; `None` if it is none.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let Ok(Value::Object(mut document)) = serde_json::from_str(text) else {
            return None;
        };
        let list = match document.remove("Statement") {
            Some(Value::Array(list)) => list,
            Some(one) => vec![one],
            None => Vec::new(),
        };
        Some(Self { document, list })
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    /// The statements.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Value> {
        self.list.iter()
    }

    /// Whether one has this label.
    pub(crate) fn has(&self, label: &str) -> bool {
        self.list.iter().any(|s| has_label(s, label))
    }

    /// Takes those of this label away. Whether there were any.
    pub(crate) fn remove(&mut self, label: &str) -> bool {
        let before = self.list.len();
        self.list.retain(|s| !has_label(s, label));
        self.list.len() != before
    }

    /// Adds a statement that allows the accounts to do the actions, which are written in full: `SQS:SendMessage`.
    pub(crate) fn allow(
        &mut self,
        label: &str,
        accounts: &[String],
        actions: Vec<String>,
        resource: &str,
    ) {
        let accounts = accounts
            .iter()
            .filter_map(|id| id.parse::<AccountId>().ok());
        let principals = accounts
            .map(|account| format!("arn:aws:iam::{account}:root"))
            .collect();
        self.list.push(json!({
            "Sid": label,
            "Effect": "Allow",
            "Principal": { "AWS": one_or_many(principals) },
            "Action": one_or_many(actions),
            "Resource": resource,
        }));
    }

    /// The policy's text.
    pub(crate) fn into_text(mut self) -> String {
        self.document
            .insert("Statement".to_owned(), Value::Array(self.list));
        Value::Object(self.document).to_string()
    }
}

fn has_label(statement: &Value, label: &str) -> bool {
    statement.get("Sid").and_then(Value::as_str) == Some(label)
}

/// AWS writes a list of one as its element.
fn one_or_many(mut texts: Vec<String>) -> Value {
    match texts.len() {
        1 => Value::String(texts.remove(0)),
        _ => json!(texts),
    }
}
