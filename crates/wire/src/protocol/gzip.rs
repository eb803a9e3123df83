//! Bodies that a client has compressed, as SDKs do with reports of metrics.

use std::io::Read as _;

use bytes::Bytes;
use flate2::read::GzDecoder;

use crate::error::AwsError;

/// The body as it was before, which has so many bytes at most.
pub(super) fn unpack(body: &[u8], bytes_max: usize) -> Result<Bytes, AwsError> {
    let mut unpacked = Vec::new();
    // One more, to see that there is more.
    let mut decoder = GzDecoder::new(body).take(bytes_max as u64 + 1);
    if decoder.read_to_end(&mut unpacked).is_err() {
        return Err(AwsError::serialization(
            "The body is not what its Content-Encoding says.",
        ));
    }
    if unpacked.len() > bytes_max {
        return Err(AwsError::request_entity_too_large(bytes_max));
    }
    Ok(unpacked.into())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    #[test]
    fn a_bomb_is_refused() {
        let mut packed = GzEncoder::new(Vec::new(), Compression::default());
        packed.write_all(&[7; 5_000]).unwrap();
        let packed = packed.finish().unwrap();
        assert_eq!(unpack(&packed, 5_000).unwrap().len(), 5_000);
        assert_eq!(unpack(&packed, 4_999).unwrap_err().status, 413);
        assert_eq!(unpack(b"plain", 10).unwrap_err().status, 400);
    }
}
