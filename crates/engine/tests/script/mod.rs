//! The language of the transcripts: reads a command, applies it, says what came back.
//!
//! ```text
//! at 30s | at +500ms                     sets the clock, lets time pass in every partition
//! p1 queue 7 [fifo] [visibility=30s] [delay=0s] [retention=4d] [in-flight=N] [redrive=N:Q@P,P]
//!            [scope=group] [version=N]
//! p1 send 7 BODY [group=G] [dedup=D] [delay=5s]
//! p1 receive 7 [max=10] [visibility=30s] [attempt=A]
//! p1 delete 7 POSITION#GENERATION ...
//! p1 change 7 POSITION#GENERATION 20s
//! p1 purge 7 | p1 drop 7 | p1 counts 7
//! p1 shard 9 [retention=1d] [closed] [limits=RECORDS,BYTES] [version=N] [queues=NUMBER:FROM:VISIBILITY:COUNT,...]
//! p1 put 9 KEY=DATA ... | p1 read 9 POSITION | p1 since 9 TIME | p1 ends 9
//! p1 table 9 [indexed] [version=N]
//! p1 write 9 put|update|count|delete|check KEY ... NAME=VALUE ... [if.NAME=VALUE|-] [token=T fingerprint=F]
//! p1 scan 9 [owner=O]
//! p1 receive 20 | p1 delete 20 LOG/POSITION#GENERATION | p1 change 20 LOG/POSITION#GENERATION 20s
//! p1 restore 20 LOG/POSITION#GENERATION ...   of a queue on a stream; 21 are the dead letters of 20
//! p1 topic 9 [fifo] [archive=1d] [scope=group] [version=N]
//! p1 publish 9 BODY [to=QUEUE@PARTITION,...] [group=G] [dedup=D] [version=N]
//! p1 replay 9 SUBSCRIPTION [number=N] [begin=P] [after=P] [through=P] [to=QUEUE@PARTITION at=P,P]
//! p1 move 7 to 8@2 [max=10]              as a move task does it
//! ship p1 p2 [lost]                      hands on an outbox; `lost`: the source does not hear of it
//! ```
//!
//! Commands of the catalog are in `catalog.rs`. Messages have ids m1, m2, ... in order of sending.

mod catalog;
mod shard;
mod table;
mod times;
mod topic;

use std::collections::BTreeMap;

use bytes::Bytes;
use levada_engine::proto::{self, command, outcome};
use levada_types::{PartitionId, QueueId, Timestamp};

use crate::support::Node;
use times::{parse_ms, show_ms};

/// A day that begins at 0, so that times read well.
pub(crate) struct Script {
    at_ms: u64,
    nodes: BTreeMap<u32, Node>,
    messages: u64,
    versions: u64,
}

/// The words of a line: plain ones, and `key=value`.
struct Words<'a> {
    plain: Vec<&'a str>,
    named: BTreeMap<&'a str, &'a str>,
}

impl<'a> Words<'a> {
    fn new(line: &'a str) -> Self {
        let (mut plain, mut named) = (Vec::new(), BTreeMap::new());
        for word in line.split_whitespace() {
            match word.split_once('=') {
                Some((key, value)) => drop(named.insert(key, value)),
                None => plain.push(word),
            }
        }
        Self { plain, named }
    }

    fn ms(&self, key: &str) -> Option<u64> {
        self.named.get(key).map(|value| parse_ms(value))
    }

    fn number(&self, key: &str) -> Option<u64> {
        self.named
            .get(key)
            .map(|value| value.parse().expect("a number"))
    }

    fn has(&self, word: &str) -> bool {
        self.plain.contains(&word)
    }
}

/// 16 bytes that stand for a word, as a hash does.
fn hash(word: Option<&&str>) -> Bytes {
    let Some(word) = word else {
        return Bytes::new();
    };
    let mut bytes = [0; 16];
    bytes
        .iter_mut()
        .zip(word.bytes())
        .for_each(|(to, from)| *to = from);
    Bytes::copy_from_slice(&bytes)
}

fn id_of(message: u64) -> Bytes {
    Bytes::copy_from_slice(&u128::from(message).to_be_bytes())
}

fn show_id(id: &[u8]) -> String {
    let number = id.try_into().map_or(0, u128::from_be_bytes);
    format!("m{number}")
}

impl Script {
    pub(crate) fn new() -> Self {
        Self {
            at_ms: 0,
            nodes: BTreeMap::new(),
            messages: 0,
            versions: 0,
        }
    }

    /// Runs one line; what comes back, line by line.
    pub(crate) fn run(&mut self, line: &str) -> Vec<String> {
        let words = Words::new(line);
        match words.plain[..] {
            ["at", time] => self.at(time),
            ["ship", from, to, ..] => self.ship(from, to, words.has("lost")),
            [partition, verb, queue, ..] if partition.starts_with('p') => {
                let id = partition[1..].parse().expect("pN");
                self.on_queue(id, verb, queue.parse().expect("a queue"), &words)
            }
            _ => self.on_catalog(&words),
        }
    }

    fn node(&mut self, id: u32) -> &mut Node {
        self.nodes.entry(id).or_insert_with(|| Node::new(id))
    }

    fn at(&mut self, time: &str) -> Vec<String> {
        self.at_ms = match time.strip_prefix('+') {
            Some(more) => self.at_ms + parse_ms(more),
            None => parse_ms(time),
        };
        let at = Timestamp::from_millis(self.at_ms);
        let mut lines = Vec::new();
        for (id, node) in &mut self.nodes {
            node.one(at, command::Kind::Tick(proto::Tick {}));
            lines.extend(
                effects(node)
                    .into_iter()
                    .map(|line| format!("p{id}: {line}")),
            );
        }
        lines
    }

    /// Applies a command; its outcome, and the lines of its effects.
    fn apply(&mut self, partition: u32, kind: command::Kind) -> (outcome::Kind, Vec<String>) {
        let at = Timestamp::from_millis(self.at_ms);
        let node = self.node(partition);
        let outcome = node.one(at, kind);
        (outcome, effects(node))
    }

    fn on_queue(&mut self, p: u32, verb: &str, queue: u64, words: &Words<'_>) -> Vec<String> {
        let kind = match verb {
            "queue" => self.configuration(queue, words),
            "send" => self.sending(queue, words),
            "receive" => command::Kind::Receive(proto::Receive {
                queue,
                config_version: 1,
                messages_max: words.number("max").unwrap_or(10) as u32,
                visibility_timeout_ms: words.ms("visibility"),
                attempt: hash(words.named.get("attempt")),
            }),
            "delete" => {
                let receipts = words.plain[3..].iter().map(|word| receipt(word)).collect();
                command::Kind::Delete(proto::Delete { queue, receipts })
            }
            "change" => {
                let receipt = Some(receipt(words.plain[3]));
                let visibility_timeout_ms = parse_ms(words.plain[4]);
                let changes = vec![proto::NewVisibility {
                    receipt,
                    visibility_timeout_ms,
                }];
                command::Kind::ChangeVisibility(proto::ChangeVisibility { queue, changes })
            }
            "restore" => {
                let receipts = words.plain[3..].iter().map(|word| receipt(word)).collect();
                command::Kind::RestoreRecords(proto::RestoreRecords { queue, receipts })
            }
            "purge" => command::Kind::Purge(proto::Purge { queue }),
            "drop" => command::Kind::DropQueue(proto::DropQueue { queue }),
            "move" => self.moving(p, queue, words),
            "shard" => self.shard(queue, words),
            "put" => shard::putting(queue, words),
            "table" => self.table(queue, words),
            "write" => table::writing(queue, words),
            "scan" => return self.scan(p, queue, words),
            "topic" => self.topic(queue, words),
            "publish" => self.publishing(queue, words),
            "replay" => topic::replaying(queue, words),
            "read" => return self.read_shard(p, queue, words),
            "since" => return vec![self.since(p, queue, words)],
            "ends" => return vec![self.ends(p, queue)],
            "counts" => return vec![self.counts(p, queue)],
            other => panic!("no such command: {other}"),
        };
        let (outcome, effects) = self.apply(p, kind);
        let mut lines = show(outcome);
        lines.extend(effects);
        lines
    }

    fn configuration(&mut self, queue: u64, words: &Words<'_>) -> command::Kind {
        self.versions += 1;
        let redrive = words.named.get("redrive").map(|redrive| {
            let (count, target) = redrive.split_once(':').expect("N:Q@P");
            let (target, partitions) = target.split_once('@').expect("N:Q@P");
            proto::Redrive {
                receive_count_max: count.parse().expect("a count"),
                target_queue: target.parse().expect("a queue"),
                target_partitions: partitions
                    .split(',')
                    .map(|p| p.parse().expect("a partition"))
                    .collect(),
            }
        });
        let config = proto::QueueConfig {
            queue,
            version: words.number("version").unwrap_or(self.versions),
            fifo: words.has("fifo"),
            visibility_timeout_ms: words.ms("visibility").unwrap_or(30_000),
            delay_ms: words.ms("delay").unwrap_or(0),
            retention_ms: words.ms("retention").unwrap_or(345_600_000),
            in_flight_max: words.number("in-flight").unwrap_or(120_000),
            redrive,
            deduplicate_by_group: words.named.get("scope") == Some(&"group"),
        };
        command::Kind::ConfigureQueue(proto::ConfigureQueue {
            config: Some(config),
        })
    }

    fn sending(&mut self, queue: u64, words: &Words<'_>) -> command::Kind {
        self.messages += 1;
        let message = proto::NewMessage {
            message_id: id_of(self.messages),
            payload: words.plain[3].to_owned().into(),
            group: words.named.get("group").unwrap_or(&"").to_string(),
            deduplication: hash(words.named.get("dedup")),
            delay_ms: words.ms("delay"),
        };
        command::Kind::Send(proto::Send {
            queue,
            config_version: 1,
            messages: vec![message],
        })
    }

    fn moving(&mut self, p: u32, queue: u64, words: &Words<'_>) -> command::Kind {
        let max = words.number("max").unwrap_or(10) as usize;
        let (to_queue, to_partition) = words.plain[4].split_once('@').expect("Q@P");
        let positions = self.node(p).partition.peek_ready(QueueId(queue), max);
        let moves = positions.into_iter().map(|position| {
            self.messages += 1;
            proto::Move {
                position,
                to_queue: to_queue.parse().expect("a queue"),
                to_partition: to_partition.parse().expect("a partition"),
                new_message_id: id_of(self.messages),
                generation: 0,
            }
        });
        command::Kind::MoveOut(proto::MoveOut {
            queue,
            moves: moves.collect(),
        })
    }

    fn ship(&mut self, from: &str, to: &str, lost: bool) -> Vec<String> {
        let id = |word: &str| word[1..].parse::<u32>().expect("pN");
        let shipment = self
            .node(id(from))
            .shipment(PartitionId(id(to)), 0, usize::MAX);
        let deliver = shipment.into_command();
        let items = &deliver.items;
        let mut lines: Vec<String> = items
            .iter()
            .map(|item| {
                let shared = item.shared.checked_sub(1).map(|place| place as usize);
                let record = shared.map(|place| &deliver.shared[place]);
                let record = record.or(item.record.as_ref()).expect("with its record");
                format!(
                    "item {} to q{}: {}",
                    item.number,
                    item.queue,
                    show_record(record)
                )
            })
            .collect();
        let through = items.last().map_or(0, |item| item.number);
        let deliver = command::Kind::Deliver(deliver);
        let (outcome, effects) = self.apply(id(to), deliver);
        if let outcome::Kind::Misconfigured(_) = outcome {
            lines.extend(show(outcome));
            return lines;
        }
        lines.extend(effects);
        if !lost {
            let delivered = proto::Delivered {
                destination: id(to),
                through,
            };
            let (_, effects) = self.apply(id(from), command::Kind::Delivered(delivered));
            lines.extend(effects);
        }
        lines
    }

    fn counts(&mut self, p: u32, queue: u64) -> String {
        let partition = &self.node(p).partition;
        let Some(view) = partition.claims_of(QueueId(queue)) else {
            return "no such queue".into();
        };
        let counts = view.counts;
        let claimable = if view.claimable_now() {
            ", claimable"
        } else {
            ""
        };
        let due = partition
            .next_due()
            .map_or("never".into(), |due| show_ms(due.as_millis()));
        format!(
            "ready {}, in flight {}, delayed {}{claimable}; due {due}",
            counts.ready, counts.in_flight, counts.delayed
        )
    }
}

fn show(outcome: outcome::Kind) -> Vec<String> {
    match outcome {
        outcome::Kind::Send(sent) => sent.sent.iter().map(show_sent).collect(),
        outcome::Kind::Receive(received) => show_received(&received),
        outcome::Kind::Delete(deleted) => deleted
            .results()
            .map(|result| result.as_str_name()["DELETE_RESULT_".len()..].to_owned())
            .collect(),
        outcome::Kind::ChangeVisibility(changed) => changed
            .results()
            .map(|result| result.as_str_name()["VISIBILITY_RESULT_".len()..].to_owned())
            .collect(),
        outcome::Kind::MoveOut(moved) => vec![format!("{} moved", moved.moved)],
        outcome::Kind::Done(_) => vec![],
        outcome::Kind::Misconfigured(m) => {
            let dropped = if m.dropped { ", dropped" } else { "" };
            vec![format!(
                "q{} is not configured: version {}{dropped}",
                m.queue, m.have_version
            )]
        }
        outcome::Kind::Catalog(outcome) => catalog::show(outcome),
        outcome::Kind::WriteItems(done) => table::show_write(&done),
        outcome::Kind::Publish(published) => topic::show_published(&published),
        outcome::Kind::Replay(replay) => vec![topic::show_replay(&replay)],
        outcome::Kind::PutRecords(put) => vec![shard::show_put(&put)],
        outcome::Kind::ConfigureShard(shard) => vec![format!("next {}", shard.next_position)],
    }
}

fn show_received(received: &proto::ReceiveOutcome) -> Vec<String> {
    if received.over_limit {
        return vec!["over the limit".into()];
    }
    if received.claimed.is_empty() {
        return vec!["nothing".into()];
    }
    let claims = received.claimed.iter().map(|claimed| {
        let record = claimed
            .record
            .as_ref()
            .expect("small enough to be in memory");
        if claimed.log != 0 {
            return shard::show_claimed(claimed, record);
        }
        let mut line = format!("{}#{} ", claimed.position, claimed.receive_count);
        line += &show_record(record);
        if claimed.receive_count > 1 {
            line += &format!(", first received {}", show_ms(claimed.first_received_at));
        }
        line
    });
    claims.collect()
}

fn receipt(word: &str) -> proto::ReceiptRef {
    let (log, word) = word.split_once('/').unwrap_or(("0", word));
    let (position, generation) = word.split_once('#').expect("POSITION#GENERATION");
    let position = position.parse().expect("a position");
    proto::ReceiptRef {
        position,
        generation: generation.parse().expect("a generation"),
        log: log.parse().expect("a shard"),
    }
}

fn show_sent(sent: &proto::Sent) -> String {
    let id = show_id(&sent.message_id);
    match sent.duplicate {
        true => format!("duplicate of {id} at {}", sent.position),
        false => format!("{id} at {}", sent.position),
    }
}

fn show_record(record: &proto::Record) -> String {
    let mut line = format!(
        "{} {}",
        show_id(&record.message_id),
        String::from_utf8_lossy(&record.payload)
    );
    if !record.group.is_empty() {
        line += &format!(" group {}", record.group);
    }
    line += &format!(", sent {}", show_ms(record.sent_at));
    if record.dead_letter_source != 0 {
        line += &format!(
            ", received {} times in q{}",
            record.received_before, record.dead_letter_source
        );
    }
    line
}

/// What the leader is told to do; blocks only as far as a script can see them.
fn effects(node: &Node) -> Vec<String> {
    let effects = &node.effects;
    let wakes = effects
        .wake
        .iter()
        .map(|(queue, count)| format!("wake q{} for {count}", queue.0));
    let sealed = effects
        .sealed
        .iter()
        .map(|sealed| format!("sealed {}", sealed.block.first));
    let dropped = effects
        .dropped
        .iter()
        .map(|block| format!("dropped {}", block.first));
    let outbox = effects
        .outbox
        .iter()
        .map(|to| format!("something for p{}", to.0));
    let queues = effects
        .catalog_queues
        .iter()
        .map(|queue| format!("changed q{}", queue.0));
    let other = effects
        .catalog_other
        .then(|| "changed tasks or members".to_owned());
    wakes
        .chain(sealed)
        .chain(dropped)
        .chain(outbox)
        .chain(queues)
        .chain(other)
        .collect()
}
