//! `IncreaseStreamRetentionPeriod` and `DecreaseStreamRetentionPeriod`.

use std::cmp::Ordering;

use levada_cluster::Stream;
use levada_engine::proto::StreamRow;
use levada_wire::kinesis::{
    DecreaseStreamRetentionPeriodRequest, Empty, IncreaseStreamRetentionPeriodRequest,
    KinesisError, StreamReference,
};

use super::context::{Context, Edit, must_be_active, reference_of};
use crate::front::Failure;

pub(super) async fn increase(
    cx: &Context<'_>,
    request: IncreaseStreamRetentionPeriodRequest,
) -> Result<Empty, Failure> {
    let (reference, hours) = (reference_of(&request)?, request.retention_period_hours);
    set(cx, &reference, hours, Ordering::Less).await
}

pub(super) async fn decrease(
    cx: &Context<'_>,
    request: DecreaseStreamRetentionPeriodRequest,
) -> Result<Empty, Failure> {
    let (reference, hours) = (reference_of(&request)?, request.retention_period_hours);
    set(cx, &reference, hours, Ordering::Greater).await
}

/// Sets the period, unless it compares to what there is as it must not.
async fn set(
    cx: &Context<'_>,
    reference: &StreamReference<'_>,
    hours: Option<i64>,
    must_not_be: Ordering,
) -> Result<Empty, Failure> {
    let hours = hours.and_then(|hours| u32::try_from(hours).ok());
    let hours = hours.unwrap_or_default();
    let edit = |stream: &Stream| {
        must_be_active(stream)?;
        let existing = stream.row.retention_hours;
        if hours.cmp(&existing) == must_not_be {
            let (than, other) = match must_not_be {
                Ordering::Less => ("shorter", "DecreaseRetentionPeriod"),
                _ => ("longer", "IncreaseRetentionPeriod"),
            };
            let name = &stream.row.name;
            return Err(KinesisError::invalid_argument(format!(
                "Requested retention period ({hours} hours) for stream {name} can not be {than} than existing \
                 retention period ({existing} hours). Use {other} API."
            )));
        }
        Ok(Edit::from(StreamRow {
            retention_hours: hours,
            ..stream.row.clone()
        }))
    };
    cx.change(reference, edit).await?;
    Ok(Empty {})
}
