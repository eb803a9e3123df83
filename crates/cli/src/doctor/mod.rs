//! `levada doctor`: looks at a configuration, a data directory and a running cluster, and says in words
//! what is wrong and what to do. Changes nothing.

mod cluster;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use levada_server::doctor::{Finding, Severity, check_config, inspect};
use serde_json::{Value, json};

use crate::client::{Client, Error};

/// The exit code when there are warnings and no problems. 1 is for problems, 2 for a wrong command line.
const WARNINGS: u8 = 3;

/// What is looked at; without any of it the node at the default endpoint.
#[derive(Args)]
#[command(after_help = "\
Examples:
  levada doctor                                     the cluster, by the node at 127.0.0.1:4566
  levada doctor --config /etc/levada.toml           the file, and the directory that it names
  levada doctor --data ./levada-data                a directory, best while no node uses it
  levada doctor --endpoint http://10.0.0.2:4566     a running cluster; run it on one of its nodes

Exit code: 0 if all is well, 3 if somebody should see to something, 1 if something does not work.")]
pub(crate) struct Options {
    /// A configuration file.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A data directory.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// A node of a running cluster.
    #[arg(long, value_name = "URL", env = "LEVADA_ENDPOINT")]
    endpoint: Option<String>,
    /// Answer with a JSON document.
    #[arg(long)]
    json: bool,
}

/// Looks, prints, and says how bad it is.
pub(crate) async fn run(options: Options) -> Result<ExitCode, Error> {
    let mut areas: Vec<(&str, Vec<Finding>)> = Vec::new();
    let mut data = options.data;
    if let Some(path) = &options.config {
        let (findings, config) = check_config(Some(path), |name| std::env::var(name).ok());
        areas.push(("configuration", findings));
        data = data.or_else(|| config.map(|config| config.data_dir));
    }
    if let Some(dir) = data {
        areas.push(("data directory", look_into(&dir).await?));
    }
    let endpoint = match options.endpoint {
        None if areas.is_empty() => Some("http://127.0.0.1:4566".to_owned()),
        endpoint => endpoint,
    };
    if let Some(endpoint) = endpoint {
        areas.push(("cluster", ask(&endpoint).await));
    }
    let text = if options.json {
        format!("{:#}\n", document(&areas))
    } else {
        words(&areas)
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(match worst(&areas) {
        Severity::Fine => ExitCode::SUCCESS,
        Severity::Warning => ExitCode::from(WARNINGS),
        Severity::Problem => ExitCode::FAILURE,
    })
}

async fn look_into(dir: &Path) -> Result<Vec<Finding>, Error> {
    let dir = dir.to_owned();
    tokio::task::spawn_blocking(move || inspect(&dir))
        .await
        .map_err(|e| Error::Io(std::io::Error::other(e)))
}

async fn ask(endpoint: &str) -> Vec<Finding> {
    let asked = async {
        let mut client = Client::connect(endpoint).await?;
        let status = client.get("/_levada/status").await?;
        let status: Value = serde_json::from_slice(&status.body).map_err(|_| {
            Error::Answer(format!(
                "what answers at {endpoint} is not a node of Levada"
            ))
        })?;
        let report = client.operate("/_levada/report", &json!({})).await;
        Ok::<_, Error>((status, report))
    };
    match asked.await {
        Ok((status, Ok(report))) => cluster::judge(&status, &report),
        Ok((status, Err(error))) => {
            let mut findings = cluster::judge(&status, &Value::Null);
            findings.push(Finding::warning(format!(
                "the node does not say what the others report: {error}"
            )));
            findings
        }
        Err(error) => vec![Finding::problem(format!(
            "{error}; is the node running, and is that its http.listen?"
        ))],
    }
}

fn worst(areas: &[(&str, Vec<Finding>)]) -> Severity {
    let findings = areas.iter().flat_map(|(_, findings)| findings);
    findings.map(|f| f.severity).max().unwrap_or(Severity::Fine)
}

fn mark(severity: Severity) -> &'static str {
    match severity {
        Severity::Fine => "ok",
        Severity::Warning => "warning",
        Severity::Problem => "PROBLEM",
    }
}

fn words(areas: &[(&str, Vec<Finding>)]) -> String {
    let mut out = String::new();
    for (area, findings) in areas {
        out.push_str(&format!("{area}\n"));
        for finding in findings {
            out.push_str(&format!(
                "  {:<8} {}\n",
                mark(finding.severity),
                finding.text
            ));
        }
    }
    out
}

fn document(areas: &[(&str, Vec<Finding>)]) -> Value {
    let finding = |area: &str, f: &Finding| json!({ "area": area, "severity": mark(f.severity).to_lowercase(), "text": f.text });
    let all = areas
        .iter()
        .flat_map(|(area, findings)| findings.iter().map(move |f| finding(area, f)));
    json!({ "severity": mark(worst(areas)).to_lowercase(), "findings": all.collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_decides() {
        let areas = vec![
            ("a", vec![Finding::fine("one"), Finding::warning("two")]),
            ("b", vec![]),
        ];
        assert_eq!(worst(&areas), Severity::Warning);
        assert_eq!(words(&areas), "a\n  ok       one\n  warning  two\nb\n");
        assert_eq!(document(&areas)["findings"][1]["severity"], "warning");
    }
}
