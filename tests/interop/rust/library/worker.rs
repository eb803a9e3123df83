//! One worker of an application on `levada-streams`: says on its standard output what befalls it, a line for each event, and judges
//! nothing. The lines are those of `tests/interop/java/kinesis`.
//!
//! `worker ENDPOINT STREAM APPLICATION WORKER polling|fanout LEASE_SECS`. It ends when its standard input does.

use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use levada_streams::{
    Checkpoint, CheckpointError, Checkpointer, Consumer, ConsumerSettings, Processor,
    ProcessorError, Read, Records, ShardStart, StartAt,
};

#[path = "clients.rs"]
mod clients;

const CHECKPOINT_EVERY: Duration = Duration::from_secs(1);

#[tokio::main]
async fn main() {
    let args: Vec<String> = std::env::args().collect();
    let [_, endpoint, stream, application, worker, mode, lease] = &args[..] else {
        panic!("worker ENDPOINT STREAM APPLICATION WORKER polling|fanout LEASE_SECS");
    };
    let mut settings = ConsumerSettings::new(application, stream);
    settings.worker.clone_from(worker);
    settings.start = StartAt::TrimHorizon;
    settings.lease_duration = Duration::from_secs(lease.parse().expect("seconds"));
    settings.sync_every = Duration::from_secs(5);
    settings.read = match mode.as_str() {
        "fanout" => Read::FanOut,
        _ => Read::Polling {
            pause: Duration::from_millis(250),
        },
    };
    let (kinesis, dynamodb) = (clients::kinesis(endpoint), clients::dynamodb(endpoint));
    say("start", "-", &[worker]);
    let mut consumer = Consumer::start(kinesis, dynamodb, settings, |shard: &str| Teller {
        shard: shard.to_owned(),
        checkpointed: Instant::now(),
        turn: 0,
    });
    let input = tokio::task::spawn_blocking(|| {
        // Nobody writes: it ends when the test closes it, or dies.
        let _ = std::io::stdin().read(&mut [0]);
    });
    tokio::select! {
        ended = consumer.ended() => {
            say("failed", "-", &[&format!("{ended:?}")]);
            std::process::exit(1);
        }
        _ = input => {}
    }
    consumer.shutdown().await.expect("an end in time");
    say("end", "-", &[worker]);
}

/// One line: the time in milliseconds, what, which shard, and the rest. Whole, also if the process is killed then.
fn say(what: &str, shard: &str, rest: &[&str]) {
    let at = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a clock after 1970")
        .as_millis();
    let mut line = format!("{at}\t{what}\t{shard}");
    for one in rest {
        line.push('\t');
        line.push_str(one);
    }
    line.push('\n');
    let mut out = std::io::stdout().lock();
    out.write_all(line.as_bytes())
        .and_then(|()| out.flush())
        .expect("a standard output");
}

struct Teller {
    shard: String,
    checkpointed: Instant,
    turn: usize,
}

impl Teller {
    fn say_checkpoint(
        &mut self,
        written: Result<(), CheckpointError>,
        at: &Checkpoint,
    ) -> Result<(), ProcessorError> {
        match written {
            Ok(()) => {
                self.checkpointed = Instant::now();
                say(
                    "checkpoint",
                    &self.shard,
                    &[at.word(), &at.sub_sequence_number().to_string()],
                );
                Ok(())
            }
            Err(CheckpointError::LeaseLost(_)) => {
                say("superseded", &self.shard, &[]);
                Ok(())
            }
            Err(error) => {
                say("failed", &self.shard, &["checkpoint", &error.to_string()]);
                Err(error.into())
            }
        }
    }
}

impl Processor for Teller {
    async fn initialize(&mut self, start: &ShardStart) -> Result<(), ProcessorError> {
        let at = &start.checkpoint;
        say(
            "init",
            &self.shard,
            &[at.word(), &at.sub_sequence_number().to_string()],
        );
        Ok(())
    }

    async fn process(
        &mut self,
        records: Records,
        checkpointer: &mut Checkpointer,
    ) -> Result<(), ProcessorError> {
        let records = records.records;
        for record in &records {
            let at = &record.position;
            let data = String::from_utf8(record.data.to_vec())?;
            let (number, sub) = (
                at.sequence_number.as_str(),
                at.sub_sequence_number.to_string(),
            );
            say(
                "record",
                &self.shard,
                &[number, &sub, &record.partition_key, &data],
            );
        }
        if self.checkpointed.elapsed() < CHECKPOINT_EVERY {
            return Ok(());
        }
        // Now at the end, now in the middle, which may lie in the middle of an aggregated record.
        self.turn += 1;
        let at = if self.turn.is_multiple_of(2) {
            records.len() - 1
        } else {
            records.len() / 2
        };
        let at = records[at].position.clone();
        let written = checkpointer.checkpoint_at(&at).await;
        self.say_checkpoint(written, &Checkpoint::At(at))
    }

    async fn lease_lost(&mut self) {
        say("lost", &self.shard, &[]);
    }

    async fn shard_ended(&mut self, _: &mut Checkpointer) -> Result<(), ProcessorError> {
        say("ended", &self.shard, &[]);
        Ok(())
    }

    async fn shutdown_requested(
        &mut self,
        checkpointer: &mut Checkpointer,
    ) -> Result<(), ProcessorError> {
        let written = checkpointer.checkpoint().await;
        let at = checkpointer.written().clone();
        self.say_checkpoint(written, &at)?;
        say("stopped", &self.shard, &[]);
        Ok(())
    }
}
