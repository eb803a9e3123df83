//! Shards split and merged, in a stream's row: the children are added as pending, and the keeper does the rest.

use levada_engine::proto::{ShardRow, StreamRow, StreamStatus};

use super::{hash_of, is_open};

/// New shards in the place of others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resharding {
    /// One shard, cut so that the second child begins at the hash key.
    Split(u32, u128),
    /// Two shards whose hash keys meet: the one named, and the one beside it.
    Merge(u32, u32),
}

/// So many open shards of equal shares, neighbours together, as evenly on the partitions as they go.
pub(super) fn equal_shares(shards: u32, partitions: &[u32]) -> Vec<ShardRow> {
    let of = |place: u32| place as usize * partitions.len() / shards as usize;
    let shares = (0..shards).filter_map(|place| Some((place, partitions.get(of(place))?)));
    shares
        .map(|(number, partition)| ShardRow {
            number,
            partition: *partition,
            first_hash: bytes_of(first_of(number, shards)),
            last_hash: bytes_of(last_of(number, shards)),
            ..ShardRow::default()
        })
        .collect()
}

/// Where the share of that number begins, of so many.
fn first_of(number: u32, shards: u32) -> u128 {
    let (number, shards) = (u128::from(number), u128::from(shards.max(1)));
    // 2^128 * number / shards, in two steps, as 2^128 itself has no room.
    let (whole, rest) = (u128::MAX / shards, u128::MAX % shards + 1);
    whole * number + rest * number / shards
}

fn last_of(number: u32, shards: u32) -> u128 {
    if number + 1 == shards {
        u128::MAX
    } else {
        first_of(number + 1, shards) - 1
    }
}

fn bytes_of(hash: u128) -> bytes::Bytes {
    hash.to_be_bytes().to_vec().into()
}

/// The row with the children of these steps added, and the stream being updated. A child takes its parent's place, the
/// second one of a split the next of the partitions, if there is one. What names no open shard is left out; the caller
/// has looked.
pub(super) fn with_children(
    row: &StreamRow,
    steps: &[Resharding],
    partitions: &[u32],
) -> StreamRow {
    let mut row = row.clone();
    let mut children = Vec::new();
    let mut partitions = partitions.iter().copied();
    let find = |number: u32| row.shards.iter().find(|s| s.number == number && is_open(s));
    let mut child = |partition: u32,
                     first: u128,
                     last: u128,
                     parent: &ShardRow,
                     adjacent: Option<&ShardRow>| {
        children.push(ShardRow {
            number: row.next_shard + children.len() as u32,
            partition,
            first_hash: bytes_of(first),
            last_hash: bytes_of(last),
            parent: Some(parent.number),
            adjacent_parent: adjacent.map(|shard| shard.number),
            pending: true,
            ..ShardRow::default()
        });
    };
    for step in steps {
        match *step {
            Resharding::Split(number, at) => {
                let Some(parent) = find(number) else { continue };
                let (first, last) = (hash_of(&parent.first_hash), hash_of(&parent.last_hash));
                if first < at && at <= last {
                    let other = partitions.next().unwrap_or(parent.partition);
                    child(parent.partition, first, at - 1, parent, None);
                    child(other, at, last, parent, None);
                }
            }
            Resharding::Merge(number, adjacent) => {
                let (Some(a), Some(b)) = (find(number), find(adjacent)) else {
                    continue;
                };
                let first = hash_of(&a.first_hash).min(hash_of(&b.first_hash));
                let last = hash_of(&a.last_hash).max(hash_of(&b.last_hash));
                child(a.partition, first, last, a, Some(b));
            }
        }
    }
    row.shards.extend(children);
    row.set_status(StreamStatus::Updating);
    row
}

/// The next steps towards so many open shards of equal shares: all that must be cut, each once; when nothing must,
/// neighbours in one share are merged by twos. None when it is done.
pub(super) fn steps_towards(row: &StreamRow, wanted: u32) -> Vec<Resharding> {
    let mut open: Vec<&ShardRow> = row.shards.iter().filter(|shard| is_open(shard)).collect();
    open.sort_by_key(|shard| hash_of(&shard.first_hash));
    let begins: Vec<u128> = (0..wanted).map(|number| first_of(number, wanted)).collect();
    let inside = |shard: &ShardRow| {
        let (first, last) = (hash_of(&shard.first_hash), hash_of(&shard.last_hash));
        let from = begins.partition_point(|begin| *begin <= first);
        let to = begins.partition_point(|begin| *begin <= last);
        begins[from..to].get((to - from) / 2).copied()
    };
    let splits: Vec<Resharding> = open
        .iter()
        .filter_map(|shard| Some(Resharding::Split(shard.number, inside(shard)?)))
        .collect();
    if !splits.is_empty() {
        return splits;
    }
    let share_of = |shard: &ShardRow| {
        let first = hash_of(&shard.first_hash);
        begins.partition_point(|begin| *begin <= first)
    };
    open.chunk_by(|a, b| share_of(a) == share_of(b))
        .flat_map(|share| share.chunks_exact(2))
        .map(|pair| Resharding::Merge(pair[0].number, pair[1].number))
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stream(shards: u32) -> StreamRow {
        let partitions = vec![1; shards as usize];
        StreamRow {
            shards: equal_shares(shards, &partitions),
            next_shard: shards,
            ..StreamRow::default()
        }
    }

    #[test]
    fn neighbours_share_a_partition() {
        let partitions = |shards: u32, partitions: &[u32]| -> Vec<u32> {
            let shards = equal_shares(shards, partitions);
            shards.iter().map(|shard| shard.partition).collect()
        };
        assert_eq!(partitions(3, &[7]), [7, 7, 7]);
        assert_eq!(partitions(6, &[7, 9]), [7, 7, 7, 9, 9, 9]);
        assert_eq!(partitions(5, &[7, 9]), [7, 7, 7, 9, 9]);
        assert_eq!(partitions(2, &[7, 9, 8]), [7, 9], "no more than there are");
        assert!(partitions(2, &[]).is_empty(), "no partition takes any");
    }

    /// As the keeper and the catalog do it.
    fn settle(mut row: StreamRow) -> StreamRow {
        let parents: Vec<u32> = levada_engine::replaced_shards(&row).collect();
        for shard in &mut row.shards {
            if parents.contains(&shard.number) {
                shard.end = 1;
            }
            shard.pending = false;
            row.next_shard = row.next_shard.max(shard.number + 1);
        }
        row
    }

    fn ranges(row: &StreamRow) -> Vec<(u128, u128)> {
        let open = row.shards.iter().filter(|shard| is_open(shard));
        let mut ranges: Vec<_> = open
            .map(|shard| (hash_of(&shard.first_hash), hash_of(&shard.last_hash)))
            .collect();
        ranges.sort_unstable();
        ranges
    }

    fn is_whole(ranges: &[(u128, u128)]) -> bool {
        let meet = ranges
            .windows(2)
            .all(|w| w[0].1.checked_add(1) == Some(w[1].0));
        let first = ranges.first().map(|range| range.0);
        let last = ranges.last().map(|range| range.1);
        meet && first == Some(0) && last == Some(u128::MAX)
    }

    #[test]
    fn shares_are_those_of_aws() {
        // What AWS shows of a stream of three shards.
        let begins: Vec<String> = (0..3).map(|n| first_of(n, 3).to_string()).collect();
        assert_eq!(begins[1], "113427455640312821154458202477256070485");
        assert_eq!(begins[2], "226854911280625642308916404954512140970");
        assert!(is_whole(&ranges(&stream(3))));
        assert_eq!(first_of(1, 2), 1 << 127);
    }

    #[test]
    fn a_split_has_two_children_and_a_merge_has_two_parents() {
        let row = settle(with_children(&stream(1), &[Resharding::Split(0, 7)], &[5]));
        assert_eq!(ranges(&row), [(0, 6), (7, u128::MAX)]);
        assert_eq!(
            (row.shards[1].parent, row.shards[2].parent),
            (Some(0), Some(0))
        );
        assert_eq!((row.shards[1].partition, row.shards[2].partition), (1, 5));
        let row = settle(with_children(&row, &[Resharding::Merge(2, 1)], &[]));
        assert_eq!(ranges(&row), [(0, u128::MAX)]);
        let merged = &row.shards[3];
        assert_eq!(
            (merged.number, merged.parent, merged.adjacent_parent),
            (3, Some(2), Some(1))
        );
    }

    #[test]
    fn what_cannot_be_cut_stays_whole() {
        let row = stream(2);
        for step in [
            Resharding::Split(0, 0),
            Resharding::Split(0, 1 << 127),
            Resharding::Split(9, 5),
        ] {
            assert_eq!(with_children(&row, &[step], &[]).shards.len(), 2);
        }
    }

    proptest! {
        #[test]
        fn any_count_leads_to_any_other(from in 1_u32..40, to in 1_u32..40) {
            let mut row = stream(from);
            let mut rounds = 0;
            loop {
                let steps = steps_towards(&row, to);
                if steps.is_empty() {
                    break;
                }
                row = settle(with_children(&row, &steps, &[]));
                prop_assert!(is_whole(&ranges(&row)));
                rounds += 1;
                prop_assert!(rounds < 20);
            }
            prop_assert_eq!(ranges(&row), ranges(&stream(to)));
        }
    }
}
