// The AWS SDK for JavaScript v3, unmodified, against the streams of one node. It speaks HTTP/2 without being told to.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import {
  CreateStreamCommand,
  DescribeStreamSummaryCommand,
  GetRecordsCommand,
  GetShardIteratorCommand,
  KinesisClient,
  ListShardsCommand,
  PutRecordCommand,
  PutRecordsCommand,
  RegisterStreamConsumerCommand,
  ResourceNotFoundException,
  SplitShardCommand,
  SubscribeToShardCommand,
  DescribeStreamConsumerCommand,
  waitUntilStreamExists,
} from "@aws-sdk/client-kinesis";

const client = new KinesisClient({
  endpoint: process.env.LEVADA_ENDPOINT,
  region: "us-east-1",
  credentials: { accessKeyId: "test", secretAccessKey: "test" },
  maxAttempts: 1,
});

async function stream(shards = 1) {
  const StreamName = `js-${randomUUID()}`;
  await client.send(new CreateStreamCommand({ StreamName, ShardCount: shards }));
  await waitUntilStreamExists({ client, maxWaitTime: 30, minDelay: 1 }, { StreamName });
  return StreamName;
}

async function read(StreamName, ShardId, count) {
  const begin = new GetShardIteratorCommand({ StreamName, ShardId, ShardIteratorType: "TRIM_HORIZON" });
  let at = (await client.send(begin)).ShardIterator;
  const records = [];
  while (records.length < count && at) {
    const answer = await client.send(new GetRecordsCommand({ ShardIterator: at }));
    records.push(...answer.Records);
    at = answer.NextShardIterator;
  }
  return records;
}

test("records are put, alone and many, and read in order", async () => {
  const StreamName = await stream();
  const Data = new Uint8Array([0, 1, 254, 255]);
  const first = await client.send(new PutRecordCommand({ StreamName, Data, PartitionKey: "Grüße" }));
  const Records = Array.from({ length: 50 }, (_, n) => ({ Data: Buffer.from(`${n}`), PartitionKey: `k${n}` }));
  const rest = await client.send(new PutRecordsCommand({ StreamName, Records }));
  assert.equal(rest.FailedRecordCount, 0);
  const got = await read(StreamName, first.ShardId, 51);
  assert.deepEqual(got[0].Data, Data);
  assert.equal(got[0].PartitionKey, "Grüße");
  assert.ok(Math.abs(Date.now() - got[0].ApproximateArrivalTimestamp.getTime()) < 60_000);
  assert.deepEqual(
    got.map((record) => record.SequenceNumber),
    [first, ...rest.Records].map((put) => put.SequenceNumber),
  );
});

test("a shard that was split ends with its children", async () => {
  const StreamName = await stream();
  const [shard] = (await client.send(new ListShardsCommand({ StreamName }))).Shards;
  await client.send(new PutRecordCommand({ StreamName, Data: Buffer.from("before"), PartitionKey: "k" }));
  const half = { StreamName, ShardToSplit: shard.ShardId, NewStartingHashKey: (2n ** 127n).toString() };
  await client.send(new SplitShardCommand(half));
  await waitUntilStreamExists({ client, maxWaitTime: 30, minDelay: 1 }, { StreamName });
  const summary = await client.send(new DescribeStreamSummaryCommand({ StreamName }));
  assert.equal(summary.StreamDescriptionSummary.OpenShardCount, 2);
  assert.equal((await read(StreamName, shard.ShardId, Infinity)).length, 1);
});

test("a consumer is pushed what is put", async () => {
  const StreamName = await stream();
  const { StreamDescriptionSummary } = await client.send(new DescribeStreamSummaryCommand({ StreamName }));
  const { StreamARN } = StreamDescriptionSummary;
  const { Consumer } = await client.send(new RegisterStreamConsumerCommand({ StreamARN, ConsumerName: "c" }));
  const { ConsumerARN } = Consumer;
  let status;
  while (status !== "ACTIVE") {
    const seen = await client.send(new DescribeStreamConsumerCommand({ ConsumerARN }));
    status = seen.ConsumerDescription.ConsumerStatus;
  }
  const [{ ShardId }] = (await client.send(new ListShardsCommand({ StreamName }))).Shards;
  const StartingPosition = { Type: "TRIM_HORIZON" };
  const ended = new AbortController();
  const subscribe = new SubscribeToShardCommand({ ConsumerARN, ShardId, StartingPosition });
  const pushed = await client.send(subscribe, { abortSignal: ended.signal });
  const put = await client.send(new PutRecordCommand({ StreamName, Data: Buffer.from("pushed"), PartitionKey: "k" }));
  for await (const event of pushed.EventStream) {
    const [record] = event.SubscribeToShardEvent?.Records ?? [];
    if (!record) continue;
    assert.equal(record.SequenceNumber, put.SequenceNumber);
    assert.equal(Buffer.from(record.Data).toString(), "pushed");
    break;
  }
  ended.abort();
});

test("errors have their types", async () => {
  const StreamName = `js-${randomUUID()}`;
  await assert.rejects(client.send(new DescribeStreamSummaryCommand({ StreamName })), (error) => {
    assert.ok(error instanceof ResourceNotFoundException);
    assert.match(error.message, new RegExp(`^Stream ${StreamName} under account 000000000000 not found`));
    return true;
  });
});

test.after(() => client.destroy());
