//! Who gets what is published to a topic: its confirmed subscriptions, of one version.

use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock, RwLock};

use levada_engine::Subscription as Row;
use levada_engine::proto::TopicRow;

use super::Topic;
use crate::broker::Broker;
use crate::directory::Directory;

/// Subscriptions that are kept ready for publishing at most, of all topics; beyond it, it is begun anew.
const CACHED_MAX: usize = 262_144;
/// Subscriptions that are read of the catalog at one time, so that nothing waits long for it.
const READ_MAX: usize = 4_096;
/// How often it is begun anew because the topic changed meanwhile, before it is read in one go.
const PAGED_TRIES_MAX: usize = 4;

/// One version of a subscription.
pub struct Subscription {
    /// The catalog's row.
    pub row: Arc<Row>,
    derived: OnceLock<Box<dyn Any + Send + Sync>>,
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Subscription").field(&self.row).finish()
    }
}

impl Subscription {
    fn new(row: Arc<Row>) -> Self {
        Self {
            row,
            derived: OnceLock::new(),
        }
    }

    /// What the caller makes of the row, made once for each version of it; `None` if it is of another type than the first
    /// time.
    pub fn derived<T: Send + Sync + 'static>(&self, make: impl FnOnce(&Row) -> T) -> Option<&T> {
        let derived = self.derived.get_or_init(|| Box::new(make(&self.row)));
        derived.downcast_ref()
    }
}

/// The confirmed subscriptions of one version of a topic, by number.
#[derive(Debug)]
pub struct Audience {
    /// The topic, in that version.
    pub topic: Arc<Topic>,
    /// Who gets what is published to it.
    pub subscriptions: Vec<Arc<Subscription>>,
    kept: Arc<OnceLock<Box<dyn Any + Send + Sync>>>,
}

impl Audience {
    /// What the caller keeps of the topic. Each version hands it on to the next, as long as the topic is kept ready here; `None`
    /// if it is of another type than the first time.
    pub fn kept<T: Clone + Default + Send + Sync + 'static>(&self) -> Option<T> {
        let kept = self.kept.get_or_init(|| Box::new(T::default()));
        kept.downcast_ref().cloned()
    }

    /// The same version of the topic with only some of its subscriptions.
    pub fn with_only(&self, subscriptions: Vec<Arc<Subscription>>) -> Self {
        Self {
            topic: self.topic.clone(),
            subscriptions,
            kept: self.kept.clone(),
        }
    }
}

/// What was read of topics lately.
#[derive(Default)]
pub(crate) struct Audiences {
    by_topic: RwLock<HashMap<u64, Arc<Audience>>>,
}

impl Audiences {
    fn get(&self, topic: u64) -> Option<Arc<Audience>> {
        let by_topic = self.by_topic.read().unwrap_or_else(|e| e.into_inner());
        by_topic.get(&topic).cloned()
    }

    fn put(&self, audience: Arc<Audience>) {
        let mut by_topic = self.by_topic.write().unwrap_or_else(|e| e.into_inner());
        // A topic without subscriptions counts, too.
        let others = by_topic.values().map(|a| a.subscriptions.len() + 1);
        if others.sum::<usize>() + audience.subscriptions.len() >= CACHED_MAX {
            by_topic.clear();
        }
        let topic = audience.topic.row.topic;
        let is_older = |other: &Arc<Audience>| other.topic.row.version > audience.topic.row.version;
        if !by_topic.get(&topic).is_some_and(is_older) {
            by_topic.insert(topic, audience);
        }
    }
}

impl Broker {
    /// The audience of a topic's latest version in this node's copy of the catalog; `None` if it was deleted.
    pub fn audience(&self, topic: u64) -> Option<Arc<Audience>> {
        self.core.directory.audience(topic)
    }
}

impl Directory {
    fn audience(&self, number: u64) -> Option<Arc<Audience>> {
        let version = self.read(|catalog| catalog.topic(number).map(|row| row.version))?;
        let before = self.audiences.get(number);
        if let Some(audience) = &before
            && audience.topic.row.version >= version
        {
            return Some(audience.clone());
        }
        let (row, rows) = self.rows_of(number)?;
        let audience = Arc::new(Audience {
            subscriptions: renewed(before.as_deref(), rows),
            topic: Arc::new(Topic::from_row(row)?),
            kept: before.map_or_else(Arc::default, |before| before.kept.clone()),
        });
        self.audiences.put(audience.clone());
        Some(audience)
    }

    /// A topic and its confirmed subscriptions, all of one version.
    fn rows_of(&self, topic: u64) -> Option<(TopicRow, Vec<Arc<Row>>)> {
        for attempt in 0..=PAGED_TRIES_MAX {
            let max = if attempt < PAGED_TRIES_MAX {
                READ_MAX
            } else {
                usize::MAX
            };
            if let Some(found) = self.pages_of(topic, max)? {
                return Some(found);
            }
        }
        None
    }

    /// The inner one is none if the topic changed between two pages.
    fn pages_of(&self, topic: u64, max: usize) -> Option<Option<(TopicRow, Vec<Arc<Row>>)>> {
        let mut first: Option<TopicRow> = None;
        let mut rows: Vec<Arc<Row>> = Vec::new();
        let mut after = 0;
        loop {
            let (row, page) = self.read(|catalog| {
                let row = catalog.topic(topic)?.clone();
                let page = catalog.subscriptions_of_topic(topic, after, max);
                let page: Vec<Arc<Row>> = page.into_iter().cloned().collect();
                Some((row, page))
            })?;
            let of = first.get_or_insert(row.clone());
            if of.version != row.version {
                return Some(None);
            }
            let is_last = page.len() < max;
            after = page.last().map_or(after, |row| row.number);
            rows.extend(page.into_iter().filter(|row| row.is_confirmed()));
            if is_last {
                return Some(Some((row, rows)));
            }
        }
    }
}

/// Handles for rows, by number; those of rows that are as they were are kept, with what was made of them.
fn renewed(before: Option<&Audience>, rows: Vec<Arc<Row>>) -> Vec<Arc<Subscription>> {
    let before = before.map_or(&[][..], |audience| &audience.subscriptions);
    let mut before = before.iter().peekable();
    let renew = |row: Arc<Row>| {
        while before.next_if(|old| old.row.number < row.number).is_some() {}
        match before.peek() {
            Some(old) if Arc::ptr_eq(&old.row, &row) => (*old).clone(),
            _ => Arc::new(Subscription::new(row)),
        }
    };
    rows.into_iter().map(renew).collect()
}
