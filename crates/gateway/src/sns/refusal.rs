//! AWS's words for what the catalog refused and the cluster did not carry out.

use levada_cluster::RouteError;
use levada_engine::proto::CatalogRefusal;
use levada_wire::AwsError;
use levada_wire::sns::SnsError;
use tracing::error;

use crate::front::Failure;

/// The refusal of a change of a topic or a subscription.
pub(super) fn of_change(refusal: CatalogRefusal, what: &str) -> Failure {
    match refusal {
        CatalogRefusal::NoSuchTopic => SnsError::topic_does_not_exist().into(),
        CatalogRefusal::NoSuchSubscription => SnsError::subscription_does_not_exist().into(),
        other => {
            error!(
                what,
                ?other,
                "the catalog refused a change without a reason"
            );
            AwsError::internal_failure().into()
        }
    }
}

/// Why something was not carried out.
pub(super) fn of_route(error: RouteError) -> Failure {
    match error {
        RouteError::NoSuchTopic => SnsError::topic_does_not_exist().into(),
        RouteError::Overloaded => SnsError::throttled().into(),
        other => other.into(),
    }
}
