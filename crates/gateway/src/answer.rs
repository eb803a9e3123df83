//! HTTP answers: what the wire encoded with the headers of AWS, and the pages of management.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::vec;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use hyper::body::{Body, Frame, SizeHint};
use levada_wire::protocol::event_stream;
use levada_wire::{Encoded, Protocol};
use thiserror::Error;
use tokio::sync::mpsc;

use crate::body::Share;
use crate::random::UuidText;

/// What hyper sends.
pub(crate) type Answer = Response<AnswerBody>;

/// The body of an answer.
#[derive(Debug)]
pub(crate) enum AnswerBody {
    /// One that is whole when it is sent, and its share of the memory for long ones.
    Whole(Pieces, Option<Share>),
    /// One that goes on.
    Stream(Frames),
}

/// The pieces of a body that is whole. Each is given back when it is sent.
#[derive(Debug)]
pub(crate) struct Pieces {
    first: Option<Bytes>,
    rest: vec::IntoIter<Bytes>,
    bytes_left: u64,
}

impl Pieces {
    fn new(first: Bytes, rest: Vec<Bytes>) -> Self {
        let bytes = first.len() + rest.iter().map(Bytes::len).sum::<usize>();
        Self {
            first: Some(first),
            rest: rest.into_iter(),
            bytes_left: bytes as u64,
        }
    }

    fn next(&mut self) -> Option<Bytes> {
        if self.bytes_left == 0 {
            return None;
        }
        let piece = self.first.take().or_else(|| self.rest.next())?;
        self.bytes_left -= piece.len() as u64;
        Some(piece)
    }
}

/// Frames of an answer as they come. It ends when their sender is dropped.
#[derive(Debug)]
pub(crate) struct Frames {
    frames: mpsc::Receiver<Bytes>,
    is_cut: Arc<AtomicBool>,
}

/// Where the frames come from.
#[derive(Debug)]
pub(crate) struct FrameSender {
    pub(crate) frames: mpsc::Sender<Bytes>,
    is_cut: Arc<AtomicBool>,
}

impl FrameSender {
    /// The answer breaks off, where it would come to its end in good order.
    pub(crate) fn cut_off(self) {
        self.is_cut.store(true, Ordering::Release);
    }
}

/// An answer of which at most so many frames wait to be sent.
pub(crate) fn frames(waiting_max: usize) -> (FrameSender, Frames) {
    let (sender, receiver) = mpsc::channel(waiting_max);
    let is_cut = Arc::new(AtomicBool::new(false));
    let frames = Frames {
        frames: receiver,
        is_cut: Arc::clone(&is_cut),
    };
    let sender = FrameSender {
        frames: sender,
        is_cut,
    };
    (sender, frames)
}

/// The reader took nothing for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the answer's reader stalled")]
pub(crate) struct Stalled;

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Stalled;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Stalled>>> {
        match self.get_mut() {
            Self::Whole(pieces, _) => {
                Poll::Ready(pieces.next().map(|piece| Ok(Frame::data(piece))))
            }
            Self::Stream(stream) => Poll::Ready(match ready!(stream.frames.poll_recv(cx)) {
                Some(frame) => Some(Ok(Frame::data(frame))),
                None => stream
                    .is_cut
                    .load(Ordering::Acquire)
                    .then_some(Err(Stalled)),
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(pieces, _) => pieces.bytes_left == 0,
            Self::Stream(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(pieces, _) => SizeHint::with_exact(pieces.bytes_left),
            Self::Stream(_) => SizeHint::default(),
        }
    }
}

/// An answer with that body.
fn whole(first: Bytes, rest: Vec<Bytes>) -> Answer {
    Response::new(AnswerBody::Whole(Pieces::new(first, rest), None))
}

/// An answer that goes on: an event stream.
pub(crate) fn stream(frames: Frames, request_id: &UuidText) -> Answer {
    let mut answer = Response::new(AnswerBody::Stream(frames));
    let headers = answer.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(event_stream::CONTENT_TYPE),
    );
    if let Ok(id) = HeaderValue::from_str(request_id.as_str()) {
        headers.insert(REQUEST_ID, id);
    }
    answer
}

/// The same answer, which gives back the share of memory when it is sent.
pub(crate) fn holding(mut answer: Answer, share: Option<Share>) -> Answer {
    if let AnswerBody::Whole(_, held) = answer.body_mut() {
        *held = share;
    }
    answer
}

/// Adds the checksum of the body, by which clients of DynamoDB tell a damaged answer.
pub(crate) fn checked(mut answer: Answer, crc32: u32) -> Answer {
    answer.headers_mut().insert(CRC32, HeaderValue::from(crc32));
    answer
}

const SMITHY_PROTOCOL: HeaderName = HeaderName::from_static("smithy-protocol");
const CRC32: HeaderName = HeaderName::from_static("x-amz-crc32");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const QUERY_ERROR: HeaderName = HeaderName::from_static("x-amzn-query-error");

/// An answer of AWS's protocols.
pub(crate) fn encoded(encoded: Encoded, request_id: &UuidText) -> Answer {
    let mut answer = whole(encoded.body, encoded.rest);
    *answer.status_mut() =
        StatusCode::from_u16(encoded.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = answer.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(encoded.content_type),
    );
    if encoded.content_type == Protocol::RpcCbor.content_type() {
        headers.insert(SMITHY_PROTOCOL, HeaderValue::from_static("rpc-v2-cbor"));
    }
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
    let mut answer = whole(text.into(), Vec::new());
    *answer.status_mut() = status;
    answer
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}
