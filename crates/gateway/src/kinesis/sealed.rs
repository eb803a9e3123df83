//! Opaque texts that come back: shard iterators, page tokens and receipt handles. Sealed, so that what is no text of ours is found out.
//!
//! ```text
//! base64url( kind | fields | HMAC-SHA256 over both )
//! ```
//!
//! The key follows from the cluster's number, which every node knows: any node reads what another one sealed.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use levada_types::AccountId;
use levada_wire::kinesis::{KinesisError, KinesisErrorKind};
use ring::hmac;

use crate::clock;

/// For how long an iterator or a page token is good, in milliseconds.
pub(super) const GOOD_FOR_MS: u64 = 300_000;
/// Bytes of the seal.
const SEAL_BYTES: usize = ring::digest::SHA256_OUTPUT_LEN;

/// What is sealed; texts of one kind are none of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    ShardIterator = 1,
    Shards = 2,
    Streams = 3,
    Consumers = 4,
    Queues = 5,
    QueueRecord = 6,
    DeadLetter = 7,
}

/// The key of a cluster's seals.
pub(super) struct Seal(hmac::Key);

impl Seal {
    pub(super) fn of_cluster(cluster: u64) -> Self {
        let secret = [b"levada kinesis ".as_slice(), &cluster.to_be_bytes()].concat();
        Self(hmac::Key::new(hmac::HMAC_SHA256, &secret))
    }

    pub(super) fn seal(&self, kind: Kind, fields: &[u8]) -> String {
        let mut bytes = Vec::with_capacity(1 + fields.len() + SEAL_BYTES);
        bytes.push(kind as u8);
        bytes.extend_from_slice(fields);
        let tag = hmac::sign(&self.0, &bytes);
        bytes.extend_from_slice(tag.as_ref());
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The fields, if the text is of this kind and of this cluster.
    pub(super) fn open(&self, kind: Kind, text: &str) -> Option<Vec<u8>> {
        let mut bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
        let seal = bytes.split_off(bytes.len().checked_sub(SEAL_BYTES)?);
        hmac::verify(&self.0, &bytes, &seal).ok()?;
        (bytes.first() == Some(&(kind as u8))).then(|| bytes.split_off(1))
    }
}

/// Reads fields from the front.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl Fields<'_> {
    pub(super) fn u64(&mut self) -> Option<u64> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_be_bytes(*head))
    }

    /// What is left, as a text.
    pub(super) fn text(self) -> Option<String> {
        String::from_utf8(self.0.to_vec()).ok()
    }
}

/// A place in a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ShardIterator {
    pub(super) account: AccountId,
    /// The stream's number, and its name.
    pub(super) stream: u64,
    pub(super) name: String,
    pub(super) shard: u32,
    /// The next position to read.
    pub(super) position: u64,
    pub(super) issued_ms: u64,
}

impl ShardIterator {
    pub(super) fn seal(&self, seal: &Seal) -> String {
        let numbers = [
            self.account.number(),
            self.stream,
            u64::from(self.shard),
            self.position,
            self.issued_ms,
        ];
        let mut fields = numbers.map(u64::to_be_bytes).concat();
        fields.extend_from_slice(self.name.as_bytes());
        seal.seal(Kind::ShardIterator, &fields)
    }

    /// From what a caller of this account gives, unless it is too old.
    pub(super) fn open(
        seal: &Seal,
        text: &str,
        account: AccountId,
        now_ms: u64,
    ) -> Result<Self, KinesisError> {
        let fields = seal.open(Kind::ShardIterator, text);
        let iterator = fields
            .and_then(|fields| Self::parse(Fields(&fields)))
            .filter(|iterator| iterator.account == account)
            .ok_or_else(KinesisError::invalid_shard_iterator)?;
        if now_ms.saturating_sub(iterator.issued_ms) > GOOD_FOR_MS {
            let (created, now) = (clock::words(iterator.issued_ms), clock::words(now_ms));
            let message = format!(
                "Iterator expired. The iterator was created at time {created} while right now it is {now} which is \
                 further in the future than the tolerated delay of {GOOD_FOR_MS} milliseconds."
            );
            return Err(KinesisError::new(
                KinesisErrorKind::ExpiredIterator,
                message,
            ));
        }
        Ok(iterator)
    }

    fn parse(mut fields: Fields<'_>) -> Option<Self> {
        Some(Self {
            account: AccountId::from_number(fields.u64()?)?,
            stream: fields.u64()?,
            shard: u32::try_from(fields.u64()?).ok()?,
            position: fields.u64()?,
            issued_ms: fields.u64()?,
            name: fields.text()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn iterator() -> ShardIterator {
        ShardIterator {
            account: AccountId::DEFAULT,
            stream: 7,
            name: "n".repeat(128),
            shard: u32::MAX,
            position: u64::MAX,
            issued_ms: 1_000_000,
        }
    }

    fn open(text: &str, now_ms: u64) -> Result<ShardIterator, String> {
        let seal = Seal::of_cluster(1);
        ShardIterator::open(&seal, text, AccountId::DEFAULT, now_ms).map_err(|e| e.to_string())
    }

    const INVALID: &str = "InvalidArgumentException: Invalid ShardIterator.";

    #[test]
    fn an_iterator_comes_back_within_five_minutes() {
        let text = iterator().seal(&Seal::of_cluster(1));
        assert!(text.len() <= levada_types::limits::SHARD_ITERATOR_LEN_MAX);
        assert_eq!(open(&text, 1_000_000 + GOOD_FOR_MS), Ok(iterator()));
        // A node whose clock is behind that of the one that gave it.
        assert_eq!(open(&text, 0), Ok(iterator()));
        assert_eq!(
            open(&text, 1_000_001 + GOOD_FOR_MS).unwrap_err(),
            "ExpiredIteratorException: Iterator expired. The iterator was created at time Thu Jan 01 00:16:40 UTC 1970 \
             while right now it is Thu Jan 01 00:21:40 UTC 1970 which is further in the future than the tolerated delay \
             of 300000 milliseconds."
        );
    }

    #[test]
    fn what_is_not_ours_is_found_out() {
        let seal = Seal::of_cluster(1);
        let text = iterator().seal(&seal);
        for at in 0..text.len() {
            let mut forged = text.clone().into_bytes();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(forged).unwrap();
            assert_eq!(open(&forged, 0).unwrap_err(), INVALID, "{at}");
        }
        for other in [
            "",
            "AAAA",
            &text[1..],
            &iterator().seal(&Seal::of_cluster(2)),
        ] {
            assert_eq!(open(other, 0).unwrap_err(), INVALID, "{other}");
        }
        let token = seal.seal(Kind::Streams, &[0; 60]);
        assert_eq!(open(&token, 0).unwrap_err(), INVALID);
        let other = AccountId::from_number(1).unwrap();
        assert!(ShardIterator::open(&seal, &text, other, 0).is_err());
    }
}
