//! A text without blanks between its tokens.
//!
//! AWS compiles the policy that it has read and written again, so the columns of its errors are those of this form.

use super::{JsonError, Reader, Token};

/// The same JSON without blanks, or what is wrong with it.
pub(crate) fn compact(text: &str) -> Result<String, JsonError> {
    let mut reader = Reader::new(text);
    let mut out = String::with_capacity(text.len());
    // Whether the next entry needs a comma before it.
    let mut comma = false;
    loop {
        let token = reader.next()?;
        if comma && !matches!(token, Token::ObjectEnd | Token::ArrayEnd | Token::End) {
            out.push(',');
        }
        comma = true;
        match &token {
            Token::End => return Ok(out),
            Token::Field(name) => {
                write_string(&mut out, name);
                out.push(':');
                comma = false;
            }
            Token::Text(text) => write_string(&mut out, text),
            Token::ObjectStart | Token::ArrayStart => {
                out.push_str(token.text());
                comma = false;
            }
            other => out.push_str(other.text()),
        }
    }
}

/// A string in quotes, with only those characters escaped that have to be.
fn write_string(out: &mut String, text: &str) {
    out.push('"');
    for found in text.chars() {
        match found {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\0'..='\u{1f}' => out.push_str(&format!("\\u{:04X}", u32::from(found))),
            _ => out.push(found),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_go_and_texts_stay() {
        let text =
            " { \"a b\" : [ 1.50 , \"x\\u0041\\n\\\"\" , { } , [ ] , null ] , \"c\" : true } ";
        let wanted = r#"{"a b":[1.50,"xA\n\"",{},[],null],"c":true}"#;
        assert_eq!(compact(text).as_deref(), Ok(wanted));
        assert_eq!(compact(wanted).as_deref(), Ok(wanted));
    }

    /// The words and places are Jackson's, of which the first two stand in many a report of its users.
    #[test]
    fn errors_are_told_as_jackson_tells_them() {
        let told = |text: &str| compact(text).map_err(|error| error.described(text));
        assert_eq!(
            told("{invalidjson}"),
            Err("Unexpected character ('i' (code 105)): was expecting double-quote to start field name\n at \
                 [Source: (String)\"{invalidjson}\"; line: 1, column: 3]"
                .to_owned())
        );
        assert_eq!(
            told("{"),
            Err("Unexpected end-of-input: expected close marker for Object (start marker at [Source: (String)\"{\"; line: 1, \
                 column: 1])\n at [Source: (String)\"{\"; line: 1, column: 2]"
                .to_owned())
        );
        assert_eq!(
            told("{\"a\":\n [yes]}"),
            Err("Unrecognized token 'yes': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or \
                 'false')\n at [Source: (String)\"{\"a\":\n [yes]}\"; line: 2, column: 6]"
                .to_owned())
        );
        for text in [
            "",
            " ",
            "[1",
            "[1}",
            "[1 2]",
            "[01]",
            "[1.]",
            "[-]",
            "[1e]",
            "\"",
            "\"\\",
            "\"\\x\"",
            "\"\\u12\"",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "[1,]",
            "nul",
            "1 2",
            "\"\u{1}\"",
            "{\"a\" \"b\"}",
            "[\u{e9}]",
            "+1",
        ] {
            assert!(compact(text).is_err(), "{text}");
        }
    }

    #[test]
    fn half_a_pair_is_a_replacement() {
        assert_eq!(compact(r#""\ud83d\ude00""#).as_deref(), Ok("\"😀\""));
        assert_eq!(
            compact(r#""\ud83dx\udc00""#).as_deref(),
            Ok("\"\u{fffd}x\u{fffd}\"")
        );
        assert_eq!(compact(r#""\ud83d\u0041""#).as_deref(), Ok("\"\u{fffd}A\""));
    }

    #[test]
    fn depth_is_bounded() {
        let deep = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(compact(&deep(1_000)).is_ok());
        assert!(compact(&deep(1_001)).is_err());
        assert!(compact(&"[{\"a\":".repeat(100_000)).is_err());
    }

    #[test]
    fn a_long_text_is_quoted_in_part() {
        let text = format!("[{}", " ".repeat(600));
        let told = compact(&text).map_err(|error| error.described(&text));
        assert!(
            told.is_err_and(|told| told.contains("\"[truncated 101 chars]; line: 1, column: 602]"))
        );
    }
}
