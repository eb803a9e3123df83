//! Separated values. A value in double quotes may hold the separator, and a quote as two. Values without a name are left
//! out, names without a value are null: as Amazon's agent does.

use std::borrow::Cow;

use super::object;

/// The names of the values, and what stands between them.
#[derive(Clone, Debug)]
pub(crate) struct Csv {
    names: Vec<String>,
    delimiter: String,
}

impl Csv {
    /// `delimiter` is not empty.
    pub(crate) fn new(names: Vec<String>, delimiter: &str) -> Self {
        Self {
            names,
            delimiter: delimiter.to_owned(),
        }
    }

    /// A JSON object of texts.
    pub(super) fn to_json(&self, text: &str) -> String {
        let mut rest = Some(text);
        object(self.names.iter().map(|name| {
            let value = rest.map(|text| {
                let (value, after) = self.value(text);
                rest = after;
                value
            });
            (name.as_str(), value)
        }))
    }

    /// The first value, and what follows the separator behind it.
    fn value<'a>(&self, text: &'a str) -> (Cow<'a, str>, Option<&'a str>) {
        if let Some(quoted) = text.strip_prefix('"')
            && let Some(found) = self.quoted(quoted)
        {
            return found;
        }
        match text.split_once(&self.delimiter) {
            Some((value, rest)) => (Cow::Borrowed(value), Some(rest)),
            None => (Cow::Borrowed(text), None),
        }
    }

    /// What stands before the closing quote. `None` if there is none, or something follows it that is no separator.
    fn quoted<'a>(&self, text: &'a str) -> Option<(Cow<'a, str>, Option<&'a str>)> {
        let mut from = 0;
        loop {
            let close = from + text[from..].find('"')?;
            let after = &text[close + 1..];
            if after.starts_with('"') {
                from = close + 2;
                continue;
            }
            let value = Cow::Owned(text[..close].replace("\"\"", "\""));
            return if after.is_empty() {
                Some((value, None))
            } else {
                let rest = after.strip_prefix(&self.delimiter)?;
                Some((value, Some(rest)))
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn json(text: &str, delimiter: &str) -> Value {
        let names = ["a", "b", "c"].map(str::to_owned).to_vec();
        serde_json::from_str(&Csv::new(names, delimiter).to_json(text)).unwrap()
    }

    #[test]
    fn values_get_their_names() {
        for (text, expected) in [
            ("1,2,3,4", json!({"a": "1", "b": "2", "c": "3"})),
            ("1", json!({"a": "1", "b": null, "c": null})),
            ("", json!({"a": "", "b": null, "c": null})),
            ("\"x,\"\"y\",,z", json!({"a": "x,\"y", "b": "", "c": "z"})),
            ("\"x\"y,2,3", json!({"a": "\"x\"y", "b": "2", "c": "3"})),
            ("\"x,2,3", json!({"a": "\"x", "b": "2", "c": "3"})),
        ] {
            assert_eq!(json(text, ","), expected, "{text}");
        }
        assert_eq!(json("1\t2\t3", "\t")["c"], "3");
        assert_eq!(json("1||2||3", "||")["b"], "2");
    }

    proptest! {
        #[test]
        fn what_was_quoted_comes_back(values in prop::collection::vec(".{0,8}", 3)) {
            let quoted = values.iter().map(|value| format!("\"{}\"", value.replace('"', "\"\"")));
            let line = quoted.collect::<Vec<_>>().join(",");
            prop_assert_eq!(json(&line, ","), json!({"a": values[0], "b": values[1], "c": values[2]}));
        }
    }
}
