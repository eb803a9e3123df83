//! Commands of the catalog, which is in partition 0.
//!
//! ```text
//! create NAME [ATTRIBUTE=VALUE ...] [on=P,P] [reuse=0s]
//! remove 1 | note-purge 1 | tag 1 KEY=VALUE ... | untag 1 KEY
//! set 1 [if=VERSION] ATTRIBUTE=VALUE ...
//! start-move 1 [to=2] [rate=N] | cancel TASK | report TASK P moved=N [finished] [failed=REASON]
//! list PREFIX [after=NAME] [max=N] | sources 1 | tasks 1 | running | config 1 [parts=N]
//! member 5 [at=HOST:PORT] | members
//! ```

use std::collections::BTreeMap;

use levada_engine::proto::{self, catalog, catalog_outcome, command, outcome};
use levada_engine::{Catalog, config_of};
use levada_types::QueueId;

use super::times::show_ms;
use super::{Script, Words};

const ACCOUNT: &str = "000000000000";
const REGION: &str = "us-east-1";

/// Names that are the script's own, not attributes.
const OPTIONS: [&str; 3] = ["on", "reuse", "if"];

impl Script {
    pub(super) fn on_catalog(&mut self, words: &Words<'_>) -> Vec<String> {
        let id = || words.plain[1].parse::<u64>().expect("an id");
        let named = || -> BTreeMap<String, String> {
            let pairs = words.named.iter().filter(|(key, _)| !OPTIONS.contains(key));
            pairs
                .map(|(key, value)| ((*key).into(), (*value).into()))
                .collect()
        };
        let kind = match words.plain[0] {
            "create" => catalog::Kind::CreateQueue(create(words, named())),
            "remove" => catalog::Kind::DeleteQueue(proto::DeleteQueue { queue: id() }),
            "set" => catalog::Kind::SetQueueAttributes(proto::SetQueueAttributes {
                queue: id(),
                attributes: named(),
                if_version: words.number("if").unwrap_or(0),
            }),
            "tag" => catalog::Kind::TagQueue(proto::TagQueue {
                queue: id(),
                tags: named(),
            }),
            "untag" => {
                let keys = vec![words.plain[2].to_owned()];
                catalog::Kind::UntagQueue(proto::UntagQueue { queue: id(), keys })
            }
            "note-purge" => catalog::Kind::NotePurge(proto::NotePurge { queue: id() }),
            "start-move" => catalog::Kind::StartMoveTask(proto::StartMoveTask {
                source: id(),
                destination: words.number("to").unwrap_or(0),
                rate_max: words.number("rate").unwrap_or(0) as u32,
                ..Default::default()
            }),
            "cancel" => catalog::Kind::UpdateMoveTask(proto::UpdateMoveTask {
                task: id(),
                cancel: true,
                ..Default::default()
            }),
            "report" => catalog::Kind::UpdateMoveTask(proto::UpdateMoveTask {
                task: id(),
                partition: words.plain[2].parse().expect("a partition"),
                moved: words.number("moved").unwrap_or(0),
                finished: words.has("finished"),
                failure_reason: words.named.get("failed").unwrap_or(&"").to_string(),
                ..Default::default()
            }),
            "member" => match words.named.get("at") {
                Some(address) => {
                    let (node, peer_address) = (id(), address.to_string());
                    let member = proto::MemberRow {
                        node,
                        peer_address,
                        ..Default::default()
                    };
                    catalog::Kind::SetMember(proto::SetMember {
                        member: Some(member),
                    })
                }
                None => catalog::Kind::RemoveMember(proto::RemoveMember { node: id() }),
            },
            _ => return self.ask_catalog(words),
        };
        let command = proto::Catalog { kind: Some(kind) };
        let (outcome, effects) = self.apply(0, command::Kind::Catalog(command));
        let outcome::Kind::Catalog(outcome) = outcome else {
            panic!("{outcome:?}")
        };
        let mut lines = show(outcome);
        lines.extend(effects);
        lines
    }

    fn ask_catalog(&mut self, words: &Words<'_>) -> Vec<String> {
        let catalog: &Catalog = self
            .node(0)
            .partition
            .catalog()
            .expect("partition 0 has it");
        let queue = || QueueId(words.plain[1].parse().expect("a queue"));
        match words.plain[0] {
            "list" => {
                let prefix = words.plain.get(1).unwrap_or(&"");
                let (after, max) = (words.named.get("after").copied(), words.number("max"));
                let max = max.unwrap_or(1_000) as usize;
                let rows = catalog.queues_by_prefix(ACCOUNT, REGION, prefix, after, max);
                rows.into_iter().map(|row| row.name.clone()).collect()
            }
            "sources" => catalog
                .dead_letter_sources(queue())
                .into_iter()
                .map(|r| r.name.clone())
                .collect(),
            "tasks" => catalog
                .move_tasks(queue())
                .into_iter()
                .map(show_task)
                .collect(),
            "running" => catalog
                .running_move_tasks()
                .into_iter()
                .map(show_task)
                .collect(),
            "members" => catalog
                .members()
                .map(|m| format!("node {} at {}", m.node, m.peer_address))
                .collect(),
            "config" => {
                let Some(row) = catalog.queue(queue()) else {
                    return vec!["no such queue".into()];
                };
                show_config(&config_of(
                    row,
                    catalog,
                    words.number("parts").unwrap_or(1) as usize,
                ))
            }
            other => panic!("no such command: {other}"),
        }
    }
}

fn create(words: &Words<'_>, attributes: BTreeMap<String, String>) -> proto::CreateQueue {
    let partitions = words.named.get("on").unwrap_or(&"1");
    proto::CreateQueue {
        account: ACCOUNT.into(),
        region: REGION.into(),
        name: words.plain[1].into(),
        attributes,
        partitions: partitions
            .split(',')
            .map(|p| p.parse().expect("a partition"))
            .collect(),
        reuse_after_ms: words.ms("reuse"),
        ..Default::default()
    }
}

pub(super) fn show(outcome: proto::CatalogOutcome) -> Vec<String> {
    vec![match outcome.kind {
        Some(catalog_outcome::Kind::Queue(row)) => show_row(&row),
        Some(catalog_outcome::Kind::MoveTask(task)) => show_task(&task),
        Some(catalog_outcome::Kind::Stream(row)) => format!("s{} {}", row.stream, row.name),
        Some(catalog_outcome::Kind::Topic(row)) => format!("topic {} {}", row.topic, row.name),
        Some(catalog_outcome::Kind::Subscription(outcome)) => {
            let row = outcome.row.unwrap_or_default();
            format!("subscription {} of {}", row.subscription, row.topic)
        }
        Some(catalog_outcome::Kind::Table(row)) => format!("t{} {}", row.table, row.name),
        Some(catalog_outcome::Kind::Done(_)) => "done".into(),
        Some(catalog_outcome::Kind::Refusal(why)) => {
            let why = proto::CatalogRefusal::try_from(why).expect("a refusal");
            format!(
                "refused: {}",
                &why.as_str_name()["CATALOG_REFUSAL_".len()..]
            )
        }
        None => "nothing".into(),
    }]
}

fn show_row(row: &proto::QueueRow) -> String {
    let mut line = format!("q{} {} version {}", row.queue, row.name, row.version);
    let pairs = |map: &BTreeMap<String, String>| {
        map.iter()
            .map(|(key, value)| format!(" {key}={value}"))
            .collect::<String>()
    };
    line += &pairs(&row.attributes);
    if !row.tags.is_empty() {
        line += &format!(", tags{}", pairs(&row.tags));
    }
    line += &format!(
        ", created {}, modified {}",
        show_ms(row.created_at),
        show_ms(row.modified_at)
    );
    if row.purged_at != 0 {
        line += &format!(", purged {}", show_ms(row.purged_at));
    }
    line
}

fn show_task(task: &proto::MoveTaskRow) -> String {
    let status = &task.status().as_str_name()["MOVE_TASK_STATUS_".len()..];
    let mut line = format!("task {} from q{}", task.task, task.source);
    if task.destination != 0 {
        line += &format!(" to q{}", task.destination);
    }
    line += &format!(": {status}, {} moved", task.moved);
    if !task.failure_reason.is_empty() {
        line += &format!(", {}", task.failure_reason);
    }
    line
}

fn show_config(config: &proto::QueueConfig) -> Vec<String> {
    let kind = if config.fifo { "FIFO" } else { "standard" };
    let mut lines = vec![format!(
        "{kind} version {}: visibility {}, delay {}, retention {}, in flight {}",
        config.version,
        show_ms(config.visibility_timeout_ms),
        show_ms(config.delay_ms),
        show_ms(config.retention_ms),
        config.in_flight_max,
    )];
    if let Some(redrive) = &config.redrive {
        lines.push(format!(
            "after {} receives to q{} on {:?}",
            redrive.receive_count_max, redrive.target_queue, redrive.target_partitions
        ));
    }
    if config.deduplicate_by_group {
        lines.push("deduplicates by group".into());
    }
    lines
}
