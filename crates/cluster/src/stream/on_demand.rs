//! Streams in on-demand mode: how much comes to each shard, and how many shards that takes.
//!
//! A stream has room for twice what it took at most in the last thirty days, as AWS has it, and for its warm
//! throughput. A shard that takes more than half of what one may is split, so that a crowded key's neighbours have
//! room, too. Shards are merged again when thirty days have shown that half of them would do.

use std::collections::HashMap;
use std::time::Duration;

use futures::future::join_all;
use levada_engine::proto::{DayPeak, ShardRow, StreamRow, StreamStatus};
use levada_types::limits::{
    ON_DEMAND_MEMORY_DAYS, ON_DEMAND_SHARDS, ON_DEMAND_SHARDS_MAX, SHARD_BYTES_PER_S,
    SHARD_RECORDS_PER_S,
};
use tokio::time::Instant;

use super::reshard::{Resharding, with_children};
use super::{hash_of, is_open};
use crate::broker::Broker;

const DAY_MS: u64 = 86_400_000;
/// Room is kept for so many times what came.
const ROOM: u64 = 2;
/// A day's peak is written down when it has grown by one part in so many.
const PEAK_STEP: u64 = 8;

/// What came to a shard in a second, on average over a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Rate {
    bytes: u64,
    records: u64,
}

impl Rate {
    /// What the same would be of a shard of AWS's, in thousandths.
    fn per_mille(self) -> u64 {
        let of = |rate: u64, limit: u64| rate.saturating_mul(1_000) / limit;
        of(self.bytes, SHARD_BYTES_PER_S).max(of(self.records, SHARD_RECORDS_PER_S))
    }

    fn is_crowded(self) -> bool {
        self.per_mille() * ROOM > 1_000
    }
}

/// How far a shard had come at a look.
#[derive(Clone, Copy, Debug)]
struct Mark {
    at: Instant,
    next: u64,
    bytes: u64,
}

/// What was seen of the shards of all streams in on-demand mode. Another node that comes to lead the catalog begins
/// anew, and sees as much after a window.
pub(super) struct Watch {
    window: Duration,
    looked_at: Option<Instant>,
    marks: HashMap<u64, Mark>,
}

impl Watch {
    pub(super) fn new(window: Duration) -> Self {
        Self {
            window,
            looked_at: None,
            marks: HashMap::new(),
        }
    }

    /// Forgets what it saw: somebody else looks now, or nobody does.
    pub(super) fn forget(&mut self) {
        self.looked_at = None;
        self.marks.clear();
    }

    /// When the next window ends; `None` where there is nothing to be looked at.
    pub(super) fn due_in(&self) -> Duration {
        self.looked_at.map_or(Duration::ZERO, |at| {
            (at + self.window).saturating_duration_since(Instant::now())
        })
    }

    /// Looks at every stream in on-demand mode, if the window is over: answers the rows that are to be written.
    pub(super) async fn look(&mut self, broker: &Broker) -> Vec<StreamRow> {
        let rows: Vec<StreamRow> = broker.core.directory.read(|catalog| {
            let streams = catalog.streams();
            let streams = streams.filter(|s| s.on_demand && s.status() == StreamStatus::Active);
            streams.cloned().collect()
        });
        let day = broker.core.directory.group().now().as_millis() / DAY_MS;
        let mut rates = HashMap::new();
        let is_over = self.due_in().is_zero();
        if is_over {
            self.looked_at = Some(Instant::now());
            rates = self.measure(broker, &rows).await;
        }
        rows.into_iter()
            .filter_map(|row| {
                let row = if is_over {
                    with_peak(&row, day, &rates)
                } else {
                    None
                }
                .unwrap_or(row);
                let steps = steps(&row, day, &rates);
                if !steps.is_empty() {
                    tracing::info!(
                        stream = row.name,
                        steps = steps.len(),
                        "shards are scaled on demand"
                    );
                    let partitions = broker.place_shards(steps.len());
                    return Some(with_children(&row, &steps, &partitions));
                }
                let is_news = broker.core.directory.read(|catalog| {
                    catalog
                        .stream(row.stream)
                        .is_some_and(|now| now.peaks != row.peaks)
                });
                is_news.then_some(row)
            })
            .collect()
    }

    /// The rates of all open shards that were looked at a window ago as well, by log.
    async fn measure(&mut self, broker: &Broker, rows: &[StreamRow]) -> HashMap<u64, Rate> {
        let shards = rows.iter().flat_map(|row| &row.shards);
        let shards: Vec<&ShardRow> = shards.filter(|shard| is_open(shard)).collect();
        let looks = shards.iter().map(|shard| broker.shard_progress(shard));
        let seen = join_all(looks).await;
        let now = Instant::now();
        let mut marks = HashMap::with_capacity(shards.len());
        let mut rates = HashMap::with_capacity(shards.len());
        for (shard, seen) in shards.into_iter().zip(seen) {
            // Whoever can't be asked is asked again; its rate is then that of the longer time.
            let Ok((next, bytes)) = seen else {
                if let Some(mark) = self.marks.get(&shard.log) {
                    marks.insert(shard.log, *mark);
                }
                continue;
            };
            let mark = Mark {
                at: now,
                next,
                bytes,
            };
            if let Some(before) = self.marks.get(&shard.log) {
                rates.insert(shard.log, rate(before, &mark));
            }
            marks.insert(shard.log, mark);
        }
        self.marks = marks;
        rates
    }
}

fn rate(before: &Mark, after: &Mark) -> Rate {
    let ms = u64::try_from(after.at.duration_since(before.at).as_millis()).unwrap_or(u64::MAX);
    let per_s =
        |before: u64, after: u64| after.saturating_sub(before).saturating_mul(1_000) / ms.max(1);
    Rate {
        bytes: per_s(before.bytes, after.bytes),
        records: per_s(before.next, after.next),
    }
}

/// The row with the day's peak in it, if that is worth being written down.
fn with_peak(row: &StreamRow, day: u64, rates: &HashMap<u64, Rate>) -> Option<StreamRow> {
    let of_open = row.shards.iter().filter_map(|shard| rates.get(&shard.log));
    let (bytes, records) = of_open.fold((0, 0), |(b, r), rate| (b + rate.bytes, r + rate.records));
    let mut row = row.clone();
    row.peaks
        .retain(|peak| peak.day + ON_DEMAND_MEMORY_DAYS > day);
    let Some(today) = row.peaks.iter_mut().find(|peak| peak.day == day) else {
        row.peaks.push(DayPeak {
            day,
            bytes_per_s: bytes,
            records_per_s: records,
        });
        return Some(row);
    };
    let has_grown = |now: u64, before: u64| now > before + before / PEAK_STEP;
    if !has_grown(bytes, today.bytes_per_s) && !has_grown(records, today.records_per_s) {
        return None;
    }
    today.bytes_per_s = today.bytes_per_s.max(bytes);
    today.records_per_s = today.records_per_s.max(records);
    Some(row)
}

/// How many shards the stream is to have at least: for its peaks, and for what it is kept warm for. One that was
/// provisioned with fewer than a new one has keeps them, as at AWS, until more comes.
fn shards_wanted(row: &StreamRow) -> u32 {
    let shards_for = |rate: u64, of_shard: u64| rate.saturating_mul(ROOM).div_ceil(of_shard);
    let for_peaks = row.peaks.iter().map(|peak| {
        shards_for(peak.bytes_per_s, SHARD_BYTES_PER_S)
            .max(shards_for(peak.records_per_s, SHARD_RECORDS_PER_S))
    });
    let wanted = for_peaks
        .max()
        .unwrap_or(0)
        .max(u64::from(row.warm_mib_per_s));
    let wanted = u32::try_from(wanted).unwrap_or(u32::MAX);
    wanted.clamp(1, ON_DEMAND_SHARDS_MAX.max(row.warm_mib_per_s))
}

/// What is to be split or merged now.
fn steps(row: &StreamRow, day: u64, rates: &HashMap<u64, Rate>) -> Vec<Resharding> {
    let mut open: Vec<&ShardRow> = row.shards.iter().filter(|shard| is_open(shard)).collect();
    let wanted = shards_wanted(row) as usize;
    let rate_of = |shard: &ShardRow| rates.get(&shard.log).copied().unwrap_or_default();
    // The crowded first, then the widest: of those only as many as are lacking.
    let width = |shard: &ShardRow| hash_of(&shard.last_hash) - hash_of(&shard.first_hash);
    open.sort_by_key(|shard| {
        (
            std::cmp::Reverse(rate_of(shard).per_mille()),
            std::cmp::Reverse(width(shard)),
            shard.number,
        )
    });
    let crowded = open
        .iter()
        .filter(|shard| rate_of(shard).is_crowded())
        .count();
    let most = (ON_DEMAND_SHARDS_MAX as usize)
        .max(wanted)
        .saturating_sub(open.len());
    let lacking = wanted.saturating_sub(open.len()).max(crowded).min(most);
    if lacking > 0 {
        open[crowded..].sort_by_key(|shard| (std::cmp::Reverse(width(shard)), shard.number));
        let splits = open.iter().filter(|shard| width(shard) > 0).take(lacking);
        return splits
            .map(|shard| Resharding::Split(shard.number, middle(shard)))
            .collect();
    }
    let remembers_all = row
        .peaks
        .iter()
        .any(|peak| peak.day + ON_DEMAND_MEMORY_DAYS <= day + 1);
    let wanted = wanted.max(ON_DEMAND_SHARDS as usize);
    if !remembers_all || open.len() < 2 * wanted {
        return Vec::new();
    }
    open.sort_by_key(|shard| hash_of(&shard.first_hash));
    let pairs = open.chunks_exact(2).take(open.len() - wanted);
    pairs
        .map(|pair| Resharding::Merge(pair[0].number, pair[1].number))
        .collect()
}

/// Where the upper half of its hash keys begins.
fn middle(shard: &ShardRow) -> u128 {
    let (first, last) = (hash_of(&shard.first_hash), hash_of(&shard.last_hash));
    first + (last - first) / 2 + 1
}

#[cfg(test)]
mod tests {
    use super::super::reshard::equal_shares;
    use super::*;

    const MIB: u64 = 1_048_576;

    fn stream(shards: u32) -> StreamRow {
        let mut row = StreamRow {
            on_demand: true,
            shards: equal_shares(shards, &vec![1; shards as usize]),
            ..StreamRow::default()
        };
        for shard in &mut row.shards {
            shard.log = 100 + u64::from(shard.number);
        }
        row
    }

    fn bytes(rates: &[u64]) -> HashMap<u64, Rate> {
        let rates = (100..).zip(rates);
        rates
            .map(|(log, bytes)| {
                (
                    log,
                    Rate {
                        bytes: *bytes,
                        records: 0,
                    },
                )
            })
            .collect()
    }

    fn splits(steps: &[Resharding]) -> Vec<u32> {
        let split = |step: &Resharding| match step {
            Resharding::Split(number, _) => Some(*number),
            Resharding::Merge(..) => None,
        };
        steps.iter().filter_map(split).collect()
    }

    #[test]
    fn a_crowded_shard_is_split_in_its_middle() {
        let row = stream(4);
        assert!(steps(&row, 0, &bytes(&[MIB / 2; 4])).is_empty());
        let found = steps(&row, 0, &bytes(&[0, MIB / 2 + 2_000, 0, 0]));
        assert_eq!(found, [Resharding::Split(1, (1 << 126) + (1 << 125))]);
        let records = HashMap::from([(
            103,
            Rate {
                bytes: 0,
                records: 502,
            },
        )]);
        assert_eq!(splits(&steps(&row, 0, &records)), [3]);
    }

    #[test]
    fn there_is_room_for_twice_the_peak_and_for_what_is_kept_warm() {
        let mut row = with_peak(&stream(4), 7, &bytes(&[MIB, MIB, MIB / 2, MIB / 4])).unwrap();
        assert_eq!(shards_wanted(&row), 6);
        assert_eq!(splits(&steps(&row, 7, &HashMap::new())), [0, 1]);
        row.warm_mib_per_s = 7;
        assert_eq!(splits(&steps(&row, 7, &HashMap::new())), [0, 1, 2]);
        // More than double in one round is not to be had: the rest comes in the next.
        row.warm_mib_per_s = 30;
        assert_eq!(splits(&steps(&row, 7, &HashMap::new())).len(), 4);
    }

    #[test]
    fn a_peak_is_written_down_when_it_has_grown() {
        let row = with_peak(&stream(4), 7, &bytes(&[1_000, 0, 0, 0])).unwrap();
        assert!(with_peak(&row, 7, &bytes(&[1_100, 0, 0, 0])).is_none());
        let row = with_peak(&row, 7, &bytes(&[1_200, 0, 0, 0])).unwrap();
        assert_eq!(row.peaks[0].bytes_per_s, 1_200);
        let row = with_peak(&row, 8, &HashMap::new()).unwrap();
        assert_eq!(row.peaks.len(), 2);
        let row = with_peak(&row, 37, &HashMap::new()).unwrap();
        assert_eq!(row.peaks.iter().map(|p| p.day).collect::<Vec<_>>(), [8, 37]);
    }

    #[test]
    fn shards_are_merged_when_thirty_days_had_no_need_of_them() {
        let mut row = stream(16);
        for day in 1..30 {
            row.peaks.push(DayPeak {
                day,
                ..DayPeak::default()
            });
        }
        assert!(
            steps(&row, 29, &HashMap::new()).is_empty(),
            "29 days are known"
        );
        let merges = steps(&row, 30, &HashMap::new());
        assert_eq!(merges.len(), 8);
        assert_eq!(merges[0], Resharding::Merge(0, 1));
        assert!(
            steps(&stream(2), 30, &HashMap::new()).is_empty(),
            "two stay two"
        );
        row.shards.truncate(7);
        assert!(
            steps(&row, 30, &HashMap::new()).is_empty(),
            "not half of them are too many"
        );
        row.warm_mib_per_s = 7;
        assert!(
            steps(&stream(200), 30, &bytes(&[MIB; 200])).is_empty(),
            "there is an end"
        );
    }
}
