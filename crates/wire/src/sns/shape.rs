//! What requests and answers of SNS have in common: reading members of a form under the constraints of the model,
//! and writing lists and maps.
//!
//! The model's own constraints (what must be there, lengths, patterns, bounds) are AWS's framework's, which tells
//! all violations at once before SNS looks at the request. So they are checked while a request is read, and a
//! request that was read has what it must have.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::{SnsError, SnsErrorKind};
use crate::error::AwsError;
use crate::kinesis::constraint::Text;
use crate::kinesis::{Values, Violations};
use crate::protocol::form::Form;
use crate::protocol::xml::XmlWriter;

/// What every request can do.
pub(super) trait Shape: Sized {
    /// From a form.
    fn read(members: &mut Members<'_>) -> Self;
    /// Everything that can be said without looking at a topic, in AWS's order.
    fn check(&self) -> Result<(), SnsError> {
        Ok(())
    }
}

/// Reads a request; or says what it violates.
pub(super) fn from_form<T: Shape>(form: &Form) -> Result<T, AwsError> {
    let mut members = Members {
        form,
        path: String::new(),
        violations: Violations::default(),
        malformed: None,
    };
    let request = T::read(&mut members);
    if let Some(error) = members.malformed {
        return Err(error);
    }
    match members.violations.message() {
        None => Ok(request),
        Some(message) => Err(SnsError::new(SnsErrorKind::ValidationError, message).into()),
    }
}

/// The members of a structure in a form, and what was found wrong with them.
#[derive(Debug)]
pub(super) struct Members<'a> {
    form: &'a Form,
    /// What a violation's path begins with: empty, or ending in a dot.
    path: String,
    violations: Violations,
    malformed: Option<AwsError>,
}

impl Members<'_> {
    /// A member's path in a violation: the names with a small first letter.
    fn path_of(&self, name: &str) -> String {
        let mut letters = name.chars();
        let first = letters
            .next()
            .map(|c| c.to_ascii_lowercase())
            .unwrap_or_default();
        format!("{}{first}{}", self.path, letters.as_str())
    }

    /// Keeps the first part of a request that is not of its type.
    fn readable<T: Default>(&mut self, read: Result<T, AwsError>) -> T {
        read.unwrap_or_else(|error| {
            self.malformed.get_or_insert(error);
            T::default()
        })
    }

    /// Whether the member is there.
    pub(super) fn has(&self, name: &str) -> bool {
        self.form.below(name).is_some()
    }

    /// A text that may be absent.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.form.opt_text(name)
    }

    /// A text that must be there; it may be empty.
    pub(super) fn required(&mut self, name: &str) -> String {
        let value = self.text(name);
        let path = self.path_of(name);
        self.violations.required(&path, &value);
        value.unwrap_or_default()
    }

    /// A text that may be absent, under a constraint.
    pub(super) fn bounded(&mut self, name: &str, shape: &Text) -> Option<String> {
        let value = self.text(name);
        let path = self.path_of(name);
        self.violations.text(&path, &value, shape);
        value
    }

    /// A text that must be there, under a constraint.
    pub(super) fn required_bounded(&mut self, name: &str, shape: &Text) -> String {
        self.bounded(name, &shape.required()).unwrap_or_default()
    }

    /// One of a closed set.
    pub(super) fn one_of<T: Values>(&mut self, name: &str) -> Option<T> {
        let value = self.text(name);
        let path = self.path_of(name);
        self.violations.one_of::<T>(&path, &value);
        T::from_name(&value?)
    }

    /// A whole number within bounds.
    pub(super) fn int(&mut self, name: &str, bounds: RangeInclusive<u32>) -> Option<u32> {
        let value = self.form.opt_int(name);
        let value = self.readable(value);
        let path = self.path_of(name);
        self.violations.int(&path, value, bounds);
        value.and_then(|n| u32::try_from(n).ok())
    }

    /// `true` or `false`; what is neither is no boolean.
    pub(super) fn flag(&mut self, name: &str) -> Option<bool> {
        let read = match self.form.get(name) {
            None | Some("") => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(_) => Err(AwsError::serialization(
                "STRING_VALUE can not be converted to a Boolean",
            )),
        };
        self.readable(read)
    }

    /// Bytes in base64.
    pub(super) fn blob(&mut self, name: &str) -> Option<bytes::Bytes> {
        let read = self.form.opt_blob(name);
        self.readable(read)
    }

    /// The texts of a list.
    pub(super) fn texts(&self, name: &str) -> Vec<String> {
        if self.form.has(name) {
            self.form.texts(name)
        } else {
            Vec::new()
        }
    }

    /// A map of texts, `Name.entry.1.key` and `Name.entry.1.value`.
    pub(super) fn map(&self, name: &str) -> BTreeMap<String, String> {
        self.form.text_map(name, "key", "value")
    }

    /// Whether a list or a map that must be there is. An empty list counts, an empty map cannot be written.
    pub(super) fn required_member(&mut self, name: &str) {
        let path = self.path_of(name);
        let there = self.has(name).then_some(());
        self.violations.required(&path, &there);
    }

    /// The structures of a list: their members have the path `name.N.member`, from 1.
    pub(super) fn structures<T>(
        &mut self,
        name: &str,
        mut read: impl FnMut(&mut Members<'_>) -> T,
    ) -> Vec<T> {
        if !self.form.has(name) {
            return Vec::new();
        }
        let list = self.form.list(name);
        let below = self.path_of(name);
        let mut all = Vec::with_capacity(list.len());
        for (index, form) in list.into_iter().enumerate() {
            let path = format!("{below}.{}.member.", index + 1);
            all.push(self.with(form, path, &mut read));
        }
        all
    }

    /// The structures of a map whose keys and values are written as `Name` and `Value`: their members have the path
    /// `name.KEY.member`. The last of equal keys counts.
    pub(super) fn structure_map<T>(
        &mut self,
        name: &str,
        mut read: impl FnMut(&mut Members<'_>) -> T,
    ) -> BTreeMap<String, T> {
        let mut map = BTreeMap::new();
        if !self.form.has(name) {
            return map;
        }
        let none = Form::default();
        let below = self.path_of(name);
        for entry in self.form.list(name) {
            let key = entry.text("Name");
            let path = format!("{below}.{key}.member.");
            let form = entry.below("Value").unwrap_or(&none);
            map.insert(key, self.with(form, path, &mut read));
        }
        map
    }

    /// Reads a structure below this one.
    fn with<T>(
        &mut self,
        form: &Form,
        path: String,
        read: impl FnOnce(&mut Members<'_>) -> T,
    ) -> T {
        let mut below = Members {
            form,
            path,
            violations: std::mem::take(&mut self.violations),
            malformed: self.malformed.take(),
        };
        let value = read(&mut below);
        self.violations = below.violations;
        self.malformed = below.malformed;
        value
    }

    /// A text of a list, under a constraint, with the path `name.N.member`.
    pub(super) fn check_texts(&mut self, name: &str, texts: &[String], shape: &Text) {
        let below = self.path_of(name);
        for (index, text) in texts.iter().enumerate() {
            let path = format!("{below}.{}.member", index + 1);
            self.violations.text(&path, &Some(text.clone()), shape);
        }
    }
}

/// What an action answers.
pub(super) trait Answer {
    /// Whether the answer has a result element.
    const HAS_RESULT: bool = true;
    /// A guess at the size of the result, in bytes.
    fn size_hint(&self) -> usize {
        256
    }
    /// Writes the members of the result.
    fn write_xml(&self, xml: &mut XmlWriter<'_>);
}

/// The answer of an action that has no result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoResult {}

impl Answer for NoResult {
    const HAS_RESULT: bool = false;
    fn write_xml(&self, _: &mut XmlWriter<'_>) {}
}

/// The answer of an action whose result is empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Empty {}

impl Answer for Empty {
    fn write_xml(&self, _: &mut XmlWriter<'_>) {}
}

/// An attribute with its value, as an answer lists it.
pub type Attribute = (String, String);

/// `<Name><entry><key/><value/></entry>...</Name>`
pub(super) fn write_map(xml: &mut XmlWriter<'_>, name: &str, map: &[Attribute]) {
    xml.open(name);
    for (key, value) in map {
        xml.open("entry");
        xml.text_element("key", key);
        xml.text_element("value", value);
        xml.close("entry");
    }
    xml.close(name);
}

/// `<Name><member>...</member>...</Name>`
pub(super) fn write_list<T>(
    xml: &mut XmlWriter<'_>,
    name: &str,
    list: &[T],
    mut write: impl FnMut(&mut XmlWriter<'_>, &T),
) {
    xml.open(name);
    for element in list {
        xml.open("member");
        write(xml, element);
        xml.close("member");
    }
    xml.close(name);
}

/// `<Name><member>text</member>...</Name>`
pub(super) fn write_texts(xml: &mut XmlWriter<'_>, name: &str, texts: &[String]) {
    xml.open(name);
    for text in texts {
        xml.text_element("member", text);
    }
    xml.close(name);
}

/// A guess at the bytes of a map in an answer.
pub(super) fn map_size(map: &[Attribute]) -> usize {
    let entry = |(key, value): &Attribute| key.len() + value.len() + 64;
    64 + map.iter().map(entry).sum::<usize>()
}

/// An answer that is one list of attributes.
macro_rules! attributes_answer {
    ($(#[$doc:meta])* $name:ident, $member:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct $name {
            /// Names and values.
            pub attributes: Vec<$crate::sns::Attribute>,
        }

        impl $crate::sns::shape::Answer for $name {
            fn size_hint(&self) -> usize {
                $crate::sns::shape::map_size(&self.attributes)
            }

            fn write_xml(&self, xml: &mut $crate::protocol::xml::XmlWriter<'_>) {
                $crate::sns::shape::write_map(xml, $member, &self.attributes);
            }
        }
    };
}

/// An answer that is one ARN.
macro_rules! arn_answer {
    ($(#[$doc:meta])* $name:ident, $field:ident, $member:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct $name {
            /// The ARN.
            pub $field: String,
        }

        impl $crate::sns::shape::Answer for $name {
            fn write_xml(&self, xml: &mut $crate::protocol::xml::XmlWriter<'_>) {
                xml.text_element($member, &self.$field);
            }
        }
    };
}

/// Gives a request the ARN of the topic that it is about.
macro_rules! about_topic {
    ($request:ident, $field:ident, $member:literal) => {
        impl $request {
            /// The topic's ARN, taken apart.
            pub fn topic(&self) -> Result<$crate::sns::TopicArn, $crate::sns::SnsError> {
                $crate::sns::TopicArn::parse(&self.$field, $member)
            }
        }
    };
}

/// Gives a request the ARN of the subscription that it is about.
macro_rules! about_subscription {
    ($request:ident, $field:ident, $member:literal) => {
        impl $request {
            /// The subscription's ARN, taken apart.
            pub fn subscription(
                &self,
            ) -> Result<$crate::sns::SubscriptionArn, $crate::sns::SnsError> {
                $crate::sns::SubscriptionArn::parse(&self.$field)
            }
        }
    };
}

/// A request that has nothing but an ARN.
macro_rules! arn_request {
    ($(#[$doc:meta])* $name:ident, $field:ident, $member:literal, $about:ident, $accessor:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $name {
            /// Its ARN.
            pub $field: String,
        }

        $about!($name, $field, $member);

        impl $crate::sns::shape::Shape for $name {
            fn read(members: &mut $crate::sns::shape::Members<'_>) -> Self {
                Self {
                    $field: members.required($member),
                }
            }

            fn check(&self) -> Result<(), $crate::sns::SnsError> {
                self.$accessor().map(drop)
            }
        }
    };
}

/// A request that has nothing but a topic.
macro_rules! topic_request {
    ($(#[$doc:meta])* $name:ident, $field:ident, $member:literal) => {
        arn_request! { $(#[$doc])* $name, $field, $member, about_topic, topic }
    };
}

/// A request that has nothing but a subscription.
macro_rules! subscription_request {
    ($(#[$doc:meta])* $name:ident, $field:ident, $member:literal) => {
        arn_request! { $(#[$doc])* $name, $field, $member, about_subscription, subscription }
    };
}

/// A request for a page that has nothing but the token of the page before.
macro_rules! page_request {
    ($(#[$doc:meta])* $name:ident, $member:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $name {
            /// Of the page before.
            pub next_token: Option<String>,
        }

        impl $crate::sns::shape::Shape for $name {
            fn read(members: &mut $crate::sns::shape::Members<'_>) -> Self {
                Self {
                    next_token: members.text($member),
                }
            }

            fn check(&self) -> Result<(), $crate::sns::SnsError> {
                $crate::sns::paging::decode_token(self.next_token.as_deref()).map(drop)
            }
        }
    };
}
