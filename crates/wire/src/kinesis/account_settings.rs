//! `DescribeAccountSettings` and `UpdateAccountSettings`: whether the account pays for a least throughput.

use super::shape::{Answer, input, output, values};
use super::{Shape, Violations};
use crate::protocol::member::EpochTime;

input! {
    /// Asks for the settings.
    pub struct DescribeAccountSettingsRequest {}
}

impl Shape for DescribeAccountSettingsRequest {}

input! {
    /// Changes them.
    pub struct UpdateAccountSettingsRequest {
        /// The one that there is.
        pub minimum_throughput_billing_commitment: Option<CommitmentInput>,
    }
}

input! {
    /// The commitment that is asked for.
    pub struct CommitmentInput {
        /// A [`CommitmentInputStatus`].
        pub status: Option<String>,
    }
}

values! {
    /// What can be asked for.
    pub enum CommitmentInputStatus {
        /// On.
        Enabled = "ENABLED",
        /// Off.
        #[default]
        Disabled = "DISABLED",
    }
}

impl Shape for UpdateAccountSettingsRequest {
    fn violations(&self, violations: &mut Violations) {
        let (path, commitment) = (
            "minimumThroughputBillingCommitment",
            &self.minimum_throughput_billing_commitment,
        );
        violations.required(path, commitment);
        if let Some(commitment) = commitment {
            let path = format!("{path}.status");
            violations.required(&path, &commitment.status);
            violations.one_of::<CommitmentInputStatus>(&path, &commitment.status);
        }
    }
}

values! {
    /// How the commitment stands.
    pub enum CommitmentStatus {
        /// On.
        Enabled = "ENABLED",
        /// Off.
        #[default]
        Disabled = "DISABLED",
        /// On, and it will end at the earliest.
        EnabledUntilEarliestAllowedEnd = "ENABLED_UNTIL_EARLIEST_ALLOWED_END",
    }
}

output! {
    /// The commitment.
    pub struct Commitment {
        /// How it stands.
        pub status: CommitmentStatus,
        /// Since when.
        pub started_at: Option<EpochTime>,
        /// Until when it was.
        pub ended_at: Option<EpochTime>,
        /// When it may end.
        pub earliest_allowed_end_at: Option<EpochTime>,
    }
}

output! {
    /// The settings, also as an update answers.
    pub struct AccountSettingsResponse {
        /// The one that there is.
        pub minimum_throughput_billing_commitment: Option<Commitment>,
    }
}

impl Answer for AccountSettingsResponse {}
