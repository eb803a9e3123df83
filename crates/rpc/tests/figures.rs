//! What a call costs. `cargo test -p levada-rpc --test figures -- --ignored --nocapture`, with
//! `--release` for figures that mean something. Caller and server share the process, so the CPU is
//! that of both sides.

#![allow(clippy::print_stdout)]

mod common;

use std::time::{Duration, Instant};

use bytes::Bytes;
use common::*;
use futures::stream::{FuturesUnordered, StreamExt};
use levada_rpc::{Class, Peer, PeerState};

/// CPU seconds of this process's threads, from Linux.
fn cpu_secs() -> f64 {
    let threads = std::fs::read_dir("/proc/self/task").expect("Linux");
    let nanos = threads.map(|thread| {
        let path = thread.expect("a thread").path().join("schedstat");
        // A thread may end between the listing and the reading.
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let nanos = text.split(' ').next().unwrap_or_default();
        nanos.parse::<f64>().unwrap_or_default()
    });
    nanos.sum::<f64>() / 1e9
}

async fn calls(peer: &Peer, method: u32, bytes: usize, at_once: usize, total: usize) {
    let body = Bytes::from(vec![1; bytes]);
    let call = || peer.call(Class::Raft, method, 1, body.clone(), PATIENCE);
    let (started, cpu) = (Instant::now(), cpu_secs());
    let mut waiting: FuturesUnordered<_> = (0..at_once).map(|_| call()).collect();
    for number in 0..total {
        let answer = waiting.next().await.expect("a call");
        assert_eq!(answer.expect("answered").len(), bytes);
        if number + at_once < total {
            waiting.push(call());
        }
    }
    report(
        &format!("{at_once:4} calls of {bytes:6} B, method {method}"),
        total,
        started,
        cpu,
    );
}

fn report(what: &str, count: usize, started: Instant, cpu: f64) {
    #[allow(clippy::cast_precision_loss)]
    let count = count as f64;
    let (secs, cpu) = (started.elapsed().as_secs_f64(), cpu_secs() - cpu);
    let (rate, each, took) = (count / secs, cpu / count * 1e6, secs / count * 1e6);
    println!("{what}: {rate:9.0}/s, {each:6.2} us CPU each, one in {took:6.2} us");
}

async fn items(peer: &Peer, bytes: usize, total: usize) {
    let opened = peer.open(Class::Raft, STREAM_ECHO, 0).await;
    let (sender, mut receiver) = opened.expect("opened");
    let item = Bytes::from(vec![1; bytes]);
    let (started, cpu) = (Instant::now(), cpu_secs());
    let send = async {
        for _ in 0..total {
            sender.send(item.clone()).await.expect("sent");
        }
    };
    let receive = async {
        for _ in 0..total {
            receiver.next().await.expect("an item");
        }
    };
    tokio::join!(send, receive);
    report(
        &format!("items of {bytes:7} B, there and back"),
        total,
        started,
        cpu,
    );
}

/// How long Raft's calls take while bulk is as busy as it can be.
async fn raft_beside_bulk(peer: &Peer) {
    let large = Bytes::from(vec![5; 4 * 1024 * 1024]);
    let bulk = peer.clone();
    let bulk = tokio::spawn(async move {
        let call = || bulk.call(Class::Bulk, ECHO, 0, large.clone(), PATIENCE);
        loop {
            let all = futures::future::try_join_all((0..4).map(|_| call())).await;
            assert!(all.is_ok());
        }
    });
    let mut took = Vec::new();
    for _ in 0..2_000 {
        let started = Instant::now();
        let answer = peer.call(Class::Raft, ECHO, 0, Bytes::new(), PATIENCE);
        assert_eq!(answer.await, Ok(Bytes::new()));
        took.push(started.elapsed());
    }
    bulk.abort();
    took.sort();
    let [p50, p99, max] = [1_000, 1_980, 1_999].map(|at| took[at]);
    println!("Raft's calls beside bulk: p50 {p50:?}, p99 {p99:?}, longest {max:?}");
}

/// What it costs to keep links up that carry nothing.
async fn idle(peer: &Peer) {
    const FOR: Duration = Duration::from_secs(5);
    let cpu = cpu_secs();
    tokio::time::sleep(FOR).await;
    let percent = (cpu_secs() - cpu) / FOR.as_secs_f64() * 100.0;
    println!(
        "idle, {:?}: {percent:.2} % of a core for both sides",
        *peer.state().borrow()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "prints figures, takes half a minute"]
async fn figures() {
    let node = Node::new(Handler::new()).await;
    let peer = peers().get(&node.addr.to_string());
    calls(&peer, ECHO, 100, 1, 5_000).await;
    for (at_once, total) in [(1, 10_000), (16, 50_000), (64, 100_000), (512, 200_000)] {
        calls(&peer, ECHO, 100, at_once, total).await;
        calls(&peer, LATER, 100, at_once, total).await;
    }
    calls(&peer, ECHO, 16 * 1024, 16, 20_000).await;
    calls(&peer, ECHO, 256 * 1024, 8, 2_000).await;
    items(&peer, 100, 200_000).await;
    items(&peer, 16 * 1024, 20_000).await;
    items(&peer, 1024 * 1024, 500).await;
    idle(&peer).await;
    raft_beside_bulk(&peer).await;
    // The links have carried for longer than it takes to count as stable.
    let (killed, watch) = (Instant::now(), peer.state());
    node.kill();
    until(watch, |state| *state == PeerState::Refused).await;
    println!(
        "from the death of a peer to Refused: {:?}",
        killed.elapsed()
    );
}
