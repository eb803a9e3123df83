//! One link on the side that was dialled: reads its frames in order, hands calls and streams to the
//! handler, and sends what it answers.
//!
//! A call whose answer is ready at once costs neither a task nor an entry in a table.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures::{FutureExt, Stream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};

use crate::error::{RemoteError, code};
use crate::handler::{Caller, PeerHandler};
use crate::identity::Class;
use crate::limits::{BODY_BYTES_MAX, CALLS_MAX, ERROR_BYTES_MAX, STREAMS_MAX};
use crate::link::{Link, NoStream, frame};
use crate::outbox::{Ended, Source};
use crate::proto::{Frame, FrameKind, Frames};

/// What leaves on a served link.
pub(crate) struct Replies(Source<Link>);

impl Stream for Replies {
    type Item = Result<Frames, Status>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_frames(cx).map(|frames| frames.map(Ok))
    }
}

pub(crate) struct Served {
    from: Caller,
    handler: Arc<dyn PeerHandler>,
    link: Arc<Link>,
    running: Arc<Running>,
    /// One permit for each call that the handler has in its hands.
    permits: Arc<Semaphore>,
    /// One permit for each stream that the handler has in its hands.
    streams: Arc<Semaphore>,
}

/// The tasks of calls that are not answered, by call number.
#[derive(Default)]
struct Running(Mutex<HashMap<u64, AbortHandle>>);

impl Running {
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, AbortHandle>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Served {
    pub(crate) fn new(from: Caller, handler: Arc<dyn PeerHandler>) -> (Self, Replies) {
        let link = Link::new();
        let replies = Replies(Source(Arc::clone(&link)));
        let served = Self {
            from,
            handler,
            link,
            running: Arc::default(),
            permits: Arc::new(Semaphore::new(CALLS_MAX)),
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
        };
        (served, replies)
    }

    /// Reads until the link ends or the server does.
    pub(crate) async fn run(self, inbound: Streaming<Frames>, ending: CancellationToken) {
        let Caller { node, class, .. } = self.from;
        let class = class.name();
        tracing::debug!(%node, class, "a peer opened a link");
        match ending.run_until_cancelled(self.read(inbound)).await {
            None => {
                self.link.outbox.finish();
                self.link.end_streams();
                return;
            }
            Some(Ok(())) => tracing::debug!(%node, class, "a peer closed its link"),
            Some(Err(status)) => tracing::debug!(%node, class, %status, "a peer's link broke"),
        }
        self.link.end();
    }

    async fn read(&self, mut inbound: Streaming<Frames>) -> Result<(), Status> {
        while let Some(frames) = inbound.message().await? {
            for frame in frames.frames {
                if self.take(frame).await.is_err() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    async fn take(&self, frame: Frame) -> Result<(), Ended> {
        match frame.kind() {
            FrameKind::Call => self.call(frame).await,
            FrameKind::StreamOpen => self.open(frame).await,
            FrameKind::Ping => self.send(self::frame(frame.call, FrameKind::Pong)).await,
            FrameKind::Cancel => {
                let task = self.running.lock().remove(&frame.call);
                if let Some(task) = task {
                    task.abort();
                }
                Ok(())
            }
            kind => {
                self.link.take(kind, frame);
                Ok(())
            }
        }
    }

    async fn call(&self, request: Frame) -> Result<(), Ended> {
        let call = request.call;
        if request.body.len() > BODY_BYTES_MAX {
            let error =
                RemoteError::new(code::TOO_LARGE, "the body is larger than a frame may carry");
            return self.send(answer(call, Err(error))).await;
        }
        let Some(permit) = self.permit().await else {
            let error = RemoteError::new(code::OVERLOADED, "too many calls are under way");
            return self.send(answer(call, Err(error))).await;
        };
        let answered =
            (self.handler).call(self.from, request.method, request.partition, request.body);
        let mut answered = AssertUnwindSafe(answered).catch_unwind();
        let polled = answered.poll_unpin(&mut Context::from_waker(Waker::noop()));
        if let Poll::Ready(result) = polled {
            return self.send(answer(call, flatten(result))).await;
        }
        let (link, running) = (Arc::clone(&self.link), Arc::clone(&self.running));
        self.spawn(call, async move {
            let reply = answer(call, flatten(answered.await));
            running.lock().remove(&call);
            let _ = send(&link, reply).await;
            drop(permit);
        });
        Ok(())
    }

    /// The right to begin one more call. Requests are turned away rather than made to wait; the
    /// other classes hold up their link.
    async fn permit(&self) -> Option<OwnedSemaphorePermit> {
        let permits = Arc::clone(&self.permits);
        if self.from.class == Class::Request {
            permits.try_acquire_owned().ok()
        } else {
            permits.acquire_owned().await.ok()
        }
    }

    /// Begins a stream. Its task isn't aborted when the link breaks: it sees its halves end.
    async fn open(&self, open: Frame) -> Result<(), Ended> {
        let call = open.call;
        let Ok(permit) = Arc::clone(&self.streams).try_acquire_owned() else {
            return self.refuse_stream(call).await;
        };
        let (outbound, inbound) = match self.link.open_stream(call) {
            Ok(stream) => stream,
            Err(NoStream::Ended) => return Err(Ended),
            Err(NoStream::Taken) => return Ok(()),
            Err(NoStream::TooMany) => return self.refuse_stream(call).await,
        };
        let served =
            (self.handler).stream(self.from, open.method, open.partition, inbound, outbound);
        tokio::spawn(async move {
            if AssertUnwindSafe(served).catch_unwind().await.is_err() {
                tracing::error!("the handler of a peer's stream panicked");
            }
            drop(permit);
        });
        Ok(())
    }

    async fn refuse_stream(&self, call: u64) -> Result<(), Ended> {
        self.send(frame(call, FrameKind::StreamStop)).await?;
        self.send(frame(call, FrameKind::StreamClose)).await
    }

    /// Runs a task that the peer can cancel. The table is locked until the task is in it, so the
    /// task can't end before.
    fn spawn(&self, call: u64, task: impl Future<Output = ()> + Send + 'static) {
        let mut running = self.running.lock();
        let task = tokio::spawn(task).abort_handle();
        running.insert(call, task);
    }

    async fn send(&self, frame: Frame) -> Result<(), Ended> {
        send(&self.link, frame).await
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let running = std::mem::take(&mut *self.running.lock());
        for task in running.into_values() {
            task.abort();
        }
    }
}

async fn send(link: &Link, frame: Frame) -> Result<(), Ended> {
    let room = link.outbox.room(frame.body.len()).await?;
    link.outbox.push(room, frame)
}

fn flatten(
    result: Result<Result<Bytes, RemoteError>, Box<dyn std::any::Any + Send>>,
) -> Result<Bytes, RemoteError> {
    result.unwrap_or_else(|_panic| {
        tracing::error!("the handler of a peer's call panicked");
        Err(RemoteError::new(code::HANDLER_FAILED, "the handler failed"))
    })
}

/// The frame that answers a call. An answer that no frame can carry becomes an error.
fn answer(call: u64, result: Result<Bytes, RemoteError>) -> Frame {
    let error = match result {
        Ok(body) if body.len() <= BODY_BYTES_MAX => {
            return Frame {
                body,
                ..frame(call, FrameKind::Reply)
            };
        }
        Ok(body) => RemoteError::new(
            code::TOO_LARGE,
            format!(
                "an answer of {} bytes is larger than the {BODY_BYTES_MAX} bytes that a frame may carry",
                body.len()
            ),
        ),
        Err(error) => error,
    };
    // A cut character is replaced where the message is read.
    let mut message = Bytes::from(error.message);
    message.truncate(ERROR_BYTES_MAX);
    Frame {
        method: error.code,
        body: message,
        ..frame(call, FrameKind::Error)
    }
}
