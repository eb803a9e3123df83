//! Reading JSON as AWS's own framework reads it, straight into typed shapes.
//!
//! Where serde would refuse a number for a string, AWS takes it; where both refuse, the wording is
//! AWS's. Unknown members are ignored and `null` is absence. Nothing here builds a tree of values.
//! The readers of strings, integers, lists and maps serve CBOR too; [`super::member`] chooses.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::error::AwsError;

/// Base64 with or without padding: some clients leave it off.
const BASE64_LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Elements of one list. Far more than any action takes, so that a batch of too many is counted in AWS's
/// words, and few enough that `[{},{},...]` cannot make a body many times its size in memory.
const LIST_ELEMENTS_MAX: usize = 1_024;
/// Entries of one map: tags may be 50 in SQS and 200 in Kinesis, attributes 21, a message's attributes 10.
const MAP_ENTRIES_MAX: usize = 256;

pub(super) const MAP_FOUND: &str = "Start of structure or map found where not expected.";
pub(super) const LIST_FOUND: &str = "Start of list found where not expected";

/// Reads a whole body as one structure.
pub fn from_slice<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, AwsError> {
    match serde_json::from_slice::<Structure<T>>(body) {
        Ok(Structure(value)) => Ok(value),
        Err(e) if e.is_data() => Err(AwsError::serialization(wording(&e))),
        // AWS says nothing about what is wrong with a document that is not JSON.
        Err(_) => Err(AwsError::serialization("")),
    }
}

/// The message without the place that serde_json adds, which AWS does not give.
fn wording(e: &serde_json::Error) -> String {
    let text = e.to_string();
    text.rsplit_once(" at line ")
        .map_or(text.as_str(), |(message, _)| message)
        .to_owned()
}

/// A value that must be an object, where a derived shape alone would take an array as well.
pub(super) struct Structure<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Structure<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct V<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for V<T> {
            type Value = Structure<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a structure")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Structure)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
                Err(A::Error::custom(LIST_FOUND))
            }
            fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
                Err(E::custom("Unexpected value type in payload"))
            }
            fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
                Err(E::custom("Unexpected value type in payload"))
            }
            fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
                Err(E::custom("Unexpected value type in payload"))
            }
            fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
                Err(E::custom("Unexpected value type in payload"))
            }
            fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
                Err(E::custom("Unexpected value type in payload"))
            }
            fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
                Err(E::custom("Unexpected value type in payload"))
            }
        }
        d.deserialize_any(V(PhantomData))
    }
}

/// Reads a string. A list in its place is worded otherwise in a member than in a list or a map.
struct TextVisitor {
    list_found: &'static str,
}

impl TextVisitor {
    const MEMBER: Self = Self {
        list_found: LIST_FOUND,
    };
    const ELEMENT: Self = Self {
        list_found: "Unrecognized collection type class java.lang.String",
    };
}

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Option<String>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }
    fn visit_str<E: Error>(self, s: &str) -> Result<Self::Value, E> {
        Ok(Some(s.to_owned()))
    }
    fn visit_string<E: Error>(self, s: String) -> Result<Self::Value, E> {
        Ok(Some(s))
    }
    fn visit_bool<E: Error>(self, v: bool) -> Result<Self::Value, E> {
        Ok(Some(v.to_string()))
    }
    fn visit_i64<E: Error>(self, v: i64) -> Result<Self::Value, E> {
        Ok(Some(v.to_string()))
    }
    fn visit_u64<E: Error>(self, v: u64) -> Result<Self::Value, E> {
        Ok(Some(v.to_string()))
    }
    fn visit_f64<E: Error>(self, v: f64) -> Result<Self::Value, E> {
        Ok(Some(v.to_string()))
    }
    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
        Err(A::Error::custom(self.list_found))
    }
    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
        Err(A::Error::custom(MAP_FOUND))
    }
}

/// For `deserialize_with`: a string, empty if null.
pub fn text<'de, D: Deserializer<'de>>(d: D) -> Result<String, D::Error> {
    d.deserialize_any(TextVisitor::MEMBER)
        .map(Option::unwrap_or_default)
}

/// For `deserialize_with`: a string.
pub fn opt_text<'de, D: Deserializer<'de>>(d: D) -> Result<Option<String>, D::Error> {
    d.deserialize_any(TextVisitor::MEMBER)
}

/// What AWS says where bytes are not in base64.
pub(crate) const NOT_BASE64: &str = "Invalid base64 encoded data";

/// The bytes that a text in base64 stands for, with or without padding.
pub(crate) fn from_base64(text: impl AsRef<[u8]>) -> Option<Bytes> {
    // By far most texts are padded.
    let strict = base64_simd::STANDARD.decode_to_vec(&text).ok();
    let bytes = strict.or_else(|| BASE64_LENIENT.decode(text).ok())?;
    Some(bytes.into())
}

/// For `deserialize_with`: bytes in base64.
pub fn opt_blob<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Bytes>, D::Error> {
    let Some(text) = d.deserialize_any(TextVisitor::MEMBER)? else {
        return Ok(None);
    };
    from_base64(text)
        .map(Some)
        .ok_or_else(|| D::Error::custom(NOT_BASE64))
}

struct IntVisitor;

impl<'de> Visitor<'de> for IntVisitor {
    type Value = Option<i64>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an integer")
    }
    fn visit_i64<E: Error>(self, v: i64) -> Result<Self::Value, E> {
        Ok(Some(v))
    }
    fn visit_u64<E: Error>(self, v: u64) -> Result<Self::Value, E> {
        Ok(Some(i64::try_from(v).unwrap_or(i64::MAX)))
    }
    fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
        Err(E::custom(
            "DECIMAL_VALUE can not be converted to an Integer",
        ))
    }
    fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
        Err(E::custom("STRING_VALUE can not be converted to an Integer"))
    }
    fn visit_bool<E: Error>(self, v: bool) -> Result<Self::Value, E> {
        let token = if v { "TRUE_VALUE" } else { "FALSE_VALUE" };
        Err(E::custom(format_args!(
            "{token} can not be converted to an Integer"
        )))
    }
    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
        Err(A::Error::custom(LIST_FOUND))
    }
    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
        Err(A::Error::custom(MAP_FOUND))
    }
}

/// For `deserialize_with`: an integer.
pub fn opt_int<'de, D: Deserializer<'de>>(d: D) -> Result<Option<i64>, D::Error> {
    d.deserialize_any(IntVisitor)
}

/// What a list or a map holds: a string, or a structure.
trait Member<'de>: Sized {
    fn read<A: SeqAccess<'de>>(seq: &mut A) -> Result<Option<Option<Self>>, A::Error>;
    fn read_value<A: MapAccess<'de>>(map: &mut A) -> Result<Option<Self>, A::Error>;
}

struct TextMember(Option<String>);

impl<'de> Deserialize<'de> for TextMember {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(TextVisitor::ELEMENT).map(Self)
    }
}

impl<'de> Member<'de> for String {
    fn read<A: SeqAccess<'de>>(seq: &mut A) -> Result<Option<Option<Self>>, A::Error> {
        Ok(seq.next_element::<TextMember>()?.map(|t| t.0))
    }
    fn read_value<A: MapAccess<'de>>(map: &mut A) -> Result<Option<Self>, A::Error> {
        Ok(map.next_value::<TextMember>()?.0)
    }
}

/// A shape that may stand in a list or a map.
pub trait JsonStructure {}

impl<'de, T: Deserialize<'de> + JsonStructure> Member<'de> for T {
    fn read<A: SeqAccess<'de>>(seq: &mut A) -> Result<Option<Option<Self>>, A::Error> {
        Ok(seq
            .next_element::<Option<Structure<T>>>()?
            .map(|s| s.map(|s| s.0)))
    }
    fn read_value<A: MapAccess<'de>>(map: &mut A) -> Result<Option<Self>, A::Error> {
        Ok(map.next_value::<Option<Structure<T>>>()?.map(|s| s.0))
    }
}

struct ListVisitor<T>(PhantomData<T>);

impl<'de, T: Member<'de>> Visitor<'de> for ListVisitor<T> {
    type Value = Option<Vec<T>>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("list or null")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut list = Vec::new();
        while let Some(element) = T::read(&mut seq)? {
            if list.len() == LIST_ELEMENTS_MAX {
                return Err(A::Error::custom("A list of the request is too long."));
            }
            list.extend(element);
        }
        Ok(Some(list))
    }
    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Err(A::Error::custom(MAP_FOUND))
    }
    fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
        Err(E::custom("Expected list or null"))
    }
    fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
        Err(E::custom("Expected list or null"))
    }
    fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
        Err(E::custom("Expected list or null"))
    }
    fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
        Err(E::custom("Expected list or null"))
    }
    fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
        Err(E::custom("Expected list or null"))
    }
}

/// For `deserialize_with`: a list of strings, empty if null.
pub fn texts<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<String>, D::Error> {
    d.deserialize_any(ListVisitor(PhantomData))
        .map(Option::unwrap_or_default)
}

/// For `deserialize_with`: a list of structures, empty if null.
pub fn list<'de, D: Deserializer<'de>, T: Deserialize<'de> + JsonStructure>(
    d: D,
) -> Result<Vec<T>, D::Error> {
    d.deserialize_any(ListVisitor(PhantomData))
        .map(Option::unwrap_or_default)
}

struct MapVisitor<T>(PhantomData<T>);

impl<'de, T: Member<'de>> Visitor<'de> for MapVisitor<T> {
    type Value = Option<BTreeMap<String, T>>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("map or null")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut map = BTreeMap::new();
        while let Some(key) = entries.next_key::<String>()? {
            if let Some(value) = T::read_value(&mut entries)? {
                if map.len() == MAP_ENTRIES_MAX {
                    return Err(A::Error::custom("A map of the request is too long."));
                }
                map.insert(key, value);
            }
        }
        Ok(Some(map))
    }
    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
        Err(A::Error::custom(LIST_FOUND))
    }
    fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
        Err(E::custom("Expected map or null"))
    }
    fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
        Err(E::custom("Expected map or null"))
    }
    fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
        Err(E::custom("Expected map or null"))
    }
    fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
        Err(E::custom("Expected map or null"))
    }
    fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
        Err(E::custom("Expected map or null"))
    }
}

/// For `deserialize_with`: a map of strings, empty if null.
pub fn text_map<'de, D: Deserializer<'de>>(d: D) -> Result<BTreeMap<String, String>, D::Error> {
    d.deserialize_any(MapVisitor(PhantomData))
        .map(Option::unwrap_or_default)
}

/// For `deserialize_with`: a map of structures, empty if null.
pub fn map<'de, D, T>(d: D) -> Result<BTreeMap<String, T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + JsonStructure,
{
    d.deserialize_any(MapVisitor(PhantomData))
        .map(Option::unwrap_or_default)
}

/// A structure, where there may be none.
pub(super) fn opt_structure<'de, D, T>(d: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Ok(Option::<Structure<T>>::deserialize(d)?.map(|s| s.0))
}

/// A list of strings, where there may be none.
pub(super) fn opt_texts<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Vec<String>>, D::Error> {
    d.deserialize_any(ListVisitor(PhantomData))
}

/// A list of structures, where there may be none.
pub(super) fn opt_list<'de, D, T>(d: D) -> Result<Option<Vec<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + JsonStructure,
{
    d.deserialize_any(ListVisitor(PhantomData))
}

/// A map of strings, where there may be none.
pub(super) fn opt_text_map<'de, D: Deserializer<'de>>(
    d: D,
) -> Result<Option<BTreeMap<String, String>>, D::Error> {
    d.deserialize_any(MapVisitor(PhantomData))
}
