// The AWS SDK for JavaScript v3, unmodified, against one node.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import {
  BatchEntryIdsNotDistinct,
  ChangeMessageVisibilityBatchCommand,
  ChangeMessageVisibilityCommand,
  CreateQueueCommand,
  DeleteMessageBatchCommand,
  DeleteMessageCommand,
  DeleteQueueCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  ListQueueTagsCommand,
  QueueDoesNotExist,
  ReceiptHandleIsInvalid,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  SendMessageCommand,
  SQSClient,
  paginateListQueues,
} from "@aws-sdk/client-sqs";

const client = new SQSClient({
  endpoint: process.env.LEVADA_ENDPOINT,
  region: "us-east-1",
  credentials: { accessKeyId: "test", secretAccessKey: "test" },
  maxAttempts: 1,
});

async function queue(attributes = {}, name = `js-${randomUUID()}`) {
  const made = await client.send(new CreateQueueCommand({ QueueName: name, Attributes: attributes, tags: { a: "b" } }));
  return made.QueueUrl;
}

const fifo = () => queue({ FifoQueue: "true" }, `js-${randomUUID()}.fifo`);

async function receive(url, more = {}) {
  const input = { QueueUrl: url, WaitTimeSeconds: 2, MaxNumberOfMessages: 10, ...more };
  return (await client.send(new ReceiveMessageCommand(input))).Messages ?? [];
}

test("a queue is created, found, read and deleted", async () => {
  const url = await queue({ VisibilityTimeout: "44" });
  const name = url.split("/").at(-1);
  assert.equal((await client.send(new GetQueueUrlCommand({ QueueName: name }))).QueueUrl, url);
  const read = await client.send(new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: ["All"] }));
  assert.equal(read.Attributes.VisibilityTimeout, "44");
  assert.deepEqual((await client.send(new ListQueueTagsCommand({ QueueUrl: url }))).Tags, { a: "b" });
  await client.send(new DeleteQueueCommand({ QueueUrl: url }));
});

test("a message with attributes is sent, received, hidden for longer and deleted", async () => {
  const url = await queue();
  const attributes = {
    text: { DataType: "String", StringValue: "Grüße <&> 🚰" },
    number: { DataType: "Number", StringValue: "12.5" },
    blob: { DataType: "Binary", BinaryValue: new Uint8Array([0, 1, 254, 255]) },
  };
  // The SDK checks the digests of bodies by itself.
  const sent = await client.send(
    new SendMessageCommand({ QueueUrl: url, MessageBody: "hello 🚰", MessageAttributes: attributes }),
  );
  const [message] = await receive(url, { MessageAttributeNames: ["All"], MessageSystemAttributeNames: ["All"] });
  assert.equal(message.MessageId, sent.MessageId);
  assert.equal(message.Body, "hello 🚰");
  assert.equal(message.MD5OfMessageAttributes, sent.MD5OfMessageAttributes);
  assert.deepEqual(new Uint8Array(message.MessageAttributes.blob.BinaryValue), attributes.blob.BinaryValue);
  assert.equal(message.MessageAttributes.text.StringValue, attributes.text.StringValue);
  assert.equal(message.Attributes.ApproximateReceiveCount, "1");
  const handle = { QueueUrl: url, ReceiptHandle: message.ReceiptHandle };
  await client.send(new ChangeMessageVisibilityCommand({ ...handle, VisibilityTimeout: 60 }));
  await client.send(new DeleteMessageCommand(handle));
  assert.deepEqual(await receive(url, { WaitTimeSeconds: 0 }), []);
});

test("batches report each entry", async () => {
  const url = await queue();
  const sent = await client.send(
    new SendMessageBatchCommand({
      QueueUrl: url,
      Entries: [
        { Id: "a", MessageBody: "1" },
        { Id: "b", MessageBody: "2", DelaySeconds: 901 },
        { Id: "c", MessageBody: "3" },
      ],
    }),
  );
  assert.deepEqual(sent.Successful.map((e) => e.Id), ["a", "c"]);
  assert.deepEqual(sent.Failed.map((e) => [e.Id, e.Code, e.SenderFault]), [["b", "InvalidParameterValue", true]]);
  const got = [];
  for (let turn = 0; turn < 5 && got.length < 2; turn++) got.push(...(await receive(url)));
  const entries = got.map((m, i) => ({ Id: `${i}`, ReceiptHandle: m.ReceiptHandle }));
  const changed = await client.send(
    new ChangeMessageVisibilityBatchCommand({
      QueueUrl: url,
      Entries: entries.map((e) => ({ ...e, VisibilityTimeout: 60 })),
    }),
  );
  assert.equal(changed.Successful.length, 2);
  const deleted = await client.send(
    new DeleteMessageBatchCommand({ QueueUrl: url, Entries: [...entries, { Id: "x", ReceiptHandle: "garbage" }] }),
  );
  assert.equal(deleted.Successful.length, 2);
  assert.equal(deleted.Failed[0].Code, "ReceiptHandleIsInvalid");
});

test("a FIFO queue keeps order and takes an id once", async () => {
  const url = await fifo();
  for (const body of ["1", "2", "2", "3"]) {
    const sent = await client.send(
      new SendMessageCommand({ QueueUrl: url, MessageBody: body, MessageGroupId: "g", MessageDeduplicationId: body }),
    );
    assert.match(sent.SequenceNumber, /^\d{20}$/);
  }
  const got = await receive(url);
  assert.deepEqual(got.map((m) => m.Body), ["1", "2", "3"]);
  assert.deepEqual(await receive(url, { WaitTimeSeconds: 0 }), []);
});

test("errors have their own types", async () => {
  const url = await queue();
  await assert.rejects(client.send(new GetQueueUrlCommand({ QueueName: `none-${randomUUID()}` })), (error) => {
    assert.ok(error instanceof QueueDoesNotExist, error);
    assert.equal(error.Code ?? error.code ?? error.name, "AWS.SimpleQueueService.NonExistentQueue");
    assert.equal(error.$metadata.httpStatusCode, 400);
    assert.match(error.message, /The specified queue does not exist/);
    return true;
  });
  await assert.rejects(
    client.send(new DeleteMessageCommand({ QueueUrl: url, ReceiptHandle: "garbage" })),
    ReceiptHandleIsInvalid,
  );
  const same = { Id: "same", MessageBody: "x" };
  await assert.rejects(
    client.send(new SendMessageBatchCommand({ QueueUrl: url, Entries: [same, same] })),
    BatchEntryIdsNotDistinct,
  );
  await assert.rejects(client.send(new ReceiveMessageCommand({ QueueUrl: url, MaxNumberOfMessages: 11 })), (error) => {
    assert.match(error.message, /Value 11 for parameter MaxNumberOfMessages is invalid/);
    return true;
  });
});

test("a long poll wakes", async () => {
  const url = await queue();
  const poll = receive(url, { WaitTimeSeconds: 20 });
  await new Promise((resolve) => setTimeout(resolve, 300));
  const begun = Date.now();
  await client.send(new SendMessageCommand({ QueueUrl: url, MessageBody: "x" }));
  assert.equal((await poll)[0].Body, "x");
  assert.ok(Date.now() - begun < 700);
});

test("queues are listed in pages", async () => {
  const prefix = `js-page-${randomUUID()}`;
  for (let i = 0; i < 5; i++) await queue({}, `${prefix}-${i}`);
  const sizes = [];
  for await (const page of paginateListQueues({ client, pageSize: 2 }, { QueueNamePrefix: prefix })) {
    sizes.push(page.QueueUrls?.length ?? 0);
  }
  assert.deepEqual(sizes, [2, 2, 1]);
});
