//! The library for Rust (`clients/rust`) in one process with a node at LEVADA_ENDPOINT: what befalls single records, processors and
//! leases. What befalls whole applications is in `library/`.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_kinesis::client::Waiters as _;
use levada_streams::{
    Checkpoint, CheckpointError, Checkpointer, Consumer, ConsumerError, ConsumerSettings, HashKey,
    HashRange, LeaseLost, Processor, ProcessorError, Producer, ProducerSettings, PutError, Read,
    Record, Records, ShardStart, StartAt,
};
use tokio::sync::mpsc;

#[path = "../library/clients.rs"]
mod clients;

fn endpoint() -> String {
    std::env::var("LEVADA_ENDPOINT").expect("LEVADA_ENDPOINT")
}

async fn stream(shards: i32) -> (aws_sdk_kinesis::Client, String) {
    let client = clients::kinesis(&endpoint());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let name = format!("lib-{}-{:?}", now.as_nanos(), std::thread::current().id());
    let name = name.replace(['(', ')'], "-");
    let made = client
        .create_stream()
        .stream_name(&name)
        .shard_count(shards);
    made.send().await.unwrap();
    active(&client, &name).await;
    (client, name)
}

async fn active(client: &aws_sdk_kinesis::Client, name: &str) {
    let exists = client.wait_until_stream_exists().stream_name(name);
    exists.wait(Duration::from_secs(30)).await.unwrap();
}

async fn ranges(client: &aws_sdk_kinesis::Client, name: &str) -> HashMap<String, HashRange> {
    let listed = client.list_shards().stream_name(name).send().await.unwrap();
    let shards = listed.shards().iter();
    shards
        .map(|shard| {
            let range = shard.hash_key_range().unwrap();
            let range = HashRange::parse(range.starting_hash_key(), range.ending_hash_key());
            (shard.shard_id().to_owned(), range.unwrap())
        })
        .collect()
}

/// Says what befalls it, and does with the records what the test wants.
struct Teller<F> {
    shard: String,
    told: mpsc::UnboundedSender<Told>,
    with: Arc<F>,
}

#[derive(Debug)]
enum Told {
    Began(ShardStart),
    Given(Vec<Record>),
    Ended(String),
    Lost,
}

impl<F> Processor for Teller<F>
where
    F: AsyncProcess,
{
    async fn initialize(&mut self, start: &ShardStart) -> Result<(), ProcessorError> {
        assert_eq!(start.shard_id, self.shard);
        self.told.send(Told::Began(start.clone()))?;
        self.with.initialize(&start.checkpoint).await;
        Ok(())
    }

    async fn process(
        &mut self,
        records: Records,
        checkpointer: &mut Checkpointer,
    ) -> Result<(), ProcessorError> {
        self.told.send(Told::Given(records.records.clone()))?;
        self.with.process(records, checkpointer).await
    }

    async fn lease_lost(&mut self) {
        let _ = self.told.send(Told::Lost);
    }

    async fn shard_ended(&mut self, _: &mut Checkpointer) -> Result<(), ProcessorError> {
        Ok(self.told.send(Told::Ended(self.shard.clone()))?)
    }

    async fn shutdown_requested(
        &mut self,
        checkpointer: &mut Checkpointer,
    ) -> Result<(), ProcessorError> {
        Ok(checkpointer.checkpoint().await?)
    }
}

/// What a test does with records.
trait AsyncProcess: Send + Sync + 'static {
    fn process(
        &self,
        records: Records,
        checkpointer: &mut Checkpointer,
    ) -> impl Future<Output = Result<(), ProcessorError>> + Send;

    /// When a processor begins.
    fn initialize(&self, _: &Checkpoint) -> impl Future<Output = ()> + Send {
        async {}
    }
}

/// Nothing.
struct Look;

impl AsyncProcess for Look {
    async fn process(&self, _: Records, _: &mut Checkpointer) -> Result<(), ProcessorError> {
        Ok(())
    }
}

fn settings(stream: &str) -> ConsumerSettings {
    let mut settings = ConsumerSettings::new(format!("{stream}-app"), stream);
    settings.start = StartAt::TrimHorizon;
    settings.read = Read::Polling {
        pause: Duration::from_millis(50),
    };
    // A busy machine may write for seconds.
    settings.lease_duration = Duration::from_secs(12);
    settings
}

fn consume<F: AsyncProcess>(
    settings: ConsumerSettings,
    with: F,
) -> (Consumer, mpsc::UnboundedReceiver<Told>) {
    let (told, events) = mpsc::unbounded_channel();
    let with = Arc::new(with);
    let (kinesis, dynamodb) = (
        clients::kinesis(&endpoint()),
        clients::dynamodb(&endpoint()),
    );
    let consumer = Consumer::start(kinesis, dynamodb, settings, move |shard: &str| Teller {
        shard: shard.to_owned(),
        told: told.clone(),
        with: Arc::clone(&with),
    });
    (consumer, events)
}

async fn next(events: &mut mpsc::UnboundedReceiver<Told>) -> Told {
    let event = tokio::time::timeout(Duration::from_secs(180), events.recv());
    event.await.expect("an event in time").expect("a consumer")
}

/// Data of records until so many came; the lost and begun are passed over.
async fn data(events: &mut mpsc::UnboundedReceiver<Told>, count: usize) -> Vec<String> {
    let mut found = Vec::new();
    while found.len() < count {
        if let Told::Given(records) = next(events).await {
            let data = records
                .iter()
                .map(|r| String::from_utf8(r.data.to_vec()).unwrap());
            found.extend(data);
        }
    }
    found
}

async fn put(client: &aws_sdk_kinesis::Client, stream: &str, range: std::ops::Range<usize>) {
    let producer = Producer::start(client.clone(), ProducerSettings::new(stream));
    for n in range {
        // Its receipt is dropped: closing waits for it all the same.
        drop(producer.put("k", n.to_string()).await.unwrap());
    }
    producer.close().await.unwrap();
}

#[tokio::test]
async fn after_a_split_every_record_is_where_it_belongs() {
    let (client, name) = stream(1).await;
    let producer = Producer::start(client.clone(), ProducerSettings::new(&name));
    drop(producer.put("k", "before").await.unwrap());
    // Now it knows the shards as they were.
    producer.flush().await.unwrap();
    let split = client
        .split_shard()
        .stream_name(&name)
        .shard_to_split("shardId-000000000000");
    let middle = HashKey::new(u128::MAX / 2).to_string();
    split.new_starting_hash_key(middle).send().await.unwrap();
    active(&client, &name).await;
    let mut receipts = Vec::new();
    for n in 0..100 {
        let key = format!("k{n}");
        receipts.push((
            HashKey::of(&key),
            producer.put(key, n.to_string()).await.unwrap(),
        ));
    }
    producer.flush().await.unwrap();
    let ranges = ranges(&client, &name).await;
    let mut used = HashMap::new();
    for (hash_key, receipt) in receipts {
        let placed = receipt.await.unwrap();
        assert!(
            ranges[&*placed.shard_id].contains(hash_key),
            "{hash_key} in {placed:?}"
        );
        assert!(placed.sub_sequence_number.is_some());
        *used.entry(placed.shard_id).or_insert(0) += 1;
    }
    assert_eq!(used.len(), 2);
    producer.close().await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_put_is_told_record_by_record() {
    let (client, name) = stream(1).await;
    let mut wanted = ProducerSettings::new(&name);
    wanted.buffer_bytes = 1;
    let producer = Producer::start(client.clone(), wanted);
    assert_eq!(
        producer.put("", "x").await.unwrap_err(),
        PutError::KeyLength(0)
    );
    let long = producer.put("ü".repeat(257), "x").await;
    assert_eq!(long.unwrap_err(), PutError::KeyLength(257));
    let large = producer.put("k", vec![0; 1 << 20]).await.unwrap_err();
    assert!(
        matches!(large, PutError::TooLarge { bytes, .. } if bytes == (1 << 20) + 1),
        "{large}"
    );
    let fits = producer.put("k", vec![0; (1 << 20) - 1]).await.unwrap();
    producer.flush().await.unwrap();
    fits.await.unwrap();
    let other = producer.clone();
    producer.close().await.unwrap();
    assert_eq!(other.put("k", "x").await.unwrap_err(), PutError::Closed);

    let nowhere = Producer::start(client, ProducerSettings::new("lib-nowhere"));
    let refused = nowhere.put("k", "x").await.unwrap().await.unwrap_err();
    assert!(
        matches!(&refused, PutError::Refused(error) if error.is("ResourceNotFoundException")),
        "{refused}"
    );
}

#[tokio::test]
async fn what_nobody_answers_is_given_up() {
    // Nobody listens there.
    let client = clients::kinesis("http://127.0.0.1:1");
    let mut wanted = ProducerSettings::new("lib-unreachable");
    wanted.try_for = Duration::from_millis(300);
    let producer = Producer::start(client, wanted);
    let error = producer.put("k", "x").await.unwrap().await.unwrap_err();
    assert!(
        matches!(&error, PutError::GivenUp { last, .. } if last.starts_with("ListShards")),
        "{error}"
    );
    producer.close().await.unwrap();
}

#[tokio::test]
async fn a_full_producer_waits_and_goes_on() {
    let (client, name) = stream(1).await;
    let mut wanted = ProducerSettings::new(&name);
    wanted.record_bytes = 1_000;
    wanted.buffer_bytes = 3_000;
    // Nothing goes before it is told to: so room comes by what was put, and by nothing else.
    wanted.linger = Duration::from_secs(3_600);
    wanted.aggregate_bytes = 1_000;
    let producer = Producer::start(client, wanted);
    let mut receipts = Vec::new();
    // Two of them fill the record, and go; the buffer holds three at most.
    for n in 0..20 {
        receipts.push(
            producer
                .put(format!("k{n}"), vec![b'x'; 700])
                .await
                .unwrap(),
        );
    }
    let waits = producer.put("k", vec![b'x'; 700]);
    drop(waits);
    producer.close().await.unwrap();
    for receipt in receipts {
        receipt.await.unwrap();
    }
}

#[tokio::test]
async fn what_waits_in_a_dropped_producer_is_put_still() {
    let (client, name) = stream(1).await;
    let mut wanted = ProducerSettings::new(&name);
    wanted.linger = Duration::from_secs(3_600);
    let producer = Producer::start(client, wanted);
    let receipt = producer.put("k", "x").await.unwrap();
    drop(producer);
    receipt.await.unwrap();
}

/// Fails, then panics, then works.
struct Stumble(AtomicUsize);

impl AsyncProcess for Stumble {
    async fn process(
        &self,
        records: Records,
        checkpointer: &mut Checkpointer,
    ) -> Result<(), ProcessorError> {
        match self.0.fetch_add(1, Ordering::SeqCst) {
            0 => {
                // The first two are done.
                checkpointer
                    .checkpoint_at(&records.records[1].position)
                    .await?;
                Err("no".into())
            }
            1 => panic!("a processor may panic"),
            _ => Ok(()),
        }
    }
}

#[tokio::test]
async fn after_a_failure_and_a_panic_it_goes_on_behind_the_checkpoint() {
    let (client, name) = stream(1).await;
    put(&client, &name, 0..5).await;
    let (consumer, mut events) = consume(settings(&name), Stumble(AtomicUsize::new(0)));
    assert_eq!(data(&mut events, 5).await, ["0", "1", "2", "3", "4"]);
    for _ in 0..2 {
        let began = next(&mut events).await;
        let Told::Began(ShardStart {
            checkpoint: Checkpoint::At(at),
            ..
        }) = began
        else {
            panic!("{began:?}");
        };
        assert_eq!(
            at.sub_sequence_number, 1,
            "the checkpoint lies in an aggregated record"
        );
        assert_eq!(data(&mut events, 3).await, ["2", "3", "4"]);
    }
    consumer.shutdown().await.unwrap();
}

/// Fails whenever it is given something, and where it begins anew it waits for the end.
struct Hopeless {
    ends: tokio::sync::Semaphore,
}

impl AsyncProcess for Hopeless {
    async fn process(&self, _: Records, _: &mut Checkpointer) -> Result<(), ProcessorError> {
        Err("no".into())
    }

    async fn initialize(&self, at: &Checkpoint) {
        assert_eq!(*at, Checkpoint::TrimHorizon);
        // The first one has a permit, those after it have none until the test gives some.
        self.ends.acquire().await.unwrap().forget();
    }
}

#[tokio::test]
async fn a_processor_that_is_given_nothing_has_nothing_to_checkpoint() {
    let (client, name) = stream(1).await;
    put(&client, &name, 0..3).await;
    let wanted = settings(&name);
    let (kinesis, dynamodb) = (client.clone(), clients::dynamodb(&endpoint()));
    let (told, mut events) = mpsc::unbounded_channel();
    let with = Arc::new(Hopeless {
        ends: tokio::sync::Semaphore::new(1),
    });
    let shared = Arc::clone(&with);
    let table = wanted.application.clone();
    let consumer = Consumer::start(kinesis, dynamodb, wanted, move |shard: &str| Teller {
        shard: shard.to_owned(),
        told: told.clone(),
        with: Arc::clone(&shared),
    });
    // The first one fails; the second one begins, and is told to end before it is given anything.
    assert_eq!(data(&mut events, 3).await.len(), 3);
    assert!(matches!(next(&mut events).await, Told::Began(_)));
    // It is told first, as what is named first is polled first.
    let (ended, ()) = tokio::join!(biased; consumer.shutdown(), async { with.ends.add_permits(1) });
    ended.unwrap();
    let got = clients::dynamodb(&endpoint()).get_item().table_name(table);
    let key = AttributeValue::S("shardId-000000000000".to_owned());
    let item = got.key("leaseKey", key).send().await.unwrap().item.unwrap();
    assert_eq!(
        item["checkpoint"],
        AttributeValue::S("TRIM_HORIZON".to_owned())
    );
}

/// Takes its own lease away before it checkpoints.
struct Robbed {
    table: String,
    seen: mpsc::UnboundedSender<CheckpointError>,
}

impl AsyncProcess for Robbed {
    async fn process(
        &self,
        _: Records,
        checkpointer: &mut Checkpointer,
    ) -> Result<(), ProcessorError> {
        let take = clients::dynamodb(&endpoint())
            .update_item()
            .table_name(&self.table);
        take.key(
            "leaseKey",
            AttributeValue::S("shardId-000000000000".to_owned()),
        )
        .update_expression("SET leaseOwner = :thief ADD leaseCounter :one")
        .expression_attribute_values(":thief", AttributeValue::S("thief".to_owned()))
        .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
        .send()
        .await?;
        if let Err(error) = checkpointer.checkpoint().await {
            self.seen.send(error)?;
        }
        Ok(())
    }
}

#[tokio::test]
async fn who_has_lost_its_lease_cannot_checkpoint() {
    let (client, name) = stream(1).await;
    put(&client, &name, 0..3).await;
    let mut wanted = settings(&name);
    // After that the thief's is free.
    wanted.lease_duration = Duration::from_secs(3);
    let table = wanted.application.clone();
    let (seen, mut errors) = mpsc::unbounded_channel();
    let (consumer, mut events) = consume(
        wanted,
        Robbed {
            table: table.clone(),
            seen,
        },
    );
    assert_eq!(data(&mut events, 3).await.len(), 3);
    let error = errors.recv().await.unwrap();
    assert_eq!(error, CheckpointError::LeaseLost(LeaseLost));
    assert!(matches!(next(&mut events).await, Told::Lost));
    let got = clients::dynamodb(&endpoint()).get_item().table_name(table);
    let key = AttributeValue::S("shardId-000000000000".to_owned());
    let item = got.key("leaseKey", key).send().await.unwrap().item.unwrap();
    assert_eq!(
        item["checkpoint"],
        AttributeValue::S("TRIM_HORIZON".to_owned())
    );
    assert_eq!(item["leaseOwner"], AttributeValue::S("thief".to_owned()));
    // The thief renews nothing, so the lease comes back, and all records with it.
    assert_eq!(data(&mut events, 3).await, ["0", "1", "2"]);
    consumer.shutdown().await.unwrap();
}

#[tokio::test]
async fn an_application_begins_where_it_is_told_to() {
    let (client, name) = stream(1).await;
    put(&client, &name, 0..3).await;
    // Times of arrival have milliseconds.
    tokio::time::sleep(Duration::from_millis(20)).await;
    let between = SystemTime::now();
    tokio::time::sleep(Duration::from_millis(20)).await;
    put(&client, &name, 3..5).await;
    let cases = [
        (StartAt::TrimHorizon, 0),
        (StartAt::Timestamp(between), 3),
        (StartAt::Latest, 5),
    ];
    for (start, first) in cases {
        for read in [
            Read::Polling {
                pause: Duration::from_millis(50),
            },
            Read::FanOut,
        ] {
            let mut wanted = settings(&name);
            wanted.application = format!("{name}-{first}-{}", read == Read::FanOut);
            (wanted.start, wanted.read) = (start, read);
            let (consumer, mut events) = consume(wanted, Look);
            let expected: Vec<String> = (first..5).map(|n| n.to_string()).collect();
            if first < 5 {
                assert_eq!(
                    data(&mut events, expected.len()).await,
                    expected,
                    "{start:?} {read:?}"
                );
            } else {
                // It may have begun or be about to: what is put again and again is seen at last, and nothing older.
                let came = loop {
                    let came = client.put_record().stream_name(&name).partition_key("late");
                    came.data(aws_sdk_kinesis::primitives::Blob::new("late"))
                        .send()
                        .await
                        .unwrap();
                    if let Ok(came) =
                        tokio::time::timeout(Duration::from_millis(200), data(&mut events, 1)).await
                    {
                        break came;
                    }
                };
                assert!(came.iter().all(|data| data == "late"), "{came:?}");
            }
            consumer.shutdown().await.unwrap();
        }
    }
}

/// Takes longer than the workers take between two looks at the leases.
struct Slow;

impl AsyncProcess for Slow {
    async fn process(&self, _: Records, _: &mut Checkpointer) -> Result<(), ProcessorError> {
        tokio::time::sleep(Duration::from_secs(3)).await;
        Ok(())
    }
}

#[tokio::test]
async fn what_was_merged_is_read_when_both_its_parents_are_done() {
    let (client, name) = stream(2).await;
    // "k" is in one of the two; the other one ends at once.
    put(&client, &name, 0..3).await;
    let merge = client.merge_shards().stream_name(&name);
    let merge = merge.shard_to_merge("shardId-000000000000");
    merge
        .adjacent_shard_to_merge("shardId-000000000001")
        .send()
        .await
        .unwrap();
    active(&client, &name).await;
    put(&client, &name, 3..5).await;
    let (consumer, mut events) = consume(settings(&name), Slow);
    let (mut order, mut came) = (Vec::new(), Vec::new());
    while came.len() < 5 {
        match next(&mut events).await {
            Told::Began(start) => order.push(format!("begin {}", &start.shard_id[19..])),
            Told::Ended(shard) => order.push(format!("end {}", &shard[19..])),
            Told::Given(records) => came.extend(records.into_iter().map(|r| r.data)),
            Told::Lost => panic!("nobody else is there"),
        }
    }
    assert_eq!(came, ["0", "1", "2", "3", "4"]);
    let child = order.iter().position(|what| what == "begin 2").unwrap();
    for end in ["end 0", "end 1"] {
        assert!(order[..child].iter().any(|what| what == end), "{order:?}");
    }
    consumer.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_processor_that_does_not_end_in_time_is_ended() {
    let (client, name) = stream(1).await;
    put(&client, &name, 0..1).await;
    let mut wanted = settings(&name);
    wanted.shutdown_timeout = Duration::from_millis(50);
    let (consumer, mut events) = consume(wanted, Slow);
    assert_eq!(data(&mut events, 1).await, ["0"]);
    let error = consumer.shutdown().await.unwrap_err();
    assert!(
        matches!(error, ConsumerError::HurriedEnd { left: 1, .. }),
        "{error}"
    );
}

#[tokio::test]
async fn a_consumer_of_no_stream_says_so() {
    let mut wanted = settings("lib-no-stream");
    wanted.read = Read::FanOut;
    let (mut consumer, _events) = consume(wanted, Look);
    let error = consumer.ended().await.unwrap_err();
    assert!(
        matches!(&error, ConsumerError::SetUp(error) if error.is("ResourceNotFoundException")),
        "{error}"
    );
    assert_eq!(consumer.shutdown().await.unwrap_err(), error);
}
