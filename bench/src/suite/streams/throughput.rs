//! How many records: PutRecord and PutRecords against the reference and against ferrokinesis, which keeps them in memory.

use std::time::Duration;

use super::super::Bench;
use super::super::server::Server;
use super::super::table::Figure;
use super::super::throughput::median;
use super::{create, delete};
use crate::http::Api;
use crate::load::{Plan, Report, send};
use crate::reference::STREAM_SHARDS;

/// The targets, as multiples of what ferrokinesis takes.
const ONE: f64 = 1.5;
const THREE: f64 = 0.5;

/// Records a request: PutRecord, PutRecords of a few, and of as many as it takes.
const BATCHES: [usize; 3] = [1, 10, 500];

/// After a stream of another round was deleted its shards are given up.
const SETTLE: Duration = Duration::from_millis(500);

pub(in super::super) async fn one(bench: &mut Bench) -> Result<(), String> {
    let node = [bench.node("streams").await?];
    compare(bench, &node, "one node", ONE).await
}

pub(in super::super) async fn three(bench: &mut Bench) -> Result<(), String> {
    let nodes = bench.cluster("streams-three").await?;
    compare(bench, &nodes, "three nodes", THREE).await
}

/// The same load on the reference, on ferrokinesis and on the subject in turn, so that all have what the machine gives;
/// the median round of each counts.
async fn compare(
    bench: &mut Bench,
    subject: &[Server],
    who: &str,
    target: f64,
) -> Result<(), String> {
    for batch in BATCHES {
        let what = match batch {
            1 => "PutRecord".to_owned(),
            _ => format!("PutRecords of {batch}"),
        };
        // New ones for each batch: ferrokinesis gives back the memory of what was deleted when it likes.
        let reference = [bench.reference().await?];
        let ferrokinesis = bench.ferrokinesis().await.map(|server| [server]);
        let (mut bare, mut theirs, mut ours) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..(if bench.quick { 1 } else { 3 }) {
            let plan = |name: &str, servers: &[Server], stream: &str| Plan {
                api: Api::Kinesis,
                batch,
                ..bench.plan(&format!("{name}, {what}"), servers, stream)
            };
            bare.push(send::run(&plan("reference", &reference, "bench")).await);
            let stream = format!("bench-{batch}-{round}");
            if let Ok(server) = &ferrokinesis {
                theirs.push(load(&plan("ferrokinesis", server, &stream), &server[0]).await?);
            }
            ours.push(load(&plan(who, subject, &stream), &subject[0]).await?);
        }
        let (bare, ours) = (median(bare), median(ours));
        let against = match &ferrokinesis {
            Ok(_) => Ok(median(theirs)),
            Err(reason) => Err(reason.as_str()),
        };
        let name = format!("{who}, {what}, 64 connections");
        bench
            .table
            .figure(figure(name, batch, &ours, &bare, &against, target));
        bench.table.load(bare);
        if let Ok(report) = against {
            bench.table.load(report);
        }
        bench.table.load(ours);
    }
    Ok(())
}

/// A stream of its own for each load: what the earlier ones left is not in the way.
async fn load(plan: &Plan, server: &Server) -> Result<Report, String> {
    create(&server.http, &plan.queue, STREAM_SHARDS).await?;
    let report = send::run(plan).await;
    delete(&server.http, &plan.queue).await?;
    tokio::time::sleep(SETTLE).await;
    Ok(report)
}

fn figure(
    name: String,
    batch: usize,
    ours: &Report,
    bare: &Report,
    against: &Result<Report, &str>,
    target: f64,
) -> Figure {
    let amount = |report: &Report| match batch {
        1 => format!("{:.0} requests/s", report.messages_per_s),
        500 => format!("{:.0} MB/s", mb_per_s(report)),
        _ => format!("{:.0} records/s", report.messages_per_s),
    };
    let measured = match against {
        Ok(theirs) => format!(
            "{} ({:.2} times the {} of ferrokinesis)",
            amount(ours),
            ours.messages_per_s / theirs.messages_per_s,
            amount(theirs),
        ),
        Err(_) => amount(ours),
    };
    let times = format!("{target} times ferrokinesis");
    Figure {
        name,
        measured,
        target: match against {
            Ok(_) => times,
            Err(reason) => format!("{times}, which was not run: {reason}"),
        },
        met: against
            .as_ref()
            .ok()
            .map(|theirs| ours.messages_per_s >= target * theirs.messages_per_s),
        ratio: Some(ours.messages_per_s / bare.messages_per_s),
    }
}

/// Megabytes of data a second.
fn mb_per_s(report: &Report) -> f64 {
    report.messages_per_s * super::super::MESSAGE_BYTES as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::{Latency, histogram};

    fn report(messages_per_s: f64) -> Report {
        Report {
            name: String::new(),
            messages: 0,
            messages_per_s,
            latency: Latency::of(&histogram()),
            errors: 0,
            first_error: None,
            cpu_s_per_100k: None,
        }
    }

    #[test]
    fn without_ferrokinesis_the_row_says_so() {
        let (ours, bare) = (report(50_000.0), report(100_000.0));
        let of = |against| figure("put".to_owned(), 500, &ours, &bare, &against, 1.5);
        let alone = of(Err("no such file"));
        assert_eq!((alone.met, alone.ratio), (None, Some(0.5)));
        assert_eq!(alone.measured, "51 MB/s");
        assert!(alone.target.ends_with("which was not run: no such file"));
        let beside = of(Ok(report(40_000.0)));
        assert_eq!(beside.met, Some(false));
        assert_eq!(
            beside.measured,
            "51 MB/s (1.25 times the 41 MB/s of ferrokinesis)"
        );
    }
}
