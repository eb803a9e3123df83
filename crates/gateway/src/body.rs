//! Reading a request's body into one buffer, within bounds of length, memory and time.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Incoming};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::limits::{BODY_READ_MAX, BODY_RESERVE_BYTES_MAX, SMALL_BODY_BYTES_MAX};

/// Bytes that one permit of the long bodies' semaphore stands for.
const PERMIT_BYTES: usize = 64 * 1024;

/// Why there is no body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyError {
    /// Longer than its service is ever sent.
    TooLong,
    /// It did not arrive in time.
    TooSlow,
    /// The connection broke, or the framing is wrong.
    CutOff,
    /// Other callers' bodies fill the memory that there is for bodies.
    TooMany,
}

/// A long body's share of the memory, given back when it is dropped.
pub(crate) type Share = OwnedSemaphorePermit;

/// A body, and its share of the memory that there is for bodies.
#[derive(Debug)]
pub(crate) struct Collected {
    /// The bytes.
    pub(crate) bytes: Bytes,
    _permit: Option<Share>,
}

/// The memory for long bodies.
#[derive(Clone, Debug)]
pub(crate) struct BodyMemory(Arc<Semaphore>);

impl BodyMemory {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes_max / PERMIT_BYTES)))
    }

    /// Room for a body of at most `bytes_max`, if it is a long one.
    pub(crate) fn claim(&self, bytes_max: usize) -> Result<Option<Share>, BodyError> {
        if bytes_max <= SMALL_BODY_BYTES_MAX {
            return Ok(None);
        }
        let permits = u32::try_from(bytes_max.div_ceil(PERMIT_BYTES)).unwrap_or(u32::MAX);
        Arc::clone(&self.0)
            .try_acquire_many_owned(permits)
            .map(Some)
            .map_err(|_| BodyError::TooMany)
    }
}

/// Reads a body of at most `longest` bytes to its end. One that says beforehand that it is longer is not read at all.
pub(crate) async fn collect(
    mut body: Incoming,
    memory: &BodyMemory,
    longest: usize,
) -> Result<Collected, BodyError> {
    if body.is_end_stream() {
        return Ok(Collected {
            bytes: Bytes::new(),
            _permit: None,
        });
    }
    let announced = body.size_hint().upper();
    let bytes_max = announced.map_or(longest, |n| usize::try_from(n).unwrap_or(usize::MAX));
    if bytes_max > longest {
        return Err(BodyError::TooLong);
    }
    // A chunked body may turn out to be short; until then it counts as the longest.
    let permit = memory.claim(bytes_max)?;
    let first = match at_hand(&mut body).await? {
        Some(bytes) if announced == Some(bytes.len() as u64) => {
            return Ok(Collected {
                bytes,
                _permit: permit,
            });
        }
        first => first.unwrap_or_default(),
    };
    let rest = read(body, first, bytes_max.min(BODY_RESERVE_BYTES_MAX), longest);
    let bytes = tokio::time::timeout(BODY_READ_MAX, rest)
        .await
        .map_err(|_| BodyError::TooSlow)??;
    Ok(Collected {
        bytes,
        _permit: permit,
    })
}

/// What arrived with the head. That is nearly always the whole body: then nothing is copied, and no
/// timer is set.
async fn at_hand(body: &mut Incoming) -> Result<Option<Bytes>, BodyError> {
    let frame = poll_fn(|cx| match Pin::new(&mut *body).poll_frame(cx) {
        Poll::Ready(frame) => Poll::Ready(frame),
        Poll::Pending => Poll::Ready(None),
    });
    match frame.await {
        Some(frame) => Ok(frame.map_err(|_| BodyError::CutOff)?.into_data().ok()),
        None => Ok(None),
    }
}

async fn read(
    mut body: Incoming,
    first: Bytes,
    reserve: usize,
    longest: usize,
) -> Result<Bytes, BodyError> {
    let mut bytes = BytesMut::with_capacity(reserve.max(first.len()));
    bytes.extend_from_slice(&first);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| BodyError::CutOff)?.into_data() else {
            continue;
        };
        if bytes.len() + data.len() > longest {
            return Err(BodyError::TooLong);
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes.freeze())
}
