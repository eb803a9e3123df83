//! The network as one machine's processes use it.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt as _, Stream, StreamExt as _};
use levada_rpc::{Connection as BoxedConnection, Incoming, Transport};

use super::connection::Connection;
use super::{End, Listener, MachineId, Network, RESEND_MS};

/// The port at which every machine listens for its peers.
const PORT: u16 = 7100;

/// The address of a machine.
pub(crate) fn address(machine: MachineId) -> SocketAddr {
    let last = u8::try_from(machine + 1).unwrap_or(u8::MAX);
    SocketAddr::from(([10, 0, 0, last], PORT))
}

/// One machine's side of the network.
pub(crate) struct MachineTransport {
    network: Arc<Network>,
    machine: MachineId,
}

impl MachineTransport {
    /// For the processes of a machine.
    pub(crate) fn new(network: Arc<Network>, machine: MachineId) -> Self {
        Self { network, machine }
    }
}

impl fmt::Debug for MachineTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MachineTransport({})", self.machine)
    }
}

impl Transport for MachineTransport {
    fn connect(&self, address: &str) -> BoxFuture<'static, io::Result<BoxedConnection>> {
        let (network, from) = (Arc::clone(&self.network), self.machine);
        let to = address.parse::<SocketAddr>().ok().and_then(|wanted| {
            let machines = network.lock().ports.len();
            (0..machines).find(|machine| self::address(*machine) == wanted)
        });
        async move {
            let to = to.ok_or(io::ErrorKind::AddrNotAvailable)?;
            let round_trip = {
                let mut state = network.lock();
                state.delay_ms(from, to) + state.delay_ms(to, from)
            };
            tokio::time::sleep(Duration::from_millis(round_trip)).await;
            // The caller gives up when it has waited enough.
            while !network.reaches(from, to) {
                tokio::time::sleep(Duration::from_millis(RESEND_MS)).await;
            }
            let end = network.open(from, to)?;
            Ok(Box::new(end) as BoxedConnection)
        }
        .boxed()
    }

    fn listen(&self, _address: SocketAddr) -> io::Result<Incoming> {
        let port = &mut self.network.lock().ports[self.machine];
        if port.listener.is_some() {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        port.listener = Some(Listener::default());
        Ok(Accepting {
            network: Arc::clone(&self.network),
            machine: self.machine,
        }
        .map(|end| Ok(Box::new(end) as BoxedConnection))
        .boxed())
    }
}

impl Network {
    fn reaches(&self, from: MachineId, to: MachineId) -> bool {
        let state = self.lock();
        state.can_pass(from, to) && state.can_pass(to, from)
    }

    fn open(self: &Arc<Self>, from: MachineId, to: MachineId) -> io::Result<End> {
        let waker = {
            let state = &mut *self.lock();
            let number = state.next_connection;
            let Some(listener) = &mut state.ports[to].listener else {
                return Err(io::ErrorKind::ConnectionRefused.into());
            };
            state.next_connection += 1;
            let connection = Connection::new([from, to]);
            state.connections.insert(number, connection);
            listener
                .accepted
                .push_back(End::new(Arc::clone(self), number, 1));
            (number, listener.waker.take())
        };
        waker.1.into_iter().for_each(std::task::Waker::wake);
        Ok(End::new(Arc::clone(self), waker.0, 0))
    }
}

/// Gives the connections that a machine accepts.
struct Accepting {
    network: Arc<Network>,
    machine: MachineId,
}

impl Stream for Accepting {
    type Item = End;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<End>> {
        let mut state = self.network.lock();
        let Some(listener) = &mut state.ports[self.machine].listener else {
            return Poll::Ready(None);
        };
        if let Some(end) = listener.accepted.pop_front() {
            return Poll::Ready(Some(end));
        }
        listener.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Accepting {
    fn drop(&mut self) {
        let listener = self.network.lock().ports[self.machine].listener.take();
        // Outside of the lock, which the ends that nobody took need.
        drop(listener);
    }
}
