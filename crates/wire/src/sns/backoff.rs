//! When a delivery that failed is tried again: a policy's numbers, and the delay before each attempt.
//!
//! Retries come in four phases, each of which may be empty: at once, after the least delay, after delays that grow
//! from the least to the greatest, after the greatest. AWS documents the phases and names the functions by which the
//! delays grow, but gives no formulas; those here begin at the least delay, end at the greatest, and never shrink.

/// How the delays of the third phase grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum BackoffFunction {
    /// By the same each time.
    #[default]
    Linear,
    /// By one part more each time: 1, 2, 3 parts.
    Arithmetic,
    /// By twice as much each time: 1, 2, 4 parts.
    Geometric,
    /// In the same proportion each time.
    Exponential,
}

impl BackoffFunction {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::Linear,
        Self::Arithmetic,
        Self::Geometric,
        Self::Exponential,
    ];

    /// The name in a policy.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Arithmetic => "arithmetic",
            Self::Geometric => "geometric",
            Self::Exponential => "exponential",
        }
    }

    /// By its name in a policy.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|f| f.as_str() == name)
    }

    /// The delay of step `step` of `0..=last` between two delays, in seconds.
    fn delay_secs(self, min: f64, max: f64, step: u32, last: u32) -> f64 {
        let (i, n) = (f64::from(step), f64::from(last));
        let between = |share: f64| min + (max - min) * share;
        match self {
            _ if step == 0 => min,
            _ if step >= last => max,
            Self::Linear => between(i / n),
            Self::Arithmetic => between(i * (i + 1.0) / (n * (n + 1.0))),
            // (2^i - 1) / (2^n - 1), written so that neither power overflows.
            Self::Geometric => between(((i - n).exp2() - (-n).exp2()) / (1.0 - (-n).exp2())),
            Self::Exponential => min * (max / min).powf(i / n),
        }
    }
}

/// How often a delivery is tried again, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The least delay, in seconds, 1 or more.
    pub min_delay_target_secs: u32,
    /// The greatest delay, in seconds, no less than the least.
    pub max_delay_target_secs: u32,
    /// Retries in all, those of the four phases.
    pub num_retries: u32,
    /// Retries after the greatest delay.
    pub num_max_delay_retries: u32,
    /// Retries at once.
    pub num_no_delay_retries: u32,
    /// Retries after the least delay.
    pub num_min_delay_retries: u32,
    /// How the delays between them grow.
    pub backoff_function: BackoffFunction,
}

impl RetryPolicy {
    /// Over HTTP, where nothing else is set.
    pub const HTTP_DEFAULT: Self = Self {
        min_delay_target_secs: 20,
        max_delay_target_secs: 20,
        num_retries: 3,
        num_max_delay_retries: 0,
        num_no_delay_retries: 0,
        num_min_delay_retries: 0,
        backoff_function: BackoffFunction::Linear,
    };

    /// To what AWS runs itself: SQS, Lambda, Firehose. 100,015 retries within 23 days (documentation).
    pub const AWS_MANAGED: Self = Self {
        min_delay_target_secs: 1,
        max_delay_target_secs: 20,
        num_retries: 100_015,
        num_max_delay_retries: 100_000,
        num_no_delay_retries: 3,
        num_min_delay_retries: 2,
        backoff_function: BackoffFunction::Exponential,
    };

    /// To what its users run: mail, text messages, apps on phones. 50 attempts within 6 hours (documentation).
    pub const CUSTOMER_MANAGED: Self = Self {
        min_delay_target_secs: 10,
        max_delay_target_secs: 600,
        num_retries: 50,
        num_max_delay_retries: 38,
        num_no_delay_retries: 0,
        num_min_delay_retries: 2,
        backoff_function: BackoffFunction::Exponential,
    };

    /// The delay between attempt `attempt - 1` and attempt `attempt`, in milliseconds. The first attempt is 1 and
    /// has none; after the last, there is no further.
    pub fn delay_before_attempt_ms(&self, attempt: u32) -> Option<u64> {
        let Some(retry) = attempt.checked_sub(2) else {
            return Some(0);
        };
        if retry >= self.num_retries {
            return None;
        }
        let (min, max) = (self.min_delay_target_secs, self.max_delay_target_secs);
        let after_none = self.num_no_delay_retries;
        let after_min = after_none.saturating_add(self.num_min_delay_retries);
        let before_max = self.num_retries.saturating_sub(self.num_max_delay_retries);
        let secs = if retry < after_none {
            0.0
        } else if retry < after_min {
            f64::from(min)
        } else if retry < before_max {
            let last = before_max - after_min - 1;
            let function = self.backoff_function;
            function.delay_secs(f64::from(min), f64::from(max), retry - after_min, last)
        } else {
            f64::from(max)
        };
        Some((secs * 1000.0).round() as u64)
    }

    /// All delays together, in milliseconds.
    pub fn total_delay_ms(&self) -> u64 {
        (2..)
            .map_while(|attempt| self.delay_before_attempt_ms(attempt))
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn delays(policy: &RetryPolicy) -> Vec<u64> {
        (2..)
            .map_while(|n| policy.delay_before_attempt_ms(n))
            .collect()
    }

    fn with(backoff_function: BackoffFunction) -> RetryPolicy {
        RetryPolicy {
            min_delay_target_secs: 1,
            max_delay_target_secs: 16,
            num_retries: 10,
            num_max_delay_retries: 2,
            num_no_delay_retries: 1,
            num_min_delay_retries: 2,
            backoff_function,
        }
    }

    #[test]
    fn the_default_is_three_times_after_twenty_seconds() {
        assert_eq!(delays(&RetryPolicy::HTTP_DEFAULT), [20_000; 3]);
        assert_eq!(
            RetryPolicy::HTTP_DEFAULT.delay_before_attempt_ms(1),
            Some(0)
        );
        assert_eq!(
            RetryPolicy::HTTP_DEFAULT.delay_before_attempt_ms(0),
            Some(0)
        );
        assert_eq!(RetryPolicy::HTTP_DEFAULT.delay_before_attempt_ms(5), None);
    }

    #[test]
    fn each_function_fills_the_third_phase() {
        for (function, grown) in [
            (BackoffFunction::Linear, [1000, 4750, 8500, 12_250, 16_000]),
            (
                BackoffFunction::Arithmetic,
                [1000, 2500, 5500, 10_000, 16_000],
            ),
            (BackoffFunction::Geometric, [1000, 2000, 4000, 8000, 16_000]),
            (
                BackoffFunction::Exponential,
                [1000, 2000, 4000, 8000, 16_000],
            ),
        ] {
            let mut expected = vec![0, 1000, 1000];
            expected.extend(grown);
            expected.extend([16_000, 16_000]);
            assert_eq!(delays(&with(function)), expected, "{function:?}");
        }
        // Geometric steps double; exponential delays keep a proportion.
        let wide = |function| RetryPolicy {
            min_delay_target_secs: 4,
            ..with(function)
        };
        assert_eq!(
            delays(&wide(BackoffFunction::Geometric))[3..8],
            [4000, 4800, 6400, 9600, 16_000]
        );
        assert_eq!(
            delays(&wide(BackoffFunction::Exponential))[3..8],
            [4000, 5657, 8000, 11_314, 16_000]
        );
    }

    #[test]
    fn the_fixed_policies_take_as_long_as_documented() {
        let day_ms = 86_400_000;
        assert_eq!(RetryPolicy::AWS_MANAGED.total_delay_ms() / day_ms, 23);
        let customer = RetryPolicy::CUSTOMER_MANAGED.total_delay_ms();
        assert!(
            (6 * 3_600_000..8 * 3_600_000).contains(&customer),
            "{customer}"
        );
    }

    #[test]
    fn names_come_back() {
        for function in BackoffFunction::ALL {
            assert_eq!(
                BackoffFunction::from_name(function.as_str()),
                Some(*function)
            );
        }
        assert_eq!(BackoffFunction::from_name("Linear"), None);
    }

    proptest! {
        #[test]
        fn delays_never_shrink_and_keep_their_bounds(
            min in 1u32..100, more in 0u32..3500, no in 0u32..20, least in 0u32..20, grown in 0u32..100,
            most in 0u32..20, function in 0usize..4,
        ) {
            let policy = RetryPolicy {
                min_delay_target_secs: min,
                max_delay_target_secs: min + more,
                num_retries: no + least + grown + most,
                num_max_delay_retries: most,
                num_no_delay_retries: no,
                num_min_delay_retries: least,
                backoff_function: BackoffFunction::ALL[function],
            };
            let all = delays(&policy);
            prop_assert_eq!(all.len() as u32, policy.num_retries);
            prop_assert!(all.is_sorted(), "{:?}", all);
            for (at, delay) in all.iter().enumerate() {
                if (at as u32) < no {
                    prop_assert_eq!(*delay, 0);
                } else {
                    let bounds = u64::from(min) * 1000..=u64::from(min + more) * 1000;
                    prop_assert!(bounds.contains(delay));
                }
            }
        }

        #[test]
        fn no_numbers_are_too_wild(
            min in any::<u32>(), max in any::<u32>(), retries in any::<u32>(), most in any::<u32>(),
            no in any::<u32>(), least in any::<u32>(), attempt in any::<u32>(),
        ) {
            for function in BackoffFunction::ALL {
                let policy = RetryPolicy {
                    min_delay_target_secs: min,
                    max_delay_target_secs: max,
                    num_retries: retries,
                    num_max_delay_retries: most,
                    num_no_delay_retries: no,
                    num_min_delay_retries: least,
                    backoff_function: *function,
                };
                let _ = policy.delay_before_attempt_ms(attempt);
            }
        }
    }
}
