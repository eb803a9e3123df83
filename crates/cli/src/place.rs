//! Where a backup is kept: a directory, or a bucket of a store that speaks S3 (`s3.rs`). Either holds the same files.

use std::fmt;
use std::path::{Path, PathBuf};

use levada_server::backup::{BackupError, FileSummary, Manifest, PartitionWriter, Source};

use crate::client::Error;
use crate::s3::{Bucket, Upload};

/// A directory or a bucket.
pub(crate) enum Place {
    /// A directory.
    Dir(PathBuf),
    /// What stands under a prefix of a bucket.
    Bucket(Bucket),
}

/// A partition's file that is being written.
pub(crate) enum FileWriter {
    /// Into a directory.
    Dir(PartitionWriter),
    /// Into a bucket.
    Bucket(Box<Upload>),
}

impl Place {
    /// From `s3://bucket/prefix` or a path.
    pub(crate) fn new(place: &Path) -> Result<Self, Error> {
        let url = place.to_str().filter(|text| text.starts_with("s3://"));
        match url {
            Some(url) => Ok(Self::Bucket(Bucket::new(url, |name| {
                std::env::var(name).ok()
            })?)),
            None => Ok(Self::Dir(place.to_owned())),
        }
    }

    /// Makes sure that nothing is there: nothing is ever written over.
    pub(crate) async fn expect_empty(&self) -> Result<(), Error> {
        match self {
            Self::Dir(dir) => {
                std::fs::create_dir_all(dir)?;
                if std::fs::read_dir(dir)?.next().is_some() {
                    return Err(BackupError::Occupied(dir.clone()).into());
                }
                Ok(())
            }
            Self::Bucket(bucket) => bucket.expect_empty().await,
        }
    }

    /// Begins a partition's file, or begins it anew.
    pub(crate) fn create(&self, partition: u32, applied_index: u64) -> Result<FileWriter, Error> {
        Ok(match self {
            Self::Dir(dir) => {
                FileWriter::Dir(PartitionWriter::create(dir, partition, applied_index)?)
            }
            Self::Bucket(bucket) => {
                FileWriter::Bucket(Box::new(bucket.upload(partition, applied_index)))
            }
        })
    }

    /// Makes what was written a backup.
    pub(crate) async fn write_manifest(&self, manifest: &Manifest) -> Result<(), Error> {
        match self {
            Self::Dir(dir) => Ok(manifest.write(dir)?),
            Self::Bucket(bucket) => bucket.put_manifest(manifest.to_json()?).await,
        }
    }

    /// To read from, where a thread may block within a runtime.
    pub(crate) fn source(&self) -> &dyn Source {
        match self {
            Self::Dir(dir) => dir,
            Self::Bucket(bucket) => bucket,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source().place().display().fmt(f)
    }
}

impl FileWriter {
    /// Adds a part as the node gave it. Answers how many rows and blocks there are by now.
    pub(crate) async fn add(&mut self, part: Vec<u8>) -> Result<(usize, usize), Error> {
        let summary = match self {
            Self::Dir(writer) => {
                writer.add(&part)?;
                writer.summary()
            }
            Self::Bucket(upload) => {
                upload.add(part).await?;
                upload.summary()
            }
        };
        Ok((summary.rows, summary.blocks))
    }

    /// Makes the file durable.
    pub(crate) async fn finish(self) -> Result<FileSummary, Error> {
        match self {
            Self::Dir(writer) => Ok(writer.finish()?),
            Self::Bucket(upload) => upload.finish().await,
        }
    }

    /// Gives up: a store should not keep parts of what nobody will complete.
    pub(crate) async fn abandon(self) {
        if let Self::Bucket(upload) = self {
            upload.abandon().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_directory_with_anything_in_it_is_refused() {
        let dir = std::env::temp_dir().join(format!("levada-place-{}", std::process::id()));
        let place = Place::new(&dir).unwrap();
        place.expect_empty().await.unwrap();
        std::fs::write(dir.join("x"), "").unwrap();
        let error = place.expect_empty().await.unwrap_err();
        assert!(error.to_string().contains("not empty"), "{error}");
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
