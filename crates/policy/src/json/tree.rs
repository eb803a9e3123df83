//! JSON as a whole, where it is small and flat: access policies.

use super::{Reader, Token};

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json {
    Text(String),
    /// As it is written.
    Number(String),
    Bool(bool),
    Null,
    List(Vec<Json>),
    /// In the order of the text, no name twice.
    Object(Vec<(String, Json)>),
}

/// The value that the text is, nested at most so deep, or what is wrong with it.
pub(crate) fn tree(text: &str, depth_max: usize) -> Result<Json, String> {
    let mut builder = Builder {
        text,
        reader: Reader::new(text),
        depth_left: depth_max,
    };
    let token = builder.next()?;
    let value = builder.value(token)?;
    builder.next()?;
    Ok(value)
}

struct Builder<'a> {
    text: &'a str,
    reader: Reader<'a>,
    depth_left: usize,
}

impl<'a> Builder<'a> {
    fn next(&mut self) -> Result<Token<'a>, String> {
        self.reader
            .next()
            .map_err(|error| error.described(self.text))
    }

    fn value(&mut self, token: Token<'a>) -> Result<Json, String> {
        match token {
            Token::Text(text) => Ok(Json::Text(text.into_owned())),
            Token::Number(text) => Ok(Json::Number(text.to_owned())),
            Token::True => Ok(Json::Bool(true)),
            Token::False => Ok(Json::Bool(false)),
            Token::ObjectStart | Token::ArrayStart if self.depth_left == 0 => {
                Err("it is nested deeper than a policy can be".to_owned())
            }
            Token::ObjectStart => self.object(),
            Token::ArrayStart => self.list(),
            _ => Ok(Json::Null),
        }
    }

    fn object(&mut self) -> Result<Json, String> {
        self.depth_left -= 1;
        let mut entries: Vec<(String, Json)> = Vec::new();
        while let Token::Field(name) = self.next()? {
            if entries.iter().any(|(known, _)| *known == name) {
                return Err(format!("\"{name}\" is there twice"));
            }
            let token = self.next()?;
            entries.push((name.into_owned(), self.value(token)?));
        }
        self.depth_left += 1;
        Ok(Json::Object(entries))
    }

    fn list(&mut self) -> Result<Json, String> {
        self.depth_left -= 1;
        let mut elements = Vec::new();
        loop {
            match self.next()? {
                Token::ArrayEnd => break,
                token => elements.push(self.value(token)?),
            }
        }
        self.depth_left += 1;
        Ok(Json::List(elements))
    }
}
