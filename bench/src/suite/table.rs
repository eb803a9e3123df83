//! What the suite found: the figures with their targets, and every load with its percentiles, as Markdown.

use std::fmt::Write as _;

use crate::load::Report;

/// One figure of the project.
pub(crate) struct Figure {
    /// What was measured.
    pub(crate) name: String,
    /// With its unit.
    pub(crate) measured: String,
    /// What it should be.
    pub(crate) target: String,
    /// Whether it is; `None` where what it is held against could not be run.
    pub(crate) met: Option<bool>,
    /// As a part of what the reference did in the same run, where there is such a thing.
    pub(crate) ratio: Option<f64>,
}

/// Everything found so far.
#[derive(Default)]
pub(crate) struct Table {
    figures: Vec<Figure>,
    loads: Vec<Report>,
    failures: Vec<String>,
}

impl Table {
    /// Adds a figure, and shows it as progress.
    pub(crate) fn figure(&mut self, figure: Figure) {
        let met = match figure.met {
            Some(true) => "met",
            Some(false) => "NOT MET",
            None => "not comparable",
        };
        eprintln!(
            "   {}: {} (target {}): {met}",
            figure.name, figure.measured, figure.target
        );
        self.figures.push(figure);
    }

    /// Adds a load, and shows it as progress.
    pub(crate) fn load(&mut self, report: Report) {
        eprintln!("   {}", crate::json(&report));
        self.loads.push(report);
    }

    /// Adds a scenario that could not be run.
    pub(crate) fn failure(&mut self, scenario: &str, reason: &str) {
        eprintln!("   {scenario} FAILED: {reason}");
        self.failures.push(format!("{scenario}: {reason}"));
    }

    /// True if every scenario could be run.
    pub(crate) fn complete(&self) -> bool {
        self.failures.is_empty()
    }

    /// The whole as Markdown.
    pub(crate) fn markdown(&self) -> String {
        // Writing to a string does not fail.
        let mut text = String::from("| figure | measured | target | met | of the reference |\n");
        text.push_str("|---|---|---|---|---|\n");
        for figure in &self.figures {
            let Figure {
                name,
                measured,
                target,
                met,
                ratio,
            } = figure;
            let met = match met {
                Some(true) => "yes",
                Some(false) => "no",
                None => "not run",
            };
            let ratio = ratio
                .map(|ratio| format!("{:.1} %", 100.0 * ratio))
                .unwrap_or_default();
            writeln!(text, "| {name} | {measured} | {target} | {met} | {ratio} |").ok();
        }
        text.push_str(
            "\n| load | messages or records/s | p50 ms | p99 ms | p99.9 ms | CPU-s per 100,000 | errors |\n",
        );
        text.push_str("|---|---|---|---|---|---|---|\n");
        for load in &self.loads {
            let latency = &load.latency;
            writeln!(
                text,
                "| {} | {:.0} | {} | {} | {} | {} | {} |",
                load.name,
                load.messages_per_s,
                ms(latency.p50_us),
                ms(latency.p99_us),
                ms(latency.p999_us),
                load.cpu_s_per_100k
                    .map(|cpu_s| format!("{cpu_s:.2}"))
                    .unwrap_or_default(),
                errors(load),
            )
            .ok();
        }
        for failure in &self.failures {
            writeln!(text, "\nNot run: {failure}").ok();
        }
        text
    }
}

fn errors(load: &Report) -> String {
    match &load.first_error {
        Some(first) => format!("{} ({first})", load.errors),
        None => load.errors.to_string(),
    }
}

/// Microseconds as milliseconds, with as many digits as say something.
pub(crate) fn ms(us: u64) -> String {
    let ms = us as f64 / 1000.0;
    if ms < 10.0 {
        format!("{ms:.2}")
    } else {
        format!("{ms:.1}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_a_line_for_each_figure() {
        let mut table = Table::default();
        table.figure(Figure {
            name: "send".to_owned(),
            measured: "10/s".to_owned(),
            target: "50 %".to_owned(),
            met: Some(false),
            ratio: Some(0.123),
        });
        assert!(table.complete());
        table.failure("idle", "no binary");
        let text = table.markdown();
        assert!(text.contains("| send | 10/s | 50 % | no | 12.3 % |\n"));
        assert!(text.contains("Not run: idle: no binary"));
        assert!(!table.complete());
    }

    #[test]
    fn milliseconds_keep_their_meaning() {
        assert_eq!((ms(420).as_str(), ms(12_345).as_str()), ("0.42", "12.3"));
    }
}
