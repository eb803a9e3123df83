//! One connection: two directions of bytes, each with what is under way and what has arrived.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{MachineId, Network, Power};

/// Bytes that a direction holds before the writer has to wait: the buffers of both kernels.
const WINDOW_BYTES: usize = 1 << 20;

/// What travels.
pub(super) enum Segment {
    Bytes(Bytes),
    /// Nothing more comes.
    End,
    /// The connection does not exist there.
    Reset,
}

/// What a side sends.
#[derive(Default)]
struct Direction {
    under_way: VecDeque<(u64, Segment)>,
    arrived: VecDeque<Bytes>,
    bytes: usize,
    ended: bool,
    reset: bool,
    /// The end was sent.
    closed: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// A connection between two machines. Side 0 dialled.
pub(super) struct Connection {
    pub(super) machines: [MachineId; 2],
    /// By the side that sends.
    directions: [Direction; 2],
    /// The process that held the side is gone, or has let go of it.
    gone: [bool; 2],
}

impl Connection {
    pub(super) fn new(machines: [MachineId; 2]) -> Self {
        Self {
            machines,
            directions: Default::default(),
            gone: [false; 2],
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.gone == [true; 2]
    }

    /// A machine that loses power takes along what it had not sent.
    pub(super) fn lose_what_is_sent_by(&mut self, machine: MachineId) {
        for (direction, sender) in self.directions.iter_mut().zip(self.machines) {
            if sender == machine {
                direction.under_way.clear();
            }
        }
    }

    pub(super) fn due_at(&self, side: usize) -> Option<u64> {
        self.directions[side].under_way.front().map(|(at, _)| *at)
    }

    pub(super) fn postpone(&mut self, side: usize, until_ms: u64) {
        if let Some((at, _)) = self.directions[side].under_way.front_mut() {
            *at = until_ms;
        }
    }

    pub(super) fn send(&mut self, side: usize, at_ms: u64, segment: Segment) {
        let direction = &mut self.directions[side];
        if let Segment::Bytes(bytes) = &segment {
            direction.bytes += bytes.len();
        }
        let after = direction.under_way.back().map_or(0, |(at, _)| *at);
        direction.under_way.push_back((at_ms.max(after), segment));
    }

    /// The first segment that a side sent arrives.
    pub(super) fn arrive(
        &mut self,
        side: usize,
        reset_at_ms: u64,
        wake: &mut Vec<Waker>,
        saw: impl FnOnce(&[u8]),
    ) {
        let direction = &mut self.directions[side];
        let Some((_, segment)) = direction.under_way.pop_front() else {
            return;
        };
        if self.gone[1 - side] {
            // Nobody holds that side any more: who sends to it is told so.
            if let Segment::Bytes(bytes) = segment {
                direction.bytes = direction.bytes.saturating_sub(bytes.len());
                self.send(1 - side, reset_at_ms, Segment::Reset);
            }
            return;
        }
        match segment {
            Segment::Bytes(bytes) => {
                saw(&bytes);
                direction.arrived.push_back(bytes);
            }
            Segment::End => direction.ended = true,
            Segment::Reset => {
                direction.reset = true;
                // It ends what the other side writes as well.
                wake.extend(self.directions[1 - side].writer.take());
            }
        }
        wake.extend(self.directions[side].reader.take());
    }
}

/// One side's hold on a connection.
pub(crate) struct End {
    network: Arc<Network>,
    number: u64,
    side: usize,
}

impl End {
    pub(super) fn new(network: Arc<Network>, number: u64, side: usize) -> Self {
        Self {
            network,
            number,
            side,
        }
    }
}

impl AsyncRead for End {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut state = self.network.lock();
        let Some(connection) = state.connections.get_mut(&self.number) else {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        };
        let direction = &mut connection.directions[1 - self.side];
        if direction.reset {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let mut read = 0;
        while buf.remaining() > 0
            && let Some(front) = direction.arrived.front_mut()
        {
            let part = front.len().min(buf.remaining());
            buf.put_slice(&front[..part]);
            front.advance(part);
            read += part;
            if front.is_empty() {
                direction.arrived.pop_front();
            }
        }
        direction.bytes = direction.bytes.saturating_sub(read);
        if read > 0 {
            let writer = direction.writer.take();
            drop(state);
            writer.into_iter().for_each(Waker::wake);
            return Poll::Ready(Ok(()));
        }
        if direction.ended || buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        direction.reader = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl AsyncWrite for End {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.network.lock();
        let Some(connection) = state.connections.get_mut(&self.number) else {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        };
        if connection.directions[1 - self.side].reset {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let direction = &mut connection.directions[self.side];
        if direction.closed {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let room = WINDOW_BYTES.saturating_sub(direction.bytes);
        if room == 0 {
            direction.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let part = bytes.len().min(room);
        let segment = Segment::Bytes(Bytes::copy_from_slice(&bytes[..part]));
        state.send(self.number, self.side, segment);
        Poll::Ready(Ok(part))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.network.lock();
        if let Some(connection) = state.connections.get_mut(&self.number)
            && !std::mem::replace(&mut connection.directions[self.side].closed, true)
        {
            state.send(self.number, self.side, Segment::End);
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for End {
    /// A process that ends has its connections closed by the kernel; a machine that loses power says nothing.
    fn drop(&mut self) {
        let mut state = self.network.lock();
        let Some(connection) = state.connections.get_mut(&self.number) else {
            return;
        };
        connection.gone[self.side] = true;
        let machine = connection.machines[self.side];
        let closed = std::mem::replace(&mut connection.directions[self.side].closed, true);
        if state.ports[machine].power == Power::On && !closed {
            state.send(self.number, self.side, Segment::End);
        }
    }
}
