//! What is done with a message after an attempt: by the report, the attempt's number and the effective policy.
//!
//! The policies, their phases and the growth of their delays are [`levada_wire::sns::RetryPolicy`]. AWS adds jitter that it
//! does not describe; there is none here, since a subscription whose endpoint fails has hardly more than one message under way.

use std::time::Duration;

use levada_wire::sns::{RetryPolicy, SubscriptionProtocol};

use crate::limits::SOCKET_BUSY_DELAY;
use crate::report::{Report, Verdict};

/// Why a message is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GiveUp {
    /// It was refused in a way that would be the same another time.
    Refused,
    /// The policy has no further attempt.
    Exhausted,
}

impl GiveUp {
    /// A word for a dead letter or a log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Exhausted => "exhausted",
        }
    }
}

/// What is done with a message after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It is delivered.
    Done,
    /// It is tried again after this time.
    Later(Duration),
    /// It goes to the dead letters, or nowhere.
    GiveUp(GiveUp),
}

impl Next {
    /// After attempt number `attempt`, of which the first is 1.
    pub fn after(policy: &RetryPolicy, attempt: u32, report: &Report) -> Self {
        match report.verdict {
            Verdict::Delivered => Self::Done,
            Verdict::Never => Self::GiveUp(GiveUp::Refused),
            Verdict::NotTried => Self::Later(SOCKET_BUSY_DELAY),
            Verdict::Retry => {
                let delay = policy.delay_before_attempt_ms(attempt.saturating_add(1));
                delay.map_or(Self::GiveUp(GiveUp::Exhausted), |ms| {
                    Self::Later(Duration::from_millis(ms))
                })
            }
        }
    }
}

/// The policy of a protocol whose policy cannot be set: of all but `http` and `https`, where this is AWS's default.
pub fn fixed_policy(protocol: SubscriptionProtocol) -> RetryPolicy {
    match protocol {
        SubscriptionProtocol::Http | SubscriptionProtocol::Https => RetryPolicy::HTTP_DEFAULT,
        SubscriptionProtocol::Sqs
        | SubscriptionProtocol::Lambda
        | SubscriptionProtocol::Firehose => RetryPolicy::AWS_MANAGED,
        SubscriptionProtocol::Email
        | SubscriptionProtocol::EmailJson
        | SubscriptionProtocol::Sms
        | SubscriptionProtocol::Application => RetryPolicy::CUSTOMER_MANAGED,
    }
}

#[cfg(test)]
mod tests {
    use levada_types::limits::DELIVERY_RETRY_SECS_MAX;
    use levada_wire::sns::{
        BackoffFunction, EffectiveDeliveryPolicy, SubscriptionAttributes, TopicDeliveryPolicy,
    };
    use proptest::prelude::*;

    use super::*;

    fn delays(policy: &RetryPolicy) -> Vec<Duration> {
        let failed = Report::retry(Some(503), "busy");
        let mut delays = Vec::new();
        for attempt in 1.. {
            match Next::after(policy, attempt, &failed) {
                Next::Later(delay) => delays.push(delay),
                other => {
                    assert_eq!(other, Next::GiveUp(GiveUp::Exhausted));
                    break;
                }
            }
        }
        delays
    }

    #[test]
    fn verdicts_are_acted_upon() {
        let policy = RetryPolicy::HTTP_DEFAULT;
        let next = |attempt, report: Report| Next::after(&policy, attempt, &report);
        assert_eq!(next(1, Report::delivered(Some(200), "")), Next::Done);
        assert_eq!(
            next(1, Report::never(Some(403), "")),
            Next::GiveUp(GiveUp::Refused)
        );
        let busy = Next::Later(SOCKET_BUSY_DELAY);
        assert_eq!(next(1, Report::not_tried("busy")), busy);
        // What was not tried is not given up, however often it was claimed.
        assert_eq!(next(1000, Report::not_tried("busy")), busy);
        let twenty = Next::Later(Duration::from_secs(20));
        for attempt in 1..=3 {
            assert_eq!(next(attempt, Report::retry(None, "")), twenty);
        }
        for attempt in [4, u32::MAX] {
            assert_eq!(
                next(attempt, Report::retry(None, "")),
                Next::GiveUp(GiveUp::Exhausted)
            );
        }
    }

    #[test]
    fn fixed_policies_are_the_documented_ones() {
        let attempts = |protocol| delays(&fixed_policy(protocol)).len() + 1;
        assert_eq!(attempts(SubscriptionProtocol::Http), 4);
        assert_eq!(attempts(SubscriptionProtocol::Lambda), 100_016);
        assert_eq!(attempts(SubscriptionProtocol::Email), 51);
        let lambda = delays(&fixed_policy(SubscriptionProtocol::Firehose));
        assert_eq!(lambda[..3], [Duration::ZERO; 3]);
        assert_eq!(lambda[3..5], [Duration::from_secs(1); 2]);
        assert_eq!(*lambda.last().unwrap(), Duration::from_secs(20));
    }

    /// The policy that applies to a subscription which sets this one, unless it is refused.
    fn effective(text: &str) -> Option<RetryPolicy> {
        let stored = [("DeliveryPolicy".to_owned(), text.to_owned())];
        let stored = stored.iter().map(|(name, value)| (name, value));
        let own = SubscriptionAttributes::from_stored(stored).delivery_policy?;
        let policy = EffectiveDeliveryPolicy::of(&TopicDeliveryPolicy::default(), &own);
        Some(policy.retry)
    }

    proptest! {
        /// A policy that can be set has delays that keep AWS's bound together, and as many of each phase as it says. One that cannot
        /// be set would not keep it.
        #[test]
        fn phases_have_their_counts_and_the_sum_its_bound(
            min in 1u32..=60, more in 0u32..=300, no in 0u32..=20, least in 0u32..=20, grown in 0u32..=40,
            most in 0u32..=20, function in 0usize..4,
        ) {
            let policy = RetryPolicy {
                min_delay_target_secs: min,
                max_delay_target_secs: min + more,
                num_retries: no + least + grown + most,
                num_no_delay_retries: no,
                num_min_delay_retries: least,
                num_max_delay_retries: most,
                backoff_function: BackoffFunction::ALL[function],
            };
            let text = serde_json::json!({"healthyRetryPolicy": {
                "minDelayTarget": policy.min_delay_target_secs,
                "maxDelayTarget": policy.max_delay_target_secs,
                "numRetries": policy.num_retries,
                "numNoDelayRetries": no,
                "numMinDelayRetries": least,
                "numMaxDelayRetries": most,
                "backoffFunction": policy.backoff_function.as_str(),
            }});
            let delays = delays(&policy);
            let sum: Duration = delays.iter().sum();
            let bound = Duration::from_secs(u64::from(DELIVERY_RETRY_SECS_MAX));
            let accepted = (sum <= bound).then_some(policy);
            prop_assert_eq!(effective(&text.to_string()), accepted, "{:?}", sum);

            prop_assert_eq!(delays.len() as u32, policy.num_retries);
            let (min, max) = (Duration::from_secs(min.into()), Duration::from_secs((min + more).into()));
            let (no, least) = (no as usize, least as usize);
            prop_assert!(delays[..no].iter().all(Duration::is_zero));
            prop_assert!(delays[no..no + least].iter().all(|delay| *delay == min));
            let before_max = delays.len() - most as usize;
            prop_assert!(delays[before_max..].iter().all(|delay| *delay == max));
            prop_assert!(delays[no + least..before_max].iter().all(|delay| (min..=max).contains(delay)));
            prop_assert!(delays.is_sorted());
        }
    }
}
