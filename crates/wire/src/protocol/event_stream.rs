//! Frames of `application/vnd.amazon.eventstream`, as an answer that goes on carries them. Never reads them.
//!
//! ```text
//! u32 total length | u32 headers length | u32 CRC-32 of these 8 bytes
//! headers: u8 name length | name | u8 7 | u16 value length | value     (7 is a string)
//! payload
//! u32 CRC-32 of all before
//! ```

use bytes::Bytes;
use thiserror::Error;

/// `Content-Type` of the answer.
pub const CONTENT_TYPE: &str = "application/vnd.amazon.eventstream";

/// Bytes of one frame's payload: what the SDKs' decoders take.
pub const PAYLOAD_BYTES_MAX: usize = 24 * 1024 * 1024;
/// Bytes of one frame's headers: the same.
pub const HEADERS_BYTES_MAX: usize = 128 * 1024;
/// Bytes before the headers, with their checksum.
const PRELUDE_BYTES: usize = 12;
/// Bytes of the checksum after the payload.
const CHECKSUM_BYTES: usize = 4;
/// The type of a header whose value is a string.
const STRING: u8 = 7;

/// A name, a value, the headers or the payload is longer than a frame can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("too long for a frame of an event stream")]
pub struct FrameTooLong;

/// A frame with headers that are strings, in their order.
pub fn frame(headers: &[(&str, &str)], payload: &[u8]) -> Result<Bytes, FrameTooLong> {
    let mut block = Vec::with_capacity(128);
    for (name, value) in headers {
        let name_len = u8::try_from(name.len()).map_err(|_| FrameTooLong)?;
        // The length is signed where the decoders are written in Java.
        let value_len = i16::try_from(value.len()).map_err(|_| FrameTooLong)?;
        block.push(name_len);
        block.extend_from_slice(name.as_bytes());
        block.push(STRING);
        block.extend_from_slice(&value_len.to_be_bytes());
        block.extend_from_slice(value.as_bytes());
    }
    if block.len() > HEADERS_BYTES_MAX || payload.len() > PAYLOAD_BYTES_MAX {
        return Err(FrameTooLong);
    }
    let total = PRELUDE_BYTES + block.len() + payload.len() + CHECKSUM_BYTES;
    let mut frame = Vec::with_capacity(total);
    for length in [total, block.len()] {
        let length = u32::try_from(length).map_err(|_| FrameTooLong)?;
        frame.extend_from_slice(&length.to_be_bytes());
    }
    seal(&mut frame);
    frame.extend_from_slice(&block);
    frame.extend_from_slice(payload);
    seal(&mut frame);
    Ok(frame.into())
}

/// Appends the checksum of all that is there.
fn seal(frame: &mut Vec<u8>) {
    frame.extend_from_slice(&crc32fast::hash(frame).to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }

    /// The vectors that come with the format's definition.
    #[test]
    fn frames_are_those_of_the_definition() {
        let empty = frame(&[], b"").unwrap();
        assert_eq!(hex(&empty), "000000100000000005c248eb7d98c8ff");
        let payload = frame(&[], b"{'foo':'bar'}").unwrap();
        assert_eq!(
            hex(&payload),
            "0000001d00000000fd528c5a7b27666f6f273a27626172277dc3653936"
        );
        let headers = [("content-type", "application/json")];
        let header = frame(&headers, b"{'foo':'bar'}").unwrap();
        assert_eq!(
            hex(&header),
            "0000003d0000002007fd83960c636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e\
             7b27666f6f273a27626172277d8d9c08b1"
        );
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let long = "v".repeat(32_768);
        assert!(frame(&[("n", &long[1..])], b"").is_ok());
        assert_eq!(frame(&[("n", &long)], b""), Err(FrameTooLong));
        assert_eq!(frame(&[(&long[..256], "v")], b""), Err(FrameTooLong));
        assert_eq!(frame(&[("n", &long[1..]); 5], b""), Err(FrameTooLong));
        let payload = vec![0; PAYLOAD_BYTES_MAX + 1];
        assert!(frame(&[], &payload[1..]).is_ok());
        assert_eq!(frame(&[], &payload), Err(FrameTooLong));
    }
}
