//! `IncreaseStreamRetentionPeriod` and `DecreaseStreamRetentionPeriod`, which differ in their direction only.

use levada_types::limits::{STREAM_RETENTION_HOURS_MAX, STREAM_RETENTION_HOURS_MIN};

use super::KinesisError;
use super::shape::{stream_input, stream_shape};

/// A period that some stream may have.
fn check(hours: Option<i64>) -> Result<(), KinesisError> {
    let hours = hours.unwrap_or_default();
    let (least, most) = (STREAM_RETENTION_HOURS_MIN, STREAM_RETENTION_HOURS_MAX);
    if hours < i64::from(least) {
        return Err(KinesisError::invalid_argument(format!(
            "Minimum allowed retention period is {least} hours. Requested retention period ({hours} hours) is too short."
        )));
    }
    if hours > i64::from(most) {
        return Err(KinesisError::invalid_argument(format!(
            "Maximum allowed retention period is {most} hours. Requested retention period ({hours} hours) is too long."
        )));
    }
    Ok(())
}

macro_rules! periods {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        $(
            stream_input! {
                $(#[$doc])*
                pub struct $name {
                    /// For how long, in hours; 24 to 8,760.
                    pub retention_period_hours: Option<i64>,
                }
            }

            stream_shape!(
                $name,
                |request, violations| {
                    let hours = request.retention_period_hours;
                    violations.required("retentionPeriodHours", &hours);
                    violations.int("retentionPeriodHours", hours, 1..=u32::MAX);
                },
                fn refusal(&self) -> Result<(), KinesisError> {
                    check(self.retention_period_hours)
                }
            );
        )*
    };
}

periods! {
    /// Keeps records for longer.
    IncreaseStreamRetentionPeriodRequest;
    /// Keeps records for less long.
    DecreaseStreamRetentionPeriodRequest;
}
