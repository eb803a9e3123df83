//! Random ids in the form of a UUID of version 4: request ids and message ids.

use std::fmt;

use rand::RngExt as _;

/// Characters of a UUID.
pub(crate) const UUID_LEN: usize = 36;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// A UUID of version 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Uuid(pub(crate) [u8; 16]);

impl Uuid {
    /// A new one.
    pub(crate) fn random() -> Self {
        let mut bytes: [u8; 16] = rand::rng().random();
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        Self(bytes)
    }

    /// From stored bytes; those that are not 16 give the nil UUID.
    pub(crate) fn from_stored(bytes: &[u8]) -> Self {
        Self(bytes.try_into().unwrap_or_default())
    }

    /// 8-4-4-4-12 small hexadecimal digits.
    pub(crate) fn text(self) -> UuidText {
        let mut text = [b'-'; UUID_LEN];
        let mut at = 0;
        for (n, byte) in self.0.into_iter().enumerate() {
            if matches!(n, 4 | 6 | 8 | 10) {
                at += 1;
            }
            text[at] = HEX[usize::from(byte >> 4)];
            text[at + 1] = HEX[usize::from(byte & 15)];
            at += 2;
        }
        UuidText(text)
    }
}

/// A UUID written out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UuidText([u8; UUID_LEN]);

impl UuidText {
    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for UuidText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_is_written_in_its_groups() {
        let bytes = std::array::from_fn(|n| 0x10 + n as u8);
        assert_eq!(
            Uuid(bytes).text().as_str(),
            "10111213-1415-1617-1819-1a1b1c1d1e1f"
        );
        assert_eq!(
            Uuid::from_stored(&[1, 2]).text().as_str(),
            "00000000-0000-0000-0000-000000000000"
        );
    }

    #[test]
    fn random_ones_carry_version_and_variant() {
        let (a, b) = (Uuid::random(), Uuid::random());
        assert_ne!(a, b);
        let text = a.text();
        assert_eq!(text.as_str().as_bytes()[14], b'4');
        assert!(matches!(
            text.as_str().as_bytes()[19],
            b'8' | b'9' | b'a' | b'b'
        ));
    }
}
