//! A mail as it is sent: headers and a text, in ASCII (RFC 5322, 2045, 2047).
//!
//! One part, plain text. What a user chose (subject, names) is encoded, so that it can make no header.

use std::time::SystemTime;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use lettre::Address;

use super::Mail;

/// A line has at most 998 bytes, and some servers want room.
const LINE_BYTES_MAX: usize = 900;
/// The line of a text in base64.
const BASE64_LINE_BYTES: usize = 76;
/// Bytes of one encoded word: in base64, with what stands around it, they are 72 characters of the 75 that it may have.
const WORD_BYTES_MAX: usize = 45;

pub(super) fn message(mail: &Mail, from: &Address, now: SystemTime) -> Vec<u8> {
    let sender = match mail.from_name.as_deref().map(str::trim) {
        None | Some("") => from.to_string(),
        Some(name) => format!("{} <{from}>", phrase(name)),
    };
    let date = httpdate::fmt_http_date(now).replace("GMT", "+0000");
    let id = rand::random::<u128>();
    let (encoding, text) = match is_plain(&mail.text) {
        true => ("7bit", lines(&mail.text)),
        false => ("base64", folded_base64(&mail.text)),
    };
    let headers = [
        format!("From: {sender}"),
        format!("To: {}", mail.to),
        format!("Subject: {}", unstructured(&mail.subject)),
        format!("Date: {date}"),
        format!("Message-ID: <{id:032x}@{}>", from.domain()),
        "MIME-Version: 1.0".to_owned(),
        "Content-Type: text/plain; charset=utf-8".to_owned(),
        format!("Content-Transfer-Encoding: {encoding}"),
    ];
    // The last line's end is part of what ends the mail, which the transport writes.
    format!("{}\r\n\r\n{text}", headers.join("\r\n")).into_bytes()
}

/// A name before an address.
fn phrase(name: &str) -> String {
    if is_printable(name) && name.len() <= LINE_BYTES_MAX / 2 {
        let escaped = name.replace('\\', "\\\\").replace('"', "\\\"");
        return format!("\"{escaped}\"");
    }
    words(name)
}

/// A subject. What looks like an encoded word is encoded itself.
fn unstructured(text: &str) -> String {
    if is_printable(text) && !text.contains("=?") && text.len() <= LINE_BYTES_MAX / 2 {
        return text.to_owned();
    }
    words(text)
}

fn is_printable(text: &str) -> bool {
    text.bytes().all(|b| b == b' ' || b.is_ascii_graphic())
}

/// Encoded words, a line each. No character is cut in two, and control characters are blanks.
fn words(text: &str) -> String {
    let mut words = Vec::new();
    let mut word = String::new();
    for c in text.chars() {
        let c = if c.is_control() { ' ' } else { c };
        if word.len() + c.len_utf8() > WORD_BYTES_MAX {
            words.push(std::mem::take(&mut word));
        }
        word.push(c);
    }
    words.push(word);
    let encoded: Vec<String> = words
        .iter()
        .map(|word| format!("=?utf-8?B?{}?=", BASE64_STANDARD.encode(word)))
        .collect();
    encoded.join("\r\n ")
}

/// Whether a text can be sent as it is.
fn is_plain(text: &str) -> bool {
    let is_line = |line: &str| {
        line.len() <= LINE_BYTES_MAX
            && line
                .bytes()
                .all(|b| matches!(b, b' ' | b'\t') || b.is_ascii_graphic())
    };
    text.lines().all(is_line)
}

/// With the line breaks of mail.
fn lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines.join("\r\n")
}

fn folded_base64(text: &str) -> String {
    let encoded = BASE64_STANDARD.encode(text);
    let mut folded = String::with_capacity(encoded.len() + encoded.len() / 32);
    let mut rest = &*encoded;
    while rest.len() > BASE64_LINE_BYTES {
        let (line, after) = rest.split_at(BASE64_LINE_BYTES);
        folded.push_str(line);
        folded.push_str("\r\n");
        rest = after;
    }
    folded + rest
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn made(from_name: Option<&str>, subject: &str, text: &str) -> (String, String) {
        let mail = Mail {
            to: "ann@example.org".to_owned(),
            from_name: from_name.map(str::to_owned),
            subject: subject.to_owned(),
            text: text.to_owned(),
        };
        let from = "no-reply@example.com".parse().unwrap();
        let now = UNIX_EPOCH + Duration::from_secs(1_764_300_000);
        let message = String::from_utf8(message(&mail, &from, now)).unwrap();
        assert!(message.is_ascii());
        assert!(message.lines().all(|line| line.len() <= 998));
        let (headers, text) = message.split_once("\r\n\r\n").unwrap();
        (headers.to_owned(), text.to_owned())
    }

    /// The value of a header, unfolded.
    fn header(headers: &str, name: &str) -> String {
        let unfolded = headers.replace("\r\n ", "");
        let prefix = format!("{name}: ");
        let mut found = unfolded
            .split("\r\n")
            .filter_map(|line| line.strip_prefix(&prefix));
        let value = found.next().unwrap().to_owned();
        assert_eq!(found.next(), None);
        value
    }

    fn decoded(words: &str) -> String {
        let word = |word: &str| {
            assert!(word.len() <= 75 - 4, "{word}");
            let text = word.strip_prefix("utf-8?B?").unwrap();
            String::from_utf8(BASE64_STANDARD.decode(text).unwrap()).unwrap()
        };
        let words = words.strip_prefix("=?").unwrap();
        let words = words.strip_suffix("?=").unwrap();
        words.split("?==?").map(word).collect()
    }

    #[test]
    fn plain_texts_are_sent_as_they_are() {
        let (headers, text) = made(None, "A subject", "one\ntwo\r\n\tthree\n");
        assert_eq!(text, "one\r\ntwo\r\n\tthree");
        for (name, value) in [
            ("From", "no-reply@example.com"),
            ("To", "ann@example.org"),
            ("Subject", "A subject"),
            ("Date", "Fri, 28 Nov 2025 03:20:00 +0000"),
            ("Content-Transfer-Encoding", "7bit"),
        ] {
            assert_eq!(header(&headers, name), value);
        }
        assert!(header(&headers, "Message-ID").ends_with("@example.com>"));
    }

    #[test]
    fn other_texts_are_encoded_and_come_back() {
        for text in [
            "Grüße\n".repeat(100),
            "x".repeat(2000),
            "bell\u{7}".to_owned(),
        ] {
            let (headers, sent) = made(None, "s", &text);
            assert_eq!(header(&headers, "Content-Transfer-Encoding"), "base64");
            assert!(sent.lines().all(|line| line.len() <= BASE64_LINE_BYTES));
            let back = BASE64_STANDARD.decode(sent.replace("\r\n", "")).unwrap();
            assert_eq!(back, text.as_bytes());
        }
    }

    #[test]
    fn names_and_subjects_make_no_header() {
        let long = "ü€😀".repeat(33);
        for chosen in [&*long, "a\r\nBcc: eve@example.net", "=?utf-8?B?eA==?=ü"] {
            let (headers, _) = made(Some(chosen), chosen, "x");
            let expected = chosen.replace(char::is_control, " ");
            assert_eq!(decoded(&header(&headers, "Subject")), expected);
            let from = header(&headers, "From");
            let name = from.strip_suffix(" <no-reply@example.com>").unwrap();
            assert_eq!(decoded(name), expected);
            let lines = headers.split("\r\n").filter(|line| !line.starts_with(' '));
            assert_eq!(lines.count(), 8);
        }
        let (headers, _) = made(Some("a \"b\" \\ <x@y>, c"), "=?utf-8?B?eA==?=", "x");
        assert_eq!(
            header(&headers, "From"),
            "\"a \\\"b\\\" \\\\ <x@y>, c\" <no-reply@example.com>"
        );
        assert_eq!(decoded(&header(&headers, "Subject")), "=?utf-8?B?eA==?=");
    }
}
