//! Patterns with `*` for any characters, also none.
//!
//! `\*` and `\\` are the characters themselves. Source: "Wildcard matching" of the string page of the guide, and of
//! EventBridge's, whose language it is.

/// A pattern, cut at its wildcards.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Wildcard {
    /// At least one; there is a wildcard between each two.
    pieces: Box<[Box<str>]>,
}

impl Wildcard {
    /// Reads a pattern, or says what AWS's rules library says against it. Its places are counted from the quote.
    pub(super) fn parse(pattern: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut piece = String::new();
        let mut rest = pattern.char_indices().peekable();
        while let Some((place, found)) = rest.next() {
            match found {
                '*' => {
                    if rest.next_if(|(_, next)| *next == '*').is_some() {
                        return Err(format!(
                            "Consecutive wildcard characters at pos {}",
                            place + 1
                        ));
                    }
                    pieces.push(std::mem::take(&mut piece).into());
                }
                '\\' => match rest.next_if(|(_, next)| matches!(next, '*' | '\\')) {
                    Some((_, escaped)) => piece.push(escaped),
                    None => return Err(format!("Invalid escape character at pos {}", place + 1)),
                },
                _ => piece.push(found),
            }
        }
        pieces.push(piece.into());
        Ok(Self {
            pieces: pieces.into(),
        })
    }

    /// How many wildcards it has.
    pub(super) fn stars(&self) -> usize {
        self.pieces.len() - 1
    }

    /// What everything that it matches begins with.
    pub(super) fn beginning(&self) -> &str {
        self.pieces.first().map_or("", |piece| piece)
    }

    /// Whether it matches the whole text. It costs about the length of the text for each piece.
    pub(super) fn matches(&self, text: &str) -> bool {
        let [first, middle @ .., last] = &*self.pieces else {
            return text == self.beginning();
        };
        let Some(mut rest) = text
            .strip_prefix(&**first)
            .and_then(|rest| rest.strip_suffix(&**last))
        else {
            return false;
        };
        // Each piece as early as it can be leaves the most for those behind it.
        for piece in middle {
            let Some(place) = rest.find(&**piece) else {
                return false;
            };
            rest = &rest[place + piece.len()..];
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_text() {
        let cases = [
            ("*ball", "football", true),
            ("*ball", "ball", true),
            ("*ball", "balls", false),
            ("order-*", "order-", true),
            ("order-*", "orders", false),
            ("a*b*a", "aba", true),
            ("a*b*a", "aa", false),
            ("a*a", "a", false),
            ("*/src/*.js", "x/src/y/z.js", true),
            ("*/src/*.js", "src/y.js", false),
            ("*", "", true),
            ("", "", true),
            ("", "x", false),
            ("plain", "plain", true),
            (r"a\*b", "a*b", true),
            (r"a\*b", "axb", false),
            (r"a\\*", r"a\x", true),
            ("é*é", "éxé", true),
        ];
        for (pattern, text, wanted) in cases {
            let matches = Wildcard::parse(pattern).map(|wildcard| wildcard.matches(text));
            assert_eq!(matches, Ok(wanted), "{pattern} {text}");
        }
    }

    #[test]
    fn what_is_no_pattern() {
        let told = |pattern| Wildcard::parse(pattern).err();
        assert_eq!(
            told("a**"),
            Some("Consecutive wildcard characters at pos 2".to_owned())
        );
        assert_eq!(
            told(r"\a"),
            Some("Invalid escape character at pos 1".to_owned())
        );
        assert_eq!(
            told("x\\"),
            Some("Invalid escape character at pos 2".to_owned())
        );
        assert_eq!(
            told(r"\***"),
            Some("Consecutive wildcard characters at pos 3".to_owned())
        );
    }
}
