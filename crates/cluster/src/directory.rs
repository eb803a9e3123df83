//! Queues, streams, tables and topics by name, and by number, as a request looks them up: a cache over this node's copy of the
//! catalog, emptied whenever the catalog changes.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, RwLock, RwLockWriteGuard};

use levada_engine::proto::{MoveTaskRow, QueueConfig, QueueRow};
use levada_engine::{Catalog, config_of};
use levada_replica::Group;
use levada_types::{AccountId, QueueId, QueueName, Region};

use crate::Queue;
use crate::stream::Stream;
use crate::table::Table;
use crate::topic::{Audiences, Topic};

/// Queues, streams, tables and topics that the cache holds at most; beyond that it starts anew.
const CACHED_MAX: usize = 65_536;

/// This node's copy of the catalog, for reading.
pub(crate) struct Directory {
    catalog: Arc<Group>,
    cache: RwLock<Cache>,
    /// By version, and so not emptied with the rest.
    pub(crate) audiences: Audiences,
}

/// An account's, in a region.
type OwnedName = (AccountId, Region, Box<str>);
type ByName<T> = HashMap<OwnedName, Arc<T>>;

#[derive(Default)]
struct Cache {
    /// The catalog's generation that the rest was read from.
    generation: u64,
    by_name: HashMap<(AccountId, Region, QueueName), Arc<Queue>>,
    by_id: BTreeMap<QueueId, Arc<Queue>>,
    streams: ByName<Stream>,
    tables: ByName<Table>,
    topics: ByName<Topic>,
}

impl Directory {
    pub(crate) fn new(catalog: Arc<Group>) -> Self {
        Self {
            catalog,
            cache: RwLock::default(),
            audiences: Audiences::default(),
        }
    }

    pub(crate) fn group(&self) -> &Arc<Group> {
        &self.catalog
    }

    /// The queue of that name, as far as this node's copy goes.
    pub(crate) fn by_name(&self, key: &(AccountId, Region, QueueName)) -> Option<Arc<Queue>> {
        self.cached(|cache| cache.by_name.get(key).cloned())
            .or_else(|| {
                let (account, region, name) = key;
                self.fetch(|c| {
                    c.queue_by_name(&account.to_string(), region.as_str(), name.as_str())
                })
            })
    }

    /// The queue of that number, as far as this node's copy goes.
    pub(crate) fn by_id(&self, id: QueueId) -> Option<Arc<Queue>> {
        self.cached(|cache| cache.by_id.get(&id).cloned())
            .or_else(|| self.fetch(|c| c.queue(id)))
    }

    /// The stream of that name, as far as this node's copy goes.
    pub(crate) fn stream_by_name(
        &self,
        account: AccountId,
        region: &Region,
        name: &str,
    ) -> Option<Arc<Stream>> {
        let key = (account, region.clone(), name.into());
        if let Some(found) = self.cached(|cache| cache.streams.get(&key).cloned()) {
            return Some(found);
        }
        self.fetch_named(key, Catalog::stream_by_name, Stream::from_row, |cache| {
            &mut cache.streams
        })
    }

    /// The stream of that number, as far as this node's copy goes.
    pub(crate) fn stream(&self, stream: u64) -> Option<Arc<Stream>> {
        let row = self.read(|catalog| catalog.stream(stream).cloned())?;
        Stream::from_row(row).map(Arc::new)
    }

    /// The table of that name, as far as this node's copy goes.
    pub(crate) fn table_by_name(
        &self,
        account: AccountId,
        region: &Region,
        name: &str,
    ) -> Option<Arc<Table>> {
        let key = (account, region.clone(), name.into());
        if let Some(found) = self.cached(|cache| cache.tables.get(&key).cloned()) {
            return Some(found);
        }
        self.fetch_named(key, Catalog::table_by_name, Table::from_row, |cache| {
            &mut cache.tables
        })
    }

    /// The topic of that name, as far as this node's copy goes.
    pub(crate) fn topic_by_name(
        &self,
        account: AccountId,
        region: &Region,
        name: &str,
    ) -> Option<Arc<Topic>> {
        let key = (account, region.clone(), name.into());
        if let Some(found) = self.cached(|cache| cache.topics.get(&key).cloned()) {
            return Some(found);
        }
        self.fetch_named(key, Catalog::topic_by_name, Topic::from_row, |cache| {
            &mut cache.topics
        })
    }

    /// The topic of that number, as far as this node's copy goes.
    pub(crate) fn topic(&self, topic: u64) -> Option<Arc<Topic>> {
        let row = self.read(|catalog| catalog.topic(topic).cloned())?;
        Topic::from_row(row).map(Arc::new)
    }

    fn cached<T>(&self, look: impl FnOnce(&Cache) -> Option<Arc<T>>) -> Option<Arc<T>> {
        let cache = self.cache.read().unwrap_or_else(|e| e.into_inner());
        if cache.generation == self.catalog.events().catalog_generation() {
            look(&cache)
        } else {
            None
        }
    }

    /// Reads what the cache has not, and keeps it.
    fn fetch_named<R: Clone, T>(
        &self,
        key: OwnedName,
        find: for<'a> fn(&'a Catalog, &str, &str, &str) -> Option<&'a R>,
        from_row: fn(R) -> Option<T>,
        kept: fn(&mut Cache) -> &mut ByName<T>,
    ) -> Option<Arc<T>> {
        // Taken before the read: what changes in between empties the cache at the next look.
        let generation = self.catalog.events().catalog_generation();
        let row = self.read(|catalog| {
            let (account, region, name) = &key;
            find(catalog, &account.to_string(), region.as_str(), name).cloned()
        })?;
        let found = Arc::new(from_row(row)?);
        kept(&mut self.writable(generation)).insert(key, found.clone());
        Some(found)
    }

    fn fetch(&self, find: impl FnOnce(&Catalog) -> Option<&QueueRow>) -> Option<Arc<Queue>> {
        // Taken before the read: what changes in between empties the cache at the next look.
        let generation = self.catalog.events().catalog_generation();
        let row = self.read(|catalog| find(catalog).cloned())?;
        let queue = Arc::new(Queue::from_row(&row)?);
        let mut cache = self.writable(generation);
        if queue.subscription.is_none() {
            let key = (queue.account, queue.region.clone(), queue.name.clone());
            cache.by_name.insert(key, queue.clone());
        }
        cache.by_id.insert(queue.id, queue.clone());
        Some(queue)
    }

    /// The cache of that generation of the catalog, with room.
    fn writable(&self, generation: u64) -> RwLockWriteGuard<'_, Cache> {
        let mut cache = self.cache.write().unwrap_or_else(|e| e.into_inner());
        let count =
            cache.by_id.len() + cache.streams.len() + cache.tables.len() + cache.topics.len();
        if cache.generation != generation || count >= CACHED_MAX {
            *cache = Cache {
                generation,
                ..Cache::default()
            };
        }
        cache
    }

    /// Whether this copy knows that the queue, stream, shard's log, table or topic was deleted. One that it has not heard of yet is not gone.
    pub(crate) fn is_gone(&self, id: QueueId) -> bool {
        self.read(|catalog| {
            catalog.queue(id).is_none()
                && catalog.stream(id.0).is_none()
                && catalog.shard_of(id).is_none()
                && catalog.table(id.0).is_none()
                && catalog.topic(id.0).is_none()
                && catalog.stream_queue(id.0).is_none()
                && catalog.next_queue_id() > id
        })
    }

    /// Whether this copy is older than the number: it may be anything.
    pub(crate) fn is_unheard_of(&self, id: QueueId) -> bool {
        self.read(|catalog| catalog.next_queue_id() <= id)
    }

    /// Reads the catalog itself; `read` must be short.
    pub(crate) fn read<T: Default>(&self, read: impl FnOnce(&Catalog) -> T) -> T {
        self.catalog
            .read(|partition| partition.catalog().map(read).unwrap_or_default())
    }

    /// Queues of an account and region by prefix, after a name, in order of names.
    pub(crate) fn by_prefix(
        &self,
        account: AccountId,
        region: &Region,
        prefix: &str,
        after: Option<&str>,
        max: usize,
    ) -> Vec<Arc<Queue>> {
        let rows = self.read(|catalog| -> Vec<QueueRow> {
            let found =
                catalog.queues_by_prefix(&account.to_string(), region.as_str(), prefix, after, max);
            found.into_iter().cloned().collect()
        });
        to_queues(&rows)
    }

    /// Queues whose dead letters go to `target`, after a name, in order of names.
    pub(crate) fn dead_letter_sources(
        &self,
        target: QueueId,
        after: Option<&str>,
        max: usize,
    ) -> Vec<Arc<Queue>> {
        let mut rows: Vec<QueueRow> = self.read(|catalog| {
            catalog
                .dead_letter_sources(target)
                .into_iter()
                .cloned()
                .collect()
        });
        rows.sort_by(|a, b| a.name.cmp(&b.name));
        rows.retain(|row| after.is_none_or(|after| row.name.as_str() > after));
        rows.truncate(max);
        to_queues(&rows)
    }

    /// What a partition must know of the queue; None if the queue is gone.
    pub(crate) fn config(&self, id: QueueId) -> Option<QueueConfig> {
        self.read(|catalog| {
            let row = catalog.queue(id)?;
            Some(config_of(row, catalog, row.partitions.len().max(1)))
        })
    }

    pub(crate) fn move_task(&self, task: u64) -> Option<MoveTaskRow> {
        self.read(|catalog| catalog.move_task(task).cloned())
    }

    pub(crate) fn move_tasks(&self, source: QueueId, max: usize) -> Vec<MoveTaskRow> {
        self.read(|catalog| {
            catalog
                .move_tasks(source)
                .into_iter()
                .take(max)
                .cloned()
                .collect()
        })
    }
}

fn to_queues(rows: &[QueueRow]) -> Vec<Arc<Queue>> {
    rows.iter()
        .filter_map(Queue::from_row)
        .map(Arc::new)
        .collect()
}
