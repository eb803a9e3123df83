//! The configuration: a TOML file of our own, or the `agent.json` of Amazon's agent. Both are read into one form
//! (`written.rs`) and checked once, so that `levada agent check` says what `levada agent` would say.
//!
//! `docs/agent.md` describes every key.

mod amazon;
mod credentials;
#[cfg(test)]
mod tests;
mod written;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use regex::bytes::Regex;
use thiserror::Error;

use crate::convert::{Conversion, Csv, LogFormat, LogPattern};
use crate::glob::Glob;
use crate::limits;
use crate::sign::Credentials;
use crate::split::Splitter;
use written::{CsvTable, LogTable, WrittenFile, WrittenFlow};

const ENDPOINT_DEFAULT: &str = "http://127.0.0.1:4566";
const REGION_DEFAULT: &str = "us-east-1";
const STATE_DIR_DEFAULT: &str = "./levada-agent";
/// Bytes of a configuration.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// What is wrong with a configuration.
#[derive(Debug, Error)]
#[error("{path}: {why}")]
pub struct ConfigError {
    /// The file.
    path: PathBuf,
    /// What is wrong, and what was expected.
    why: String,
}

/// An agent's configuration, complete and checked.
#[derive(Clone, Debug)]
pub struct Config {
    pub(crate) endpoint: String,
    pub(crate) region: String,
    pub(crate) credentials: Credentials,
    pub(crate) state_dir: PathBuf,
    pub(crate) poll: Duration,
    pub(crate) flows: Vec<FlowConfig>,
    /// What was written and is not heeded.
    pub(crate) notes: Vec<String>,
}

/// Files, where they go, and as what.
#[derive(Clone, Debug)]
pub(crate) struct FlowConfig {
    /// Of its checkpoint.
    pub(crate) name: String,
    /// For people.
    pub(crate) title: String,
    pub(crate) files: Vec<Glob>,
    pub(crate) target: Target,
    pub(crate) key: KeyRule,
    /// Files that are there when the flow begins for the first time are read from their ends on.
    pub(crate) starts_at_end: bool,
    pub(crate) splitter: Splitter,
    pub(crate) keeps_line_ends: bool,
    pub(crate) skip_header_lines: u32,
    pub(crate) conversions: Vec<Conversion>,
    pub(crate) buffer: BufferBounds,
    pub(crate) torn_line_wait: Duration,
    pub(crate) multiline_wait: Duration,
}

/// Where records go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// A stream's name.
    Stream(String),
    /// A queue's name or URL.
    Queue(String),
}

impl Target {
    /// Whether it is a queue that keeps order.
    pub(crate) fn is_fifo(&self) -> bool {
        matches!(self, Self::Queue(queue) if queue.ends_with(".fifo"))
    }
}

/// What a record's partition key is, or its message group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum KeyRule {
    /// None: standard queues need none.
    Absent,
    /// Another one for each record.
    Random,
    /// The file's.
    File,
    /// The record's own checksum.
    Record,
    /// A member of the record, which is a JSON object; the file's if it has none.
    Field(String),
}

/// When a batch is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BufferBounds {
    pub(crate) records: usize,
    pub(crate) bytes: usize,
    pub(crate) age: Duration,
}

impl Config {
    /// Reads a file. `state_dir` comes before what it says, `variable` gives what the environment sets.
    pub fn load(
        path: &Path,
        state_dir: Option<PathBuf>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let wrong = |why: String| ConfigError {
            path: path.to_owned(),
            why,
        };
        let text = read(path).map_err(wrong)?;
        let mut written = if text.trim_start().starts_with('{') {
            amazon::read(&text).map_err(wrong)?
        } else {
            toml::from_str::<WrittenFile>(&text).map_err(|e| wrong(e.to_string()))?
        };
        written.state_dir = state_dir.or(written.state_dir);
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        checked(written, set).map_err(wrong)
    }

    /// What it means, for people: where to, as whom, and which files there are now.
    pub fn describe(&self) -> String {
        let mut text = format!(
            "to {} in {}, with the key {}\nstate in {}\n",
            self.endpoint,
            self.region,
            self.credentials.access_key,
            self.state_dir.display()
        );
        for flow in &self.flows {
            let mut found = Vec::new();
            let mut problems = Vec::new();
            for glob in &flow.files {
                glob.find(&mut found, &mut |path, e| {
                    problems.push(format!("{}: {e}", path.display()));
                });
            }
            let _ = writeln!(text, "{}: {} files now", flow.title, found.len());
            for problem in problems {
                let _ = writeln!(text, "  cannot read {problem}");
            }
        }
        for note in &self.notes {
            let _ = writeln!(text, "note: {note}");
        }
        text
    }
}

fn read(path: &Path) -> Result<String, String> {
    let metadata = std::fs::metadata(path).map_err(|e| e.to_string())?;
    if metadata.len() > FILE_BYTES_MAX {
        return Err(format!("it has more than {FILE_BYTES_MAX} bytes"));
    }
    std::fs::read_to_string(path).map_err(|e| e.to_string())
}

fn checked(written: WrittenFile, set: impl Fn(&str) -> Option<String>) -> Result<Config, String> {
    let endpoint = endpoint(written.endpoint.as_deref().unwrap_or(ENDPOINT_DEFAULT))?;
    let region = written.region.or_else(|| set("AWS_REGION"));
    let region = region.or_else(|| set("AWS_DEFAULT_REGION"));
    let region = region.unwrap_or_else(|| REGION_DEFAULT.to_owned());
    let is_region = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if region.is_empty() || !region.chars().all(is_region) {
        return Err(format!(
            "region = {region:?} is not a region such as us-east-1"
        ));
    }
    let credentials = match written.credentials {
        Some(credentials) => credentials,
        None => credentials::find(written.credentials_file.as_deref(), &set)?,
    };
    let poll = millis(
        "poll_interval_ms",
        written.poll_interval_ms,
        limits::POLL_DEFAULT,
        limits::POLL_MIN,
        limits::POLL_MAX,
    )?;
    if written.flows.is_empty() || written.flows.len() > limits::FLOWS_MAX {
        return Err(format!(
            "it has {} flows; 1 to {} are possible: [[flows]] with files and a stream or a queue",
            written.flows.len(),
            limits::FLOWS_MAX
        ));
    }
    let mut flows: Vec<FlowConfig> = Vec::new();
    for (index, flow) in written.flows.into_iter().enumerate() {
        let flow = checked_flow(flow).map_err(|why| format!("flow {}: {why}", index + 1))?;
        if flows.iter().any(|other| other.name == flow.name) {
            return Err(format!("there are two flows of {}", flow.title));
        }
        flows.push(flow);
    }
    let state_dir = written
        .state_dir
        .unwrap_or_else(|| STATE_DIR_DEFAULT.into());
    Ok(Config {
        endpoint,
        region,
        credentials,
        state_dir: std::path::absolute(state_dir).map_err(|e| format!("state_dir: {e}"))?,
        poll,
        flows,
        notes: written.notes,
    })
}

fn endpoint(text: &str) -> Result<String, String> {
    let text = text.trim_end_matches('/');
    let host = text
        .strip_prefix("http://")
        .or_else(|| text.strip_prefix("https://"));
    let is_odd = |c: char| c.is_whitespace() || "/?#@".contains(c);
    if host.is_none_or(|host| host.is_empty() || host.contains(is_odd)) {
        // One with a password in it is not repeated.
        let shown = if text.contains('@') { "it" } else { text };
        return Err(format!(
            "endpoint: {shown} is not a URL such as http://127.0.0.1:4566, without a path"
        ));
    }
    Ok(text.to_owned())
}

fn checked_flow(flow: WrittenFlow) -> Result<FlowConfig, String> {
    let target = target(flow.stream, flow.queue)?;
    let key = key_rule(flow.partition_key.as_deref(), flow.partition_field, &target)?;
    let patterns = flow.files.list();
    if patterns.is_empty() {
        return Err("files is empty".to_owned());
    }
    let files: Vec<Glob> = patterns
        .iter()
        .map(|pattern| Glob::new(pattern))
        .collect::<Result<_, _>>()
        .map_err(|why| format!("files: {why}"))?;
    let starts_at_end = match flow.start.as_deref() {
        None | Some("beginning") => false,
        Some("end") => true,
        Some(other) => {
            return Err(format!(
                "start = {other:?} is neither \"beginning\" nor \"end\""
            ));
        }
    };
    let start = flow.multiline_start.map(|pattern| {
        Regex::new(&pattern)
            .map_err(|e| format!("multiline_start: {pattern:?} is not a regular expression: {e}"))
    });
    let record_bytes_max = match target {
        Target::Stream(_) => limits::STREAM_RECORD_BYTES_MAX,
        Target::Queue(_) => limits::QUEUE_RECORD_BYTES_MAX,
    };
    let wait =
        |name, value, default| millis(name, value, default, Duration::ZERO, limits::LINE_WAIT_MAX);
    let title = titled(&files, &target);
    Ok(FlowConfig {
        name: name(&title, &target),
        title,
        starts_at_end,
        splitter: Splitter {
            start: start.transpose()?,
            record_bytes_max: within(
                "max_record_bytes",
                flow.max_record_bytes,
                limits::RECORD_BYTES_DEFAULT,
                // A character is never cut in two.
                4,
                record_bytes_max,
            )?,
        },
        keeps_line_ends: flow.keep_line_ends,
        skip_header_lines: flow.skip_header_lines,
        conversions: match flow.conversions {
            Some(conversions) => conversions,
            None => conversions(flow.single_line, flow.csv_to_json, flow.log_to_json)?,
        },
        buffer: BufferBounds {
            records: within(
                "max_buffer_records",
                flow.max_buffer_records,
                limits::BUFFER_RECORDS_MAX,
                1,
                limits::BUFFER_RECORDS_MAX,
            )?,
            bytes: within(
                "max_buffer_bytes",
                flow.max_buffer_bytes,
                limits::BUFFER_BYTES_MAX,
                1,
                limits::BUFFER_BYTES_MAX,
            )?,
            age: millis(
                "max_buffer_age_ms",
                flow.max_buffer_age_ms,
                limits::BUFFER_AGE_DEFAULT,
                Duration::ZERO,
                limits::BUFFER_AGE_MAX,
            )?,
        },
        torn_line_wait: wait(
            "torn_line_wait_ms",
            flow.torn_line_wait_ms,
            limits::TORN_LINE_WAIT_DEFAULT,
        )?,
        multiline_wait: wait(
            "multiline_wait_ms",
            flow.multiline_wait_ms,
            limits::MULTILINE_WAIT_DEFAULT,
        )?,
        files,
        target,
        key,
    })
}

fn target(stream: Option<String>, queue: Option<String>) -> Result<Target, String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    match (stream, queue) {
        (Some(stream), None) if !stream.is_empty() && stream.chars().all(is_name) => {
            Ok(Target::Stream(stream))
        }
        (None, Some(queue)) if queue.contains("://") => Ok(Target::Queue(queue)),
        (None, Some(queue)) if !queue.is_empty() && queue.chars().all(is_name) => {
            Ok(Target::Queue(queue))
        }
        (Some(stream), None) => Err(format!("stream = {stream:?} is not a stream's name")),
        (None, Some(queue)) => Err(format!("queue = {queue:?} is not a queue's name or URL")),
        _ => Err("it needs either a stream or a queue".to_owned()),
    }
}

fn key_rule(rule: Option<&str>, field: Option<String>, target: &Target) -> Result<KeyRule, String> {
    let is_queue = matches!(target, Target::Queue(_));
    let rule = match (rule, field) {
        (Some("field"), Some(field)) => KeyRule::Field(field),
        (Some("field"), None) => {
            return Err(
                "partition_key = \"field\" needs partition_field, the member's name".into(),
            );
        }
        (_, Some(_)) => return Err("partition_field needs partition_key = \"field\"".into()),
        (Some("random"), None) => KeyRule::Random,
        (Some("file"), None) => KeyRule::File,
        (Some("record"), None) => KeyRule::Record,
        (None, None) if target.is_fifo() => KeyRule::File,
        (None, None) if is_queue => KeyRule::Absent,
        (None, None) => KeyRule::Random,
        (Some(other), None) => {
            return Err(format!(
                "partition_key = {other:?} is none of \"random\", \"file\", \"record\" and \"field\""
            ));
        }
    };
    if is_queue && rule == KeyRule::Random {
        return Err(
            "partition_key = \"random\" would give each message a group of its own; a queue takes \"file\", \"record\" or \"field\""
                .into(),
        );
    }
    Ok(rule)
}

fn conversions(
    single_line: bool,
    csv: Option<CsvTable>,
    log: Option<LogTable>,
) -> Result<Vec<Conversion>, String> {
    let mut conversions = Vec::new();
    if single_line {
        conversions.push(Conversion::SingleLine);
    }
    match (csv, log) {
        (Some(_), Some(_)) => {
            return Err("csv_to_json and log_to_json exclude each other".to_owned());
        }
        (Some(table), None) => conversions.push(csv_conversion(table.names, &table.delimiter)?),
        (None, Some(table)) => {
            let format = table.format.as_deref();
            let pattern = log_pattern(format, table.pattern.as_deref(), table.names);
            conversions.push(pattern.map_err(|why| format!("log_to_json: {why}"))?);
        }
        (None, None) => {}
    }
    Ok(conversions)
}

fn csv_conversion(names: Vec<String>, delimiter: &str) -> Result<Conversion, String> {
    if names.is_empty() || delimiter.is_empty() {
        return Err("csv_to_json needs names, and a delimiter that is not empty".to_owned());
    }
    Ok(Conversion::Csv(Csv::new(names, delimiter)))
}

fn log_pattern(
    format: Option<&str>,
    pattern: Option<&str>,
    names: Option<Vec<String>>,
) -> Result<Conversion, String> {
    let format = match (format, pattern) {
        (_, Some(pattern)) => return LogPattern::new(pattern, names).map(Conversion::Log),
        (Some("apache_common"), None) => LogFormat::ApacheCommon,
        (Some("apache_combined"), None) => LogFormat::ApacheCombined,
        (Some("apache_error"), None) => LogFormat::ApacheError,
        (Some("syslog"), None) => LogFormat::Syslog,
        _ => {
            return Err(
                "it needs a format (\"apache_common\", \"apache_combined\", \"apache_error\", \"syslog\") or a pattern"
                    .to_owned(),
            );
        }
    };
    LogPattern::of(format, names).map(Conversion::Log)
}

fn titled(files: &[Glob], target: &Target) -> String {
    let files: Vec<&str> = files.iter().map(Glob::text).collect();
    let target = match target {
        Target::Stream(stream) => format!("stream {stream}"),
        Target::Queue(queue) => format!("queue {queue}"),
    };
    format!("{} to {target}", files.join(", "))
}

/// Stays the same as long as files and target do, so that other settings can be changed.
fn name(title: &str, target: &Target) -> String {
    let (kind, target) = match target {
        Target::Stream(stream) => ("stream", stream),
        Target::Queue(queue) => ("queue", queue),
    };
    let target = target.rsplit('/').next().unwrap_or_default();
    let target: String = target.chars().take(80).collect();
    format!("{kind}-{target}-{:08x}", crc32c::crc32c(title.as_bytes()))
}

fn within(
    name: &str,
    value: Option<u64>,
    default: usize,
    min: usize,
    max: usize,
) -> Result<usize, String> {
    let Some(value) = value else {
        return Ok(default.min(max));
    };
    match usize::try_from(value) {
        Ok(value) if (min..=max).contains(&value) => Ok(value),
        _ => Err(format!("{name} = {value} is not within {min} to {max}")),
    }
}

fn millis(
    name: &str,
    value: Option<u64>,
    default: Duration,
    min: Duration,
    max: Duration,
) -> Result<Duration, String> {
    let Some(value) = value else {
        return Ok(default);
    };
    let duration = Duration::from_millis(value);
    if (min..=max).contains(&duration) {
        return Ok(duration);
    }
    Err(format!(
        "{name} = {value} is not within {} to {}",
        min.as_millis(),
        max.as_millis()
    ))
}
