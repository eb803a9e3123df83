//! A backup's files in a bucket of any store that speaks S3: by path-style requests, signed with keys from AWS's
//! usual variables, which are never said.
//!
//! Each partition's file is streamed; a long one by a multipart upload, which shows nothing until it is complete. The
//! manifest is put last: no manifest, no backup. Names of files differ between two backups, so that two that go to one
//! prefix at one time cannot mix.

use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use levada_server::backup::{FileSummary, Framer, MANIFEST_FILE, Source};
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey as Key};
use object_store::buffered::BufWriter;
use object_store::path::Path;
use object_store::{ClientOptions, ObjectStore, ObjectStoreExt as _, RetryConfig};
use tokio::io::AsyncWriteExt as _;
use tokio::runtime::Handle;

use crate::client::Error;

/// Bytes of one part of an upload; what is shorter is put as one.
const PART_BYTES: usize = 32 * 1024 * 1024;
/// Parts of one file that S3 takes: 312 GiB for a partition.
const PARTS_MAX: u64 = 10_000;
/// Parts that are on their way at one time, besides the one that is gathered.
const PARTS_AT_ONCE: usize = 2;
/// Bytes that a restore asks for at one time.
const READ_BYTES: u64 = 8 * 1024 * 1024;
/// One request, with its body.
const REQUEST_MAX: Duration = Duration::from_secs(180);
/// A request that failed for no reason of ours is tried again so often, and for so long.
const RETRIES_MAX: usize = 8;
/// See [`RETRIES_MAX`].
const RETRY_MAX: Duration = Duration::from_secs(30);

/// Characters of a cause that are told.
const CAUSE_CHARS_MAX: usize = 200;

/// AWS's variables, and what they set. A later one comes before an earlier one.
const VARIABLES: [(&str, Key); 7] = [
    ("AWS_ACCESS_KEY_ID", Key::AccessKeyId),
    ("AWS_SECRET_ACCESS_KEY", Key::SecretAccessKey),
    ("AWS_SESSION_TOKEN", Key::Token),
    ("AWS_DEFAULT_REGION", Key::Region),
    ("AWS_REGION", Key::Region),
    ("AWS_ENDPOINT_URL", Key::Endpoint),
    ("AWS_ENDPOINT_URL_S3", Key::Endpoint),
];

/// What stands under a prefix of a bucket.
pub(crate) struct Bucket {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    /// Told apart from the files of another backup by this.
    mark: u32,
    shown: Shown,
}

/// What is said of it.
#[derive(Clone)]
struct Shown {
    bucket: String,
    prefix: String,
    endpoint: String,
}

/// A partition's file on its way.
pub(crate) struct Upload {
    framer: Framer,
    writer: BufWriter,
    shown: Shown,
}

impl Bucket {
    /// From `s3://bucket/prefix`, and what is set.
    pub(crate) fn new(url: &str, set: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let wrong = |why: String| Error::Answer(format!("{url}: {why}"));
        let rest = url.strip_prefix("s3://").unwrap_or(url);
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err(wrong("names no bucket, as s3://bucket/prefix does".into()));
        }
        let prefix = Path::parse(prefix).map_err(|e| {
            wrong(format!(
                "the prefix cannot be used: {e}; letters, digits, -, _, . and / always can"
            ))
        })?;
        let set = |name: &str| set(name).filter(|value| !value.is_empty());
        for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
            if set(name).is_none() {
                return Err(wrong(format!(
                    "{name} is not set; the store's keys are taken from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
                )));
            }
        }
        let endpoint = set("AWS_ENDPOINT_URL_S3").or_else(|| set("AWS_ENDPOINT_URL"));
        if let Some(endpoint) = &endpoint {
            let host = endpoint
                .strip_prefix("https://")
                .or_else(|| endpoint.strip_prefix("http://"));
            // One with a password is not repeated.
            if host.is_none_or(|host| host.is_empty() || host.contains('@')) {
                return Err(wrong(
                    "AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL is not a URL such as https://s3.example.com".into(),
                ));
            }
        }
        // The client takes what is installed for the process; a second time finds it there.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let is_plain = endpoint
            .as_deref()
            .is_some_and(|e| e.starts_with("http://"));
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(bucket)
            .with_client_options(
                ClientOptions::new()
                    .with_allow_http(is_plain)
                    .with_timeout(REQUEST_MAX),
            )
            .with_retry(RetryConfig {
                max_retries: RETRIES_MAX,
                retry_timeout: RETRY_MAX,
                ..RetryConfig::default()
            });
        for (name, key) in VARIABLES {
            if let Some(value) = set(name) {
                builder = builder.with_config(key, value);
            }
        }
        let store = builder.build().map_err(|e| wrong(e.to_string()))?;
        Ok(Self {
            store: Arc::new(store),
            shown: Shown {
                bucket: bucket.to_owned(),
                prefix: prefix.to_string(),
                endpoint: endpoint.unwrap_or_else(|| "AWS".to_owned()),
            },
            prefix,
            mark: rand::random(),
        })
    }

    /// Makes sure that nothing is under the prefix.
    pub(crate) async fn expect_empty(&self) -> Result<(), Error> {
        let found = self.store.list(Some(&self.prefix)).next().await;
        match found {
            None => Ok(()),
            Some(Err(e)) => Err(self.shown.failed(&e)),
            Some(Ok(object)) => Err(Error::Answer(format!(
                "{} is not empty ({} is there), and nothing is ever written over; give a prefix under which nothing is, or delete a backup that was cut off",
                self.shown.url(),
                object.location
            ))),
        }
    }

    /// Begins a partition's file, or begins it anew. Nothing is asked of the store before there is a part.
    pub(crate) fn upload(&self, partition: u32, applied_index: u64) -> Upload {
        let file = format!("partition-{partition}.{:08x}.backup", self.mark);
        let key = self.key(&file);
        Upload {
            framer: Framer::new(file, partition, applied_index),
            writer: BufWriter::with_capacity(self.store.clone(), key, PART_BYTES)
                .with_max_concurrency(PARTS_AT_ONCE),
            shown: self.shown.clone(),
        }
    }

    /// Makes what was uploaded a backup.
    pub(crate) async fn put_manifest(&self, text: Vec<u8>) -> Result<(), Error> {
        let put = self.store.put(&self.key(MANIFEST_FILE), text.into()).await;
        put.map(|_| ()).map_err(|e| self.shown.failed(&e))
    }

    fn key(&self, file: &str) -> Path {
        self.prefix.clone().join(file)
    }
}

impl Upload {
    /// Adds a part as the node gave it.
    pub(crate) async fn add(&mut self, part: Vec<u8>) -> Result<(), Error> {
        let header = self.framer.frame(&part)?;
        let bytes = self.framer.summary().bytes;
        if bytes > PARTS_MAX * PART_BYTES as u64 {
            return Err(Error::Answer(format!(
                "a partition has more than {} GiB, which is more than a store takes as one file; make the backup into a directory",
                (PARTS_MAX * PART_BYTES as u64) >> 30
            )));
        }
        for piece in [Bytes::copy_from_slice(&header), part.into()] {
            let put = self.writer.put(piece).await;
            put.map_err(|e| self.shown.failed(&e))?;
        }
        Ok(())
    }

    /// What was added by now.
    pub(crate) fn summary(&self) -> &FileSummary {
        self.framer.summary()
    }

    /// Makes the file whole, and shown.
    pub(crate) async fn finish(mut self) -> Result<FileSummary, Error> {
        let done = self.writer.shutdown().await;
        done.map_err(|e| self.shown.failed(&e))?;
        Ok(self.framer.summary().clone())
    }

    /// Deletes the parts that are there.
    pub(crate) async fn abandon(mut self) {
        // What the store did not hear is left to the bucket's rule for uploads that are never completed.
        let _ = self.writer.abort().await;
    }
}

impl Source for Bucket {
    fn place(&self) -> PathBuf {
        self.shown.url().into()
    }

    fn open(&self, file: &str) -> io::Result<Box<dyn Read + Send>> {
        let mut reader = ObjectReader {
            store: self.store.clone(),
            key: self.key(file),
            runtime: Handle::current(),
            shown: self.shown.clone(),
            at: 0,
            length: 0,
            piece: Bytes::new(),
        };
        reader.begin()?;
        Ok(Box::new(reader))
    }
}

/// Reads an object piece by piece. Each is a request of its own, so that each is tried again by itself.
struct ObjectReader {
    store: Arc<dyn ObjectStore>,
    key: Path,
    runtime: Handle,
    shown: Shown,
    at: u64,
    length: u64,
    piece: Bytes,
}

impl ObjectReader {
    /// Learns how long it is.
    fn begin(&mut self) -> io::Result<()> {
        let meta = self.runtime.block_on(async {
            match self.store.head(&self.key).await {
                Ok(meta) => Ok(meta),
                // An answer to HEAD has no body, and so does not say what is wrong.
                Err(_) => self.store.get(&self.key).await.map(|found| found.meta),
            }
        });
        self.length = meta.map_err(|e| self.failed(&e))?.size;
        Ok(())
    }

    fn failed(&self, error: &object_store::Error) -> io::Error {
        match error {
            object_store::Error::NotFound { .. }
                if code(error).as_deref() != Some("NoSuchBucket") =>
            {
                io::ErrorKind::NotFound.into()
            }
            other => io::Error::other(self.shown.why(other)),
        }
    }
}

impl Read for ObjectReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.piece.is_empty() && self.at < self.length {
            let end = self.length.min(self.at + READ_BYTES);
            let read = self.store.get_range(&self.key, self.at..end);
            self.piece = self.runtime.block_on(read).map_err(|e| self.failed(&e))?;
            self.at = end;
        }
        let count = buffer.len().min(self.piece.len());
        buffer[..count].copy_from_slice(&self.piece.split_to(count));
        Ok(count)
    }
}

impl Shown {
    fn url(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.prefix)
            .trim_end_matches('/')
            .to_owned()
    }

    fn failed(&self, error: &(dyn std::error::Error + 'static)) -> Error {
        Error::Answer(format!("{}: {}", self.url(), self.why(error)))
    }

    /// What the store's code means, and what to do.
    fn why(&self, error: &(dyn std::error::Error + 'static)) -> String {
        let (bucket, endpoint) = (&self.bucket, &self.endpoint);
        let code = code(error);
        match code.as_deref() {
            Some("NoSuchBucket") => format!(
                "there is no bucket {bucket} at {endpoint}; make it, or look at the name and at AWS_ENDPOINT_URL_S3"
            ),
            Some(
                code @ ("InvalidAccessKeyId"
                | "SignatureDoesNotMatch"
                | "InvalidToken"
                | "ExpiredToken"),
            ) => format!(
                "{endpoint} does not take these keys ({code}); look at AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN"
            ),
            Some("AccessDenied" | "AllAccessDisabled") => format!(
                "these keys may not do that in bucket {bucket} (AccessDenied); a backup needs s3:ListBucket, s3:PutObject and s3:AbortMultipartUpload, a restore s3:ListBucket and s3:GetObject"
            ),
            Some(
                code @ ("PermanentRedirect"
                | "AuthorizationHeaderMalformed"
                | "IllegalLocationConstraintException"),
            ) => {
                format!("the bucket {bucket} is in another region ({code}); set AWS_REGION")
            }
            Some(code) => format!("{endpoint} answered {code}"),
            None => format!(
                "{endpoint} could not be asked: {}; look at AWS_ENDPOINT_URL_S3",
                root(error)
            ),
        }
    }
}

/// The code in a store's answer. Of the answer nothing else is told: it may repeat a request's head.
fn code(error: &dyn std::error::Error) -> Option<String> {
    let text = error.to_string();
    let (_, rest) = text.split_once("<Code>")?;
    rest.split_once("</Code>").map(|(code, _)| code.to_owned())
}

/// The innermost cause, without a page that may follow.
fn root(error: &(dyn std::error::Error + 'static)) -> String {
    let innermost = std::iter::successors(Some(error), |e| (*e).source()).last();
    let text = innermost.unwrap_or(error).to_string();
    let line = text.split(['<', '\n']).next().unwrap_or_default();
    line.chars().take(CAUSE_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(url: &str, set: &[(&str, &str)]) -> Result<Bucket, String> {
        let find = |name: &str| set.iter().find(|(n, _)| *n == name);
        Bucket::new(url, |name| find(name).map(|(_, value)| (*value).to_owned()))
            .map_err(|e| e.to_string())
    }

    const KEYS: [(&str, &str); 2] = [
        ("AWS_ACCESS_KEY_ID", "key"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
    ];

    #[test]
    fn a_url_names_a_bucket_and_perhaps_a_prefix() {
        for (url, shown) in [
            ("s3://backups/levada/1/", "s3://backups/levada/1"),
            ("s3://backups", "s3://backups"),
        ] {
            assert_eq!(bucket(url, &KEYS).unwrap().shown.url(), shown);
        }
        for url in ["s3://", "s3:///1", "s3://backups/a//b", "s3://backups/../b"] {
            let error = bucket(url, &KEYS).err().unwrap();
            assert!(error.starts_with(url), "{error}");
        }
    }

    #[test]
    fn what_is_missing_in_the_environment_is_named_and_no_secret_is() {
        let error = bucket("s3://b/1", &[("AWS_ACCESS_KEY_ID", "key")])
            .err()
            .unwrap();
        assert!(
            error.contains("AWS_SECRET_ACCESS_KEY is not set"),
            "{error}"
        );
        let empty = [KEYS[0], ("AWS_SECRET_ACCESS_KEY", "")];
        assert!(bucket("s3://b/1", &empty).is_err());
        let with_password = [KEYS[0], KEYS[1], ("AWS_ENDPOINT_URL", "https://me:word@s3")];
        let error = bucket("s3://b/1", &with_password).err().unwrap();
        assert!(
            error.contains("AWS_ENDPOINT_URL") && !error.contains("word"),
            "{error}"
        );
    }

    #[test]
    fn the_endpoint_for_s3_comes_before_the_one_for_all() {
        let both = [
            KEYS[0],
            KEYS[1],
            ("AWS_ENDPOINT_URL_S3", "http://one"),
            ("AWS_ENDPOINT_URL", "http://two"),
        ];
        let bucket = bucket("s3://b/1", &both).unwrap();
        assert_eq!(bucket.shown.endpoint, "http://one");
        assert!(format!("{:?}", bucket.store).contains("http://one"));
    }
}
