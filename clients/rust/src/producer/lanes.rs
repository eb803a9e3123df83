//! What waits to be put, a lane for each shard. Pure: time is given, nothing is sent.
//!
//! Invariants
//! - A lane is in one call at most, and a call holds a key in one record at most: so the records of a key keep their order however
//!   the entries of a call end.
//! - The user records of a lane are in the order of their numbers, those that are put again too.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::hash::HashKey;
use crate::kpl::Packer;
use crate::limits::{CALL_BYTES_MAX, CALL_RECORDS_MAX, LOOKED_THROUGH_MAX};
use crate::shards::ShardMap;

/// How lanes are emptied.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    /// Bytes of an aggregated record at most; `None`: nothing is aggregated.
    pub(super) aggregate_bytes: Option<usize>,
    /// How long a user record waits for company.
    pub(super) linger: Duration,
}

/// A user record, and whatever tells who put it what became of it.
#[derive(Debug)]
pub(super) struct Entry<T> {
    /// In the order of the puts.
    pub(super) number: u64,
    pub(super) key: String,
    pub(super) hash_key: HashKey,
    pub(super) data: Bytes,
    pub(super) arrived: Instant,
    pub(super) owner: T,
}

impl<T> Entry<T> {
    fn bytes(&self) -> usize {
        self.key.len() + self.data.len()
    }
}

/// One record of a call.
#[derive(Debug)]
pub(super) struct Parcel<T> {
    /// The lane's place in the map that it was gathered by.
    pub(super) lane: usize,
    /// The lane's shard.
    pub(super) shard: Arc<str>,
    pub(super) partition_key: String,
    pub(super) explicit_hash_key: Option<HashKey>,
    pub(super) data: Vec<u8>,
    /// In their order; more than one if the record is aggregated.
    pub(super) entries: Vec<Entry<T>>,
}

#[derive(Debug)]
struct Lane<T> {
    waiting: VecDeque<Entry<T>>,
    waiting_bytes: usize,
    flies: bool,
    /// Not before then, after a failure.
    paused_until: Option<Instant>,
}

impl<T> Default for Lane<T> {
    fn default() -> Self {
        Self {
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            flies: false,
            paused_until: None,
        }
    }
}

/// All lanes.
#[derive(Debug)]
pub(super) struct Lanes<T> {
    rules: Rules,
    map: ShardMap,
    lanes: Vec<Lane<T>>,
    /// Where the next call begins to gather, so that no lane is last for good.
    turn: usize,
}

impl<T> Lanes<T> {
    pub(super) fn new(rules: Rules, map: ShardMap) -> Self {
        let lanes = (0..map.len().max(1)).map(|_| Lane::default()).collect();
        Self {
            rules,
            map,
            lanes,
            turn: 0,
        }
    }

    /// The shards by which lanes are made.
    pub(super) fn map(&self) -> &ShardMap {
        &self.map
    }

    /// Other shards: every waiting user record goes to its new lane, in order. Nothing may fly.
    pub(super) fn replace_map(&mut self, map: ShardMap) {
        assert!(
            self.lanes.iter().all(|lane| !lane.flies),
            "a lane flies while the shards change"
        );
        let next = Self::new(self.rules, map);
        let old = std::mem::replace(self, next);
        let waiting = old.lanes.into_iter().flat_map(|lane| lane.waiting);
        self.put_back(waiting.collect());
    }

    /// A new user record, behind the others.
    pub(super) fn add(&mut self, entry: Entry<T>) {
        let place = self.map.place_of(entry.hash_key);
        let lane = &mut self.lanes[place];
        lane.waiting_bytes += entry.bytes();
        lane.waiting.push_back(entry);
    }

    /// User records that are to be put again: each at its place by its number.
    pub(super) fn put_back(&mut self, entries: Vec<Entry<T>>) {
        for entry in entries {
            self.add(entry);
        }
        for lane in &mut self.lanes {
            // Nearly sorted, which this sort takes in linear time.
            lane.waiting
                .make_contiguous()
                .sort_by_key(|entry| entry.number);
        }
    }

    /// A call over; the lane may be in another one, but not before this.
    pub(super) fn land(&mut self, place: usize, paused_until: Option<Instant>) {
        if let Some(lane) = self.lanes.get_mut(place) {
            lane.flies = false;
            lane.paused_until = lane.paused_until.max(paused_until);
        }
    }

    /// The user records that have waited since before then, out of the lanes that don't fly.
    pub(super) fn expired(&mut self, before: Instant) -> Vec<Entry<T>> {
        let mut found = Vec::new();
        for lane in self.lanes.iter_mut().filter(|lane| !lane.flies) {
            while lane
                .waiting
                .front()
                .is_some_and(|entry| entry.arrived < before)
            {
                if let Some(entry) = lane.waiting.pop_front() {
                    lane.waiting_bytes -= entry.bytes();
                    found.push(entry);
                }
            }
        }
        found
    }

    /// Every user record that waits.
    pub(super) fn take_all(&mut self) -> Vec<Entry<T>> {
        let lanes = self.lanes.iter_mut();
        lanes
            .flat_map(|lane| {
                lane.waiting_bytes = 0;
                lane.waiting.drain(..)
            })
            .collect()
    }

    /// When something is ready that is not ready now; `None` if only new user records or landed calls make it so.
    pub(super) fn ready_at(&self) -> Option<Instant> {
        let lanes = self.lanes.iter().filter(|lane| !lane.flies);
        lanes.filter_map(|lane| self.lane_ready_at(lane)).min()
    }

    fn lane_ready_at(&self, lane: &Lane<T>) -> Option<Instant> {
        let first = lane.waiting.front()?;
        let full = self.rules.aggregate_bytes.map_or_else(
            || lane.waiting.len() >= CALL_RECORDS_MAX,
            |bytes| lane.waiting_bytes >= bytes,
        );
        let company = if full {
            first.arrived
        } else {
            first.arrived + self.rules.linger
        };
        Some(
            lane.paused_until
                .map_or(company, |pause| pause.max(company)),
        )
    }

    /// The next call: of lanes that are ready, or with `hurry` of all that are not paused. Their lanes fly from now on.
    pub(super) fn gather(&mut self, now: Instant, hurry: bool) -> Vec<Parcel<T>> {
        let mut call = Vec::new();
        let mut room = CALL_BYTES_MAX;
        let count = self.lanes.len();
        for step in 0..count {
            let place = (self.turn + step) % count;
            let lane = &self.lanes[place];
            let paused = lane.paused_until.is_some_and(|pause| pause > now);
            let ready = self.lane_ready_at(lane).is_some_and(|at| at <= now);
            if lane.flies || lane.waiting.is_empty() || paused || !(ready || hurry) {
                continue;
            }
            let before = call.len();
            match self.rules.aggregate_bytes {
                Some(bytes) => call.extend(self.aggregate(place, bytes, &mut room)),
                None => self.single(place, CALL_RECORDS_MAX - before, &mut room, &mut call),
            }
            self.lanes[place].flies = call.len() > before;
            if call.len() == before || call.len() >= CALL_RECORDS_MAX {
                // The call is full: this lane is the first of the next one.
                self.turn = place;
                break;
            }
        }
        call
    }

    /// The first user records of a lane as one record.
    fn aggregate(&mut self, place: usize, bytes: usize, room: &mut usize) -> Option<Parcel<T>> {
        let shard = self.shard(place);
        let lane = &mut self.lanes[place];
        let bound = bytes.min(*room);
        let mut packer = Packer::new();
        let mut entries = Vec::new();
        while let Some(entry) = lane.waiting.front() {
            // The first one goes whatever its size, as long as the call takes it.
            let fits = if entries.is_empty() {
                entry.bytes() <= *room
            } else {
                packer.bytes_with(&entry.key, &entry.data) <= bound
            };
            if !fits {
                break;
            }
            if let Some(entry) = lane.waiting.pop_front() {
                lane.waiting_bytes -= entry.bytes();
                packer.push(&entry.key, entry.data.clone());
                entries.push(entry);
            }
        }
        let first = entries.first()?;
        let parcel = if entries.len() == 1 {
            // As the KPL does: one is put as it is.
            plain(place, shard, first)
        } else {
            Parcel {
                lane: place,
                shard,
                // The shard is found by the hash key; the KPL's key for that is this one.
                partition_key: "a".to_owned(),
                explicit_hash_key: Some(first.hash_key),
                data: packer.finish(),
                entries: Vec::new(),
            }
        };
        *room = room.saturating_sub(parcel.data.len() + parcel.partition_key.len());
        Some(Parcel { entries, ..parcel })
    }

    /// The first user record of each key of a lane, each as it is.
    fn single(
        &mut self,
        place: usize,
        count_max: usize,
        room: &mut usize,
        call: &mut Vec<Parcel<T>>,
    ) {
        let shard = self.shard(place);
        let lane = &mut self.lanes[place];
        let mut keys = HashSet::new();
        let mut passed = Vec::new();
        let mut taken = 0;
        while passed.len() + taken < LOOKED_THROUGH_MAX && taken < count_max {
            let Some(entry) = lane.waiting.pop_front() else {
                break;
            };
            let bytes = entry.bytes();
            if bytes > *room {
                passed.push(entry);
                break;
            }
            if keys.insert(entry.key.clone()) {
                *room -= bytes;
                lane.waiting_bytes -= bytes;
                taken += 1;
                let parcel = plain(place, Arc::clone(&shard), &entry);
                call.push(Parcel {
                    entries: vec![entry],
                    ..parcel
                });
            } else {
                passed.push(entry);
            }
        }
        for entry in passed.into_iter().rev() {
            lane.waiting.push_front(entry);
        }
    }

    fn shard(&self, place: usize) -> Arc<str> {
        let shard = self.map.get(place);
        shard.map_or_else(|| Arc::from(""), |shard| Arc::clone(&shard.id))
    }
}

fn plain<T>(lane: usize, shard: Arc<str>, entry: &Entry<T>) -> Parcel<T> {
    Parcel {
        lane,
        shard,
        partition_key: entry.key.clone(),
        explicit_hash_key: None,
        data: entry.data.to_vec(),
        entries: Vec::new(),
    }
}
