//! A writer of the XML that the Query protocol answers with. Never reads XML.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

/// Writes elements into a buffer. Names are ours; text is escaped.
#[derive(Debug)]
pub struct XmlWriter<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> XmlWriter<'a> {
    /// Writes at the end of `out`.
    pub fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out }
    }

    /// `<?xml version="1.0"?>`
    pub fn declaration(&mut self) {
        self.out.extend_from_slice(b"<?xml version=\"1.0\"?>");
    }

    /// A start tag with a default namespace.
    pub fn open_with_namespace(&mut self, name: &str, xmlns: &str) {
        self.out.push(b'<');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b" xmlns=\"");
        self.out.extend_from_slice(xmlns.as_bytes());
        self.out.extend_from_slice(b"\">");
    }

    /// A start tag.
    pub fn open(&mut self, name: &str) {
        self.out.push(b'<');
        self.out.extend_from_slice(name.as_bytes());
        self.out.push(b'>');
    }

    /// An end tag; an element without content becomes `<Name/>`, as AWS writes it.
    pub fn close(&mut self, name: &str) {
        if self.is_just_opened(name) {
            self.out.pop();
            self.out.extend_from_slice(b"/>");
            return;
        }
        self.out.extend_from_slice(b"</");
        self.out.extend_from_slice(name.as_bytes());
        self.out.push(b'>');
    }

    /// Whether the last thing that was written is the element's start tag. Text cannot look like one:
    /// its `<` is escaped.
    fn is_just_opened(&self, name: &str) -> bool {
        self.out
            .strip_suffix(b">")
            .and_then(|out| out.strip_suffix(name.as_bytes()))
            .is_some_and(|out| out.ends_with(b"<"))
    }

    /// An element that holds only text.
    pub fn text_element(&mut self, name: &str, text: &str) {
        self.open(name);
        self.escape(text);
        self.close(name);
    }

    /// [`Self::text_element`] if there is a text.
    pub fn optional_element(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.text_element(name, text);
        }
    }

    /// An element that holds a value whose text needs no escaping: a number, a boolean, a digest.
    pub fn plain_element(&mut self, name: &str, value: impl std::fmt::Display) {
        use std::io::Write as _;
        self.open(name);
        // Writing to a Vec does not fail.
        let _ = write!(self.out, "{value}");
        self.close(name);
    }

    /// An element that holds bytes in base64.
    pub fn base64_element(&mut self, name: &str, value: &[u8]) {
        self.open(name);
        self.out
            .extend_from_slice(BASE64_STANDARD.encode(value).as_bytes());
        self.close(name);
    }

    /// Text with the characters escaped that XML reserves, and those that a parser would change: a
    /// carriage return would come back as a line feed.
    fn escape(&mut self, text: &str) {
        let mut rest = text.as_bytes();
        while let Some(at) = rest
            .iter()
            .position(|b| matches!(b, b'<' | b'>' | b'&' | b'"' | 0..=31))
        {
            self.out.extend_from_slice(&rest[..at]);
            match rest[at] {
                b'<' => self.out.extend_from_slice(b"&lt;"),
                b'>' => self.out.extend_from_slice(b"&gt;"),
                b'&' => self.out.extend_from_slice(b"&amp;"),
                b'"' => self.out.extend_from_slice(b"&quot;"),
                b'\r' => self.out.extend_from_slice(b"&#xD;"),
                whitespace @ (b'\t' | b'\n') => self.out.push(whitespace),
                // Not characters of XML at all, not even escaped. Messages never hold them; an error
                // that quotes what a client sent may.
                _ => self.out.extend_from_slice("\u{FFFD}".as_bytes()),
            }
            rest = &rest[at + 1..];
        }
        self.out.extend_from_slice(rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(text: &str) -> String {
        let mut out = Vec::new();
        XmlWriter::new(&mut out).text_element("A", text);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn text_is_escaped() {
        for (text, expected) in [
            ("", "<A/>"),
            ("plain é 🦀", "<A>plain é 🦀</A>"),
            (
                "<a href=\"x\">&amp;</a>",
                "<A>&lt;a href=&quot;x&quot;&gt;&amp;amp;&lt;/a&gt;</A>",
            ),
            ("a\tb\nc\r\nd", "<A>a\tb\nc&#xD;\nd</A>"),
            ("]]>\u{0}\u{1f}", "<A>]]&gt;\u{FFFD}\u{FFFD}</A>"),
        ] {
            assert_eq!(element(text), expected);
        }
    }
}
