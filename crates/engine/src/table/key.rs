//! The bytes by which rows are ordered.
//!
//! ```text
//! row     hash of the hash key (8), length of the hash key (4), hash key, range key, 00 00
//! index   the same of the index's keys, then the row's
//! ```
//!
//! Within one hash key rows stand in the order of the range key; hash keys stand in the order of their hashes, so that
//! a segment of a scan is one run of rows. A range key's zero bytes are written `00 FF`, so that none is another's
//! beginning. Numbers are written as `Number::sortable`.

use std::borrow::Cow;

use levada_types::{AttributeValue, Item};
use sha2::{Digest, Sha256};

use crate::proto::{KeyPart, KeySchema, KeyType};

/// A row's place among the rows, or an entry's among those of an index.
pub(super) type Key = Box<[u8]>;

/// The bytes of a key's attribute, if it is of the type that the schema says.
pub(super) fn bytes_of<'a>(part: &KeyPart, value: &'a AttributeValue) -> Option<Cow<'a, [u8]>> {
    match (part.r#type(), value) {
        (KeyType::String, AttributeValue::S(text)) => Some(text.as_bytes().into()),
        (KeyType::Bytes, AttributeValue::B(bytes)) => Some((&**bytes).into()),
        (KeyType::Number, AttributeValue::N(number)) => Some(number.sortable().into()),
        _ => None,
    }
}

/// The beginning that all keys of a hash key have.
pub(super) fn prefix(schema: &KeySchema, hash: &AttributeValue) -> Option<Vec<u8>> {
    let bytes = bytes_of(schema.hash.as_ref()?, hash)?;
    let mut key = Vec::with_capacity(bytes.len() + 24);
    key.extend(&Sha256::digest(&bytes)[..8]);
    key.extend(u32::try_from(bytes.len()).ok()?.to_be_bytes());
    key.extend(&*bytes);
    Some(key)
}

/// Appends a range key.
pub(super) fn push_range(key: &mut Vec<u8>, range: &[u8]) {
    push_beginning(key, range);
    key.extend([0, 0]);
}

/// Appends what every range key that begins so begins with.
pub(super) fn push_beginning(key: &mut Vec<u8>, range: &[u8]) {
    for byte in range {
        key.push(*byte);
        if *byte == 0 {
            key.push(0xff);
        }
    }
}

/// The key of an item; none if it lacks a part, or has one of another type.
pub(super) fn of_item(schema: &KeySchema, item: &Item) -> Option<Vec<u8>> {
    let hash = schema.hash.as_ref()?;
    let mut key = prefix(schema, item.get(&hash.name)?)?;
    if let Some(range) = &schema.range {
        push_range(&mut key, &bytes_of(range, item.get(&range.name)?)?);
    }
    Some(key)
}

/// The parts of a schema.
pub(super) fn parts(schema: &KeySchema) -> impl Iterator<Item = &KeyPart> {
    schema.hash.iter().chain(&schema.range)
}

/// What of an item is its key by some schemas.
pub(super) fn attributes<'a>(
    item: &Item,
    schemas: impl IntoIterator<Item = &'a KeySchema>,
) -> Item {
    let parts = schemas.into_iter().flat_map(parts);
    let found = parts.filter_map(|part| item.get_key_value(&part.name));
    found
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// The first bytes behind all that begin so; none if there are none.
pub(super) fn successor(mut bytes: Vec<u8>) -> Option<Vec<u8>> {
    while let Some(last) = bytes.pop() {
        if last < u8::MAX {
            bytes.push(last + 1);
            return Some(bytes);
        }
    }
    None
}

/// Where a segment of a scan begins and ends.
pub(super) fn segment(segment: u32, segments: u32) -> (Vec<u8>, Option<Vec<u8>>) {
    let at = |n: u32| {
        let at = (u128::from(n) << 64) / u128::from(segments.max(1));
        u64::try_from(at).ok().map(|at| at.to_be_bytes().to_vec())
    };
    let behind = vec![u8::MAX; 9];
    (at(segment).unwrap_or(behind), at(segment.saturating_add(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(range: KeyType) -> KeySchema {
        let part = |name: &str, r#type: KeyType| KeyPart {
            name: name.into(),
            r#type: r#type as i32,
        };
        KeySchema {
            hash: Some(part("h", KeyType::String)),
            range: Some(part("r", range)),
        }
    }

    fn item(hash: &str, range: AttributeValue) -> Item {
        let hash = AttributeValue::S(hash.into());
        [("h".into(), hash), ("r".into(), range)].into()
    }

    #[test]
    fn rows_of_one_hash_key_are_in_the_order_of_the_range_key() {
        let key = |range: &str| {
            let range = AttributeValue::S(range.into());
            of_item(&schema(KeyType::String), &item("h", range)).unwrap()
        };
        let rising = ["", "\0", "\0\0", "\0a", "a", "a\0", "aa", "ab", "b"];
        for pair in rising.windows(2) {
            assert!(key(pair[0]) < key(pair[1]), "{pair:?}");
        }
        let prefix = prefix(&schema(KeyType::String), &AttributeValue::S("h".into())).unwrap();
        assert!(rising.iter().all(|range| key(range).starts_with(&prefix)));
    }

    #[test]
    fn what_is_of_another_type_has_no_key() {
        let text = AttributeValue::S("1".into());
        assert!(of_item(&schema(KeyType::Number), &item("h", text)).is_none());
        assert!(of_item(&schema(KeyType::Number), &Item::new()).is_none());
    }

    #[test]
    fn segments_share_all_keys() {
        for segments in [1, 2, 3, 7, 32] {
            let mut begins = vec![0; 8];
            for n in 0..segments {
                let (from, to) = segment(n, segments);
                assert_eq!(from, begins);
                match to {
                    Some(to) => begins = to,
                    None => assert_eq!(n, segments - 1),
                }
            }
        }
    }

    #[test]
    fn a_successor_is_behind_all_that_begin_so() {
        assert_eq!(successor(vec![1, 2]), Some(vec![1, 3]));
        assert_eq!(successor(vec![1, 0xff]), Some(vec![2]));
        assert_eq!(successor(vec![0xff]), None);
    }
}
