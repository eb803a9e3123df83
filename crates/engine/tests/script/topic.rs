//! Commands on topics.

use levada_engine::proto::{self, command};

use super::{Script, Words, hash, id_of, show_id};

impl Script {
    pub(super) fn topic(&mut self, topic: u64, words: &Words<'_>) -> command::Kind {
        self.versions += 1;
        let config = proto::TopicConfig {
            topic,
            version: words.number("version").unwrap_or(self.versions),
            fifo: words.has("fifo"),
            deduplicate_by_group: words.named.get("scope") == Some(&"group"),
            retention_ms: words.ms("archive").unwrap_or(0),
        };
        command::Kind::ConfigureTopic(proto::ConfigureTopic {
            config: Some(config),
        })
    }

    pub(super) fn publishing(&mut self, topic: u64, words: &Words<'_>) -> command::Kind {
        self.messages += 1;
        let message = proto::PublishedMessage {
            message_id: id_of(self.messages),
            group: words.named.get("group").unwrap_or(&"").to_string(),
            deduplication: hash(words.named.get("dedup")),
            variants: vec![words.plain[3].to_owned().into()],
            destinations: destinations(words).collect(),
        };
        command::Kind::Publish(proto::Publish {
            topic,
            version: words.number("version").unwrap_or(self.versions),
            messages: vec![message],
        })
    }
}

/// The subscription of a queue has its number and a hundred.
fn destinations<'a>(words: &'a Words<'_>) -> impl Iterator<Item = proto::Destination> + 'a {
    let to = words.named.get("to").map(|to| to.split(','));
    to.into_iter().flatten().map(|to| {
        let (queue, partition) = to.split_once('@').expect("QUEUE@PARTITION");
        let queue: u64 = queue.parse().expect("a queue");
        proto::Destination {
            queue,
            partition: partition.parse().expect("a partition"),
            suffix: format!("+{queue}").into(),
            subscription: queue + 100,
            replay: words.number("replay").unwrap_or(0),
            ..Default::default()
        }
    })
}

pub(super) fn replaying(topic: u64, words: &Words<'_>) -> command::Kind {
    let positions = words.named.get("at").map(|at| at.split(','));
    let messages = positions
        .into_iter()
        .flatten()
        .map(|position| proto::ReplayedMessage {
            position: position.parse().expect("a position"),
            destination: destinations(words).next(),
        });
    command::Kind::Replay(proto::Replay {
        topic,
        subscription: words.plain[3].parse().expect("a subscription"),
        replay: words.number("number").unwrap_or(1),
        begin_at: words.number("begin"),
        after: words.number("after").unwrap_or(0),
        messages: messages.collect(),
        through: words.number("through").unwrap_or(0),
        forget: words.has("forget"),
    })
}

pub(super) fn show_published(outcome: &proto::PublishOutcome) -> Vec<String> {
    match outcome.status() {
        proto::PublishStatus::Stale => return vec!["stale".into()],
        proto::PublishStatus::Full => return vec!["full".into()],
        proto::PublishStatus::Done => {}
    }
    let show = |published: &proto::Published| {
        let id = show_id(&published.message_id);
        match published.duplicate {
            true => format!("duplicate of {id} at {}", published.position),
            false => format!("{id} at {}", published.position),
        }
    };
    outcome.published.iter().map(show).collect()
}

pub(super) fn show_replay(replay: &proto::ReplayOutcome) -> String {
    let status = &replay.status().as_str_name()["REPLAY_STATUS_".len()..];
    format!(
        "{status}, next {}, live from {}",
        replay.next, replay.live_from
    )
}
