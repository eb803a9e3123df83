//! `SetSubscriptionAttributes`.

use super::attribute_error::AttributeError;
use super::shape::{Members, Shape};
use super::{SnsError, SubscriptionAttributes, SubscriptionFacts};

/// Sets one attribute of a subscription.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SetSubscriptionAttributesRequest {
    /// The subscription.
    pub subscription_arn: String,
    /// Which attribute.
    pub attribute_name: String,
    /// Its new value. None is as good as an empty one.
    pub attribute_value: Option<String>,
}

about_subscription!(
    SetSubscriptionAttributesRequest,
    subscription_arn,
    "SubscriptionArn"
);

impl SetSubscriptionAttributesRequest {
    fn value(&self) -> &str {
        self.attribute_value.as_deref().unwrap_or("")
    }

    /// The change, read and checked against the subscription.
    pub fn changes(
        &self,
        facts: &SubscriptionFacts<'_>,
    ) -> Result<SubscriptionAttributes, SnsError> {
        SubscriptionAttributes::for_set(&self.attribute_name, self.value(), facts)
            .map_err(AttributeError::alone)
    }
}

impl Shape for SetSubscriptionAttributesRequest {
    fn read(members: &mut Members<'_>) -> Self {
        Self {
            subscription_arn: members.required("SubscriptionArn"),
            attribute_name: members.required("AttributeName"),
            attribute_value: members.text("AttributeValue"),
        }
    }

    fn check(&self) -> Result<(), SnsError> {
        self.subscription()?;
        SubscriptionAttributes::for_set_anywhere(&self.attribute_name, self.value())
            .map(drop)
            .map_err(AttributeError::alone)
    }
}
