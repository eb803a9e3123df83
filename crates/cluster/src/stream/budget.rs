//! How much may be read of a shard in a second, where AWS's limits are kept: five calls and 2 MiB. The leader counts, in
//! memory: who leads next begins anew.

use std::collections::HashMap;
use std::sync::Mutex;

use levada_types::limits::{SHARD_READ_BYTES_PER_S, SHARD_READS_PER_S};
use levada_types::{LogId, Timestamp};

/// Shards that are remembered at most: beyond that those go that owe nothing.
const SHARDS_MAX: usize = 16_384;

/// What was read of one shard. A call is answered whole, however much it is, and the seconds after pay for it.
#[derive(Clone, Copy, Debug, Default)]
struct Spent {
    second: u64,
    calls: u32,
    bytes: u64,
}

impl Spent {
    fn begin(&mut self, second: u64) {
        let passed = second.saturating_sub(self.second);
        if passed > 0 {
            let paid = SHARD_READ_BYTES_PER_S.saturating_mul(passed);
            *self = Self {
                second,
                calls: 0,
                bytes: self.bytes.saturating_sub(paid),
            };
        }
    }
}

/// What was read of the shards that this node leads.
#[derive(Debug, Default)]
pub(crate) struct ReadBudgets {
    spent: Mutex<HashMap<LogId, Spent>>,
}

impl ReadBudgets {
    /// Counts a call; false: it is one too many.
    pub(super) fn takes_call(&self, log: LogId, at: Timestamp) -> bool {
        let second = at.as_millis() / 1_000;
        let mut all = self.spent.lock().unwrap_or_else(|e| e.into_inner());
        if all.len() >= SHARDS_MAX && !all.contains_key(&log) {
            all.retain(|_, spent| {
                spent.begin(second);
                spent.calls > 0 || spent.bytes > 0
            });
            if all.len() >= SHARDS_MAX {
                return false;
            }
        }
        let spent = all.entry(log).or_default();
        spent.begin(second);
        let has_room = spent.calls < SHARD_READS_PER_S && spent.bytes < SHARD_READ_BYTES_PER_S;
        spent.calls += u32::from(has_room);
        has_room
    }

    /// Counts what a call was answered with.
    pub(super) fn count_bytes(&self, log: LogId, bytes: u64) {
        let mut all = self.spent.lock().unwrap_or_else(|e| e.into_inner());
        if let Some(spent) = all.get_mut(&log) {
            spent.bytes += bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use levada_types::QueueId;

    use super::*;

    #[test]
    fn a_second_has_five_calls_and_a_large_answer_is_paid_for_later() {
        let budgets = ReadBudgets::default();
        let takes = |log, ms| budgets.takes_call(QueueId(log), Timestamp::from_millis(ms));
        let five: Vec<bool> = (0..7).map(|_| takes(1, 1_000)).collect();
        assert_eq!(five, [true, true, true, true, true, false, false]);
        assert!(takes(2, 1_000), "another shard has its own");
        assert!(takes(1, 2_000));
        // As AWS has it: after 10 MiB nothing for five seconds.
        budgets.count_bytes(QueueId(1), 5 * SHARD_READ_BYTES_PER_S);
        assert!(!takes(1, 2_100));
        assert!(!takes(1, 6_999));
        assert!(takes(1, 7_000));
        assert!(
            takes(1, 1_000),
            "a clock that was set back takes nothing away"
        );
    }
}
