//! What becomes of a record before it is sent. Pure. A record that a conversion cannot make anything of is sent as it was:
//! to lose it would be worse, and it is counted.

mod csv;
mod log;

use std::borrow::Cow;

pub(crate) use csv::Csv;
pub(crate) use log::{LogFormat, LogPattern};

/// One step.
#[derive(Clone, Debug)]
pub(crate) enum Conversion {
    /// Lines are trimmed and put together.
    SingleLine,
    /// Separated values become a JSON object.
    Csv(Csv),
    /// What an expression finds becomes a JSON object.
    Log(LogPattern),
}

/// A record of another form than the flow says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unfit;

/// All steps, in their order.
pub(crate) fn convert<'a>(steps: &[Conversion], record: &'a [u8]) -> Result<Cow<'a, [u8]>, Unfit> {
    let mut record = Cow::Borrowed(record);
    for step in steps {
        let text = std::str::from_utf8(&record).map_err(|_| Unfit)?;
        let converted = match step {
            Conversion::SingleLine => text.lines().map(str::trim).collect(),
            Conversion::Csv(csv) => csv.to_json(text),
            Conversion::Log(pattern) => pattern.to_json(text).ok_or(Unfit)?,
        };
        record = Cow::Owned(converted.into_bytes());
    }
    Ok(record)
}

/// A JSON object with its members in this order.
fn object<'a>(members: impl Iterator<Item = (&'a str, Option<Cow<'a, str>>)>) -> String {
    let mut text = String::from("{");
    for (name, value) in members {
        if text.len() > 1 {
            text.push(',');
        }
        text.push_str(&serde_json::Value::from(name).to_string());
        text.push(':');
        text.push_str(&serde_json::Value::from(value.map(Cow::into_owned)).to_string());
    }
    text.push('}');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn csv() -> Conversion {
        Conversion::Csv(Csv::new(vec!["a".to_owned(), "b".to_owned()], ","))
    }

    #[test]
    fn steps_follow_each_other() {
        let steps = [Conversion::SingleLine, csv()];
        let record = convert(&steps, b"  1,\n  2  \n").unwrap();
        assert_eq!(record, &br#"{"a":"1","b":"2"}"#[..]);
    }

    #[test]
    fn no_step_changes_nothing() {
        assert_eq!(convert(&[], b"\xff\n").unwrap(), &b"\xff\n"[..]);
        assert_eq!(convert(&[csv()], b"\xff"), Err(Unfit));
    }
}
