//! Requests made once and stamped before each send: fields of twenty digits are overwritten in place.
//!
//! The fields of a message are, in order: the time that its body begins with, and for FIFO queues its group
//! and its deduplication id. Those of a record are the time that the base64 of its data begins with, and its key.

use crate::http::{self, Api};

/// What stands for a field until it is stamped.
const BLANK: &str = "@@@@@@@@@@@@@@@@@@@@";

/// Digits of a `u64`, zeros in front.
pub(crate) const FIELD_DIGITS: usize = BLANK.len();

/// A request with fields.
#[derive(Clone)]
pub(crate) struct Template {
    bytes: Vec<u8>,
    fields: Vec<usize>,
}

impl Template {
    fn new(host: &str, api: Api, action: &str, body: &str) -> Self {
        Self::of(http::request(host, api, action, body))
    }

    fn of(bytes: Vec<u8>) -> Self {
        let fields = memchr::memmem::find_iter(&bytes, BLANK).collect();
        Self { bytes, fields }
    }

    /// SendMessage with a body of `bytes` that begins with a field.
    pub(crate) fn send(host: &str, queue: &str, bytes: usize, fifo: bool) -> Self {
        let body = format!(
            "{{\"QueueUrl\":\"{}\",{}}}",
            queue_url(host, queue),
            message(bytes, fifo)
        );
        Self::new(host, Api::Sqs, "SendMessage", &body)
    }

    /// SendMessageBatch of `count` such messages.
    pub(crate) fn send_batch(
        host: &str,
        queue: &str,
        bytes: usize,
        fifo: bool,
        count: usize,
    ) -> Self {
        let entries: Vec<String> = (0..count)
            .map(|index| format!("{{\"Id\":\"{index}\",{}}}", message(bytes, fifo)))
            .collect();
        let url = queue_url(host, queue);
        let body = format!(
            "{{\"QueueUrl\":\"{url}\",\"Entries\":[{}]}}",
            entries.join(",")
        );
        Self::new(host, Api::Sqs, "SendMessageBatch", &body)
    }

    /// ReceiveMessage: no fields.
    pub(crate) fn receive(host: &str, queue: &str, count: usize, wait_s: u64) -> Self {
        let url = queue_url(host, queue);
        let body = format!(
            "{{\"QueueUrl\":\"{url}\",\"MaxNumberOfMessages\":{count},\"WaitTimeSeconds\":{wait_s}}}"
        );
        Self::new(host, Api::Sqs, "ReceiveMessage", &body)
    }

    /// Publish of a message of `bytes` that begins with a field, with the fields of a form besides.
    pub(crate) fn publish(host: &str, topic: &str, bytes: usize, more: &[(&str, &str)]) -> Self {
        let (arn, body) = (topic_arn(topic), body(bytes));
        let mut fields = vec![("TopicArn", arn.as_str()), ("Message", body.as_str())];
        fields.extend_from_slice(more);
        Self::of(http::form(host, "Publish", &fields))
    }

    /// PutRecord with data of `bytes` whose base64 begins with a field.
    pub(crate) fn put(host: &str, stream: &str, bytes: usize) -> Self {
        let body = format!("{{\"StreamName\":\"{stream}\",{}}}", record(bytes));
        Self::new(host, Api::Kinesis, "PutRecord", &body)
    }

    /// PutRecords of `count` such records.
    pub(crate) fn put_batch(host: &str, stream: &str, bytes: usize, count: usize) -> Self {
        let records = vec![format!("{{{}}}", record(bytes)); count].join(",");
        let body = format!("{{\"StreamName\":\"{stream}\",\"Records\":[{records}]}}");
        Self::new(host, Api::Kinesis, "PutRecords", &body)
    }

    /// Overwrites field number `index`.
    pub(crate) fn stamp(&mut self, index: usize, mut value: u64) {
        let at = self.fields[index];
        for digit in self.bytes[at..at + FIELD_DIGITS].iter_mut().rev() {
            *digit = b'0' + u8::try_from(value % 10).unwrap_or(0);
            value /= 10;
        }
    }

    /// What goes on the wire.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// The URL of a queue as a client of this host knows it.
pub(crate) fn queue_url(host: &str, queue: &str) -> String {
    format!("http://{host}/000000000000/{queue}")
}

/// The ARN of a topic.
pub(crate) fn topic_arn(topic: &str) -> String {
    format!("arn:aws:sns:us-east-1:000000000000:{topic}")
}

/// The ARN of a queue.
pub(crate) fn queue_arn(queue: &str) -> String {
    format!("arn:aws:sqs:us-east-1:000000000000:{queue}")
}

/// A body that begins with a field.
fn body(bytes: usize) -> String {
    let filler = "x".repeat(bytes.saturating_sub(FIELD_DIGITS));
    format!("{BLANK}{filler}")
}

fn message(bytes: usize, fifo: bool) -> String {
    let body = format!("\"MessageBody\":\"{}\"", body(bytes));
    if fifo {
        format!("{body},\"MessageGroupId\":\"g{BLANK}\",\"MessageDeduplicationId\":\"d{BLANK}\"")
    } else {
        body
    }
}

/// The base64 of what a field of a record's data stands for: its digits are digits of base64, too, and so it is read as
/// it was written and nothing is decoded for it.
const STAMPED_BYTES: usize = FIELD_DIGITS / 4 * 3;

fn record(bytes: usize) -> String {
    let filler = bytes.saturating_sub(STAMPED_BYTES);
    // Of "xxx", and of what is left of it at the end.
    let end = match filler % 3 {
        0 => "",
        1 => "eA==",
        _ => "eHg=",
    };
    let data = format!("{BLANK}{}{end}", "eHh4".repeat(filler / 3));
    format!("\"Data\":\"{data}\",\"PartitionKey\":\"{BLANK}\"")
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;

    use super::*;

    #[test]
    fn fields_are_stamped_in_order() {
        let mut template = Template::send_batch("h:1", "q.fifo", 1024, true, 2);
        for (index, value) in [1, 2, 3, 4, 5, u64::MAX].into_iter().enumerate() {
            template.stamp(index, value);
        }
        let text = String::from_utf8(template.bytes().to_vec()).unwrap();
        let (_, body) = text.split_once("\r\n\r\n").unwrap();
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        let entry = &body["Entries"][1];
        assert!(
            entry["MessageBody"]
                .as_str()
                .unwrap()
                .starts_with("00000000000000000004xxx")
        );
        assert_eq!(entry["MessageBody"].as_str().unwrap().len(), 1024);
        assert_eq!(entry["MessageGroupId"], "g00000000000000000005");
        assert_eq!(entry["MessageDeduplicationId"], "d18446744073709551615");
        assert!(!text.contains('@'));
    }

    #[test]
    fn a_standard_message_has_one_field() {
        assert_eq!(Template::send("h:1", "q", 100, false).fields.len(), 1);
        assert_eq!(Template::receive("h:1", "q", 10, 1).fields.len(), 0);
    }

    #[test]
    fn a_record_s_data_is_base64_of_its_length_with_the_stamp_in_front() {
        for bytes in 1_022..1_025 {
            let mut template = Template::put_batch("h:1", "s", bytes, 2);
            for (index, value) in [7, 8, 9, u64::MAX].into_iter().enumerate() {
                template.stamp(index, value);
            }
            let text = String::from_utf8(template.bytes().to_vec()).unwrap();
            let (_, body) = text.split_once("\r\n\r\n").unwrap();
            let body: serde_json::Value = serde_json::from_str(body).unwrap();
            let record = &body["Records"][1];
            assert_eq!(record["PartitionKey"], u64::MAX.to_string());
            let data = record["Data"].as_str().unwrap();
            assert!(data.starts_with("00000000000000000009eHh4"));
            let decoded = BASE64_STANDARD.decode(data).unwrap();
            assert_eq!(decoded.len(), bytes);
            assert_eq!(BASE64_STANDARD.encode(decoded), data, "as it is read again");
        }
        assert_eq!(Template::put("h:1", "s", 1_024).fields.len(), 2);
    }
}
