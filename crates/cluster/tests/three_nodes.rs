//! Three nodes in one process over real sockets and disks: form a cluster, pass messages, lose a node.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use levada_cluster::{
    Broker, Node, NodeOptions, PartitionStatus, Queue, ReceiveOptions, ReceivedMessage,
};
use levada_engine::proto::{CreateQueue, NewMessage};
use levada_types::{AccountId, NodeId, Region};
use tempfile::TempDir;

const PARTITIONS: u32 = 4;

/// Between two looks at what comes about by itself.
const LOOK_PAUSE: Duration = Duration::from_millis(20);
/// On a machine that has much else to do.
const LOOK_TIMEOUT: Duration = Duration::from_secs(60);

fn free_addresses(count: usize) -> Vec<SocketAddr> {
    let held: Vec<TcpListener> = (0..count)
        .map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port"))
        .collect();
    held.iter()
        .map(|l| l.local_addr().expect("an address"))
        .collect()
}

fn options(dir: &Path, addresses: &[SocketAddr], i: usize) -> NodeOptions {
    let members = addresses.iter().map(ToString::to_string).collect();
    NodeOptions {
        data_dir: dir.join(format!("n{i}")),
        peers_listen: Some(addresses[i]),
        members,
        peers_address: addresses[i].to_string(),
        http_address: format!("127.0.0.1:{}", 4566 + i),
        zone: String::new(),
        partitions: PARTITIONS,
        on_demand_window: levada_cluster::ON_DEMAND_WINDOW_DEFAULT,
    }
}

/// `RUST_LOG=debug cargo test -- --nocapture` shows what the nodes say.
fn show_logs() {
    let filter = tracing_subscriber::EnvFilter::from_default_env();
    // Another test of this process may have been first.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_test_writer()
        .try_init();
}

async fn start_all(dir: &TempDir, addresses: &[SocketAddr]) -> Vec<Node> {
    show_logs();
    let starts = (0..addresses.len()).map(|i| Node::start(options(dir.path(), addresses, i)));
    let nodes = futures::future::try_join_all(starts)
        .await
        .expect("every node starts");
    for node in &nodes {
        if tokio::time::timeout(Duration::from_secs(20), node.wait_ready())
            .await
            .is_err()
        {
            let seen: Vec<_> = nodes.iter().map(|n| (n.ready(), n.status())).collect();
            panic!("not ready in time: {seen:#?}");
        }
    }
    nodes
}

fn voters(partition: &PartitionStatus) -> &[NodeId] {
    let copy = partition.copy.as_ref();
    copy.map_or(&[], |copy| &copy.voters)
}

fn account() -> AccountId {
    AccountId::DEFAULT
}

async fn create(broker: &Broker, name: &str) -> Arc<Queue> {
    let fifo = name.ends_with(".fifo");
    let attributes = if fifo {
        BTreeMap::from([("FifoQueue".to_owned(), "true".to_owned())])
    } else {
        BTreeMap::new()
    };
    let command = CreateQueue {
        account: account().to_string(),
        region: Region::us_east_1().to_string(),
        name: name.into(),
        attributes,
        ..CreateQueue::default()
    };
    broker
        .create_queue(command)
        .await
        .expect("a leader")
        .expect("a new name")
}

fn message(n: u64, group: &str) -> NewMessage {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&n.to_be_bytes());
    NewMessage {
        message_id: Bytes::copy_from_slice(&id),
        payload: format!("message {n}").into_bytes().into(),
        group: group.into(),
        deduplication: Bytes::copy_from_slice(&id),
        delay_ms: None,
    }
}

async fn receive(broker: &Broker, queue: &Arc<Queue>, wait_ms: u64) -> Vec<ReceivedMessage> {
    let options = ReceiveOptions {
        messages_max: 10,
        visibility_timeout_ms: Some(600_000),
        attempt: None,
        wait_ms,
    };
    broker
        .receive(queue, options)
        .await
        .expect("an answer")
        .messages
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_one_node_takes_another_gives_and_deletes() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let addresses = free_addresses(3);
    let nodes = start_all(&dir, &addresses).await;
    let brokers: Vec<Broker> = nodes.iter().map(Node::broker).collect();
    for name in ["orders", "orders.fifo"] {
        let queue = create(&brokers[0], name).await;
        let found = brokers[1]
            .find_queue(queue.account, &queue.region, &queue.name)
            .await;
        assert_eq!(found.expect("a leader").expect("the queue").id, queue.id);
        for n in 0..20 {
            let sender = &brokers[n as usize % 3];
            sender
                .send(&queue, vec![message(n, "g")])
                .await
                .expect("sent");
        }
        let mut seen = Vec::new();
        while seen.len() < 20 {
            let got = receive(&brokers[2], &queue, 5_000).await;
            assert!(!got.is_empty(), "{name}: {} of 20", seen.len());
            let receipts: Vec<_> = got.iter().map(|m| m.receipt).collect();
            seen.extend(got.into_iter().map(|m| m.record.payload));
            brokers[1].delete(&queue, &receipts).await.expect("deleted");
        }
        let expected: Vec<Bytes> = (0..20)
            .map(|n| Bytes::from(format!("message {n}")))
            .collect();
        if !name.ends_with(".fifo") {
            seen.sort_by_key(|b| (b.len(), b.clone()));
        }
        assert_eq!(seen, expected);
        assert!(receive(&brokers[0], &queue, 0).await.is_empty());
    }
    for node in nodes {
        node.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_new_cluster_keeps_all_its_members() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let addresses = free_addresses(3);
    let nodes = start_all(&dir, &addresses).await;
    // The catalog learns of the members one by one: until it has all three, and then some more.
    let named = async {
        while nodes
            .iter()
            .any(|n| n.status().members.iter().any(|m| m.http_address.is_empty()))
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), named)
        .await
        .expect("every member says where it is");
    for i in 0..20 {
        create(&nodes[i % 3].broker(), &format!("q{i}")).await;
        for node in &nodes {
            let status = node.status();
            assert_eq!(status.members.len(), 3);
            assert!(
                status.partitions.iter().all(|p| voters(p).len() == 3),
                "{status:#?}"
            );
        }
    }
    for node in nodes {
        node.shutdown().await;
    }
}

/// A name may still lead to where a host was, and another node be there by now.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_cluster_is_made_while_one_node_answers_for_two() {
    let dir = TempDir::new().expect("a directory");
    let addresses = free_addresses(2);
    let misled = format!("localhost:{}", addresses[1].port());
    let of = |i: usize| {
        let mut of = options(dir.path(), &addresses, i);
        of.members.push(misled.clone());
        of
    };
    let both = async { tokio::join!(Node::start(of(0)), Node::start(of(1))) };
    let formed = tokio::time::timeout(Duration::from_secs(5), both).await;
    assert!(formed.is_err(), "two nodes made a cluster of three members");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_parked_poll_wakes_for_a_message_sent_through_another_node() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let addresses = free_addresses(3);
    let nodes = start_all(&dir, &addresses).await;
    let queue = create(&nodes[0].broker(), "wake").await;
    for (sender, poller) in [(0, 1), (1, 2), (2, 0)] {
        let broker = nodes[poller].broker();
        let (polled, parked) = (
            queue.clone(),
            tokio::spawn(async move {
                tokio::task::yield_now().await;
            }),
        );
        let poll = tokio::spawn(async move { receive(&broker, &polled, 20_000).await });
        parked.await.expect("a turn of the scheduler");
        nodes[sender]
            .broker()
            .send(&queue, vec![message(sender as u64, "")])
            .await
            .expect("sent");
        let got = tokio::time::timeout(Duration::from_secs(5), poll)
            .await
            .expect("woken")
            .expect("no panic");
        assert_eq!(got.len(), 1);
    }
    for node in nodes {
        node.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_restarted_cluster_has_what_it_acknowledged() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let addresses = free_addresses(3);
    let nodes = start_all(&dir, &addresses).await;
    let queue = create(&nodes[0].broker(), "kept").await;
    for n in 0..30 {
        nodes[n as usize % 3]
            .broker()
            .send(&queue, vec![message(n, "")])
            .await
            .expect("sent");
    }
    for node in nodes {
        node.shutdown().await;
    }
    let nodes = start_all(&dir, &addresses).await;
    // Counts are a replica's own where no leader answers, and a replica may have yet to hear of what was committed.
    let broker = nodes[1].broker();
    let all_are_there = async {
        while broker.counts(&queue).await.expect("counts").ready != 30 {
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    };
    let looked = tokio::time::timeout(LOOK_TIMEOUT, all_are_there).await;
    assert!(looked.is_ok(), "not all that was acknowledged is there");
    for node in nodes {
        node.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_node_with_an_emptied_directory_comes_back_as_a_newcomer() {
    comes_back_as_a_newcomer(|dir| std::fs::remove_dir_all(dir).expect("the directory goes")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_node_with_a_damaged_log_comes_back_as_a_newcomer() {
    comes_back_as_a_newcomer(|dir| {
        for file in std::fs::read_dir(dir.join("log")).expect("the log's directory") {
            let path = file.expect("a file").path();
            let mut bytes = std::fs::read(&path).expect("its bytes");
            let end = bytes.len().min(4096);
            for byte in bytes.iter_mut().take(end).skip(64) {
                *byte ^= 0x5a;
            }
            std::fs::write(&path, bytes).expect("written back");
        }
    })
    .await;
    // What was damaged stands beside, for whoever wants to look.
}

async fn comes_back_as_a_newcomer(harm: impl FnOnce(&Path)) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let addresses = free_addresses(3);
    let mut nodes = start_all(&dir, &addresses).await;
    let queue = create(&nodes[0].broker(), "survivor").await;
    for n in 0..30 {
        nodes[n as usize % 3]
            .broker()
            .send(&queue, vec![message(n, "")])
            .await
            .expect("sent");
    }
    let before = nodes[2].status();
    nodes.remove(2).shutdown().await;
    harm(&dir.path().join("n2"));
    let back = Node::start(options(dir.path(), &addresses, 2))
        .await
        .expect("joins");
    tokio::time::timeout(Duration::from_secs(30), back.wait_ready())
        .await
        .expect("ready in time");
    assert_ne!(back.status().node, before.node);
    // It is whole when every partition counts on it.
    let whole = async {
        loop {
            let status = nodes[0].status();
            if status
                .partitions
                .iter()
                .all(|p| voters(p).contains(&back.status().node))
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), whole)
        .await
        .expect("whole in time");
    // Now another one can be lost.
    nodes.remove(1).shutdown().await;
    let counts = back.broker().counts(&queue).await.expect("counts");
    assert_eq!(counts.ready, 30);
    nodes.remove(0).shutdown().await;
    back.shutdown().await;
}
