//! What client libraries report to CloudWatch, summed up in this process's memory and shown on its metrics page.
//!
//! Nothing is replicated: a library reports to whichever node it talks to, and what adds up over nodes is for who reads
//! the pages.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};

use levada_wire::AwsError;
use levada_wire::cloudwatch::{PutMetricDataRequest, PutMetricDataResponse, Request};

use crate::caller::Caller;
use crate::front::Failure;

/// Metrics that are kept at one time; beyond it the one that was reported longest ago is forgotten.
pub const METRICS_MAX: usize = 4_096;

/// What tells a metric from others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MetricId {
    /// Whose it is.
    pub account: String,
    /// Where it was reported.
    pub region: String,
    /// Whose metrics they are, by the library's word.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// `name=value` of each dimension, in order of name, joined by commas.
    pub dimensions: String,
}

/// All that was reported of a metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MetricFigures {
    /// How many values.
    pub count: f64,
    /// Their sum.
    pub sum: f64,
    /// The least.
    pub minimum: f64,
    /// The greatest.
    pub maximum: f64,
    reported: u64,
}

/// The metrics that are kept.
#[derive(Debug, Default)]
pub(crate) struct ReportedMetrics {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    figures: BTreeMap<MetricId, MetricFigures>,
    /// By when they were reported last.
    order: BTreeSet<(u64, MetricId)>,
    reports: u64,
}

impl ReportedMetrics {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// The metrics, in order.
    pub(crate) fn all(&self) -> Vec<(MetricId, MetricFigures)> {
        let kept = self.lock();
        kept.figures
            .iter()
            .map(|(id, figures)| (id.clone(), *figures))
            .collect()
    }

    fn report(&self, caller: &Caller, request: &PutMetricDataRequest) -> Result<(), AwsError> {
        let namespace = request.namespace.clone().unwrap_or_default();
        for datum in request.metric_data.iter().flatten() {
            let summary = datum.summary("MetricData")?;
            let mut dimensions: Vec<String> = datum
                .dimensions
                .iter()
                .flatten()
                .map(|one| {
                    let of = |text: &Option<String>| text.clone().unwrap_or_default();
                    format!("{}={}", of(&one.name), of(&one.value))
                })
                .collect();
            dimensions.sort_unstable();
            let id = MetricId {
                account: caller.account.to_string(),
                region: caller.region.as_str().to_owned(),
                namespace: namespace.clone(),
                name: datum.metric_name.clone().unwrap_or_default(),
                dimensions: dimensions.join(","),
            };
            let figures = MetricFigures {
                count: summary.count,
                sum: summary.sum,
                minimum: summary.minimum,
                maximum: summary.maximum,
                reported: 0,
            };
            self.lock().add(id, figures);
        }
        Ok(())
    }
}

impl Kept {
    fn add(&mut self, id: MetricId, more: MetricFigures) {
        self.reports += 1;
        let reported = self.reports;
        let figures = match self.figures.get(&id) {
            Some(before) => {
                self.order.remove(&(before.reported, id.clone()));
                MetricFigures {
                    count: before.count + more.count,
                    sum: before.sum + more.sum,
                    minimum: before.minimum.min(more.minimum),
                    maximum: before.maximum.max(more.maximum),
                    reported,
                }
            }
            None => MetricFigures { reported, ..more },
        };
        self.order.insert((reported, id.clone()));
        self.figures.insert(id, figures);
        while self.figures.len() > METRICS_MAX {
            let Some((_, oldest)) = self.order.pop_first() else {
                return;
            };
            self.figures.remove(&oldest);
        }
    }
}

/// Answers a request.
pub(crate) fn call(
    metrics: &ReportedMetrics,
    caller: &Caller,
    request: &Request,
) -> Result<PutMetricDataResponse, Failure> {
    match request {
        Request::PutMetricData(request) => {
            request.validate()?;
            metrics.report(caller, request)?;
            Ok(PutMetricDataResponse {})
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> MetricId {
        MetricId {
            account: "0".into(),
            region: "r".into(),
            namespace: "app".into(),
            name: name.into(),
            dimensions: String::new(),
        }
    }

    fn figures(value: f64) -> MetricFigures {
        MetricFigures {
            count: 1.0,
            sum: value,
            minimum: value,
            maximum: value,
            reported: 0,
        }
    }

    #[test]
    fn reports_add_up_and_the_oldest_is_forgotten() {
        let metrics = ReportedMetrics::default();
        metrics.lock().add(id("first"), figures(1.0));
        metrics.lock().add(id("second"), figures(5.0));
        metrics.lock().add(id("first"), figures(3.0));
        let all = metrics.all();
        assert_eq!(
            (all[0].1.count, all[0].1.sum, all[0].1.maximum),
            (2.0, 4.0, 3.0)
        );
        for n in 0..METRICS_MAX - 1 {
            metrics.lock().add(id(&format!("n{n}")), figures(0.0));
        }
        let all = metrics.all();
        assert_eq!(all.len(), METRICS_MAX);
        assert!(all.iter().any(|(id, _)| id.name == "first"));
        assert!(
            !all.iter().any(|(id, _)| id.name == "second"),
            "reported longest ago"
        );
        assert_eq!(metrics.lock().order.len(), METRICS_MAX);
    }
}
