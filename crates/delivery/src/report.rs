//! What became of one attempt: what every sender answers, and the worker acts upon.

use std::borrow::Cow;
use std::fmt;

use crate::limits::DETAIL_BYTES_MAX;

/// What is to be done with the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Nothing: the endpoint has it.
    Delivered,
    /// Try again, by the policy: the endpoint, or the way to it, may get well.
    Retry,
    /// Give it up at once: it would be refused again.
    Never,
    /// Try again without counting: there was no attempt.
    NotTried,
}

/// What is to be done with the endpoint of a platform.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Fate {
    /// Nothing.
    #[default]
    Keep,
    /// Set its `Enabled` to false: the app is gone from the phone.
    Disable,
    /// Set its `Token` to this one.
    Replace(String),
}

/// What became of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Of the message.
    pub verdict: Verdict,
    /// Of the platform's endpoint.
    pub fate: Fate,
    /// The status that was answered, HTTP's or SMTP's.
    pub status: Option<u16>,
    /// What was answered, or why there was no answer; at most [`DETAIL_BYTES_MAX`] bytes, without names and passwords in URLs.
    pub detail: String,
}

impl Report {
    /// The endpoint has it.
    pub fn delivered(status: Option<u16>, detail: impl fmt::Display) -> Self {
        Self::new(Verdict::Delivered, status, detail)
    }

    /// It may go better another time.
    pub fn retry(status: Option<u16>, detail: impl fmt::Display) -> Self {
        Self::new(Verdict::Retry, status, detail)
    }

    /// It will not.
    pub fn never(status: Option<u16>, detail: impl fmt::Display) -> Self {
        Self::new(Verdict::Never, status, detail)
    }

    /// There was no attempt.
    pub fn not_tried(detail: impl fmt::Display) -> Self {
        Self::new(Verdict::NotTried, None, detail)
    }

    /// The same, and what is to be done with the platform's endpoint.
    #[must_use]
    pub fn with_fate(mut self, fate: Fate) -> Self {
        self.fate = fate;
        self
    }

    pub(crate) fn new(verdict: Verdict, status: Option<u16>, detail: impl fmt::Display) -> Self {
        Self {
            verdict,
            fate: Fate::Keep,
            status,
            detail: clipped(&without_passwords(&detail.to_string())),
        }
    }
}

/// A text in which URLs have lost the name and the password that they may have: it is shown and written to logs.
fn without_passwords(text: &str) -> Cow<'_, str> {
    const SCHEME_END: &str = "://";
    let mut kept = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(SCHEME_END) {
        let (before, authority) = rest.split_at(at + SCHEME_END.len());
        let end = authority
            .find(|c: char| "/?#\"'<>\\".contains(c) || c.is_whitespace())
            .unwrap_or(authority.len());
        let from = authority[..end].rfind('@').map_or(0, |at| at + 1);
        kept.push_str(before);
        rest = &authority[from..];
    }
    if kept.is_empty() {
        return Cow::Borrowed(text);
    }
    kept.push_str(rest);
    Cow::Owned(kept)
}

/// The beginning of a text, and no characters that a log or a terminal would act upon.
fn clipped(text: &str) -> String {
    let mut kept = String::new();
    for c in text.chars() {
        let c = if c.is_control() { ' ' } else { c };
        if kept.len() + c.len_utf8() > DETAIL_BYTES_MAX {
            break;
        }
        kept.push(c);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_passwords_of_urls_are_left_out() {
        for (text, shown) in [
            ("no URL @ all", "no URL @ all"),
            ("to http://a:b@c/d@e: no", "to http://c/d@e: no"),
            ("http://x, https://u:p@[::1]:8", "http://x, https://[::1]:8"),
            ("\"smtp://u:p@h\" 'a://b@c@d'", "\"smtp://h\" 'a://d'"),
            ("a://://u@", "a://://"),
            ("ü://é:ß@ö", "ü://ö"),
        ] {
            assert_eq!(Report::never(None, text).detail, shown);
        }
        let long = format!("http://{}:secret@host/", "u".repeat(DETAIL_BYTES_MAX));
        assert_eq!(Report::never(None, long).detail, "http://host/");
    }

    #[test]
    fn details_are_short_and_tame() {
        let report = Report::retry(Some(500), "line\nbell\u{7}".to_owned() + &"ü".repeat(1000));
        assert!(report.detail.starts_with("line bell ü"));
        assert!((DETAIL_BYTES_MAX - 1..=DETAIL_BYTES_MAX).contains(&report.detail.len()));
    }
}
