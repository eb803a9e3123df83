//! Consumers with enhanced fan-out: registering, deregistering, describing, listing.

use std::collections::BTreeMap;

use levada_types::limits::STREAM_LIST_RESULTS_MAX;

use super::constraint::{CONSUMER_ARN, NEXT_TOKEN, STREAM_ARN, STREAM_NAME};
use super::shape::{Answer, input, output};
use super::{Consumer, ConsumerArn, KinesisError, Shape, StreamArn, StreamReference, Violations};
use super::{stream_reference, tags};
use crate::protocol::member::EpochTime;

input! {
    /// Registers a consumer.
    pub struct RegisterStreamConsumerRequest {
        /// The stream's ARN.
        #[serde(rename = "StreamARN")]
        pub stream_arn: Option<String>,
        /// The consumer's name, one of its kind in the stream.
        pub consumer_name: Option<String>,
        /// Its tags.
        pub tags: Option<BTreeMap<String, String>>,
    }
}

impl Shape for RegisterStreamConsumerRequest {
    fn violations(&self, violations: &mut Violations) {
        violations.text("consumerName", &self.consumer_name, &STREAM_NAME.required());
        violations.tags(&self.tags);
        violations.text("streamARN", &self.stream_arn, &STREAM_ARN.required());
    }

    fn stream(&self) -> Option<Result<StreamReference<'_>, KinesisError>> {
        Some(StreamReference::of(None, self.stream_arn.as_deref()))
    }

    fn refusal(&self) -> Result<(), KinesisError> {
        tags::check(&self.tags)
    }
}

output! {
    /// The consumer.
    pub struct RegisterStreamConsumerResponse {
        /// It.
        pub consumer: Consumer,
    }
}

impl Answer for RegisterStreamConsumerResponse {}

/// Which consumer a request is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConsumerReference<'a> {
    /// By its own ARN.
    Arn(ConsumerArn),
    /// By its stream's ARN and its name.
    Name(StreamArn, &'a str),
}

/// From the three members. They may all be there if they agree; the ARN alone, or the two others, do.
/// AWS documents the rule and not what it answers.
fn reference<'a>(
    stream_arn: Option<&str>,
    name: Option<&'a str>,
    arn: Option<&str>,
) -> Result<ConsumerReference<'a>, KinesisError> {
    let stream: Option<StreamArn> = stream_arn
        .map(|arn| arn.parse().map_err(|_| stream_reference::not_a_stream(arn)))
        .transpose()?;
    let Some(arn) = arn else {
        return match (stream, name) {
            (Some(stream), Some(name)) => Ok(ConsumerReference::Name(stream, name)),
            _ => Err(KinesisError::invalid_argument(
                "Either ConsumerARN or both StreamARN and ConsumerName should be provided.",
            )),
        };
    };
    let consumer = stream_reference::consumer(arn)?;
    let agrees = stream.is_none_or(|stream| stream == consumer.stream)
        && name.is_none_or(|name| name == &*consumer.name);
    if agrees {
        Ok(ConsumerReference::Arn(consumer))
    } else {
        Err(KinesisError::invalid_argument(
            "ConsumerARN, StreamARN and ConsumerName should name the same consumer.",
        ))
    }
}

macro_rules! by_reference {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        $(
            input! {
                $(#[$doc])*
                pub struct $name {
                    /// Its stream's ARN.
                    #[serde(rename = "StreamARN")]
                    pub stream_arn: Option<String>,
                    /// Its name.
                    pub consumer_name: Option<String>,
                    /// Its own ARN.
                    #[serde(rename = "ConsumerARN")]
                    pub consumer_arn: Option<String>,
                }
            }

            impl $name {
                /// Which consumer is meant.
                pub fn consumer(&self) -> Result<ConsumerReference<'_>, KinesisError> {
                    reference(
                        self.stream_arn.as_deref(),
                        self.consumer_name.as_deref(),
                        self.consumer_arn.as_deref(),
                    )
                }
            }

            impl Shape for $name {
                fn violations(&self, violations: &mut Violations) {
                    violations.text("streamARN", &self.stream_arn, &STREAM_ARN);
                    violations.text("consumerName", &self.consumer_name, &STREAM_NAME);
                    violations.text("consumerARN", &self.consumer_arn, &CONSUMER_ARN);
                }

                fn refusal(&self) -> Result<(), KinesisError> {
                    self.consumer().map(|_| ())
                }
            }
        )*
    };
}

by_reference! {
    /// Deregisters a consumer.
    DeregisterStreamConsumerRequest;
    /// Asks for a consumer.
    DescribeStreamConsumerRequest;
}

output! {
    /// The consumer.
    pub struct DescribeStreamConsumerResponse {
        /// It, with its stream's ARN.
        pub consumer_description: Consumer,
    }
}

impl Answer for DescribeStreamConsumerResponse {}

input! {
    /// Asks for a page of a stream's consumers.
    pub struct ListStreamConsumersRequest {
        /// The stream's ARN.
        #[serde(rename = "StreamARN")]
        pub stream_arn: Option<String>,
        /// What the page before gave.
        pub next_token: Option<String>,
        /// Consumers of the page, 1 to 10,000; 100 if it is not given.
        pub max_results: Option<i64>,
        /// Tells the stream from an earlier one of its name.
        pub stream_creation_timestamp: Option<EpochTime>,
    }
}

impl Shape for ListStreamConsumersRequest {
    fn violations(&self, violations: &mut Violations) {
        violations.text("nextToken", &self.next_token, &NEXT_TOKEN);
        violations.int("maxResults", self.max_results, 1..=STREAM_LIST_RESULTS_MAX);
        violations.text("streamARN", &self.stream_arn, &STREAM_ARN.required());
    }

    fn stream(&self) -> Option<Result<StreamReference<'_>, KinesisError>> {
        Some(StreamReference::of(None, self.stream_arn.as_deref()))
    }
}

output! {
    /// A page of consumers.
    pub struct ListStreamConsumersResponse {
        /// They, by name.
        pub consumers: Vec<Consumer>,
        /// Set if there are more.
        pub next_token: Option<String>,
    }
}

/// Bytes of one consumer in JSON.
const CONSUMER_BYTES: usize = 320;

impl Answer for ListStreamConsumersResponse {
    fn size_hint(&self) -> usize {
        64 + self.consumers.len() * CONSUMER_BYTES
    }
}
