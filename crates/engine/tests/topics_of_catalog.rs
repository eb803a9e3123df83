//! Topics and subscriptions at random, against a naive model: a list of rows.

#[expect(dead_code, reason = "properties.rs uses the rest")]
mod support;

use levada_engine::Catalog;
use levada_engine::proto::{
    self, CatalogRefusal as Refusal, SubscriptionRow, TopicRow, catalog, catalog_outcome, command,
    outcome,
};
use levada_types::{PartitionId, Timestamp};
use proptest::prelude::*;
use support::Node;

const REGION: &str = "r";

#[derive(Clone, Debug)]
enum Op {
    Create {
        account: u8,
        name: u8,
    },
    SetTopic {
        pick: usize,
        is_stale: bool,
    },
    DropTopic {
        pick: usize,
    },
    Subscribe {
        pick: usize,
        account: u8,
        endpoint: u8,
        confirmed: bool,
        is_pushed: bool,
    },
    Change {
        pick: usize,
        is_stale: bool,
        confirms: bool,
        is_replayed: bool,
    },
    Unsubscribe {
        pick: usize,
        is_stale: bool,
    },
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let pick = || 0..40_usize;
    let stale = || prop::bool::weighted(0.2);
    let op = prop_oneof![
        3 => (0..3_u8, 0..4_u8).prop_map(|(account, name)| Op::Create { account, name }),
        1 => (pick(), stale()).prop_map(|(pick, is_stale)| Op::SetTopic { pick, is_stale }),
        1 => pick().prop_map(|pick| Op::DropTopic { pick }),
        8 => (pick(), 0..3_u8, 0..6_u8, any::<bool>(), any::<bool>()).prop_map(
            |(pick, account, endpoint, confirmed, is_pushed)| Op::Subscribe { pick, account, endpoint, confirmed, is_pushed }
        ),
        3 => (pick(), stale(), any::<bool>(), any::<bool>()).prop_map(
            |(pick, is_stale, confirms, is_replayed)| Op::Change { pick, is_stale, confirms, is_replayed }
        ),
        2 => (pick(), stale()).prop_map(|(pick, is_stale)| Op::Unsubscribe { pick, is_stale }),
    ];
    prop::collection::vec(op, 1..80)
}

struct World {
    node: Node,
    at_ms: u64,
    topics: Vec<TopicRow>,
    subscriptions: Vec<SubscriptionRow>,
    next: u64,
    tokens: u64,
}

type Answer = Result<catalog_outcome::Kind, Refusal>;

impl World {
    fn new() -> Self {
        Self {
            node: Node::new(0),
            at_ms: 0,
            topics: Vec::new(),
            subscriptions: Vec::new(),
            next: 1,
            tokens: 0,
        }
    }

    fn apply(&mut self, kind: catalog::Kind) -> Answer {
        self.at_ms += 1;
        let at = Timestamp::from_millis(self.at_ms);
        let command = command::Kind::Catalog(proto::Catalog { kind: Some(kind) });
        let outcome::Kind::Catalog(outcome) = self.node.one(at, command) else {
            panic!("not the catalog");
        };
        match outcome.kind.expect("an answer") {
            catalog_outcome::Kind::Refusal(why) => Err(Refusal::try_from(why).expect("a refusal")),
            kind => Ok(kind),
        }
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    fn token(&mut self, confirmed: bool) -> bytes::Bytes {
        self.tokens += 1;
        let token = u128::from(self.tokens).to_be_bytes().to_vec();
        if confirmed { Vec::new() } else { token }.into()
    }

    fn step(&mut self, op: &Op) {
        match *op {
            Op::Create { account, name } => self.create(account, name),
            Op::SetTopic { pick, is_stale } => self.set_topic(pick, is_stale),
            Op::DropTopic { pick } => self.drop_topic(pick),
            Op::Subscribe {
                pick,
                account,
                endpoint,
                confirmed,
                is_pushed,
            } => self.subscribe(pick, account, endpoint, confirmed, is_pushed),
            Op::Change {
                pick,
                is_stale,
                confirms,
                is_replayed,
            } => self.change(pick, is_stale, confirms, is_replayed),
            Op::Unsubscribe { pick, is_stale } => self.unsubscribe(pick, is_stale),
        }
        self.compare();
    }

    fn create(&mut self, account: u8, name: u8) {
        let row = TopicRow {
            account: account.to_string(),
            region: REGION.into(),
            name: format!("topic-{name}"),
            partitions: vec![1, 2],
            ..TopicRow::default()
        };
        let is_taken = self
            .topics
            .iter()
            .any(|topic| (&topic.account, &topic.name) == (&row.account, &row.name));
        let set = proto::SetTopic {
            row: Some(row.clone()),
            if_version: 0,
        };
        let answer = self.apply(catalog::Kind::SetTopic(set));
        if is_taken {
            assert_eq!(answer, Err(Refusal::TopicExists));
            return;
        }
        let row = TopicRow {
            topic: self.number(),
            version: 1,
            created_at: self.at_ms,
            ..row
        };
        assert_eq!(answer, Ok(catalog_outcome::Kind::Topic(row.clone())));
        self.topics.push(row);
    }

    fn pick_topic(&self, pick: usize) -> Option<usize> {
        (!self.topics.is_empty()).then(|| pick % self.topics.len())
    }

    fn pick_subscription(&self, pick: usize) -> Option<usize> {
        (!self.subscriptions.is_empty()).then(|| pick % self.subscriptions.len())
    }

    fn set_topic(&mut self, pick: usize, is_stale: bool) {
        let Some(place) = self.pick_topic(pick) else {
            return;
        };
        let old = self.topics[place].clone();
        let mut row = old.clone();
        row.attributes.insert("at".into(), self.at_ms.to_string());
        // What may not change does not.
        row.name = "other".into();
        let set = proto::SetTopic {
            row: Some(row.clone()),
            if_version: if is_stale {
                old.version + 1
            } else {
                old.version
            },
        };
        let answer = self.apply(catalog::Kind::SetTopic(set));
        if is_stale {
            assert_eq!(answer, Err(Refusal::Changed));
            return;
        }
        row.name = old.name;
        row.version += 1;
        assert_eq!(answer, Ok(catalog_outcome::Kind::Topic(row.clone())));
        self.topics[place] = row;
    }

    fn drop_topic(&mut self, pick: usize) {
        let Some(place) = self.pick_topic(pick) else {
            return;
        };
        let topic = self.topics.remove(place).topic;
        self.subscriptions.retain(|row| row.topic != topic);
        let drop = proto::DropTopic {
            topic,
            if_version: 0,
        };
        assert!(self.apply(catalog::Kind::DropTopic(drop)).is_ok());
    }

    fn subscribe(
        &mut self,
        pick: usize,
        account: u8,
        endpoint: u8,
        confirmed: bool,
        is_pushed: bool,
    ) {
        let topic = self
            .pick_topic(pick)
            .map_or(999, |place| self.topics[place].topic);
        let row = SubscriptionRow {
            topic,
            account: account.to_string(),
            protocol: "https".into(),
            endpoint: format!("https://{endpoint}"),
            attributes: [("FilterPolicy".into(), "{}".into())].into(),
            token: self.token(confirmed),
            ..SubscriptionRow::default()
        };
        let set = proto::SetSubscription {
            row: Some(row.clone()),
            if_version: 0,
            delivery: is_pushed.then(|| proto::DeliveryQueue {
                partitions: vec![1],
                ..Default::default()
            }),
        };
        let answer = self.apply(catalog::Kind::SetSubscription(set));
        let Some(place) = self.topics.iter().position(|row| row.topic == topic) else {
            assert_eq!(answer, Err(Refusal::NoSuchTopic));
            return;
        };
        let alike = |old: &&SubscriptionRow| old.topic == topic && old.endpoint == row.endpoint;
        if let Some(old) = self.subscriptions.iter().find(alike) {
            assert_eq!(answer, Ok(outcome_of(old, true)));
            return;
        }
        self.topics[place].version += 1;
        let row = SubscriptionRow {
            subscription: self.number(),
            version: self.topics[place].version,
            created_at: self.at_ms,
            queue: if is_pushed { self.number() } else { 0 },
            ..row
        };
        assert_eq!(answer, Ok(outcome_of(&row, false)));
        self.subscriptions.push(row);
    }

    fn change(&mut self, pick: usize, is_stale: bool, confirms: bool, is_replayed: bool) {
        let Some(place) = self.pick_subscription(pick) else {
            return;
        };
        let old = self.subscriptions[place].clone();
        let mut row = old.clone();
        if confirms {
            row.token = bytes::Bytes::new();
            row.confirmed_by_owner = true;
        }
        row.attributes = [("RawMessageDelivery".into(), self.at_ms.to_string())].into();
        if is_replayed {
            row.replay += 1;
        }
        row.endpoint = "other".into();
        let set = proto::SetSubscription {
            row: Some(row.clone()),
            if_version: if is_stale {
                old.version + 1
            } else {
                old.version
            },
            delivery: None,
        };
        let answer = self.apply(catalog::Kind::SetSubscription(set));
        if is_stale {
            assert_eq!(answer, Err(Refusal::Changed));
            return;
        }
        row.endpoint = old.endpoint;
        row.version = self.touch(old.topic, false);
        if is_replayed {
            row.replay = row.version;
        }
        assert_eq!(answer, Ok(outcome_of(&row, false)));
        self.subscriptions[place] = row;
    }

    fn unsubscribe(&mut self, pick: usize, is_stale: bool) {
        let Some(place) = self.pick_subscription(pick) else {
            return;
        };
        let old = self.subscriptions[place].clone();
        let drop = proto::DropSubscription {
            subscription: old.subscription,
            if_version: if is_stale { old.version + 1 } else { 0 },
        };
        let answer = self.apply(catalog::Kind::DropSubscription(drop));
        if is_stale {
            assert_eq!(answer, Err(Refusal::Changed));
            return;
        }
        assert!(answer.is_ok());
        self.subscriptions.remove(place);
        self.touch(old.topic, true);
    }

    fn touch(&mut self, topic: u64, is_deleted: bool) -> u64 {
        let row = self.topics.iter_mut().find(|row| row.topic == topic);
        let row = row.expect("of a subscription");
        row.version += 1;
        row.subscriptions_deleted += u64::from(is_deleted);
        row.version
    }

    fn compare(&self) {
        let catalog = self.node.partition.catalog().expect("partition 0 has it");
        for account in ["0", "1", "2"] {
            self.compare_topics(catalog, account);
            let mut owned: Vec<&SubscriptionRow> = self.subscriptions.iter().collect();
            owned.retain(|row| row.account == account);
            let page = |after: u64| {
                let page = catalog.subscriptions_of_account(account, REGION, after, 2);
                page.into_iter().map(|found| found.to_row()).collect()
            };
            assert_eq!(all(page).iter().collect::<Vec<_>>(), owned);
        }
        let queues = self.subscriptions.iter().filter(|row| row.queue != 0);
        assert_eq!(catalog.queues().count(), queues.count());
        let parts = catalog.parts_in(PartitionId(2));
        assert_eq!(parts, self.topics.len());
        let before = self.at_ms / 2;
        let old = catalog.subscriptions_pending_since(Timestamp::from_millis(before), 1_000);
        let old: Vec<u64> = old.into_iter().map(|found| found.number).collect();
        let pending = self
            .subscriptions
            .iter()
            .filter(|row| !row.token.is_empty());
        let pending = pending.filter(|row| row.created_at < before);
        assert_eq!(old, pending.map(|row| row.subscription).collect::<Vec<_>>());
        for topic in &self.topics {
            self.compare_subscriptions(catalog, topic.topic);
        }
        for row in &self.subscriptions {
            let found = catalog.subscription_of(row.topic, &row.protocol, &row.endpoint);
            assert_eq!(found.map(|found| found.to_row()).as_ref(), Some(row));
            let found = catalog.subscription_by_token(&row.token);
            let expected = (!row.token.is_empty()).then_some(row.subscription);
            assert_eq!(found.map(|found| found.number), expected);
        }
    }

    fn compare_topics(&self, catalog: &Catalog, account: &str) {
        let mut expected: Vec<&TopicRow> = self.topics.iter().collect();
        expected.retain(|row| row.account == account);
        expected.sort_by_key(|row| &row.name);
        let mut after = None;
        let mut found = Vec::new();
        loop {
            let page = catalog.topics_after(account, REGION, after, 2);
            let Some(last) = page.last() else { break };
            after = Some(last.name.as_str());
            found.extend(page);
        }
        assert_eq!(found, expected);
        for row in expected {
            let found = catalog.topic_by_name(account, REGION, &row.name);
            assert_eq!(found, Some(row));
        }
    }

    fn compare_subscriptions(&self, catalog: &Catalog, topic: u64) {
        let mut expected: Vec<&SubscriptionRow> = self.subscriptions.iter().collect();
        expected.retain(|row| row.topic == topic);
        let page = |after: u64| {
            let page = catalog.subscriptions_of_topic(topic, after, 2);
            page.into_iter().map(|found| found.to_row()).collect()
        };
        assert_eq!(all(page).iter().collect::<Vec<_>>(), expected);
        let counts = catalog.subscription_counts(topic);
        let pending = expected.iter().filter(|row| !row.token.is_empty()).count();
        assert_eq!(counts.pending, pending);
        assert_eq!(counts.confirmed, expected.len() - pending);
    }
}

fn outcome_of(row: &SubscriptionRow, existed: bool) -> catalog_outcome::Kind {
    catalog_outcome::Kind::Subscription(proto::SubscriptionOutcome {
        row: Some(row.clone()),
        existed,
    })
}

/// Every page, one after the other.
fn all(page: impl Fn(u64) -> Vec<SubscriptionRow>) -> Vec<SubscriptionRow> {
    let mut found: Vec<SubscriptionRow> = Vec::new();
    loop {
        let more = page(found.last().map_or(0, |row| row.subscription));
        if more.is_empty() {
            return found;
        }
        found.extend(more);
    }
}

proptest! {
    #[test]
    fn the_catalog_has_what_the_model_has(ops in ops()) {
        let mut world = World::new();
        for op in &ops {
            world.step(op);
        }
    }
}
