//! The `agent.json` of Amazon's agent, so that who uses that changes the endpoint and nothing else.
//!
//! From its documentation: <https://docs.aws.amazon.com/streams/latest/dev/writing-with-agents.html>. Its defaults are kept,
//! as is that a record has the end of its line. Keys that change what is delivered and are not known here are refused;
//! those that do not are told.

use serde_json::{Map, Value};

use super::written::{Patterns, WrittenFile, WrittenFlow};
use super::{csv_conversion, log_pattern};
use crate::convert::Conversion;
use crate::sign::Credentials;

const BUFFER_AGE_MS_DEFAULT: u64 = 60_000;
/// What AWS's endpoints of streams begin with; the region follows.
const HOST_PREFIX: &str = "kinesis.";

/// Reads it.
pub(super) fn read(text: &str) -> Result<WrittenFile, String> {
    let document: Value = serde_json::from_str(text).map_err(|e| e.to_string())?;
    let mut file = Keys::of(document, "the file")?;
    let mut notes = Vec::new();
    let endpoint = file.text("kinesis.endpoint")?.unwrap_or_else(|| {
        notes.push("kinesis.endpoint is not set: AWS's own is not taken for it".to_owned());
        super::ENDPOINT_DEFAULT.to_owned()
    });
    let endpoint = if endpoint.contains("://") {
        endpoint
    } else {
        format!("https://{endpoint}")
    };
    let credentials = match (
        file.text("awsAccessKeyId")?,
        file.text("awsSecretAccessKey")?,
    ) {
        (Some(access_key), Some(secret_key)) => Some(Credentials {
            access_key,
            secret_key,
            session_token: None,
        }),
        _ => None,
    };
    if file.text("assumeRoleARN")?.is_some() {
        return Err("assumeRoleARN: roles are not assumed; give keys of the account itself".into());
    }
    let state_dir = file.text("checkpointFile")?.map(|path| {
        // That file is a database of Amazon's agent, and is left alone.
        let directory = std::path::Path::new(&path).parent();
        directory.unwrap_or(".".as_ref()).join("levada-agent")
    });
    let mut flows = Vec::new();
    for (index, flow) in file.list("flows")?.into_iter().enumerate() {
        let name = format!("flow {}", index + 1);
        flows.push(read_flow(Keys::of(flow, &name)?, &mut notes)?);
    }
    file.leave(&mut notes);
    Ok(WrittenFile {
        region: region_of(&endpoint),
        endpoint: Some(endpoint),
        state_dir,
        flows,
        credentials,
        notes,
        ..WrittenFile::default()
    })
}

fn read_flow(mut flow: Keys, notes: &mut Vec<String>) -> Result<WrittenFlow, String> {
    if flow.text("deliveryStream")?.is_some() {
        return Err(format!(
            "{}: deliveryStream: there are no delivery streams; name a kinesisStream",
            flow.place
        ));
    }
    let start = match flow.text("initialPosition")?.as_deref() {
        None | Some("END_OF_FILE") => "end",
        Some("START_OF_FILE") => "beginning",
        Some(other) => return Err(flow.odd("initialPosition", other)),
    };
    let key = match flow.text("partitionKeyOption")?.as_deref() {
        None | Some("RANDOM") => "random",
        Some("DETERMINISTIC") => "record",
        Some(other) => return Err(flow.odd("partitionKeyOption", other)),
    };
    let mut conversions = Vec::new();
    for option in flow.list("dataProcessingOptions")? {
        let place = format!("{}: dataProcessingOptions", flow.place);
        let mut option = Keys::of(option, &place)?;
        conversions.push(read_option(&mut option)?);
        option.leave(notes);
    }
    let skip_header_lines = flow.number("skipHeaderLines")?.unwrap_or(0);
    let written = WrittenFlow {
        files: Patterns::Several(flow.text("filePattern")?.into_iter().collect()),
        stream: flow.text("kinesisStream")?,
        partition_key: Some(key.to_owned()),
        start: Some(start.to_owned()),
        // It looks at the beginning of a line only.
        multiline_start: flow
            .text("multiLineStartPattern")?
            .map(|pattern| format!(r"\A(?:{pattern})")),
        skip_header_lines: u32::try_from(skip_header_lines).unwrap_or(u32::MAX),
        keep_line_ends: true,
        conversions: Some(conversions),
        max_buffer_age_ms: Some(
            flow.number("maxBufferAgeMillis")?
                .unwrap_or(BUFFER_AGE_MS_DEFAULT),
        ),
        max_buffer_records: flow.number("maxBufferSizeRecords")?,
        max_buffer_bytes: flow.number("maxBufferSizeBytes")?,
        ..WrittenFlow::default()
    };
    flow.leave(notes);
    Ok(written)
}

fn read_option(option: &mut Keys) -> Result<Conversion, String> {
    let name = option.text("optionName")?.unwrap_or_default();
    let names = option.texts("customFieldNames")?;
    let made = match name.as_str() {
        "SINGLELINE" => Ok(Conversion::SingleLine),
        "CSVTOJSON" => {
            let delimiter = option.text("delimiter")?;
            let delimiter = delimiter.as_deref().map_or(",".to_owned(), unescaped);
            csv_conversion(names.unwrap_or_default(), &delimiter)
        }
        "LOGTOJSON" => {
            let format = match option.text("logFormat")?.as_deref() {
                Some("COMMONAPACHELOG") => Some("apache_common"),
                Some("COMBINEDAPACHELOG") => Some("apache_combined"),
                Some("APACHEERRORLOG") => Some("apache_error"),
                Some("SYSLOG" | "RFC3339SYSLOG") => Some("syslog"),
                Some(other) => return Err(option.odd("logFormat", other)),
                None => None,
            };
            log_pattern(format, option.text("matchPattern")?.as_deref(), names)
        }
        other => return Err(option.odd("optionName", other)),
    };
    made.map_err(|why| format!("{} {name}: {why}", option.place))
}

/// There a delimiter is an expression; the simple ones are understood.
fn unescaped(delimiter: &str) -> String {
    let mut text = String::new();
    let mut chars = delimiter.chars();
    while let Some(c) = chars.next() {
        text.push(match c {
            '\\' => match chars.next() {
                Some('t') => '\t',
                Some(other) => other,
                None => '\\',
            },
            c => c,
        });
    }
    text
}

fn region_of(endpoint: &str) -> Option<String> {
    let (_, host) = endpoint.split_once("://")?;
    let (region, _) = host
        .strip_prefix(HOST_PREFIX)?
        .split_once(".amazonaws.com")?;
    Some(region.to_owned())
}

/// The members of an object. Each is taken out as it is read, so that what is left was not understood.
struct Keys {
    place: String,
    members: Map<String, Value>,
}

impl Keys {
    fn of(value: Value, place: &str) -> Result<Self, String> {
        match value {
            Value::Object(members) => Ok(Self {
                place: place.to_owned(),
                members,
            }),
            _ => Err(format!("{place} is not an object")),
        }
    }

    fn text(&mut self, key: &str) -> Result<Option<String>, String> {
        match self.members.remove(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.odd(key, &other.to_string())),
        }
    }

    /// A number, or a text that is one.
    fn number(&mut self, key: &str) -> Result<Option<u64>, String> {
        let Some(value) = self.members.remove(key) else {
            return Ok(None);
        };
        let number = value
            .as_u64()
            .or_else(|| value.as_str().and_then(|text| text.parse().ok()));
        match number {
            Some(number) => Ok(Some(number)),
            None => Err(self.odd(key, &value.to_string())),
        }
    }

    fn list(&mut self, key: &str) -> Result<Vec<Value>, String> {
        match self.members.remove(key) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Array(list)) => Ok(list),
            Some(other) => Err(self.odd(key, &other.to_string())),
        }
    }

    fn texts(&mut self, key: &str) -> Result<Option<Vec<String>>, String> {
        if !self.members.contains_key(key) {
            return Ok(None);
        }
        let texts = self.list(key)?.into_iter().map(|value| match value {
            Value::String(text) => Ok(text),
            other => Err(self.odd(key, &other.to_string())),
        });
        texts.collect::<Result<_, _>>().map(Some)
    }

    fn odd(&self, key: &str, value: &str) -> String {
        format!("{}: {key} is {value}, which is not known here", self.place)
    }

    /// Tells of what is left.
    fn leave(self, notes: &mut Vec<String>) {
        let place = &self.place;
        notes.extend(
            self.members
                .keys()
                .map(|key| format!("{place}: {key} is not heeded")),
        );
    }
}
