//! A subscription as the catalog holds a million of them: texts without room to grow, and indexes by number.

use std::collections::{BTreeMap, BTreeSet};

use crate::proto::SubscriptionRow;
use crate::transfer::spread_of_position;

/// One version of a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Its number, from the same counter as queues.
    pub number: u64,
    /// The topic's, when it last changed.
    pub version: u64,
    /// Its topic.
    pub topic: u64,
    /// When it was made, in milliseconds since the epoch.
    pub created_at: u64,
    /// Its delivery queue; 0: it has none.
    pub queue: u64,
    /// Its latest replay, or the end of one: the version in which it was asked for; 0: never.
    pub replay: u64,
    /// Of its owner.
    pub account: Box<str>,
    /// How it is delivered to.
    pub protocol: Box<str>,
    /// Where.
    pub endpoint: Box<str>,
    attributes: Box<[(Box<str>, Box<str>)]>,
    token: Option<Box<[u8; 16]>>,
    /// By a request that said who it came from.
    pub confirmed_by_owner: bool,
}

impl Subscription {
    pub(super) fn from_row(row: &SubscriptionRow) -> Self {
        let attributes = row.attributes.iter();
        let attributes =
            attributes.map(|(name, value)| (name.as_str().into(), value.as_str().into()));
        Self {
            number: row.subscription,
            version: row.version,
            topic: row.topic,
            created_at: row.created_at,
            queue: row.queue,
            replay: row.replay,
            account: row.account.as_str().into(),
            protocol: row.protocol.as_str().into(),
            endpoint: row.endpoint.as_str().into(),
            attributes: attributes.collect(),
            token: row.token[..].try_into().ok().map(Box::new),
            confirmed_by_owner: row.confirmed_by_owner,
        }
    }

    /// The row that it came from.
    pub fn to_row(&self) -> SubscriptionRow {
        let token = self.token.as_ref();
        SubscriptionRow {
            subscription: self.number,
            version: self.version,
            topic: self.topic,
            account: (*self.account).into(),
            protocol: (*self.protocol).into(),
            endpoint: (*self.endpoint).into(),
            attributes: self
                .attributes()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
            created_at: self.created_at,
            token: token.map_or_else(Vec::new, |token| token.to_vec()).into(),
            confirmed_by_owner: self.confirmed_by_owner,
            queue: self.queue,
            replay: self.replay,
        }
    }

    /// Attributes as the user set them, by name.
    pub fn attributes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.attributes
            .iter()
            .map(|(name, value)| (&**name, &**value))
    }

    /// One of them.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(n, _)| **n == *name)?;
        Some(&found.1)
    }

    /// What confirms it, until it is.
    pub fn token(&self) -> Option<[u8; 16]> {
        self.token.as_deref().copied()
    }

    /// Whether messages go to it.
    pub fn is_confirmed(&self) -> bool {
        self.token.is_none()
    }

    pub(super) fn is_of(&self, topic: u64, protocol: &str, endpoint: &str) -> bool {
        self.topic == topic && *self.protocol == *protocol && *self.endpoint == *endpoint
    }

    fn hash(&self) -> u64 {
        hash(self.topic, &self.protocol, &self.endpoint)
    }
}

/// Finds subscriptions.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Index {
    /// By account and region.
    by_owner: BTreeMap<Box<str>, BTreeSet<u64>>,
    /// By the hash of topic, protocol and endpoint: of those that are alike, the rows tell.
    by_endpoint: BTreeSet<(u64, u64)>,
    /// Those that are not confirmed.
    by_token: BTreeMap<[u8; 16], u64>,
    /// The same, the oldest first: when it was made, and its number.
    by_age: BTreeSet<(u64, u64)>,
    /// Those that ever had a replay.
    replayed: BTreeSet<u64>,
}

impl Index {
    pub(super) fn insert(&mut self, row: &Subscription, region: &str) {
        let owned = self.by_owner.entry(owner_of(&row.account, region));
        owned.or_default().insert(row.number);
        self.by_endpoint.insert((row.hash(), row.number));
        if let Some(token) = row.token() {
            self.by_token.insert(token, row.number);
            self.by_age.insert((row.created_at, row.number));
        }
        if row.replay != 0 {
            self.replayed.insert(row.number);
        }
    }

    pub(super) fn remove(&mut self, row: &Subscription, region: &str) {
        let owner = owner_of(&row.account, region);
        if let Some(owned) = self.by_owner.get_mut(&owner) {
            owned.remove(&row.number);
            if owned.is_empty() {
                self.by_owner.remove(&owner);
            }
        }
        self.by_endpoint.remove(&(row.hash(), row.number));
        if let Some(token) = row.token() {
            self.by_token.remove(&token);
            self.by_age.remove(&(row.created_at, row.number));
        }
        self.replayed.remove(&row.number);
    }

    pub(super) fn of_owner(&self, owner: &str) -> Option<&BTreeSet<u64>> {
        self.by_owner.get(owner)
    }

    pub(super) fn by_token(&self, token: &[u8]) -> Option<u64> {
        let token: [u8; 16] = token.try_into().ok()?;
        self.by_token.get(&token).copied()
    }

    /// Those that ever had a replay.
    pub(super) fn replayed(&self) -> impl Iterator<Item = u64> + '_ {
        self.replayed.iter().copied()
    }

    /// Those that are not confirmed and were made before a time, the oldest first.
    pub(super) fn pending_since(&self, before_ms: u64) -> impl Iterator<Item = u64> + '_ {
        let old = self.by_age.range(..(before_ms, 0));
        old.map(|(_, number)| *number)
    }

    pub(super) fn alike(
        &self,
        topic: u64,
        protocol: &str,
        endpoint: &str,
    ) -> impl Iterator<Item = u64> + '_ {
        let hash = hash(topic, protocol, endpoint);
        let alike = self.by_endpoint.range((hash, 0)..=(hash, u64::MAX));
        alike.map(|(_, number)| *number)
    }
}

/// An account in a region.
pub(super) fn owner_of(account: &str, region: &str) -> Box<str> {
    [account, "/", region].concat().into()
}

/// No snapshot holds it: it may be another in another version.
fn hash(topic: u64, protocol: &str, endpoint: &str) -> u64 {
    // FNV-1a, as for message groups; 0xff is in no text.
    let bytes = protocol.bytes().chain([0xff]).chain(endpoint.bytes());
    let fnv = bytes.fold(0xcbf2_9ce4_8422_2325 ^ topic, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    spread_of_position(fnv)
}
