//! How clients reach nodes: a call runs within the node's process, and is lost with it.
//!
//! Between a client and its node lies no simulated network: the way from HTTP to the broker is not part of the
//! simulation. What a client of a node that died sees is what a broken connection says: nothing.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use levada_cluster::{Broker, Node, Operator};
use tokio::runtime::Handle;

use crate::machine::Slot;
use crate::net::MachineId;

/// A client gives up on a call after this time; the node may still carry it out.
const PATIENCE: Duration = Duration::from_secs(12);
/// Half of the way to a node and back.
const WAY: Duration = Duration::from_millis(1);

/// The door of one machine's process, while it is there.
type Door = Mutex<Option<(Handle, Arc<Slot>)>>;

/// The doors of all machines.
pub(crate) struct Access {
    doors: Vec<Door>,
}

impl Access {
    /// To so many machines, all of them closed.
    pub(crate) fn new(machines: usize) -> Arc<Self> {
        Arc::new(Self {
            doors: (0..machines).map(|_| Mutex::default()).collect(),
        })
    }

    /// How many machines there are.
    pub(crate) fn machines(&self) -> usize {
        self.doors.len()
    }

    /// Opens or closes the door of a machine.
    pub(crate) fn set(&self, machine: MachineId, door: Option<(Handle, Arc<Slot>)>) {
        *self.doors[machine]
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = door;
    }

    /// Whether a process runs at a machine.
    pub(crate) fn is_open(&self, machine: MachineId) -> bool {
        let door = self.doors[machine].lock();
        door.unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Makes one call at a machine's node. None if there is no node, it dies meanwhile, or it says nothing.
    pub(crate) async fn call<F, T>(
        &self,
        machine: MachineId,
        ask: impl FnOnce(Broker) -> F + Send + 'static,
    ) -> Option<T>
    where
        F: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        self.ask_node(machine, |node| node.broker(), ask).await
    }

    /// The same as an operator.
    pub(crate) async fn operate<F, T>(
        &self,
        machine: MachineId,
        ask: impl FnOnce(Operator) -> F + Send + 'static,
    ) -> Option<T>
    where
        F: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        self.ask_node(machine, |node| node.operator(), ask).await
    }

    async fn ask_node<D: Send + 'static, F, T>(
        &self,
        machine: MachineId,
        desk: impl FnOnce(&Node) -> D,
        ask: impl FnOnce(D) -> F + Send + 'static,
    ) -> Option<T>
    where
        F: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        tokio::time::sleep(WAY).await;
        let door = self.doors[machine]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let (handle, slot) = door?;
        let desk = desk(slot.node()?);
        drop(slot);
        let asked = handle.spawn(async move { ask(desk).await });
        drop(handle);
        // A node that is stopped says nothing for long, and goes on afterwards.
        tokio::time::timeout(PATIENCE, asked).await.ok()?.ok()
    }
}
