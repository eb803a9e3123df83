//! What of a message can be asked for by path: attributes, or the leaves of a body.
//!
//! In a body a path is the names from the top with points between them, however they are nested: `{"a": {"b": 1}}` and
//! `{"a.b": 1}` have the same one (recorded of AWS). The elements of an array have the path of the array. Objects in an
//! array are places of their own: an alternative must not take values from two elements of one array.

use std::sync::Arc;

use super::attribute::{FilterAttribute, Shape};
use super::scalar::Value;
use crate::json::{JsonError, Reader, Token};

/// Which paths somebody asks for: those, as they are kept, and no others.
pub(super) type Known<'k> = dyn Fn(&str) -> Option<Arc<str>> + 'k;

/// A message's values by path.
#[derive(Debug)]
pub(super) struct Message<'a> {
    /// By path.
    entries: Vec<(Arc<str>, Vec<Found<'a>>)>,
    /// Nothing that was found lies in an array of objects.
    flat: bool,
    places: Places,
}

/// A value and where it is.
#[derive(Debug)]
pub(super) struct Found<'a> {
    pub(super) value: Value<'a>,
    pub(super) place: u32,
}

impl<'a> Message<'a> {
    /// The attributes that somebody asks for.
    pub(super) fn of_attributes(attributes: &[FilterAttribute<'a>], known: &Known<'_>) -> Self {
        let mut found = Vec::new();
        for attribute in attributes {
            let shape = attribute.shape();
            if shape == Shape::Ignored {
                continue;
            }
            let Some(path) = known(attribute.name) else {
                continue;
            };
            let mut put = |value| found.push((Arc::clone(&path), Found { value, place: TOP }));
            match shape {
                Shape::Number => put(Value::number(attribute.value)),
                Shape::Array => match elements(attribute.value) {
                    Ok(values) => values.into_iter().for_each(put),
                    // Publish refuses it; who has it all the same is filtered by what it says.
                    Err(_) => put(Value::Text(attribute.value.into())),
                },
                _ => put(Value::Text(attribute.value.into())),
            }
        }
        Self {
            entries: grouped(found),
            flat: true,
            places: Places::default(),
        }
    }

    /// The leaves of a body that somebody asks for; `None` if it is not one JSON object.
    pub(super) fn of_body(body: &'a str, known: &Known<'_>) -> Option<Self> {
        let mut walk = Walk {
            known,
            path: String::new(),
            places: Places::default(),
            found: Vec::new(),
            frames: Vec::new(),
        };
        let mut reader = Reader::new(body);
        if reader.next().ok()? != Token::ObjectStart {
            return None;
        }
        walk.frames.push(Frame {
            array: false,
            path_len: 0,
            place: TOP,
            owner: TOP,
        });
        loop {
            match reader.next().ok()? {
                Token::End => break,
                token => walk.take(token),
            }
        }
        Some(Self {
            flat: walk.found.iter().all(|(_, one)| one.place == TOP),
            entries: grouped(walk.found),
            places: walk.places,
        })
    }

    /// The values at a path; none is not the same as no value.
    pub(super) fn get(&self, path: &str) -> Option<&[Found<'a>]> {
        let place = self
            .entries
            .binary_search_by(|(known, _)| (**known).cmp(path))
            .ok()?;
        self.entries.get(place).map(|(_, found)| &**found)
    }

    /// Every path that has values, in order.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&Arc<str>, &[Found<'a>])> {
        self.entries.iter().map(|(path, found)| (path, &**found))
    }

    pub(super) fn is_flat(&self) -> bool {
        self.flat
    }

    pub(super) fn places(&self) -> &Places {
        &self.places
    }
}

fn grouped<'a>(mut found: Vec<(Arc<str>, Found<'a>)>) -> Vec<(Arc<str>, Vec<Found<'a>>)> {
    found.sort_by(|(this, _), (that, _)| this.cmp(that));
    let mut entries: Vec<(Arc<str>, Vec<Found<'a>>)> = Vec::new();
    for (path, one) in found {
        match entries.last_mut() {
            Some((last, values)) if *last == path => values.push(one),
            _ => entries.push((path, vec![one])),
        }
    }
    entries
}

/// The values of an attribute that is an array. Objects and arrays within are passed over: AWS advises against them.
fn elements(text: &str) -> Result<Vec<Value<'_>>, JsonError> {
    let mut reader = Reader::new(text);
    let mut values = Vec::new();
    let mut depth = 0_usize;
    loop {
        match reader.next()? {
            Token::End => return Ok(values),
            Token::ArrayStart | Token::ObjectStart => depth += 1,
            Token::ArrayEnd | Token::ObjectEnd => depth -= 1,
            token if depth <= 1 => values.extend(leaf(token)),
            _ => {}
        }
    }
}

fn leaf(token: Token<'_>) -> Option<Value<'_>> {
    match token {
        Token::Text(text) => Some(Value::Text(text)),
        Token::Number(text) => Some(Value::number(text)),
        Token::True => Some(Value::True),
        Token::False => Some(Value::False),
        Token::Null => Some(Value::Null),
        _ => None,
    }
}

/// What lies in no array.
pub(super) const TOP: u32 = 0;

/// The arrays that hold objects, and their elements, as a tree: every place is later than the one that it is in.
#[derive(Debug)]
pub(super) struct Places {
    parents: Vec<Place>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    parent: u32,
    array: bool,
}

impl Default for Places {
    fn default() -> Self {
        Self {
            parents: vec![Place {
                parent: TOP,
                array: false,
            }],
        }
    }
}

impl Places {
    fn push(&mut self, parent: u32, array: bool) -> u32 {
        let place = u32::try_from(self.parents.len()).unwrap_or(TOP);
        self.parents.push(Place { parent, array });
        place
    }

    /// What the place is in, and whether the place is an array, of which only one element may be taken.
    pub(super) fn parent(&self, place: u32) -> (u32, bool) {
        self.parents
            .get(place as usize)
            .map_or((TOP, false), |found| (found.parent, found.array))
    }
}

/// An object or array that is being read.
struct Frame {
    array: bool,
    /// Bytes of its own path.
    path_len: usize,
    /// Its place.
    place: u32,
    /// Of an array, the place that it is in; single values in it are there.
    owner: u32,
}

struct Walk<'w, 'a> {
    known: &'w Known<'w>,
    path: String,
    places: Places,
    found: Vec<(Arc<str>, Found<'a>)>,
    frames: Vec<Frame>,
}

impl<'a> Walk<'_, 'a> {
    fn take(&mut self, token: Token<'a>) {
        match token {
            Token::Field(name) => {
                let top = self.frames.len() == 1;
                let length = self.frames.last().map_or(0, |frame| frame.path_len);
                self.path.truncate(length);
                if !top {
                    self.path.push('.');
                }
                self.path.push_str(&name);
            }
            Token::ObjectStart => {
                let place = self.begin();
                self.frames.push(Frame {
                    array: false,
                    path_len: self.path.len(),
                    place,
                    owner: place,
                });
            }
            Token::ArrayStart => {
                let owner = self.begin();
                let place = self.places.push(owner, true);
                self.frames.push(Frame {
                    array: true,
                    path_len: self.path.len(),
                    place,
                    owner,
                });
            }
            Token::ObjectEnd | Token::ArrayEnd => {
                if let Some(frame) = self.frames.pop() {
                    self.path.truncate(frame.path_len);
                }
            }
            token => {
                if let Some(value) = leaf(token)
                    && let Some(path) = (self.known)(&self.path)
                {
                    let place = self.frames.last().map_or(TOP, |frame| frame.owner);
                    self.found.push((path, Found { value, place }));
                }
            }
        }
    }

    /// The place of an object or array that begins: one of its own if it is an element.
    fn begin(&mut self) -> u32 {
        match self.frames.last() {
            Some(frame) if frame.array => {
                let array = frame.place;
                self.places.push(array, false)
            }
            Some(frame) => frame.place,
            None => TOP,
        }
    }
}
