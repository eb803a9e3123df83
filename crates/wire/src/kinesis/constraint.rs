//! The constraints of the model, and what AWS says of those that a request violates.
//!
//! All violations are told at once, in one `ValidationException`. A member's come in AWS's order: pattern,
//! least length, greatest length. AWS orders members by a hash table of its own; here they stand in the
//! order in which an action's file checks them.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};
use std::ops::RangeInclusive;

use levada_types::limits::{
    ENCRYPTION_KEY_ID_LEN_MAX, PARTITION_KEY_LEN_MAX, RECORDS_BYTES_MAX, SHARD_ID_LEN_MAX,
    SHARD_ITERATOR_LEN_MAX, STREAM_ARN_LEN_MAX, STREAM_NAME_LEN_MAX, STREAM_RECEIPT_LEN_MAX,
    STREAM_TAG_KEYS_MAX, STREAM_TAGS_MAX, STREAM_TOKEN_LEN_MAX, TAG_KEY_LEN_MAX, TAG_VALUE_LEN_MAX,
};

use super::{KinesisError, KinesisErrorKind, pattern};
use crate::protocol::member::Blob;
use pattern::Pattern;

/// Violations that one answer tells, as AWS does.
const VIOLATIONS_MAX: usize = 10;
/// Characters of a value that an answer quotes. AWS's bound is not known.
const QUOTED_CHARS_MAX: usize = 4_096;

/// What the model says of a string.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text {
    pattern: Option<&'static Pattern>,
    len_min: usize,
    len_max: usize,
    required: bool,
}

impl Text {
    pub(crate) const fn new(
        pattern: Option<&'static Pattern>,
        len_min: usize,
        len_max: usize,
    ) -> Self {
        Self {
            pattern,
            len_min,
            len_max,
            required: false,
        }
    }

    /// The same, of a member that must be there.
    pub(crate) const fn required(self) -> Self {
        Self {
            required: true,
            ..self
        }
    }
}

/// `StreamName` and `ConsumerName`.
pub(super) const STREAM_NAME: Text = Text::new(Some(&pattern::NAME), 1, STREAM_NAME_LEN_MAX);
/// `ShardId`.
pub(super) const SHARD_ID: Text = Text::new(Some(&pattern::NAME), 1, SHARD_ID_LEN_MAX);
/// `StreamARN`.
pub(super) const STREAM_ARN: Text = Text::new(Some(&pattern::STREAM_ARN), 1, STREAM_ARN_LEN_MAX);
/// `QueueARN`.
pub(super) const QUEUE_ARN: Text = Text::new(Some(&pattern::QUEUE_ARN), 1, STREAM_ARN_LEN_MAX);
/// `ReceiptHandle`.
pub(super) const RECEIPT_HANDLE: Text = Text::new(None, 1, STREAM_RECEIPT_LEN_MAX);
/// `ConsumerARN`.
pub(super) const CONSUMER_ARN: Text =
    Text::new(Some(&pattern::CONSUMER_ARN), 1, STREAM_ARN_LEN_MAX);
/// `ResourceARN`.
pub(super) const RESOURCE_ARN: Text =
    Text::new(Some(&pattern::RESOURCE_ARN), 1, STREAM_ARN_LEN_MAX);
/// `PartitionKey`.
pub(super) const PARTITION_KEY: Text = Text::new(None, 1, PARTITION_KEY_LEN_MAX);
/// `HashKey`.
pub(super) const HASH_KEY: Text = Text::new(Some(&pattern::HASH_KEY), 0, usize::MAX);
/// `SequenceNumber`.
pub(super) const SEQUENCE_NUMBER: Text = Text::new(Some(&pattern::SEQUENCE_NUMBER), 0, usize::MAX);
/// `ShardIterator`.
pub(super) const SHARD_ITERATOR: Text = Text::new(None, 1, SHARD_ITERATOR_LEN_MAX);
/// `NextToken`.
pub(super) const NEXT_TOKEN: Text = Text::new(None, 1, STREAM_TOKEN_LEN_MAX);
/// `TagKey`.
pub(super) const TAG_KEY: Text = Text::new(None, 1, TAG_KEY_LEN_MAX);
/// `KeyId`.
pub(super) const KEY_ID: Text = Text::new(None, 1, ENCRYPTION_KEY_ID_LEN_MAX);

/// A closed set of strings.
pub trait Values: Copy + Sized + 'static {
    /// All of them, in the order in which a violation lists them.
    const ALL: &'static [Self];

    /// The name on the wire.
    fn as_str(self) -> &'static str;

    /// The value of that name.
    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|v| v.as_str() == name)
    }
}

/// What a request violates. Paths are the members' names with a small first letter, joined by dots.
#[derive(Clone, Debug, Default)]
pub struct Violations {
    messages: Vec<String>,
}

impl Violations {
    /// The error that tells them, if there are any.
    pub(super) fn finish(self) -> Result<(), KinesisError> {
        match self.message() {
            None => Ok(()),
            Some(message) => Err(KinesisError::new(KinesisErrorKind::Validation, message)),
        }
    }

    /// What tells them, if there are any. Every service with this framework words it so.
    pub(crate) fn message(self) -> Option<String> {
        let errors = match self.messages.len() {
            0 => return None,
            1 => "1 validation error".to_owned(),
            n => format!("{n} validation errors"),
        };
        Some(format!("{errors} detected: {}", self.messages.join("; ")))
    }

    fn add(&mut self, path: &str, value: Option<&dyn Display>, constraint: impl Display) {
        if self.messages.len() >= VIOLATIONS_MAX {
            return;
        }
        let value = value.map_or_else(|| "null".to_owned(), |v| format!("'{}'", Quoted(v)));
        self.messages.push(format!(
            "Value {value} at '{path}' failed to satisfy constraint: {constraint}"
        ));
    }

    /// A member that must be there. Whether it is.
    pub(crate) fn required<T>(&mut self, path: &str, value: &Option<T>) -> bool {
        if value.is_none() {
            self.add(path, None, "Member must not be null");
        }
        value.is_some()
    }

    /// A string.
    pub(crate) fn text(&mut self, path: &str, value: &Option<String>, shape: &Text) {
        if shape.required {
            self.required(path, value);
        }
        let Some(value) = value else { return };
        if let Some(pattern) = shape.pattern.filter(|p| !p.matches(value)) {
            let constraint = format!(
                "Member must satisfy regular expression pattern: {}",
                pattern.text
            );
            self.add(path, Some(value), constraint);
        }
        self.length(
            path,
            value,
            value.chars().count(),
            shape.len_min..=shape.len_max,
        );
    }

    /// The length of whatever it is that is shown as `value`.
    pub(crate) fn length(
        &mut self,
        path: &str,
        value: &dyn Display,
        len: usize,
        bounds: RangeInclusive<usize>,
    ) {
        if len < *bounds.start() {
            let constraint = format!(
                "Member must have length greater than or equal to {}",
                bounds.start()
            );
            self.add(path, Some(value), constraint);
        }
        if len > *bounds.end() {
            let constraint = format!(
                "Member must have length less than or equal to {}",
                bounds.end()
            );
            self.add(path, Some(value), constraint);
        }
    }

    /// An integer within bounds, both allowed.
    pub(crate) fn int(&mut self, path: &str, value: Option<i64>, bounds: RangeInclusive<u32>) {
        let Some(value) = value else { return };
        let (least, most) = bounds.into_inner();
        if value < i64::from(least) {
            let constraint = format!("Member must have value greater than or equal to {least}");
            self.add(path, Some(&value), constraint);
        }
        if value > i64::from(most) {
            let constraint = format!("Member must have value less than or equal to {most}");
            self.add(path, Some(&value), constraint);
        }
    }

    /// One of a closed set.
    pub(crate) fn one_of<T: Values>(&mut self, path: &str, value: &Option<String>) {
        if let Some(value) = value.as_ref().filter(|v| T::from_name(v).is_none()) {
            let names: Vec<&str> = T::ALL.iter().map(|v| v.as_str()).collect();
            let constraint = format!("Member must satisfy enum value set: [{}]", names.join(", "));
            self.add(path, Some(value), constraint);
        }
    }

    /// A list of a closed set's values.
    pub(crate) fn some_of<T: Values>(
        &mut self,
        path: &str,
        values: &Option<Vec<String>>,
        count_max: usize,
    ) {
        let Some(values) = values else { return };
        let shown = list(values);
        self.length(path, &shown, values.len(), 1..=count_max);
        if values.iter().any(|v| T::from_name(v).is_none()) {
            let names: Vec<&str> = T::ALL.iter().map(|v| v.as_str()).collect();
            let constraint = format!(
                "Member must satisfy constraint: [Member must satisfy enum value set: [{}]]",
                names.join(", ")
            );
            self.add(path, Some(&shown), constraint);
        }
    }

    /// The data of a record.
    pub(crate) fn data(&mut self, path: &str, value: &Option<Blob>) {
        if !self.required(path, value) {
            return;
        }
        let len = value.as_ref().map_or(0, |data| data.0.len());
        let shown = format!("java.nio.HeapByteBuffer[pos=0 lim={len} cap={len}]");
        self.length(path, &shown, len, 0..=RECORDS_BYTES_MAX);
    }

    /// A list of structures of the model's name `shape`.
    pub(crate) fn structures(&mut self, path: &str, shape: &str, len: usize, count_max: usize) {
        // AWS shows the members by their classes and addresses.
        let shown = match len {
            0 => "[]".to_owned(),
            n => format!("[{n} of com.amazonaws.kinesis.v20131202.{shape}]"),
        };
        self.length(path, &shown, len, 1..=count_max);
    }

    /// Tags to be set.
    pub(crate) fn tags(&mut self, tags: &Option<BTreeMap<String, String>>) {
        let Some(tags) = tags else { return };
        let pairs: Vec<String> = tags.iter().map(|(k, v)| format!("{k}={v}")).collect();
        let shown = format!("{{{}}}", pairs.join(", "));
        self.length("tags", &shown, tags.len(), 1..=STREAM_TAGS_MAX);
        let lengths = |what: &str, least: usize, most: usize| {
            format!(
                "{what} must satisfy constraint: [Member must have length less than or equal to {most}, \
                 Member must have length greater than or equal to {least}]"
            )
        };
        let key_fits = |k: &String| (1..=TAG_KEY_LEN_MAX).contains(&k.chars().count());
        if !tags.keys().all(key_fits) {
            self.add(
                "tags",
                Some(&shown),
                lengths("Map keys", 1, TAG_KEY_LEN_MAX),
            );
        }
        if !tags
            .values()
            .all(|v| v.chars().count() <= TAG_VALUE_LEN_MAX)
        {
            self.add(
                "tags",
                Some(&shown),
                lengths("Map value", 0, TAG_VALUE_LEN_MAX),
            );
        }
    }

    /// Keys of tags to be taken away.
    pub(crate) fn tag_keys(&mut self, keys: &Option<Vec<String>>) {
        self.required("tagKeys", keys);
        let Some(keys) = keys else { return };
        let shown = list(keys);
        self.length("tagKeys", &shown, keys.len(), 1..=STREAM_TAG_KEYS_MAX);
        if !keys
            .iter()
            .all(|k| (1..=TAG_KEY_LEN_MAX).contains(&k.chars().count()))
        {
            let constraint = format!(
                "Member must satisfy constraint: [Member must have length less than or equal to {TAG_KEY_LEN_MAX}, \
                 Member must have length greater than or equal to 1]"
            );
            self.add("tagKeys", Some(&shown), constraint);
        }
    }
}

fn list(values: &[String]) -> String {
    format!("[{}]", values.join(", "))
}

/// A value, cut off where it is too long to be quoted.
struct Quoted<'a>(&'a dyn Display);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = self.0.to_string();
        match text.char_indices().nth(QUOTED_CHARS_MAX) {
            Some((end, _)) => {
                f.write_str(&text[..end])?;
                f.write_char('…')
            }
            None => f.write_str(&text),
        }
    }
}
