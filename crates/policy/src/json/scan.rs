//! Strings, numbers and words of JSON, and what is wrong with them.

use std::borrow::Cow;

use super::error::{JsonError, located};
use super::{Open, Reader, Token};

/// What Jackson says may stand where a value is expected.
const VALUES: &str = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')";

impl<'a> Reader<'a> {
    pub(super) fn peek(&self) -> Option<char> {
        self.text.get(self.at..)?.chars().next()
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    pub(super) fn skip_blanks(&mut self) {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.byte() {
            self.at += 1;
        }
    }

    /// A string whose opening quote is next.
    pub(super) fn string(&mut self) -> Result<Cow<'a, str>, JsonError> {
        let start = self.at + 1;
        self.at = start;
        let mut unescaped: Option<String> = None;
        // From where on nothing was copied yet.
        let mut copied = start;
        loop {
            let Some(byte) = self.byte() else {
                return Err(self.at_end("Unexpected end-of-input in a string value"));
            };
            match byte {
                b'"' => {
                    let rest = self.slice(copied, self.at);
                    self.at += 1;
                    return Ok(match unescaped {
                        None => Cow::Borrowed(rest),
                        Some(mut text) => {
                            text.push_str(rest);
                            Cow::Owned(text)
                        }
                    });
                }
                b'\\' => {
                    let text = unescaped.get_or_insert_default();
                    text.push_str(self.text.get(copied..self.at).unwrap_or_default());
                    self.at += 1;
                    let escaped = self.escaped()?;
                    if let Some(text) = unescaped.as_mut() {
                        text.push(escaped);
                    }
                    copied = self.at;
                }
                0..0x20 => {
                    let message = format!(
                        "Illegal unquoted character ((CTRL-CHAR, code {byte})): has to be escaped using backslash to be \
                         included in string value"
                    );
                    return Err(JsonError::new(message, self.at + 1));
                }
                _ => self.at += 1,
            }
        }
    }

    fn slice(&self, from: usize, to: usize) -> &'a str {
        self.text.get(from..to).unwrap_or_default()
    }

    /// The character that an escape stands for; its backslash is read.
    fn escaped(&mut self) -> Result<char, JsonError> {
        let Some(found) = self.peek() else {
            return Err(self.at_end("Unexpected end-of-input in character escape sequence"));
        };
        self.at += found.len_utf8();
        Ok(match found {
            '"' | '\\' | '/' => found,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => self.unicode()?,
            _ => {
                let message = format!("Unrecognized character escape {}", named(found));
                return Err(JsonError::new(message, self.at));
            }
        })
    }

    /// Four hexadecimal digits, or eight with an escape between them. Half a pair becomes the character for what is none.
    fn unicode(&mut self) -> Result<char, JsonError> {
        let first = self.hexadecimal()?;
        if !(0xd800..0xdc00).contains(&first) {
            return Ok(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        if !self.text[self.at..].starts_with("\\u") {
            return Ok(char::REPLACEMENT_CHARACTER);
        }
        let before = self.at;
        self.at += 2;
        let second = self.hexadecimal()?;
        if !(0xdc00..0xe000).contains(&second) {
            self.at = before;
            return Ok(char::REPLACEMENT_CHARACTER);
        }
        let code = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn hexadecimal(&mut self) -> Result<u32, JsonError> {
        let mut code = 0;
        for _ in 0..4 {
            let Some(found) = self.peek() else {
                return Err(self.at_end("Unexpected end-of-input in character escape sequence"));
            };
            let Some(digit) = found.to_digit(16) else {
                let wanted = "expected a hex-digit for character escape sequence";
                return Err(self.unexpected(found, wanted));
            };
            self.at += 1;
            code = code * 16 + digit;
        }
        Ok(code)
    }

    pub(super) fn number(&mut self) -> Result<&'a str, JsonError> {
        let start = self.at;
        if self.byte() == Some(b'-') {
            self.at += 1;
        }
        let whole = self.at;
        self.digits()?;
        if self.at - whole > 1 && self.text.as_bytes().get(whole) == Some(&b'0') {
            let message = "Invalid numeric value: Leading zeroes not allowed";
            return Err(JsonError::new(message.to_owned(), whole + 1));
        }
        if self.byte() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.byte() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.byte() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(self.slice(start, self.at))
    }

    /// One digit or more.
    fn digits(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.byte() {
            self.at += 1;
        }
        if self.at > start {
            return Ok(());
        }
        match self.peek() {
            Some(found) => Err(self.unexpected(found, "expected digit (0-9) in a numeric value")),
            None => Err(self.at_end("Unexpected end-of-input in a numeric value")),
        }
    }

    pub(super) fn literal(&mut self, word: &str, token: Token<'a>) -> Result<Token<'a>, JsonError> {
        let rest = &self.text[self.at..];
        let length = rest
            .find(|found: char| !found.is_alphanumeric() && found != '_')
            .unwrap_or(rest.len());
        if &rest[..length] == word {
            self.at += length;
            return Ok(token);
        }
        let message = format!(
            "Unrecognized token '{}': was expecting {VALUES}",
            &rest[..length]
        );
        Err(JsonError::new(message, self.at + length))
    }

    pub(super) fn no_value(&mut self, found: char) -> JsonError {
        if found.is_alphabetic() {
            return match self.literal("", Token::Null) {
                Err(error) => error,
                Ok(_) => self.unexpected(found, "expected a value"),
            };
        }
        self.unexpected(found, &format!("expected a valid value {VALUES}"))
    }

    pub(super) fn unexpected(&self, found: char, wanted: &str) -> JsonError {
        let message = format!("Unexpected character ({}): {wanted}", named(found));
        JsonError::new(message, self.at + found.len_utf8())
    }

    pub(super) fn at_end(&self, message: &str) -> JsonError {
        JsonError::new(message.to_owned(), self.text.len())
    }

    pub(super) fn unclosed(&self, open: Open) -> JsonError {
        let kind = if open.object { "Object" } else { "Array" };
        let start = located(self.text, open.start);
        JsonError::new(
            format!(
                "Unexpected end-of-input: expected close marker for {kind} (start marker at {start})"
            ),
            self.text.len(),
        )
    }

    pub(super) fn mismatched(&self, open: Open, found: char, wanted: char) -> JsonError {
        let kind = if open.object { "Object" } else { "Array" };
        let start = located(self.text, open.start);
        JsonError::new(
            format!(
                "Unexpected close marker '{found}': expected '{wanted}' (for {kind} starting at {start})"
            ),
            self.at + 1,
        )
    }
}

/// A character as Jackson names it.
fn named(found: char) -> String {
    let code = u32::from(found);
    if found.is_control() {
        format!("(CTRL-CHAR, code {code})")
    } else {
        format!("'{found}' (code {code})")
    }
}
