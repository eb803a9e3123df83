//! The worker's task: looks at the leases, sees to it that there are the right ones, takes its share, starts and ends readers.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::primitives::DateTime;
use aws_sdk_kinesis::types::{ShardFilter, ShardFilterType};
use tokio::sync::watch;
use tokio::task::{Id, JoinSet};
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::decide::{Observed, Rules, choose};
use super::fan_out::register;
use super::lease::{Change, Lease};
use super::lineage::{missing, obsolete, unaccounted};
use super::processor::ProcessorFactory;
use super::reader::Way;
use super::runner::{Outcome, Shared, run};
use super::table::{Table, WriteError};
use super::{ConsumerError, ConsumerSettings, Read, StartAt};
use crate::backoff::Backoff;
use crate::error::CallError;
use crate::limits::{GET_RECORDS_MAX, POLL_PAUSE_MIN};
use crate::position::Checkpoint;
use crate::shards;

/// A worker and its readers.
pub(crate) struct Worker<F> {
    shared: Arc<Shared<F>>,
    settings: ConsumerSettings,
    stopping: watch::Receiver<bool>,
    observed: Observed,
    /// Shards that are read here.
    busy: HashSet<String>,
    readers: JoinSet<Outcome>,
    shard_of: HashMap<Id, String>,
    synced: Option<Instant>,
}

/// Makes what a worker needs, and works until it is told to end.
pub(crate) async fn work<F: ProcessorFactory>(
    client: Client,
    table: Table,
    settings: ConsumerSettings,
    factory: F,
    mut stopping: watch::Receiver<bool>,
) -> Result<(), ConsumerError> {
    let mut ends = stopping.clone();
    let set_up = set_up(&client, &table, &settings);
    let way = tokio::select! {
        way = set_up => way?,
        _ = ends.wait_for(|stopping| *stopping) => return Ok(()),
    };
    let begins_at = match settings.start {
        StartAt::Timestamp(at) => Some(at),
        StartAt::TrimHorizon | StartAt::Latest => None,
    };
    let shared = Shared {
        client,
        table,
        stream: settings.stream.clone(),
        way,
        begins_at,
        lease_duration: settings.lease_duration,
        factory,
    };
    let mut worker = Worker {
        shared: Arc::new(shared),
        settings,
        stopping: stopping.clone(),
        observed: Observed::default(),
        busy: HashSet::new(),
        readers: JoinSet::new(),
        shard_of: HashMap::new(),
        synced: None,
    };
    worker.look_again_and_again(&mut stopping).await;
    worker.end().await
}

/// The table, and for fan-out the consumer. What may pass is tried again.
async fn set_up(
    client: &Client,
    table: &Table,
    settings: &ConsumerSettings,
) -> Result<Way, CallError> {
    let mut backoff = Backoff::default();
    loop {
        let way = async {
            table.ensure().await?;
            match settings.read {
                Read::Polling { pause } => Ok::<_, CallError>(Way::Poll {
                    pause: pause.max(POLL_PAUSE_MIN),
                    records_max: GET_RECORDS_MAX,
                }),
                Read::FanOut => {
                    let name = &settings.application;
                    let consumer_arn = register(client, &settings.stream, name).await?;
                    Ok(Way::FanOut { consumer_arn })
                }
            }
        };
        match way.await {
            Err(error) if error.may_pass => {
                warn!(%error, "the worker cannot begin yet; it is tried again");
                tokio::time::sleep(backoff.next()).await;
            }
            way => return way,
        }
    }
}

impl<F: ProcessorFactory> Worker<F> {
    /// Until the worker is to end. What is being taken then is taken and handed back, not left behind.
    async fn look_again_and_again(&mut self, stopping: &mut watch::Receiver<bool>) {
        // So an expired lease is seen after its duration and a third of it.
        let mut beat = tokio::time::interval(self.settings.lease_duration / 3);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = stopping.wait_for(|stopping| *stopping) => return,
                _ = beat.tick() => {}
                Some(ended) = self.readers.join_next_with_id(), if !self.readers.is_empty() => {
                    // The children of a shard that ended need not wait for the next beat.
                    if !self.reap(ended) {
                        continue;
                    }
                }
            }
            let chosen = tokio::select! {
                _ = stopping.wait_for(|stopping| *stopping) => return,
                chosen = self.look() => chosen,
            };
            match chosen {
                Ok(leases) => {
                    for lease in &leases {
                        if !*self.stopping.borrow() {
                            self.take(lease).await;
                        }
                    }
                }
                Err(error) => warn!(%error, "the leases were not looked at; it is tried again"),
            }
        }
    }

    /// Notes that a reader ended; true if its shard did.
    fn reap(&mut self, ended: Result<(Id, Outcome), tokio::task::JoinError>) -> bool {
        let (id, outcome) = match ended {
            Ok((id, outcome)) => (id, Some(outcome)),
            Err(error) => {
                // Its keeper ended with it. The lease is still this worker's, and is taken again at the next look.
                warn!(%error, "a processor panicked");
                (error.id(), None)
            }
        };
        if let Some(shard) = self.shard_of.remove(&id) {
            self.busy.remove(&shard);
        }
        outcome == Some(Outcome::Ended)
    }

    /// The leases that are to be taken.
    async fn look(&mut self) -> Result<Vec<Lease>, CallError> {
        let mut leases = self.shared.table.scan().await?;
        let due = self
            .synced
            .is_none_or(|at| at.elapsed() >= self.settings.sync_every);
        if due || leases.is_empty() {
            self.sync(&leases).await?;
            self.synced = Some(Instant::now());
            leases = self.shared.table.scan().await?;
        }
        self.observed.observe(&leases, Instant::now());
        let rules = Rules {
            worker: &self.settings.worker,
            lease_duration: self.settings.lease_duration,
            leases_max: self.settings.leases_max,
            steals_max: self.settings.steals_max,
        };
        let now = Instant::now();
        let chosen = choose(&leases, &self.observed, &self.busy, rules, now, &mut |n| {
            fastrand::usize(..n)
        });
        Ok(chosen.into_iter().cloned().collect())
    }

    /// Takes a lease and starts to read, unless another worker was first.
    async fn take(&mut self, lease: &Lease) {
        let since = Instant::now();
        let timeout = self.settings.lease_duration / 3;
        match self.shared.table.write(lease, &Change::Take, timeout).await {
            Ok(taken) => {
                info!(
                    shard = taken.key,
                    from = lease.owner,
                    "the shard is read here now"
                );
                let shared = Arc::clone(&self.shared);
                let stopping = self.stopping.clone();
                let shard = taken.key.clone();
                let reader = self.readers.spawn(run(shared, taken, since, stopping));
                self.shard_of.insert(reader.id(), shard.clone());
                self.busy.insert(shard);
            }
            Err(WriteError::Lost(_)) => debug!(shard = lease.key, "another worker was first"),
            Err(WriteError::Failed(error)) => {
                warn!(shard = lease.key, %error, "the lease was not taken")
            }
        }
    }

    /// Makes the leases that are missing and deletes those that are of no use.
    async fn sync(&self, leases: &[Lease]) -> Result<(), CallError> {
        let (client, stream) = (&self.shared.client, &self.shared.stream);
        let listed = shards::list(client, stream, None).await?;
        let unaccounted = unaccounted(&listed, leases);
        let mut begins = HashSet::new();
        if !unaccounted.is_empty() {
            let at_start =
                shards::list(client, stream, Some(self.settings.start.filter()?)).await?;
            let at_start: HashSet<&str> = at_start.iter().map(|shard| &*shard.id).collect();
            let found = unaccounted
                .iter()
                .filter(|shard| at_start.contains(&*shard.id));
            begins.extend(found.map(|shard| shard.id.to_string()));
        }
        for lease in missing(&listed, leases, &begins, &self.settings.start.checkpoint()) {
            self.shared.table.create(&lease).await?;
        }
        for lease in obsolete(&listed, leases) {
            self.shared.table.delete(lease).await?;
        }
        Ok(())
    }

    /// Every reader was told by the same word as this worker; what does not end in time is ended.
    async fn end(mut self) -> Result<(), ConsumerError> {
        let all = async { while self.readers.join_next().await.is_some() {} };
        if tokio::time::timeout(self.settings.shutdown_timeout, all)
            .await
            .is_ok()
        {
            return Ok(());
        }
        let left = self.readers.len();
        self.readers.shutdown().await;
        Err(ConsumerError::HurriedEnd {
            left,
            after: self.settings.shutdown_timeout,
        })
    }
}

impl StartAt {
    fn checkpoint(self) -> Checkpoint {
        match self {
            Self::TrimHorizon => Checkpoint::TrimHorizon,
            Self::Latest => Checkpoint::Latest,
            Self::Timestamp(_) => Checkpoint::AtTimestamp,
        }
    }

    /// The shards that have a record at the position, or would.
    fn filter(self) -> Result<ShardFilter, CallError> {
        let filter = match self {
            Self::TrimHorizon => ShardFilter::builder().r#type(ShardFilterType::AtTrimHorizon),
            Self::Latest => ShardFilter::builder().r#type(ShardFilterType::AtLatest),
            Self::Timestamp(at) => ShardFilter::builder()
                .r#type(ShardFilterType::AtTimestamp)
                .timestamp(DateTime::from(at)),
        };
        let filter = filter.build();
        filter.map_err(|_| CallError::malformed("ListShards", "kind of filter"))
    }
}
