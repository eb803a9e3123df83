//! How fast a backlog is read that is on the disk and in no cache: against reading its files from end to end, as cold.
//!
//! The kernel is told to drop the files' pages, by file: that needs no privilege and takes nothing from others on the
//! machine. What the node then reads from the disk is counted by the kernel, and stands beside the figure.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::Advice;

use super::super::Bench;
use super::super::server::Server;
use super::super::table::Figure;
use super::create;
use crate::http::Api;
use crate::load::drain::{self, Drained, Encoding};
use crate::load::{Plan, send};
use crate::usage;

const BYTES: u64 = 10_000_000_000;
const BYTES_QUICK: u64 = 200_000_000;

/// Read at once, each on a connection of its own.
const SHARDS: u32 = 6;

/// Of the rate at which the files are read.
const TARGET: f64 = 0.60;

/// Connections that fill the stream, each with as many records as a request takes.
const FILL_CONNECTIONS: usize = 8;

/// A fill that takes longer than this has failed.
const FILL_TIMEOUT: Duration = Duration::from_secs(1800);

/// The files are read in pieces of this size.
const READ_BYTES: usize = 1 << 20;

pub(in super::super) async fn backlog(bench: &mut Bench) -> Result<(), String> {
    let bytes = if bench.quick { BYTES_QUICK } else { BYTES };
    let mut node = [bench.node("streams-backlog").await?];
    let blocks = bench.home("streams-backlog").join("data/blocks");
    let shards = create(&node[0].http, "backlog", SHARDS).await?;
    let records = fill(bench, &node, bytes / super::super::MESSAGE_BYTES as u64).await?;
    for (encoding, name) in [(Encoding::Json, "JSON"), (Encoding::Cbor, "CBOR")] {
        node[0].stop().await?;
        let files = cold(&blocks)?;
        let plain = off_the_runtime(move || read(&files)).await?;
        node[0].restart()?;
        node[0].ready().await?;
        // Only now: the start looks at the files, too.
        cold(&blocks)?;
        let before = usage::disk_read_bytes(node[0].pid());
        let plan = bench.plan("", &node, "backlog");
        let drained = drain::run(&plan, &shards, encoding).await;
        let drained = drained.map_err(|error| format!("GetRecords in {name}: {error}"))?;
        let from_disk = usage::disk_read_bytes(node[0].pid()).saturating_sub(before);
        if drained.records != records {
            let found = drained.records;
            return Err(format!("{found} of {records} records were read in {name}"));
        }
        bench
            .table
            .figure(figure(name, &drained, &plain, from_disk));
    }
    Ok(())
}

/// Fills the stream; how many records it holds.
async fn fill(bench: &mut Bench, node: &[Server], records: u64) -> Result<u64, String> {
    let plan = Plan {
        api: Api::Kinesis,
        batch: 500,
        connections: FILL_CONNECTIONS,
        warmup: Duration::ZERO,
        duration: FILL_TIMEOUT,
        messages_max: Some(records),
        ..bench.plan("one node, filling backlog", node, "backlog")
    };
    let report = send::run(&plan).await;
    let (filled, errors) = (report.messages, report.errors);
    let reason = report.first_error.clone().unwrap_or_default();
    bench.table.load(report);
    // After an error it is not known how many there are.
    if errors == 0 && filled >= records {
        Ok(filled)
    } else {
        Err(format!(
            "{filled} of {records} records were taken, {errors} errors: {reason}"
        ))
    }
}

/// The files of a directory in order, of which no page is in the kernel's cache any more.
fn cold(directory: &Path) -> Result<Vec<PathBuf>, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", directory.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let file = File::open(&path).map_err(failed)?;
        // Only what is written can be dropped.
        file.sync_all().map_err(failed)?;
        rustix::fs::fadvise(&file, 0, None, Advice::DontNeed)
            .map_err(|error| failed(error.into()))?;
        files.push(path);
    }
    files.sort();
    Ok(files)
}

/// What reading files took.
#[derive(Clone, Copy, Debug)]
struct Plain {
    bytes: u64,
    time: Duration,
}

fn read(files: &[PathBuf]) -> Result<Plain, String> {
    let mut buffer = vec![0; READ_BYTES];
    let (mut bytes, began) = (0, Instant::now());
    for path in files {
        let failed = |error: std::io::Error| format!("{}: {error}", path.display());
        let mut file = File::open(path).map_err(failed)?;
        loop {
            match file.read(&mut buffer).map_err(failed)? {
                0 => break,
                read => bytes += read as u64,
            }
        }
    }
    Ok(Plain {
        bytes,
        time: began.elapsed(),
    })
}

async fn off_the_runtime<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| error.to_string())?
}

fn figure(encoding: &str, drained: &Drained, plain: &Plain, from_disk: u64) -> Figure {
    let mb = |bytes: u64| bytes as f64 / 1e6;
    let data = drained.records * super::super::MESSAGE_BYTES as u64;
    let ours = mb(data) / drained.time.as_secs_f64();
    let theirs = mb(plain.bytes) / plain.time.as_secs_f64();
    Figure {
        name: format!(
            "one node, GetRecords of {:.0} MB in no cache, {SHARDS} shards at once, {encoding}",
            mb(data)
        ),
        measured: format!(
            "{ours:.0} MB/s in answers of {:.0} MB, its files {theirs:.0} MB/s ({:.1} %); {:.0} MB came from the disk",
            mb(drained.answer_bytes),
            100.0 * ours / theirs,
            mb(from_disk)
        ),
        target: format!("{:.0} % of reading the files", 100.0 * TARGET),
        met: Some(ours >= TARGET * theirs),
        ratio: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_to_their_ends_in_order() {
        let directory = tempfile::tempdir().unwrap();
        for (name, length) in [("b", 5), ("a", READ_BYTES + 1), ("c", 0)] {
            std::fs::write(directory.path().join(name), vec![7; length]).unwrap();
        }
        let files = cold(directory.path()).unwrap();
        let names: Vec<_> = files.iter().filter_map(|file| file.file_name()).collect();
        assert_eq!(names, ["a", "b", "c"]);
        assert_eq!(read(&files).unwrap().bytes, READ_BYTES as u64 + 6);
    }

    #[test]
    fn the_rates_are_compared() {
        let drained = Drained {
            records: 1_000_000,
            answer_bytes: 1_600_000_000,
            time: Duration::from_secs(2),
        };
        let plain = Plain {
            bytes: 1_100_000_000,
            time: Duration::from_secs(1),
        };
        let figure = figure("JSON", &drained, &plain, 1_090_000_000);
        assert_eq!(figure.met, Some(false));
        assert_eq!(
            figure.measured,
            "512 MB/s in answers of 1600 MB, its files 1100 MB/s (46.5 %); 1090 MB came from the disk"
        );
    }
}
