//! Waves: small proposals of a partition's lanes, on this node and on others, go into the log together.
//!
//! What an entry costs is paid on every replica, and it hardly depends on what is in it. The lanes of three nodes would
//! each write their own. So while an entry is on its way the proposals that arrive wait, and go as the next one; and that
//! waits a moment for as many as the last one had, because those whom an entry answers come back at about the same time.
//! A lane that is alone never waits.

use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use levada_engine::proto::Outcome;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use super::ProposeError;

/// A larger proposal gains nothing by company, and would keep others waiting while it is copied and sent.
pub(super) const JOINING_BYTES_MAX: usize = 64 * 1024;
/// Bytes of proposals in one entry; a first one is taken whatever its size.
const WAVE_BYTES_MAX: usize = 1024 * 1024;
/// Proposals that may wait. A lane has one under way, and another for each time it had to ask again.
const WAITING_MAX: usize = 1_024;
/// For how long an entry waits for as many proposals as the last one had: the least that the runtime's timers count.
const GATHER: Duration = Duration::from_millis(1);

pub(super) type Answer = Result<Vec<Outcome>, ProposeError>;

/// The proposals of one partition that wait at its leader.
#[derive(Default)]
pub(super) struct Waves {
    state: Mutex<State>,
    more: Notify,
}

#[derive(Default)]
struct State {
    waiting: Vec<Waiting>,
    /// Somebody sees to what waits.
    runs: bool,
    /// How many the last entry had.
    last_count: usize,
}

impl State {
    fn has_enough(&self) -> bool {
        self.waiting.len() >= self.last_count
    }

    /// Drops those for whom nobody waits any more.
    fn forget_abandoned(&mut self) {
        self.waiting.retain(|waiting| !waiting.answer.is_closed());
    }
}

struct Waiting {
    proposal: Bytes,
    answer: oneshot::Sender<Answer>,
}

impl Waves {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a proposal among those that wait. Answers where its outcomes will come, and whether the caller must
    /// [`run`](Self::run) the waves, because nobody does.
    pub(super) fn join(
        &self,
        proposal: Bytes,
    ) -> Result<(oneshot::Receiver<Answer>, bool), ProposeError> {
        let (answer, outcomes) = oneshot::channel();
        let mut state = self.state();
        if state.waiting.len() >= WAITING_MAX {
            // An entry that finds no majority holds up who comes; each asks again after a while, and leaves one behind.
            state.forget_abandoned();
        }
        if state.waiting.len() >= WAITING_MAX {
            return Err(ProposeError::Unknown);
        }
        state.waiting.push(Waiting { proposal, answer });
        if state.has_enough() {
            self.more.notify_one();
        }
        let must_run = !std::mem::replace(&mut state.runs, true);
        Ok((outcomes, must_run))
    }

    /// Writes one entry after another until nothing waits. `write` answers the outcomes of each proposal.
    pub(super) async fn run<W, F>(&self, write: W)
    where
        W: Fn(Vec<Bytes>) -> F,
        F: Future<Output = Result<Vec<Vec<Outcome>>, ProposeError>>,
    {
        loop {
            self.gather().await;
            let (proposals, answers) = self.take();
            let written = if proposals.is_empty() {
                Ok(Vec::new())
            } else {
                write(proposals).await
            };
            match written {
                Ok(outcomes) => {
                    for (answer, outcomes) in answers.into_iter().zip(outcomes) {
                        // Who has gone away asks again, and gets the same outcomes.
                        let _ = answer.send(Ok(outcomes));
                    }
                }
                Err(error) => {
                    for answer in answers {
                        let _ = answer.send(Err(error.clone()));
                    }
                }
            }
            let mut state = self.state();
            if state.waiting.is_empty() {
                state.runs = false;
                return;
            }
        }
    }

    /// Waits a moment for as many proposals as the last entry had.
    async fn gather(&self) {
        let until = Instant::now() + GATHER;
        loop {
            // Told by the one that makes them enough; an earlier word of it may still be there.
            let more = self.more.notified();
            if self.state().has_enough() {
                return;
            }
            if tokio::time::timeout_at(until, more).await.is_err() {
                return;
            }
        }
    }

    /// The next entry's proposals, without those for whom nobody waits any more.
    fn take(&self) -> (Vec<Bytes>, Vec<oneshot::Sender<Answer>>) {
        let mut state = self.state();
        state.forget_abandoned();
        let mut bytes = 0;
        let within = |waiting: &&Waiting| {
            bytes += waiting.proposal.len();
            bytes <= WAVE_BYTES_MAX
        };
        let count = state.waiting.iter().take_while(within).count().max(1);
        let count = count.min(state.waiting.len());
        state.last_count = count;
        let taken = state.waiting.drain(..count);
        taken.map(|w| (w.proposal, w.answer)).unzip()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use levada_engine::proto::{ReceiveOutcome, outcome};
    use tokio::sync::mpsc;

    use super::*;

    /// An outcome that tells which proposal it is of.
    fn outcome_of(proposal: &Bytes) -> Outcome {
        let received = ReceiveOutcome {
            queue: u64::from(proposal[0]),
            ..ReceiveOutcome::default()
        };
        Outcome {
            kind: Some(outcome::Kind::Receive(received)),
        }
    }

    /// A writer that tells what it was given, and answers when it may.
    struct Rig {
        waves: Arc<Waves>,
        entries: mpsc::UnboundedReceiver<Vec<Bytes>>,
        written: mpsc::UnboundedSender<Vec<Bytes>>,
        may_answer: Arc<tokio::sync::Semaphore>,
    }

    impl Rig {
        fn new() -> Self {
            let (written, entries) = mpsc::unbounded_channel();
            Self {
                waves: Arc::default(),
                entries,
                written,
                may_answer: Arc::new(tokio::sync::Semaphore::new(0)),
            }
        }

        fn propose(&self, name: u8) -> oneshot::Receiver<Answer> {
            let (outcomes, must_run) = self.waves.join(Bytes::from(vec![name])).unwrap();
            if must_run {
                let waves = self.waves.clone();
                let (written, may_answer) = (self.written.clone(), self.may_answer.clone());
                tokio::spawn(async move {
                    let write = |proposals: Vec<Bytes>| {
                        written.send(proposals.clone()).unwrap();
                        let may_answer = may_answer.clone();
                        async move {
                            may_answer.acquire().await.unwrap().forget();
                            Ok(proposals.iter().map(|p| vec![outcome_of(p)]).collect())
                        }
                    };
                    waves.run(write).await;
                });
            }
            outcomes
        }

        async fn entry(&mut self) -> Vec<u8> {
            let entry = self.entries.recv().await.unwrap();
            entry.iter().map(|proposal| proposal[0]).collect()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_arrives_while_an_entry_is_on_its_way_goes_as_the_next() {
        let mut rig = Rig::new();
        let begun = Instant::now();
        let first = rig.propose(1);
        assert_eq!(rig.entry().await, [1], "one that is alone goes at once");
        let (second, third) = (rig.propose(11), rig.propose(2));
        rig.may_answer.add_permits(2);
        assert_eq!(rig.entry().await, [11, 2]);
        for (name, answer) in [(1, first), (11, second), (2, third)] {
            let outcomes = answer.await.unwrap().unwrap();
            assert_eq!(outcomes, [outcome_of(&Bytes::from(vec![name]))]);
        }
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn an_entry_waits_for_as_many_as_the_last_had_but_not_for_long() {
        let mut rig = Rig::new();
        rig.may_answer.add_permits(9);
        let begun = Instant::now();
        let _first = rig.propose(1);
        let _second = rig.propose(2);
        assert_eq!(rig.entry().await, [1, 2]);
        let _third = rig.propose(3);
        tokio::task::yield_now().await;
        let _fourth = rig.propose(4);
        assert_eq!(rig.entry().await, [3, 4]);
        assert_eq!(begun.elapsed(), Duration::ZERO);
        let _fifth = rig.propose(5);
        assert_eq!(rig.entry().await, [5]);
        assert_eq!(begun.elapsed(), GATHER);
        let _sixth = rig.propose(6);
        assert_eq!(rig.entry().await, [6]);
        assert_eq!(begun.elapsed(), GATHER, "the last one had no more");
    }

    #[tokio::test(start_paused = true)]
    async fn for_whom_nobody_waits_is_not_written() {
        let mut rig = Rig::new();
        let _first = rig.propose(1);
        assert_eq!(rig.entry().await, [1]);
        drop(rig.propose(2));
        let third = rig.propose(3);
        rig.may_answer.add_permits(2);
        assert_eq!(rig.entry().await, [3]);
        third.await.unwrap().unwrap();
        drop(rig.propose(4));
        let _fifth = rig.propose(5);
        assert_eq!(rig.entry().await, [5]);
    }

    #[tokio::test]
    async fn bounds_are_kept() {
        let waves = Waves::default();
        let large = Bytes::from(vec![0; WAVE_BYTES_MAX / 2 + 1]);
        let kept: Vec<_> = (0..WAITING_MAX)
            .map(|_| waves.join(large.clone()).unwrap().0)
            .collect();
        assert!(matches!(waves.join(large), Err(ProposeError::Unknown)));
        assert_eq!(waves.take().0.len(), 1, "two are too large together");
        let _last = waves.join(Bytes::new()).unwrap();
        drop(kept);
        // As many as there may be, and all but one of them abandoned: who comes now finds room.
        let _next = waves.join(Bytes::new()).unwrap();
        assert_eq!(waves.take().0.len(), 2);
        assert_eq!(waves.take().0.len(), 0);
    }
}
