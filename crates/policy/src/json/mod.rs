//! JSON read token by token, with the places and the words that Jackson has for errors.
//!
//! AWS reads filter policies with that parser and hands its words on to the caller, "line: 1, column: 10" included, so the
//! place of an error is where *that* parser stands: it has looked at the value behind a name when it gives the name, but of a
//! string only the opening quote until the text is asked for. Nothing recurses; the depth is bounded.

mod compact;
mod error;
mod scan;
mod tree;

use std::borrow::Cow;

use levada_types::limits::JSON_DEPTH_MAX;

pub(crate) use compact::compact;
pub(crate) use error::{JsonError, located};
pub(crate) use tree::{Json, tree};

/// What comes next.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token<'a> {
    ObjectStart,
    ObjectEnd,
    ArrayStart,
    ArrayEnd,
    /// The name of what follows.
    Field(Cow<'a, str>),
    Text(Cow<'a, str>),
    /// As it is written.
    Number(&'a str),
    True,
    False,
    Null,
    /// The text is read to its end.
    End,
}

impl Token<'_> {
    /// What Jackson gives as the token's text.
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::ObjectStart => "{",
            Self::ObjectEnd => "}",
            Self::ArrayStart => "[",
            Self::ArrayEnd => "]",
            Self::Field(text) | Self::Text(text) => text,
            Self::Number(text) => text,
            Self::True => "true",
            Self::False => "false",
            Self::Null => "null",
            Self::End => "",
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Open {
    object: bool,
    /// Byte of its opening bracket.
    start: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Expect {
    /// The one value of the text.
    Root,
    /// The first entry of what was opened last, or its end.
    First,
    /// A comma and an entry, or the end.
    Next,
    /// Nothing more.
    Nothing,
}

#[derive(Clone, Debug)]
struct Ahead<'a> {
    token: Token<'a>,
    location: usize,
}

/// Reads a text from its beginning; a clone reads on by itself.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    text: &'a str,
    /// The byte that is read next.
    at: usize,
    /// Where an error of the caller's would be, as a byte.
    location: usize,
    ahead: Option<Ahead<'a>>,
    open: Vec<Open>,
    expect: Expect,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            location: 0,
            ahead: None,
            open: Vec::new(),
            expect: Expect::Root,
        }
    }

    /// Where an error about the last token is, as a byte of the text.
    pub(crate) fn location(&self) -> usize {
        self.location
    }

    /// Tells that the caller has looked at the text of the last token, so that errors from now on are behind it.
    pub(crate) fn read_text(&mut self) {
        if self.ahead.is_none() {
            self.location = self.at;
        }
    }

    /// The next token.
    pub(crate) fn next(&mut self) -> Result<Token<'a>, JsonError> {
        if let Some(ahead) = self.ahead.take() {
            self.location = ahead.location;
            return Ok(ahead.token);
        }
        self.skip_blanks();
        match self.expect {
            Expect::Root => self.value(),
            Expect::Nothing => self.nothing(),
            Expect::First | Expect::Next => self.entry(),
        }
    }

    fn nothing(&mut self) -> Result<Token<'a>, JsonError> {
        match self.peek() {
            None => Ok(Token::End),
            Some(found) => Err(self.unexpected(found, "expected the end of the text")),
        }
    }

    fn entry(&mut self) -> Result<Token<'a>, JsonError> {
        let Some(open) = self.open.last().copied() else {
            return self.nothing();
        };
        let Some(mut found) = self.peek() else {
            return Err(self.unclosed(open));
        };
        if found == '}' || found == ']' {
            return self.close(open, found);
        }
        if self.expect == Expect::Next {
            if found != ',' {
                let wanted = if open.object {
                    "was expecting comma to separate Object entries"
                } else {
                    "was expecting comma to separate Array entries"
                };
                return Err(self.unexpected(found, wanted));
            }
            self.at += 1;
            self.skip_blanks();
            let Some(after) = self.peek() else {
                return Err(self.unclosed(open));
            };
            found = after;
        }
        if !open.object {
            return self.value();
        }
        if found != '"' {
            return Err(self.unexpected(found, "was expecting double-quote to start field name"));
        }
        let name = self.string()?;
        self.skip_blanks();
        match self.peek() {
            Some(':') => self.at += 1,
            Some(found) => {
                let wanted = "was expecting a colon to separate field name and value";
                return Err(self.unexpected(found, wanted));
            }
            None => return Err(self.unclosed(open)),
        }
        self.skip_blanks();
        if self.peek().is_none() {
            return Err(self.unclosed(open));
        }
        let token = self.value()?;
        self.ahead = Some(Ahead {
            token,
            location: self.location,
        });
        Ok(Token::Field(name))
    }

    fn close(&mut self, open: Open, found: char) -> Result<Token<'a>, JsonError> {
        let wanted = if open.object { '}' } else { ']' };
        if found != wanted {
            return Err(self.mismatched(open, found, wanted));
        }
        self.at += 1;
        self.location = self.at;
        self.open.pop();
        self.after_value();
        Ok(if open.object {
            Token::ObjectEnd
        } else {
            Token::ArrayEnd
        })
    }

    fn after_value(&mut self) {
        self.expect = if self.open.is_empty() {
            Expect::Nothing
        } else {
            Expect::Next
        };
    }

    /// A value begins here, or should.
    fn value(&mut self) -> Result<Token<'a>, JsonError> {
        let start = self.at;
        let token = match self.peek() {
            None => return Err(self.at_end("No content to map due to end-of-input")),
            Some(found @ ('{' | '[')) => return self.begin(found == '{'),
            Some('"') => {
                let text = self.string()?;
                self.location = start + 1;
                self.after_value();
                return Ok(Token::Text(text));
            }
            Some('-' | '0'..='9') => Token::Number(self.number()?),
            Some('t') => self.literal("true", Token::True)?,
            Some('f') => self.literal("false", Token::False)?,
            Some('n') => self.literal("null", Token::Null)?,
            Some(found) => return Err(self.no_value(found)),
        };
        self.location = self.at;
        self.after_value();
        Ok(token)
    }

    fn begin(&mut self, object: bool) -> Result<Token<'a>, JsonError> {
        let start = self.at;
        self.at += 1;
        self.location = self.at;
        if self.open.len() == JSON_DEPTH_MAX {
            return Err(JsonError::new(
                format!(
                    "Document nesting depth ({}) exceeds the maximum allowed ({JSON_DEPTH_MAX})",
                    JSON_DEPTH_MAX + 1
                ),
                self.at,
            ));
        }
        self.open.push(Open { object, start });
        self.expect = Expect::First;
        Ok(if object {
            Token::ObjectStart
        } else {
            Token::ArrayStart
        })
    }
}
