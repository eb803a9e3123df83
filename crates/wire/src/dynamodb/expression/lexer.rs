//! An expression's words.

/// A word, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    pub(super) text: &'a str,
    at: usize,
}

/// What a word is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name, a keyword or a function.
    Word,
    /// `#name`.
    Name,
    /// `:value`.
    Value,
    /// A place in a list.
    Number,
    /// Anything else.
    Sign,
    /// The end of the expression.
    End,
}

/// The words of an expression, the last of which is its end; or the text that is none.
pub(super) fn words(text: &str) -> Result<Vec<Token<'_>>, (usize, &str)> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        }
        let (kind, length) = match first {
            '#' | ':' => {
                let kind = if first == '#' {
                    Kind::Name
                } else {
                    Kind::Value
                };
                (kind, 1 + run(&text[at + 1..], is_word))
            }
            c if c.is_ascii_digit() => (Kind::Number, run(&text[at..], |c| c.is_ascii_digit())),
            c if is_word(c) => (Kind::Word, run(&text[at..], is_word)),
            '<' if text[at..].starts_with("<>") || text[at..].starts_with("<=") => (Kind::Sign, 2),
            '>' if text[at..].starts_with(">=") => (Kind::Sign, 2),
            '(' | ')' | '[' | ']' | ',' | '.' | '=' | '<' | '>' | '+' | '-' => (Kind::Sign, 1),
            other => return Err((at, &text[at..at + other.len_utf8()])),
        };
        let token = Token {
            kind,
            text: &text[at..at + length],
            at,
        };
        if matches!(kind, Kind::Name | Kind::Value) && length == 1 {
            return Err((at, token.text));
        }
        tokens.push(token);
        at += length;
    }
    tokens.push(Token {
        kind: Kind::End,
        text: "<EOF>",
        at,
    });
    Ok(tokens)
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn run(text: &str, is_in: impl Fn(char) -> bool) -> usize {
    text.find(|c| !is_in(c)).unwrap_or(text.len())
}

impl Token<'_> {
    /// Whether it is this keyword, in letters of any size.
    pub(super) fn is_keyword(&self, keyword: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(keyword)
    }

    /// Whether it is this sign.
    pub(super) fn is_sign(&self, sign: &str) -> bool {
        self.kind == Kind::Sign && self.text == sign
    }
}

/// The words around one, as AWS shows where an error is.
pub(super) fn near<'a>(text: &'a str, tokens: &[Token<'_>], place: usize) -> &'a str {
    let from = tokens.get(place.saturating_sub(1)).map_or(0, |t| t.at);
    let to = tokens
        .get(place + 1)
        .or(tokens.last())
        .map_or(text.len(), |t| {
            if t.kind == Kind::End {
                text.len()
            } else {
                t.at + t.text.len()
            }
        });
    text.get(from..to).unwrap_or(text).trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_is_cut_into_words() {
        let tokens = words("#a.b[10]<>:v AND size(c)>=:w").unwrap();
        let texts: Vec<&str> = tokens.iter().map(|t| t.text).collect();
        assert_eq!(
            texts,
            [
                "#a", ".", "b", "[", "10", "]", "<>", ":v", "AND", "size", "(", "c", ")", ">=",
                ":w", "<EOF>"
            ]
        );
        assert!(tokens[8].is_keyword("and"));
        assert_eq!(near("a = = :v", &words("a = = :v").unwrap(), 2), "= = :v");
        for bad in ["a ! b", "# = :a", "a = :", "é"] {
            assert!(words(bad).is_err(), "{bad}");
        }
    }
}
