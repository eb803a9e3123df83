//! Figures and texts for people.

use std::fmt::Write as _;

/// Milliseconds for people.
pub(crate) fn in_words(ms: u64) -> String {
    match ms {
        0 => "0".to_owned(),
        1..=9_999 => format!("{ms} ms"),
        10_000..=599_999 => format!("{} s", ms / 1_000),
        600_000..=35_999_999 => format!("{} min", ms / 60_000),
        _ => format!("{} h", ms / 3_600_000),
    }
}

/// Bytes for people.
pub(crate) fn bytes_in_words(bytes: u64) -> String {
    const KIB: u64 = 1024;
    match bytes {
        0..=9_999 => format!("{bytes} B"),
        10_000..=10_239_999 => format!("{} KiB", bytes / KIB),
        10_240_000..=10_485_759_999 => format!("{} MiB", bytes / KIB / KIB),
        _ => format!("{} GiB", bytes / KIB / KIB / KIB),
    }
}

/// A text that somebody else has written, which must not move the cursor or change the colours: line breaks and tabs
/// stay, other control characters are written out. Of a long one only the beginning is shown.
pub(crate) fn printable(text: &str, chars_max: usize) -> String {
    let mut out = String::with_capacity(text.len().min(4 * chars_max));
    let mut chars = text.chars();
    for c in chars.by_ref().take(chars_max) {
        let is_kept = matches!(c, '\n' | '\t') || !(c.is_control() || reorders(c));
        if is_kept {
            out.push(c);
        } else {
            out.extend(c.escape_unicode());
        }
    }
    let left = chars.as_str().len();
    if left > 0 {
        // Writing to a String does not fail.
        let _ = write!(out, "\n... and {left} bytes more, which --json shows");
    }
    out
}

/// What makes a terminal show the characters of a line in another order.
fn reorders(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The same in one line.
pub(crate) fn one_line(text: &str, chars_max: usize) -> String {
    printable(text, chars_max).replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_what_people_use() {
        let told: Vec<String> = [0, 999, 59_000, 3_600_000, 90_000_000]
            .map(in_words)
            .to_vec();
        assert_eq!(told, ["0", "999 ms", "59 s", "60 min", "25 h"]);
    }

    #[test]
    fn sizes_are_told_in_what_people_use() {
        let told: Vec<String> = [0, 9_999, 10_240, 52_428_800, 1 << 40]
            .map(bytes_in_words)
            .to_vec();
        assert_eq!(told, ["0 B", "9999 B", "10 KiB", "50 MiB", "1024 GiB"]);
    }

    #[test]
    fn a_strangers_text_does_not_move_the_cursor() {
        let shown = printable("a\tb\n\u{1b}[2J\r\u{202e}grüezi", 100);
        assert_eq!(shown, "a\tb\n\\u{1b}[2J\\u{d}\\u{202e}grüezi");
        let shown = printable("äöü", 2);
        assert_eq!(shown, "äö\n... and 2 bytes more, which --json shows");
        assert_eq!(one_line("a\nb", 9), "a\\nb");
    }
}
