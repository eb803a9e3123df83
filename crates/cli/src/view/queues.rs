//! `levada queues`: what waits in which queue, for how long, and which messages those are.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;

use clap::Subcommand;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    UNKNOWN, VALUE_CHARS_MAX, age, ago, ask, explain_unknown, figure, heads, kind, pages, shown,
    write_values,
};
use crate::api::{Api, SQS, Who};
use crate::client::Error;
use crate::cluster::{At, align, list, text};
use crate::words::{one_line, printable};

/// For how long `--rates` watches.
const RATES_OVER: Duration = Duration::from_secs(1);
/// Characters of a body that people are shown.
const BODY_CHARS_MAX: usize = 2_000;
/// Attributes of SQS that are told elsewhere in what is shown.
const TOLD_ELSEWHERE: [&str; 6] = [
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
    "CreatedTimestamp",
    "LastModifiedTimestamp",
    "QueueArn",
];

/// What can be asked of queues.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Every queue, or those whose names begin with PREFIX: what waits there, for how long, and where dead letters go.
    #[command(after_help = "\
Examples:
  levada queues list
  levada queues list orders- --rates             two looks, a second apart
  AWS_REGION=eu-west-1 levada queues list --json | jq '.queues[] | select(.waiting > 1000)'

`out` counts what has left a queue, however: deleted, expired, moved, or dead.")]
    List {
        /// What the names begin with.
        prefix: Option<String>,
        /// Tell how many messages come and go in a second.
        #[arg(long)]
        rates: bool,
        #[command(flatten)]
        at: At,
        #[command(flatten)]
        who: Who,
    },
    /// One queue: its attributes, its dead letters, and what each partition holds of it.
    #[command(after_help = "\
Example:
  levada queues show orders")]
    Show {
        /// The queue's name.
        name: String,
        #[command(flatten)]
        at: At,
        #[command(flatten)]
        who: Who,
    },
    /// Messages that wait in a queue, the oldest first, as they are: none is claimed, and no receive is counted.
    #[command(after_help = "\
Examples:
  levada queues peek orders-dead
  levada queues peek orders --count 100 --json | jq '.messages[].body'
  levada queues peek orders --after 3:12,5:40    goes on where an earlier look ended

What is claimed or delayed is not shown. The order is that of sending, and not always that in which consumers are served.")]
    Peek {
        /// The queue's name.
        name: String,
        /// How many messages, 100 at most.
        #[arg(long, default_value_t = 10)]
        count: usize,
        /// Where an earlier look ended, as it said.
        #[arg(long, value_name = "PLACE")]
        after: Option<String>,
        #[command(flatten)]
        at: At,
        #[command(flatten)]
        who: Who,
    },
}

/// Runs a command.
pub(crate) async fn run(command: Command) -> Result<(), Error> {
    let out = match command {
        Command::List {
            prefix,
            rates,
            at,
            who,
        } => {
            let document = all(&at, &who, prefix.as_deref(), rates).await?;
            shown(&at, &document, table)
        }
        Command::Show { name, at, who } => {
            let mut document = ask(&at, &who, "queues/show", json!({ "name": name })).await?;
            document["attributes"] = attributes(&at, &who, &name).await?;
            shown(&at, &document, page)
        }
        Command::Peek {
            name,
            count,
            after,
            at,
            who,
        } => {
            let question = json!({ "name": name, "count": count, "after": after });
            let document = ask(&at, &who, "queues/peek", question).await?;
            shown(&at, &document, messages)
        }
    };
    std::io::stdout().write_all(out.as_bytes())?;
    Ok(())
}

/// Every queue, with rates if they are wanted.
async fn all(at: &At, who: &Who, prefix: Option<&str>, rates: bool) -> Result<Value, Error> {
    let more = json!({ "prefix": prefix });
    let mut document = pages(at, who, "queues/list", "queues", &more).await?;
    if rates {
        let before: BTreeMap<String, Value> = list(&document["queues"])
            .map(|queue| (text(&queue["name"]), queue.clone()))
            .collect();
        let began = Instant::now();
        tokio::time::sleep(RATES_OVER).await;
        document = pages(at, who, "queues/list", "queues", &more).await?;
        let secs = began.elapsed().as_secs_f64();
        for queue in document["queues"].as_array_mut().into_iter().flatten() {
            let found = before.get(&text(&queue["name"]));
            let rates = found.and_then(|before| rates_between(before, queue));
            queue["in_per_s"] = json!(rates.map(|(taken, _)| taken as f64 / secs));
            queue["out_per_s"] = json!(rates.map(|(_, gone)| gone as f64 / secs));
        }
    }
    Ok(document)
}

/// How many messages came between two looks, and how many left.
fn rates_between(before: &Value, now: &Value) -> Option<(u64, u64)> {
    let held = |queue: &Value| {
        let of = |key: &str| queue[key].as_u64();
        Some(of("waiting")? + of("in_flight")? + of("delayed")?)
    };
    // Less than before: a queue of this name was made anew.
    let taken = now["taken"]
        .as_u64()?
        .checked_sub(before["taken"].as_u64()?)?;
    let gone = (held(before)? + taken).saturating_sub(held(now)?);
    Some((taken, gone))
}

fn table(document: &Value) -> String {
    let has_rates = list(&document["queues"]).any(|queue| queue.get("in_per_s").is_some());
    let mut rows = vec![heads([
        "queue",
        "waiting",
        "in flight",
        "delayed",
        "oldest",
    ])];
    if has_rates {
        rows[0].extend(heads(["in/s", "out/s"]));
    }
    rows[0].extend(heads(["dead letters to", "dead"]));
    rows.extend(list(&document["queues"]).map(|queue| {
        let mut row = vec![text(&queue["name"])];
        row.extend(figures(queue));
        if has_rates {
            row.extend(["in_per_s", "out_per_s"].map(|key| per_second(&queue[key])));
        }
        let dead_letters = &queue["dead_letters"];
        row.push(text(&dead_letters["queue"]));
        row.push(match dead_letters["exists"].as_bool() {
            Some(true) => figure(&dead_letters["messages"]),
            Some(false) => "no such queue".to_owned(),
            None => "-".to_owned(),
        });
        row
    }));
    let mut out = String::new();
    align(&mut out, &rows);
    explain_unknown(&mut out, &rows);
    out
}

fn figures(holds: &Value) -> [String; 4] {
    [
        figure(&holds["waiting"]),
        figure(&holds["in_flight"]),
        figure(&holds["delayed"]),
        age(&holds["oldest_age_ms"]),
    ]
}

fn per_second(rate: &Value) -> String {
    match rate.as_f64() {
        None => UNKNOWN.to_owned(),
        Some(rate) if rate < 10.0 => format!("{rate:.1}"),
        Some(rate) => format!("{rate:.0}"),
    }
}

/// A queue's attributes with what is in force where nothing was set.
async fn attributes(at: &At, who: &Who, name: &str) -> Result<Value, Error> {
    let mut sqs = Api::connect(at, who, SQS).await?;
    let request = json!({ "QueueUrl": name, "AttributeNames": ["All"] });
    let mut answer = sqs.call("GetQueueAttributes", &request).await?;
    let mut attributes = answer["Attributes"].take();
    if let Some(attributes) = attributes.as_object_mut() {
        attributes.retain(|name, _| !TOLD_ELSEWHERE.contains(&name.as_str()));
    }
    Ok(attributes)
}

fn page(document: &Value) -> String {
    let mut out = String::new();
    let [waiting, in_flight, delayed, oldest] = figures(document);
    // Writing to a String does not fail.
    let _ = writeln!(
        out,
        "{}, a {} queue of account {} in {}",
        text(&document["name"]),
        kind(document),
        text(&document["account"]),
        text(&document["region"])
    );
    let made = ago(document, &document["created_at_ms"]).unwrap_or_default();
    let changed = ago(document, &document["modified_at_ms"]).unwrap_or_default();
    let _ = writeln!(out, "made {made}, changed {changed}");
    let _ = writeln!(
        out,
        "{waiting} waiting, the oldest for {oldest}; {in_flight} in flight, {delayed} delayed"
    );
    let dead_letters = &document["dead_letters"];
    if dead_letters.is_object() {
        let there = if dead_letters["exists"] == true {
            format!("which holds {}", figure(&dead_letters["messages"]))
        } else {
            "which does not exist: messages stay here".to_owned()
        };
        let _ = writeln!(
            out,
            "after {} receives a message goes to {}, {there}",
            text(&dead_letters["receive_count_max"]),
            text(&dead_letters["queue"])
        );
    }
    let sources: Vec<String> = list(&document["dead_letters_of"]).map(text).collect();
    if !sources.is_empty() {
        let _ = writeln!(out, "takes the dead letters of {}", sources.join(", "));
    }
    let mut rows = vec![heads([
        "partition",
        "leader",
        "waiting",
        "in flight",
        "delayed",
        "oldest",
        "ever taken",
    ])];
    rows.extend(list(&document["partitions"]).map(|part| {
        let mut row = vec![text(&part["partition"]), text(&part["leader"])];
        row.extend(figures(part));
        row.push(figure(&part["taken"]));
        row
    }));
    out.push('\n');
    align(&mut out, &rows);
    write_values(&mut out, document);
    explain_unknown(&mut out, &rows);
    out
}

fn messages(document: &Value) -> String {
    let mut out = String::new();
    for message in list(&document["messages"]) {
        write_message(&mut out, document, message);
    }
    // Writing to a String does not fail.
    if list(&document["messages"]).next().is_none() {
        let _ = writeln!(out, "nothing waits in {}", text(&document["queue"]));
    }
    let silent: Vec<String> = list(&document["silent_partitions"]).map(text).collect();
    if !silent.is_empty() {
        let _ = writeln!(
            out,
            "What partition {} holds is missing: no leader answers.",
            silent.join(" and ")
        );
    }
    if document["more"] == true {
        let _ = writeln!(out, "There is more: --after {}", text(&document["after"]));
    }
    out
}

fn write_message(out: &mut String, document: &Value, message: &Value) {
    let mut facts = Vec::new();
    if let Some(sent) = ago(document, &message["sent_at_ms"]) {
        facts.push(format!("sent {sent}"));
    }
    facts.push(match message["receive_count"].as_u64() {
        Some(0) | None => "never received".to_owned(),
        Some(1) => "received once".to_owned(),
        Some(count) => format!("received {count} times"),
    });
    if let Some(first) = ago(document, &message["first_received_at_ms"]) {
        facts.push(format!("first {first}"));
    }
    let place = format!(
        "partition {}, position {}",
        message["partition"], message["position"]
    );
    facts.push(place);
    let id = message["message_id"].as_str().unwrap_or("unreadable");
    // Writing to a String does not fail.
    let _ = writeln!(out, "{id}  {}", facts.join(", "));
    for (words, key) in [
        ("group", "group"),
        ("deduplication id", "deduplication_id"),
        ("sequence number", "sequence_number"),
        ("sender", "sender_id"),
        ("trace", "trace_header"),
        ("died in", "dead_letter_source"),
        ("unreadable", "error"),
    ] {
        if let Some(value) = message[key].as_str() {
            let _ = writeln!(out, "  {words}: {}", one_line(value, VALUE_CHARS_MAX));
        }
    }
    for (name, value) in message["attributes"].as_object().into_iter().flatten() {
        let shown = value["value"].as_str().or(value["base64"].as_str());
        let _ = writeln!(
            out,
            "  {} ({}): {}",
            one_line(name, VALUE_CHARS_MAX),
            one_line(&text(&value["type"]), VALUE_CHARS_MAX),
            one_line(shown.unwrap_or_default(), VALUE_CHARS_MAX)
        );
    }
    if let Some(body) = message["body"].as_str() {
        for line in printable(body, BODY_CHARS_MAX).lines() {
            let _ = writeln!(out, "    {line}");
        }
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_read_as_a_table() {
        let document = json!({ "queues": [
            { "name": "orders", "waiting": 1200, "in_flight": 3, "delayed": 0, "oldest_age_ms": 61_000, "taken": 9,
              "dead_letters": { "queue": "dead", "exists": true, "messages": 7 } },
            { "name": "lost", "waiting": null, "in_flight": null, "delayed": null, "oldest_age_ms": null, "taken": null,
              "dead_letters": { "queue": "gone", "exists": false, "messages": null } },
            { "name": "plain", "waiting": 0, "in_flight": 0, "delayed": 0, "oldest_age_ms": null, "taken": 9,
              "dead_letters": null },
        ]});
        let expected = "\
queue   waiting  in flight  delayed  oldest  dead letters to  dead
orders  1200     3          0        61 s    dead             7
lost    ?        ?          ?        -       gone             no such queue
plain   0        0          0        -       -                -

? The leader of a partition does not answer; `levada cluster status` shows which.
";
        assert_eq!(table(&document), expected);
        let with_rates = json!({ "queues": [{ "name": "q", "waiting": 0, "in_flight": 0, "delayed": 0,
            "oldest_age_ms": null, "in_per_s": 2.26, "out_per_s": 1234.5 }]});
        let expected = "\
queue  waiting  in flight  delayed  oldest  in/s  out/s  dead letters to  dead
q      0        0          0        -       2.3   1234   -                -
";
        assert_eq!(table(&with_rates), expected);
    }

    #[test]
    fn two_looks_tell_what_came_and_what_left() {
        let look = |taken: u64, waiting: u64| json!({ "taken": taken, "waiting": waiting, "in_flight": 2, "delayed": 1 });
        assert_eq!(rates_between(&look(10, 5), &look(14, 6)), Some((4, 3)));
        assert_eq!(rates_between(&look(10, 5), &look(10, 5)), Some((0, 0)));
        assert_eq!(
            rates_between(&look(10, 5), &look(3, 0)),
            None,
            "made anew meanwhile"
        );
        let unknown = json!({ "taken": null });
        assert_eq!(rates_between(&look(10, 5), &unknown), None);
    }

    #[test]
    fn a_message_is_told_in_words() {
        let document = json!({
            "queue": "orders", "at_ms": 100_000, "more": true, "after": "3:8", "silent_partitions": [4],
            "messages": [
                { "partition": 3, "position": 7, "message_id": "8a-7f", "sent_at_ms": 70_000, "receive_count": 2,
                  "first_received_at_ms": 99_500, "group": "g", "body": "one\n\u{1b}two",
                  "attributes": { "n": { "type": "Number", "value": "1" }, "b": { "type": "Binary", "base64": "/w==" } } },
                { "partition": 3, "position": 8, "receive_count": 0, "first_received_at_ms": null, "error": "it is damaged" },
            ],
        });
        let expected = "\
8a-7f  sent 30 s ago, received 2 times, first 500 ms ago, partition 3, position 7
  group: g
  b (Binary): /w==
  n (Number): 1
    one
    \\u{1b}two

unreadable  never received, partition 3, position 8
  unreadable: it is damaged

What partition 4 holds is missing: no leader answers.
There is more: --after 3:8
";
        assert_eq!(messages(&document), expected);
        let empty = json!({ "queue": "orders", "messages": [], "more": false });
        assert_eq!(messages(&empty), "nothing waits in orders\n");
    }

    #[test]
    fn a_queue_reads_as_a_page() {
        let document = json!({
            "name": "orders", "fifo": false, "account": "000000000000", "region": "us-east-1", "at_ms": 100_000,
            "created_at_ms": 0, "modified_at_ms": 90_000, "waiting": 2, "in_flight": 1, "delayed": 0, "oldest_age_ms": 5_000,
            "dead_letters": { "queue": "dead", "exists": true, "messages": 4, "receive_count_max": 5 },
            "dead_letters_of": [],
            "partitions": [{ "partition": 3, "leader": "n1", "waiting": 2, "in_flight": 1, "delayed": 0, "oldest_age_ms": 5_000, "taken": 9 }],
            "attributes": { "VisibilityTimeout": "30" }, "tags": {},
        });
        let expected = "\
orders, a standard queue of account 000000000000 in us-east-1
made 100 s ago, changed 10 s ago
2 waiting, the oldest for 5000 ms; 1 in flight, 0 delayed
after 5 receives a message goes to dead, which holds 4

partition  leader  waiting  in flight  delayed  oldest   ever taken
3          n1      2        1          0        5000 ms  9

attribute          value
VisibilityTimeout  30
";
        assert_eq!(page(&document), expected);
    }
}
