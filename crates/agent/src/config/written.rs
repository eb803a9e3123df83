//! A configuration as it is written: every key optional that can be, no key unknown. `amazon.rs` makes the same of an
//! `agent.json`.

use std::path::PathBuf;

use serde::Deserialize;

use crate::convert::Conversion;
use crate::sign::Credentials;

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WrittenFile {
    pub(super) endpoint: Option<String>,
    pub(super) region: Option<String>,
    pub(super) credentials_file: Option<PathBuf>,
    pub(super) state_dir: Option<PathBuf>,
    pub(super) poll_interval_ms: Option<u64>,
    pub(super) flows: Vec<WrittenFlow>,
    /// In an `agent.json` only.
    #[serde(skip)]
    pub(super) credentials: Option<Credentials>,
    #[serde(skip)]
    pub(super) notes: Vec<String>,
}

/// `[[flows]]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WrittenFlow {
    pub(super) files: Patterns,
    pub(super) stream: Option<String>,
    pub(super) queue: Option<String>,
    pub(super) partition_key: Option<String>,
    pub(super) partition_field: Option<String>,
    pub(super) start: Option<String>,
    pub(super) multiline_start: Option<String>,
    pub(super) multiline_wait_ms: Option<u64>,
    pub(super) torn_line_wait_ms: Option<u64>,
    pub(super) max_record_bytes: Option<u64>,
    pub(super) skip_header_lines: u32,
    pub(super) keep_line_ends: bool,
    pub(super) single_line: bool,
    pub(super) csv_to_json: Option<CsvTable>,
    pub(super) log_to_json: Option<LogTable>,
    pub(super) max_buffer_age_ms: Option<u64>,
    pub(super) max_buffer_records: Option<u64>,
    pub(super) max_buffer_bytes: Option<u64>,
    /// In an `agent.json` only: in an order of their own.
    #[serde(skip)]
    pub(super) conversions: Option<Vec<Conversion>>,
}

/// One pattern, or several.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Patterns {
    One(String),
    Several(Vec<String>),
}

impl Default for Patterns {
    fn default() -> Self {
        Self::Several(Vec::new())
    }
}

impl Patterns {
    /// All of them.
    pub(super) fn list(self) -> Vec<String> {
        match self {
            Self::One(one) => vec![one],
            Self::Several(several) => several,
        }
    }
}

/// `csv_to_json`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CsvTable {
    pub(super) names: Vec<String>,
    #[serde(default = "comma")]
    pub(super) delimiter: String,
}

fn comma() -> String {
    ",".to_owned()
}

/// `log_to_json`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct LogTable {
    pub(super) format: Option<String>,
    pub(super) pattern: Option<String>,
    pub(super) names: Option<Vec<String>>,
}
