//! The catalog, command by command.

use levada_types::NodeId;

use super::*;
use crate::proto::{CatalogRefusal as Refusal, MoveTaskStatus as Status, catalog::Kind};
use crate::snapshot::Rows;

/// A catalog with a clock, and what its last command changed.
#[derive(Default)]
struct Bench {
    catalog: Catalog,
    at_ms: u64,
    effects: Effects,
}

impl Bench {
    fn apply(&mut self, kind: Kind) -> proto::catalog_outcome::Kind {
        self.effects = Effects::default();
        let at = Timestamp::from_millis(self.at_ms);
        let command = proto::Catalog { kind: Some(kind) };
        self.catalog
            .apply(at, command, &mut self.effects)
            .kind
            .unwrap()
    }

    fn row(&mut self, kind: Kind) -> Result<proto::QueueRow, Refusal> {
        match self.apply(kind) {
            proto::catalog_outcome::Kind::Queue(row) => Ok(row),
            proto::catalog_outcome::Kind::Refusal(why) => Err(Refusal::try_from(why).unwrap()),
            other => panic!("{other:?}"),
        }
    }

    fn task(&mut self, kind: Kind) -> Result<proto::MoveTaskRow, Refusal> {
        match self.apply(kind) {
            proto::catalog_outcome::Kind::MoveTask(row) => Ok(row),
            proto::catalog_outcome::Kind::Refusal(why) => Err(Refusal::try_from(why).unwrap()),
            other => panic!("{other:?}"),
        }
    }

    fn create(
        &mut self,
        name: &str,
        attributes: &[(&str, &str)],
    ) -> Result<proto::QueueRow, Refusal> {
        self.row(Kind::CreateQueue(proto::CreateQueue {
            account: "000000000000".into(),
            region: "us-east-1".into(),
            name: name.into(),
            attributes: text(attributes),
            tags: BTreeMap::new(),
            partitions: vec![1, 2],
            reuse_after_ms: None,
        }))
    }

    fn set(
        &mut self,
        queue: u64,
        attributes: &[(&str, &str)],
        if_version: u64,
    ) -> Result<proto::QueueRow, Refusal> {
        let attributes = text(attributes);
        self.row(Kind::SetQueueAttributes(proto::SetQueueAttributes {
            queue,
            attributes,
            if_version,
        }))
    }

    fn delete(&mut self, queue: u64) {
        let outcome = self.apply(Kind::DeleteQueue(proto::DeleteQueue { queue }));
        assert_eq!(outcome, proto::catalog_outcome::Kind::Done(proto::Done {}));
    }

    fn start(&mut self, source: u64, destination: u64) -> Result<proto::MoveTaskRow, Refusal> {
        let command = proto::StartMoveTask {
            source,
            destination,
            ..Default::default()
        };
        self.task(Kind::StartMoveTask(command))
    }

    fn update(&mut self, command: proto::UpdateMoveTask) -> Result<proto::MoveTaskRow, Refusal> {
        self.task(Kind::UpdateMoveTask(command))
    }

    /// The catalog that a snapshot of this one restores to, rows given backwards.
    fn restored(&self) -> Catalog {
        let mut rows = Rows::default();
        self.catalog.encode(&mut rows);
        let mut catalog = Catalog::default();
        for (key, value) in rows.finish().iter().rev() {
            catalog.load(&key[1..], value).unwrap();
        }
        catalog
    }
}

fn text(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(k, v)| ((*k).into(), (*v).into()))
        .collect()
}

fn report(task: u64, partition: u32, moved: u64, finished: bool) -> proto::UpdateMoveTask {
    proto::UpdateMoveTask {
        task,
        partition,
        moved,
        finished,
        ..Default::default()
    }
}

#[test]
fn creating_twice_gives_the_same_queue() {
    let mut bench = Bench::default();
    let row = bench.create("a", &[("DelaySeconds", "5")]).unwrap();
    assert_eq!(bench.effects.catalog_queues, [QueueId(1)]);
    assert_eq!(
        bench.create("a", &[("DelaySeconds", "5"), ("VisibilityTimeout", "30")]),
        Ok(row.clone())
    );
    assert!(bench.effects.catalog_queues.is_empty(), "nothing changed");
    assert_eq!(bench.create("a", &[]), Ok(row));
    assert_eq!(
        bench.create("a", &[("DelaySeconds", "0")]),
        Err(Refusal::ExistsWithOtherAttributes)
    );
    assert_eq!(bench.catalog.next_queue_id(), QueueId(2));
}

#[test]
fn a_deleted_name_is_taken_for_a_minute() {
    let mut bench = Bench {
        at_ms: 1_000,
        ..Default::default()
    };
    bench.create("a", &[]).unwrap();
    bench.delete(1);
    let name = ("000000000000", "us-east-1", "a");
    assert_eq!(
        bench.catalog.deleted_at(name.0, name.1, name.2),
        Some(Timestamp::from_millis(1_000))
    );
    assert_eq!(bench.catalog.queue_by_name(name.0, name.1, name.2), None);
    bench.at_ms = 60_999;
    assert_eq!(bench.create("a", &[]), Err(Refusal::DeletedRecently));
    assert_eq!(bench.restored(), bench.catalog);
    bench.at_ms = 61_000;
    assert_eq!(
        bench.create("a", &[]).unwrap().queue,
        2,
        "ids are not given out twice"
    );
    assert_eq!(bench.catalog.deleted_at(name.0, name.1, name.2), None);
}

#[test]
fn the_gateway_may_free_a_deleted_name_sooner() {
    let mut bench = Bench::default();
    bench.create("a", &[]).unwrap();
    bench.delete(1);
    let again = proto::CreateQueue {
        account: "000000000000".into(),
        region: "us-east-1".into(),
        name: "a".into(),
        reuse_after_ms: Some(0),
        ..Default::default()
    };
    assert_eq!(bench.row(Kind::CreateQueue(again)).unwrap().queue, 2);
    assert_eq!(bench.restored(), bench.catalog);
}

#[test]
fn attributes_come_back_as_set_and_an_empty_value_removes() {
    let mut bench = Bench::default();
    bench.create("a", &[("Policy", "{ }")]).unwrap();
    bench.at_ms = 9;
    let row = bench
        .set(1, &[("VisibilityTimeout", "45"), ("Policy", "")], 1)
        .unwrap();
    assert_eq!(row.attributes, text(&[("VisibilityTimeout", "45")]));
    assert_eq!((row.version, row.modified_at, row.created_at), (2, 9, 0));
    assert_eq!(
        bench.set(1, &[("DelaySeconds", "1")], 1),
        Err(Refusal::Changed)
    );
    bench.at_ms = 10;
    assert_eq!(
        bench.set(1, &[("VisibilityTimeout", "45"), ("FifoQueue", "true")], 0),
        Ok(row)
    );
    assert!(bench.effects.catalog_queues.is_empty(), "nothing changed");
    assert_eq!(bench.set(7, &[], 0), Err(Refusal::NoSuchQueue));
}

#[test]
fn tags_have_a_bound() {
    let mut bench = Bench::default();
    bench.create("a", &[]).unwrap();
    let tags = (0..50).map(|n| (format!("k{n}"), "v".into())).collect();
    assert_eq!(
        bench
            .row(Kind::TagQueue(proto::TagQueue { queue: 1, tags }))
            .unwrap()
            .tags
            .len(),
        50
    );
    let more = |key: &str| {
        Kind::TagQueue(proto::TagQueue {
            queue: 1,
            tags: text(&[(key, "w")]),
        })
    };
    assert_eq!(bench.row(more("k50")), Err(Refusal::TooManyTags));
    assert_eq!(bench.row(more("k7")).unwrap().tags["k7"], "w");
    let keys = vec!["k7".into(), "nothing".into()];
    let row = bench
        .row(Kind::UntagQueue(proto::UntagQueue { queue: 1, keys }))
        .unwrap();
    assert_eq!((row.tags.len(), row.version), (49, 1));
}

#[test]
fn a_purge_is_refused_for_a_minute() {
    let mut bench = Bench {
        at_ms: 5,
        ..Default::default()
    };
    bench.create("a", &[]).unwrap();
    let purge = || Kind::NotePurge(proto::NotePurge { queue: 1 });
    assert_eq!(bench.row(purge()).unwrap().purged_at, 5);
    bench.at_ms = 60_004;
    assert_eq!(bench.row(purge()), Err(Refusal::PurgeInProgress));
    bench.at_ms = 60_005;
    assert_eq!(bench.row(purge()).unwrap().purged_at, 60_005);
}

#[test]
fn queues_are_listed_by_prefix_and_page() {
    let mut bench = Bench::default();
    for name in ["b", "ab", "aa", "ac"] {
        bench.create(name, &[]).unwrap();
    }
    let page = |prefix: &str, after: Option<&str>, max| -> Vec<String> {
        let rows = bench
            .catalog
            .queues_by_prefix("000000000000", "us-east-1", prefix, after, max);
        rows.into_iter().map(|row| row.name.clone()).collect()
    };
    assert_eq!(page("", None, 10), ["aa", "ab", "ac", "b"]);
    assert_eq!(page("a", None, 2), ["aa", "ab"]);
    assert_eq!(page("a", Some("ab"), 2), ["ac"]);
    assert_eq!(page("b", Some("a"), 2), ["b"]);
    assert!(page("", Some("b"), 2).is_empty());
    assert!(
        bench
            .catalog
            .queues_by_prefix("000000000001", "us-east-1", "", None, 9)
            .is_empty()
    );
}

#[test]
fn dead_letter_sources_follow_the_policy_and_the_target() {
    let mut bench = Bench::default();
    let policy = |name: &str| {
        let arn = format!("arn:aws:sqs:us-east-1:000000000000:{name}");
        format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":3}}"#)
    };
    bench.create("dead", &[]).unwrap();
    bench
        .create("a", &[("RedrivePolicy", &policy("dead"))])
        .unwrap();
    bench
        .create("b", &[("RedrivePolicy", &policy("other"))])
        .unwrap();
    let sources = |bench: &Bench, id| -> Vec<u64> {
        bench
            .catalog
            .dead_letter_sources(QueueId(id))
            .iter()
            .map(|row| row.queue)
            .collect()
    };
    assert_eq!(sources(&bench, 1), [2]);
    bench
        .set(3, &[("RedrivePolicy", &policy("dead"))], 0)
        .unwrap();
    assert_eq!(sources(&bench, 1), [2, 3]);
    bench.set(2, &[("RedrivePolicy", "")], 0).unwrap();
    assert_eq!(sources(&bench, 1), [3]);
    let version = bench.catalog.queue(QueueId(3)).unwrap().version;
    bench.delete(1);
    assert_eq!(
        bench.effects.catalog_queues,
        [QueueId(1), QueueId(3)],
        "the source changes with it"
    );
    assert_eq!(
        bench.catalog.queue(QueueId(3)).unwrap().version,
        version + 1
    );
    assert_eq!(bench.restored(), bench.catalog);
}

#[test]
fn a_move_task_ends_when_each_partition_has_finished() {
    let mut bench = Bench::default();
    bench.create("dead", &[]).unwrap();
    assert_eq!(bench.start(9, 0), Err(Refusal::NoSuchQueue));
    assert_eq!(bench.start(1, 9), Err(Refusal::NoSuchQueue));
    let task = bench.start(1, 0).unwrap().task;
    assert_eq!(bench.start(1, 0), Err(Refusal::TaskActive));
    bench.update(report(task, 1, 5, false)).unwrap();
    bench.update(report(task, 2, 4, true)).unwrap();
    bench.update(report(task, 2, 4, true)).unwrap();
    assert!(!bench.effects.catalog_other, "said before");
    bench.update(report(task, 77, 9, true)).unwrap();
    assert_eq!(bench.catalog.running_move_tasks().len(), 1);
    let row = bench.update(report(task, 1, 6, true)).unwrap();
    assert_eq!((row.status(), row.moved), (Status::Completed, 10));
    assert!(bench.catalog.running_move_tasks().is_empty());
    assert_eq!(bench.restored(), bench.catalog);
}

#[test]
fn a_cancelled_task_waits_for_its_runners() {
    let mut bench = Bench::default();
    bench.create("dead", &[]).unwrap();
    let task = bench.start(1, 0).unwrap().task;
    let cancel = || proto::UpdateMoveTask {
        task,
        cancel: true,
        ..Default::default()
    };
    assert_eq!(bench.update(cancel()).unwrap().status(), Status::Cancelling);
    assert_eq!(bench.update(cancel()), Err(Refusal::TaskNotRunning));
    bench.update(report(task, 1, 1, true)).unwrap();
    let row = bench.update(report(task, 2, 1, true)).unwrap();
    assert_eq!((row.status(), row.moved), (Status::Cancelled, 2));
    assert_eq!(
        bench.update(proto::UpdateMoveTask {
            task: 9,
            ..cancel()
        }),
        Err(Refusal::NoSuchTask)
    );
}

#[test]
fn a_task_fails_with_its_destination_and_goes_with_its_source() {
    let mut bench = Bench::default();
    for name in ["dead", "to"] {
        bench.create(name, &[]).unwrap();
    }
    let task = bench.start(1, 2).unwrap().task;
    bench.delete(2);
    let row = bench.catalog.move_task(task).unwrap();
    assert_eq!(
        (row.status(), &*row.failure_reason),
        (Status::Failed, move_tasks::DESTINATION_GONE)
    );
    bench.delete(1);
    assert_eq!(bench.catalog.move_task(task), None);
    assert_eq!(bench.restored(), bench.catalog);
}

#[test]
fn the_last_ten_tasks_are_kept_newest_first() {
    let mut bench = Bench::default();
    bench.create("dead", &[]).unwrap();
    for _ in 0..12 {
        let task = bench.start(1, 0).unwrap().task;
        bench.update(report(task, 1, 0, true)).unwrap();
        bench.update(report(task, 2, 0, true)).unwrap();
    }
    let kept: Vec<u64> = bench
        .catalog
        .move_tasks(QueueId(1))
        .iter()
        .map(|row| row.task)
        .collect();
    assert_eq!(kept, [12, 11, 10, 9, 8, 7, 6, 5, 4, 3]);
    assert_eq!(bench.catalog.move_task(2), None);
}

#[test]
fn members_come_and_go() {
    let mut bench = Bench::default();
    let member = proto::MemberRow {
        node: 5,
        peer_address: "a:1".into(),
        http_address: "a:2".into(),
        ..proto::MemberRow::default()
    };
    let set = || {
        Kind::SetMember(proto::SetMember {
            member: Some(member.clone()),
        })
    };
    bench.apply(set());
    assert!(bench.effects.catalog_other);
    bench.apply(set());
    assert!(!bench.effects.catalog_other, "nothing changed");
    assert_eq!(bench.catalog.members().collect::<Vec<_>>(), [&member]);
    assert_eq!(bench.restored(), bench.catalog);
    bench.apply(Kind::RemoveMember(proto::RemoveMember { node: 5 }));
    assert_eq!(bench.catalog.member(NodeId(5)), None);
}
