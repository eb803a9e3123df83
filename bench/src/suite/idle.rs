//! What a cluster costs that does nothing, and how soon one is there.

use std::time::{Duration, Instant};

use super::server::Server;
use super::table::Figure;
use super::{Bench, create};
use crate::load::{Plan, parked};
use crate::usage;

/// CPU of a node at rest, in per cent of a core.
const IDLE_PERCENT: f64 = 3.0;

/// Parked polls, over all nodes.
const PARKED: usize = 1000;

/// Process times come in hundredths of a second: below this, two samples of 15 s are the same.
const DIFFERENCE_PERCENT: f64 = 0.5;

/// A poll waits 20 s, so what is measured within that is parked polls and nothing else.
const SAMPLE: Duration = Duration::from_secs(15);

const READY_ONE: Duration = Duration::from_secs(1);
const READY_THREE: Duration = Duration::from_secs(5);

pub(super) async fn idle(bench: &mut Bench) -> Result<(), String> {
    let nodes = bench.cluster("idle").await?;
    create(&nodes[0], "bench").await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let resting = sample(&nodes, bench.seconds(SAMPLE.as_secs(), 5)).await;
    let plan = Plan {
        connections: PARKED,
        ..bench.plan("parked", &nodes, "bench")
    };
    let polls = parked::park(&plan)
        .await
        .map_err(|error| format!("parking polls: {error}"))?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let waiting = sample(&nodes, bench.seconds(SAMPLE.as_secs(), 5)).await;
    if polls.len() != PARKED {
        return Err(format!("{} polls of {PARKED} stayed", polls.len()));
    }
    bench.table.figure(Figure {
        name: "three nodes at rest, CPU of the busiest".to_owned(),
        measured: format!("{resting:.1} % of a core"),
        target: format!("< {IDLE_PERCENT} %"),
        met: Some(resting < IDLE_PERCENT),
        ratio: None,
    });
    bench.table.figure(Figure {
        name: format!("the same with {PARKED} parked long polls"),
        measured: format!("{waiting:.1} % of a core"),
        target: "no measurable difference".to_owned(),
        met: Some(waiting - resting < DIFFERENCE_PERCENT),
        ratio: None,
    });
    Ok(())
}

/// The CPU of the busiest node over some time, in per cent of a core.
pub(super) async fn sample(nodes: &[Server], time: Duration) -> f64 {
    let used = || {
        nodes
            .iter()
            .map(|node| usage::cpu_s(&[node.pid()]))
            .collect::<Vec<_>>()
    };
    let before = used();
    tokio::time::sleep(time).await;
    let after = used();
    let percent = |(before, after): (&f64, &f64)| 100.0 * (after - before) / time.as_secs_f64();
    before.iter().zip(&after).map(percent).fold(0.0, f64::max)
}

pub(super) async fn start(bench: &mut Bench) -> Result<(), String> {
    let tries = if bench.quick { 2 } else { 5 };
    let (mut one, mut three) = (Duration::ZERO, Duration::ZERO);
    for number in 0..tries {
        let home = bench.home("start").join(number.to_string());
        one = one.max(
            Server::node(&bench.binary, &home.join("one"))?
                .ready()
                .await?,
        );
        let began = Instant::now();
        let mut nodes = Server::cluster(&bench.binary, &home.join("three"))?;
        for node in &mut nodes {
            node.ready().await?;
        }
        three = three.max(began.elapsed());
    }
    for (who, measured, target) in [
        ("one node", one, READY_ONE),
        ("three nodes", three, READY_THREE),
    ] {
        bench.table.figure(Figure {
            name: format!("{who}, from start to ready, slowest of {tries}"),
            measured: format!("{:.2} s", measured.as_secs_f64()),
            target: format!("< {} s", target.as_secs()),
            met: Some(measured < target),
            ratio: None,
        });
    }
    Ok(())
}
