//! Attribute values in JSON: `{"S": "text"}`, one member that names the type.
//!
//! What is not a value of a type is refused as AWS does, by `ValidationException`; the reader marks such words, because
//! a reader of JSON can only say that something cannot be read.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::marker::PhantomData;

use base64::display::Base64Display;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use levada_types::number::NumberError;
use levada_types::{AttributeValue, Item, Number};
use serde::Serialize;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};

use super::DynamoDbError;
use crate::error::AwsError;
use crate::protocol::json::{self, NOT_BASE64, from_base64};
use crate::protocol::member::Member;

/// What stands before words that are a `ValidationException`'s.
const INVALID: &str = "\u{1}invalid: ";

/// Reads a body, and tells what is wrong with a value in the words that it is told in.
pub(super) fn from_slice<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, AwsError> {
    json::from_slice(body).map_err(|error| match error.message.strip_prefix(INVALID) {
        Some(message) => DynamoDbError::validation(message.to_owned()).into(),
        None => error,
    })
}

fn invalid<E: Error>(message: impl fmt::Display) -> E {
    E::custom(format_args!("{INVALID}{message}"))
}

fn invalid_parameter<E: Error>(message: impl fmt::Display) -> E {
    invalid(format_args!(
        "One or more parameter values were invalid: {message}"
    ))
}

/// A number as a client writes it.
fn number<E: Error>(text: &str) -> Result<Number, E> {
    text.parse().map_err(|error| match error {
        NumberError::Syntax if text.is_empty() => {
            invalid("The parameter cannot be converted to a numeric value")
        }
        NumberError::Syntax => invalid(format_args!(
            "The parameter cannot be converted to a numeric value: {text}"
        )),
        NumberError::TooPrecise => {
            invalid("Attempting to store more than 38 significant digits in a Number")
        }
        NumberError::Overflow => invalid(
            "Number overflow. Attempting to store a number with magnitude larger than supported range",
        ),
        NumberError::Underflow => invalid(
            "Number underflow. Attempting to store a number with magnitude smaller than supported range",
        ),
    })
}

fn blob<E: Error>(text: &str) -> Result<Bytes, E> {
    from_base64(text).ok_or_else(|| E::custom(NOT_BASE64))
}

/// A member of a type that the service's readers know, where serde wants a type of its own.
struct Nested<T>(T);

impl<'de, T: Member<'de>> Deserialize<'de> for Nested<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        T::read(d).map(Self)
    }
}

/// Reads a list of members, without a bound but the body's.
fn any_list<'de, D: Deserializer<'de>, T>(d: D) -> Result<Option<Vec<T>>, D::Error>
where
    Option<T>: Member<'de>,
{
    struct V<T>(PhantomData<T>);
    impl<'de, T> Visitor<'de> for V<T>
    where
        Option<T>: Member<'de>,
    {
        type Value = Option<Vec<T>>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("list or null")
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            let mut list = Vec::new();
            while let Some(element) = seq.next_element::<Nested<Option<T>>>()? {
                list.extend(element.0);
            }
            Ok(Some(list))
        }
        fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }
    }
    d.deserialize_any(V(PhantomData))
}

/// Reads a map of members, without a bound but the body's.
fn any_map<'de, D: Deserializer<'de>, T>(d: D) -> Result<Option<BTreeMap<String, T>>, D::Error>
where
    Option<T>: Member<'de>,
{
    struct V<T>(PhantomData<T>);
    impl<'de, T> Visitor<'de> for V<T>
    where
        Option<T>: Member<'de>,
    {
        type Value = Option<BTreeMap<String, T>>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("map or null")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
            let mut map = BTreeMap::new();
            while let Some(key) = entries.next_key::<String>()? {
                if let Some(value) = entries.next_value::<Nested<Option<T>>>()?.0 {
                    map.insert(key, value);
                }
            }
            Ok(Some(map))
        }
        fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }
    }
    d.deserialize_any(V(PhantomData))
}

/// Lists and maps of what this service has.
macro_rules! collections {
    ($($list:ty),*; $($map:ty),*) => {
        $(impl<'de> Member<'de> for Option<Vec<$list>> {
            fn read<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                any_list(d)
            }
        })*
        $(impl<'de> Member<'de> for Option<BTreeMap<String, $map>> {
            fn read<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                any_map(d)
            }
        })*
    };
}

collections! {
    AttributeValue, Item;
    AttributeValue, super::ExpectedAttributeValue, super::AttributeValueUpdate, super::Condition,
    super::KeysAndAttributes, Vec<super::WriteRequest>
}

impl<'de> Member<'de> for Option<AttributeValue> {
    fn read<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct V;
        impl<'de> Visitor<'de> for V {
            type Value = Option<AttributeValue>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an attribute value")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut found = None;
                while let Some(kind) = map.next_key::<String>()? {
                    let Some(value) = read_value(&kind, &mut map)? else {
                        continue;
                    };
                    if found.replace(value).is_some() {
                        return Err(invalid(
                            "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes",
                        ));
                    }
                }
                found.map(Some).ok_or_else(|| {
                    invalid(
                        "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes",
                    )
                })
            }
            fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
                Ok(None)
            }
            fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
                Err(E::custom("Unexpected value type in payload"))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
                Err(A::Error::custom("Unexpected value type in payload"))
            }
        }
        d.deserialize_any(V)
    }
}

/// Reads a value of a type; none if it is null, or of a type that is none.
fn read_value<'de, A: MapAccess<'de>>(
    kind: &str,
    map: &mut A,
) -> Result<Option<AttributeValue>, A::Error> {
    Ok(match kind {
        "S" => map
            .next_value::<Nested<Option<String>>>()?
            .0
            .map(AttributeValue::S),
        "N" => match map.next_value::<Nested<Option<String>>>()?.0 {
            Some(text) => Some(AttributeValue::N(number(&text)?)),
            None => None,
        },
        "B" => match map.next_value::<Nested<Option<String>>>()?.0 {
            Some(text) => Some(AttributeValue::B(blob(&text)?)),
            None => None,
        },
        "BOOL" => map
            .next_value::<Nested<Option<bool>>>()?
            .0
            .map(AttributeValue::Bool),
        "NULL" => match map.next_value::<Nested<Option<bool>>>()?.0 {
            Some(false) => {
                return Err(invalid_parameter(
                    "Null attribute value types must have the value of true",
                ));
            }
            value => value.map(|_| AttributeValue::Null),
        },
        "SS" => read_set(map, "string", |text| Ok(text.to_owned()))?.map(AttributeValue::Ss),
        "NS" => read_set(map, "number", number)?.map(AttributeValue::Ns),
        "BS" => read_set(map, "binary", blob)?.map(AttributeValue::Bs),
        "L" => any_list(Value(map))?.map(AttributeValue::L),
        "M" => any_map(Value(map))?.map(AttributeValue::M),
        _ => {
            map.next_value::<IgnoredAny>()?;
            None
        }
    })
}

fn read_set<'de, A: MapAccess<'de>, T: Ord>(
    map: &mut A,
    kind: &str,
    read: impl Fn(&str) -> Result<T, A::Error>,
) -> Result<Option<BTreeSet<T>>, A::Error> {
    let Some(texts) = map.next_value::<Nested<Option<AllTexts>>>()?.0 else {
        return Ok(None);
    };
    let texts = texts.0;
    if texts.is_empty() {
        return Err(invalid_parameter(format_args!(
            "An {kind} set  may not be empty"
        )));
    }
    let mut set = BTreeSet::new();
    for text in &texts {
        if !set.insert(read(text)?) {
            return Err(invalid_parameter(format_args!(
                "Input collection [{}] contains duplicates.",
                texts.join(", ")
            )));
        }
    }
    Ok(Some(set))
}

/// A list of strings, without a bound but the body's.
struct AllTexts(Vec<String>);

impl<'de> Member<'de> for Option<AllTexts> {
    fn read<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Ok(any_list::<D, String>(d)?.map(AllTexts))
    }
}

/// The next value of a map as something to read from.
struct Value<'a, A>(&'a mut A);

impl<'de, A: MapAccess<'de>> Deserializer<'de> for Value<'_, A> {
    type Error = A::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, A::Error> {
        struct Seed<V>(V);
        impl<'de, V: Visitor<'de>> serde::de::DeserializeSeed<'de> for Seed<V> {
            type Value = V::Value;
            fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<V::Value, D::Error> {
                d.deserialize_any(self.0)
            }
        }
        self.0.next_value_seed(Seed(visitor))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// A value that is written.
pub(super) struct Json<'a>(pub(super) &'a AttributeValue);

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(Some(1))?;
        let kind = self.0.type_name();
        match self.0 {
            AttributeValue::S(text) => map.serialize_entry(kind, text)?,
            AttributeValue::N(number) => map.serialize_entry(kind, &Text(number))?,
            AttributeValue::B(bytes) => map.serialize_entry(kind, &Blob(bytes))?,
            AttributeValue::Bool(value) => map.serialize_entry(kind, value)?,
            AttributeValue::Null => map.serialize_entry(kind, &true)?,
            AttributeValue::Ss(set) => map.serialize_entry(kind, set)?,
            AttributeValue::Ns(set) => {
                map.serialize_entry(kind, &All(set, Text))?;
            }
            AttributeValue::Bs(set) => map.serialize_entry(kind, &All(set, Blob))?,
            AttributeValue::L(list) => map.serialize_entry(kind, &All(list, Json))?,
            AttributeValue::M(item) => map.serialize_entry(kind, &JsonItem(item))?,
        }
        map.end()
    }
}

/// An item that is written.
pub(super) struct JsonItem<'a>(pub(super) &'a Item);

impl Serialize for JsonItem<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_map(self.0.iter().map(|(name, value)| (name, Json(value))))
    }
}

struct Text<'a>(&'a Number);

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self.0)
    }
}

struct Blob<'a>(&'a Bytes);

impl Serialize for Blob<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(&Base64Display::new(self.0, &BASE64_STANDARD))
    }
}

struct All<'a, C: ?Sized, T, W>(&'a C, fn(&'a T) -> W)
where
    &'a C: IntoIterator<Item = &'a T>;

impl<'a, C: ?Sized, T, W: Serialize> Serialize for All<'a, C, T, W>
where
    &'a C: IntoIterator<Item = &'a T>,
{
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(self.0.into_iter().map(self.1))
    }
}

/// For `serialize_with`: an item, where there is one.
pub(super) fn opt_item<S: Serializer>(item: &Option<Item>, s: S) -> Result<S::Ok, S::Error> {
    item.as_ref().map(JsonItem).serialize(s)
}

/// For `serialize_with`: items.
pub(super) fn items<S: Serializer>(items: &[Item], s: S) -> Result<S::Ok, S::Error> {
    s.collect_seq(items.iter().map(JsonItem))
}

/// For `serialize_with`: items, where there may be none.
pub(super) fn opt_items<S: Serializer>(list: &Option<Vec<Item>>, s: S) -> Result<S::Ok, S::Error> {
    match list {
        Some(list) => items(list, s),
        None => s.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dynamodb::PutItemRequest;

    fn read(item: &str) -> Result<Item, AwsError> {
        let body = format!(r#"{{"TableName":"t","Item":{item}}}"#);
        let request: PutItemRequest = from_slice(body.as_bytes())?;
        Ok(request.item.unwrap_or_default())
    }

    #[test]
    fn values_are_written_as_they_were_read() {
        let text = r#"{"b":{"B":"AP8="},"l":{"L":[{"N":"1.5"},{"M":{"k":{"S":""}}}]},"n":{"NULL":true},"s":{"SS":["a","b"]},"y":{"BOOL":false},"z":{"NS":["-1","2"]}}"#;
        let item = read(text).unwrap();
        assert_eq!(serde_json::to_string(&JsonItem(&item)).unwrap(), text);
    }

    #[test]
    fn what_is_no_value_is_told_in_aws_words() {
        for (item, told) in [
            (r#"{"a":{}}"#, "Supplied AttributeValue is empty"),
            (
                r#"{"a":{"S":"x","N":"1"}}"#,
                "has more than one datatypes set",
            ),
            (
                r#"{"a":{"N":"x"}}"#,
                "The parameter cannot be converted to a numeric value: x",
            ),
            (
                r#"{"a":{"NULL":false}}"#,
                "Null attribute value types must have the value of true",
            ),
            (
                r#"{"a":{"L":[{"SS":[]}]}}"#,
                "An string set  may not be empty",
            ),
            (
                r#"{"a":{"NS":["1","1.0"]}}"#,
                "Input collection [1, 1.0] contains duplicates.",
            ),
        ] {
            let error = read(item).unwrap_err();
            assert_eq!(error.query_code, "ValidationException", "{item}");
            assert!(error.message.contains(told), "{item}: {}", error.message);
        }
        for item in [
            r#"{"a":"x"}"#,
            r#"{"a":{"B":"%"}}"#,
            r#"{"a":{"BOOL":"x"}}"#,
        ] {
            assert_eq!(
                read(item).unwrap_err().query_code,
                "MalformedInput",
                "{item}"
            );
        }
    }
}
