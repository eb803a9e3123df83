//! Puts three orders and reads them: the lines that docs/clients.md shows. `orders ENDPOINT STREAM`, of a stream that is there.

use std::io::Write as _;
use std::time::Duration;

use aws_sdk_kinesis::config::{BehaviorVersion, Credentials, Region};
use levada_streams::{
    Checkpointer, Consumer, ConsumerSettings, Processor, ProcessorError, Producer,
    ProducerSettings, Read, Records, StartAt,
};
use tokio::sync::mpsc;

struct Orders {
    shard: String,
    seen: mpsc::Sender<String>,
}

impl Processor for Orders {
    async fn process(
        &mut self,
        records: Records,
        checkpointer: &mut Checkpointer,
    ) -> Result<(), ProcessorError> {
        for record in &records.records {
            let order = String::from_utf8(record.data.to_vec())?;
            let line = format!("{} {}: {order}", self.shard, record.partition_key);
            self.seen.send(line).await?;
        }
        checkpointer.checkpoint().await?;
        Ok(())
    }

    async fn shutdown_requested(
        &mut self,
        checkpointer: &mut Checkpointer,
    ) -> Result<(), ProcessorError> {
        Ok(checkpointer.checkpoint().await?)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().collect();
    let [_, endpoint, stream] = &args[..] else {
        return Err("orders ENDPOINT STREAM".into());
    };
    let credentials = Credentials::new("test", "test", None, None, "test");
    let kinesis = aws_sdk_kinesis::Client::from_conf(
        aws_sdk_kinesis::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(endpoint)
            .region(Region::new("us-east-1"))
            .credentials_provider(credentials.clone())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build(),
    );
    let dynamodb = aws_sdk_dynamodb::Client::from_conf(
        aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(endpoint)
            .region(Region::new("us-east-1"))
            .credentials_provider(credentials)
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build(),
    );

    let producer = Producer::start(kinesis.clone(), ProducerSettings::new(stream));
    let mut receipts = Vec::new();
    for (customer, order) in [("ann", "tea"), ("bo", "bread"), ("ann", "milk")] {
        // Waits while the producer's buffer is full.
        receipts.push(producer.put(customer, order).await?);
    }
    producer.flush().await?;
    for receipt in receipts {
        let placed = receipt.await?;
        let line = format!("{} {}", placed.shard_id, placed.sequence_number);
        writeln!(std::io::stdout(), "{line}")?;
    }
    producer.close().await?;

    let (seen, mut orders) = mpsc::channel(100);
    let mut settings = ConsumerSettings::new(format!("{stream}-app"), stream);
    settings.start = StartAt::TrimHorizon;
    settings.read = Read::Polling {
        pause: Duration::from_millis(250),
    };
    let consumer = Consumer::start(kinesis, dynamodb, settings, move |shard: &str| Orders {
        shard: shard.to_owned(),
        seen: seen.clone(),
    });
    for _ in 0..3 {
        let order = orders.recv().await.ok_or("the consumer ended")?;
        writeln!(std::io::stdout(), "{order}")?;
    }
    consumer.shutdown().await?;
    Ok(())
}
