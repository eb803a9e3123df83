//! What waits to leave on one link: a queue bounded in frames and bytes, and the source that
//! gathers from it whatever the connection can take next.
//!
//! Frames leave in the order of [`Outbox::push`]. Room is taken before a frame is pushed and given
//! back when it leaves; frames that answer for their own number (cancellations, credits, ends of
//! streams) are pushed without room.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::limits::{
    GATHER_BYTES, GATHER_FRAMES_MAX, OUTBOX_FRAMES_MAX, OUTBOX_UNIT_BYTES, OUTBOX_UNITS,
};
use crate::proto::{Frame, Frames};

/// The link has ended.
#[derive(Debug)]
pub(crate) struct Ended;

/// There is no room at the moment, or no link any more.
#[derive(Debug)]
pub(crate) enum NoRoom {
    Full,
    Ended,
}

/// Room for one frame, given back unless the frame is pushed.
#[derive(Debug)]
pub(crate) struct Room<'a>(SemaphorePermit<'a>);

#[derive(Debug, PartialEq, Eq)]
enum State {
    Open,
    /// What is queued still leaves, nothing is added.
    Finishing,
    Ended,
}

#[derive(Debug)]
struct Queue {
    frames: VecDeque<Queued>,
    waker: Option<Waker>,
    state: State,
}

#[derive(Debug)]
struct Queued {
    frame: Frame,
    units: usize,
}

#[derive(Debug)]
pub(crate) struct Outbox {
    room: Semaphore,
    queue: Mutex<Queue>,
}

impl Outbox {
    pub(crate) fn new() -> Self {
        Self {
            room: Semaphore::new(OUTBOX_UNITS),
            queue: Mutex::new(Queue {
                frames: VecDeque::new(),
                waker: None,
                state: State::Open,
            }),
        }
    }

    /// Waits, in the order of arrival, for room for a body of `bytes`.
    pub(crate) async fn room(&self, bytes: usize) -> Result<Room<'_>, Ended> {
        match self.room.acquire_many(units(bytes)).await {
            Ok(permit) => Ok(Room(permit)),
            Err(_closed) => Err(Ended),
        }
    }

    pub(crate) fn try_room(&self, bytes: usize) -> Result<Room<'_>, NoRoom> {
        self.room
            .try_acquire_many(units(bytes))
            .map(Room)
            .map_err(|error| match error {
                tokio::sync::TryAcquireError::NoPermits => NoRoom::Full,
                tokio::sync::TryAcquireError::Closed => NoRoom::Ended,
            })
    }

    /// Queues a frame in the room that was taken for it.
    pub(crate) fn push(&self, room: Room<'_>, frame: Frame) -> Result<(), Ended> {
        let units = room.0.num_permits();
        self.add(Queued { frame, units })?;
        room.0.forget();
        Ok(())
    }

    /// Queues a frame without room.
    pub(crate) fn push_small(&self, frame: Frame) -> Result<(), Ended> {
        self.add(Queued { frame, units: 0 })
    }

    fn add(&self, queued: Queued) -> Result<(), Ended> {
        let mut queue = self.lock();
        if queue.state != State::Open {
            return Err(Ended);
        }
        if queue.frames.len() >= OUTBOX_FRAMES_MAX {
            queue.state = State::Ended;
            self.room.close();
        } else {
            queue.frames.push_back(queued);
        }
        // Whoever pushes into an empty queue wakes the source; the rest is gathered with it.
        let waker = queue.waker.take();
        drop(queue);
        if let Some(waker) = waker {
            waker.wake();
        }
        Ok(())
    }

    /// Lets what is queued leave and takes no more.
    pub(crate) fn finish(&self) {
        self.close(State::Finishing);
    }

    /// Ends the queue at once. Returns the calls and other frames that had not left.
    pub(crate) fn end(&self) -> Vec<Frame> {
        self.close(State::Ended);
        let unsent = std::mem::take(&mut self.lock().frames);
        unsent.into_iter().map(|queued| queued.frame).collect()
    }

    fn close(&self, state: State) {
        self.room.close();
        let mut queue = self.lock();
        if queue.state != State::Ended {
            queue.state = state;
        }
        let waker = queue.waker.take();
        drop(queue);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn poll_gather(&self, cx: &mut Context<'_>) -> Poll<Option<Frames>> {
        let mut queue = self.lock();
        if queue.state == State::Ended {
            return Poll::Ready(None);
        }
        if queue.frames.is_empty() {
            if queue.state == State::Finishing {
                return Poll::Ready(None);
            }
            if !queue
                .waker
                .as_ref()
                .is_some_and(|w| w.will_wake(cx.waker()))
            {
                queue.waker = Some(cx.waker().clone());
            }
            return Poll::Pending;
        }
        let mut frames = Vec::with_capacity(queue.frames.len().min(GATHER_FRAMES_MAX));
        let (mut bytes, mut units) = (0, 0);
        while frames.len() < GATHER_FRAMES_MAX && bytes < GATHER_BYTES {
            let Some(queued) = queue.frames.pop_front() else {
                break;
            };
            bytes += queued.frame.body.len();
            units += queued.units;
            frames.push(queued.frame);
        }
        drop(queue);
        self.room.add_permits(units);
        Poll::Ready(Some(Frames { frames }))
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn units(bytes: usize) -> u32 {
    // A body is at most BODY_BYTES_MAX, so this is far below OUTBOX_UNITS.
    u32::try_from(1 + bytes / OUTBOX_UNIT_BYTES).unwrap_or(u32::MAX)
}

/// The source of a link's outgoing HTTP/2 messages. When the connection drops it, the queue takes
/// no more.
#[derive(Debug)]
pub(crate) struct Source<T: AsRef<Outbox>>(pub(crate) Arc<T>);

impl<T: AsRef<Outbox>> Source<T> {
    pub(crate) fn poll_frames(&self, cx: &mut Context<'_>) -> Poll<Option<Frames>> {
        self.0.as_ref().as_ref().poll_gather(cx)
    }
}

impl<T: AsRef<Outbox>> Drop for Source<T> {
    fn drop(&mut self) {
        // The frames stay: whoever ends the link asks for those that never left.
        let outbox = self.0.as_ref().as_ref();
        outbox.close(State::Ended);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;
    use crate::link::frame;
    use crate::proto::FrameKind;

    impl AsRef<Outbox> for Outbox {
        fn as_ref(&self) -> &Outbox {
            self
        }
    }

    fn sized(call: u64, bytes: usize) -> Frame {
        Frame {
            body: vec![0; bytes].into(),
            ..frame(call, FrameKind::Call)
        }
    }

    fn add(outbox: &Outbox, call: u64, bytes: usize) {
        let room = outbox.try_room(bytes).expect("room");
        outbox.push(room, sized(call, bytes)).expect("open");
    }

    async fn gather(source: &Source<Outbox>) -> Option<Vec<u64>> {
        let frames = std::future::poll_fn(|cx| source.poll_frames(cx)).await?;
        Some(frames.frames.iter().map(|frame| frame.call).collect())
    }

    #[tokio::test]
    async fn gathers_in_order_up_to_the_bounds() {
        let outbox = Arc::new(Outbox::new());
        let source = Source(Arc::clone(&outbox));
        for call in 0..GATHER_FRAMES_MAX as u64 + 2 {
            add(&outbox, call, 1);
        }
        let first = gather(&source).await.expect("frames");
        assert_eq!(first, (0..GATHER_FRAMES_MAX as u64).collect::<Vec<_>>());
        assert_eq!(gather(&source).await.expect("frames").len(), 2);

        for call in 0..3 {
            add(&outbox, call, GATHER_BYTES / 2 + 1);
        }
        assert_eq!(gather(&source).await, Some(vec![0, 1]));
        assert_eq!(gather(&source).await, Some(vec![2]));
        assert_eq!(gather(&source).now_or_never(), None);
    }

    #[tokio::test]
    async fn is_bounded_in_frames_and_bytes_and_gives_room_back() {
        let outbox = Arc::new(Outbox::new());
        let source = Source(Arc::clone(&outbox));
        for round in 0..3 {
            let bytes = [0, OUTBOX_UNIT_BYTES - 1, 16 * 1024 * 1024][round];
            let fit = OUTBOX_UNITS / units(bytes) as usize;
            for call in 0..fit {
                add(&outbox, call as u64, bytes);
            }
            assert!(matches!(outbox.try_room(bytes), Err(NoRoom::Full)));
            assert!(outbox.room(bytes).now_or_never().is_none());
            let mut left = 0;
            while left < fit {
                left += gather(&source).await.expect("frames").len();
            }
            assert_eq!(outbox.room.available_permits(), OUTBOX_UNITS);
        }
        // Room that is not used is given back.
        drop(outbox.try_room(9));
        assert_eq!(outbox.room.available_permits(), OUTBOX_UNITS);
    }

    #[tokio::test]
    async fn a_flood_of_frames_without_room_ends_the_link() {
        let outbox = Arc::new(Outbox::new());
        let source = Source(Arc::clone(&outbox));
        for call in 0..OUTBOX_FRAMES_MAX as u64 + 1 {
            outbox
                .push_small(frame(call, FrameKind::Cancel))
                .expect("open");
        }
        assert!(outbox.push_small(frame(0, FrameKind::Cancel)).is_err());
        assert!(matches!(outbox.try_room(0), Err(NoRoom::Ended)));
        assert_eq!(gather(&source).await, None);
    }

    #[tokio::test]
    async fn what_is_queued_leaves_when_it_finishes_and_stays_when_it_ends() {
        let outbox = Arc::new(Outbox::new());
        let source = Source(Arc::clone(&outbox));
        add(&outbox, 1, 1);
        outbox.finish();
        assert!(outbox.push_small(frame(2, FrameKind::Ping)).is_err());
        assert_eq!(gather(&source).await, Some(vec![1]));
        assert_eq!(gather(&source).await, None);

        let outbox = Arc::new(Outbox::new());
        let source = Source(Arc::clone(&outbox));
        add(&outbox, 1, 1);
        let waiting = outbox.room(16 * 1024 * 1024);
        drop(source);
        assert!(waiting.await.is_err());
        let unsent = outbox.end();
        assert_eq!(unsent.len(), 1);
        assert!(outbox.end().is_empty());
    }
}
