//! A FIFO queue's delay: which positions are not to be seen yet.
//!
//! A FIFO queue has one delay for all its messages, and AWS applies a change of it to those that are
//! there already (standard queues: only to later ones). So, positions and send times rising together,
//! what is delayed is always the newest run: every position from [`Delay::visible_below`] on.
//!
//! Times are kept to the millisecond where a message was delayed when it was sent, else to
//! [`COARSE_MS`]: only a delay that is set afterwards looks at those.

use std::collections::VecDeque;
use std::ops::Range;

use levada_types::{Timestamp, limits};

use crate::snapshot::{Reader, RestoreError, Writer};

/// How exactly send times are kept while the queue has no delay.
const COARSE_MS: u64 = 1_000;
/// No message is delayed for longer, so no older send time is needed.
const DELAY_MS_MAX: u64 = limits::DELAY_SECS_MAX as u64 * 1_000;

/// Messages that were sent at one time: positions from `first` to the next run's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    first: u64,
    sent_at: Timestamp,
    /// How many of them wait.
    waiting: u64,
}

/// The send times of the last 15 minutes, and where the delayed ones begin.
#[derive(Debug)]
pub(super) struct Delay {
    runs: VecDeque<Run>,
    visible_below: u64,
    /// Waiting messages from `visible_below` on.
    delayed: u64,
}

impl Default for Delay {
    fn default() -> Self {
        Self {
            runs: VecDeque::new(),
            visible_below: u64::MAX,
            delayed: 0,
        }
    }
}

impl Delay {
    /// Messages from this position on are delayed; `u64::MAX` if none is.
    pub(super) fn visible_below(&self) -> u64 {
        self.visible_below
    }

    /// How many waiting messages are delayed.
    pub(super) fn delayed(&self) -> u64 {
        self.delayed
    }

    /// A message was sent and waits. `position` is above all before it, `at` never runs back.
    pub(super) fn push(&mut self, position: u64, at: Timestamp, delay_ms: u64) {
        let same_run_ms = if delay_ms == 0 { COARSE_MS } else { 1 };
        let run = match self.runs.back() {
            Some(run) if at.millis_since(run.sent_at) < same_run_ms => *run,
            _ => {
                let run = Run {
                    first: position,
                    sent_at: at,
                    waiting: 0,
                };
                self.runs.push_back(run);
                run
            }
        };
        if delay_ms > 0 {
            self.visible_below = self.visible_below.min(run.first);
        }
        self.waits(position);
    }

    /// A message that was sent before waits again.
    pub(super) fn waits(&mut self, position: u64) {
        if let Some(run) = self.run_of(position) {
            run.waiting += 1;
            self.delayed += u64::from(run.first >= self.visible_below);
        }
    }

    /// A message waits no longer.
    pub(super) fn left(&mut self, position: u64) {
        if let Some(run) = self.run_of(position) {
            run.waiting -= 1;
            self.delayed -= u64::from(run.first >= self.visible_below);
        }
    }

    /// Brings `visible_below` up to date with the time and the delay. Returns the positions that can
    /// be seen now and could not be seen before.
    pub(super) fn refresh(&mut self, at: Timestamp, delay_ms: u64) -> Range<u64> {
        let before = self.visible_below;
        let visible_runs = match delay_ms {
            0 => self.runs.len(),
            _ => self
                .runs
                .partition_point(|run| run.sent_at.plus_millis(delay_ms) <= at),
        };
        self.visible_below = self
            .runs
            .get(visible_runs)
            .map_or(u64::MAX, |run| run.first);
        let (low, high) = (
            before.min(self.visible_below),
            before.max(self.visible_below),
        );
        let passed: u64 = self.runs_in(low..high).map(|run| run.waiting).sum();
        if self.visible_below > before {
            self.delayed -= passed;
        } else {
            self.delayed += passed;
        }
        for _ in 0..visible_runs {
            let old = |run: &Run| run.sent_at.plus_millis(DELAY_MS_MAX) <= at;
            if !self.runs.front().is_some_and(old) {
                break;
            }
            self.runs.pop_front();
        }
        before..self.visible_below
    }

    /// When `refresh` will show something more.
    pub(super) fn next_due(&self, delay_ms: u64) -> Option<Timestamp> {
        let run = self.runs_in(self.visible_below..u64::MAX).next()?;
        Some(run.sent_at.plus_millis(delay_ms))
    }

    fn runs_in(&self, range: Range<u64>) -> impl Iterator<Item = &Run> {
        let skipped = self.runs.partition_point(|run| run.first < range.start);
        self.runs
            .iter()
            .skip(skipped)
            .take_while(move |run| run.first < range.end)
    }

    fn run_of(&mut self, position: u64) -> Option<&mut Run> {
        let after = self.runs.partition_point(|run| run.first <= position);
        self.runs.get_mut(after.checked_sub(1)?)
    }

    /// The runs, for a snapshot.
    pub(super) fn runs(&self) -> impl Iterator<Item = &Run> {
        self.runs.iter()
    }

    /// Takes `visible_below` back, before the runs.
    pub(super) fn restore_visible_below(&mut self, position: u64) {
        self.visible_below = position;
    }

    /// Reads the next run that [`Run::write`] wrote. Its messages are counted as they are restored.
    pub(super) fn restore_run(&mut self, r: &mut Reader<'_>) -> Result<(), RestoreError> {
        let run = Run {
            first: r.u64()?,
            sent_at: r.time()?,
            waiting: 0,
        };
        if self
            .runs
            .back()
            .is_some_and(|last| last.first >= run.first || last.sent_at > run.sent_at)
        {
            return Err(RestoreError::Row("delay of a FIFO queue"));
        }
        self.runs.push_back(run);
        Ok(())
    }
}

impl Run {
    /// Writes the run, for a snapshot.
    pub(super) fn write(&self, w: &mut Writer) {
        w.u64(self.first);
        w.time(self.sent_at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Timestamp {
        Timestamp::from_millis(n)
    }

    #[test]
    fn each_message_is_delayed_from_its_own_send() {
        let mut delay = Delay::default();
        delay.push(1, ms(0), 5_000);
        delay.push(2, ms(0), 5_000);
        delay.push(3, ms(700), 5_000);
        assert_eq!((delay.visible_below(), delay.delayed()), (1, 3));
        assert_eq!(delay.next_due(5_000), Some(ms(5_000)));
        assert!(delay.refresh(ms(4_999), 5_000).is_empty());
        assert_eq!(delay.refresh(ms(5_000), 5_000), 1..3);
        assert_eq!(
            (delay.delayed(), delay.next_due(5_000)),
            (1, Some(ms(5_700)))
        );
        assert_eq!(delay.refresh(ms(5_700), 5_000), 3..u64::MAX);
        assert_eq!((delay.delayed(), delay.next_due(5_000)), (0, None));
    }

    #[test]
    fn a_delay_set_later_holds_back_what_is_there() {
        let mut delay = Delay::default();
        delay.push(1, ms(0), 0);
        delay.push(2, ms(900), 0);
        delay.push(3, ms(2_000), 0);
        assert_eq!((delay.visible_below(), delay.delayed()), (u64::MAX, 0));
        assert!(delay.refresh(ms(4_000), 3_000).is_empty());
        assert_eq!((delay.visible_below(), delay.delayed()), (3, 1));
        delay.left(3);
        assert_eq!(delay.delayed(), 0);
        delay.waits(3);
        assert_eq!(delay.refresh(ms(4_000), 0), 3..u64::MAX);
        assert_eq!(delay.delayed(), 0);
    }

    #[test]
    fn send_times_are_forgotten_after_the_longest_delay() {
        let mut delay = Delay::default();
        delay.push(1, ms(0), 0);
        delay.push(2, ms(DELAY_MS_MAX), 0);
        delay.refresh(ms(DELAY_MS_MAX), 0);
        assert_eq!(delay.runs().count(), 1);
        delay.left(1);
        delay.left(2);
    }
}
