//! Lines of well-known logs, or of those that an expression describes. The names of the fields are those that Amazon's
//! agent gives them; the expressions are our own, and take what servers of today write.

use std::borrow::Cow;

use regex::Regex;

use super::object;

/// The timestamp of RFC 3164, or the one that newer syslog daemons write to files.
const SYSLOG_TIME: &str = r"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S*";
/// What stands in quotes, in which a quote has a backslash.
const QUOTED: &str = r#"(?:[^"\\]|\\.)*"#;

/// A format with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFormat {
    ApacheCommon,
    ApacheCombined,
    ApacheError,
    Syslog,
}

impl LogFormat {
    fn expression(self) -> String {
        let common = format!(
            r#"(?<host>\S+) (?<ident>\S+) (?<authuser>\S+) \[(?<datetime>[^\]]+)\] "(?<request>{QUOTED})" (?<response>\d{{3}}|-) (?<bytes>\d+|-)"#
        );
        match self {
            Self::ApacheCommon => common,
            Self::ApacheCombined => {
                format!(r#"{common} "(?<referrer>{QUOTED})" "(?<agent>{QUOTED})""#)
            }
            Self::ApacheError => r"\[(?<timestamp>[^\]]+)\] \[(?:(?<module>[^:\]]*):)?(?<severity>[^\]]+)\] \[pid (?<processid>\d+)(?::tid (?<threadid>\d+))?\](?: \[client (?<client>[^\]]+)\])? (?<message>.*)"
                .to_owned(),
            Self::Syslog => format!(
                r"(?:<\d{{1,3}}>)?(?<timestamp>{SYSLOG_TIME}) (?<hostname>\S+) (?<program>[^\s\[:]+)(?:\[(?<processid>\d+)\])?: ?(?<message>.*)"
            ),
        }
    }
}

/// An expression for a whole record, and the names of its groups.
#[derive(Clone, Debug)]
pub(crate) struct LogPattern {
    expression: Regex,
    /// In the order of the groups; a group without a name is left out.
    names: Vec<Option<String>>,
}

impl LogPattern {
    /// A known format, perhaps with other names for its fields.
    pub(crate) fn of(format: LogFormat, names: Option<Vec<String>>) -> Result<Self, String> {
        Self::new(&format.expression(), names)
    }

    /// An expression whose groups have names, or are given some.
    pub(crate) fn new(expression: &str, names: Option<Vec<String>>) -> Result<Self, String> {
        let whole = format!(r"(?s)\A(?:{expression})\z");
        let compiled = Regex::new(&whole)
            .map_err(|e| format!("{expression:?} is not a regular expression: {e}"))?;
        let groups = compiled.captures_len() - 1;
        let names = match names {
            Some(names) if names.len() != groups => {
                return Err(format!(
                    "{} names for the {groups} groups of {expression:?}",
                    names.len()
                ));
            }
            Some(names) => names.into_iter().map(Some).collect(),
            None => {
                let names = compiled.capture_names().skip(1);
                names
                    .map(|name| name.map(str::to_owned))
                    .collect::<Vec<_>>()
            }
        };
        if names.iter().all(Option::is_none) {
            return Err(format!(
                "no group of {expression:?} has a name; write (?<name>...), or give names"
            ));
        }
        Ok(Self {
            expression: compiled,
            names,
        })
    }

    /// A JSON object of texts, or nulls where a group took no part.
    pub(super) fn to_json(&self, text: &str) -> Option<String> {
        let captures = self.expression.captures(text)?;
        let named = self.names.iter().enumerate();
        Some(object(named.filter_map(|(index, name)| {
            let value = captures.get(index + 1);
            Some((name.as_deref()?, value.map(|m| Cow::Borrowed(m.as_str()))))
        })))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn parsed(format: LogFormat, text: &str) -> Value {
        let pattern = LogPattern::of(format, None).unwrap();
        pattern
            .to_json(text)
            .map_or(Value::Null, |text| serde_json::from_str(&text).unwrap())
    }

    #[test]
    fn apache_access_logs() {
        let line =
            r#"127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /a?q=\"x\" HTTP/1.0" 200 2326"#;
        let common = parsed(LogFormat::ApacheCommon, line);
        assert_eq!(
            common,
            json!({"host": "127.0.0.1", "ident": "-", "authuser": "frank", "datetime": "10/Oct/2000:13:55:36 -0700",
                   "request": r#"GET /a?q=\"x\" HTTP/1.0"#, "response": "200", "bytes": "2326"})
        );
        let combined = format!(r#"{line} "http://a/" "Mozilla/5.0 (X11)""#);
        assert_eq!(
            parsed(LogFormat::ApacheCombined, &combined)["agent"],
            "Mozilla/5.0 (X11)"
        );
        assert_eq!(parsed(LogFormat::ApacheCommon, &combined), Value::Null);
    }

    #[test]
    fn apache_error_logs() {
        let line = "[Fri Sep 09 10:42:29.902022 2011] [core:error] [pid 35708:tid 4328636416] [client 72.15.99.187] \
                    File does not exist: /usr/local";
        let error = parsed(LogFormat::ApacheError, line);
        assert_eq!(
            (&error["module"], &error["severity"], &error["threadid"]),
            (&json!("core"), &json!("error"), &json!("4328636416"))
        );
        let line = "[Mon Jan 01 00:00:00 2026] [mpm_event:notice] [pid 1:tid 2] ready";
        let notice = parsed(LogFormat::ApacheError, line);
        assert_eq!(
            (&notice["client"], &notice["message"]),
            (&Value::Null, &json!("ready"))
        );
    }

    #[test]
    fn syslog_with_old_and_new_times() {
        for time in ["Feb  5 17:32:18", "2026-02-05T17:32:18.123456+01:00"] {
            let line = format!("{time} host sshd[812]: Accepted: key");
            assert_eq!(
                parsed(LogFormat::Syslog, &line),
                json!({"timestamp": time, "hostname": "host", "program": "sshd", "processid": "812", "message": "Accepted: key"})
            );
        }
        let line = "Feb  5 17:32:18 host kernel: up";
        assert_eq!(parsed(LogFormat::Syslog, line)["processid"], Value::Null);
    }

    #[test]
    fn an_expression_of_ones_own() {
        let pattern = LogPattern::new(r"(\w+)=(\w+)", Some(vec!["k".into(), "v".into()])).unwrap();
        assert_eq!(pattern.to_json("a=b").unwrap(), r#"{"k":"a","v":"b"}"#);
        assert_eq!(pattern.to_json("a=b c"), None);
        let named = LogPattern::new(r"(?<v>.*?)( x)?", None).unwrap();
        assert_eq!(
            named.to_json("two\nlines").unwrap(),
            "{\"v\":\"two\\nlines\"}"
        );
        for (expression, names, why) in [
            ("(", None, "not a regular expression"),
            ("(a)", None, "no group"),
            (
                "(a)(b)",
                Some(vec!["a".to_owned()]),
                "1 names for the 2 groups",
            ),
        ] {
            let error = LogPattern::new(expression, names).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}
