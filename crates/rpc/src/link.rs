//! One link as either side sees it: the outgoing queue, the calls that wait for an answer, and the
//! open streams. `dial` and `serve` feed it the frames that arrive.
//!
//! Nothing here waits while a lock is held, and no frame that a peer may send makes it panic.

use std::collections::HashMap;
use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::error::{CallError, RemoteError, code};
use crate::limits::{CALLS_MAX, STREAM_WINDOW_UNITS, STREAMS_MAX};
use crate::outbox::Outbox;
use crate::proto::{Frame, FrameKind};
use crate::stream::{StreamReceiver, StreamSender};

type Answer = Result<Bytes, CallError>;

#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) outbox: Outbox,
    next_call: AtomicU64,
    calls: Mutex<Calls>,
    streams: Mutex<Streams>,
}

#[derive(Debug, Default)]
struct Calls {
    waiting: HashMap<u64, oneshot::Sender<Answer>>,
    ended: bool,
}

#[derive(Debug, Default)]
struct Streams {
    open: HashMap<u64, OpenStream>,
    ended: bool,
}

/// What is still open of a stream. It is forgotten when both directions are closed.
#[derive(Debug)]
struct OpenStream {
    /// Towards this side's receiver, until the peer closes or the receiver is dropped. It has as
    /// many places as the window has units, and each item takes at least one.
    inbound: Option<mpsc::Sender<Bytes>>,
    /// The peer's window, until the peer stops or this side's sender is dropped.
    credit: Option<Arc<Semaphore>>,
}

/// Why a stream could not be registered.
#[derive(Debug)]
pub(crate) enum NoStream {
    TooMany,
    Ended,
    /// The peer uses the number of an open stream again.
    Taken,
}

impl AsRef<Outbox> for Link {
    fn as_ref(&self) -> &Outbox {
        &self.outbox
    }
}

impl Link {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            outbox: Outbox::new(),
            next_call: AtomicU64::new(1),
            calls: Mutex::default(),
            streams: Mutex::default(),
        })
    }

    pub(crate) fn next_call(&self) -> u64 {
        self.next_call.fetch_add(1, Ordering::Relaxed)
    }

    /// Expects an answer to `call`. The guard tells the peer when nobody waits any more.
    pub(crate) fn expect(
        &self,
        call: u64,
    ) -> Result<(oneshot::Receiver<Answer>, Waiting<'_>), CallError> {
        let (sender, receiver) = oneshot::channel();
        let mut calls = lock(&self.calls);
        if calls.ended {
            return Err(CallError::Unreachable { sent: false });
        }
        if calls.waiting.len() >= CALLS_MAX {
            return Err(CallError::Overloaded);
        }
        calls.waiting.insert(call, sender);
        let waiting = Waiting {
            link: self,
            call,
            answered: false,
        };
        Ok((receiver, waiting))
    }

    fn answer(&self, call: u64, answer: Answer) {
        let waiting = lock(&self.calls).waiting.remove(&call);
        if let Some(waiting) = waiting {
            // The caller may have given up this instant.
            let _ = waiting.send(answer);
        }
    }

    /// Takes a frame that both sides treat alike. Frames of unknown calls and streams are those
    /// that crossed with a cancellation or an end, and are dropped.
    pub(crate) fn take(self: &Arc<Self>, kind: FrameKind, frame: Frame) {
        match kind {
            FrameKind::Reply => self.answer(frame.call, Ok(frame.body)),
            FrameKind::Error => self.answer(frame.call, Err(remote_error(&frame))),
            FrameKind::StreamItem => self.item(frame.call, frame.body),
            FrameKind::StreamClose => self.update(frame.call, |open| open.inbound = None),
            FrameKind::StreamStop => self.update(frame.call, |open| {
                if let Some(credit) = open.credit.take() {
                    credit.close();
                }
            }),
            FrameKind::StreamCredit => self.update(frame.call, |open| {
                if let Some(credit) = &open.credit {
                    let window = STREAM_WINDOW_UNITS as usize;
                    let missing = window.saturating_sub(credit.available_permits());
                    credit.add_permits(missing.min(frame.method as usize));
                }
            }),
            FrameKind::Unspecified
            | FrameKind::Call
            | FrameKind::StreamOpen
            | FrameKind::Ping
            | FrameKind::Pong
            | FrameKind::Cancel => {}
        }
    }

    fn item(&self, call: u64, body: Bytes) {
        let mut overrun = false;
        self.update(call, |open| {
            if let Some(inbound) = &open.inbound
                && let Err(mpsc::error::TrySendError::Full(_)) = inbound.try_send(body)
            {
                open.inbound = None;
                overrun = true;
            }
        });
        if overrun {
            tracing::warn!(
                call,
                "a peer sent more on a stream than its window; stream ended"
            );
            let _ = self.outbox.push_small(frame(call, FrameKind::StreamStop));
        }
    }

    fn update(&self, call: u64, change: impl FnOnce(&mut OpenStream)) {
        let mut streams = lock(&self.streams);
        if let Some(open) = streams.open.get_mut(&call) {
            change(open);
            if open.inbound.is_none() && open.credit.is_none() {
                streams.open.remove(&call);
            }
        }
    }

    /// Makes this side's halves of the stream `call`.
    pub(crate) fn open_stream(
        self: &Arc<Self>,
        call: u64,
    ) -> Result<(StreamSender, StreamReceiver), NoStream> {
        let (inbound, items) = mpsc::channel(STREAM_WINDOW_UNITS as usize);
        let credit = Arc::new(Semaphore::new(STREAM_WINDOW_UNITS as usize));
        let mut streams = lock(&self.streams);
        if streams.ended {
            return Err(NoStream::Ended);
        }
        if streams.open.len() >= STREAMS_MAX {
            return Err(NoStream::TooMany);
        }
        if streams.open.contains_key(&call) {
            return Err(NoStream::Taken);
        }
        let open = OpenStream {
            inbound: Some(inbound),
            credit: Some(Arc::clone(&credit)),
        };
        streams.open.insert(call, open);
        drop(streams);
        Ok((
            StreamSender::new(Arc::clone(self), call, credit),
            StreamReceiver::new(Arc::clone(self), call, items),
        ))
    }

    /// This side's sender was dropped.
    pub(crate) fn close_stream(&self, call: u64) {
        let mut open_still = false;
        self.update(call, |open| open_still = open.credit.take().is_some());
        if open_still {
            let _ = self.outbox.push_small(frame(call, FrameKind::StreamClose));
        }
    }

    /// This side's receiver was dropped.
    pub(crate) fn stop_stream(&self, call: u64) {
        let mut open_still = false;
        self.update(call, |open| open_still = open.inbound.take().is_some());
        if open_still {
            let _ = self.outbox.push_small(frame(call, FrameKind::StreamStop));
        }
    }

    /// Ends every call and stream at once. May be called more than once.
    pub(crate) fn end(&self) {
        let unsent: HashSet<u64> = (self.outbox.end().into_iter())
            .filter(|frame| frame.kind == i32::from(FrameKind::Call))
            .map(|frame| frame.call)
            .collect();
        let waiting = {
            let mut calls = lock(&self.calls);
            calls.ended = true;
            std::mem::take(&mut calls.waiting)
        };
        for (call, waiting) in waiting {
            let sent = !unsent.contains(&call);
            let _ = waiting.send(Err(CallError::Unreachable { sent }));
        }
        self.end_streams();
    }

    /// Ends every stream at once.
    pub(crate) fn end_streams(&self) {
        let open = {
            let mut streams = lock(&self.streams);
            streams.ended = true;
            std::mem::take(&mut streams.open)
        };
        // Senders first: whoever sees a receiver end finds the other half ended too.
        for credit in open.values().filter_map(|open| open.credit.as_ref()) {
            credit.close();
        }
    }
}

/// A call that somebody waits for.
#[derive(Debug)]
pub(crate) struct Waiting<'a> {
    link: &'a Link,
    call: u64,
    answered: bool,
}

impl Waiting<'_> {
    /// The answer has come: there is nothing to cancel.
    pub(crate) fn answered(mut self) {
        self.answered = true;
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.answered {
            return;
        }
        let unanswered = lock(&self.link.calls).waiting.remove(&self.call).is_some();
        if unanswered {
            let cancel = frame(self.call, FrameKind::Cancel);
            let _ = self.link.outbox.push_small(cancel);
        }
    }
}

/// A frame without a body.
pub(crate) fn frame(call: u64, kind: FrameKind) -> Frame {
    Frame {
        call,
        kind: kind.into(),
        ..Frame::default()
    }
}

fn remote_error(frame: &Frame) -> CallError {
    if frame.method == code::OVERLOADED {
        return CallError::Overloaded;
    }
    let message = String::from_utf8_lossy(&frame.body);
    CallError::Remote(RemoteError::new(frame.method, message))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Closed;
    use crate::outbox::Source;

    fn send(link: &Link, call: u64) {
        let room = link.outbox.try_room(0).expect("room");
        let frame = frame(call, FrameKind::Call);
        link.outbox.push(room, frame).expect("open");
    }

    #[tokio::test]
    async fn a_call_that_never_left_is_told_so() {
        let link = Link::new();
        let source = Source(Arc::clone(&link));
        let (left, _left) = link.expect(1).expect("expected");
        send(&link, 1);
        let frames = std::future::poll_fn(|cx| source.poll_frames(cx)).await;
        assert_eq!(frames.expect("frames").frames.len(), 1);
        let (stayed, _stayed) = link.expect(2).expect("expected");
        send(&link, 2);
        // As the connection does when it breaks.
        drop(source);
        link.end();
        let unreachable = |sent| Ok(Err(CallError::Unreachable { sent }));
        assert_eq!(left.await, unreachable(true));
        assert_eq!(stayed.await, unreachable(false));
        let late = link.expect(3).expect_err("ended");
        assert_eq!(late, CallError::Unreachable { sent: false });
    }

    #[tokio::test]
    async fn a_call_that_nobody_waits_for_is_cancelled_once() {
        let link = Link::new();
        let source = Source(Arc::clone(&link));
        let (answer, waiting) = link.expect(1).expect("expected");
        link.take(FrameKind::Reply, frame(1, FrameKind::Reply));
        assert_eq!(answer.await, Ok(Ok(Bytes::new())));
        waiting.answered();
        let (_answer, waiting) = link.expect(2).expect("expected");
        drop(waiting);
        // An answer that comes later finds nobody.
        link.take(FrameKind::Reply, frame(2, FrameKind::Reply));
        let frames = std::future::poll_fn(|cx| source.poll_frames(cx)).await;
        let frames = frames.expect("frames").frames;
        assert_eq!(frames, [frame(2, FrameKind::Cancel)]);
    }

    #[tokio::test]
    async fn a_window_is_neither_exceeded_nor_inflated() {
        let link = Link::new();
        let source = Source(Arc::clone(&link));
        let (sender, mut receiver) = link.open_stream(5).expect("opened");
        let too_much = Frame {
            method: u32::MAX,
            ..frame(5, FrameKind::StreamCredit)
        };
        for _ in 0..3 {
            link.take(FrameKind::StreamCredit, too_much.clone());
        }
        for _ in 0..STREAM_WINDOW_UNITS {
            sender.send(Bytes::new()).await.expect("sent");
        }
        let beyond = futures::FutureExt::now_or_never(sender.send(Bytes::new()));
        assert_eq!(beyond, None);

        for _ in 0..=STREAM_WINDOW_UNITS {
            link.take(FrameKind::StreamItem, frame(5, FrameKind::StreamItem));
        }
        for _ in 0..STREAM_WINDOW_UNITS {
            assert_eq!(receiver.next().await, Some(Bytes::new()));
        }
        assert_eq!(receiver.next().await, None, "ended by the item too many");
        let frames = std::future::poll_fn(|cx| source.poll_frames(cx)).await;
        let frames = frames.expect("frames").frames;
        assert!(frames.contains(&frame(5, FrameKind::StreamStop)));

        link.take(FrameKind::StreamStop, frame(5, FrameKind::StreamStop));
        assert_eq!(sender.send(Bytes::new()).await, Err(Closed::Ended));
        assert!(lock(&link.streams).open.is_empty());
    }

    #[tokio::test]
    async fn streams_are_bounded_and_numbers_are_not_shared() {
        let link = Link::new();
        let streams: Vec<_> = (0..STREAMS_MAX as u64)
            .map(|call| link.open_stream(call).expect("opened"))
            .collect();
        assert!(matches!(link.open_stream(u64::MAX), Err(NoStream::TooMany)));
        drop(streams);
        assert!(lock(&link.streams).open.is_empty());
        let _open = link.open_stream(1).expect("opened");
        assert!(matches!(link.open_stream(1), Err(NoStream::Taken)));
        link.end();
        assert!(matches!(link.open_stream(2), Err(NoStream::Ended)));
    }
}
