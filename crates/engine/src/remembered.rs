//! What a partition remembers of proposals, so that a repeated one is applied once.
//!
//! A *lane* is one process's way to this partition: it numbers its proposals from 1 and may repeat
//! them, in any order, until it has the answers. Outcomes are kept, without the messages' records,
//! until the lane says that it has them, or has been idle for [`IDLE_MS`].

use std::collections::{BTreeMap, BTreeSet};

use bytes::{Buf, Bytes};
use levada_types::Timestamp;
use prost::Message;

use crate::proto::{Outcome, ReceiveOutcome, outcome};
use crate::snapshot::{Reader, RestoreError, Rows, Table, Writer, key_part};

/// A lane that has sent nothing for this long is forgotten: far longer than any caller waits.
const IDLE_MS: u64 = 600_000;
/// Outcomes kept for one lane at most; a lane has far fewer proposals under way. Beyond it the
/// oldest count as answered.
const ANSWERS_PER_LANE_MAX: usize = 4_096;

#[derive(Default)]
struct Lane {
    last_at: Timestamp,
    /// Every sequence up to this one was applied and its answer is forgotten.
    forgotten_through: u64,
    /// By sequence: the encoded outcomes, each with its length before it.
    answers: BTreeMap<u64, Bytes>,
}

/// Whether a proposal was applied before.
pub(crate) enum Seen {
    /// No: apply it, then `remember` it.
    New,
    /// Yes, and these were its outcomes; empty if the lane has said that it knows them.
    Before(Vec<Outcome>),
}

/// All lanes.
#[derive(Default)]
pub(crate) struct Remembered {
    lanes: BTreeMap<u64, Lane>,
    /// Lanes by the time of their last proposal.
    idle: BTreeSet<(Timestamp, u64)>,
}

impl Remembered {
    /// Forgets idle lanes.
    pub(crate) fn advance(&mut self, at: Timestamp) {
        while let Some((last_at, origin)) = self.idle.first().copied() {
            if last_at.plus_millis(IDLE_MS) > at {
                return;
            }
            self.idle.pop_first();
            self.lanes.remove(&origin);
        }
    }

    /// Looks a proposal up, and forgets what its lane says that it has.
    pub(crate) fn look_up(
        &mut self,
        at: Timestamp,
        origin: u64,
        sequence: u64,
        answered_through: u64,
    ) -> Seen {
        let lane = self.lanes.entry(origin).or_default();
        self.idle.remove(&(lane.last_at, origin));
        self.idle.insert((at, origin));
        lane.last_at = at;
        // A lane cannot have the answer of the proposal that it is sending.
        let answered_through = answered_through.min(sequence.saturating_sub(1));
        if answered_through > lane.forgotten_through {
            lane.forgotten_through = answered_through;
            lane.answers = lane.answers.split_off(&(answered_through + 1));
        }
        if sequence <= lane.forgotten_through {
            return Seen::Before(Vec::new());
        }
        match lane.answers.get(&sequence) {
            Some(answer) => Seen::Before(decode_outcomes(answer.clone())),
            None => Seen::New,
        }
    }

    /// Keeps the outcomes of a proposal that `look_up` said was new.
    pub(crate) fn remember(&mut self, origin: u64, sequence: u64, outcomes: &[Outcome]) {
        let Some(lane) = self.lanes.get_mut(&origin) else {
            return;
        };
        lane.answers.insert(sequence, encode_outcomes(outcomes));
        if lane.answers.len() > ANSWERS_PER_LANE_MAX
            && let Some((oldest, _)) = lane.answers.pop_first()
        {
            lane.forgotten_through = lane.forgotten_through.max(oldest);
        }
    }

    pub(crate) fn encode(&self, rows: &mut Rows) {
        for (origin, lane) in &self.lanes {
            let mut w = Writer::default();
            w.time(lane.last_at);
            w.u64(lane.forgotten_through);
            rows.put(Table::Lane, &origin.to_be_bytes(), w.finish());
            for (sequence, answer) in &lane.answers {
                let mut key = [0; 16];
                key[..8].copy_from_slice(&origin.to_be_bytes());
                key[8..].copy_from_slice(&sequence.to_be_bytes());
                rows.put(Table::Answer, &key, answer.clone());
            }
        }
    }

    /// Reads one row of `Table::Lane` or `Table::Answer`, in order.
    pub(crate) fn load(
        &mut self,
        table: Table,
        key: &[u8],
        value: &Bytes,
    ) -> Result<(), RestoreError> {
        let origin = u64::from_be_bytes(key_part(key, 0, "lane")?);
        let lane = self.lanes.entry(origin).or_default();
        if table == Table::Lane {
            let mut r = Reader::new(value, "lane");
            lane.last_at = r.time()?;
            lane.forgotten_through = r.u64()?;
            self.idle.insert((lane.last_at, origin));
        } else {
            let sequence = u64::from_be_bytes(key_part(key, 8, "lane")?);
            lane.answers.insert(sequence, value.clone());
        }
        Ok(())
    }
}

fn encode_outcomes(outcomes: &[Outcome]) -> Bytes {
    let mut out = Vec::new();
    for outcome in outcomes {
        // Encoding into a Vec cannot run out of space.
        let _ = match &outcome.kind {
            Some(outcome::Kind::Receive(r)) => without_records(r).encode_length_delimited(&mut out),
            _ => outcome.encode_length_delimited(&mut out),
        };
    }
    out.into()
}

fn without_records(receive: &ReceiveOutcome) -> Outcome {
    let claimed = receive.claimed.iter();
    let claimed = claimed
        .map(|c| crate::proto::Claimed { record: None, ..*c })
        .collect();
    let stripped = ReceiveOutcome {
        claimed,
        ..*receive
    };
    Outcome {
        kind: Some(outcome::Kind::Receive(stripped)),
    }
}

fn decode_outcomes(mut answer: Bytes) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    while answer.has_remaining() {
        match Outcome::decode_length_delimited(&mut answer) {
            Ok(outcome) => outcomes.push(outcome),
            Err(_) => break,
        }
    }
    outcomes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::{Claimed, Done, Record};

    fn t(ms: u64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn done() -> Outcome {
        Outcome {
            kind: Some(outcome::Kind::Done(Done {})),
        }
    }

    fn is_new(seen: &Seen) -> bool {
        matches!(seen, Seen::New)
    }

    #[test]
    fn proposals_that_overtake_each_other_are_applied_once_each() {
        let mut r = Remembered::default();
        for sequence in [2, 1, 3] {
            assert!(is_new(&r.look_up(t(1), 9, sequence, 0)));
            r.remember(9, sequence, &[done()]);
        }
        for sequence in [1, 2, 3] {
            let Seen::Before(outcomes) = r.look_up(t(2), 9, sequence, 0) else {
                panic!()
            };
            assert_eq!(outcomes, [done()]);
        }
        assert!(is_new(&r.look_up(t(3), 9, 4, 2)));
        let Seen::Before(outcomes) = r.look_up(t(3), 9, 2, 2) else {
            panic!()
        };
        assert!(outcomes.is_empty(), "the lane has these");
    }

    #[test]
    fn an_idle_lane_is_forgotten_and_a_busy_one_is_not() {
        let mut r = Remembered::default();
        r.look_up(t(0), 1, 1, 0);
        r.remember(1, 1, &[done()]);
        r.look_up(t(0), 2, 1, 0);
        r.remember(2, 1, &[done()]);
        r.look_up(t(5), 2, 2, 0);
        r.advance(t(IDLE_MS - 1));
        assert_eq!(r.lanes.len(), 2);
        r.advance(t(IDLE_MS));
        assert_eq!(r.lanes.keys().collect::<Vec<_>>(), [&2]);
    }

    #[test]
    fn records_are_not_remembered() {
        let claimed = Claimed {
            position: 4,
            receive_count: 1,
            first_received_at: 7,
            record: Some(Record::default()),
            ..Claimed::default()
        };
        let receive = ReceiveOutcome {
            claimed: vec![claimed],
            over_limit: false,
            queue: 1,
        };
        let outcome = Outcome {
            kind: Some(outcome::Kind::Receive(receive)),
        };
        let back = decode_outcomes(encode_outcomes(&[outcome]));
        let Some(outcome::Kind::Receive(r)) = &back[0].kind else {
            panic!()
        };
        assert_eq!((r.claimed[0].position, &r.claimed[0].record), (4, &None));
    }
}
