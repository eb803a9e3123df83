//! A message attribute as a filter sees it.

/// An attribute of a message. The index and the policies are given them borrowed from wherever they are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilterAttribute<'a> {
    /// Its name.
    pub name: &'a str,
    /// `String`, `String.Array`, `Number`, `Number.Array` or `Binary`, with or without a label of the sender's behind it.
    pub data_type: &'a str,
    /// Its value as text. That of a binary one is not looked at.
    pub value: &'a str,
}

/// How a value is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Text,
    Number,
    /// JSON, of strings, numbers, `true`, `false` and `null`.
    Array,
    /// As if it were not there: SNS ignores it ("Filter policy constraints").
    Ignored,
}

impl FilterAttribute<'_> {
    pub(super) fn shape(&self) -> Shape {
        let mut labels = self.data_type.split('.');
        match (labels.next(), labels.next()) {
            (Some("String" | "Number"), Some("Array")) => Shape::Array,
            (Some("Number"), _) => Shape::Number,
            (Some("Binary"), _) => Shape::Ignored,
            _ => Shape::Text,
        }
    }
}
