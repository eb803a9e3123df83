//! The open shards take every hash key, each once. A closed shard's children cover its keys exactly and begin after it,
//! and what was once told of a shard stays so. Whatever node tells a version of the stream, it is the same.

use std::collections::BTreeMap;

use levada_cluster::hash_of;
use levada_engine::proto::ShardRow;

use super::last_of;
use crate::event::Event;
use crate::invariants::{Invariant, Verdict};
use crate::net::MachineId;
use crate::stream_event::{Seen, StreamEvent};
use crate::workload::hash_of_key;

#[derive(Default)]
pub(super) struct Lineage {
    /// Each version, and which machine told it first.
    versions: BTreeMap<u64, (MachineId, Vec<ShardRow>)>,
    /// Each shard as it was first told.
    first: BTreeMap<u32, ShardRow>,
}

fn keys(shard: &ShardRow) -> (u128, u128) {
    (hash_of(&shard.first_hash), hash_of(&shard.last_hash))
}

/// Whether these ranges follow each other from the first key to the last.
fn cover(mut ranges: Vec<(u128, u128)>, (first, last): (u128, u128)) -> bool {
    ranges.sort_unstable();
    let meet = ranges
        .windows(2)
        .all(|two| two[0].1.checked_add(1) == Some(two[1].0));
    meet && ranges.first().is_some_and(|range| range.0 == first)
        && ranges.last().is_some_and(|range| range.1 == last)
}

fn parents(shard: &ShardRow) -> impl Iterator<Item = u32> {
    [shard.parent, shard.adjacent_parent].into_iter().flatten()
}

/// Whether the children of a closed shard take its keys exactly.
fn has_heirs(shard: &ShardRow, shards: &[ShardRow]) -> Verdict {
    let of_it = |child: &&ShardRow| parents(child).any(|parent| parent == shard.number);
    let children: Vec<&ShardRow> = shards.iter().filter(of_it).collect();
    let (first, last) = keys(shard);
    // A merged child's keys are also those of the other parent.
    let shares = children.iter().map(|child| {
        let (from, to) = keys(child);
        (from.max(first), to.min(last))
    });
    if cover(shares.collect(), (first, last)) {
        return Ok(());
    }
    Err(format!(
        "{shard:?} is closed, and its children are {children:?}"
    ))
}

/// Whether a shard begins after its parents, and takes no other keys than theirs if there are two.
fn comes_after_its_parents(child: &ShardRow, shards: &BTreeMap<u32, &ShardRow>) -> Verdict {
    // Nothing expires within a run: the parents are there.
    let of: Vec<&ShardRow> = parents(child)
        .filter_map(|parent| shards.get(&parent).copied())
        .collect();
    if of.len() != parents(child).count() {
        return Err(format!("{child:?} has lost a parent"));
    }
    let secs = |shard: &ShardRow| shard.opened_at / 1_000;
    let mut parents = of.iter();
    if let Some(parent) = parents.find(|p| p.end == 0 || secs(p) >= secs(child)) {
        return Err(format!("{child:?} does not begin after {parent:?}"));
    }
    let bounds = of.iter().map(|parent| keys(parent));
    if of.len() == 2 && !cover(bounds.collect(), keys(child)) {
        return Err(format!("{child:?} takes other keys than {of:?}"));
    }
    Ok(())
}

impl Lineage {
    fn described(&mut self, machine: MachineId, version: u64, shards: &[ShardRow]) -> Verdict {
        if let Some((first, known)) = self.versions.get(&version) {
            return (known == shards).then_some(()).ok_or_else(|| {
                format!(
                    "version {version} is {known:?} at machine {first} and {shards:?} at machine {machine}"
                )
            });
        }
        self.versions.insert(version, (machine, shards.to_vec()));
        for shard in shards {
            self.is_what_it_was(shard)?;
        }
        let open = shards.iter().filter(|shard| shard.end == 0).map(keys);
        if !cover(open.collect(), (0, u128::MAX)) {
            return Err(format!("the open shards of {shards:?} are no whole"));
        }
        let by_number: BTreeMap<u32, &ShardRow> =
            shards.iter().map(|shard| (shard.number, shard)).collect();
        let mut closed = shards.iter().filter(|shard| shard.end != 0);
        closed.try_for_each(|shard| has_heirs(shard, shards))?;
        let mut children = shards.iter();
        children.try_for_each(|child| comes_after_its_parents(child, &by_number))
    }

    /// Nothing of a shard changes but that it is closed, once.
    fn is_what_it_was(&mut self, shard: &ShardRow) -> Verdict {
        let first = self
            .first
            .entry(shard.number)
            .or_insert_with(|| shard.clone());
        let open = |shard: &ShardRow| ShardRow {
            end: 0,
            closed_at: 0,
            ..shard.clone()
        };
        if open(first) == open(shard) {
            return Ok(());
        }
        Err(format!("{first:?} became {shard:?}"))
    }

    fn read(&self, shard: u32, records: &[Seen]) -> Verdict {
        let Some(row) = self.first.get(&shard) else {
            return Err(format!(
                "shard {shard} was read to {} and never described",
                last_of(records)
            ));
        };
        let (first, last) = keys(row);
        let strange = records
            .iter()
            .find(|record| !(first..=last).contains(&hash_of_key(record.sent.key)));
        strange.map_or(Ok(()), |record| {
            Err(format!("{record:?} is not one of the keys of {row:?}"))
        })
    }
}

impl Invariant for Lineage {
    fn promise(&self) -> &'static str {
        "a shard's children take its keys after it"
    }

    fn see(&mut self, event: &Event) -> Verdict {
        match event {
            Event::Stream(StreamEvent::Described {
                machine,
                version,
                shards,
            }) => self.described(*machine, *version, shards),
            Event::Stream(StreamEvent::Read { shard, records, .. }) => self.read(*shard, records),
            _ => Ok(()),
        }
    }
}
