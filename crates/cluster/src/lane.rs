//! A lane: this node's way to one partition. It gathers what arrives while earlier proposals are in
//! flight into one proposal, and sees it through changes of leader.
//!
//! Each proposal carries the lane's origin and a sequence number, so a partition applies it once
//! however often it is sent. The partition forgets an outcome when the lane says that it has it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::stream::FuturesUnordered;
use futures::{Stream, StreamExt as _};
use levada_engine::proto::{self, Command, Outcome};
use prost::Message as _;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::RouteError;
use crate::proposer::{Proposer, Sealed};

/// Commands that wait in a lane at most; beyond that a caller is told so at once.
const LANE_COMMANDS_MAX: usize = 16_384;
/// Commands of one proposal: bounds how long one entry takes to apply.
const PROPOSAL_COMMANDS_MAX: usize = 1_024;
/// Bytes that a proposal gathers before it is sent. One command may be larger.
const PROPOSAL_BYTES_MAX: usize = 1024 * 1024;
/// A proposal that is on its way keeps the next one back: what arrives meanwhile makes that larger, and each costs a
/// sync and a turn of every thread on the way. One of so many bytes has nothing to gain by growing.
const BULK_BYTES: usize = PROPOSAL_BYTES_MAX / 4 * 3;
/// Proposals of that size that are on their way at one time: one is encoded, one sent, one written.
const BULK_IN_FLIGHT_MAX: usize = 3;
/// Proposals on their way at one time on a node that is alone, each with half of those who ask: one is written while the
/// others are answered and ask again. Where an entry must reach other nodes two cost more than the waiting.
const HALVES: usize = 2;
/// Of the callers that a lane remembers it forgets so small a part with each proposal, if they are seen no more.
const CALLERS_FORGOTTEN: usize = 16;
/// Those whom a proposal answers ask again at about the same time. The next one waits so long for as many as
/// the last one had: it saves an entry, and with it a sync and a turn of every thread on every replica. The
/// runtime's timers count in milliseconds, so this is the least that there is.
const GATHER: Duration = Duration::from_millis(1);

/// A command and where its outcome goes.
struct Job {
    command: Command,
    /// Not zero: the command only claims from this queue.
    claims_from: u64,
    bytes: usize,
    deadline: Instant,
    reply: oneshot::Sender<Result<(Outcome, u64), RouteError>>,
}

/// What a proposal was answered with.
pub(crate) struct Answered {
    pub(crate) outcomes: Vec<Outcome>,
    /// A replica that has applied this entry sees what the proposal did.
    pub(crate) applied_index: u64,
}

/// A handle on a lane; clones share it.
#[derive(Clone)]
pub(crate) struct Lane {
    jobs: mpsc::Sender<Job>,
}

impl Lane {
    /// Starts the lane's task; it ends when every handle is dropped. One that `gathers` waits a moment for as
    /// many commands as its last proposal had.
    pub(crate) fn start(proposer: Arc<Proposer>, gathers: bool) -> Self {
        let (jobs, queue) = mpsc::channel(LANE_COMMANDS_MAX);
        tokio::spawn(run(proposer, queue, gathers));
        Self { jobs }
    }

    /// Has the command applied, once; answers its outcome, and the entry that a replica must have applied
    /// to see its effect.
    pub(crate) async fn submit(
        &self,
        command: Command,
        claims_from: u64,
        timeout: Duration,
    ) -> Result<(Outcome, u64), RouteError> {
        let (reply, answer) = oneshot::channel();
        let bytes = size_of(&command);
        let job = Job {
            command,
            claims_from,
            bytes,
            deadline: Instant::now() + timeout,
            reply,
        };
        self.jobs
            .try_send(job)
            .map_err(|_| RouteError::Overloaded)?;
        answer.await.unwrap_or(Err(RouteError::Unavailable))
    }
}

/// About how many bytes the command takes in a proposal; exact where it matters.
fn size_of(command: &Command) -> usize {
    match &command.kind {
        Some(proto::command::Kind::Send(send)) => send
            .messages
            .iter()
            .map(|m| m.payload.len() + m.group.len() + 64)
            .sum(),
        Some(proto::command::Kind::PutRecords(put)) => put
            .records
            .iter()
            .map(|r| r.data.len() + r.partition_key.len() + 16)
            .sum(),
        Some(
            proto::command::Kind::Deliver(_)
            | proto::command::Kind::Catalog(_)
            | proto::command::Kind::WriteItems(_)
            | proto::command::Kind::Publish(_)
            | proto::command::Kind::Replay(_),
        ) => command.encoded_len(),
        _ => 64,
    }
}

/// A proposal that is on its way.
struct Flight {
    commands: usize,
    is_bulk: bool,
}

impl Flight {
    fn of(jobs: &[Job]) -> Self {
        let bytes: usize = jobs.iter().map(|job| job.bytes).sum();
        Self {
            commands: jobs.len(),
            is_bulk: bytes >= BULK_BYTES,
        }
    }
}

/// The lane's own numbering, and what is on its way by it.
struct Numbers {
    origin: u64,
    next: u64,
    in_flight: BTreeMap<u64, Flight>,
}

impl Numbers {
    fn new(origin: u64) -> Self {
        Self {
            origin,
            next: 1,
            in_flight: BTreeMap::new(),
        }
    }

    fn take(&mut self, flight: Flight) -> (u64, u64) {
        let sequence = self.next;
        self.next += 1;
        self.in_flight.insert(sequence, flight);
        let oldest = self.in_flight.keys().next().copied().unwrap_or(sequence);
        (sequence, oldest - 1)
    }

    /// Whether another proposal may follow those that are on their way.
    fn has_room(&self, in_halves: bool) -> bool {
        let count = self.in_flight.len();
        let mut flights = self.in_flight.values();
        count == 0
            || (in_halves && count < HALVES)
            || (count < BULK_IN_FLIGHT_MAX && flights.all(|flight| flight.is_bulk))
    }

    fn commands_in_flight(&self) -> usize {
        self.in_flight.values().map(|flight| flight.commands).sum()
    }
}

async fn run(proposer: Arc<Proposer>, mut queue: mpsc::Receiver<Job>, gathers: bool) {
    let mut numbers = Numbers::new(fresh_origin());
    let mut in_flight = FuturesUnordered::new();
    let mut pace = Pace::default();
    let mut batch = Vec::new();
    loop {
        let in_halves = gathers && proposer.is_alone();
        tokio::select! {
            Some(sequence) = in_flight.next() => {
                numbers.in_flight.remove(&sequence);
            }
            count = queue.recv_many(&mut batch, PROPOSAL_COMMANDS_MAX), if numbers.has_room(in_halves) => {
                if count == 0 {
                    break;
                }
                if gathers {
                    let wanted = pace.wanted(in_halves);
                    let land = |sequence| {
                        numbers.in_flight.remove(&sequence);
                    };
                    gather(&mut queue, &mut batch, wanted, &mut in_flight, land).await;
                }
                pace.gathered(batch.len(), numbers.commands_in_flight());
                // Nobody waits for these any more. A claim above all would hide messages for nothing.
                batch.retain(|job| !job.reply.is_closed());
                if batch.is_empty() {
                    continue;
                }
                for jobs in split(std::mem::take(&mut batch)) {
                    in_flight.push(see_through(proposer.clone(), jobs, &mut numbers));
                }
            }
        }
    }
    while in_flight.next().await.is_some() {}
}

/// How much the next proposal should hold.
#[derive(Default)]
struct Pace {
    /// Commands of the last proposal.
    last_count: usize,
    /// How many ask at one time: the most that were under way or gathered, forgotten by and by.
    callers: usize,
}

impl Pace {
    /// For how many commands the next proposal waits a moment. A caller that is alone never waits.
    fn wanted(&self, in_halves: bool) -> usize {
        let wanted = if in_halves {
            self.callers.div_ceil(HALVES)
        } else {
            self.last_count
        };
        wanted.min(PROPOSAL_COMMANDS_MAX)
    }

    /// So many have been gathered, while so many are under way.
    fn gathered(&mut self, count: usize, in_flight: usize) {
        self.last_count = count;
        let fewer = self.callers - self.callers.div_ceil(CALLERS_FORGOTTEN);
        self.callers = fewer.max(count + in_flight);
    }
}

/// Waits a moment for so many jobs, and sees to what comes back meanwhile.
async fn gather<T>(
    queue: &mut mpsc::Receiver<Job>,
    batch: &mut Vec<Job>,
    wanted: usize,
    in_flight: &mut (impl Stream<Item = T> + Unpin),
    mut land: impl FnMut(T),
) {
    if batch.len() >= wanted {
        return;
    }
    let until = Instant::now() + GATHER;
    while batch.len() < wanted {
        let more = queue.recv_many(batch, PROPOSAL_COMMANDS_MAX - batch.len());
        tokio::select! {
            Some(landed) = in_flight.next() => land(landed),
            more = tokio::time::timeout_at(until, more) => match more {
                Ok(count) if count > 0 => {}
                // The time is over, or the last handle on the lane is gone.
                _ => return,
            },
        }
    }
}

/// Splits what was gathered where it grows too large for one proposal.
fn split(jobs: Vec<Job>) -> Vec<Vec<Job>> {
    let mut parts = Vec::with_capacity(1);
    let mut part = Vec::with_capacity(jobs.len());
    let mut bytes = 0;
    for job in jobs {
        if bytes + job.bytes > PROPOSAL_BYTES_MAX && !part.is_empty() {
            parts.push(std::mem::take(&mut part));
            bytes = 0;
        }
        bytes += job.bytes;
        part.push(job);
    }
    parts.push(part);
    parts
}

fn see_through(
    proposer: Arc<Proposer>,
    jobs: Vec<Job>,
    numbers: &mut Numbers,
) -> impl Future<Output = u64> + use<> {
    let (sequence, answered_through) = numbers.take(Flight::of(&jobs));
    let deadline = jobs
        .iter()
        .map(|job| job.deadline)
        .max()
        .unwrap_or_else(Instant::now);
    let count = jobs.len();
    let mut commands = Vec::with_capacity(count);
    let mut replies = Vec::with_capacity(count);
    let mut claims_from = BTreeSet::new();
    let mut only_claims = true;
    for job in jobs {
        only_claims &= job.claims_from != 0;
        claims_from.insert(job.claims_from);
        commands.push(job.command);
        replies.push(job.reply);
    }
    let proposal = proto::Proposal {
        origin: numbers.origin,
        sequence,
        answered_through,
        commands,
    };
    let sealed = Sealed {
        proposal: proposal.encode_to_vec().into(),
        claims_from: if only_claims {
            claims_from.into_iter().collect()
        } else {
            Vec::new()
        },
        joins: !only_claims && !proposer.is_alone(),
        count,
    };
    async move {
        let abandoned = || only_claims && replies.iter().all(oneshot::Sender::is_closed);
        let answer = proposer.see_through(&sealed, deadline, &abandoned).await;
        match answer {
            Ok(answered) if answered.outcomes.len() == replies.len() => {
                for (reply, outcome) in replies.into_iter().zip(answered.outcomes) {
                    // A caller that has gone away does not need it.
                    let _ = reply.send(Ok((outcome, answered.applied_index)));
                }
            }
            Ok(answered) => {
                tracing::error!(
                    expected = replies.len(),
                    got = answered.outcomes.len(),
                    "a proposal was answered with another number of outcomes"
                );
                for reply in replies {
                    let _ = reply.send(Err(RouteError::Unavailable));
                }
            }
            Err(error) => {
                for reply in replies {
                    let _ = reply.send(Err(error.clone()));
                }
            }
        }
        sequence
    }
}

/// Never used before: random by process, and counted within it.
fn fresh_origin() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    static BASE: std::sync::OnceLock<u64> = std::sync::OnceLock::new();
    let base = *BASE.get_or_init(|| rand::random::<u64>() & !0xffff);
    (base.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed))).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(bytes: usize) -> Job {
        let (reply, _) = oneshot::channel();
        Job {
            command: Command::default(),
            claims_from: 0,
            bytes,
            deadline: Instant::now(),
            reply,
        }
    }

    #[tokio::test]
    async fn a_gathering_is_split_where_it_grows_too_large() {
        let sizes = |jobs: Vec<Job>| split(jobs).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(sizes(vec![job(10), job(10)]), [2]);
        assert_eq!(sizes(vec![job(PROPOSAL_BYTES_MAX), job(1), job(1)]), [1, 2]);
        assert_eq!(
            sizes(vec![job(1), job(2 * PROPOSAL_BYTES_MAX), job(1)]),
            [1, 1, 1]
        );
    }

    /// A lane with so many proposals on their way.
    fn numbers(proposals: usize, bulk: usize) -> Numbers {
        let mut numbers = Numbers::new(1);
        for place in 0..proposals {
            numbers.take(Flight {
                commands: 1,
                is_bulk: place < bulk,
            });
        }
        numbers
    }

    #[test]
    fn only_bulk_or_another_half_follows_before_an_answer() {
        for in_halves in [false, true] {
            assert!(numbers(0, 0).has_room(in_halves));
            assert!(numbers(1, 1).has_room(in_halves));
            assert!(!numbers(2, 1).has_room(in_halves));
            assert!(!numbers(BULK_IN_FLIGHT_MAX, BULK_IN_FLIGHT_MAX).has_room(in_halves));
        }
        assert!(
            !numbers(1, 0).has_room(false),
            "what comes makes the next one larger"
        );
        assert!(numbers(1, 0).has_room(true));
        assert!(!Flight::of(&[job(BULK_BYTES / 2), job(1)]).is_bulk);
        assert!(Flight::of(&[job(BULK_BYTES / 2), job(BULK_BYTES / 2)]).is_bulk);
    }

    #[test]
    fn half_of_the_callers_are_waited_for_and_those_that_are_gone_are_forgotten() {
        let mut pace = Pace::default();
        assert_eq!(pace.wanted(true), 0);
        pace.gathered(1, 0);
        assert_eq!(pace.wanted(true), 1, "one that is alone never waits");
        pace.gathered(63, numbers(1, 0).commands_in_flight());
        assert_eq!(pace.wanted(true), 32);
        let mut rounds = 0;
        while pace.wanted(true) > 1 {
            pace.gathered(1, 0);
            assert!(pace.wanted(true) < 32);
            rounds += 1;
        }
        assert!(rounds < 60, "{rounds}");
        assert_eq!(pace.wanted(false), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_back_while_jobs_are_gathered_is_seen_to() {
        let (jobs, mut queue) = mpsc::channel(8);
        let mut batch = vec![job(1)];
        let mut in_flight = FuturesUnordered::new();
        in_flight.push(async { jobs.try_send(job(1)).is_ok() });
        let mut landed = Vec::new();
        let begun = Instant::now();
        gather(&mut queue, &mut batch, 2, &mut in_flight, |sent| {
            landed.push(sent);
        })
        .await;
        assert_eq!((batch.len(), begun.elapsed()), (2, Duration::ZERO));
        assert_eq!(landed, [true]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_proposal_waits_for_as_many_as_the_last_had_but_not_for_long() {
        let (jobs, mut queue) = mpsc::channel(8);
        let mut batch = vec![job(1)];
        let mut none = futures::stream::empty::<()>();
        gather(&mut queue, &mut batch, 1, &mut none, |()| {}).await;
        assert_eq!(batch.len(), 1, "one caller after another never waits");
        let later = jobs.clone();
        tokio::spawn(async move {
            tokio::task::yield_now().await;
            later.try_send(job(1)).ok();
            later.try_send(job(1)).ok();
        });
        gather(&mut queue, &mut batch, 3, &mut none, |()| {}).await;
        assert_eq!(batch.len(), 3);
        let begun = Instant::now();
        gather(&mut queue, &mut batch, 4, &mut none, |()| {}).await;
        assert_eq!((batch.len(), begun.elapsed()), (3, GATHER));
        drop(jobs);
        gather(&mut queue, &mut batch, 4, &mut none, |()| {}).await;
        assert_eq!(batch.len(), 3);
    }

    #[test]
    fn what_is_answered_reaches_up_to_the_oldest_in_flight() {
        let mut numbers = Numbers::new(1);
        let flight = || Flight::of(&[]);
        assert_eq!(numbers.take(flight()), (1, 0));
        assert_eq!(numbers.take(flight()), (2, 0));
        numbers.in_flight.remove(&1);
        assert_eq!(numbers.take(flight()), (3, 1));
        numbers.in_flight.clear();
        assert_eq!(numbers.take(flight()), (4, 3));
    }
}
