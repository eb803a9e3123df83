//! Frames of an event stream (`application/vnd.amazon.eventstream`), cut out of the bytes as they come. Checksums are
//! not looked at: what is measured is the server.

use crate::http::CallError;

/// Total length, length of the headers, checksum of both.
const PRELUDE_BYTES: usize = 12;
/// The checksum at the end.
const CHECKSUM_BYTES: usize = 4;
/// No frame of an event is longer.
const FRAME_BYTES_MAX: usize = 32 << 20;

/// Bytes that came and are not yet frames.
#[derive(Default)]
pub(crate) struct Frames {
    bytes: Vec<u8>,
    /// Where the next frame begins.
    at: usize,
}

impl Frames {
    /// Takes what came.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if self.at == self.bytes.len() {
            self.bytes.clear();
        } else {
            self.bytes.drain(..self.at);
        }
        self.at = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The payload of the next frame that is complete; an error if it is an exception.
    pub(crate) fn next(&mut self) -> Result<Option<&[u8]>, CallError> {
        let frame = &self.bytes[self.at..];
        let Some(prelude) = frame.get(..PRELUDE_BYTES) else {
            return Ok(None);
        };
        let (total, headers) = (length(&prelude[..4]), length(&prelude[4..8]));
        if total > FRAME_BYTES_MAX || total < PRELUDE_BYTES + headers + CHECKSUM_BYTES {
            return Err(CallError::Malformed("the lengths of a frame"));
        }
        let Some(frame) = frame.get(..total) else {
            return Ok(None);
        };
        self.at += total;
        let (headers, payload) = frame[PRELUDE_BYTES..total - CHECKSUM_BYTES].split_at(headers);
        if memchr::memmem::find(headers, b":exception-type").is_some() {
            let body = String::from_utf8_lossy(payload).into_owned();
            // The head of the answer was that of a success.
            return Err(CallError::Refused { status: 200, body });
        }
        Ok(Some(payload))
    }
}

fn length(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .fold(0, |length, byte| length << 8 | usize::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame with a header, without its checksums.
    fn frame(header: &str, payload: &str) -> Vec<u8> {
        let mut headers = vec![u8::try_from(header.len()).unwrap()];
        headers.extend_from_slice(header.as_bytes());
        headers.extend_from_slice(&[7, 0, 1, b'v']);
        let total = PRELUDE_BYTES + headers.len() + payload.len() + CHECKSUM_BYTES;
        let mut frame = u32::try_from(total).unwrap().to_be_bytes().to_vec();
        frame.extend_from_slice(&u32::try_from(headers.len()).unwrap().to_be_bytes());
        frame.extend_from_slice(&[0; 4]);
        frame.extend_from_slice(&headers);
        frame.extend_from_slice(payload.as_bytes());
        frame.extend_from_slice(&[0; 4]);
        frame
    }

    #[test]
    fn frames_are_cut_wherever_the_bytes_were() {
        let bytes = [
            frame(":event-type", "one"),
            frame(":event-type", ""),
            frame(":event-type", "three"),
        ]
        .concat();
        for size in 1..bytes.len() {
            let (mut frames, mut payloads) = (Frames::default(), Vec::new());
            for piece in bytes.chunks(size) {
                frames.push(piece);
                while let Some(payload) = frames.next().unwrap() {
                    payloads.push(String::from_utf8(payload.to_vec()).unwrap());
                }
            }
            assert_eq!(payloads, ["one", "", "three"]);
        }
    }

    #[test]
    fn an_exception_is_an_error_and_so_is_what_is_no_frame() {
        let mut frames = Frames::default();
        frames.push(&frame(":exception-type", "gone"));
        assert!(frames.next().unwrap_err().to_string().contains("gone"));
        let mut frames = Frames::default();
        frames.push(&[0; PRELUDE_BYTES]);
        assert!(frames.next().is_err());
    }
}
