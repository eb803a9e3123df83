//! `PutMetricData`.
//!
//! Times are not looked at: what comes is counted when it comes. Bounds and wordings are those of the API reference.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

use super::refusal;
use crate::error::AwsError;
use crate::kinesis::shape::input;
use crate::protocol::form::Form;
use crate::protocol::member::Member;

/// Metrics of one request.
const DATA_MAX: usize = 1_000;
/// Dimensions of one metric.
const DIMENSIONS_MAX: usize = 30;
/// Values of one metric.
const VALUES_MAX: usize = 150;
/// Characters of a namespace, and of a name.
const NAME_LEN_MAX: usize = 255;
/// Characters of a dimension's value.
const DIMENSION_VALUE_LEN_MAX: usize = 1_024;
/// Values are between this and its negative.
const VALUE_MAX: f64 = 2.348_542_582_773_833_3e108;

/// The units that there are.
const UNITS: [&str; 27] = [
    "Seconds",
    "Microseconds",
    "Milliseconds",
    "Bytes",
    "Kilobytes",
    "Megabytes",
    "Gigabytes",
    "Terabytes",
    "Bits",
    "Kilobits",
    "Megabits",
    "Gigabits",
    "Terabits",
    "Percent",
    "Count",
    "Bytes/Second",
    "Kilobytes/Second",
    "Megabytes/Second",
    "Gigabytes/Second",
    "Terabytes/Second",
    "Bits/Second",
    "Kilobits/Second",
    "Megabits/Second",
    "Gigabits/Second",
    "Terabits/Second",
    "Count/Second",
    "None",
];

/// A number.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Double(pub f64);

impl<'de> Deserialize<'de> for Double {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct V;
        impl Visitor<'_> for V {
            type Value = Double;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number")
            }
            fn visit_f64<E: Error>(self, v: f64) -> Result<Double, E> {
                Ok(Double(v))
            }
            fn visit_i64<E: Error>(self, v: i64) -> Result<Double, E> {
                Ok(Double(v as f64))
            }
            fn visit_u64<E: Error>(self, v: u64) -> Result<Double, E> {
                Ok(Double(v as f64))
            }
        }
        d.deserialize_any(V)
    }
}

impl<'de> Member<'de> for Option<Double> {
    fn read<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Self::deserialize(d)
    }
}

impl<'de> Member<'de> for Option<Vec<Double>> {
    fn read<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Self::deserialize(d)
    }
}

input! {
    /// What tells a metric from others of its name.
    pub struct DimensionInput {
        /// Its name.
        pub name: Option<String>,
        /// Its value.
        pub value: Option<String>,
    }
}

input! {
    /// Some values, summed up.
    pub struct StatisticSet {
        /// How many.
        pub sample_count: Option<Double>,
        /// Their sum.
        pub sum: Option<Double>,
        /// The least.
        pub minimum: Option<Double>,
        /// The greatest.
        pub maximum: Option<Double>,
    }
}

input! {
    /// A metric, and one value or several.
    pub struct MetricDatum {
        /// Its name.
        pub metric_name: Option<String>,
        /// What tells it from others of its name.
        pub dimensions: Option<Vec<DimensionInput>>,
        /// One value,
        pub value: Option<Double>,
        /// or some that are summed up,
        pub statistic_values: Option<StatisticSet>,
        /// or some, each
        pub values: Option<Vec<Double>>,
        /// so often.
        pub counts: Option<Vec<Double>>,
        /// What they count.
        pub unit: Option<String>,
    }
}

/// Values of a metric, summed up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// How many.
    pub count: f64,
    /// Their sum.
    pub sum: f64,
    /// The least.
    pub minimum: f64,
    /// The greatest.
    pub maximum: f64,
}

input! {
    /// Reports metrics.
    pub struct PutMetricDataRequest {
        /// Whose metrics they are.
        pub namespace: Option<String>,
        /// They.
        pub metric_data: Option<Vec<MetricDatum>>,
    }
}

fn invalid(message: String) -> AwsError {
    refusal(
        "com.amazonaws.cloudwatch#InvalidParameterValueException",
        "InvalidParameterValue",
        message,
    )
}

fn missing(message: String) -> AwsError {
    refusal(
        "com.amazonaws.cloudwatch#MissingRequiredParameterException",
        "MissingParameter",
        message,
    )
}

fn combination(message: String) -> AwsError {
    refusal(
        "com.amazonaws.cloudwatch#InvalidParameterCombinationException",
        "InvalidParameterCombination",
        message,
    )
}

/// Refuses a text that is missing, empty or too long.
fn text(path: &str, value: Option<&str>, len_max: usize) -> Result<(), AwsError> {
    match value {
        None => Err(missing(format!("The parameter {path} is required."))),
        Some(value) if value.is_empty() || value.chars().count() > len_max => Err(invalid(
            format!("The parameter {path} must be between 1 and {len_max} characters long."),
        )),
        Some(_) => Ok(()),
    }
}

fn number(path: &str, value: f64) -> Result<f64, AwsError> {
    if value.is_finite() && value.abs() <= VALUE_MAX {
        return Ok(value);
    }
    Err(invalid(format!(
        "The value {value} for parameter {path} is invalid."
    )))
}

impl PutMetricDataRequest {
    /// What is wrong with it.
    pub fn validate(&self) -> Result<(), AwsError> {
        text("Namespace", self.namespace.as_deref(), NAME_LEN_MAX)?;
        if self
            .namespace
            .as_deref()
            .is_some_and(|name| name.starts_with(':'))
        {
            return Err(invalid(
                "The value for parameter Namespace is invalid.".to_owned(),
            ));
        }
        let data = self.metric_data.as_deref().unwrap_or_default();
        if data.is_empty() {
            return Err(missing("The parameter MetricData is required.".to_owned()));
        }
        if data.len() > DATA_MAX {
            return Err(invalid(format!(
                "The collection MetricData must not have a size greater than {DATA_MAX}."
            )));
        }
        for (n, datum) in data.iter().enumerate() {
            datum.validate(&format!("MetricData.member.{}", n + 1))?;
        }
        Ok(())
    }

    /// From a form.
    pub(super) fn from_form(form: &Form) -> Result<Self, AwsError> {
        let data = form
            .list("MetricData")
            .into_iter()
            .map(MetricDatum::from_form);
        Ok(Self {
            namespace: form.opt_text("Namespace"),
            metric_data: Some(data.collect::<Result<_, _>>()?),
        })
    }
}

fn double(form: &Form, key: &str) -> Result<Option<Double>, AwsError> {
    form.opt_text(key).map(|text| parse(&text)).transpose()
}

fn parse(text: &str) -> Result<Double, AwsError> {
    match text.parse() {
        Ok(value) => Ok(Double(value)),
        Err(_) => Err(AwsError::serialization(format!("'{text}' is no number"))),
    }
}

impl MetricDatum {
    fn from_form(form: &Form) -> Result<Self, AwsError> {
        let dimensions = form
            .list("Dimensions")
            .into_iter()
            .map(|one| DimensionInput {
                name: one.opt_text("Name"),
                value: one.opt_text("Value"),
            });
        let doubles = |key: &str| {
            let texts = form.texts(key);
            let all = texts
                .iter()
                .map(|text| parse(text))
                .collect::<Result<Vec<_>, _>>()?;
            Ok::<_, AwsError>((!all.is_empty()).then_some(all))
        };
        let statistics = form.below("StatisticValues").map(|set| {
            Ok::<_, AwsError>(StatisticSet {
                sample_count: double(set, "SampleCount")?,
                sum: double(set, "Sum")?,
                minimum: double(set, "Minimum")?,
                maximum: double(set, "Maximum")?,
            })
        });
        Ok(Self {
            metric_name: form.opt_text("MetricName"),
            dimensions: Some(dimensions.collect()),
            value: double(form, "Value")?,
            statistic_values: statistics.transpose()?,
            values: doubles("Values")?,
            counts: doubles("Counts")?,
            unit: form.opt_text("Unit"),
        })
    }

    fn validate(&self, path: &str) -> Result<(), AwsError> {
        let name = format!("{path}.MetricName");
        text(&name, self.metric_name.as_deref(), NAME_LEN_MAX)?;
        let dimensions = self.dimensions.as_deref().unwrap_or_default();
        if dimensions.len() > DIMENSIONS_MAX {
            return Err(invalid(format!(
                "The collection {path}.Dimensions must not have a size greater than {DIMENSIONS_MAX}."
            )));
        }
        for (n, one) in dimensions.iter().enumerate() {
            let at = format!("{path}.Dimensions.member.{}", n + 1);
            text(&format!("{at}.Name"), one.name.as_deref(), NAME_LEN_MAX)?;
            text(
                &format!("{at}.Value"),
                one.value.as_deref(),
                DIMENSION_VALUE_LEN_MAX,
            )?;
        }
        if let Some(unit) = self.unit.as_deref().filter(|unit| !UNITS.contains(unit)) {
            return Err(invalid(format!(
                "The value {unit} for parameter {path}.Unit is invalid."
            )));
        }
        self.summary(path).map(|_| ())
    }

    /// Its values, summed up.
    pub fn summary(&self, path: &str) -> Result<Summary, AwsError> {
        match (&self.value, &self.statistic_values, &self.values) {
            (Some(Double(value)), None, None) => {
                let value = number(&format!("{path}.Value"), *value)?;
                Ok(Summary {
                    count: 1.0,
                    sum: value,
                    minimum: value,
                    maximum: value,
                })
            }
            (None, Some(set), None) => {
                let member = |name: &str, value: Option<Double>| {
                    let path = format!("{path}.StatisticValues.{name}");
                    let value = value
                        .ok_or_else(|| missing(format!("The parameter {path} is required.")))?;
                    number(&path, value.0)
                };
                Ok(Summary {
                    count: member("SampleCount", set.sample_count)?,
                    sum: member("Sum", set.sum)?,
                    minimum: member("Minimum", set.minimum)?,
                    maximum: member("Maximum", set.maximum)?,
                })
            }
            (None, None, Some(values)) => self.of_values(path, values),
            (None, None, None) => Err(missing(format!(
                "At least one of the parameters {path}.Value, {path}.StatisticValues or {path}.Values must be specified."
            ))),
            _ => Err(combination(format!(
                "The parameters {path}.Value, {path}.StatisticValues and {path}.Values are mutually exclusive and you have specified more than one."
            ))),
        }
    }

    fn of_values(&self, path: &str, values: &[Double]) -> Result<Summary, AwsError> {
        if values.is_empty() || values.len() > VALUES_MAX {
            return Err(invalid(format!(
                "The collection {path}.Values must have a size between 1 and {VALUES_MAX}."
            )));
        }
        let counts = self.counts.as_deref();
        if counts.is_some_and(|counts| counts.len() != values.len()) {
            return Err(invalid(format!(
                "The parameters {path}.Values and {path}.Counts must be of the same size."
            )));
        }
        let mut summary = Summary {
            count: 0.0,
            sum: 0.0,
            minimum: f64::INFINITY,
            maximum: f64::NEG_INFINITY,
        };
        for (n, Double(value)) in values.iter().enumerate() {
            let value = number(&format!("{path}.Values.member.{}", n + 1), *value)?;
            let times = counts
                .and_then(|counts| counts.get(n))
                .map_or(1.0, |count| count.0);
            let times = number(&format!("{path}.Counts.member.{}", n + 1), times)?;
            summary.count += times;
            summary.sum += value * times;
            summary.minimum = summary.minimum.min(value);
            summary.maximum = summary.maximum.max(value);
        }
        Ok(summary)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::json;

    fn summary(datum: &str) -> Result<Summary, String> {
        let body = format!(r#"{{"Namespace":"app","MetricData":[{datum}]}}"#);
        let request: PutMetricDataRequest = json::from_slice(body.as_bytes()).unwrap();
        request
            .validate()
            .map_err(|error| error.message.into_owned())?;
        let datum = &request.metric_data.as_ref().unwrap()[0];
        datum
            .summary("")
            .map_err(|error| error.message.into_owned())
    }

    #[test]
    fn values_are_summed_up_however_they_come() {
        let of = |count, sum, minimum, maximum| Summary {
            count,
            sum,
            minimum,
            maximum,
        };
        assert_eq!(
            summary(r#"{"MetricName":"m","Value":2}"#),
            Ok(of(1.0, 2.0, 2.0, 2.0))
        );
        let set = r#"{"MetricName":"m","StatisticValues":{"SampleCount":3,"Sum":6,"Minimum":1,"Maximum":3.5}}"#;
        assert_eq!(summary(set), Ok(of(3.0, 6.0, 1.0, 3.5)));
        let values = r#"{"MetricName":"m","Values":[1,5],"Counts":[2,1],"Unit":"Count"}"#;
        assert_eq!(summary(values), Ok(of(3.0, 7.0, 1.0, 5.0)));
    }

    #[test]
    fn what_is_no_metric_is_refused() {
        for (datum, told) in [
            (
                r#"{"Value":1}"#,
                "The parameter MetricData.member.1.MetricName is required.",
            ),
            (r#"{"MetricName":"m"}"#, "At least one of the parameters"),
            (
                r#"{"MetricName":"m","Value":1,"Values":[1]}"#,
                "mutually exclusive",
            ),
            (r#"{"MetricName":"m","Value":1e200}"#, "is invalid"),
            (
                r#"{"MetricName":"m","Value":1,"Unit":"Miles"}"#,
                "The value Miles for parameter",
            ),
            (
                r#"{"MetricName":"m","Values":[1],"Counts":[1,2]}"#,
                "of the same size",
            ),
        ] {
            let refused = summary(datum).unwrap_err();
            assert!(refused.contains(told), "{datum}: {refused}");
        }
    }
}
