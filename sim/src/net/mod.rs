//! The simulated network: connections of bytes between machines, with the delays, losses and cuts of a seed.
//!
//! What a machine sends in one tick arrives in a later one; within a connection in order, as TCP has it, and in no
//! order between connections. What is lost is sent again, and holds up what follows it. A link that is cut holds
//! everything back until it is whole; each direction of a link is cut by itself. A machine without power is as
//! silent as a cut link; one with power and no process refuses.

mod connection;
mod transport;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use crate::random::Random;
use crate::trace::Trace;

pub(crate) use connection::End;
use connection::{Connection, Segment};
pub(crate) use transport::{MachineTransport, address};

/// A lost segment is sent again after this time, in milliseconds.
const RESEND_MS: u64 = 200;
/// And a segment is lost so often in a row at most: TCP would wait longer each time.
const LOSSES_MAX: u32 = 3;

/// A machine's number.
pub(crate) type MachineId = usize;

/// One direction between two machines.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    /// Nothing arrives.
    pub(crate) cut: bool,
    /// The least time on the way.
    pub(crate) delay_ms_min: u64,
    /// The longest, without losses.
    pub(crate) delay_ms_max: u64,
    /// So many of a thousand segments are lost.
    pub(crate) lost_per_mille: u64,
}

impl Default for Link {
    fn default() -> Self {
        Self {
            cut: false,
            delay_ms_min: 1,
            delay_ms_max: 2,
            lost_per_mille: 0,
        }
    }
}

/// What others notice of a machine when no process of it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Power {
    On,
    Off,
}

struct Port {
    power: Power,
    listener: Option<Listener>,
}

#[derive(Default)]
struct Listener {
    accepted: VecDeque<End>,
    waker: Option<Waker>,
}

/// The network. Shared by all machines; only one thread uses it.
pub(crate) struct Network {
    state: Mutex<State>,
}

struct State {
    now_ms: u64,
    random: Random,
    trace: Arc<Trace>,
    ports: Vec<Port>,
    /// By sender, then by receiver.
    links: Vec<Vec<Link>>,
    connections: BTreeMap<u64, Connection>,
    next_connection: u64,
}

impl State {
    fn can_pass(&self, from: MachineId, to: MachineId) -> bool {
        !self.links[from][to].cut && self.ports[to].power == Power::On
    }

    /// For how long a segment that is sent now is under way.
    fn delay_ms(&mut self, from: MachineId, to: MachineId) -> u64 {
        let link = self.links[from][to];
        let mut delay = self.random.within(link.delay_ms_min..=link.delay_ms_max);
        for resend in 0..LOSSES_MAX {
            if !self.random.per_mille(link.lost_per_mille) {
                break;
            }
            delay += RESEND_MS << resend;
        }
        delay
    }
}

impl Network {
    /// Between so many machines, all links whole and no process listening.
    pub(crate) fn new(machines: usize, random: Random, trace: Arc<Trace>) -> Arc<Self> {
        let ports = (0..machines).map(|_| Port {
            power: Power::On,
            listener: None,
        });
        Arc::new(Self {
            state: Mutex::new(State {
                now_ms: 0,
                random,
                trace,
                ports: ports.collect(),
                links: vec![vec![Link::default(); machines]; machines],
                connections: BTreeMap::new(),
                next_connection: 1,
            }),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Time has come to `now_ms`: what is due arrives.
    pub(crate) fn deliver(&self, now_ms: u64) {
        let mut wake = Vec::new();
        {
            let state = &mut *self.lock();
            state.now_ms = now_ms;
            let numbers: Vec<u64> = state.connections.keys().copied().collect();
            for number in numbers {
                state.deliver_on(number, &mut wake);
            }
            state.connections.retain(|_, c| !c.is_over());
        }
        // Outside of the lock: a waker may drop what it wakes, and that may be an end of a connection.
        wake.into_iter().for_each(Waker::wake);
    }

    /// Changes one direction of a link.
    pub(crate) fn set_link(&self, from: MachineId, to: MachineId, change: impl FnOnce(&mut Link)) {
        change(&mut self.lock().links[from][to]);
    }

    /// Makes every link whole and fast.
    pub(crate) fn heal(&self) {
        for link in self.lock().links.iter_mut().flatten() {
            *link = Link::default();
        }
    }

    /// The machine goes dark: nobody hears of the end of its connections, nor what it had yet to send.
    pub(crate) fn power_off(&self, machine: MachineId) {
        let state = &mut *self.lock();
        state.ports[machine].power = Power::Off;
        for connection in state.connections.values_mut() {
            connection.lose_what_is_sent_by(machine);
        }
    }

    /// The machine is there again.
    pub(crate) fn power_on(&self, machine: MachineId) {
        self.lock().ports[machine].power = Power::On;
    }
}

impl State {
    fn deliver_on(&mut self, number: u64, wake: &mut Vec<Waker>) {
        for side in 0..2 {
            while let Some((from, to)) = self.due(number, side) {
                let passes = self.can_pass(from, to);
                let again = self.now_ms + RESEND_MS + self.random.within(0..=RESEND_MS);
                let reset_at = self.now_ms + 1;
                let Some(connection) = self.connections.get_mut(&number) else {
                    return;
                };
                if !passes {
                    connection.postpone(side, again);
                    break;
                }
                let trace = &self.trace;
                connection.arrive(side, reset_at, wake, |bytes| {
                    trace.bytes(2 * number + side as u64, bytes);
                });
            }
        }
    }

    /// The machines between which a side's first segment is due.
    fn due(&self, number: u64, side: usize) -> Option<(MachineId, MachineId)> {
        let connection = self.connections.get(&number)?;
        let at = connection.due_at(side)?;
        let [a, b] = connection.machines;
        (at <= self.now_ms).then_some(if side == 0 { (a, b) } else { (b, a) })
    }

    /// Puts a segment on the way from one side of a connection.
    fn send(&mut self, number: u64, side: usize, segment: Segment) {
        let Some(connection) = self.connections.get(&number) else {
            return;
        };
        let [a, b] = connection.machines;
        let (from, to) = if side == 0 { (a, b) } else { (b, a) };
        let at = self.now_ms + self.delay_ms(from, to);
        if let Some(connection) = self.connections.get_mut(&number) {
            connection.send(side, at, segment);
        }
    }
}
