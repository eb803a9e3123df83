//! The MD5 digests that SQS answers with, so that clients can tell that what they sent arrived.
//!
//! Of attributes, as AWS documents it: for each in the order of names, the length of the name as four
//! big-endian bytes and the name; the same of the type; one byte, 1 for a string or 2 for bytes; the
//! length and the value.

use std::fmt;

use md5::{Digest, Md5 as Hasher};
use serde::{Serialize, Serializer};

use super::message_attribute::MessageAttributeMap;
use super::stored::StoredAttribute;

/// An MD5 digest. Shown as 32 small hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Md5(pub [u8; 16]);

const HEX: &[u8; 16] = b"0123456789abcdef";

impl Md5 {
    /// Of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Hasher::digest(bytes).into())
    }

    /// From stored bytes; `None` unless there are 16.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    fn with_hex<R>(self, f: impl FnOnce(&str) -> R) -> R {
        let mut text = [0; 32];
        for (pair, byte) in text.chunks_exact_mut(2).zip(self.0) {
            pair[0] = HEX[usize::from(byte >> 4)];
            pair[1] = HEX[usize::from(byte & 15)];
        }
        f(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl fmt::Display for Md5 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with_hex(|hex| f.write_str(hex))
    }
}

impl fmt::Debug for Md5 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Md5 {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        self.with_hex(|hex| s.serialize_str(hex))
    }
}

/// Of attributes as sent; `None` if there are none.
pub fn of_attribute_map(attributes: &MessageAttributeMap) -> Option<Md5> {
    of_sorted(attributes.iter().map(|(name, value)| {
        (
            name.as_bytes(),
            value.data_type.as_bytes(),
            value.is_binary(),
            value.value_bytes(),
        )
    }))
}

/// Of attributes as stored, which are in the order of their names; `None` if there are none.
pub fn of_stored_attributes<'a>(
    attributes: impl Iterator<Item = &'a StoredAttribute>,
) -> Option<Md5> {
    of_sorted(attributes.map(|a| (&*a.name, &*a.data_type, a.is_binary, &*a.value)))
}

fn of_sorted<'a>(
    attributes: impl Iterator<Item = (&'a [u8], &'a [u8], bool, &'a [u8])>,
) -> Option<Md5> {
    let mut hasher = Hasher::new();
    let mut any = false;
    let part = |hasher: &mut Hasher, bytes: &[u8]| {
        // No part is longer than a request, which is far below 4 GiB.
        hasher.update((bytes.len() as u32).to_be_bytes());
        hasher.update(bytes);
    };
    for (name, data_type, is_binary, value) in attributes {
        any = true;
        part(&mut hasher, name);
        part(&mut hasher, data_type);
        hasher.update([if is_binary { 2 } else { 1 }]);
        part(&mut hasher, value);
    }
    any.then(|| Md5(hasher.finalize().into()))
}

#[cfg(test)]
mod tests {
    use super::super::MessageAttributeValue;
    use super::*;

    fn map(attributes: &[(&str, &str, &[u8])]) -> MessageAttributeMap {
        let value = |data_type: &str, value: &[u8]| {
            let mut made = MessageAttributeValue {
                data_type: data_type.to_owned(),
                ..MessageAttributeValue::default()
            };
            if made.is_binary() {
                made.binary_value = Some(value.to_vec().into());
            } else {
                made.string_value = Some(String::from_utf8(value.to_vec()).unwrap());
            }
            made
        };
        attributes
            .iter()
            .map(|(name, data_type, bytes)| ((*name).to_owned(), value(data_type, bytes)))
            .collect()
    }

    /// Digests that AWS itself answered, as recorded in public test suites.
    #[test]
    fn digests_are_those_of_aws() {
        assert_eq!(
            Md5::of(b"msg").to_string(),
            "6e2baaf3b97dbeef01c0043275f9a0e7"
        );
        let general = ("General", "String", &b"Kenobi"[..]);
        let hello = ("Hello", "String", &b"There"[..]);
        let help = ("Help.Me", "String", &b"Me"[..]);
        let binary = b"traceparent\x1e00-774062d6c37081a5a0b9b5b88e30627c-2d2482211f6489da-01";
        for (attributes, digest) in [
            (
                &[general, hello, help][..],
                "4c360f3fdafd970e05fae2f149d997f5",
            ),
            (&[general, hello], "fca026605781cb4126a1e9044df24232"),
            (&[hello], "a311262e065454b75da111d535b8dacd"),
            (&[help, hello], "83fee93c1bcd8b9a5a923ffacdc636c7"),
            (
                &[("Foo", "String", b"Bar")],
                "ae7155c6026991b6d54b11589678bf9c",
            ),
            (
                &[("attr1", "Binary", binary)],
                "8cbe4db156db8a94db8b801b7addb984",
            ),
            (
                &[("UserId", "Number.bigint", b"1234567890123456789012")],
                "797ab158d73dcb5242dedc4412c8e855",
            ),
            (
                &[("AWSTraceHeader", "String", b"some-trace-id")],
                "fdce4f2818803f2f73becc09a54792c0",
            ),
        ] {
            let map = map(attributes);
            assert_eq!(of_attribute_map(&map).unwrap().to_string(), digest);
            let stored: Vec<_> = map.into_iter().map(StoredAttribute::from_sent).collect();
            assert_eq!(
                of_stored_attributes(stored.iter()).unwrap().to_string(),
                digest
            );
        }
        assert_eq!(of_attribute_map(&MessageAttributeMap::new()), None);
    }
}
