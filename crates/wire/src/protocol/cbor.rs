//! AWS's CBOR, `application/x-amz-cbor-1.1`: what the Java SDK, and so KCL, speaks to Kinesis.
//!
//! The only importer of `ciborium`. Maps, lists and strings of indefinite length are read; blobs are byte
//! strings; a time is tag 1 with whole *milliseconds* since the epoch, where RFC 8949 would have seconds.

use std::fmt;
use std::io;

use ciborium::tag::{Accepted, Required};
use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error, Visitor};
use serde::ser::{Serialize, Serializer};

use super::json::Structure;
use crate::error::AwsError;

/// Maps, lists and tags within each other: `Records[].Data` has 3.
pub const DEPTH_MAX: usize = 16;
/// The tag of a time.
const TAG_EPOCH: u64 = 1;

/// Reads a whole body as one structure. Allocates in proportion to the body, whatever lengths it claims.
pub fn from_slice<T: DeserializeOwned>(body: &[u8]) -> Result<T, AwsError> {
    use ciborium::de::Error as CborError;
    let mut rest = body;
    let read =
        ciborium::de::from_reader_with_recursion_limit::<Structure<T>, _>(&mut rest, DEPTH_MAX);
    match read {
        Ok(Structure(value)) if rest.is_empty() => Ok(value),
        Err(CborError::Semantic(_, message)) => Err(AwsError::serialization(message)),
        // AWS says nothing about what is wrong with a document that is not CBOR.
        Ok(_) | Err(_) => Err(AwsError::serialization("")),
    }
}

/// Writes a document at the end of `out`, which takes all. Fails for a shape only that CBOR cannot hold.
pub(super) fn write<T: Serialize>(value: &T, out: impl io::Write) -> Result<(), CannotEncode> {
    ciborium::into_writer(value, out).map_err(|_| CannotEncode)
}

/// The shape is none that the protocol can carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the shape cannot be encoded")]
pub(crate) struct CannotEncode;

/// Writes a time.
pub(super) fn write_epoch_millis<S: Serializer>(millis: i64, s: S) -> Result<S::Ok, S::Error> {
    Required::<i64, TAG_EPOCH>(millis).serialize(s)
}

/// Reads a time as milliseconds since the epoch. Takes one without its tag, and a fraction as seconds.
pub(super) fn read_epoch_millis<'de, D>(d: D) -> Result<Option<i64>, D::Error>
where
    D: Deserializer<'de>,
{
    let time = Option::<Accepted<Millis, TAG_EPOCH>>::deserialize(d)?;
    Ok(time.map(|Accepted(Millis(millis))| millis))
}

struct Millis(i64);

impl<'de> Deserialize<'de> for Millis {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct V;
        impl Visitor<'_> for V {
            type Value = Millis;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a timestamp")
            }
            fn visit_i64<E: Error>(self, millis: i64) -> Result<Millis, E> {
                Ok(Millis(millis))
            }
            fn visit_u64<E: Error>(self, millis: u64) -> Result<Millis, E> {
                Ok(Millis(i64::try_from(millis).unwrap_or(i64::MAX)))
            }
            fn visit_f64<E: Error>(self, secs: f64) -> Result<Millis, E> {
                Ok(Millis(super::member::millis_of_secs(secs)))
            }
        }
        d.deserialize_any(V)
    }
}
