//! A table as it is described.

use levada_cluster::Table;
use levada_engine::proto::{IndexRow, KeySchema, Projection, TableSizeReply, Throughput};
use levada_types::Timestamp;
use levada_wire::dynamodb::{
    self, AttributeDefinition, BillingMode, BillingModeSummary, IndexDescription, KeySchemaElement,
    KeyType, ProjectionType, ScalarType, TableClassSummary, TableDescription, TableStatus,
    ThroughputDescription,
};

use super::context::arn_of;
use super::keys;

/// The whole description, in a status that is told once: what a change has begun is done when it is looked at again.
pub(super) fn describe(
    table: &Table,
    status: TableStatus,
    size: TableSizeReply,
    index_status: impl Fn(&str) -> TableStatus,
) -> TableDescription {
    let row = &table.row;
    let own = keys::schema(table);
    let mut definitions: Vec<AttributeDefinition> = Vec::new();
    let of_indexes = row
        .indexes
        .iter()
        .filter_map(|index| index.config.as_ref()?.key.as_ref());
    for part in std::iter::once(&own)
        .chain(of_indexes)
        .flat_map(keys::parts)
    {
        if !definitions
            .iter()
            .any(|has| has.attribute_name == part.name)
        {
            definitions.push(AttributeDefinition {
                attribute_name: part.name.clone(),
                attribute_type: scalar(keys::type_name(part.r#type())),
            });
        }
    }
    let indexes = row.indexes.iter().map(|index| {
        let name = index.config.as_ref().map_or("", |config| &config.name);
        describe_index(table, index, index_status(name))
    });
    let changed_at = Timestamp::from_millis(row.billing_changed_at);
    TableDescription {
        attribute_definitions: definitions,
        table_name: row.name.clone(),
        key_schema: elements(&own),
        table_status: status,
        creation_date_time: Timestamp::from_millis(row.created_at).into(),
        provisioned_throughput: throughput(row.throughput.as_ref()),
        table_size_bytes: size.bytes,
        item_count: size.items,
        table_arn: arn_of(table),
        table_id: row.id.clone(),
        billing_mode_summary: row.on_demand.then(|| BillingModeSummary {
            billing_mode: BillingMode::PayPerRequest,
            last_update_to_pay_per_request_date_time: (row.billing_changed_at != 0)
                .then(|| changed_at.into()),
        }),
        global_secondary_indexes: (!row.indexes.is_empty()).then(|| indexes.collect()),
        table_class_summary: (!row.table_class.is_empty()).then(|| TableClassSummary {
            table_class: row.table_class.clone(),
        }),
        deletion_protection_enabled: row.protected,
    }
}

fn scalar(name: &str) -> ScalarType {
    use levada_wire::kinesis::Values as _;
    ScalarType::from_name(name).unwrap_or_default()
}

fn elements(key: &KeySchema) -> Vec<KeySchemaElement> {
    let kinds = [KeyType::Hash, KeyType::Range];
    let elements = keys::parts(key)
        .zip(kinds)
        .map(|(part, key_type)| KeySchemaElement {
            attribute_name: part.name.clone(),
            key_type,
        });
    elements.collect()
}

fn throughput(of: Option<&Throughput>) -> ThroughputDescription {
    ThroughputDescription {
        read_capacity_units: of.map_or(0, |of| of.read),
        write_capacity_units: of.map_or(0, |of| of.write),
        number_of_decreases_today: 0,
    }
}

fn describe_index(table: &Table, index: &IndexRow, status: TableStatus) -> IndexDescription {
    let config = index.config.clone().unwrap_or_default();
    let (kind, names) = match config.projection() {
        Projection::All => (ProjectionType::All, None),
        Projection::KeysOnly => (ProjectionType::KeysOnly, None),
        Projection::Include => (ProjectionType::Include, Some(config.included.clone())),
    };
    IndexDescription {
        index_arn: format!("{}/index/{}", arn_of(table), config.name),
        key_schema: elements(&config.key.unwrap_or_default()),
        index_name: config.name,
        projection: dynamodb::Projection {
            projection_type: kind,
            non_key_attributes: names,
        },
        index_status: status,
        backfilling: (status == TableStatus::Creating).then_some(true),
        provisioned_throughput: throughput(index.throughput.as_ref()),
        index_size_bytes: 0,
        item_count: 0,
    }
}
