//! Tags, backups, the time to live: kept in the table's row, and told.

use std::time::SystemTime;

use levada_cluster::Table;
use levada_types::Timestamp;
use levada_wire::dynamodb::{
    ContinuousBackupsDescription, ContinuousBackupsResponse, DescribeContinuousBackupsRequest,
    DescribeTimeToLiveRequest, DescribeTimeToLiveResponse, DynamoDbError, DynamoDbErrorKind, Empty,
    ListTagsOfResourceRequest, ListTagsOfResourceResponse, PointInTimeRecoveryDescription, Switch,
    Tag, TagResourceRequest, TimeToLiveDescription, TimeToLiveSpecification, UntagResourceRequest,
    UpdateContinuousBackupsRequest, UpdateTimeToLiveRequest, UpdateTimeToLiveResponse,
    check_time_to_live, table_name,
};

use super::context::Context;
use super::create_table::put_tags;
use crate::front::Failure;

/// Days that AWS keeps where a request does not say how many.
const RECOVERY_DAYS_DEFAULT: u32 = 35;

pub(super) async fn tag(cx: &Context<'_>, request: TagResourceRequest) -> Result<Empty, Failure> {
    let edit = |table: &Table| {
        let mut row = table.row.clone();
        put_tags(&mut row.tags, request.tags.as_deref())?;
        Ok(row)
    };
    cx.change(request.resource_arn.as_deref(), edit).await?;
    Ok(Empty {})
}

pub(super) async fn untag(
    cx: &Context<'_>,
    request: UntagResourceRequest,
) -> Result<Empty, Failure> {
    let keys = request.tag_keys.unwrap_or_default();
    let edit = |table: &Table| {
        let mut row = table.row.clone();
        row.tags.retain(|key, _| !keys.contains(key));
        Ok(row)
    };
    cx.change(request.resource_arn.as_deref(), edit).await?;
    Ok(Empty {})
}

pub(super) async fn list_tags(
    cx: &Context<'_>,
    request: ListTagsOfResourceRequest,
) -> Result<ListTagsOfResourceResponse, Failure> {
    let table = cx.current(request.resource_arn.as_deref()).await?;
    let tags = table.row.tags.iter().map(|(key, value)| Tag {
        key: key.clone(),
        value: value.clone(),
    });
    Ok(ListTagsOfResourceResponse {
        tags: tags.collect(),
    })
}

/// These actions have another name for a table that is not there.
fn of_backups(failure: Failure, given: Option<&str>) -> Failure {
    match failure {
        Failure::DynamoDb(error) if error.kind == DynamoDbErrorKind::ResourceNotFound => {
            let message = format!("Table not found: {}", table_name(given));
            DynamoDbError::new(DynamoDbErrorKind::TableNotFound, message).into()
        }
        other => other,
    }
}

pub(super) async fn update_backups(
    cx: &Context<'_>,
    request: UpdateContinuousBackupsRequest,
) -> Result<ContinuousBackupsResponse, Failure> {
    let given = request.table_name.as_deref();
    let wanted = request
        .point_in_time_recovery_specification
        .clone()
        .unwrap_or_default();
    let edit = |table: &Table| {
        let mut row = table.row.clone();
        row.point_in_time = wanted.point_in_time_recovery_enabled == Some(true);
        let days = wanted
            .recovery_period_in_days
            .and_then(|days| u32::try_from(days).ok());
        row.recovery_days = match days {
            Some(days) if row.point_in_time => days,
            None if row.point_in_time => RECOVERY_DAYS_DEFAULT,
            _ => 0,
        };
        Ok(row)
    };
    let changed = cx.change(given, edit).await;
    let (_, table) = changed.map_err(|failure| of_backups(failure, given))?;
    Ok(backups(&table))
}

pub(super) async fn describe_backups(
    cx: &Context<'_>,
    request: DescribeContinuousBackupsRequest,
) -> Result<ContinuousBackupsResponse, Failure> {
    let given = request.table_name.as_deref();
    let table = cx.current(given).await;
    let table = table.map_err(|failure| of_backups(failure, given))?;
    Ok(backups(&table))
}

fn backups(table: &Table) -> ContinuousBackupsResponse {
    let row = &table.row;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = Timestamp::from_millis(now.map_or(0, |now| now.as_millis() as u64));
    let is_on = row.point_in_time;
    ContinuousBackupsResponse {
        continuous_backups_description: ContinuousBackupsDescription {
            continuous_backups_status: Switch::Enabled,
            point_in_time_recovery_description: PointInTimeRecoveryDescription {
                point_in_time_recovery_status: switch(is_on),
                recovery_period_in_days: is_on.then_some(row.recovery_days),
                earliest_restorable_date_time: is_on
                    .then(|| Timestamp::from_millis(row.created_at).into()),
                latest_restorable_date_time: is_on.then(|| now.into()),
            },
        },
    }
}

fn switch(is_on: bool) -> Switch {
    if is_on {
        Switch::Enabled
    } else {
        Switch::Disabled
    }
}

pub(super) async fn update_time_to_live(
    cx: &Context<'_>,
    request: UpdateTimeToLiveRequest,
) -> Result<UpdateTimeToLiveResponse, Failure> {
    let wanted = request
        .time_to_live_specification
        .clone()
        .unwrap_or_default();
    let (enabled, attribute) = (
        wanted.enabled == Some(true),
        wanted.attribute_name.unwrap_or_default(),
    );
    let edit = |table: &Table| {
        let mut row = table.row.clone();
        let has = Some(row.ttl_attribute.as_str()).filter(|has| !has.is_empty());
        check_time_to_live(has, enabled, &attribute)?;
        row.ttl_attribute = if enabled {
            attribute.clone()
        } else {
            String::new()
        };
        Ok(row)
    };
    cx.change(request.table_name.as_deref(), edit).await?;
    Ok(UpdateTimeToLiveResponse {
        time_to_live_specification: TimeToLiveSpecification {
            enabled,
            attribute_name: attribute.clone(),
        },
    })
}

pub(super) async fn describe_time_to_live(
    cx: &Context<'_>,
    request: DescribeTimeToLiveRequest,
) -> Result<DescribeTimeToLiveResponse, Failure> {
    let table = cx.current(request.table_name.as_deref()).await?;
    let attribute = &table.row.ttl_attribute;
    Ok(DescribeTimeToLiveResponse {
        time_to_live_description: TimeToLiveDescription {
            time_to_live_status: switch(!attribute.is_empty()),
            attribute_name: (!attribute.is_empty()).then(|| attribute.clone()),
        },
    })
}
