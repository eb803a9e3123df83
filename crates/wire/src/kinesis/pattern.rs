//! The model's regular expressions, each as a predicate. A value matches as a whole.

use std::fmt;

use levada_types::limits::STREAM_ARN_LEN_MAX;

/// A regular expression as the model writes it, and what decides whether a value matches.
pub(crate) struct Pattern {
    /// As a violation quotes it.
    pub(super) text: &'static str,
    matches: fn(&str) -> bool,
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)
    }
}

impl Pattern {
    /// A pattern of another service, which has its file beside that service's.
    pub(crate) const fn new(text: &'static str, matches: fn(&str) -> bool) -> Self {
        Self { text, matches }
    }

    /// Whether the whole value matches.
    pub(super) fn matches(&self, value: &str) -> bool {
        (self.matches)(value)
    }
}

/// A name of a stream or a consumer, or a shard's id.
pub(crate) static NAME: Pattern = Pattern {
    text: "[a-zA-Z0-9_.-]+",
    matches: is_name,
};

/// A stream's ARN.
pub(super) static STREAM_ARN: Pattern = Pattern {
    text: r"arn:aws.*:kinesis:.*:\d{12}:stream/\S+",
    matches: |s| any_resource(s, |resource| is_path(resource, &["stream/"])),
};

/// A queue's ARN.
pub(super) static QUEUE_ARN: Pattern = Pattern {
    text: r"arn:aws.*:kinesis:.*:\d{12}:queue/\S+",
    matches: |s| any_resource(s, |resource| is_path(resource, &["queue/"])),
};

/// A consumer's ARN.
pub(super) static CONSUMER_ARN: Pattern = Pattern {
    text: r"^(arn):aws.*:kinesis:.*:\d{12}:.*stream\/[a-zA-Z0-9_.-]+\/consumer\/[a-zA-Z0-9_.-]+:[0-9]+",
    matches: |s| any_resource(s, is_consumer),
};

/// The ARN of what can have tags and a policy: a stream, a consumer of one, a channel, a queue.
pub(super) static RESOURCE_ARN: Pattern = Pattern {
    text: r"arn:aws.*:kinesis:.*:\d{12}:.*(stream|channel|queue)/\S+",
    matches: |s| {
        any_resource(s, |resource| {
            // What comes before the kind may be anything.
            resource
                .char_indices()
                .any(|(at, _)| is_path(&resource[at..], &["stream/", "channel/", "queue/"]))
        })
    },
};

/// A hash key, as far as its digits go.
pub(super) static HASH_KEY: Pattern = Pattern {
    text: r"^(0|([1-9]\d{0,38}))$",
    matches: |s| is_decimal(s, 39),
};

/// A sequence number, as far as its digits go.
pub(super) static SEQUENCE_NUMBER: Pattern = Pattern {
    text: r"^(0|([1-9]\d{0,128}))$",
    matches: |s| is_decimal(s, 129),
};

fn is_name(s: &str) -> bool {
    !s.is_empty()
        && s.bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

fn is_decimal(s: &str, digits_max: usize) -> bool {
    s.len() <= digits_max
        && s.bytes().all(|b| b.is_ascii_digit())
        && (s == "0" || s.bytes().next().is_some_and(|first| first != b'0'))
}

/// One of the kinds, and something without white space.
fn is_path(s: &str, kinds: &[&str]) -> bool {
    kinds.iter().any(|kind| {
        s.strip_prefix(kind)
            .is_some_and(|rest| !rest.is_empty() && !rest.contains(char::is_whitespace))
    })
}

/// `.*stream/<name>/consumer/<name>:<digits>`
fn is_consumer(resource: &str) -> bool {
    let parse = || {
        let (head, digits) = resource.rsplit_once(':')?;
        let (head, consumer) = head.rsplit_once("/consumer/")?;
        let (kind, stream) = head.rsplit_once('/')?;
        let digits_ok = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        Some(digits_ok && is_name(consumer) && is_name(stream) && kind.ends_with("stream"))
    };
    parse().unwrap_or(false)
}

/// `arn:aws.*:kinesis:.*:\d{12}:` and a resource that `wanted` takes. What stands for the region and the
/// partition may hold colons, so there may be several ways to read it.
fn any_resource(arn: &str, wanted: impl Fn(&str) -> bool) -> bool {
    // What is longer is refused for its length, and would take long to look through.
    if arn.len() > STREAM_ARN_LEN_MAX || arn.contains(['\n', '\r']) {
        return false;
    }
    let Some(after_kinesis) = arn
        .strip_prefix("arn:aws")
        .and_then(|rest| rest.split_once(":kinesis:"))
        .map(|(_, rest)| rest)
    else {
        return false;
    };
    let colons: Vec<usize> = after_kinesis.match_indices(':').map(|(at, _)| at).collect();
    colons.windows(2).any(|pair| {
        let account = &after_kinesis[pair[0] + 1..pair[1]];
        account.len() == 12
            && account.bytes().all(|b| b.is_ascii_digit())
            && wanted(&after_kinesis[pair[1] + 1..])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &Pattern, good: &[&str], bad: &[&str]) {
        for value in good {
            assert!(pattern.matches(value), "{value} is {pattern:?}");
        }
        for value in bad {
            assert!(!pattern.matches(value), "{value} is not {pattern:?}");
        }
    }

    #[test]
    fn names_and_numbers() {
        check(&NAME, &["a", "A.b_c-9"], &["", "a b", "a/b", "é", "a\n"]);
        let most = "9".repeat(39);
        check(
            &HASH_KEY,
            &["0", "1", "10", &most],
            &["", "00", "01", "-1", "1.0", &"1".repeat(40), " 1"],
        );
        check(
            &SEQUENCE_NUMBER,
            &["0", &"1".repeat(129)],
            &["", "0x1", &"1".repeat(130), "٣"],
        );
    }

    #[test]
    fn arns() {
        let stream = "arn:aws:kinesis:us-east-1:000000000001:stream/orders";
        let consumer =
            "arn:aws-cn:kinesis:cn-north-1:000000000001:stream/orders/consumer/c:1700000000";
        let queue = "arn:aws:kinesis:us-east-1:000000000001:queue/q";
        let none = [
            "",
            "arn",
            "orders",
            "arn:aws:kinesis:us-east-1:1:stream/orders",
            "arn:aws:kinesis:us-east-1:000000000001:stream/",
            "arn:aws:kinesis:us-east-1:000000000001:stream/a b",
            "arn:aws:sqs:us-east-1:000000000001:stream/a",
            "arn:aws:kinesis:000000000001:stream/a",
            "arn:aws:kinesis:us-east-1:000000000001:stream/a\n",
        ];
        check(&STREAM_ARN, &[stream, consumer], &[queue]);
        check(&STREAM_ARN, &[], &none);
        check(&QUEUE_ARN, &[queue], &[stream, consumer]);
        check(&QUEUE_ARN, &[], &none);
        check(&CONSUMER_ARN, &[consumer], &[stream, queue]);
        check(&CONSUMER_ARN, &[], &none);
        check(&RESOURCE_ARN, &[stream, consumer, queue], &none);
    }
}
