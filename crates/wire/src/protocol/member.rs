//! The members of a shape, in JSON and in CBOR: a reader for each kind, and the two kinds that the
//! protocols write differently, blobs and times.
//!
//! An absent member is `None`, as is `null`; what is required is for validation to say.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use levada_types::Timestamp;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};

use super::cbor;
use super::json::{self, JsonStructure};

/// A kind of member that a request may have.
pub trait Member<'de>: Sized {
    /// Reads it, or says in AWS's words of what type it is not.
    fn read<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error>;
}

/// For `deserialize_with`.
pub fn read<'de, D: Deserializer<'de>, T: Member<'de>>(d: D) -> Result<T, D::Error> {
    T::read(d)
}

/// For `skip_serializing_if`: whether a member of an answer is left out.
pub trait Absent {
    /// Whether it is.
    fn is_absent(&self) -> bool {
        false
    }
}

impl<T> Absent for Option<T> {
    fn is_absent(&self) -> bool {
        self.is_none()
    }
}

/// Members that an answer always has.
macro_rules! always_present {
    ($($kind:ty),*) => { $(impl Absent for $kind {})* };
}
always_present!(String, &'static str, bool, u32, u64, Blob, EpochTime);

impl<T> Absent for Vec<T> {}

impl<'de> Member<'de> for Option<String> {
    fn read<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        json::opt_text(d)
    }
}

impl<'de> Member<'de> for Option<i64> {
    fn read<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        json::opt_int(d)
    }
}

impl<'de> Member<'de> for Option<Vec<String>> {
    fn read<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        json::opt_texts(d)
    }
}

impl<'de> Member<'de> for Option<BTreeMap<String, String>> {
    fn read<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        json::opt_text_map(d)
    }
}

impl<'de, T: Deserialize<'de> + JsonStructure> Member<'de> for Option<Vec<T>> {
    fn read<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        json::opt_list(d)
    }
}

impl<'de, T: Deserialize<'de> + JsonStructure> Member<'de> for Option<T> {
    fn read<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        json::opt_structure(d)
    }
}

impl<'de> Member<'de> for Option<bool> {
    fn read<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct V;
        impl<'de> Visitor<'de> for V {
            type Value = Option<bool>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a boolean")
            }
            fn visit_bool<E: Error>(self, v: bool) -> Result<Self::Value, E> {
                Ok(Some(v))
            }
            fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
                Ok(None)
            }
            fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
                Ok(None)
            }
            fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
                Err(E::custom("STRING_VALUE can not be converted to a Boolean"))
            }
            fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
                Err(E::custom("NUMBER_VALUE can not be converted to a Boolean"))
            }
            fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
                Err(E::custom("NUMBER_VALUE can not be converted to a Boolean"))
            }
            fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
                Err(E::custom("DECIMAL_VALUE can not be converted to a Boolean"))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
                Err(A::Error::custom(json::LIST_FOUND))
            }
            fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
                Err(A::Error::custom(json::MAP_FOUND))
            }
        }
        d.deserialize_any(V)
    }
}

/// Bytes: base64 in JSON, a byte string in CBOR.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Blob(pub Bytes);

impl Serialize for Blob {
    /// In JSON it is the document's writer that makes base64 of it.
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_bytes(&self.0)
    }
}

impl<'de> Member<'de> for Option<Blob> {
    fn read<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct V;
        impl Visitor<'_> for V {
            type Value = Option<Blob>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a byte string")
            }
            fn visit_bytes<E: Error>(self, v: &[u8]) -> Result<Self::Value, E> {
                Ok(Some(Blob(Bytes::copy_from_slice(v))))
            }
            fn visit_byte_buf<E: Error>(self, v: Vec<u8>) -> Result<Self::Value, E> {
                Ok(Some(Blob(v.into())))
            }
            fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
                Ok(None)
            }
        }
        if d.is_human_readable() {
            Ok(json::opt_blob(d)?.map(Blob))
        } else {
            d.deserialize_any(V)
        }
    }
}

/// A time as a client gives it, or is given it: seconds with a fraction in JSON, tagged milliseconds in
/// CBOR. A client may send any, also one before 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct EpochTime {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub millis: i64,
}

impl From<Timestamp> for EpochTime {
    fn from(time: Timestamp) -> Self {
        let millis = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        Self { millis }
    }
}

impl From<EpochTime> for Timestamp {
    /// What lies before the epoch is the epoch: no record is older.
    fn from(time: EpochTime) -> Self {
        Self::from_millis(u64::try_from(time.millis).unwrap_or(0))
    }
}

impl Serialize for EpochTime {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if s.is_human_readable() {
            s.serialize_f64(self.millis as f64 / 1000.0)
        } else {
            cbor::write_epoch_millis(self.millis, s)
        }
    }
}

/// The nearest whole millisecond. Saturates; not a number is zero.
pub(super) fn millis_of_secs(secs: f64) -> i64 {
    (secs * 1000.0).round() as i64
}

impl<'de> Member<'de> for Option<EpochTime> {
    fn read<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct V;
        impl<'de> Visitor<'de> for V {
            type Value = Option<i64>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a timestamp")
            }
            fn visit_u64<E: Error>(self, secs: u64) -> Result<Self::Value, E> {
                Ok(Some(
                    i64::try_from(secs).unwrap_or(i64::MAX).saturating_mul(1000),
                ))
            }
            fn visit_i64<E: Error>(self, secs: i64) -> Result<Self::Value, E> {
                Ok(Some(secs.saturating_mul(1000)))
            }
            fn visit_f64<E: Error>(self, secs: f64) -> Result<Self::Value, E> {
                Ok(Some(millis_of_secs(secs)))
            }
            fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
                Ok(None)
            }
            fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
                Err(E::custom(
                    "STRING_VALUE can not be converted to a Timestamp",
                ))
            }
            fn visit_bool<E: Error>(self, v: bool) -> Result<Self::Value, E> {
                let token = if v { "TRUE_VALUE" } else { "FALSE_VALUE" };
                Err(E::custom(format_args!(
                    "{token} can not be converted to a Timestamp"
                )))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
                Err(A::Error::custom(json::LIST_FOUND))
            }
            fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
                Err(A::Error::custom(json::MAP_FOUND))
            }
        }
        let millis = if d.is_human_readable() {
            d.deserialize_any(V)?
        } else {
            cbor::read_epoch_millis(d)?
        };
        Ok(millis.map(|millis| EpochTime { millis }))
    }
}
