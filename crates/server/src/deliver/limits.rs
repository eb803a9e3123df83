//! Bounds of a node's workers, with their reasons. Those of sockets and attempts are `levada-delivery`'s.

use std::time::Duration;

/// Workers at one time: each is some KiB, and the sockets that they share are far fewer. Beyond it parts take turns.
pub(super) const WORKERS_MAX: usize = 4_096;
/// For how long a worker runs at least while others wait for its place.
pub(super) const TURN: Duration = Duration::from_secs(10);
/// How often it is looked for workers whose turn is over, while others wait.
pub(super) const TURN_LOOK: Duration = Duration::from_secs(1);
/// For how long a worker stays without a message: it remembers how its endpoint does, and how many messages it had this second.
pub(super) const LINGER: Duration = Duration::from_secs(30);
/// Of a node's cores, the part that signs at one time: the rest answers requests.
pub(super) const SIGNING_CORES_DIVISOR: usize = 2;
