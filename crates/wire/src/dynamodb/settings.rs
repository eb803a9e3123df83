//! What else is set of a table: tags, backups, the time to live.

use levada_types::limits::{
    TABLE_ARN_LEN_MAX, TABLE_NAME_LEN_MAX, TAG_KEY_LEN_MAX, TAG_VALUE_LEN_MAX,
};

use super::DynamoDbError;
use super::shape::{Shape, TABLE};
use super::tables::table_input;
use crate::kinesis::Violations;
use crate::kinesis::constraint::Text;
use crate::kinesis::shape::{input, output, values};
use crate::protocol::member::EpochTime;

const ARN: Text = Text::new(None, 1, TABLE_ARN_LEN_MAX);
const TAG_KEY: Text = Text::new(None, 1, TAG_KEY_LEN_MAX);
const TAG_VALUE: Text = Text::new(None, 0, TAG_VALUE_LEN_MAX);
const TTL_ATTRIBUTE: Text = Text::new(None, 1, TABLE_NAME_LEN_MAX);
/// Days that a table can be brought back from.
const RECOVERY_DAYS_MAX: u32 = 35;

input! {
    /// A tag that is set.
    pub struct TagInput {
        /// Its key.
        pub key: Option<String>,
        /// Its value.
        pub value: Option<String>,
    }
}

output! {
    /// A tag.
    pub struct Tag {
        /// Its key.
        pub key: String,
        /// Its value.
        pub value: String,
    }
}

input! {
    /// Sets tags.
    pub struct TagResourceRequest {
        /// The table's ARN.
        pub resource_arn: Option<String>,
        /// They.
        pub tags: Option<Vec<TagInput>>,
    }
}

/// Checks tags that are set.
fn check_tags(violations: &mut Violations, tags: &Option<Vec<TagInput>>) {
    for (n, tag) in tags.iter().flatten().enumerate() {
        let at = |member: &str| format!("tags.{}.member.{member}", n + 1);
        violations.text(&at("key"), &tag.key, &TAG_KEY.required());
        violations.text(&at("value"), &tag.value, &TAG_VALUE.required());
    }
}

impl Shape for TagResourceRequest {
    fn violations(&self, violations: &mut Violations) {
        violations.text("resourceArn", &self.resource_arn, &ARN.required());
        violations.required("tags", &self.tags);
        check_tags(violations, &self.tags);
    }
}

input! {
    /// Takes tags away.
    pub struct UntagResourceRequest {
        /// The table's ARN.
        pub resource_arn: Option<String>,
        /// Their keys.
        pub tag_keys: Option<Vec<String>>,
    }
}

impl Shape for UntagResourceRequest {
    fn violations(&self, violations: &mut Violations) {
        violations.text("resourceArn", &self.resource_arn, &ARN.required());
        violations.required("tagKeys", &self.tag_keys);
    }
}

input! {
    /// Asks for a table's tags.
    pub struct ListTagsOfResourceRequest {
        /// The table's ARN.
        pub resource_arn: Option<String>,
        /// All come at once: there is no second page.
        pub next_token: Option<String>,
    }
}

impl Shape for ListTagsOfResourceRequest {
    fn violations(&self, violations: &mut Violations) {
        violations.text("resourceArn", &self.resource_arn, &ARN.required());
    }
}

output! {
    /// A table's tags.
    pub struct ListTagsOfResourceResponse {
        /// They, by key.
        pub tags: Vec<Tag>,
    }
}

values! {
    /// Whether something is on.
    pub enum Switch {
        /// It is.
        Enabled = "ENABLED",
        /// It is not.
        #[default]
        Disabled = "DISABLED",
    }
}

input! {
    /// Whether a table can be brought back as it was at any time.
    pub struct PointInTimeRecoveryInput {
        /// Whether it can.
        pub point_in_time_recovery_enabled: Option<bool>,
        /// From how long ago.
        pub recovery_period_in_days: Option<i64>,
    }
}

input! {
    /// Sets that. It is kept and told; a table is backed up with its cluster.
    pub struct UpdateContinuousBackupsRequest {
        /// The table's name or ARN.
        pub table_name: Option<String>,
        /// That.
        pub point_in_time_recovery_specification: Option<PointInTimeRecoveryInput>,
    }
}

impl Shape for UpdateContinuousBackupsRequest {
    fn violations(&self, violations: &mut Violations) {
        violations.text("tableName", &self.table_name, &TABLE.required());
        let path = "pointInTimeRecoverySpecification";
        violations.required(path, &self.point_in_time_recovery_specification);
        if let Some(recovery) = &self.point_in_time_recovery_specification {
            let enabled = format!("{path}.pointInTimeRecoveryEnabled");
            violations.required(&enabled, &recovery.point_in_time_recovery_enabled);
            let days = format!("{path}.recoveryPeriodInDays");
            violations.int(
                &days,
                recovery.recovery_period_in_days,
                1..=RECOVERY_DAYS_MAX,
            );
        }
    }
}

table_input! {
    /// Asks whether a table can be brought back.
    DescribeContinuousBackupsRequest;
    /// Asks which attribute says when an item ends.
    DescribeTimeToLiveRequest;
}

output! {
    /// Whether a table can be brought back as it was at any time.
    pub struct PointInTimeRecoveryDescription {
        /// That.
        pub point_in_time_recovery_status: Switch,
        /// From how long ago.
        pub recovery_period_in_days: Option<u32>,
        /// The first of these times.
        pub earliest_restorable_date_time: Option<EpochTime>,
        /// The last of these times.
        pub latest_restorable_date_time: Option<EpochTime>,
    }
}

output! {
    /// How a table is backed up.
    pub struct ContinuousBackupsDescription {
        /// Always on, as AWS says.
        pub continuous_backups_status: Switch,
        /// Whether it can be brought back as it was at any time.
        pub point_in_time_recovery_description: PointInTimeRecoveryDescription,
    }
}

output! {
    /// How a table is backed up.
    pub struct ContinuousBackupsResponse {
        /// That.
        pub continuous_backups_description: ContinuousBackupsDescription,
    }
}

input! {
    /// Which attribute says when an item ends.
    pub struct TimeToLiveInput {
        /// Whether any does.
        pub enabled: Option<bool>,
        /// Its name.
        pub attribute_name: Option<String>,
    }
}

input! {
    /// Sets that. It is kept and told; nothing is deleted by it.
    pub struct UpdateTimeToLiveRequest {
        /// The table's name or ARN.
        pub table_name: Option<String>,
        /// That.
        pub time_to_live_specification: Option<TimeToLiveInput>,
    }
}

impl Shape for UpdateTimeToLiveRequest {
    fn violations(&self, violations: &mut Violations) {
        violations.text("tableName", &self.table_name, &TABLE.required());
        let path = "timeToLiveSpecification";
        violations.required(path, &self.time_to_live_specification);
        if let Some(ttl) = &self.time_to_live_specification {
            violations.required(&format!("{path}.enabled"), &ttl.enabled);
            let name = format!("{path}.attributeName");
            violations.text(&name, &ttl.attribute_name, &TTL_ATTRIBUTE.required());
        }
    }
}

output! {
    /// Which attribute says when an item ends.
    pub struct TimeToLiveSpecification {
        /// Whether any does.
        pub enabled: bool,
        /// Its name.
        pub attribute_name: String,
    }
}

output! {
    /// What was set.
    pub struct UpdateTimeToLiveResponse {
        /// That.
        pub time_to_live_specification: TimeToLiveSpecification,
    }
}

output! {
    /// Which attribute says when an item ends.
    pub struct TimeToLiveDescription {
        /// Whether any does.
        pub time_to_live_status: Switch,
        /// Its name.
        pub attribute_name: Option<String>,
    }
}

output! {
    /// Which attribute says when an item ends.
    pub struct DescribeTimeToLiveResponse {
        /// That.
        pub time_to_live_description: TimeToLiveDescription,
    }
}

/// Refuses one of the two that says the opposite.
pub fn check_time_to_live(
    has: Option<&str>,
    wanted: bool,
    attribute: &str,
) -> Result<(), DynamoDbError> {
    match (has, wanted) {
        (Some(_), true) => Err(DynamoDbError::validation("TimeToLive is already enabled")),
        (None, false) => Err(DynamoDbError::validation("TimeToLive is already disabled")),
        (Some(has), false) if has != attribute => Err(DynamoDbError::validation(format!(
            "TimeToLive is active on a different AttributeName: current AttributeName is {has}"
        ))),
        _ => Ok(()),
    }
}
