//! How long a client's sends pause when a node dies or stands still.
//!
//! Every client sends one message after another and, when a call fails or takes too long, tries the same
//! message on the next node at once, as an SDK behind a list of endpoints does. The figure is the longest time
//! between two acknowledged sends of any client, over every node in turn.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::server::Server;
use super::table::Figure;
use super::{Bench, create};
use crate::http::Connection;
use crate::load::{Plan, send};
use crate::template::Template;

/// Clients of each kind of queue, dealt out over the nodes.
const CLIENTS: usize = 6;

/// A call without an answer is tried elsewhere after this. A paused node's connections stay open, so this is
/// a part of the pause that its clients see.
const CALL_TIMEOUT: Duration = Duration::from_millis(500);

/// When no node takes a call, a client waits this long before it goes round again.
const RETRY_PAUSE: Duration = Duration::from_millis(5);

const KILLED_STANDARD: Duration = Duration::from_millis(300);
const KILLED_FIFO: Duration = Duration::from_secs(1);
const PAUSED: Duration = Duration::from_millis(1500);

/// What all clients of one queue share.
struct Watch {
    stop: AtomicBool,
    acknowledged: AtomicU64,
    clients: Vec<Mutex<Gap>>,
}

/// One client's acknowledgements.
struct Gap {
    last: Instant,
    longest: Duration,
}

pub(super) async fn failover(bench: &mut Bench) -> Result<(), String> {
    let mut nodes = bench.cluster("failover").await?;
    let queues = ["standard", "ordered.fifo"];
    let mut watches = Vec::new();
    let mut clients = JoinSet::new();
    for queue in queues {
        create(&nodes[0], queue).await?;
        let groups = queue.ends_with(".fifo").then_some(CLIENTS as u64);
        let plan = Plan {
            groups,
            ..bench.plan(queue, &nodes, queue)
        };
        let watch = Arc::new(Watch::new());
        for index in 0..CLIENTS {
            let (plan, watch) = (plan.clone(), Arc::clone(&watch));
            clients.spawn(async move { client(&plan, index, &watch).await });
        }
        watches.push(watch);
    }
    tokio::time::sleep(bench.seconds(3, 1)).await;
    if watches
        .iter()
        .any(|watch| watch.acknowledged.load(Ordering::Relaxed) == 0)
    {
        return Err("no send was acknowledged before the first failure".to_owned());
    }
    let killed = each_node(bench, &mut nodes, &watches, "KILL").await?;
    let paused = each_node(bench, &mut nodes, &watches, "STOP").await?;
    watches
        .iter()
        .for_each(|watch| watch.stop.store(true, Ordering::Relaxed));
    while clients.join_next().await.is_some() {}
    figure(
        bench,
        "kill -9 of any node, standard queue",
        killed[0],
        KILLED_STANDARD,
    );
    figure(
        bench,
        "kill -9 of any node, FIFO queue",
        killed[1],
        KILLED_FIFO,
    );
    figure(bench, "any node paused, standard queue", paused[0], PAUSED);
    figure(bench, "any node paused, FIFO queue", paused[1], PAUSED);
    Ok(())
}

/// The longest pause of each queue over a failure of every node in turn.
async fn each_node(
    bench: &Bench,
    nodes: &mut [Server],
    watches: &[Arc<Watch>],
    signal: &str,
) -> Result<Vec<Duration>, String> {
    let mut longest = vec![Duration::ZERO; watches.len()];
    for (index, node) in nodes.iter_mut().enumerate() {
        watches.iter().for_each(|watch| watch.forget());
        node.signal(signal)?;
        tokio::time::sleep(bench.seconds(6, 3)).await;
        let gaps: Vec<Duration> = watches.iter().map(|watch| watch.longest()).collect();
        eprintln!("   {signal} of node {}: {gaps:.2?}", index + 1);
        longest = longest.iter().zip(&gaps).map(|(a, b)| *a.max(b)).collect();
        if signal == "STOP" {
            node.signal("CONT")?;
        } else {
            node.kill();
            node.restart()?;
        }
        node.ready().await?;
        // The node catches up, and leaders move back.
        tokio::time::sleep(bench.seconds(5, 3)).await;
    }
    Ok(longest)
}

fn figure(bench: &mut Bench, name: &str, measured: Duration, target: Duration) {
    bench.table.figure(Figure {
        name: format!("three nodes, {name}: longest pause of sends"),
        measured: format!("{:.2} s", measured.as_secs_f64()),
        target: format!("< {} s", target.as_secs_f64()),
        met: Some(measured < target),
        ratio: None,
    });
}

/// Sends until it is told to stop; every message is tried until it is acknowledged.
async fn client(plan: &Plan, index: usize, watch: &Watch) {
    let templates: Vec<Template> = plan
        .endpoints
        .iter()
        .map(|endpoint| send::template(plan, endpoint))
        .collect();
    let mut node = index % templates.len();
    let mut connection = None;
    while !watch.stop.load(Ordering::Relaxed) {
        // Stamped once a message, so that a retry carries the same deduplication id; the URL names the node
        // that a request goes to, so there is a copy for each.
        let mut requests = templates.clone();
        send::stamp_alike(&mut requests, plan, index as u64);
        let mut attempts = 0;
        while !watch.stop.load(Ordering::Relaxed) {
            let call = attempt(
                &mut connection,
                &plan.endpoints[node],
                requests[node].bytes(),
            );
            if matches!(tokio::time::timeout(CALL_TIMEOUT, call).await, Ok(true)) {
                watch.acknowledge(index);
                break;
            }
            connection = None;
            node = (node + 1) % templates.len();
            attempts += 1;
            if attempts % templates.len() == 0 {
                tokio::time::sleep(RETRY_PAUSE).await;
            }
        }
    }
}

async fn attempt(connection: &mut Option<Connection>, endpoint: &str, request: &[u8]) -> bool {
    if connection.is_none() {
        *connection = Connection::open(endpoint).await.ok();
    }
    match connection {
        Some(connection) => connection.call(request).await.is_ok(),
        None => false,
    }
}

impl Watch {
    fn new() -> Self {
        let gap = || {
            Mutex::new(Gap {
                last: Instant::now(),
                longest: Duration::ZERO,
            })
        };
        Self {
            stop: AtomicBool::new(false),
            acknowledged: AtomicU64::new(0),
            clients: std::iter::repeat_with(gap).take(CLIENTS).collect(),
        }
    }

    fn gap(&self, index: usize) -> std::sync::MutexGuard<'_, Gap> {
        self.clients[index]
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn acknowledge(&self, index: usize) {
        self.acknowledged.fetch_add(1, Ordering::Relaxed);
        let mut gap = self.gap(index);
        gap.longest = gap.longest.max(gap.last.elapsed());
        gap.last = Instant::now();
    }

    /// Forgets the pauses so far. The last acknowledgement stays: a pause begins there.
    fn forget(&self) {
        (0..CLIENTS).for_each(|index| self.gap(index).longest = Duration::ZERO);
    }

    /// The longest pause of any client since, one that still lasts included.
    fn longest(&self) -> Duration {
        let of_client = |index| {
            let gap = self.gap(index);
            gap.longest.max(gap.last.elapsed())
        };
        (0..CLIENTS).map(of_client).max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_that_still_lasts_counts() {
        let watch = Watch::new();
        (0..CLIENTS).for_each(|index| watch.acknowledge(index));
        watch.forget();
        let long_ago = Instant::now().checked_sub(Duration::from_secs(2)).unwrap();
        watch.gap(3).last = long_ago;
        assert!(watch.longest() >= Duration::from_secs(2));
        watch.acknowledge(3);
        assert!(
            watch.longest() >= Duration::from_secs(2),
            "an ended pause is remembered"
        );
        watch.forget();
        assert!(watch.longest() < Duration::from_secs(1));
    }
}
