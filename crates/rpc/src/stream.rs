//! The two halves of a stream. What is under way in one direction is bounded by a window that the
//! receiver gives back as it consumes, so a slow receiver holds up its own sender and nobody else.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::Stream;
use tokio::sync::{Semaphore, mpsc};

use crate::error::Closed;
use crate::limits::{
    BODY_BYTES_MAX, STREAM_CREDIT_UNITS, STREAM_ITEM_UNITS_MAX, STREAM_UNIT_BYTES,
};
use crate::link::{Link, frame};
use crate::proto::{Frame, FrameKind};

/// The half of a stream that items are sent on. Dropping it tells the peer that no more come.
#[derive(Debug)]
pub struct StreamSender {
    link: Arc<Link>,
    call: u64,
    credit: Arc<Semaphore>,
}

impl StreamSender {
    pub(crate) fn new(link: Arc<Link>, call: u64, credit: Arc<Semaphore>) -> Self {
        Self { link, call, credit }
    }

    /// Sends one item after those sent before. Waits while the peer's window or the link's queue
    /// is full. Dropping the future may leave the item unsent, never half sent.
    ///
    /// # Errors
    /// [`Closed::Ended`] once the peer has dropped its receiver or the link broke,
    /// [`Closed::TooLarge`] if the item exceeds [`BODY_BYTES_MAX`].
    pub async fn send(&self, item: Bytes) -> Result<(), Closed> {
        let bytes = item.len();
        if bytes > BODY_BYTES_MAX {
            return Err(Closed::TooLarge { bytes });
        }
        let credit = (self.credit.acquire_many(units(bytes)).await).map_err(|_| Closed::Ended)?;
        let outbox = &self.link.outbox;
        let room = outbox.room(bytes).await.map_err(|_| Closed::Ended)?;
        let frame = Frame {
            body: item,
            ..frame(self.call, FrameKind::StreamItem)
        };
        outbox.push(room, frame).map_err(|_| Closed::Ended)?;
        credit.forget();
        Ok(())
    }

    /// Whether the peer takes no more items, or the link broke.
    pub fn is_closed(&self) -> bool {
        self.credit.is_closed()
    }
}

impl Drop for StreamSender {
    fn drop(&mut self) {
        self.link.close_stream(self.call);
    }
}

/// The half of a stream that items arrive on. Dropping it tells the peer to send no more.
#[derive(Debug)]
pub struct StreamReceiver {
    link: Arc<Link>,
    call: u64,
    items: mpsc::Receiver<Bytes>,
    /// Units consumed and not yet given back to the sender.
    consumed: u32,
}

impl StreamReceiver {
    pub(crate) fn new(link: Arc<Link>, call: u64, items: mpsc::Receiver<Bytes>) -> Self {
        Self {
            link,
            call,
            items,
            consumed: 0,
        }
    }

    /// The next item, in the order in which they were sent; none when the peer has dropped its
    /// sender or the link broke. Cancel safe.
    pub async fn next(&mut self) -> Option<Bytes> {
        std::future::poll_fn(|cx| self.poll_item(cx)).await
    }

    fn poll_item(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let item = ready!(self.items.poll_recv(cx));
        if let Some(item) = &item {
            self.consumed += units(item.len());
            if self.consumed >= STREAM_CREDIT_UNITS {
                let credit = Frame {
                    method: std::mem::take(&mut self.consumed),
                    ..frame(self.call, FrameKind::StreamCredit)
                };
                // A link that has ended ends the stream by itself.
                let _ = self.link.outbox.push_small(credit);
            }
        }
        Poll::Ready(item)
    }
}

impl Stream for StreamReceiver {
    type Item = Bytes;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.poll_item(cx)
    }
}

impl Drop for StreamReceiver {
    fn drop(&mut self) {
        self.link.stop_stream(self.call);
    }
}

/// What an item takes of the window.
fn units(bytes: usize) -> u32 {
    let units = u32::try_from(bytes.div_ceil(STREAM_UNIT_BYTES)).unwrap_or(u32::MAX);
    units.clamp(1, STREAM_ITEM_UNITS_MAX)
}
