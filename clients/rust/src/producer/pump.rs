//! The producer's task: takes messages, keeps the lanes, makes calls, hands out what they say.
//!
//! Invariants
//! - The only owner of the lanes; there is no lock.
//! - While the shards are being listed anew nothing flies, so that a record that went to the wrong shard is put again before those
//!   behind it.

use std::sync::Arc;

use aws_sdk_kinesis::Client;
use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{debug, warn};

use super::call::{Fate, put};
use super::lanes::{Entry, Lanes, Parcel, Rules};
use super::{Placed, ProducerSettings, PutError};
use crate::backoff::Backoff;
use crate::error::CallError;
use crate::hash::HashKey;
use crate::limits::{CALLS_MAX, RECORD_BYTES_MAX};
use crate::shards::{self, Shard, ShardMap};

/// A user record on its way to the task.
#[derive(Debug)]
pub(super) struct UserRecord {
    pub(super) key: String,
    pub(super) data: Bytes,
    pub(super) told: oneshot::Sender<Result<Placed, PutError>>,
    pub(super) room: OwnedSemaphorePermit,
}

/// What a producer says to its task.
#[derive(Debug)]
pub(super) enum Message {
    Put(UserRecord),
    Flush(oneshot::Sender<()>),
    Close(oneshot::Sender<()>),
}

/// Who put a user record, and the room that it takes until its receipt is there.
struct Owner {
    told: oneshot::Sender<Result<Placed, PutError>>,
    /// What failed last.
    last: Option<Arc<str>>,
    _room: OwnedSemaphorePermit,
}

/// Waits until all records before a number are done.
struct Waiter {
    before: u64,
    left: u64,
    told: oneshot::Sender<()>,
}

/// What a task of the pump ended with.
enum Done {
    Put(Vec<Parcel<Owner>>, Result<Vec<Fate>, CallError>),
    Listed(Result<Vec<Shard>, CallError>),
}

/// An aggregated record that is in another shard than it was meant for.
struct Astray {
    shard_id: Arc<str>,
    sequence_number: Arc<str>,
    entries: Vec<Entry<Owner>>,
}

/// The task's state.
pub(super) struct Pump {
    client: Client,
    settings: ProducerSettings,
    lanes: Lanes<Owner>,
    /// The shards are not known, or not any more.
    stale: bool,
    list_backoff: Backoff,
    list_not_before: Option<Instant>,
    /// Why the shards are not known.
    list_error: Option<String>,
    lists: bool,
    astray: Vec<Astray>,
    tasks: JoinSet<Done>,
    put_backoff: Backoff,
    next_number: u64,
    /// Taken and without a receipt.
    outstanding: u64,
    waiters: Vec<Waiter>,
    closes: bool,
}

impl Pump {
    pub(super) fn new(client: Client, settings: ProducerSettings) -> Self {
        let record_bytes = settings.record_bytes.min(RECORD_BYTES_MAX);
        let rules = Rules {
            aggregate_bytes: settings
                .aggregate
                .then_some(settings.aggregate_bytes.min(record_bytes)),
            linger: settings.linger,
        };
        Self {
            client,
            settings,
            lanes: Lanes::new(rules, ShardMap::default()),
            stale: true,
            list_backoff: Backoff::default(),
            list_not_before: None,
            list_error: None,
            lists: false,
            astray: Vec::new(),
            tasks: JoinSet::new(),
            put_backoff: Backoff::default(),
            next_number: 0,
            outstanding: 0,
            waiters: Vec::new(),
            closes: false,
        }
    }

    /// Until every handle is gone, or one closes, and everything has its receipt.
    pub(super) async fn run(mut self, mut inbox: mpsc::Receiver<Message>) {
        let mut open = true;
        while open || self.outstanding > 0 {
            self.start_calls();
            let wake = self.wake();
            tokio::select! {
                Some(done) = self.tasks.join_next() => match done {
                    Ok(Done::Put(parcels, answer)) => self.landed(parcels, answer),
                    Ok(Done::Listed(answer)) => self.listed(answer),
                    // Its records told their owners that the producer is gone, by being dropped. Lanes may be left flying.
                    Err(error) => {
                        warn!(%error, "a task of the producer ended; it stops");
                        return;
                    }
                },
                message = inbox.recv(), if open => match message {
                    Some(message) => {
                        self.take(message);
                        if self.closes {
                            inbox.close();
                        }
                    }
                    None => open = false,
                },
                () = sleep_until(wake) => {}
            }
            let before = Instant::now().checked_sub(self.settings.try_for);
            if let Some(before) = before {
                let mut late = self.lanes.expired(before);
                let (gone, kept) = std::mem::take(&mut self.astray)
                    .into_iter()
                    .partition::<Vec<_>, _>(|astray| {
                        astray.entries.iter().all(|e| e.arrived < before)
                    });
                self.astray = kept;
                late.extend(gone.into_iter().flat_map(|astray| astray.entries));
                self.give_up(late);
            }
            // All handles are gone: nobody waits for company that cannot come.
            self.closes |= !open;
        }
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Put(record) => {
                self.lanes.add(Entry {
                    number: self.next_number,
                    hash_key: HashKey::of(&record.key),
                    key: record.key,
                    data: record.data,
                    arrived: Instant::now(),
                    owner: Owner {
                        told: record.told,
                        last: None,
                        _room: record.room,
                    },
                });
                self.next_number += 1;
                self.outstanding += 1;
            }
            Message::Flush(told) => self.wait(told),
            Message::Close(told) => {
                self.closes = true;
                self.wait(told);
            }
        }
    }

    fn wait(&mut self, told: oneshot::Sender<()>) {
        if self.outstanding == 0 {
            // Nobody may wait any more, which is no harm.
            let _ = told.send(());
            return;
        }
        self.waiters.push(Waiter {
            before: self.next_number,
            left: self.outstanding,
            told,
        });
    }

    /// When to look again though nothing comes.
    fn wake(&self) -> Option<Instant> {
        if self.stale {
            return if self.lists {
                None
            } else {
                self.list_not_before
            };
        }
        if self.tasks.len() >= CALLS_MAX {
            return None;
        }
        self.lanes.ready_at()
    }

    fn start_calls(&mut self) {
        let now = Instant::now();
        if self.stale {
            let paused = self.list_not_before.is_some_and(|at| at > now);
            if self.tasks.is_empty() && !paused {
                self.lists = true;
                let (client, stream) = (self.client.clone(), self.settings.stream.clone());
                self.tasks
                    .spawn(async move { Done::Listed(shards::list(&client, &stream, None).await) });
            }
            return;
        }
        let hurry = self.closes || !self.waiters.is_empty();
        while self.tasks.len() < CALLS_MAX {
            let mut parcels = self.lanes.gather(now, hurry);
            if parcels.is_empty() {
                return;
            }
            let (client, stream) = (self.client.clone(), self.settings.stream.clone());
            self.tasks.spawn(async move {
                let answer = put(&client, &stream, &mut parcels).await;
                Done::Put(parcels, answer)
            });
        }
    }

    fn listed(&mut self, answer: Result<Vec<Shard>, CallError>) {
        self.lists = false;
        let map = match answer {
            Ok(shards) => ShardMap::new(shards),
            Err(error) if error.may_pass => return self.list_again(&error),
            Err(error) => {
                let mut all = self.lanes.take_all();
                all.extend(self.astray.drain(..).flat_map(|astray| astray.entries));
                for entry in all {
                    self.finish(entry, Err(PutError::Refused(error.clone())));
                }
                return self.list_again(&error);
            }
        };
        if map.len() == 0 {
            return self.list_again(&CallError::malformed("ListShards", "open shards"));
        }
        debug!(shards = map.len(), "the shards are known");
        self.lanes.replace_map(map);
        self.stale = false;
        self.list_backoff.reset();
        self.list_not_before = None;
        self.list_error = None;
        for astray in std::mem::take(&mut self.astray) {
            let range = self.lanes.map().range_of(&astray.shard_id);
            let home =
                |entry: &Entry<Owner>| range.is_some_and(|range| range.contains(entry.hash_key));
            if astray.entries.iter().all(home) {
                self.placed(&astray.shard_id, &astray.sequence_number, astray.entries);
            } else {
                // KCL drops the whole record, this library's consumer the part that does not belong there. All are put again.
                self.lanes.put_back(astray.entries);
            }
        }
    }

    fn list_again(&mut self, error: &CallError) {
        warn!(stream = self.settings.stream, %error, "the shards are not known; it is asked again");
        self.list_error = Some(error.to_string());
        self.list_not_before = Some(Instant::now() + self.list_backoff.next());
    }

    fn landed(&mut self, parcels: Vec<Parcel<Owner>>, answer: Result<Vec<Fate>, CallError>) {
        let fates = match answer {
            Ok(fates) => fates,
            Err(error) => return self.call_failed(parcels, &error),
        };
        let failed = fates.iter().any(|fate| matches!(fate, Fate::Failed(_)));
        let pause = failed.then(|| Instant::now() + self.put_backoff.next());
        if !failed {
            self.put_backoff.reset();
        }
        for (parcel, fate) in parcels.into_iter().zip(fates) {
            match fate {
                Fate::Failed(why) => {
                    self.again(parcel.entries, &why);
                    self.lanes.land(parcel.lane, pause);
                }
                Fate::Put {
                    shard_id,
                    sequence_number,
                } => {
                    self.lanes.land(parcel.lane, None);
                    let astray = shard_id != parcel.shard;
                    self.stale |= astray;
                    if astray && parcel.entries.len() > 1 {
                        self.astray.push(Astray {
                            shard_id,
                            sequence_number,
                            entries: parcel.entries,
                        });
                    } else {
                        self.placed(&shard_id, &sequence_number, parcel.entries);
                    }
                }
            }
        }
    }

    fn call_failed(&mut self, parcels: Vec<Parcel<Owner>>, error: &CallError) {
        let pause = Instant::now() + self.put_backoff.next();
        debug!(%error, "a call of PutRecords failed");
        for parcel in parcels {
            self.lanes.land(parcel.lane, Some(pause));
            if error.may_pass {
                self.again(parcel.entries, &error.to_string());
                continue;
            }
            for entry in parcel.entries {
                self.finish(entry, Err(PutError::Refused(error.clone())));
            }
        }
    }

    /// They wait again, and know why.
    fn again(&mut self, mut entries: Vec<Entry<Owner>>, why: &str) {
        let why: Arc<str> = why.into();
        for entry in &mut entries {
            entry.owner.last = Some(Arc::clone(&why));
        }
        self.lanes.put_back(entries);
    }

    fn placed(&mut self, shard_id: &Arc<str>, number: &Arc<str>, entries: Vec<Entry<Owner>>) {
        let aggregated = entries.len() > 1;
        for (entry, place) in entries.into_iter().zip(0_u64..) {
            let placed = Placed {
                shard_id: Arc::clone(shard_id),
                sequence_number: Arc::clone(number),
                sub_sequence_number: aggregated.then_some(place),
            };
            self.finish(entry, Ok(placed));
        }
    }

    fn give_up(&mut self, late: Vec<Entry<Owner>>) {
        for entry in late {
            let last = entry.owner.last.as_deref().or(self.list_error.as_deref());
            let last = last.unwrap_or("it was not tried: the calls before it took all the time");
            let error = PutError::GivenUp {
                after: entry.arrived.elapsed(),
                last: last.to_owned(),
            };
            self.finish(entry, Err(error));
        }
    }

    fn finish(&mut self, entry: Entry<Owner>, told: Result<Placed, PutError>) {
        // Who dropped the receipt does not want to know.
        let _ = entry.owner.told.send(told);
        self.outstanding -= 1;
        for waiter in &mut self.waiters {
            if entry.number < waiter.before {
                waiter.left -= 1;
            }
        }
        let waiters = std::mem::take(&mut self.waiters);
        for waiter in waiters {
            if waiter.left > 0 {
                self.waiters.push(waiter);
            } else {
                // As above.
                let _ = waiter.told.send(());
            }
        }
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
