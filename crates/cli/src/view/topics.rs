//! `levada topics`: topics, who has subscribed to them, and what waits for each subscription.

use std::fmt::Write as _;
use std::io::Write as _;

use clap::Subcommand;
use serde_json::{Value, json};

use super::{
    VALUE_CHARS_MAX, age, ago, explain_unknown, figure, heads, kind, pages, shown, write_values,
};
use crate::api::Who;
use crate::client::Error;
use crate::cluster::{At, align, list, text};
use crate::words::one_line;

/// Characters of an endpoint that people are shown.
const ENDPOINT_CHARS_MAX: usize = 100;

/// What can be asked of topics.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Every topic, and how many have subscribed to it.
    #[command(after_help = "\
Examples:
  levada topics list
  AWS_REGION=eu-west-1 levada topics list --json")]
    List {
        #[command(flatten)]
        at: At,
        #[command(flatten)]
        who: Who,
    },
    /// One topic: its subscriptions, whether they are confirmed, their filters, what waits for them, and why.
    #[command(after_help = "\
Examples:
  levada topics show orders
  levada topics show orders --json | jq '.subscriptions[] | select(.backlog > 100)'

What is for a queue goes there at once, and has no backlog here: look at the queue. The last error is the last attempt to deliver
that failed, as the nodes know it that lead now.")]
    Show {
        /// The topic's name.
        name: String,
        #[command(flatten)]
        at: At,
        #[command(flatten)]
        who: Who,
    },
}

/// Runs a command.
pub(crate) async fn run(command: Command) -> Result<(), Error> {
    let out = match command {
        Command::List { at, who } => {
            let document = pages(&at, &who, "topics/list", "topics", &json!({})).await?;
            shown(&at, &document, table)
        }
        Command::Show { name, at, who } => {
            let question = json!({ "name": name });
            let document = pages(&at, &who, "topics/show", "subscriptions", &question).await?;
            shown(&at, &document, page)
        }
    };
    std::io::stdout().write_all(out.as_bytes())?;
    Ok(())
}

fn table(document: &Value) -> String {
    let mut rows = vec![heads(["topic", "kind", "subscriptions", "pending"])];
    rows.extend(list(&document["topics"]).map(|topic| {
        vec![
            text(&topic["name"]),
            kind(topic).to_owned(),
            text(&topic["confirmed"]),
            text(&topic["pending"]),
        ]
    }));
    let mut out = String::new();
    align(&mut out, &rows);
    out
}

fn page(document: &Value) -> String {
    let mut out = String::new();
    // Writing to a String does not fail.
    let _ = writeln!(
        out,
        "{}, a {} topic of account {} in {}",
        text(&document["name"]),
        kind(document),
        text(&document["account"]),
        text(&document["region"])
    );
    let made = ago(document, &document["created_at_ms"]).unwrap_or_default();
    let _ = writeln!(
        out,
        "made {made}; {} subscriptions, {} wait to be confirmed, {} were deleted",
        document["confirmed"], document["pending"], document["deleted"]
    );
    let mut rows = vec![heads([
        "protocol",
        "endpoint",
        "state",
        "backlog",
        "oldest",
        "filter",
        "last error",
    ])];
    rows.extend(list(&document["subscriptions"]).map(|subscription| {
        let is_confirmed = subscription["confirmed"] == true;
        let backlog = if subscription["is_pushed"] == true {
            figure(&subscription["backlog"])
        } else {
            "-".to_owned()
        };
        vec![
            one_line(&text(&subscription["protocol"]), ENDPOINT_CHARS_MAX),
            one_line(&text(&subscription["endpoint"]), ENDPOINT_CHARS_MAX),
            if is_confirmed { "confirmed" } else { "pending" }.to_owned(),
            backlog,
            age(&subscription["oldest_age_ms"]),
            one_line(&text(&subscription["filter"]), VALUE_CHARS_MAX),
            last_error(document, &subscription["last_error"]),
        ]
    }));
    if rows.len() > 1 {
        out.push('\n');
        align(&mut out, &rows);
    }
    write_values(&mut out, document);
    explain_unknown(&mut out, &rows);
    out
}

/// When a delivery last failed, whether one has succeeded after it, and what was said.
fn last_error(document: &Value, error: &Value) -> String {
    let Some(ago) = ago(document, &error["at_ms"]) else {
        return "-".to_owned();
    };
    let mut out = ago;
    if error["delivered_since"] == true {
        out.push_str(", delivered since");
    }
    out.push(':');
    for said in [&error["status"], &error["detail"]] {
        let said = if said.is_null() {
            String::new()
        } else {
            text(said)
        };
        if !said.is_empty() {
            out.push(' ');
            out.push_str(&one_line(&said, VALUE_CHARS_MAX));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_read_as_a_table() {
        let document = json!({ "topics": [{ "name": "orders.fifo", "fifo": true, "confirmed": 3, "pending": 1 }]});
        let expected = "\
topic        kind  subscriptions  pending
orders.fifo  FIFO  3              1
";
        assert_eq!(table(&document), expected);
    }

    #[test]
    fn a_topic_reads_as_a_page() {
        let document = json!({
            "name": "orders", "fifo": false, "account": "000000000000", "region": "us-east-1", "at_ms": 100_000,
            "created_at_ms": 0, "confirmed": 2, "pending": 1, "deleted": 0, "attributes": { "DisplayName": "Orders" }, "tags": {},
            "subscriptions": [
                { "protocol": "sqs", "endpoint": "arn:q", "confirmed": true, "is_pushed": false, "backlog": null,
                  "oldest_age_ms": null, "filter": "{\"a\":[1]}" },
                { "protocol": "https", "endpoint": "https://a/\u{1b}b", "confirmed": false, "is_pushed": true, "backlog": 4,
                  "oldest_age_ms": 61_000, "filter": null,
                  "last_error": { "at_ms": 88_000, "status": 503, "detail": "busy\u{1b}", "delivered_since": false } },
                { "protocol": "https", "endpoint": "https://c", "confirmed": true, "is_pushed": true, "backlog": null,
                  "oldest_age_ms": null, "filter": null,
                  "last_error": { "at_ms": 90_000, "status": null, "detail": "no TLS", "delivered_since": true } },
            ],
        });
        let expected = "\
orders, a standard topic of account 000000000000 in us-east-1
made 100 s ago; 2 subscriptions, 1 wait to be confirmed, 0 were deleted

protocol  endpoint           state      backlog  oldest  filter     last error
sqs       arn:q              confirmed  -        -       {\"a\":[1]}  -
https     https://a/\\u{1b}b  pending    4        61 s    -          12 s ago: 503 busy\\u{1b}
https     https://c          confirmed  ?        -       -          10 s ago, delivered since: no TLS

attribute    value
DisplayName  Orders

? The leader of a partition does not answer; `levada cluster status` shows which.
";
        assert_eq!(page(&document), expected);
    }
}
