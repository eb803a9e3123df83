//! What is wrong with a text, and where, in Jackson's words.

/// Characters of the text that an error quotes, as Jackson does.
const QUOTED_CHARS: usize = 500;

/// A text that is not JSON.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct JsonError {
    message: String,
    /// Byte of the text behind what is wrong.
    at: usize,
}

impl JsonError {
    pub(super) fn new(message: String, at: usize) -> Self {
        Self { message, at }
    }

    /// As the caller is told it: what is wrong, then where in the text.
    pub(crate) fn described(&self, text: &str) -> String {
        format!("{}\n at {}", self.message, located(text, self.at))
    }
}

/// `[Source: (String)"..."; line: 1, column: 10]`: lines and columns count from 1, columns in UTF-16 units as Java does.
pub(crate) fn located(text: &str, at: usize) -> String {
    let mut line = 1;
    let mut column = 1;
    let mut after_return = false;
    for (place, found) in text.char_indices() {
        if place >= at {
            break;
        }
        match found {
            '\n' if after_return => {}
            '\n' | '\r' => {
                line += 1;
                column = 1;
            }
            _ => column += found.len_utf16(),
        }
        after_return = found == '\r';
    }
    let length = text.chars().count();
    let mut quoted: String = text.chars().take(QUOTED_CHARS).collect();
    quoted.insert(0, '"');
    quoted.push('"');
    if length > QUOTED_CHARS {
        quoted.push_str(&format!("[truncated {} chars]", length - QUOTED_CHARS));
    }
    format!("[Source: (String){quoted}; line: {line}, column: {column}]")
}
