//! Page tokens: opaque texts that clients hand back.

use super::SnsError;
use crate::sqs::paging as queue_paging;

/// The token of a page that ended with `last`.
pub fn encode_token(last: &str) -> String {
    queue_paging::encode_token(last)
}

/// The last element of the page before; the next begins after it. An empty token is as good as none.
pub fn decode_token(token: Option<&str>) -> Result<Option<String>, SnsError> {
    token
        .filter(|token| !token.is_empty())
        .map(queue_paging::decode_token)
        .transpose()
        // From memory.
        .map_err(|_| SnsError::invalid_parameter("NextToken"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_back() {
        let token = encode_token("arn:aws:sns:us-east-1:000000000001:orders");
        let last = decode_token(Some(&token)).unwrap();
        assert_eq!(
            last.as_deref(),
            Some("arn:aws:sns:us-east-1:000000000001:orders")
        );
        assert_eq!(decode_token(None).unwrap(), None);
        assert_eq!(decode_token(Some("")).unwrap(), None);
        let refused = decode_token(Some("!")).unwrap_err();
        assert_eq!(refused.message, "Invalid parameter: NextToken");
    }
}
