//! What the tests of filters share: messages, and an evaluation that knows nothing of the crate's.

pub(crate) mod generated;
pub(crate) mod plain;

use levada_policy::filter::{FilterAttribute, FilterPolicy, FilterScope};

/// An attribute that a test owns.
#[derive(Clone, Debug)]
pub(crate) struct Attribute {
    pub(crate) name: String,
    pub(crate) data_type: String,
    pub(crate) value: String,
}

/// As the crate takes them.
pub(crate) fn borrowed(attributes: &[Attribute]) -> Vec<FilterAttribute<'_>> {
    attributes
        .iter()
        .map(|attribute| FilterAttribute {
            name: &attribute.name,
            data_type: &attribute.data_type,
            value: &attribute.value,
        })
        .collect()
}

/// Attributes as the developer guide writes them: `{"store": {"Type": "String", "Value": "x"}}`.
///
/// # Panics
/// If the text is not that.
pub(crate) fn attributes(text: &str) -> Vec<Attribute> {
    let parsed: serde_json::Value = serde_json::from_str(text).expect(text);
    let object = parsed.as_object().expect(text);
    object
        .iter()
        .map(|(name, attribute)| Attribute {
            name: name.clone(),
            data_type: attribute["Type"].as_str().expect(text).to_owned(),
            // The guide writes numbers with quotes or without.
            value: match &attribute["Value"] {
                serde_json::Value::String(value) => value.clone(),
                other => other.to_string(),
            },
        })
        .collect()
}

/// Whether a policy lets a message pass, both as they are written.
///
/// # Panics
/// If one of them is not what it should be.
pub(crate) fn passes(policy: &str, scope: FilterScope, message: &str) -> bool {
    let parsed =
        FilterPolicy::parse(policy, scope).unwrap_or_else(|error| panic!("{policy}: {error}"));
    match scope {
        FilterScope::MessageAttributes => {
            let attributes = attributes(message);
            parsed.matches_attributes(&borrowed(&attributes))
        }
        FilterScope::MessageBody => parsed.matches_body(message),
    }
}
