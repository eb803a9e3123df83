//! Texts with wildcards and variables: actions, resources, and what conditions compare with.
//!
//! `*` is any characters, also none; `?` is any one. `${key}` is the key's value in the request, or what stands behind a comma in
//! quotes; `${*}`, `${?}` and `${$}` are the characters themselves. Variables are there from version 2012-10-17 on. What a
//! variable brings has no wildcards. Source: "IAM policy elements: Variables and tags".

use super::request::Context;

/// A text to compare with.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pattern {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Token(Token),
    Variable {
        /// In lower case.
        key: String,
        default: Option<String>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Token {
    /// A character of the pattern.
    Written(char),
    /// A character that a variable brought, or that was written so that it means nothing.
    Plain(char),
    Any,
    One,
}

/// Which of a pattern's characters mean something.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Syntax {
    pub(super) wildcards: bool,
    pub(super) variables: bool,
}

impl Pattern {
    /// Reads a pattern, or says what is wrong with it.
    pub(super) fn parse(text: &str, syntax: Syntax) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(found) = rest.chars().next() {
            if syntax.variables
                && let Some(inside) = rest.strip_prefix("${")
            {
                let Some((variable, after)) = inside.split_once('}') else {
                    return Err(format!("a variable of \"{text}\" has no end"));
                };
                pieces.push(piece(variable, text)?);
                rest = after;
                continue;
            }
            rest = &rest[found.len_utf8()..];
            pieces.push(Piece::Token(match found {
                '*' if syntax.wildcards => Token::Any,
                '?' if syntax.wildcards => Token::One,
                _ => Token::Written(found),
            }));
        }
        Ok(Self { pieces })
    }

    /// With the variables filled in; `None` if the request lacks one.
    fn filled(&self, context: &Context) -> Option<Vec<Token>> {
        let mut tokens = Vec::with_capacity(self.pieces.len());
        for piece in &self.pieces {
            match piece {
                Piece::Token(token) => tokens.push(*token),
                Piece::Variable { key, default } => {
                    let value = context.single(key).or(default.as_deref())?;
                    tokens.extend(value.chars().map(Token::Plain));
                }
            }
        }
        Some(tokens)
    }

    /// Whether a variable is this one.
    pub(super) fn looks_at(&self, looked_at: &str) -> bool {
        let is_it =
            |piece: &Piece| matches!(piece, Piece::Variable { key, .. } if key == looked_at);
        self.pieces.iter().any(is_it)
    }

    /// Whether the request has all variables.
    pub(super) fn is_filled(&self, context: &Context) -> bool {
        self.filled(context).is_some()
    }

    pub(super) fn matches(&self, text: &str, context: &Context) -> bool {
        self.filled(context)
            .is_some_and(|tokens| glob(&tokens, text, |this, that| this == that))
    }

    pub(super) fn matches_ignoring_case(&self, text: &str, context: &Context) -> bool {
        self.filled(context)
            .is_some_and(|tokens| glob(&tokens, text, same_letter))
    }

    /// As an ARN: each of its six parts by itself, so that a wildcard does not reach over a colon.
    pub(super) fn matches_arn(&self, text: &str, context: &Context) -> bool {
        self.filled(context).is_some_and(|tokens| {
            let patterns = arn_parts(&tokens);
            let parts: Vec<&str> = text.splitn(ARN_PARTS, ':').collect();
            patterns.len() == ARN_PARTS && parts_match(&patterns, &parts)
        })
    }

    /// As the ARN of a resource: `?` and `*` stay within what stands between two colons, but a `*` at the end of that reaches
    /// over colons too. What a variable brings has no colons. Source: "IAM JSON policy elements: Resource".
    pub(super) fn matches_resource(&self, text: &str, context: &Context) -> bool {
        self.filled(context)
            .is_some_and(|tokens| resource_matches(&tokens, text))
    }
}

/// Parts of an ARN; the last may have colons.
const ARN_PARTS: usize = 6;

fn arn_parts(tokens: &[Token]) -> Vec<&[Token]> {
    tokens
        .splitn(ARN_PARTS, |token| *token == Token::Written(':'))
        .collect()
}

fn parts_match(patterns: &[&[Token]], parts: &[&str]) -> bool {
    patterns.len() == parts.len()
        && patterns
            .iter()
            .zip(parts)
            .all(|(pattern, part)| glob(pattern, part, |this, that| this == that))
}

/// Keeps how far the pattern can have come at each character, so it costs the one times the other.
fn resource_matches(tokens: &[Token], text: &str) -> bool {
    let mut reached = vec![false; tokens.len() + 1];
    reached[0] = true;
    stars_taken_for_nothing(tokens, &mut reached);
    for found in text.chars() {
        let mut next = vec![false; reached.len()];
        for (place, token) in tokens.iter().enumerate() {
            if !reached[place] {
                continue;
            }
            match token {
                Token::Any => {
                    let behind = tokens.get(place + 1);
                    let ends_a_part = matches!(behind, None | Some(Token::Written(':')));
                    next[place] |= found != ':' || ends_a_part;
                }
                Token::One => next[place + 1] |= found != ':',
                Token::Written(this) => next[place + 1] |= *this == found,
                Token::Plain(this) => next[place + 1] |= *this == found && found != ':',
            }
        }
        stars_taken_for_nothing(tokens, &mut next);
        reached = next;
    }
    reached.last() == Some(&true)
}

fn stars_taken_for_nothing(tokens: &[Token], reached: &mut [bool]) {
    for (place, token) in tokens.iter().enumerate() {
        if *token == Token::Any && reached[place] {
            reached[place + 1] = true;
        }
    }
}

fn same_letter(this: char, that: char) -> bool {
    this == that || this.to_lowercase().eq(that.to_lowercase())
}

fn piece(variable: &str, text: &str) -> Result<Piece, String> {
    let mut characters = variable.chars();
    if let (Some(found @ ('*' | '?' | '$')), None) = (characters.next(), characters.next()) {
        return Ok(Piece::Token(Token::Plain(found)));
    }
    let (key, default) = match variable.split_once(',') {
        None => (variable, None),
        Some((key, default)) => {
            let quoted = default
                .trim()
                .strip_prefix('\'')
                .and_then(|rest| rest.strip_suffix('\''));
            let Some(default) = quoted else {
                return Err(format!(
                    "the default of a variable of \"{text}\" is not in quotes"
                ));
            };
            (key, Some(default.to_owned()))
        }
    };
    let key = key.trim().to_lowercase();
    if key.is_empty() {
        return Err(format!("a variable of \"{text}\" has no name"));
    }
    Ok(Piece::Variable { key, default })
}

/// Whether a pattern is the whole text. Goes back to the last `*` only, so it costs at most the one times the other.
fn glob(pattern: &[Token], text: &str, same: impl Fn(char, char) -> bool) -> bool {
    let mut tokens = pattern;
    let mut rest = text.chars();
    // The tokens behind the last star, and the text from where it may take one more.
    let mut star: Option<(&[Token], std::str::Chars<'_>)> = None;
    loop {
        let after = rest.as_str().chars().next();
        let fits = match (tokens.first(), after) {
            (Some(Token::Any), _) => {
                tokens = &tokens[1..];
                star = Some((tokens, rest.clone()));
                continue;
            }
            (None, None) => return true,
            (Some(Token::One), Some(_)) => true,
            (Some(Token::Written(this) | Token::Plain(this)), Some(that)) => same(*this, that),
            _ => false,
        };
        if fits {
            tokens = &tokens[1..];
            rest.next();
            continue;
        }
        let Some((behind, from)) = &mut star else {
            return false;
        };
        if from.next().is_none() {
            return false;
        }
        tokens = behind;
        rest = from.clone();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: Syntax = Syntax {
        wildcards: true,
        variables: true,
    };

    fn pattern(text: &str) -> Pattern {
        Pattern::parse(text, BOTH).unwrap_or(Pattern { pieces: Vec::new() })
    }

    #[test]
    fn wildcards() {
        let cases = [
            ("", "", true),
            ("*", "", true),
            ("a*", "abc", true),
            ("a*c", "abcbc", true),
            ("a*c", "abcb", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("?", "é", true),
            ("**a**", "xa", true),
            ("a", "A", false),
            ("", "x", false),
        ];
        for (text, value, wanted) in cases {
            assert_eq!(
                pattern(text).matches(value, &Context::new()),
                wanted,
                "{text} {value}"
            );
        }
        assert!(pattern("sQs:Send*").matches_ignoring_case("SQS:sendMessage", &Context::new()));
        let costly = "a*".repeat(200);
        let text = "a".repeat(10_000);
        assert!(pattern(&costly).matches(&text, &Context::new()));
        assert!(!pattern(&(costly + "b")).matches(&text, &Context::new()));
    }

    #[test]
    fn variables() {
        let mut context = Context::new();
        context.insert("aws:UserName", "ann*");
        context.insert("many", "1");
        context.insert("many", "2");
        let cases = [
            ("home/${aws:username}", "home/ann*", true),
            ("home/${aws:username}", "home/anna", false),
            ("${unknown}", "", false),
            ("${unknown, 'team'}/x", "team/x", true),
            ("${many}", "1", false),
            ("${*}${?}${$}", "*?$", true),
            ("${*}", "x", false),
            ("$x{y}", "$x{y}", true),
        ];
        for (text, value, wanted) in cases {
            assert_eq!(
                pattern(text).matches(value, &context),
                wanted,
                "{text} {value}"
            );
        }
        for wrong in ["${", "${aws:username", "${}", "${a, b}", "${,'x'}"] {
            assert!(Pattern::parse(wrong, BOTH).is_err(), "{wrong}");
        }
        let plain = Syntax {
            wildcards: false,
            variables: false,
        };
        let literal =
            Pattern::parse("${a}*", plain).map(|pattern| pattern.matches("${a}*", &context));
        assert_eq!(literal, Ok(true));
    }

    #[test]
    fn arns_are_compared_part_by_part() {
        let arn = "arn:aws:sqs:eu-west-1:123456789012:orders";
        let cases = [
            ("arn:aws:sqs:eu-west-1:123456789012:orders", true, true),
            ("arn:aws:sqs:*:*:orders", true, true),
            ("arn:*:orders", false, true),
            ("arn:aws:sqs:*:orders", false, true),
            ("arn:aws:sqs:e*:orders", false, true),
            ("arn:aws:sqs:e*2:orders", false, false),
            ("arn:aws:sqs:eu-west-1?123456789012:orders", false, false),
            ("arn:aws:sqs:e*1:*2:*", true, true),
            ("arn:aws:sqs:*", false, true),
            ("*", false, true),
            ("arn:aws:sqs:eu-west-1:123456789012:o?ders", true, true),
            ("arn:aws:sqs:eu-west-1:123456789012:", false, false),
            ("arn:aws:sns:*", false, false),
        ];
        for (text, as_arn, as_resource) in cases {
            let pattern = pattern(text);
            assert_eq!(pattern.matches_arn(arn, &Context::new()), as_arn, "{text}");
            assert_eq!(
                pattern.matches_resource(arn, &Context::new()),
                as_resource,
                "{text}"
            );
        }
        let costly = "a*".repeat(5_000);
        assert!(!pattern(&(costly + "b")).matches_resource(&"a".repeat(200), &Context::new()));
        // What a variable brings makes no parts.
        let mut context = Context::new();
        context.insert("q", "123456789012:orders");
        assert!(!pattern("arn:aws:sqs:eu-west-1:${q}").matches_resource(arn, &context));
        assert!(pattern("arn:aws:sqs:*:*:a:b").matches_arn("arn:aws:sqs:r:1:a:b", &context));
    }
}
