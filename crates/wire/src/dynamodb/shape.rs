//! What the shapes of this service share.

use levada_types::limits::{TABLE_ARN_LEN_MAX, TABLE_NAME_LEN_MAX, TABLE_NAME_LEN_MIN};

use super::DynamoDbError;
use crate::kinesis::Violations;
use crate::kinesis::constraint::Text;
use crate::kinesis::pattern;
use crate::kinesis::shape::values;

/// What every request can do.
pub trait Shape {
    /// The constraints of the model that it violates.
    fn violations(&self, _: &mut Violations) {}

    /// Why it is refused though it violates no constraint, as far as that needs no table.
    fn refusal(&self) -> Result<(), DynamoDbError> {
        Ok(())
    }

    /// Everything that can be said against it without looking at the table.
    fn validate(&self) -> Result<(), DynamoDbError> {
        let mut violations = Violations::default();
        self.violations(&mut violations);
        if let Some(message) = violations.message() {
            return Err(DynamoDbError::validation(message));
        }
        self.refusal()
    }
}

/// A table's name, or its ARN.
pub(super) const TABLE: Text = Text::new(None, 1, TABLE_ARN_LEN_MAX);
/// An index's name.
pub(super) const INDEX_NAME: Text =
    Text::new(Some(&pattern::NAME), TABLE_NAME_LEN_MIN, TABLE_NAME_LEN_MAX);
/// A name of a key's attribute.
pub(super) const KEY_NAME: Text = Text::new(None, 1, TABLE_NAME_LEN_MAX);

/// Checks the name of a table.
pub fn check_table_name(name: &str) -> Result<(), DynamoDbError> {
    let fits = (TABLE_NAME_LEN_MIN..=TABLE_NAME_LEN_MAX).contains(&name.len());
    let is_name = name
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
    if fits && is_name {
        return Ok(());
    }
    Err(DynamoDbError::validation(
        "Invalid table/index name.  Table/index names must be between 3 and 255 characters long, and may contain only the characters a-z, A-Z, 0-9, '_', '-', and '.'",
    ))
}

/// The name of the table that a request gives by its name or its ARN.
pub fn table_name(given: Option<&str>) -> &str {
    let given = given.unwrap_or_default();
    match given.strip_prefix("arn:") {
        Some(_) => {
            let resource = given.split_once(":table/").map_or("", |(_, rest)| rest);
            resource.split('/').next().unwrap_or_default()
        }
        None => given,
    }
}

values! {
    /// What of the item is returned.
    pub enum ReturnValues {
        /// Nothing.
        #[default]
        None = "NONE",
        /// It, as it was.
        AllOld = "ALL_OLD",
        /// What was updated, as it was.
        UpdatedOld = "UPDATED_OLD",
        /// It, as it is.
        AllNew = "ALL_NEW",
        /// What was updated, as it is.
        UpdatedNew = "UPDATED_NEW",
    }
}

values! {
    /// What of the item is returned if a condition does not hold.
    pub enum ReturnOnFailure {
        /// It.
        AllOld = "ALL_OLD",
        /// Nothing.
        #[default]
        None = "NONE",
    }
}

values! {
    /// Whether a request asks what it cost.
    pub enum ReturnCapacity {
        /// By table and index.
        Indexes = "INDEXES",
        /// In all.
        Total = "TOTAL",
        /// No.
        #[default]
        None = "NONE",
    }
}

values! {
    /// How tests of a legacy request are joined.
    pub enum ConditionalOperator {
        /// All must hold.
        #[default]
        And = "AND",
        /// One must hold.
        Or = "OR",
    }
}

values! {
    /// What a query or a scan answers.
    pub enum Select {
        /// Items.
        #[default]
        AllAttributes = "ALL_ATTRIBUTES",
        /// What an index holds of them.
        AllProjectedAttributes = "ALL_PROJECTED_ATTRIBUTES",
        /// Some attributes.
        SpecificAttributes = "SPECIFIC_ATTRIBUTES",
        /// How many there are.
        Count = "COUNT",
    }
}

/// The value of that name, which was checked; the default if there is none.
pub(super) fn named<T: crate::kinesis::Values + Default>(name: Option<&str>) -> T {
    name.and_then(T::from_name).unwrap_or_default()
}

/// Refuses members of both kinds in one request.
pub(super) fn one_kind(
    legacy: &[(&str, bool)],
    expressions: &[(&str, bool)],
) -> Result<(), DynamoDbError> {
    let given = |members: &[(&str, bool)]| {
        let given = members.iter().filter(|(_, is_there)| *is_there);
        given.map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
    };
    let (legacy, expressions) = (given(legacy), given(expressions));
    if legacy.is_empty() || expressions.is_empty() {
        return Ok(());
    }
    Err(DynamoDbError::validation(format!(
        "Can not use both expression and non-expression parameters in the same request: Non-expression parameters: {{{legacy}}} Expression parameters: {{{expressions}}}"
    )))
}
