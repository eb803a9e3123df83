//! A load by the producer of `levada-streams`: numbered records of many keys, until its standard input ends or so many are put. A
//! line on its standard output for each receipt: shard, sequence number, sub sequence number or `-`, data.
//!
//! `load ENDPOINT STREAM aggregated|single RECORDS|- RECORDS_A_SECOND|-`

use std::io::{BufWriter, Read as _, Write as _};
use std::sync::mpsc;
use std::time::Duration;

use levada_streams::{Producer, ProducerSettings, Receipt};

#[path = "clients.rs"]
mod clients;

const KEYS: u64 = 60;
/// Records between two pauses.
const BURST: u64 = 30;

#[tokio::main]
async fn main() {
    let args: Vec<String> = std::env::args().collect();
    let [_, endpoint, stream, mode, records, pace] = &args[..] else {
        panic!("load ENDPOINT STREAM aggregated|single RECORDS|- RECORDS_A_SECOND|-");
    };
    let mut settings = ProducerSettings::new(stream);
    settings.aggregate = mode == "aggregated";
    // A node may die and come back meanwhile.
    settings.try_for = Duration::from_secs(180);
    let producer = Producer::start(clients::kinesis(endpoint), settings);
    let wanted: u64 = records.parse().unwrap_or(u64::MAX);
    let pace: Option<u64> = pace.parse().ok();
    let (receipts, told) = mpsc::channel::<(Receipt, String)>();
    let runtime = tokio::runtime::Handle::current();
    let telling = std::thread::spawn(move || {
        let mut out = BufWriter::new(std::io::stdout().lock());
        for (receipt, data) in told {
            let placed = runtime.block_on(receipt).expect("a record that is put");
            let sub = placed
                .sub_sequence_number
                .map_or("-".to_owned(), |sub| sub.to_string());
            writeln!(
                out,
                "{}\t{}\t{sub}\t{data}",
                placed.shard_id, placed.sequence_number
            )
            .expect("a standard output");
        }
        out.flush().expect("a standard output");
    });
    let mut ended = tokio::task::spawn_blocking(|| {
        // Nobody writes: it ends when the test closes it, or dies.
        let _ = std::io::stdin().read(&mut [0]);
    });
    for number in 0..wanted {
        let (key, data) = (
            format!("key-{}", number % KEYS),
            format!("key-{}:{number}", number % KEYS),
        );
        let receipt = producer
            .put(key, data.clone())
            .await
            .expect("a producer that takes records");
        receipts.send((receipt, data)).expect("a thread that tells");
        if ended.is_finished() {
            break;
        }
        if let Some(pace) = pace.filter(|_| number % BURST == BURST - 1) {
            let pause = Duration::from_secs_f64(BURST as f64 / pace as f64);
            // Whichever comes first.
            let _ = tokio::time::timeout(pause, &mut ended).await;
            if ended.is_finished() {
                break;
            }
        }
    }
    producer.close().await.expect("a producer that ends");
    drop(receipts);
    tokio::task::spawn_blocking(|| telling.join().expect("all receipts"))
        .await
        .expect("all receipts");
    std::process::exit(0);
}
