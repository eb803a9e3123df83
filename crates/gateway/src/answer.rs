//! HTTP answers: what the wire encoded with the headers of AWS, and the pages of management.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use levada_wire::Encoded;

use crate::random::UuidText;

/// What hyper sends.
pub(crate) type Answer = Response<Full<Bytes>>;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const QUERY_ERROR: HeaderName = HeaderName::from_static("x-amzn-query-error");

/// An answer of AWS's protocols.
pub(crate) fn encoded(encoded: Encoded, request_id: &UuidText) -> Answer {
    let mut answer = Response::new(Full::new(encoded.body));
    *answer.status_mut() =
        StatusCode::from_u16(encoded.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = answer.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(encoded.content_type),
    );
    if let Ok(id) = HeaderValue::from_str(request_id.as_str()) {
        headers.insert(REQUEST_ID, id);
    }
    if let Some(error) = encoded
        .query_error
        .and_then(|e| HeaderValue::try_from(e).ok())
    {
        headers.insert(QUERY_ERROR, error);
    }
    answer
}

/// The same, after which the connection is closed: what is left of the request will not be read.
pub(crate) fn closing(mut answer: Answer) -> Answer {
    answer
        .headers_mut()
        .insert(header::CONNECTION, HeaderValue::from_static("close"));
    answer
}

/// A page for operators.
pub(crate) fn page(
    status: StatusCode,
    content_type: &'static str,
    text: impl Into<Bytes>,
) -> Answer {
    let mut answer = Response::new(Full::new(text.into()));
    *answer.status_mut() = status;
    answer
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}
