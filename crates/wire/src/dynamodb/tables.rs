//! The actions on tables: `CreateTable`, `DescribeTable`, `UpdateTable`, `DeleteTable`, `ListTables`, and how a table is
//! described.

use levada_types::limits::{TABLE_INDEXES_MAX, TABLES_LISTED_MAX};

use super::DynamoDbError;
use super::settings::TagInput;
use super::shape::{INDEX_NAME, KEY_NAME, Shape, TABLE, check_table_name};
use crate::kinesis::Violations;
use crate::kinesis::shape::{input, output, values};
use crate::protocol::member::EpochTime;

values! {
    /// The type of a key.
    pub enum ScalarType {
        /// A string.
        #[default]
        S = "S",
        /// A number.
        N = "N",
        /// Bytes.
        B = "B",
    }
}

values! {
    /// A part of a key.
    pub enum KeyType {
        /// The first.
        #[default]
        Hash = "HASH",
        /// The second.
        Range = "RANGE",
    }
}

values! {
    /// How a table is paid for.
    pub enum BillingMode {
        /// By what was ordered.
        #[default]
        Provisioned = "PROVISIONED",
        /// By what is used.
        PayPerRequest = "PAY_PER_REQUEST",
    }
}

values! {
    /// What an index holds.
    pub enum ProjectionType {
        /// Whole items.
        #[default]
        All = "ALL",
        /// Keys.
        KeysOnly = "KEYS_ONLY",
        /// Keys and some attributes.
        Include = "INCLUDE",
    }
}

values! {
    /// How far a table or an index has come.
    pub enum TableStatus {
        /// It is being made.
        Creating = "CREATING",
        /// It is being changed.
        Updating = "UPDATING",
        /// It is being deleted.
        Deleting = "DELETING",
        /// It can be used.
        #[default]
        Active = "ACTIVE",
    }
}

input! {
    /// The type of an attribute that is a key.
    pub struct AttributeDefinitionInput {
        /// Its name.
        pub attribute_name: Option<String>,
        /// [`ScalarType`].
        pub attribute_type: Option<String>,
    }
}

input! {
    /// A part of a key.
    pub struct KeySchemaElementInput {
        /// The attribute.
        pub attribute_name: Option<String>,
        /// [`KeyType`].
        pub key_type: Option<String>,
    }
}

input! {
    /// What was ordered.
    pub struct ThroughputInput {
        /// Units of reading.
        pub read_capacity_units: Option<i64>,
        /// Units of writing.
        pub write_capacity_units: Option<i64>,
    }
}

input! {
    /// What an index holds.
    pub struct ProjectionInput {
        /// [`ProjectionType`].
        pub projection_type: Option<String>,
        /// `INCLUDE`: which attributes beside the keys.
        pub non_key_attributes: Option<Vec<String>>,
    }
}

input! {
    /// An index that is made, changed or deleted, by what it says of it.
    pub struct IndexInput {
        /// Its name.
        pub index_name: Option<String>,
        /// Its key.
        pub key_schema: Option<Vec<KeySchemaElementInput>>,
        /// What it holds.
        pub projection: Option<ProjectionInput>,
        /// What was ordered for it.
        pub provisioned_throughput: Option<ThroughputInput>,
    }
}

input! {
    /// A change of the indexes.
    pub struct IndexUpdateInput {
        /// One is made.
        pub create: Option<IndexInput>,
        /// Other throughput.
        pub update: Option<IndexInput>,
        /// One is deleted.
        pub delete: Option<IndexInput>,
    }
}

input! {
    /// Whether changes are streamed: never.
    pub struct StreamSpecificationInput {
        /// Whether they are.
        pub stream_enabled: Option<bool>,
    }
}

input! {
    /// Makes a table.
    pub struct CreateTableRequest {
        /// Its name.
        pub table_name: Option<String>,
        /// The types of its keys, and those of its indexes.
        pub attribute_definitions: Option<Vec<AttributeDefinitionInput>>,
        /// Its key.
        pub key_schema: Option<Vec<KeySchemaElementInput>>,
        /// Refused.
        pub local_secondary_indexes: Option<Vec<IndexInput>>,
        /// Its indexes.
        pub global_secondary_indexes: Option<Vec<IndexInput>>,
        /// [`BillingMode`].
        pub billing_mode: Option<String>,
        /// What was ordered.
        pub provisioned_throughput: Option<ThroughputInput>,
        /// Refused, if it is on.
        pub stream_specification: Option<StreamSpecificationInput>,
        /// Its tags.
        pub tags: Option<Vec<TagInput>>,
        /// Kept, and told.
        pub table_class: Option<String>,
        /// Whether it cannot be deleted.
        pub deletion_protection_enabled: Option<bool>,
    }
}

fn check_throughput(violations: &mut Violations, path: &str, throughput: &Option<ThroughputInput>) {
    let Some(throughput) = throughput else { return };
    let read = format!("{path}.readCapacityUnits");
    violations.required(&read, &throughput.read_capacity_units);
    violations.int(&read, throughput.read_capacity_units, 1..=u32::MAX);
    let write = format!("{path}.writeCapacityUnits");
    violations.required(&write, &throughput.write_capacity_units);
    violations.int(&write, throughput.write_capacity_units, 1..=u32::MAX);
}

fn check_key(violations: &mut Violations, path: &str, key: &Option<Vec<KeySchemaElementInput>>) {
    let Some(parts) = key else { return };
    violations.length(
        path,
        &format!("[{} members]", parts.len()),
        parts.len(),
        1..=2,
    );
    for (n, part) in parts.iter().enumerate() {
        let at = |member: &str| format!("{path}.{}.member.{member}", n + 1);
        violations.text(
            &at("attributeName"),
            &part.attribute_name,
            &KEY_NAME.required(),
        );
        violations.required(&at("keyType"), &part.key_type);
        violations.one_of::<KeyType>(&at("keyType"), &part.key_type);
    }
}

fn check_index(violations: &mut Violations, path: &str, index: &IndexInput) {
    let name = format!("{path}.indexName");
    violations.text(&name, &index.index_name, &INDEX_NAME.required());
    let key = format!("{path}.keySchema");
    violations.required(&key, &index.key_schema);
    check_key(violations, &key, &index.key_schema);
    violations.required(&format!("{path}.projection"), &index.projection);
    if let Some(projection) = &index.projection {
        let kind = format!("{path}.projection.projectionType");
        violations.one_of::<ProjectionType>(&kind, &projection.projection_type);
    }
    let throughput = format!("{path}.provisionedThroughput");
    check_throughput(violations, &throughput, &index.provisioned_throughput);
}

fn check_definitions(
    violations: &mut Violations,
    definitions: &Option<Vec<AttributeDefinitionInput>>,
) {
    for (n, one) in definitions.iter().flatten().enumerate() {
        let at = |member: &str| format!("attributeDefinitions.{}.member.{member}", n + 1);
        violations.text(
            &at("attributeName"),
            &one.attribute_name,
            &KEY_NAME.required(),
        );
        violations.required(&at("attributeType"), &one.attribute_type);
        violations.one_of::<ScalarType>(&at("attributeType"), &one.attribute_type);
    }
}

/// Refuses what is not served.
fn refuse_stream(stream: &Option<StreamSpecificationInput>) -> Result<(), DynamoDbError> {
    if stream
        .as_ref()
        .is_some_and(|stream| stream.stream_enabled == Some(true))
    {
        return Err(DynamoDbError::validation(
            "Streams of a table's changes are not supported",
        ));
    }
    Ok(())
}

impl Shape for CreateTableRequest {
    fn violations(&self, violations: &mut Violations) {
        violations.text("tableName", &self.table_name, &TABLE.required());
        violations.required("attributeDefinitions", &self.attribute_definitions);
        check_definitions(violations, &self.attribute_definitions);
        violations.required("keySchema", &self.key_schema);
        check_key(violations, "keySchema", &self.key_schema);
        violations.one_of::<BillingMode>("billingMode", &self.billing_mode);
        check_throughput(
            violations,
            "provisionedThroughput",
            &self.provisioned_throughput,
        );
        for (n, index) in self.global_secondary_indexes.iter().flatten().enumerate() {
            let path = format!("globalSecondaryIndexes.{}.member", n + 1);
            check_index(violations, &path, index);
        }
    }

    fn refusal(&self) -> Result<(), DynamoDbError> {
        check_table_name(self.table_name.as_deref().unwrap_or_default())?;
        refuse_stream(&self.stream_specification)?;
        if self
            .local_secondary_indexes
            .as_ref()
            .is_some_and(|list| !list.is_empty())
        {
            return Err(DynamoDbError::validation(
                "Local secondary indexes are not supported",
            ));
        }
        let indexes = self.global_secondary_indexes.as_ref().map_or(0, Vec::len);
        if indexes > TABLE_INDEXES_MAX {
            return Err(too_many_indexes());
        }
        let on_demand = self.billing_mode.as_deref() == Some(BILLING_ON_DEMAND);
        match (&self.provisioned_throughput, on_demand) {
            (Some(_), true) => Err(DynamoDbError::invalid(
                "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST",
            )),
            (None, false) => Err(DynamoDbError::invalid(
                "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED",
            )),
            _ => Ok(()),
        }
    }
}

const BILLING_ON_DEMAND: &str = "PAY_PER_REQUEST";

/// More indexes than a table may have.
pub fn too_many_indexes() -> DynamoDbError {
    DynamoDbError::invalid(format_args!(
        "GlobalSecondaryIndex count exceeds the per-table limit of {TABLE_INDEXES_MAX}"
    ))
}

/// A request that names a table and no more.
macro_rules! table_input {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        $(
            input! {
                $(#[$doc])*
                pub struct $name {
                    /// The table's name or ARN.
                    pub table_name: Option<String>,
                }
            }

            impl Shape for $name {
                fn violations(&self, violations: &mut Violations) {
                    violations.text("tableName", &self.table_name, &TABLE.required());
                }
            }
        )*
    };
}
pub(super) use table_input;

table_input! {
    /// Describes a table.
    DescribeTableRequest;
    /// Deletes a table.
    DeleteTableRequest;
}

input! {
    /// Changes a table.
    pub struct UpdateTableRequest {
        /// Its name or ARN.
        pub table_name: Option<String>,
        /// The types of new indexes' keys.
        pub attribute_definitions: Option<Vec<AttributeDefinitionInput>>,
        /// [`BillingMode`].
        pub billing_mode: Option<String>,
        /// What was ordered.
        pub provisioned_throughput: Option<ThroughputInput>,
        /// Changes of its indexes.
        pub global_secondary_index_updates: Option<Vec<IndexUpdateInput>>,
        /// Refused, if it is on.
        pub stream_specification: Option<StreamSpecificationInput>,
        /// Kept, and told.
        pub table_class: Option<String>,
        /// Whether it cannot be deleted.
        pub deletion_protection_enabled: Option<bool>,
    }
}

impl Shape for UpdateTableRequest {
    fn violations(&self, violations: &mut Violations) {
        violations.text("tableName", &self.table_name, &TABLE.required());
        check_definitions(violations, &self.attribute_definitions);
        violations.one_of::<BillingMode>("billingMode", &self.billing_mode);
        check_throughput(
            violations,
            "provisionedThroughput",
            &self.provisioned_throughput,
        );
        for (n, update) in self
            .global_secondary_index_updates
            .iter()
            .flatten()
            .enumerate()
        {
            let path = format!("globalSecondaryIndexUpdates.{}.member", n + 1);
            if let Some(create) = &update.create {
                check_index(violations, &format!("{path}.create"), create);
            }
            for (kind, one) in [("update", &update.update), ("delete", &update.delete)] {
                if let Some(one) = one {
                    let name = format!("{path}.{kind}.indexName");
                    violations.text(&name, &one.index_name, &INDEX_NAME.required());
                }
            }
        }
    }

    fn refusal(&self) -> Result<(), DynamoDbError> {
        refuse_stream(&self.stream_specification)?;
        let on_demand = self.billing_mode.as_deref() == Some(BILLING_ON_DEMAND);
        if on_demand && self.provisioned_throughput.is_some() {
            return Err(DynamoDbError::invalid(
                "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST",
            ));
        }
        let says_nothing = self.billing_mode.is_none()
            && self.provisioned_throughput.is_none()
            && self
                .global_secondary_index_updates
                .as_ref()
                .is_none_or(Vec::is_empty)
            && self.table_class.is_none()
            && self.stream_specification.is_none()
            && self.deletion_protection_enabled.is_none();
        if says_nothing {
            return Err(DynamoDbError::invalid(
                "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates or SSESpecification or ReplicaUpdates is required",
            ));
        }
        Ok(())
    }
}

input! {
    /// Asks for a page of the tables' names.
    pub struct ListTablesRequest {
        /// The last name of the page before.
        pub exclusive_start_table_name: Option<String>,
        /// Names of the page.
        pub limit: Option<i64>,
    }
}

impl Shape for ListTablesRequest {
    fn violations(&self, violations: &mut Violations) {
        violations.int("limit", self.limit, 1..=TABLES_LISTED_MAX);
    }
}

output! {
    /// A page of the tables' names.
    pub struct ListTablesResponse {
        /// They, in order.
        pub table_names: Vec<String>,
        /// The last one, if there are more.
        pub last_evaluated_table_name: Option<String>,
    }
}

output! {
    /// The type of an attribute that is a key.
    pub struct AttributeDefinition {
        /// Its name.
        pub attribute_name: String,
        /// Its type.
        pub attribute_type: ScalarType,
    }
}

output! {
    /// A part of a key.
    pub struct KeySchemaElement {
        /// The attribute.
        pub attribute_name: String,
        /// Which part.
        pub key_type: KeyType,
    }
}

output! {
    /// What was ordered.
    pub struct ThroughputDescription {
        /// Units of reading.
        pub read_capacity_units: u64,
        /// Units of writing.
        pub write_capacity_units: u64,
        /// How often it was lowered today: nobody counts.
        pub number_of_decreases_today: u64,
    }
}

output! {
    /// How a table is paid for.
    pub struct BillingModeSummary {
        /// That.
        pub billing_mode: BillingMode,
        /// Since when by what is used.
        pub last_update_to_pay_per_request_date_time: Option<EpochTime>,
    }
}

output! {
    /// What an index holds.
    pub struct Projection {
        /// That.
        pub projection_type: ProjectionType,
        /// Which attributes beside the keys.
        pub non_key_attributes: Option<Vec<String>>,
    }
}

output! {
    /// An index.
    pub struct IndexDescription {
        /// Its name.
        pub index_name: String,
        /// Its key.
        pub key_schema: Vec<KeySchemaElement>,
        /// What it holds.
        pub projection: Projection,
        /// How far it has come.
        pub index_status: TableStatus,
        /// Whether it is being filled.
        pub backfilling: Option<bool>,
        /// What was ordered.
        pub provisioned_throughput: ThroughputDescription,
        /// Of the items in it: not counted.
        pub index_size_bytes: u64,
        /// Items in it: not counted.
        pub item_count: u64,
        /// Its ARN.
        pub index_arn: String,
    }
}

output! {
    /// The class of a table.
    pub struct TableClassSummary {
        /// That.
        pub table_class: String,
    }
}

output! {
    /// A table.
    pub struct TableDescription {
        /// The types of its keys, and those of its indexes.
        pub attribute_definitions: Vec<AttributeDefinition>,
        /// Its name.
        pub table_name: String,
        /// Its key.
        pub key_schema: Vec<KeySchemaElement>,
        /// How far it has come.
        pub table_status: TableStatus,
        /// When it was made.
        pub creation_date_time: EpochTime,
        /// What was ordered.
        pub provisioned_throughput: ThroughputDescription,
        /// Of its items.
        pub table_size_bytes: u64,
        /// Its items.
        pub item_count: u64,
        /// Its ARN.
        pub table_arn: String,
        /// A number of its own.
        pub table_id: String,
        /// How it is paid for, if by what is used.
        pub billing_mode_summary: Option<BillingModeSummary>,
        /// Its indexes.
        pub global_secondary_indexes: Option<Vec<IndexDescription>>,
        /// Its class, if it was set.
        pub table_class_summary: Option<TableClassSummary>,
        /// Whether it cannot be deleted.
        pub deletion_protection_enabled: bool,
    }
}

output! {
    /// The table, for the actions that change it.
    pub struct TableDescriptionResponse {
        /// It.
        pub table_description: TableDescription,
    }
}

output! {
    /// The table, for the one that describes it.
    pub struct DescribeTableResponse {
        /// It.
        pub table: TableDescription,
    }
}
