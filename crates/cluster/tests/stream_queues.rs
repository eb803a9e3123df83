//! A queue on a stream whose shards are split and merged while it is read: what users of the API cannot bring about by
//! hand, as streams with queues are on demand.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use levada_cluster::{
    Broker, Change, Letters, Node, NodeOptions, Put, ReceiveOptions, Resharding, Stream,
    StreamQueue, StreamReceipt, StreamRecord,
};
use levada_engine::proto::{CatalogRefusal, DeleteResult, StreamQueueRow, StreamRow, StreamStatus};
use levada_types::{AccountId, Region};

async fn start(dir: &tempfile::TempDir) -> Node {
    let held = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = held.local_addr().expect("an address");
    drop(held);
    let options = NodeOptions {
        data_dir: dir.path().join("n"),
        peers_listen: Some(address),
        members: vec![address.to_string()],
        peers_address: address.to_string(),
        http_address: "127.0.0.1:4566".into(),
        zone: String::new(),
        partitions: 4,
        // Shards are split by the test alone.
        on_demand_window: Duration::from_secs(3_600),
    };
    let node = Node::start(options).await.expect("the node starts");
    let ready = tokio::time::timeout(Duration::from_secs(60), node.wait_ready());
    ready.await.expect("ready in time");
    node
}

async fn current(broker: &Broker) -> Arc<Stream> {
    broker.catch_up_catalog().await.expect("a leader");
    let region = Region::us_east_1();
    let found = broker.find_stream(AccountId::DEFAULT, &region, "s");
    found.await.expect("a leader").expect("the stream")
}

/// The stream, once nothing is under way.
async fn settled(broker: &Broker) -> Arc<Stream> {
    for _ in 0..600 {
        let stream = current(broker).await;
        let mut queues = stream.row.queues.iter();
        let is_active = stream.row.status() == StreamStatus::Active;
        if is_active && queues.all(|queue| queue.status() == StreamStatus::Active) {
            return stream;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the stream does not settle");
}

/// Changes the stream on the version that was read, and anew where the broker itself was faster.
async fn change<C: Future<Output = Change<Arc<Stream>>>>(
    broker: &Broker,
    to: impl Fn(Arc<Stream>) -> C,
) {
    loop {
        match to(settled(broker).await).await.expect("a leader") {
            Ok(_) => return,
            Err(CatalogRefusal::Changed) => {}
            Err(refusal) => panic!("{refusal:?}"),
        }
    }
}

/// One record into each sixteenth of the hash keys.
async fn put_all_over(broker: &Broker, first: u32) {
    let stream = current(broker).await;
    let records = (0..16).map(|n: u32| StreamRecord {
        hash: u128::from(n) << 124,
        partition_key: "k".into(),
        data: (first + n).to_string().into_bytes().into(),
    });
    let puts = broker.put_records(&stream, records.collect()).await;
    let puts = puts.expect("a leader");
    assert!(puts.iter().all(|put| matches!(put, Put::Kept { .. })));
}

/// Receives and acknowledges until so many came; their data.
async fn drain(broker: &Broker, queue: &StreamQueue, count: usize) -> Vec<u32> {
    let mut found = Vec::new();
    while found.len() < count {
        let options = ReceiveOptions {
            messages_max: 10,
            visibility_timeout_ms: Some(600_000),
            attempt: None,
            wait_ms: 20_000,
        };
        let received = broker.receive_from_stream(queue, Letters::Live, options);
        let messages = received.await.expect("an answer").messages;
        assert!(!messages.is_empty(), "{} of {count} came", found.len());
        let stream = current(broker).await;
        let number = queue.row().queue;
        let now = StreamQueue::find(stream.clone(), |row| row.queue == number).expect("the queue");
        let receipts: Vec<StreamReceipt> = messages
            .iter()
            .map(|message| {
                let log = message.receipt.queue.0;
                let shard = stream.shards().find(|shard| shard.log == log);
                StreamReceipt {
                    shard: shard.expect("a shard").number,
                    position: message.record.position,
                    generation: message.receipt.generation,
                }
            })
            .collect();
        let results = broker.acknowledge_in_stream(&now, Letters::Live, &receipts);
        let results = results.await.expect("a leader");
        assert!(results.iter().all(|r| *r == DeleteResult::Deleted));
        let data = messages.iter().map(|message| {
            let text = std::str::from_utf8(&message.record.payload).expect("a number");
            text.parse::<u32>().expect("a number")
        });
        found.extend(data);
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_and_nothing_comes_twice_while_shards_are_split_and_merged() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let node = start(&dir).await;
    let broker = node.broker();
    let row = StreamRow {
        account: AccountId::DEFAULT.to_string(),
        region: Region::us_east_1().to_string(),
        name: "s".into(),
        on_demand: true,
        retention_hours: 24,
        record_kib_max: 1_024,
        ..StreamRow::default()
    };
    broker
        .create_stream(row, 1)
        .await
        .expect("a leader")
        .expect("a new name");
    settled(&broker).await;
    put_all_over(&broker, 900).await;
    change(&broker, |stream| {
        let mut row = stream.row.clone();
        row.queues.push(StreamQueueRow {
            name: "q".into(),
            visibility_timeout_ms: 30_000,
            ..StreamQueueRow::default()
        });
        broker.change_stream(row)
    })
    .await;
    let stream = settled(&broker).await;
    let number = stream.row.queues[0].queue;
    let queue = broker.find_stream_queue(number).await.expect("a leader");
    let queue = queue.expect("the queue");

    let reader = tokio::spawn({
        let (broker, queue) = (broker.clone(), queue.clone());
        async move { drain(&broker, &queue, 6 * 16).await }
    });
    put_all_over(&broker, 0).await;
    let steps = [
        Resharding::Split(0, 1 << 127),
        Resharding::Split(1, 1 << 126),
        Resharding::Merge(3, 4),
    ];
    let mut first = 16;
    for step in steps {
        let (broker, step) = (&broker, &step);
        change(broker, |stream| async move {
            broker.reshard(&stream, step.clone()).await
        })
        .await;
        // While parents are closed and children opened, and afterwards.
        put_all_over(broker, first).await;
        first += 16;
    }
    settled(&broker).await;
    put_all_over(&broker, first).await;
    put_all_over(&broker, first + 16).await;
    let mut found = tokio::time::timeout(Duration::from_secs(120), reader)
        .await
        .expect("in time")
        .expect("no panic");
    found.sort_unstable();
    assert_eq!(found, (0..6 * 16).collect::<Vec<u32>>());
    node.shutdown().await;
}
