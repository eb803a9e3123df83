//! What the shapes of this service share: how a request is declared, checked and read, and how an answer
//! leaves out what is absent.
//!
//! The macros add serde's attributes to what is otherwise an ordinary struct, so that an action's file
//! holds its members and their bounds and nothing else.

use serde::Serialize;

use super::{KinesisError, StreamReference, Violations};

/// What every request can do.
pub trait Shape {
    /// The constraints of the model that it violates.
    fn violations(&self, _: &mut Violations) {}

    /// Why it is refused though it violates no constraint, as far as that needs no stream.
    fn refusal(&self) -> Result<(), KinesisError> {
        Ok(())
    }

    /// The stream that it is about, of an action that takes a name or an ARN.
    fn stream(&self) -> Option<Result<StreamReference<'_>, KinesisError>> {
        None
    }

    /// Everything that can be said against it without looking at the stream, in AWS's order.
    fn validate(&self) -> Result<(), KinesisError> {
        let mut violations = Violations::default();
        self.violations(&mut violations);
        violations.finish()?;
        self.stream().transpose()?;
        self.refusal()
    }
}

/// What an action answers.
pub(super) trait Answer: Serialize {
    /// Whether the action has no result, and an empty body.
    const EMPTY: bool = false;
    /// A guess at the size of the encoded body, in bytes.
    fn size_hint(&self) -> usize {
        256
    }
}

/// The answer of an action that has no result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Empty {}

impl Answer for Empty {
    const EMPTY: bool = true;
}

/// A structure that is read: every member by the reader of its type, absent if it is not there.
macro_rules! input {
    ($(#[$doc:meta])* pub struct $name:ident {
        $($(#[$member_doc:meta])* pub $member:ident: $kind:ty,)*
    }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, serde::Deserialize)]
        #[serde(default, rename_all = "PascalCase")]
        pub struct $name {
            $(
                $(#[$member_doc])*
                #[serde(deserialize_with = "crate::protocol::member::read")]
                pub $member: $kind,
            )*
        }

        impl crate::protocol::json::JsonStructure for $name {}
    };
}

/// An [`input`] with the two members by which most actions find their stream.
macro_rules! stream_input {
    ($(#[$doc:meta])* pub struct $name:ident {
        $($(#[$member_doc:meta])* pub $member:ident: $kind:ty,)*
    }) => {
        crate::kinesis::shape::input! {
            $(#[$doc])*
            pub struct $name {
                $($(#[$member_doc])* pub $member: $kind,)*
                /// The stream's name; this, the ARN, or both.
                pub stream_name: Option<String>,
                /// The stream's ARN.
                #[serde(rename = "StreamARN")]
                pub stream_arn: Option<String>,
            }
        }
    };
}

/// [`Shape`] of a [`stream_input`]: the violations of its own members, and those of the two.
macro_rules! stream_shape {
    ($name:ident, |$request:ident, $violations:ident| $own:block $(, $refusal:item)?) => {
        impl crate::kinesis::Shape for $name {
            fn violations(&self, $violations: &mut crate::kinesis::Violations) {
                let $request = self;
                $own
                $violations.text("streamName", &self.stream_name, &crate::kinesis::constraint::STREAM_NAME);
                $violations.text("streamARN", &self.stream_arn, &crate::kinesis::constraint::STREAM_ARN);
            }

            $($refusal)?

            fn stream(
                &self,
            ) -> Option<Result<crate::kinesis::StreamReference<'_>, crate::kinesis::KinesisError>> {
                Some(crate::kinesis::StreamReference::of(
                    self.stream_name.as_deref(),
                    self.stream_arn.as_deref(),
                ))
            }
        }
    };
}

/// An [`input`] with the member by which most actions on queues find theirs.
macro_rules! queue_input {
    ($(#[$doc:meta])* pub struct $name:ident {
        $($(#[$member_doc:meta])* pub $member:ident: $kind:ty,)*
    }) => {
        crate::kinesis::shape::input! {
            $(#[$doc])*
            pub struct $name {
                /// The queue's ARN.
                #[serde(rename = "QueueARN")]
                pub queue_arn: Option<String>,
                $($(#[$member_doc])* pub $member: $kind,)*
            }
        }

        impl $name {
            /// Which queue is meant.
            pub fn queue(
                &self,
            ) -> Result<crate::kinesis::StreamQueueArn, crate::kinesis::KinesisError> {
                crate::kinesis::queues::queue_of(self.queue_arn.as_deref())
            }
        }
    };
}

/// [`Shape`] of a [`queue_input`]: the violations of its ARN, and those of its own members.
macro_rules! queue_shape {
    ($name:ident, |$request:ident, $violations:ident| $own:block) => {
        impl crate::kinesis::Shape for $name {
            fn violations(&self, $violations: &mut crate::kinesis::Violations) {
                let arn = crate::kinesis::constraint::QUEUE_ARN.required();
                $violations.text("queueARN", &self.queue_arn, &arn);
                let $request = self;
                $own
            }

            fn refusal(&self) -> Result<(), crate::kinesis::KinesisError> {
                self.queue().map(|_| ())
            }
        }
    };
}

/// A structure that is written: what is `None` is left out.
macro_rules! output {
    ($(#[$doc:meta])* pub struct $name:ident {
        $($(#[$member_doc:meta])* pub $member:ident: $kind:ty,)*
    }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
        #[serde(rename_all = "PascalCase")]
        pub struct $name {
            $(
                $(#[$member_doc])*
                #[serde(skip_serializing_if = "crate::protocol::member::Absent::is_absent")]
                pub $member: $kind,
            )*
        }

        impl crate::protocol::member::Absent for $name {}
    };
}

/// A closed set of values: an enum, its names on the wire, and all of them in the order in which a
/// violation lists them.
macro_rules! values {
    ($(#[$doc:meta])* pub enum $name:ident {
        $($(#[$value_doc:meta])* $value:ident = $text:literal,)*
    }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$value_doc])* $value,)*
        }

        impl crate::kinesis::constraint::Values for $name {
            const ALL: &'static [Self] = &[$(Self::$value,)*];

            fn as_str(self) -> &'static str {
                match self { $(Self::$value => $text,)* }
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_str(crate::kinesis::constraint::Values::as_str(*self))
            }
        }

        impl crate::protocol::member::Absent for $name {}
    };
}

pub(crate) use {input, output, queue_input, queue_shape, stream_input, stream_shape, values};
