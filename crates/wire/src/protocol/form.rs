//! The Query protocol's form: dotted keys such as `Attribute.1.Name` as a tree.
//!
//! Keys come from the URL's query and from a POST's body; the first of two equal keys wins. Lists are
//! flattened: `Name.1`, `Name.2`, in the order of their numbers, gaps allowed. A list of one may go
//! without a number, as the oldest clients write it: `Attribute.Name=...`, `AttributeName=All`.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use bytes::Bytes;

use crate::error::AwsError;
use crate::protocol::json::{NOT_BASE64, from_base64};

/// Pairs in one form: a batch of 10 with 10 attributes each and 4 keys an attribute is 460.
pub const FORM_PAIRS_MAX: usize = 4_096;
/// Nodes of the tree: what a form of a few bytes a key can take in memory. The batch above is 563.
const FORM_NODES_MAX: usize = 4_096;
/// Dots in one key: `SendMessageBatchRequestEntry.1.MessageAttribute.1.Value.BinaryListValue.1` has 6.
const FORM_DEPTH_MAX: usize = 10;

/// A form, or the part of it below one key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Form {
    value: Option<String>,
    children: BTreeMap<String, Form>,
}

impl Form {
    /// Reads a URL's query and a body, both `application/x-www-form-urlencoded`.
    pub fn parse(query: &[u8], body: &[u8]) -> Result<Self, AwsError> {
        let mut root = Self::default();
        let mut nodes = 0;
        let pairs = form_urlencoded::parse(body).chain(form_urlencoded::parse(query));
        for (n, (key, value)) in pairs.enumerate() {
            if n == FORM_PAIRS_MAX {
                return Err(too_many());
            }
            let mut node = &mut root;
            for (depth, segment) in key.split('.').enumerate() {
                if depth > FORM_DEPTH_MAX {
                    let message = "A parameter of the request is nested too deeply.";
                    return Err(AwsError::serialization(message));
                }
                node = match node.children.entry(segment.to_owned()) {
                    Entry::Occupied(child) => child.into_mut(),
                    Entry::Vacant(place) => {
                        nodes += 1;
                        if nodes > FORM_NODES_MAX {
                            return Err(too_many());
                        }
                        place.insert(Self::default())
                    }
                };
            }
            node.value.get_or_insert_with(|| value.into_owned());
        }
        Ok(root)
    }

    /// Whether nothing was asked.
    pub fn is_empty(&self) -> bool {
        self.value.is_none() && self.children.is_empty()
    }

    /// The text at `key`, which holds no dot.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.children.get(key)?.value.as_deref()
    }

    /// Sets the text at `key` unless the request did.
    pub fn set_default(&mut self, key: &str, value: &str) {
        self.children
            .entry(key.to_owned())
            .or_default()
            .value
            .get_or_insert_with(|| value.to_owned());
    }

    /// The text at `key`, empty if there is none.
    pub fn text(&self, key: &str) -> String {
        self.get(key).unwrap_or("").to_owned()
    }

    /// The text at `key`.
    pub fn opt_text(&self, key: &str) -> Option<String> {
        self.get(key).map(str::to_owned)
    }

    /// The integer at `key`. An empty value counts as none.
    pub fn opt_int(&self, key: &str) -> Result<Option<i64>, AwsError> {
        match self.get(key) {
            None | Some("") => Ok(None),
            Some(text) => match text.parse() {
                Ok(n) => Ok(Some(n)),
                Err(_) => Err(AwsError::serialization(
                    "STRING_VALUE can not be converted to an Integer",
                )),
            },
        }
    }

    /// The bytes at `key`, in base64.
    pub fn opt_blob(&self, key: &str) -> Result<Option<Bytes>, AwsError> {
        let Some(text) = self.get(key) else {
            return Ok(None);
        };
        from_base64(text)
            .map(Some)
            .ok_or_else(|| AwsError::serialization(NOT_BASE64))
    }

    /// The part of the form below `key`.
    pub fn below(&self, key: &str) -> Option<&Form> {
        self.children.get(key)
    }

    /// The elements of the list or map at `key`, by number. The unflattened `key.member.1` and `key.entry.1`
    /// are read as well.
    pub fn list(&self, key: &str) -> Vec<&Form> {
        let Some(mut list) = self.children.get(key) else {
            return Vec::new();
        };
        let wrapped = |name: &str| list.children.get(name);
        if let Some(inner) = wrapped("member").or_else(|| wrapped("entry")) {
            list = inner;
        }
        let mut elements: Vec<(u32, &Form)> = list
            .children
            .iter()
            .filter_map(|(n, form)| Some((n.parse().ok()?, form)))
            .collect();
        elements.sort_by_key(|(n, _)| *n);
        if elements.is_empty() {
            return vec![list];
        }
        elements.into_iter().map(|(_, form)| form).collect()
    }

    /// Whether something stands at `key` that is not an empty list, which is written as an empty text.
    pub fn has(&self, key: &str) -> bool {
        self.children
            .get(key)
            .is_some_and(|form| !form.children.is_empty() || form.value.as_deref() != Some(""))
    }

    /// The texts of the list at `key`.
    pub fn texts(&self, key: &str) -> Vec<String> {
        self.list(key)
            .into_iter()
            .filter_map(|form| form.value.clone())
            .collect()
    }

    /// The map at `key`, written as `key.1.Name` and `key.1.Value`, or under other member names.
    pub fn text_map(&self, key: &str, name: &str, value: &str) -> BTreeMap<String, String> {
        self.list(key)
            .into_iter()
            .filter_map(|entry| Some((entry.opt_text(name)?, entry.text(value))))
            .collect()
    }
}

fn too_many() -> AwsError {
    AwsError::serialization("The request has too many parameters.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_keep_the_order_of_their_numbers() {
        let form = Form::parse(
            b"",
            b"A.10=ten&A.2=two&A.1=one&A.x=none&B.member.1=b&M.entry.1.key=k&M.entry.1.value=v",
        )
        .unwrap();
        assert_eq!(form.texts("A"), ["one", "two", "ten"]);
        assert_eq!(form.texts("B"), ["b"]);
        assert_eq!(form.text_map("M", "key", "value")["k"], "v");
        assert!(form.texts("C").is_empty());
    }

    #[test]
    fn a_list_of_one_may_go_without_a_number() {
        let form = Form::parse(b"", b"A=all&B.Name=n&B.Value=v").unwrap();
        assert_eq!(form.texts("A"), ["all"]);
        assert_eq!(form.text_map("B", "Name", "Value")["n"], "v");
    }

    #[test]
    fn the_body_goes_before_the_query() {
        let form = Form::parse(b"Action=FromQuery&Only=query", b"Action=From+Body%21").unwrap();
        assert_eq!(form.get("Action"), Some("From Body!"));
        assert_eq!(form.get("Only"), Some("query"));
    }

    #[test]
    fn a_form_is_bounded() {
        assert!(Form::parse(b"", "a=1&".repeat(FORM_PAIRS_MAX).as_bytes()).is_ok());
        assert!(Form::parse(b"", "a=1&".repeat(FORM_PAIRS_MAX + 1).as_bytes()).is_err());
        assert!(
            Form::parse(
                b"",
                format!("a{}=1", ".a".repeat(FORM_DEPTH_MAX)).as_bytes()
            )
            .is_ok()
        );
        assert!(
            Form::parse(
                b"",
                format!("a{}=1", ".a".repeat(FORM_DEPTH_MAX + 1)).as_bytes()
            )
            .is_err()
        );
        let distinct: String = (0..FORM_NODES_MAX).map(|i| format!("a{i}&")).collect();
        assert!(Form::parse(b"", distinct.as_bytes()).is_ok());
        let deep: String = (0..FORM_NODES_MAX / 2)
            .map(|i| format!("a{i}.b&"))
            .collect();
        assert!(Form::parse(b"", deep.as_bytes()).is_ok());
        assert!(Form::parse(b"", format!("{deep}c").as_bytes()).is_err());
    }
}
