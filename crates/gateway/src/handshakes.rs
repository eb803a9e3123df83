//! TLS handshakes under way, bounded together. When there are as many as there may be, one who comes from an address with
//! few of them takes the place of the oldest one of the address with the most: a single stranger keeps nobody out, and
//! many clients behind one address (a balancer's, say) may have all that nobody else wants.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// Who asks for IPv6 has this many bits of an address, at least, to choose the others from.
const V6_PREFIX_BITS: u32 = 64;

/// All that are under way.
#[derive(Debug)]
pub(crate) struct Handshakes {
    max: usize,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    count: usize,
    next: u64,
    /// By address, and then in the order in which they began. Dropping what is there ends a handshake.
    by_address: HashMap<IpAddr, BTreeMap<u64, oneshot::Sender<()>>>,
}

/// One of them, until it is dropped.
#[derive(Debug)]
pub(crate) struct Handshake {
    handshakes: Arc<Handshakes>,
    address: IpAddr,
    number: u64,
    /// Fails when the place goes to somebody else.
    pub(crate) displaced: oneshot::Receiver<()>,
}

impl Handshakes {
    /// None are under way, of so many at most.
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self {
            max,
            table: Mutex::default(),
        })
    }

    /// One more from an address; none if there is no room for it.
    pub(crate) fn begin(self: &Arc<Self>, from: IpAddr) -> Option<Handshake> {
        let address = payer(from);
        let mut table = self.lock();
        if table.count >= self.max && !table.make_room_for(address) {
            return None;
        }
        let (place, displaced) = oneshot::channel();
        let number = table.next;
        table.next += 1;
        table.count += 1;
        let own = table.by_address.entry(address).or_default();
        own.insert(number, place);
        Some(Handshake {
            handshakes: Arc::clone(self),
            address,
            number,
            displaced,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// Ends the oldest one of the address that has the most, if it then still has no fewer than the other.
    fn make_room_for(&mut self, address: IpAddr) -> bool {
        let own = self.by_address.get(&address).map_or(0, BTreeMap::len);
        let most = self
            .by_address
            .iter()
            .max_by_key(|(_, places)| places.len());
        let Some((most, places)) = most.map(|(most, places)| (*most, places)) else {
            return false;
        };
        match places.keys().next().copied() {
            Some(oldest) if places.len() > own + 1 => {
                self.end(most, oldest);
                true
            }
            _ => false,
        }
    }

    fn end(&mut self, address: IpAddr, number: u64) {
        let Some(places) = self.by_address.get_mut(&address) else {
            return;
        };
        if places.remove(&number).is_some() {
            self.count -= 1;
        }
        if places.is_empty() {
            self.by_address.remove(&address);
        }
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        self.handshakes.lock().end(self.address, self.number);
    }
}

/// Whom a handshake counts for.
fn payer(from: IpAddr) -> IpAddr {
    match from.to_canonical() {
        IpAddr::V6(address) => {
            let bits = address.to_bits() >> V6_PREFIX_BITS << V6_PREFIX_BITS;
            IpAddr::V6(Ipv6Addr::from_bits(bits))
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn is_displaced(handshake: &mut Handshake) -> bool {
        handshake.displaced.try_recv() == Err(oneshot::error::TryRecvError::Closed)
    }

    #[test]
    fn a_stranger_with_all_of_them_keeps_nobody_out() {
        let handshakes = Handshakes::new(4);
        let begin = |text| handshakes.begin(ip(text));
        let mut strangers: Vec<_> = (0..4).filter_map(|_| begin("10.0.0.1")).collect();
        assert_eq!(strangers.len(), 4);
        assert!(begin("10.0.0.1").is_none(), "its own it may not displace");
        let mut other = begin("10.0.0.2").unwrap();
        let displaced: Vec<bool> = strangers.iter_mut().map(is_displaced).collect();
        assert_eq!(displaced, [true, false, false, false], "the oldest");
        let second = begin("10.0.0.2").unwrap();
        assert!(begin("10.0.0.2").is_none(), "two and two");
        assert!(begin("10.0.0.1").is_none());
        assert!(!is_displaced(&mut other));
        // What has ended makes room, and is counted once.
        drop(strangers);
        drop(second);
        let more: Vec<_> = (0..4).filter_map(|_| begin("10.0.0.3")).collect();
        assert_eq!(more.len(), 3);
        drop((more, other));
        assert_eq!(handshakes.lock().count, 0);
        assert!(handshakes.lock().by_address.is_empty());
    }

    #[test]
    fn strangers_with_one_each_are_not_displaced_by_one_more() {
        let handshakes = Handshakes::new(2);
        let _first = handshakes.begin(ip("10.0.0.1")).unwrap();
        let _second = handshakes.begin(ip("10.0.0.2")).unwrap();
        assert!(handshakes.begin(ip("10.0.0.3")).is_none());
    }

    #[test]
    fn addresses_of_one_network_count_together() {
        assert_eq!(payer(ip("2001:db8:1:2:3::4")), ip("2001:db8:1:2::"));
        assert_eq!(payer(ip("::ffff:10.0.0.1")), ip("10.0.0.1"));
        assert_eq!(payer(ip("10.0.0.1")), ip("10.0.0.1"));
    }
}
