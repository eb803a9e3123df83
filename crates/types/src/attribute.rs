//! Values of a table's attributes: what an item is made of, its size as DynamoDB counts it, and the bytes in which
//! items are kept and carried.
//!
//! Used by the wire, which reads and prints them, and by the engine, which evaluates them. The encoding is
//! deterministic: equal items are equal bytes.

use std::collections::{BTreeMap, BTreeSet};

use bytes::{Buf, BufMut, Bytes};
use thiserror::Error;

use crate::number::Number;

/// How deep lists and maps may be nested.
pub const NESTING_MAX: usize = 32;

/// The attributes of an item, by name.
pub type Item = BTreeMap<String, AttributeValue>;

/// A value, of one of DynamoDB's ten types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttributeValue {
    /// A string.
    S(String),
    /// A number.
    N(Number),
    /// Bytes.
    B(Bytes),
    /// True or false.
    Bool(bool),
    /// A value that stands for none.
    Null,
    /// A set of strings, never empty.
    Ss(BTreeSet<String>),
    /// A set of numbers, never empty.
    Ns(BTreeSet<Number>),
    /// A set of bytes, never empty.
    Bs(BTreeSet<Bytes>),
    /// A list.
    L(Vec<Self>),
    /// A map.
    M(Item),
}

/// The bytes are no value or item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the bytes are no item of a table")]
pub struct NotAnItem;

impl AttributeValue {
    /// The name of its type on the wire.
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::S(_) => "S",
            Self::N(_) => "N",
            Self::B(_) => "B",
            Self::Bool(_) => "BOOL",
            Self::Null => "NULL",
            Self::Ss(_) => "SS",
            Self::Ns(_) => "NS",
            Self::Bs(_) => "BS",
            Self::L(_) => "L",
            Self::M(_) => "M",
        }
    }

    /// What it counts of an item's size, in bytes.
    pub fn size(&self) -> usize {
        match self {
            Self::S(text) => text.len(),
            Self::N(number) => number.size(),
            Self::B(bytes) => bytes.len(),
            Self::Bool(_) | Self::Null => 1,
            Self::Ss(set) => set.iter().map(String::len).sum(),
            Self::Ns(set) => set.iter().map(Number::size).sum(),
            Self::Bs(set) => set.iter().map(Bytes::len).sum(),
            Self::L(list) => 3 + list.iter().map(|value| 1 + value.size()).sum::<usize>(),
            Self::M(map) => 3 + map.len() + item_size(map),
        }
    }

    /// Whether it is nested no deeper than is allowed.
    pub fn is_shallow(&self) -> bool {
        self.fits(NESTING_MAX)
    }

    fn fits(&self, levels: usize) -> bool {
        let below = levels.checked_sub(1);
        match self {
            Self::L(list) => below.is_some_and(|n| list.iter().all(|value| value.fits(n))),
            Self::M(map) => below.is_some_and(|n| map.values().all(|value| value.fits(n))),
            _ => true,
        }
    }

    /// Its bytes.
    pub fn encode(&self) -> Bytes {
        let mut out = Vec::new();
        put_value(&mut out, self);
        out.into()
    }

    /// The value that the bytes are.
    pub fn decode(bytes: &[u8]) -> Result<Self, NotAnItem> {
        let mut rest = bytes;
        let value = take_value(&mut rest, NESTING_MAX + 1)?;
        rest.is_empty().then_some(value).ok_or(NotAnItem)
    }
}

/// An item's size as DynamoDB counts it: names and values.
pub fn item_size(item: &Item) -> usize {
    item.iter()
        .map(|(name, value)| name.len() + value.size())
        .sum()
}

/// An item's bytes.
pub fn encode_item(item: &Item) -> Bytes {
    let mut out = Vec::new();
    put_map(&mut out, item);
    out.into()
}

/// The item that the bytes are.
pub fn decode_item(bytes: &[u8]) -> Result<Item, NotAnItem> {
    let mut rest = bytes;
    let item = take_map(&mut rest, NESTING_MAX + 1)?;
    rest.is_empty().then_some(item).ok_or(NotAnItem)
}

const TAG_S: u8 = 1;
const TAG_N: u8 = 2;
const TAG_B: u8 = 3;
const TAG_FALSE: u8 = 4;
const TAG_TRUE: u8 = 5;
const TAG_NULL: u8 = 6;
const TAG_SS: u8 = 7;
const TAG_NS: u8 = 8;
const TAG_BS: u8 = 9;
const TAG_L: u8 = 10;
const TAG_M: u8 = 11;

fn put_length(out: &mut Vec<u8>, mut length: usize) {
    while length >= 0x80 {
        out.put_u8((length as u8) | 0x80);
        length >>= 7;
    }
    out.put_u8(length as u8);
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_length(out, bytes.len());
    out.put_slice(bytes);
}

fn put_map(out: &mut Vec<u8>, map: &Item) {
    put_length(out, map.len());
    for (name, value) in map {
        put_bytes(out, name.as_bytes());
        put_value(out, value);
    }
}

fn put_value(out: &mut Vec<u8>, value: &AttributeValue) {
    match value {
        AttributeValue::S(text) => {
            out.put_u8(TAG_S);
            put_bytes(out, text.as_bytes());
        }
        AttributeValue::N(number) => {
            out.put_u8(TAG_N);
            put_bytes(out, number.to_string().as_bytes());
        }
        AttributeValue::B(bytes) => {
            out.put_u8(TAG_B);
            put_bytes(out, bytes);
        }
        AttributeValue::Bool(false) => out.put_u8(TAG_FALSE),
        AttributeValue::Bool(true) => out.put_u8(TAG_TRUE),
        AttributeValue::Null => out.put_u8(TAG_NULL),
        AttributeValue::Ss(set) => {
            out.put_u8(TAG_SS);
            put_length(out, set.len());
            set.iter().for_each(|text| put_bytes(out, text.as_bytes()));
        }
        AttributeValue::Ns(set) => {
            out.put_u8(TAG_NS);
            put_length(out, set.len());
            set.iter()
                .for_each(|number| put_bytes(out, number.to_string().as_bytes()));
        }
        AttributeValue::Bs(set) => {
            out.put_u8(TAG_BS);
            put_length(out, set.len());
            set.iter().for_each(|bytes| put_bytes(out, bytes));
        }
        AttributeValue::L(list) => {
            out.put_u8(TAG_L);
            put_length(out, list.len());
            list.iter().for_each(|value| put_value(out, value));
        }
        AttributeValue::M(map) => {
            out.put_u8(TAG_M);
            put_map(out, map);
        }
    }
}

fn take_byte(rest: &mut &[u8]) -> Result<u8, NotAnItem> {
    rest.try_get_u8().map_err(|_| NotAnItem)
}

/// A length or a count; each of what is counted takes a byte at least.
fn take_length(rest: &mut &[u8]) -> Result<usize, NotAnItem> {
    let mut length = 0_usize;
    for shift in (0..35).step_by(7) {
        let byte = take_byte(rest)?;
        length |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return (length <= rest.len()).then_some(length).ok_or(NotAnItem);
        }
    }
    Err(NotAnItem)
}

fn take_bytes<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], NotAnItem> {
    let length = take_length(rest)?;
    let (head, tail) = rest.split_at_checked(length).ok_or(NotAnItem)?;
    *rest = tail;
    Ok(head)
}

fn take_text(rest: &mut &[u8]) -> Result<String, NotAnItem> {
    let bytes = take_bytes(rest)?;
    Ok(std::str::from_utf8(bytes)
        .map_err(|_| NotAnItem)?
        .to_owned())
}

fn take_number(rest: &mut &[u8]) -> Result<Number, NotAnItem> {
    let text = std::str::from_utf8(take_bytes(rest)?).map_err(|_| NotAnItem)?;
    text.parse().map_err(|_| NotAnItem)
}

fn take_all<T, C: FromIterator<T>>(
    rest: &mut &[u8],
    mut take: impl FnMut(&mut &[u8]) -> Result<T, NotAnItem>,
) -> Result<C, NotAnItem> {
    let count = take_length(rest)?;
    (0..count).map(|_| take(rest)).collect()
}

fn take_map(rest: &mut &[u8], levels: usize) -> Result<Item, NotAnItem> {
    take_all(rest, |rest| {
        Ok((take_text(rest)?, take_value(rest, levels)?))
    })
}

fn take_value(rest: &mut &[u8], levels: usize) -> Result<AttributeValue, NotAnItem> {
    let below = levels.checked_sub(1).ok_or(NotAnItem)?;
    Ok(match take_byte(rest)? {
        TAG_S => AttributeValue::S(take_text(rest)?),
        TAG_N => AttributeValue::N(take_number(rest)?),
        TAG_B => AttributeValue::B(Bytes::copy_from_slice(take_bytes(rest)?)),
        TAG_FALSE => AttributeValue::Bool(false),
        TAG_TRUE => AttributeValue::Bool(true),
        TAG_NULL => AttributeValue::Null,
        TAG_SS => AttributeValue::Ss(take_all(rest, take_text)?),
        TAG_NS => AttributeValue::Ns(take_all(rest, take_number)?),
        TAG_BS => AttributeValue::Bs(take_all(rest, |rest| {
            take_bytes(rest).map(Bytes::copy_from_slice)
        })?),
        TAG_L => AttributeValue::L(take_all(rest, |rest| take_value(rest, below))?),
        TAG_M => AttributeValue::M(take_map(rest, below)?),
        _ => return Err(NotAnItem),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item() -> Item {
        let s = |text: &str| AttributeValue::S(text.into());
        let n = |text: &str| text.parse().unwrap();
        [
            ("leaseKey".into(), s("shardId-000")),
            ("counter".into(), AttributeValue::N(n("-12.5"))),
            (
                "state".into(),
                AttributeValue::B(Bytes::from_static(b"\0\xff")),
            ),
            ("yes".into(), AttributeValue::Bool(true)),
            ("no".into(), AttributeValue::Bool(false)),
            ("null".into(), AttributeValue::Null),
            (
                "parents".into(),
                AttributeValue::Ss(["a".into(), "b".into()].into()),
            ),
            (
                "numbers".into(),
                AttributeValue::Ns([n("2"), n("10")].into()),
            ),
            (
                "blobs".into(),
                AttributeValue::Bs([Bytes::from_static(b"x")].into()),
            ),
            (
                "list".into(),
                AttributeValue::L(vec![
                    s(""),
                    AttributeValue::M([("k".into(), s("v"))].into()),
                ]),
            ),
        ]
        .into()
    }

    #[test]
    fn an_item_is_read_as_it_was_written() {
        let bytes = encode_item(&item());
        assert_eq!(decode_item(&bytes), Ok(item()));
        for cut in 0..bytes.len() {
            assert!(decode_item(&bytes[..cut]).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn sizes_are_counted_as_documented() {
        let one: Item = [("ab".into(), AttributeValue::S("cde".into()))].into();
        assert_eq!(item_size(&one), 5);
        assert_eq!(AttributeValue::M(one).size(), 9);
        assert_eq!(AttributeValue::L(vec![AttributeValue::Null]).size(), 5);
        assert_eq!(AttributeValue::N("-123".parse().unwrap()).size(), 4);
    }

    #[test]
    fn nesting_has_a_bound() {
        let nested = |levels: usize| {
            (0..levels).fold(AttributeValue::Null, |value, _| {
                AttributeValue::L(vec![value])
            })
        };
        assert!(nested(NESTING_MAX).is_shallow() && !nested(NESTING_MAX + 1).is_shallow());
        assert!(AttributeValue::decode(&nested(NESTING_MAX).encode()).is_ok());
        assert!(AttributeValue::decode(&nested(NESTING_MAX + 9).encode()).is_err());
    }

    #[test]
    fn garbage_is_no_item() {
        for bytes in [
            &[0xff; 40][..],
            &[2, 1, b'a', 99],
            &[1, 0],
            &[0xff, 0xff, 0xff, 0x7f],
        ] {
            assert_eq!(decode_item(bytes), Err(NotAnItem));
        }
    }
}
