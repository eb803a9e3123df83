//! Configurations as they are written, and what is said of wrong ones.

use std::time::Duration;

use super::*;

fn variable(name: &str) -> Option<String> {
    match name {
        "AWS_ACCESS_KEY_ID" => Some("key".to_owned()),
        "AWS_SECRET_ACCESS_KEY" => Some("word".to_owned()),
        _ => None,
    }
}

fn load(text: &str) -> Result<Config, String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    Config::load(file.path(), None, variable).map_err(|e| e.to_string())
}

#[test]
fn two_lines_are_enough() {
    let config = load("[[flows]]\nfiles = '/var/log/*.log'\nstream = 'logs'\n").unwrap();
    assert_eq!(config.endpoint, ENDPOINT_DEFAULT);
    assert_eq!(config.region, REGION_DEFAULT);
    let flow = &config.flows[0];
    assert_eq!(flow.target, Target::Stream("logs".to_owned()));
    assert_eq!(flow.key, KeyRule::Random);
    assert!(!flow.starts_at_end && !flow.keeps_line_ends);
    assert!(config.describe().contains("/var/log/*.log to stream logs"));
    assert!(!config.describe().contains("word"));
}

#[test]
fn every_key_is_read() {
    let config = load(
        r#"
        endpoint = "https://queues.example.com/"
        region = "eu-west-1"
        state_dir = "/var/lib/agent"
        poll_interval_ms = 100
        [[flows]]
        files = ["/a/*.log", "/b/*.log"]
        queue = "orders.fifo"
        partition_key = "field"
        partition_field = "host"
        start = "end"
        multiline_start = '^\d{4}-'
        multiline_wait_ms = 500
        torn_line_wait_ms = 5000
        max_record_bytes = 1000
        skip_header_lines = 1
        keep_line_ends = true
        single_line = true
        csv_to_json = { names = ["host", "text"], delimiter = ";" }
        max_buffer_age_ms = 10
        max_buffer_records = 10
        max_buffer_bytes = 20000
        [[flows]]
        files = "/a/*.log"
        stream = "logs"
        log_to_json = { format = "syslog" }
        "#,
    )
    .unwrap();
    assert_eq!(config.endpoint, "https://queues.example.com");
    let flow = &config.flows[0];
    assert!(flow.target.is_fifo() && flow.starts_at_end);
    assert_eq!(flow.key, KeyRule::Field("host".to_owned()));
    assert_eq!(flow.conversions.len(), 2);
    assert_eq!(
        flow.buffer,
        BufferBounds {
            records: 10,
            bytes: 20_000,
            age: Duration::from_millis(10)
        }
    );
    assert_ne!(flow.name, config.flows[1].name);
}

#[test]
fn what_is_wrong_is_named() {
    let flow = "[[flows]]\nfiles = '/a'\n";
    for (text, why) in [
        ("".to_owned(), "0 flows"),
        ("endpoint = 'queues'".to_owned(), "endpoint: queues"),
        (
            "endpoint = 'http://me:word@host'".to_owned(),
            "endpoint: it is not",
        ),
        (
            format!("{flow}stream = 'a'\nqueue = 'b'"),
            "either a stream or a queue",
        ),
        (flow.to_owned(), "either a stream or a queue"),
        (format!("{flow}stream = 'a b'"), "not a stream's name"),
        (format!("{flow}stream = 'a'\ncolour = 1"), "colour"),
        (format!("{flow}stream = 'a'\nstart = 'middle'"), "middle"),
        (
            format!("{flow}stream = 'a'\nmultiline_start = '('"),
            "multiline_start",
        ),
        (
            format!("{flow}stream = 'a'\nmax_buffer_records = 501"),
            "1 to 500",
        ),
        (
            format!("{flow}stream = 'a'\npartition_key = 'field'"),
            "partition_field",
        ),
        (
            format!("{flow}queue = 'a'\npartition_key = 'random'"),
            "a group of its own",
        ),
        (
            format!("{flow}queue = 'a'\nmax_record_bytes = 2000000"),
            "1048576",
        ),
        (
            format!("{flow}stream = 'a'\nlog_to_json = {{ format = 'x' }}"),
            "apache_common",
        ),
        (
            format!("{flow}stream = 'a'\n{flow}stream = 'a'"),
            "two flows",
        ),
        (
            "[[flows]]\nfiles = '/a/'\nstream = 'a'".to_owned(),
            "directory",
        ),
    ] {
        let error = load(&text).err().unwrap_or_default();
        assert!(error.contains(why), "{text}: {error}");
    }
}

const AMAZON: &str = r#"{
  "checkpointFile": "/tmp/checkpoints/main.log",
  "cloudwatch.emitMetrics": true,
  "kinesis.endpoint": "https://kinesis.us-west-2.amazonaws.com",
  "awsAccessKeyId": "ACCESSKEY",
  "awsSecretAccessKey": "SECRETKEY",
  "flows": [
    {
      "filePattern": "/tmp/one.log*",
      "kinesisStream": "one",
      "multiLineStartPattern": "\\d",
      "dataProcessingOptions": [
        {"optionName": "SINGLELINE"},
        {"optionName": "CSVTOJSON", "customFieldNames": ["a", "b"], "delimiter": "\\t"}
      ]
    },
    {
      "filePattern": "/tmp/two.log*",
      "kinesisStream": "two",
      "initialPosition": "START_OF_FILE",
      "partitionKeyOption": "DETERMINISTIC",
      "maxBufferAgeMillis": "1000",
      "maxBufferSizeRecords": 5,
      "skipHeaderLines": 1,
      "dataProcessingOptions": [{"optionName": "LOGTOJSON", "logFormat": "COMMONAPACHELOG"}]
    }
  ]
}"#;

#[test]
fn a_file_of_amazons_agent_is_understood() {
    let config = load(AMAZON).unwrap();
    assert_eq!(config.region, "us-west-2");
    assert_eq!(config.credentials.access_key, "ACCESSKEY");
    assert_eq!(config.state_dir, Path::new("/tmp/checkpoints/levada-agent"));
    assert_eq!(
        config.notes,
        ["the file: cloudwatch.emitMetrics is not heeded"]
    );
    let [one, two] = &config.flows[..] else {
        panic!("{:?}", config.flows)
    };
    assert!(one.starts_at_end && one.keeps_line_ends && !two.starts_at_end);
    assert_eq!(one.buffer.age, Duration::from_secs(60));
    assert_eq!(
        (two.buffer.age, two.buffer.records),
        (Duration::from_secs(1), 5)
    );
    assert_eq!((&one.key, &two.key), (&KeyRule::Random, &KeyRule::Record));
    let start = one.splitter.start.as_ref().unwrap();
    assert!(start.is_match(b"1 a") && !start.is_match(b"a 1"));
    let converted = crate::convert::convert(&one.conversions, b"1\t2");
    assert_eq!(converted.unwrap(), &br#"{"a":"1","b":"2"}"#[..]);
}

#[test]
fn what_is_not_understood_of_amazons_agent_is_named() {
    for (from, to, why) in [
        (
            "kinesisStream\": \"one",
            "deliveryStream\": \"one",
            "no delivery streams",
        ),
        ("SINGLELINE", "GZIP", "optionName is GZIP"),
        ("START_OF_FILE", "MIDDLE", "initialPosition is MIDDLE"),
        ("\"1000\"", "\"soon\"", "maxBufferAgeMillis"),
        ("\\\\d", "(?=x)", "multiline_start"),
        ("\"awsAccessKeyId\"", "\"assumeRoleARN\"", "assumeRoleARN"),
    ] {
        let error = load(&AMAZON.replace(from, to)).err().unwrap_or_default();
        assert!(error.contains(why), "{from}: {error}");
    }
}
