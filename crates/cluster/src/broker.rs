//! What the gateway calls: one handle that finds queues and carries requests to their partitions.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use levada_engine::proto::{
    self, Catalog, CatalogOutcome, CatalogRefusal, Command, CreateQueue, DeleteQueue, MoveTaskRow,
    NotePurge, Outcome, QueueRow, SetQueueAttributes, StartMoveTask, TagQueue, UntagQueue,
    UpdateMoveTask, catalog, catalog_outcome, command, outcome,
};
use levada_replica::Group;
use levada_types::{AccountId, PartitionId, QueueId, QueueName, Region};
use tokio::time::Instant;

use crate::core::Core;
use crate::directory::Directory;
use crate::placement::{Spot, choose_parts};
use crate::{Queue, QueueCounts, RouteError};

/// The outcome of a change of the catalog: what it gave, or why it was refused.
pub type Change<T> = Result<Result<T, CatalogRefusal>, RouteError>;

/// How long a request may take, leaving time for an election and a second try before an SDK gives up.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Partitions that a standard queue of a cluster is spread over.
const QUEUE_PARTS: usize = 3;

/// A node's way into the cluster; cheap to clone.
#[derive(Clone)]
pub struct Broker {
    pub(crate) core: Arc<Core>,
}

impl Broker {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    /// The cluster's number, the same on every node and another in every cluster.
    pub fn cluster(&self) -> u64 {
        self.core.members.cluster()
    }

    /// The queue of that name; asks the catalog's leader before it says that there is none.
    pub async fn find_queue(
        &self,
        account: AccountId,
        region: &Region,
        name: &QueueName,
    ) -> Result<Option<Arc<Queue>>, RouteError> {
        let key = (account, region.clone(), name.clone());
        self.find_in_catalog(|directory| directory.by_name(&key))
            .await
    }

    /// The queue of that name in this node's copy of the catalog.
    pub fn known_queue(&self, key: &(AccountId, Region, QueueName)) -> Option<Arc<Queue>> {
        self.core.directory.by_name(key)
    }

    /// The queue of that number in this node's copy of the catalog.
    pub fn queue(&self, id: QueueId) -> Option<Arc<Queue>> {
        self.core.directory.by_id(id)
    }

    /// Queues of an account and region whose names begin with `prefix` and follow `after`, by name.
    pub fn queues(
        &self,
        account: AccountId,
        region: &Region,
        prefix: &str,
        after: Option<&str>,
        max: usize,
    ) -> Vec<Arc<Queue>> {
        self.core
            .directory
            .by_prefix(account, region, prefix, after, max)
    }

    /// Queues whose redrive policy names `target`, that follow `after`, by name.
    pub fn dead_letter_sources(
        &self,
        target: QueueId,
        after: Option<&str>,
        max: usize,
    ) -> Vec<Arc<Queue>> {
        self.core.directory.dead_letter_sources(target, after, max)
    }

    /// What this node's copy of the catalog has; asks the catalog's leader before it says that there is nothing.
    pub(crate) async fn find_in_catalog<T>(
        &self,
        look: impl Fn(&Directory) -> Option<T>,
    ) -> Result<Option<T>, RouteError> {
        let directory = &self.core.directory;
        if let Some(found) = look(directory) {
            return Ok(Some(found));
        }
        self.catch_up_catalog().await?;
        Ok(look(directory))
    }

    /// Waits until this node's copy of the catalog holds all that was acknowledged before the call.
    pub async fn catch_up_catalog(&self) -> Result<(), RouteError> {
        self.catch_up(self.core.directory.group()).await
    }

    /// The same for any partition.
    pub(crate) async fn catch_up(&self, group: &Group) -> Result<(), RouteError> {
        let deadline = Instant::now() + REQUEST_TIMEOUT;
        while Instant::now() < deadline {
            let leader = group.leader();
            let index = match leader {
                Some(node) if node == self.core.node => group.read_index().await.ok(),
                Some(node) => match self.core.members.address(node) {
                    Some(address) => self
                        .core
                        .replicas
                        .remote_read_index(&address, group.id(), Duration::from_secs(1))
                        .await
                        .ok(),
                    None => None,
                },
                None => None,
            };
            if let Some(index) = index {
                let left = deadline.saturating_duration_since(Instant::now());
                return if group.wait_applied(index, left).await {
                    Ok(())
                } else {
                    Err(RouteError::Unavailable)
                };
            }
            // No answer: look again when another leader is known, or soon.
            let until = deadline.min(Instant::now() + Duration::from_millis(50));
            let _ = tokio::time::timeout_at(until, group.leader_changed(leader)).await;
        }
        Err(RouteError::Unavailable)
    }

    /// Creates the queue and makes its parts ready; `partitions` of the command is filled in here.
    pub async fn create_queue(&self, mut command: CreateQueue) -> Change<Arc<Queue>> {
        let fifo = command.name.ends_with(".fifo");
        command.partitions = self.place(&command.name, fifo);
        let row = match self.change(catalog::Kind::CreateQueue(command)).await? {
            Ok(catalog_outcome::Kind::Queue(row)) => row,
            other => return unexpected(other),
        };
        self.make_ready(&row).await
    }

    /// Sets attributes (an empty value removes one) and brings the queue's parts up to date.
    pub async fn set_queue_attributes(
        &self,
        queue: &Queue,
        attributes: BTreeMap<String, String>,
        if_version: Option<u64>,
    ) -> Change<Arc<Queue>> {
        let change = SetQueueAttributes {
            queue: queue.id.0,
            attributes,
            if_version: if_version.unwrap_or(0),
        };
        let row = match self
            .change(catalog::Kind::SetQueueAttributes(change))
            .await?
        {
            Ok(catalog_outcome::Kind::Queue(row)) => row,
            other => return unexpected(other),
        };
        self.make_ready(&row).await
    }

    /// Deletes the queue; what it held is dropped by its partitions' leaders, who see that it is gone.
    pub async fn delete_queue(&self, queue: &Queue) -> Change<()> {
        self.plain_change(catalog::Kind::DeleteQueue(DeleteQueue {
            queue: queue.id.0,
        }))
        .await
    }

    /// Sets tags.
    pub async fn tag_queue(&self, queue: &Queue, tags: BTreeMap<String, String>) -> Change<()> {
        self.plain_change(catalog::Kind::TagQueue(TagQueue {
            queue: queue.id.0,
            tags,
        }))
        .await
    }

    /// Removes tags.
    pub async fn untag_queue(&self, queue: &Queue, keys: Vec<String>) -> Change<()> {
        self.plain_change(catalog::Kind::UntagQueue(UntagQueue {
            queue: queue.id.0,
            keys,
        }))
        .await
    }

    /// Deletes all messages; refused within 60 s of the last time.
    pub async fn purge_queue(&self, queue: &Arc<Queue>) -> Change<()> {
        let noted = self
            .plain_change(catalog::Kind::NotePurge(NotePurge { queue: queue.id.0 }))
            .await?;
        if let Err(refusal) = noted {
            return Ok(Err(refusal));
        }
        let purges = queue.partitions.iter().map(|partition| {
            let purge = proto::Purge { queue: queue.id.0 };
            self.on_queue(queue, *partition, command::Kind::Purge(purge))
        });
        futures::future::try_join_all(purges).await?;
        Ok(Ok(()))
    }

    /// Counts over all parts, as their leaders know them.
    pub async fn counts(&self, queue: &Arc<Queue>) -> Result<QueueCounts, RouteError> {
        let parts = queue
            .partitions
            .iter()
            .map(|partition| self.counts_of(queue.id, *partition));
        let mut sum = QueueCounts::default();
        for part in futures::future::try_join_all(parts).await? {
            sum.ready += part.ready;
            sum.in_flight += part.in_flight;
            sum.delayed += part.delayed;
        }
        Ok(sum)
    }

    /// Starts a move task; `to_move` is filled in here.
    pub async fn start_move_task(&self, mut command: StartMoveTask) -> Change<MoveTaskRow> {
        if let Some(source) = self.queue(QueueId(command.source)) {
            command.to_move = self.counts(&source).await?.ready;
        }
        self.task_change(catalog::Kind::StartMoveTask(command))
            .await
    }

    /// Cancels a move task.
    pub async fn cancel_move_task(&self, task: u64) -> Change<MoveTaskRow> {
        let update = UpdateMoveTask {
            task,
            cancel: true,
            ..UpdateMoveTask::default()
        };
        self.task_change(catalog::Kind::UpdateMoveTask(update))
            .await
    }

    /// The newest move tasks of a source queue, newest first.
    pub fn move_tasks(&self, source: QueueId, max: usize) -> Vec<MoveTaskRow> {
        self.core.directory.move_tasks(source, max)
    }

    /// A move task by its number.
    pub fn move_task(&self, task: u64) -> Option<MoveTaskRow> {
        self.core.directory.move_task(task)
    }

    /// The partitions for a new queue or topic: one for a FIFO one or on a single node, else some that are led
    /// by different nodes when all is well.
    pub(crate) fn place(&self, name: &str, fifo: bool) -> Vec<u32> {
        let core = &self.core;
        let spots: Vec<Spot> = core
            .open_for_queues()
            .into_iter()
            .map(|partition| Spot {
                partition: partition.0,
                leader: core.preferred_leader(partition),
                bytes_per_s: core.loads.of(partition),
                queues: core.directory.read(|c| c.parts_in(partition)),
            })
            .collect();
        let parts = if fifo {
            1
        } else {
            QUEUE_PARTS.min(core.members.all().len()).max(1)
        };
        choose_parts(&spots, parts, name)
    }

    async fn make_ready(&self, row: &QueueRow) -> Change<Arc<Queue>> {
        let Some(queue) = Queue::from_row(row).map(Arc::new) else {
            return Ok(Err(CatalogRefusal::Unspecified));
        };
        // A part whose leader cannot be reached now is configured by it when it sees the catalog, or
        // by the first request that finds it behind.
        let parts = queue
            .partitions
            .iter()
            .map(|partition| self.configure(queue.id, *partition));
        futures::future::join_all(parts).await;
        Ok(Ok(queue))
    }

    /// Brings one part of a queue up to the catalog.
    pub(crate) async fn configure(
        &self,
        id: QueueId,
        partition: PartitionId,
    ) -> Result<(), RouteError> {
        let config = self
            .core
            .directory
            .config(id)
            .ok_or(RouteError::NoSuchQueue)?;
        let configure = proto::ConfigureQueue {
            config: Some(config),
        };
        self.write(partition, command::Kind::ConfigureQueue(configure))
            .await
            .map(|_| ())
    }

    /// Has a command applied by a partition.
    pub(crate) async fn write(
        &self,
        partition: PartitionId,
        kind: command::Kind,
    ) -> Result<(Outcome, u64), RouteError> {
        let route = self.core.route(partition).ok_or(RouteError::Unavailable)?;
        route
            .writes
            .submit(Command { kind: Some(kind) }, 0, REQUEST_TIMEOUT)
            .await
    }

    /// Has a command on a queue applied by a partition, configuring the queue there first if it must.
    pub(crate) async fn on_queue(
        &self,
        queue: &Arc<Queue>,
        partition: PartitionId,
        kind: command::Kind,
    ) -> Result<outcome::Kind, RouteError> {
        for _ in 0..3 {
            let (answer, _) = self.write(partition, kind.clone()).await?;
            match answer.kind {
                Some(outcome::Kind::Misconfigured(_)) => self.bring_up(queue.id, partition).await?,
                Some(kind) => return Ok(kind),
                None => return Err(RouteError::Unavailable),
            }
        }
        Err(RouteError::Unavailable)
    }

    /// A partition did not know the queue, or an older version of it.
    pub(crate) async fn bring_up(
        &self,
        queue: QueueId,
        partition: PartitionId,
    ) -> Result<(), RouteError> {
        let directory = &self.core.directory;
        if directory.config(queue).is_none() {
            if directory.read(|catalog| catalog.stream_queue(queue.0).is_some()) {
                return self.bring_up_stream_queue(queue.0, partition).await;
            }
            self.catch_up_catalog().await?;
        }
        self.configure(queue, partition).await
    }

    pub(crate) async fn change(&self, kind: catalog::Kind) -> Change<catalog_outcome::Kind> {
        let command = command::Kind::Catalog(Catalog { kind: Some(kind) });
        let (outcome, applied) = self.write(PartitionId::CATALOG, command).await?;
        // So that this node's next look sees what it just did.
        self.core
            .directory
            .group()
            .wait_applied(applied, REQUEST_TIMEOUT)
            .await;
        match outcome.kind {
            Some(outcome::Kind::Catalog(CatalogOutcome {
                kind: Some(catalog_outcome::Kind::Refusal(r)),
            })) => Ok(Err(CatalogRefusal::try_from(r).unwrap_or_default())),
            Some(outcome::Kind::Catalog(CatalogOutcome { kind: Some(kind) })) => Ok(Ok(kind)),
            _ => Err(RouteError::Unavailable),
        }
    }

    pub(crate) async fn plain_change(&self, kind: catalog::Kind) -> Change<()> {
        Ok(self.change(kind).await?.map(|_| ()))
    }

    async fn task_change(&self, kind: catalog::Kind) -> Change<MoveTaskRow> {
        match self.change(kind).await? {
            Ok(catalog_outcome::Kind::MoveTask(row)) => Ok(Ok(row)),
            other => unexpected(other),
        }
    }
}

/// Passes a refusal on; an outcome of another kind than the command's is a fault of ours.
pub(crate) fn unexpected<T>(outcome: Result<catalog_outcome::Kind, CatalogRefusal>) -> Change<T> {
    match outcome {
        Err(refusal) => Ok(Err(refusal)),
        Ok(kind) => {
            tracing::error!(
                ?kind,
                "the catalog answered with an outcome of another kind"
            );
            Err(RouteError::Unavailable)
        }
    }
}
